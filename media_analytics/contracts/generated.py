"""Text of every checked-in file that is generated from contracts.

Belongs here: which files there are and what each must hold. Does not belong here: writing them (the
command) or comparing them with the disk (the tests).
"""

from media_analytics.contracts.avro import avro_text
from media_analytics.contracts.registry import TOPICS

SCHEMAS = "streaming/codecs/schemas"


def schema_files() -> dict[str, str]:
    """Avro schemas by path in the repository; all that streaming processes know of contracts."""
    return {f"{SCHEMAS}/{name}.avsc": avro_text(contract) for name, contract in TOPICS.items()}
