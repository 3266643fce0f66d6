"""Gold tables about readers.

Belongs here: the reader marts of one date. Formulas stand in the column descriptions. Does not belong here:
how they are computed (`spark_jobs/transforms`).
"""

from datetime import timedelta

from pandera.pandas import DataFrameModel

from media_analytics.contracts.model import Daily, Freshness, TableContract
from media_analytics.contracts.rules import (
    BRAND,
    EARLIEST_DAY,
    LATEST_DAY,
    Day,
    Float64,
    Int64,
    Text,
    column,
    every_measure_twice,
    not_greater,
)
from media_analytics.contracts.tables.sessions import MAX_SESSION_SECONDS
from media_analytics.contracts.topics.envelope import NAME, URL, WORD
from media_analytics.contracts.topics.user import DEVICE_TYPES, REFERRER_MEDIA

_DATE_BRAND = ("date", "brand")


class DateBrand(DataFrameModel):
    """The dimensions every reader mart has."""

    date: Day = column(
        "Date of the session, or of the event in reader_engagement.", ge=EARLIEST_DAY, le=LATEST_DAY
    )
    brand: Text = column("The publication.", str_matches=BRAND)

    class Config:
        """The column set is exact."""

        strict = True


@every_measure_twice(*_DATE_BRAND)
class ReaderSessions(DateBrand):
    """Sessions of a date and brand."""

    sessions: Int64 = column("Sessions.", ge=0)
    viewing_sessions: Int64 = column("Sessions with at least one page view.", ge=0)
    visitors: Int64 = column("Distinct visitors.", ge=0)
    events: Int64 = column("Events of the sessions.", ge=0)
    page_views: Int64 = column("Page views of the sessions.", ge=0)
    clicks: Int64 = column("Clicks of the sessions.", ge=0)
    shares: Int64 = column("Shares of the sessions.", ge=0)
    video_starts: Int64 = column("Video starts of the sessions.", ge=0)
    newsletter_signups: Int64 = column("Newsletter sign-ups of the sessions.", ge=0)
    bounces: Int64 = column("Viewing sessions with one page view and less than 10 s engaged.", ge=0)
    bounce_rate: Float64 = column("bounces / viewing_sessions.", nullable=True, ge=0, le=1)
    pages_per_session: Float64 = column("page_views / viewing_sessions.", nullable=True, ge=0)
    events_per_session: Float64 = column("events / sessions.", nullable=True, ge=0)
    duration_seconds_p50: Float64 = column(
        "Median session duration, exact, linear interpolation.", nullable=True, ge=0, lt=MAX_SESSION_SECONDS
    )
    duration_seconds_p95: Float64 = column(
        "95th percentile of session duration, exact, linear interpolation.",
        nullable=True,
        ge=0,
        lt=MAX_SESSION_SECONDS,
    )
    engaged_seconds: Float64 = column("Sum over page pings.", ge=0, le=1e12)

    viewing_are_sessions = not_greater("viewing_sessions", "sessions")
    bounces_are_viewing = not_greater("bounces", "viewing_sessions")
    bounces_are_viewing_human = not_greater("bounces_human", "viewing_sessions_human")
    visitors_have_sessions = not_greater("visitors", "sessions")
    sessions_have_events = not_greater("sessions", "events")
    page_views_are_events = not_greater("page_views", "events")
    median_below_p95 = not_greater("duration_seconds_p50", "duration_seconds_p95")

    class Config:
        """One row per date and brand."""

        strict = True
        unique = _DATE_BRAND


@every_measure_twice(*_DATE_BRAND, "page_key", "title")
class ReaderEngagement(DateBrand):
    """Events of a date, brand and page; a page has a row with at least one page view on the date."""

    page_key: Text = column("The page.", longest=URL)
    title: Text = column("Last title seen, in event order.", nullable=True, longest=URL)
    page_views: Int64 = column("Page views, with or without consent to analytics.", ge=0)
    visitors: Int64 = column("Distinct visitors with a page view of the page.", ge=0)
    sessions: Int64 = column("Sessions with a page view of the page on the date.", ge=0)
    engaged_seconds: Float64 = column("Sum over page pings; 0 without pings.", ge=0, le=1e12)
    scroll_pct_p50: Float64 = column(
        "Median of each session's largest scroll_pct.", nullable=True, ge=0, le=100
    )
    clicks: Int64 = column("Clicks.", ge=0)
    shares: Int64 = column("Shares.", ge=0)
    video_starts: Int64 = column("Video starts.", ge=0)
    video_completes: Int64 = column("Completed videos.", ge=0)
    entries: Int64 = column("Sessions whose first page view is of the page, on the date.", ge=0)
    exits: Int64 = column("Sessions whose last page view is of the page, on the date.", ge=0)
    recirculation_ratio: Float64 = column(
        "Share of `sessions` with a later page view of another page.", nullable=True, ge=0, le=1
    )

    sessions_have_page_views = not_greater("sessions", "page_views")
    visitors_have_sessions = not_greater("visitors", "sessions")
    entries_are_sessions = not_greater("entries", "sessions")
    exits_are_sessions = not_greater("exits", "sessions")

    class Config:
        """One row per date, brand and page."""

        strict = True
        unique = (*_DATE_BRAND, "page_key")


class SessionMeasures(DateBrand):
    """What is counted per dimension of a session."""

    sessions: Int64 = column("Sessions.", ge=0)
    visitors: Int64 = column("Distinct visitors.", ge=0)
    page_views: Int64 = column("Page views of the sessions.", ge=0)
    engaged_seconds: Float64 = column("Sum over page pings.", ge=0, le=1e12)

    visitors_have_sessions = not_greater("visitors", "sessions")


class Geography(DateBrand):
    """Where the session was."""

    country: Text = column("Country of the session's first event.", longest=WORD)
    region: Text = column("Region of the session's first event.", longest=WORD)


class Devices(DateBrand):
    """What the session used."""

    device_type: Text = column("Device of the session's first event.", isin=(*DEVICE_TYPES, "unknown"))
    os: Text = column("Operating system of the session's first event.", longest=WORD)
    browser: Text = column("Browser of the session's first event.", longest=WORD)


class Sources(DateBrand):
    """Where the session came from."""

    referrer_medium: Text = column("Of the session's first page view.", isin=(*REFERRER_MEDIA, "unknown"))
    referrer_source: Text = column("Of the session's first page view.", longest=NAME)


@every_measure_twice(*_DATE_BRAND, "country", "region")
class ReaderGeography(SessionMeasures, Geography):
    """Sessions of a date and brand by place."""

    class Config:
        """One row per date, brand and place."""

        strict = True
        unique = (*_DATE_BRAND, "country", "region")


@every_measure_twice(*_DATE_BRAND, "device_type", "os", "browser")
class ReaderDevices(SessionMeasures, Devices):
    """Sessions of a date and brand by device."""

    class Config:
        """One row per date, brand and device."""

        strict = True
        unique = (*_DATE_BRAND, "device_type", "os", "browser")


@every_measure_twice(*_DATE_BRAND, "referrer_medium", "referrer_source")
class ReaderSources(SessionMeasures, Sources):
    """Sessions of a date and brand by referrer."""

    class Config:
        """One row per date, brand and referrer."""

        strict = True
        unique = (*_DATE_BRAND, "referrer_medium", "referrer_source")


@every_measure_twice(*_DATE_BRAND, "tier", "segment")
class ReaderSubscriptions(DateBrand):
    """Subscriptions of a date and brand by tier and segment."""

    tier: Text = column("Tier of the subscription; unknown for null.", longest=WORD)
    segment: Text = column("Segment of the subscription; unknown for null.", longest=WORD)
    starts: Int64 = column("Subscriptions that began on the date.", ge=0)
    cancels: Int64 = column("Subscriptions that a cancel ended on the date.", ge=0)
    active: Int64 = column("Subscriptions whose interval contains the next 00:00.", ge=0)
    churn_rate: Float64 = column("cancels / active at 00:00 of the date.", nullable=True, ge=0)
    conversion_rate: Float64 = column(
        "Customers with a start / customers of the brand with any event on the date and no active interval at "
        "its 00:00.",
        nullable=True,
        ge=0,
    )

    class Config:
        """One row per date, brand, tier and segment."""

        strict = True
        unique = (*_DATE_BRAND, "tier", "segment")


def _mart(name: str, grain: str, model: type[DataFrameModel]) -> TableContract:
    return TableContract(
        layer="gold",
        name=name,
        grain=grain,
        model=model,
        partitioning=Daily("date", stored="date"),
        sort_keys=_DATE_BRAND,
        freshness=Freshness(warn=timedelta(minutes=30), fail=timedelta(minutes=45)),
        refresh_interval=timedelta(minutes=15),
        owner="team:newsroom-analytics",
        store="delta",
        writer="spark-connect",
        purposes=("analytics",),
    )


CONTRACTS = (
    _mart("reader_sessions", "One row per date and brand over the date's sessions.", ReaderSessions),
    _mart(
        "reader_engagement",
        "One row per date, brand and page with at least one page view on the date.",
        ReaderEngagement,
    ),
    _mart("reader_geography", "One row per date, brand, country and region.", ReaderGeography),
    _mart("reader_devices", "One row per date, brand, device type, system and browser.", ReaderDevices),
    _mart("reader_sources", "One row per date, brand, referrer medium and source.", ReaderSources),
    _mart(
        "reader_subscriptions",
        "One row per date, brand, tier and segment with a start, a cancel or a subscription that was active at one "
        "of the date's midnights.",
        ReaderSubscriptions,
    ),
)
