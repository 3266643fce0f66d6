"""The table of inputs that could not become events.

Belongs here: bronze.dead_letters. Does not belong here: the letter's fields (`topics/dead_letters.py`).
"""

from media_analytics.contracts.model import Hourly, TableContract
from media_analytics.contracts.rules import EARLIEST, HOUR, LATEST, Instant, Int32, Int64, Text, column
from media_analytics.contracts.topics.dead_letters import DEAD_LETTERS, DeadLetter


class BronzeDeadLetter(DeadLetter):
    """A letter as a batch appended it. `source_...` say where the event stood, `letter_...` where the letter stands."""

    letter_partition: Int32 = column("Partition of the letter in dead_letters.", ge=0)
    letter_offset: Int64 = column("Offset of the letter there.", ge=0)
    appended_at: Instant = column("Log-append time of the letter: the arrival clock.", ge=EARLIEST, le=LATEST)
    letter_schema_id: Int32 = column("Registry id the letter was written with.", provenance=True, ge=0)
    batch_id: Text = column("Batch that wrote the row.", provenance=True, longest=256)
    loaded_at: Instant = column("When the batch was written.", provenance=True)
    appended_hour: Text = column("Hour of appended_at, UTC.", derived_from="appended_at", str_matches=HOUR)

    class Config:
        """One row per letter's coordinate."""

        strict = True
        unique = ("letter_partition", "letter_offset")


BRONZE_DEAD_LETTERS = TableContract(
    layer="bronze",
    name="dead_letters",
    grain="One row per coordinate of dead_letters; original_bytes stay encrypted.",
    model=BronzeDeadLetter,
    partitioning=Hourly("appended_at", stored="appended_hour"),
    sort_keys=("letter_partition", "letter_offset"),
    freshness=DEAD_LETTERS.freshness,
    refresh_interval=DEAD_LETTERS.refresh_interval,
    owner=DEAD_LETTERS.owner,
    store="delta",
    writer="micro-batch",
    source="dead_letters",
)
CONTRACTS = (BRONZE_DEAD_LETTERS,)
