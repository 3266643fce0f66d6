"""Sessions of readers.

Belongs here: one row per session. Does not belong here: what is summed over sessions (`reader_gold.py`).
"""

from datetime import timedelta

from pandera.pandas import DataFrameModel

from media_analytics.contracts.model import Daily, Freshness, TableContract
from media_analytics.contracts.rules import (
    BRAND,
    EARLIEST,
    EARLIEST_DAY,
    LATEST,
    LATEST_DAY,
    UUID,
    Bool,
    Day,
    Float64,
    Instant,
    Int64,
    Text,
    column,
    implies,
    not_greater,
)
from media_analytics.contracts.topics.envelope import NAME, URL, VISITOR, WORD
from media_analytics.contracts.topics.user import DEVICE_TYPES, REFERRER_MEDIA

MAX_SESSION_SECONDS = 48 * 3600


class Session(DataFrameModel):
    """Events of one visitor on one brand with gaps of at most 30 minutes."""

    session_id: Text = column("uuid5 of brand, visitor_id and first event_id.", str_matches=UUID)
    brand: Text = column("The publication.", str_matches=BRAND)
    visitor_id: Text = column(
        "The visitor.", personal_data="pseudonym", longest=NAME + 2, str_matches=VISITOR
    )
    date: Day = column("Date of the first event.", ge=EARLIEST_DAY, le=LATEST_DAY)
    started_at: Instant = column("Time of the first event.", ge=EARLIEST, le=LATEST)
    ended_at: Instant = column("Time of the last event.", ge=EARLIEST, le=LATEST)
    duration_seconds: Float64 = column(
        "ended_at - started_at; 0 for one event.", ge=0, lt=MAX_SESSION_SECONDS
    )
    first_event_id: Text = column("First event by occurred_at, event_id.", str_matches=UUID)
    last_event_id: Text = column("Last event by occurred_at, event_id.", str_matches=UUID)
    events: Int64 = column("Events.", ge=1)
    page_views: Int64 = column("Events of type page_view.", ge=0)
    clicks: Int64 = column("Events of type click.", ge=0)
    shares: Int64 = column("Events of type share.", ge=0)
    video_starts: Int64 = column("Events of type video_start.", ge=0)
    video_completes: Int64 = column("Events of type video_complete.", ge=0)
    newsletter_signups: Int64 = column("Events of type newsletter_signup.", ge=0)
    engaged_seconds: Float64 = column("Sum of engaged_seconds over page pings.", ge=0, le=1e9)
    is_bot: Bool = column("Whether any event is a bot's.")
    is_viewing: Bool = column("Whether there is a page view.", derived_from="page_views")
    is_bounce: Bool = column(
        "One page view and less than 10 s engaged.", derived_from="page_views, engaged_seconds"
    )
    entry_page_key: Text = column("page_key of the first page view.", nullable=True, longest=URL)
    exit_page_key: Text = column("page_key of the last page view.", nullable=True, longest=URL)
    country: Text = column("Of the first event; unknown for null.", personal_data="location", longest=WORD)
    region: Text = column("Of the first event; unknown for null.", personal_data="location", longest=WORD)
    device_type: Text = column("Of the first event.", isin=(*DEVICE_TYPES, "unknown"))
    os: Text = column("Of the first event; unknown for null.", longest=WORD)
    browser: Text = column("Of the first event; unknown for null.", longest=WORD)
    referrer_medium: Text = column(
        "Of the first page view; unknown without.", isin=(*REFERRER_MEDIA, "unknown")
    )
    referrer_source: Text = column("Of the first page view; unknown without.", longest=NAME)
    loaded_at: Instant = column("When the row was written.", provenance=True)

    ends_after_start = not_greater("started_at", "ended_at")
    page_views_are_events = not_greater("page_views", "events")
    bounces_are_viewing = implies("is_bounce", "is_viewing")

    class Config:
        """One row per session; two far copies of one event may begin one on each of their dates."""

        strict = True
        unique = ("date", "session_id")


SILVER_SESSIONS = TableContract(
    layer="silver",
    name="sessions",
    grain="One row per session, on the date of its first event.",
    model=Session,
    partitioning=Daily("date", stored="date"),
    sort_keys=("brand", "started_at", "session_id"),
    freshness=Freshness(warn=timedelta(minutes=30), fail=timedelta(minutes=45)),
    refresh_interval=timedelta(minutes=15),
    owner="team:data-platform",
    store="delta",
    writer="spark-connect",
    purposes=("analytics",),
)
CONTRACTS = (SILVER_SESSIONS,)
