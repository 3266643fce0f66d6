"""Silver tables of what was in force from when until when.

Belongs here: content revisions, consent, subscriptions, each with half-open intervals `[valid_from, valid_to)`. Does
not belong here: the events they are made of, aggregates over them (`reader_gold.py`).
"""

from datetime import timedelta

from pandera.pandas import DataFrameModel

from media_analytics.contracts.model import Freshness, Full, TableContract, grain_of
from media_analytics.contracts.rules import (
    BRAND,
    EARLIEST,
    LATEST,
    UUID,
    Bool,
    Instant,
    Int32,
    Text,
    TextList,
    column,
    not_greater,
)
from media_analytics.contracts.topics.envelope import NAME, PURPOSES, URL, WORD
from media_analytics.contracts.topics.families import CONTENT_TYPES


class Interval(DataFrameModel):
    """When something was in force."""

    valid_from: Instant = column("First instant of the interval.", ge=EARLIEST, le=LATEST)
    valid_to: Instant = column(
        "First instant after the interval; null while it lasts.", nullable=True, ge=EARLIEST, le=LATEST
    )
    loaded_at: Instant = column("When the row was written.", provenance=True)

    ends_after_start = not_greater("valid_from", "valid_to")

    class Config:
        """The column set is exact."""

        strict = True


class Content(Interval):
    """What a piece of content said in an interval."""

    brand: Text = column("The publication.", str_matches=BRAND)
    content_id: Text = column("The publisher's id of the content.", longest=NAME)
    event_id: Text = column("Event that began the interval.", str_matches=UUID)
    event_type: Text = column("What that event was.", isin=CONTENT_TYPES)
    revision: Int32 = column("Number of the revision.", ge=0)
    title: Text = column("Title.", longest=URL)
    section: Text = column("Section of the brand.", longest=WORD)
    authors: TextList = column("Names of the authors as published.")
    word_count: Int32 = column("Words of the text.", ge=0)
    is_premium: Bool = column("Whether it is for subscribers only.")
    published_at: Instant = column("When it was first published.", ge=EARLIEST, le=LATEST)
    is_published: Bool = column("Whether readers could see it.", derived_from="event_type")

    class Config:
        """One row per brand, content id and interval between two of its events."""

        strict = True
        unique = ("brand", "content_id", "valid_from")


class Consent(Interval):
    """A customer's consent to a purpose, over all brands."""

    customer_id: Text = column(
        "The publisher's id of the customer.", personal_data="identifier", longest=NAME
    )
    purpose: Text = column("What was agreed to.", isin=PURPOSES)
    brand: Text = column("The publication it was given on.", str_matches=BRAND)
    jurisdiction: Text = column("Law it was given under.", longest=WORD)
    given_event_id: Text = column("Event that gave it.", str_matches=UUID)
    withdrawn_event_id: Text = column("Event that withdrew it.", nullable=True, str_matches=UUID)

    class Config:
        """One row per customer, purpose and interval in which the consent was in force."""

        strict = True
        unique = ("customer_id", "purpose", "valid_from")


class Subscription(Interval):
    """A customer's subscription to a brand, from its start to the next start or cancel."""

    brand: Text = column("The publication.", str_matches=BRAND)
    customer_id: Text = column(
        "The publisher's id of the customer.", personal_data="identifier", longest=NAME
    )
    tier: Text = column("Tier of the start; unknown for null.", longest=WORD)
    segment: Text = column("Segment of the start; unknown for null.", longest=WORD)
    start_event_id: Text = column("Event that started it.", str_matches=UUID)
    end_event_id: Text = column("Event that ended it.", nullable=True, str_matches=UUID)
    ended_by: Text = column(
        "Whether a cancel or another start ended it.", nullable=True, isin=("cancel", "start")
    )
    is_bot: Bool = column("Whether a bot sent the start.")

    class Config:
        """One row per start."""

        strict = True
        unique = ("brand", "start_event_id")


def _silver(
    name: str,
    model: type[DataFrameModel],
    sort_keys: tuple[str, ...],
    interval: timedelta,
    *,
    purposes: tuple[str, ...],
) -> TableContract:
    return TableContract(
        layer="silver",
        name=name,
        grain=grain_of(model),
        model=model,
        partitioning=Full("an event ends an interval that may have begun at any time before it"),
        sort_keys=sort_keys,
        freshness=Freshness(warn=2 * interval, fail=3 * interval),
        refresh_interval=interval,
        owner="team:data-platform",
        store="delta",
        writer="spark-connect",
        purposes=purposes,
    )


CONTRACTS = (
    _silver("content", Content, ("brand", "content_id", "valid_from"), timedelta(hours=8), purposes=()),
    # Compliance may be quiet for a day; so may what follows from it.
    _silver("consent", Consent, ("customer_id", "purpose", "valid_from"), timedelta(days=1), purposes=()),
    _silver(
        "subscriptions",
        Subscription,
        ("brand", "customer_id", "valid_from"),
        timedelta(minutes=15),
        purposes=("analytics",),
    ),
)
