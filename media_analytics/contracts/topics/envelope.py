"""What every event of every family has, and the limits all families share.

Belongs here: the envelope, the words and lengths of more than one family, the coordinates a stored event has. Does not
belong here: fields of one family (`user.py`, `families.py`).
"""

from pandera.pandas import DataFrameModel

from media_analytics.contracts.rules import (
    BRAND,
    EARLIEST,
    LATEST,
    LOWER_WORD,
    UUID,
    Instant,
    Int32,
    Int64,
    Text,
    TextList,
    column,
)

PURPOSES = ("analytics", "personalisation", "advertising", "ml_training")
TIERS = ("free", "registered", "basic", "premium")
VISITOR = r"^[cah]:"
# Longest texts in characters; the collector enforces the same limits in bytes.
URL, USER_AGENT, NAME, WORD = 8192, 2048, 1024, 256


class Envelope(DataFrameModel):
    """What every event of every family has. A family narrows `event_type` to its own words."""

    event_id: Text = column(
        "Identity of the fact: the client's UUID or a uuid5 of the input.", str_matches=UUID
    )
    event_type: Text = column("What happened.", str_matches=LOWER_WORD, longest=WORD)
    brand: Text = column("The publication it happened on.", str_matches=BRAND)
    occurred_at: Instant = column("When it happened, by the client's clock.", ge=EARLIEST, le=LATEST)
    received_at: Instant = column("When the collector received it.", ge=EARLIEST, le=LATEST)
    origin: Text = column("Whether it was sent as it happened or imported later.", isin=("live", "import"))
    customer_id: Text = column(
        "The publisher's id of a known customer.", nullable=True, personal_data="identifier", longest=NAME
    )
    anonymous_id: Text = column(
        "The client's id of an unknown reader.", nullable=True, personal_data="pseudonym", longest=NAME
    )
    consent: TextList = column(
        "Purposes the reader agreed to; null when not asked (analytics only), in ClickHouse an empty list.",
        nullable=True,
        items_isin={"allowed": PURPOSES},
    )

    class Config:
        """The column set is exact."""

        strict = True


class Coordinates(DataFrameModel):
    """Where an event stood in the first topic that held it."""

    source_topic: Text = column("First topic that held the event.", longest=249)
    source_partition: Int32 = column("Its partition there.", ge=0)
    source_offset: Int64 = column("Its offset there.", ge=0)
    appended_at: Instant = column("Its log-append time there: the arrival clock.", ge=EARLIEST, le=LATEST)


COORDINATES = ("source_topic", "source_partition", "source_offset")
