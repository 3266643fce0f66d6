"""bronze.dead_letters: inputs that could not become events, written by micro-batches.

Belongs here: which topic it holds, and where a letter's own coordinates stand. Does not belong here: the batches
(`media_analytics.micro_batches`), replaying letters.
"""

from media_analytics.contracts.registry import table, topic
from media_analytics.micro_batches.table import Coordinates, MicroBatched

# `source_...` of a letter say where the event stood; a letter has no event date.
TABLE = MicroBatched(
    contract=table("bronze.dead_letters"),
    topic=topic("dead_letters"),
    event_time="received_at",
    coordinates=Coordinates(
        topic=None, partition="letter_partition", offset="letter_offset", schema_id="letter_schema_id"
    ),
)
