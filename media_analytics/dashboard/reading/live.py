"""What is read now, from the tables that the ClickHouse sink fills.

Belongs here: the queries behind the live page, as the reader user. Does not belong here: closed minutes, the lake.

The window is cut by `appended_at`, the arrival clock, so a query reads a few blocks of today's partition. An event
counts as now when it also happened in the window: imports and phones that were offline are late, not live.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from media_analytics.contracts.registry import TABLES
from media_analytics.dashboard.answers import ArticleNow, BrandNow, FamilyNow, Latency, LiveNow, RatePoint
from media_analytics.dashboard.reading.kept import Kept, KeptByName
from media_analytics.dashboard.report_answers import Who
from media_analytics.resources.clickhouse import ClickHouse

WINDOW = timedelta(minutes=5)
# Families' numbers are averages of this long; points of the chart are this far apart.
RATE_SECONDS = 60
STEP_SECONDS = 10
ARTICLES = 20
KEPT_SECONDS = 0.5
_TABLES = {t.name.removesuffix("_events"): t for t in TABLES.values() if t.layer == "realtime"}
_FAMILIES = sorted(_TABLES)
_COMMENT = "dashboard live"

_ARRIVED = (
    "appended_at >= fromUnixTimestamp({since:Int64}) AND appended_at < fromUnixTimestamp({until:Int64})"
)
_BRANDS = """SELECT brand, uniqExact(visitor_id), uniqExactIf(event_id, event_type = 'page_view')
FROM realtime.user_events WHERE {reading} GROUP BY brand"""
_ARTICLES = f"""SELECT brand, page_key, argMaxIf(title, occurred_at, title IS NOT NULL),
  uniqExact(visitor_id) AS readers, uniqExactIf(event_id, event_type = 'page_view') AS page_views
FROM realtime.user_events WHERE {{reading}} AND page_key IS NOT NULL
GROUP BY brand, page_key ORDER BY readers DESC, page_views DESC, brand, page_key LIMIT {ARTICLES}"""
Bounds = dict[str, int]


class Live:
    """Answers about the last five minutes, each asked at most twice a second."""

    def __init__(self, clickhouse: ClickHouse, brands: Iterable[str]) -> None:
        """Ask nothing yet."""
        self._clickhouse = clickhouse
        self.brands = tuple(brands)
        self._path = Kept(self._ask_path, KEPT_SECONDS)
        self._kept = KeptByName(self._ask, KEPT_SECONDS)

    def now(self, brands: tuple[str, ...] = (), who: Who = "human") -> LiveNow:
        """What is read now of these brands (none: all of them), and how fast events arrive, of all brands.

        Raises:
            ServiceError: the store does not answer.
        """
        return self._kept.get((brands, who))

    def _ask(self, asked: tuple[tuple[str, ...], Who]) -> LiveNow:
        wanted, who = asked
        now = datetime.now(UTC)
        bounds = _bounds(now)
        parameters = {**bounds, "brands": list(wanted or self.brands)}
        reading = _reading(who)
        brands = {
            brand: BrandNow(brand=brand, readers=readers, page_views=views)
            for brand, readers, views in self._rows(_BRANDS.format(reading=reading), parameters)
        }
        for brand in wanted or self.brands:
            brands.setdefault(brand, BrandNow(brand=brand, readers=0, page_views=0))
        articles = [
            ArticleNow(brand=brand, page_key=key, title=title, readers=readers, page_views=views)
            for brand, key, title, readers, views in self._rows(_ARTICLES.format(reading=reading), parameters)
        ]
        families, rates, latency = self._path.get()
        return LiveNow(
            at=now,
            window_seconds=bounds["until"] - bounds["since"],
            who=who,
            readers=sum(b.readers for b in brands.values()),
            brands=[brands[name] for name in sorted(brands)],
            articles=articles,
            families=families,
            rates=rates,
            latency=latency,
        )

    def _ask_path(self) -> tuple[list[FamilyNow], list[RatePoint], Latency]:
        bounds = _bounds(datetime.now(UTC))
        return self._families(bounds["until"]), self._rates(bounds), self._latency(bounds)

    def _families(self, until: int) -> list[FamilyNow]:
        one = f"SELECT '{{name}}', uniqExact(brand, event_id) FROM {{table}} WHERE {_ARRIVED}"
        rows = self._rows(_of_all(one), {"since": until - RATE_SECONDS, "until": until})
        counted = {str(row[0]): int(row[1]) for row in rows}
        return [FamilyNow(family=name, events_per_second=counted[name] / RATE_SECONDS) for name in _FAMILIES]

    def _rates(self, bounds: Bounds) -> list[RatePoint]:
        """Every step of the window for every family, those without events, too: a gap would look like a line."""
        one = (
            f"SELECT '{{name}}', intDiv(toUnixTimestamp(appended_at), {STEP_SECONDS}) * {STEP_SECONDS} AS step, "
            f"uniqExact(brand, event_id) FROM {{table}} WHERE {_ARRIVED} GROUP BY step"
        )
        first = -(-bounds["since"] // STEP_SECONDS) * STEP_SECONDS
        counted = {(name, step): n for name, step, n in self._rows(_of_all(one), bounds)}
        return [
            RatePoint(
                at=datetime.fromtimestamp(step, UTC),
                family=name,
                events_per_second=counted.get((name, step), 0) / STEP_SECONDS,
            )
            for step in range(first, bounds["until"] - STEP_SECONDS + 1, STEP_SECONDS)
            for name in _FAMILIES
        ]

    def _latency(self, bounds: Bounds) -> Latency:
        one = (
            "SELECT dateDiff('microsecond', received_at, inserted_at) / 1000 AS ms FROM {table} "
            f"WHERE {_ARRIVED} AND origin = 'live'"
        )
        sql = f"SELECT count(), quantilesExactInclusive(0.5, 0.95, 0.99, 1)(ms) FROM ({_of_all(one)})"
        events, quantiles = self._rows(sql, bounds)[0]
        p50, p95, p99, most = quantiles if events else (None, None, None, None)
        return Latency(events=events, p50_ms=p50, p95_ms=p95, p99_ms=p99, max_ms=most)

    def _rows(self, sql: str, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        return self._clickhouse.rows(sql, parameters, comment=_COMMENT)


def _reading(who: Who) -> str:
    """A page that somebody looks at: no import, no request of a log, no bot where people are asked for."""
    return (
        f"{_ARRIVED} AND occurred_at >= fromUnixTimestamp({{since:Int64}}) AND brand IN {{brands:Array(String)}} "
        f"AND origin = 'live' AND event_type != 'resource_request'{' AND NOT is_bot' if who == 'human' else ''}"
    )


def _bounds(now: datetime) -> Bounds:
    """The window in seconds since 1970. The second that began has arrived only in part."""
    until = int(now.timestamp())
    return {"since": until - int(WINDOW.total_seconds()), "until": until}


def _of_all(sql: str) -> str:
    """A query over every live table."""
    parts = (
        sql.replace("{name}", name).replace("{table}", table.full_name) for name, table in _TABLES.items()
    )
    return " UNION ALL ".join(parts)
