"""The reader tables of some dates in SQL, from sessions and from pages of sessions.

Belongs here: `warehouse.reader_sessions` and the other sums over sessions, `warehouse.reader_engagement`. Does not
belong here: what a session is (`sessions.py`), subscriptions (`subscriptions.py`).
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date

from media_analytics.generators.traffic.sessions import PAGES, TWINS

# From the condition on rows to SQL by measure.
Measures = Callable[[str], Mapping[str, str]]
_SUMS = ("events", "page_views", "clicks", "shares", "video_starts", "newsletter_signups")
_RATIOS = {
    "bounce_rate": ("bounces", "viewing_sessions"),
    "pages_per_session": ("page_views", "viewing_sessions"),
    "events_per_session": ("events", "sessions"),
}
_DIMENSIONS = {
    "reader_geography": ("country", "region"),
    "reader_devices": ("device_type", "os", "browser"),
    "reader_sources": ("referrer_medium", "referrer_source"),
}


def inserts(first: date, last: date) -> Iterator[str]:
    """The statements that fill the tables for the dates from `first` to `last`, both included."""
    dates = f"own.date BETWEEN toDate32('{first}') AND toDate32('{last}')"
    yield _reader_sessions(dates)
    for name, dimensions in _DIMENSIONS.items():
        yield _insert(name, ("date", "brand", *dimensions), _by_session, "warehouse.sessions", dates)
    yield _reader_engagement(dates)


def _by_session(kept: str) -> Mapping[str, str]:
    return {
        "sessions": f"countIf({kept})",
        "visitors": f"uniqExactIf(own.visitor_id, {kept})",
        "page_views": f"sumIf(own.page_views, {kept})",
        "engaged_seconds": f"sumIf(own.engaged_seconds, {kept})",
    }


def _reader_sessions(dates: str) -> str:
    def measures(kept: str) -> Mapping[str, str]:
        totals = {
            "sessions": f"countIf({kept})",
            "viewing_sessions": f"countIf(is_viewing AND {kept})",
            "visitors": f"uniqExactIf(own.visitor_id, {kept})",
            **{name: f"sumIf(own.{name}, {kept})" for name in _SUMS},
            "bounces": f"countIf(is_bounce AND {kept})",
        }
        ratios = {name: f"{totals[a]} / nullIf({totals[b]}, 0)" for name, (a, b) in _RATIOS.items()}
        quantiles = {
            f"duration_seconds_p{share}": _quantile(f"{share / 100:.2f}", "own.duration_seconds", kept)
            for share in (50, 95)
        }
        return totals | ratios | quantiles | {"engaged_seconds": f"sumIf(own.engaged_seconds, {kept})"}

    return _insert("reader_sessions", ("date", "brand"), measures, "warehouse.sessions", dates)


def _reader_engagement(dates: str) -> str:
    def measures(kept: str) -> Mapping[str, str]:
        twin = next(name for name, condition in TWINS.items() if condition == kept)
        viewed = f"own.visitor_id IS NOT NULL AND own.page_views{twin} > 0"
        sums = ("clicks", "shares", "video_starts", "video_completes", "entries", "exits")
        return {
            "page_views": f"sum(own.page_views{twin})",
            "visitors": f"uniqExactIf(own.visitor_id, {viewed})",
            "sessions": f"countIf({viewed})",
            "engaged_seconds": f"sumIf(own.engaged_seconds{twin}, own.visitor_id IS NOT NULL)",
            "scroll_pct_p50": _quantile(
                "0.5",
                f"assumeNotNull(own.scroll_pct{twin})",
                f"own.visitor_id IS NOT NULL AND own.scroll_pct{twin} IS NOT NULL",
            ),
            **{name: f"sumIf(own.{name}{twin}, own.visitor_id IS NOT NULL)" for name in sums},
            "recirculation_ratio": f"countIf(own.recirculations{twin} > 0) / nullIf(countIf({viewed}), 0)",
        }

    title = {"title": "nullIf(tupleElement(max(own.titled), 3), '')"}
    keys = ("date", "brand", "page_key")
    return (
        _insert("reader_engagement", keys, measures, PAGES, dates, title) + " HAVING sum(own.page_views) > 0"
    )


def _insert(
    table: str,
    keys: tuple[str, ...],
    measures: Measures,
    source: str,
    dates: str,
    more: Mapping[str, str] | None = None,
) -> str:
    """Each measure twice: of all traffic, and with `_human` of people."""
    twice = {f"{name}{twin}": value for twin, kept in TWINS.items() for name, value in measures(kept).items()}
    columns = {**{key: f"own.{key}" for key in keys}, **(more or {}), **twice}
    return (
        f"INSERT INTO warehouse.{table} ({', '.join(columns)}) SELECT {', '.join(columns.values())} "
        f"FROM {source} AS own WHERE {dates} GROUP BY {', '.join(f'own.{key}' for key in keys)}"
    )


def _quantile(share: str, value: str, kept: str) -> str:
    return f"if(countIf({kept}) = 0, NULL, quantileExactInclusiveIf({share})({value}, {kept}))"
