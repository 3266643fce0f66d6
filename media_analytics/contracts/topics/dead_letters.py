"""The topic of inputs that could not become events.

Belongs here: the letter's fields. Does not belong here: how a letter is encrypted or replayed
(`streaming/dead_letters`).
"""

from datetime import timedelta

from pandera.pandas import DataFrameModel

from media_analytics.contracts.model import Freshness, TopicContract
from media_analytics.contracts.rules import (
    EARLIEST,
    LATEST,
    SHA256,
    UUID,
    Bool,
    Bytes,
    Instant,
    Int32,
    Int64,
    Text,
    column,
)

STAGES = ("collector", "enricher", "realtime", "lake")


class DeadLetter(DataFrameModel):
    """The original bytes, the reason, the place."""

    letter_id: Text = column("uuid5 of source and place.", str_matches=UUID)
    event_id: Text = column("Identity of the event, when it could be read.", nullable=True, longest=1024)
    line_number: Int64 = column("Line of the imported file, from 1.", nullable=True, ge=1)
    reason: Text = column("Code of the rule that failed.", str_matches=r"^[a-z][a-z0-9_]*$")
    field: Text = column("Path of the field that failed.", nullable=True, longest=1024)
    message: Text = column("What was expected, for a person.", longest=8192)
    source: Text = column("Route, service or topic that received it.", longest=1024)
    received_at: Instant = column("When it was received.", ge=EARLIEST, le=LATEST)
    schema_id: Int32 = column("Registry id in its framing, when it had one.", nullable=True)
    source_topic: Text = column("First topic that held it.", nullable=True, longest=249)
    source_partition: Int32 = column("Its partition there.", nullable=True, ge=0)
    source_offset: Int64 = column("Its offset there.", nullable=True, ge=0)
    source_appended_at: Instant = column("Its log-append time there.", nullable=True, ge=EARLIEST, le=LATEST)
    original_bytes: Bytes = column(
        "The first 256 KiB, encrypted with the dead letter key.", personal_data="content"
    )
    original_length: Int64 = column("Length of the original in bytes.", ge=0)
    original_sha256: Text = column("SHA-256 of the whole original.", str_matches=SHA256)
    is_replayable: Bool = column("Whether original_bytes is the whole original.")
    stage: Text = column("Where on the path it failed.", isin=STAGES)
    producer: Text = column(
        "The key it was sent with, as `server 0` or `browser 2`; null for a record of a topic.",
        nullable=True,
        longest=256,
    )
    sender_bytes: Bytes = column(
        "What only the request said (address, user agent, key), encrypted as original_bytes; null for a record.",
        nullable=True,
        personal_data="network_address",
    )

    class Config:
        """A letter sent twice has the same id."""

        strict = True


DEAD_LETTERS = TopicContract(
    name="dead_letters",
    grain="One message per input that could not become an event; a repeated one has the same letter_id.",
    model=DeadLetter,
    key="source",
    partitions=1,
    retention=timedelta(days=30),
    freshness=Freshness(warn=timedelta(days=2), fail=timedelta(days=3)),
    refresh_interval=timedelta(days=1),
    owner="team:data-platform",
    stores=("lake",),
    is_contiguous=False,
)
CONTRACTS = (DEAD_LETTERS,)
