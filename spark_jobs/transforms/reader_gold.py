"""The reader tables of gold.

Belongs here: every measure over sessions and pages, each twice: all traffic, and with the suffix
`_human` without bots. Does not belong here: what a session is (`sessions`).

`_human` in session tables leaves out sessions that are bots; in `reader_engagement` it leaves out
events that are bots, the sessions themselves staying what they are: an entry counts as human if that
page view is.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from spark_jobs.transforms.days import around
from spark_jobs.transforms.sessions import VISITOR, assign_sessions, exact_sum, ping_seconds

HUMAN = "_human"
_PLACE = ("occurred_at", "event_id")
# A measure: from the condition on rows to the aggregate over those rows.
Measure = Callable[[Column], Column]


def session_source_dates(dates: Sequence[date]) -> list[date]:
    """The dates of silver.sessions that the session tables need: their own."""
    return around(dates, 0, 0)


def engagement_source_dates(dates: Sequence[date]) -> list[date]:
    """The dates of silver.events that `reader_engagement` needs.

    An event of D can belong to a session of D-1, whose beginning takes events from 23:30 of D-3 to find; the
    session's later page views lie before 00:00 of D+2.
    """
    return around(dates, 3, 1)


def reader_sessions(sessions: DataFrame, dates: Sequence[date]) -> DataFrame:
    """One row per date and brand."""
    sums = ("events", "page_views", "clicks", "shares", "video_starts", "newsletter_signups")
    measures: dict[str, Measure] = {
        "sessions": _count_rows,
        "viewing_sessions": lambda kept: F.count_if(kept & F.col("is_viewing")),
        "visitors": _count_visitors,
        **{name: _sum_of(name) for name in sums},
        "bounces": lambda kept: F.count_if(kept & F.col("is_bounce")),
        "duration_seconds_p50": _percentile_of("duration_seconds", 0.5),
        "duration_seconds_p95": _percentile_of("duration_seconds", 0.95),
        "engaged_seconds": _exact_sum_of("engaged_seconds"),
    }
    ratios = {
        "bounce_rate": ("bounces", "viewing_sessions"),
        "pages_per_session": ("page_views", "viewing_sessions"),
        "events_per_session": ("events", "sessions"),
    }
    names = (
        "sessions", "viewing_sessions", "visitors", *sums, "bounces", *ratios,
        "duration_seconds_p50", "duration_seconds_p95", "engaged_seconds",
    )  # fmt: skip
    grouped = _of_dates(sessions, dates).groupBy("date", "brand").agg(*_twice(measures))
    return _with_ratios(grouped, ratios).select("date", "brand", *_names_twice(names))


def reader_geography(sessions: DataFrame, dates: Sequence[date]) -> DataFrame:
    """One row per date, brand, country and region of the session's first event."""
    return _by_dimensions(sessions, dates, ("country", "region"))


def reader_devices(sessions: DataFrame, dates: Sequence[date]) -> DataFrame:
    """One row per date, brand, device type, operating system and browser of the session's first event."""
    return _by_dimensions(sessions, dates, ("device_type", "os", "browser"))


def reader_sources(sessions: DataFrame, dates: Sequence[date]) -> DataFrame:
    """One row per date, brand, referrer medium and source of the session's first page view."""
    return _by_dimensions(sessions, dates, ("referrer_medium", "referrer_source"))


def reader_engagement(events: DataFrame, dates: Sequence[date]) -> DataFrame:
    """One row per date, brand and page key that had a page view on the date.

    Args:
        events: rows of silver.events, at least all of `engagement_source_dates(dates)`; more do not matter.
        dates: UTC dates to compute.
    """
    page = ("date", "brand", "page_key")
    counts = {
        "page_views": "page_view",
        "clicks": "click",
        "shares": "share",
        "video_starts": "video_start",
        "video_completes": "video_complete",
    }
    per_session: dict[str, Measure] = {
        **{name: _count_if(F.col("event_type") == event_type) for name, event_type in counts.items()},
        "engaged_seconds": lambda kept: exact_sum(F.when(kept, ping_seconds())),
        "scroll_pct": lambda kept: F.max(F.when(kept, F.col("scroll_pct"))),
        "entries": _count_if(F.col("is_entry")),
        "exits": _count_if(F.col("is_exit")),
        "recirculations": _count_if(F.col("is_followed")),
    }
    title = F.max(F.when(F.col("title").isNotNull(), F.struct(*_PLACE, "title")))
    rows = _of_dates(_with_session_facts(events), dates).where(F.col("page_key").isNotNull())
    parts = rows.groupBy(*page, "visitor_id", "session_number").agg(
        *_twice(per_session), title.alias("titled")
    )

    summed = ("clicks", "shares", "video_starts", "video_completes", "entries", "exits")
    ratio = {"recirculation_ratio": ("recirculations", "sessions")}
    pages = parts.groupBy(*page).agg(
        F.max("titled").alias("titled"),
        *[column for suffix in ("", HUMAN) for column in _page_measures(suffix, summed)],
    )
    first = ("page_views", "visitors", "sessions", "engaged_seconds", "scroll_pct_p50")
    names = (*first, *summed, *ratio)
    return (
        _with_ratios(pages.where(F.col("page_views") > 0), ratio)
        .withColumn("title", F.col("titled.title"))
        .select(*page, "title", *_names_twice(names))
    )


def _page_measures(suffix: str, summed: Sequence[str]) -> list[Column]:
    """Measures of a page from its parts per session. A part without visitor counts in page_views only."""
    has_visitor = F.col("visitor_id").isNotNull()
    viewed = has_visitor & (F.col(f"page_views{suffix}") > 0)
    measures: dict[str, Column] = {
        "page_views": F.sum(f"page_views{suffix}"),
        "visitors": F.count_distinct(F.when(viewed, F.col("visitor_id"))),
        "sessions": F.count_if(viewed),
        "engaged_seconds": exact_sum(F.when(has_visitor, F.col(f"engaged_seconds{suffix}"))),
        "scroll_pct_p50": F.percentile(F.when(has_visitor, F.col(f"scroll_pct{suffix}")), 0.5),
        "recirculations": F.count_if(F.col(f"recirculations{suffix}") > 0),
        **{name: F.sum(F.when(has_visitor, F.col(f"{name}{suffix}")).otherwise(0)) for name in summed},
    }
    return [column.alias(f"{name}{suffix}") for name, column in measures.items()]


def _with_session_facts(events: DataFrame) -> DataFrame:
    """All events, with what their session says of them; events without visitor have no session."""
    viewed = F.col("event_type") == "page_view"
    session = Window.partitionBy(*VISITOR, "session_number")
    keyed = viewed & F.col("page_key").isNotNull()
    place = F.struct(*_PLACE)
    # A later page view of another key exists if the last one of another key comes later. That one is the
    # session's last, or, for the key of the last itself, the last with a different key.
    other = F.when(F.col("page_key") == F.col("last_keyed.page_key"), F.col("last_other")).otherwise(
        F.struct("last_keyed.occurred_at", "last_keyed.event_id")
    )
    facts = (
        assign_sessions(events)
        .withColumns(
            {
                "first_view": F.min(F.when(viewed, place)).over(session),
                "last_view": F.max(F.when(viewed, place)).over(session),
                "last_keyed": F.max(F.when(keyed, F.struct(*_PLACE, "page_key"))).over(session),
            }
        )
        .withColumn(
            "last_other",
            F.max(F.when(keyed & (F.col("page_key") != F.col("last_keyed.page_key")), place)).over(session),
        )
        .withColumns(
            {
                "is_entry": viewed & (place == F.col("first_view")),
                "is_exit": viewed & (place == F.col("last_view")),
                "is_followed": F.coalesce(keyed & (place < other), F.lit(False)),
            }
        )
        .drop("first_view", "last_view", "last_keyed", "last_other")
    )
    without_visitor = events.where(F.col("visitor_id").isNull())
    return facts.unionByName(without_visitor, allowMissingColumns=True)


def _by_dimensions(sessions: DataFrame, dates: Sequence[date], dimensions: Sequence[str]) -> DataFrame:
    measures: dict[str, Measure] = {
        "sessions": _count_rows,
        "visitors": _count_visitors,
        "page_views": _sum_of("page_views"),
        "engaged_seconds": _exact_sum_of("engaged_seconds"),
    }
    keys = ("date", "brand", *dimensions)
    grouped = _of_dates(sessions, dates).groupBy(*keys).agg(*_twice(measures))
    return grouped.select(*keys, *_names_twice(tuple(measures)))


def _of_dates(frame: DataFrame, dates: Sequence[date]) -> DataFrame:
    return frame.where(F.col("date").isin(list(dates)))


def _twice(measures: Mapping[str, Measure]) -> list[Column]:
    kinds = {"": F.lit(True), HUMAN: ~F.col("is_bot")}
    return [
        measure(kept).alias(name + suffix)
        for suffix, kept in kinds.items()
        for name, measure in measures.items()
    ]


def _names_twice(names: Sequence[str]) -> list[str]:
    return [name + suffix for suffix in ("", HUMAN) for name in names]


def _with_ratios(frame: DataFrame, ratios: Mapping[str, tuple[str, str]]) -> DataFrame:
    """Null where the denominator is 0."""
    columns = {}
    for suffix in ("", HUMAN):
        for name, (numerator, denominator) in ratios.items():
            below = F.nullif(F.col(denominator + suffix), F.lit(0))
            columns[name + suffix] = F.col(numerator + suffix).cast("double") / below
    return frame.withColumns(columns)


def _count_rows(kept: Column) -> Column:
    return F.count_if(kept)


def _count_visitors(kept: Column) -> Column:
    return F.count_distinct(F.when(kept, F.col("visitor_id")))


def _count_if(condition: Column) -> Measure:
    return lambda kept: F.count_if(kept & condition)


def _sum_of(name: str) -> Measure:
    return lambda kept: F.sum(F.when(kept, F.col(name)).otherwise(0))


def _exact_sum_of(name: str) -> Measure:
    return lambda kept: exact_sum(F.when(kept, F.col(name)))


def _percentile_of(name: str, share: float) -> Measure:
    return lambda kept: F.percentile(F.when(kept, F.col(name)), share)
