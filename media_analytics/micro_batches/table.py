"""What one micro-batched table is.

Belongs here: the table, its topic, its touched dates, the columns that hold a record's coordinates. Does not belong
here: reading, judging or writing records, assets.
"""

from dataclasses import dataclass

from media_analytics.contracts.model import TableContract, TopicContract


@dataclass(frozen=True)
class Coordinates:
    """The columns that say where a row's record stands; `topic` is None when the table does not repeat it."""

    topic: str | None = "source_topic"
    partition: str = "source_partition"
    offset: str = "source_offset"
    schema_id: str = "schema_id"


@dataclass(frozen=True)
class MicroBatched:
    """A bronze table with one row per record of `topic`. `event_time` is the column whose date a row touches."""

    contract: TableContract
    topic: TopicContract
    # None: the rows have no event date.
    dates: TableContract | None = None
    event_time: str = "occurred_at"
    coordinates: Coordinates = Coordinates()

    @property
    def application(self) -> str:
        """Its writer's name in Delta's transactions and in the notes of commits."""
        return f"micro_batches.{self.contract.name}"

    def batch_id(self, number: int) -> str:
        """The `batch_id` of the rows of a batch; text that sorts like its number."""
        return f"{self.contract.name}-{number:012d}"
