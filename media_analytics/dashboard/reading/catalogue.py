"""Which reports there are.

Belongs here: for each report its table in the warehouse, what its rows are grouped by, its measures. Does not belong
here: asking the store (`reports.py`), what a measure means (`dbt_project/models/measures.md`).
"""

from dataclasses import dataclass

from media_analytics.dashboard.reading.measures import Measure
from media_analytics.dashboard.reading.spans import Unit
from media_analytics.dashboard.report_answers import ReportName
from media_analytics.publication import PUBLISHED_AT


@dataclass(frozen=True)
class ReportOf:
    """A table of the warehouse grouped by `dimension`. The members shown have most of the first measure."""

    table: str
    dimension: str
    measures: tuple[Measure, ...]
    has_brands: bool = True
    # The column whose dates are asked for.
    date: str = "date"
    # What such a date stands for.
    unit: Unit = "day"
    # Conditions on its rows.
    where: tuple[str, ...] = ()
    # What else a file says of a member, from any of its rows of the date.
    also: tuple[str, ...] = ()
    # Members are numbers, in their own order, all by date. Each counts the same visitors, so one stands for the total.
    total_of: int | None = None


# Of sessions: a page view without consent belongs to none.
_VIEWED = Measure("page_views", "Page views", said="page_views_of_visits")
_VISITS = (
    Measure("sessions", "Visits"),
    _VIEWED,
)
_ENGAGED = Measure("engaged_seconds_per_page_view", "Engaged time a page view", "seconds", "ratio",
                   ("engaged_seconds",), ("page_views",))  # fmt: skip
_CAME = (
    *_VISITS,
    Measure("newsletter_signups", "Newsletters ordered"),
    Measure("bounces", "Bounces", is_less_better=True),
)
_READ = (
    Measure("page_views", "Page views"),
    _ENGAGED,
    Measure("articles", "Pages read a day", fold="per_day"),
    Measure("entries", "Visits that began here"),
    Measure("exits", "Visits that ended here"),
    Measure("shares", "Shares"),
)
_PLAYS = Measure("plays", "Video plays", said="video_plays", has_twin=False)
_WATCHED = Measure("watch_hours", "Hours watched", "hours", said="video_watch_hours", has_twin=False)
_REQUESTS = Measure("requests", "Requests", said="delivery_requests", has_twin=False)
_GIGABYTES = Measure("gigabytes", "Delivered", "gigabytes", has_twin=False)
# Rates of rows count as much as what they are rates of.
_ERRORS = Measure("error_rate", "Failed requests", "share", "ratio", ("error_rate", "requests"), ("requests",),
                  said="delivery_error_rate", has_twin=False, is_less_better=True)  # fmt: skip
_COMPLETED = Measure("completion_rate", "Watched to the end", "share", "ratio", ("completion_rate", "plays"),
                     ("plays",), said="video_completion_rate", has_twin=False)  # fmt: skip
_PLAY_RATE = Measure("play_rate", "Plays for each time shown", "share", "ratio", ("plays",), ("impressions",),
                     said="video_play_rate", has_twin=False)  # fmt: skip
_ADVERTISING = Measure("ad_revenue_eur", "Advertising in videos", "euros", has_twin=False)
_WATCHING = (_PLAYS, _COMPLETED, _WATCHED, _ERRORS)

# What a brand sells and shows, of dates and of months.
_BUSINESS = (
    Measure("subscription_starts", "Subscriptions begun"),
    Measure("subscription_cancels", "Subscriptions cancelled", is_less_better=True),
    Measure("active_subscriptions", "Subscriptions running", fold="last"),
    Measure("video_plays", "Video plays", has_twin=False),
    Measure("video_watch_hours", "Hours of video watched", "hours", has_twin=False),
    _ADVERTISING,
)

REPORTS: dict[ReportName, ReportOf] = {
    "overview": ReportOf(
        "bi_brand_days",
        "brand",
        (
            _VIEWED,
            Measure("sessions", "Visits"),
            Measure("visitors", "Visitors a day", fold="per_day"),
            _ENGAGED,
            Measure("pages_per_session", "Page views for each visit", "ratio", "ratio",
                    ("page_views",), ("viewing_sessions",)),
            Measure("bounce_rate", "Bounce rate", "share", "ratio",
                    ("bounces",), ("viewing_sessions",), is_less_better=True),
            Measure("newsletter_signups", "Newsletters ordered"),
            *_BUSINESS,
        ),
    ),
    "months": ReportOf(
        "bi_brand_months",
        "brand",
        (
            _VIEWED,
            Measure("sessions", "Visits"),
            Measure("visitors", "Visitors a month", fold="per_month"),
            _ENGAGED,
            *_BUSINESS,
        ),
        date="month_date",
        unit="month",
    ),
    "articles": ReportOf(
        "editorial_articles",
        "page_key",
        (
            Measure("page_views", "Page views"),
            Measure("visitors", "Visitors a day", fold="per_day"),
            _ENGAGED,
            Measure("recirculation_ratio", "Went on to another page", "share", "ratio",
                    ("recirculation_ratio", "sessions"), ("sessions",)),
            Measure("entries", "Visits that began here"),
            Measure("exits", "Visits that ended here"),
            Measure("shares", "Shares"),
        ),
        also=("headline", "section"),
    ),
    "sections": ReportOf("editorial_sections", "section", _READ),
    "authors": ReportOf("editorial_authors", "author", _READ),
    "cohorts": ReportOf(
        "bi_cohorts",
        "week_number",
        (
            Measure("cohort_visitors", "New visitors"),
            Measure("returned_visitors", "Came back"),
            Measure("retention_rate", "Share that came back", "share", "ratio",
                    ("returned_visitors",), ("cohort_visitors",)),
        ),
        date="cohort_date",
        unit="first_week",
        # A week counts once its last date is published.
        where=("addDays(rows.cohort_date, 7 * (rows.week_number + 1)) "
               f"<= toDate32(now('UTC') - INTERVAL {PUBLISHED_AT.hour} HOUR)",),
        total_of=1,
    ),
    "subscriptions": ReportOf(
        "bi_subscriptions",
        "tier",
        (
            Measure("active", "Subscriptions running", fold="last", said="active_subscriptions"),
            Measure("starts", "Begun", said="subscription_starts"),
            Measure("cancels", "Cancelled", said="subscription_cancels", is_less_better=True),
            Measure("churn_rate", "Churn a day", "share", "ratio", ("cancels",), ("active_at_start",),
                    is_less_better=True, is_daily=True),
        ),
    ),
    "conversions": ReportOf(
        "bi_conversions",
        "brand",
        (
            Measure("new_subscribers", "New subscribers a day", fold="per_day"),
            Measure("conversion_rate", "Conversion", "share", "mean"),
        ),
    ),
    "countries": ReportOf("reader_geography", "country", (*_VISITS, _ENGAGED)),
    "devices": ReportOf("reader_devices", "device_type", (*_VISITS, _ENGAGED)),
    "sources": ReportOf("bi_acquisition", "referrer_medium", _CAME),
    "referrers": ReportOf(
        "bi_acquisition", "referrer_source", _CAME, where=("rows.referrer_source != 'unknown'",)
    ),
    "videos": ReportOf(
        "executive_summary",
        "brand",
        (
            _PLAYS,
            _COMPLETED,
            _WATCHED,
            _PLAY_RATE,
            _ERRORS,
            Measure("startup_ms_p95", "Slow starts", "milliseconds", "mean", has_twin=False, is_less_better=True),
            Measure("rebuffer_ratio", "Standing still", "share", "mean", has_twin=False, is_less_better=True),
            _GIGABYTES,
        ),
    ),
    "video_sections": ReportOf("video_sections", "section", (_PLAYS, _COMPLETED, _WATCHED, _PLAY_RATE, _ADVERTISING)),
    "video_revenue": ReportOf(
        "bi_revenue",
        "brand",
        (
            _ADVERTISING,
            Measure("ad_revenue_eur_per_thousand_plays", "For a thousand plays", "euros", "ratio",
                    ("ad_revenue_eur_per_thousand_plays", "plays"), ("plays",), has_twin=False),
            Measure("ad_revenue_eur_per_watch_hour", "For each hour watched", "euros", "ratio",
                    ("ad_revenue_eur_per_watch_hour", "watch_hours"), ("watch_hours",), has_twin=False),
        ),
    ),
    "video_networks": ReportOf("video_networks", "cdn", (_REQUESTS, _ERRORS, _GIGABYTES), has_brands=False),
    "video_devices": ReportOf("video_devices", "device_type", _WATCHING, has_brands=False),
    "video_countries": ReportOf("video_countries", "country_code", _WATCHING, has_brands=False),
}  # fmt: skip
