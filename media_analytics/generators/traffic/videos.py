"""Use and delivery of videos in SQL, and the video tables of the warehouse.

Belongs here: rows of metrics and deliveries, the five tables made of them. Does not belong here: video events of
readers (`events.py`), source files of videos (`generators/video`).

Metrics and deliveries stand in one table, each with null in the columns of the other, so one grouping gives both.
"""

from collections.abc import Iterator, Mapping

from media_analytics.generators.traffic.chance import Chance, listed
from media_analytics.generators.traffic.options import Options

TABLES = (
    "executive_summary", "content_performance", "delivery_quality", "device_analytics", "geographic_analytics",
)  # fmt: skip
ROWS = "generated.video_rows"
# For each event of readers.
DELIVERIES, METRICS = 0.1, 0.03
ASSETS = 2_000
_COLUMNS = (
    "date Date32", "asset UInt32", "asset_id String", "brand LowCardinality(String)", "section LowCardinality(String)",
    "duration_seconds UInt32", "device_type LowCardinality(String)", "platform LowCardinality(String)",
    "os LowCardinality(String)", "country_code LowCardinality(String)", "region LowCardinality(String)",
    "is_delivery Bool", "impressions Nullable(Int64)", "plays Nullable(Int64)", "completions Nullable(Int64)",
    "watch_seconds Nullable(Float64)", "ad_revenue_eur Nullable(Float64)", "cdn LowCardinality(Nullable(String))",
    "http_status Nullable(Int32)", "is_hit Nullable(Bool)", "bytes_sent Nullable(Int64)", "response_ms Nullable(Int64)",
    "startup_ms Nullable(Int64)", "played_ms Nullable(Int64)", "rebuffer_count Nullable(Int64)",
    "rebuffer_ms Nullable(Int64)", "bitrate_kbps Nullable(Int64)",
)  # fmt: skip
_DEVICES = (
    ("('phone', 'Android', 'Android')", 40), ("('phone', 'iOS', 'iOS')", 25), ("('desktop', 'web', 'Windows')", 20),
    ("('tv', 'Tizen', 'Tizen')", 10), ("('tablet', 'iOS', 'iPadOS')", 5),
)  # fmt: skip
_PLACES = (
    ("('DE', 'Berlin')", 25), ("('DE', 'Bayern')", 30), ("('DE', 'unknown')", 15), ("('AT', 'Wien')", 10),
    ("('CH', 'unknown')", 8), ("('US', 'unknown')", 7), ("('PL', 'unknown')", 5),
)  # fmt: skip
_NETWORKS = (("'fastly'", 5), ("'akamai'", 3), ("'cloudfront'", 2))
_STARTED = "http_status < 400 AND startup_ms IS NOT NULL"
_USE = {
    "plays": "sum(own.plays)",
    "completion_rate": "sum(own.completions) / nullIf(sum(own.plays), 0)",
    "watch_hours": "sum(own.watch_seconds) / 3600",
}
_DELIVERY = {
    "requests": "nullIf(countIf(is_delivery), 0)",
    "error_rate": "countIf(http_status >= 400) / nullIf(countIf(is_delivery), 0)",
    "startup_ms_p95": f"quantileExactInclusiveIf(0.95)(startup_ms, {_STARTED})",
    "rebuffer_ratio": "sum(rebuffer_ms) / nullIf(sum(rebuffer_ms) + sum(played_ms), 0)",
}
_STARTUP_P50 = {"startup_ms_p50": f"quantileExactInclusiveIf(0.5)(startup_ms, {_STARTED})"}
_GIGABYTES = {"gigabytes": "sum(bytes_sent) / 1e9"}
_SOLD = {
    "completions": "sum(own.completions)",
    "impressions": "sum(own.impressions)",
    "play_rate": "sum(own.plays) / nullIf(sum(own.impressions), 0)",
    "ad_revenue_eur": "sum(own.ad_revenue_eur)",
}
_SHARE = {"share_of_plays": "plays / nullIf(sum(plays) OVER (PARTITION BY date), 0)"}


def create() -> str:
    """The table of metrics and deliveries, empty."""
    return f"CREATE OR REPLACE TABLE {ROWS} ({', '.join(_COLUMNS)}) ENGINE = MergeTree ORDER BY (date, brand)"


def inserts(options: Options) -> Iterator[str]:
    """The statements that fill the video tables, over whole dates."""
    for is_delivery, share in ((True, DELIVERIES), (False, METRICS)):
        yield _rows(options, max(1, round(options.events * share)), is_delivery=is_delivery)
    yield _executive_summary()
    yield _content_performance()
    yield _delivery_quality()
    keys = ("date", "device_type", "platform", "os")
    yield _insert("device_analytics", keys, _USE | _DELIVERY, _SHARE)
    yield _geographic_analytics()


def _rows(options: Options, count: int, *, is_delivery: bool) -> str:
    chance = Chance(options.seed)
    kind = "delivery" if is_delivery else "metrics"
    brands = listed(list(options.brands))
    sections = ", ".join(f"'{brand}', {listed(parts)}" for brand, (_, parts) in options.brands.items())
    columns = {
        "date": f"toDate32('{options.first}') + {chance.whole(options.days + 1, kind, 'number')}",
        "asset": f"toUInt32(floor({ASSETS} * pow({chance.share(f'{kind} asset', 'number')}, 2)))",
        "asset_id": "concat('video-', toString(asset))",
        "brand": f"{brands}[1 + asset % {len(options.brands)}]",
        "section": f"map({sections})[brand][1 + intDiv(asset, {len(options.brands)}) % length(map({sections})[brand])]",
        "duration_seconds": f"toUInt32(30 + {chance.whole(570, 'duration', 'asset')})",
        "device": chance.one_of(_DEVICES, f"{kind} device", "number"),
        "place": chance.one_of(_PLACES, f"{kind} place", "number"),
        "is_delivery": "true" if is_delivery else "false",
        **(_delivery(chance) if is_delivery else _metrics(chance)),
    }
    parts = {
        "device": ("device_type", "platform", "os"),
        "place": ("country_code", "region"),
    }
    stored = {name: name for name in columns if name not in parts}
    stored |= {
        name: f"tupleElement({whole}, {n})"
        for whole, names in parts.items()
        for n, name in enumerate(names, 1)
    }
    values = ", ".join(f"{value} AS {name}" for name, value in columns.items())
    return (
        f"INSERT INTO {ROWS} ({', '.join(stored)}) SELECT {', '.join(stored.values())} "
        f"FROM (SELECT {values} FROM numbers({count}))"
    )


def _delivery(chance: Chance) -> Mapping[str, str]:
    def share(name: str) -> str:
        return chance.share(name, "number")

    return {
        "cdn": chance.one_of(_NETWORKS, "cdn", "number"),
        "http_status": f"multiIf({share('fails')} < 0.985, 200, {share('how')} < 0.7, 404, 503)",
        "is_hit": f"{share('hit')} < 0.9",
        "response_ms": f"toInt64(5 - if(is_hit, 20, 120) * log(1 - {share('response')}))",
        "startup_ms": f"if(http_status < 400, toInt64(200 - 400 * log(1 - {share('startup')})), NULL)",
        "played_ms": f"if(http_status < 400, toInt64(1000 * duration_seconds * {share('played')}), 0)",
        "rebuffer_count": f"if({share('stands')} < 0.05, 1 + {chance.whole(3, 'stands', 'number')}, 0)",
        "rebuffer_ms": f"rebuffer_count * {chance.whole(4000, 'standing', 'number')}",
        "bitrate_kbps": f"800 + 400 * {chance.whole(12, 'bitrate', 'number')}",
        "bytes_sent": "intDiv(played_ms * bitrate_kbps, 8)",
    }


def _metrics(chance: Chance) -> Mapping[str, str]:
    return {
        "impressions": f"1 + {chance.whole(200, 'impressions', 'number')}",
        "plays": f"toInt64(floor(impressions * {chance.share('plays', 'number')}))",
        "completions": f"toInt64(floor(plays * {chance.share('completions', 'number')}))",
        "watch_seconds": f"toFloat64(plays * toInt64(duration_seconds * {chance.share('watched', 'number')}))",
        # In 64ths of a euro: sums are the same in every order.
        "ad_revenue_eur": "plays / 64",
    }


def _insert(
    table: str,
    keys: tuple[str, ...],
    measures: Mapping[str, str],
    after: Mapping[str, str] | None = None,
    where: str = "1",
) -> str:
    """Group the rows by keys; `after` are columns made of the groups."""
    grouped = ", ".join(
        [*(f"own.{key} AS {key}" for key in keys), *(f"{v} AS {n}" for n, v in measures.items())]
    )
    columns = {
        **{name: name for name in (*keys, *measures) if not name.startswith("helper_")},
        **(after or {}),
    }
    return (
        f"INSERT INTO warehouse.{table} ({', '.join(columns)}) SELECT {', '.join(columns.values())} "
        f"FROM (SELECT {grouped} FROM {ROWS} AS own WHERE {where} GROUP BY {', '.join(f'own.{key}' for key in keys)})"
    )


def _executive_summary() -> str:
    before = "OVER (PARTITION BY brand ORDER BY date ROWS BETWEEN 1 PRECEDING AND 1 PRECEDING)"
    change = {
        "plays_change": f"if(any(date) {before} = addDays(date, -1), plays / nullIf(any(plays) {before}, 0) - 1, NULL)"
    }
    active = {
        "active_assets": "if(count(own.plays) = 0, NULL, uniqExactIf(own.asset_id, ifNull(own.plays > 0, 0)))"
    }
    measures = _USE | _SOLD | active | _DELIVERY | _STARTUP_P50 | _GIGABYTES
    return _insert("executive_summary", ("date", "brand"), measures, change)


def _content_performance() -> str:
    helpers = {
        "helper_watched": "sum(own.watch_seconds)",
        "helper_duration": "any(own.duration_seconds)",
        "brand": "any(own.brand)",
        "section": "any(own.section)",
    }
    after = {
        "title": "concat('Video ', asset_id)",
        "average_watch_seconds": "helper_watched / nullIf(plays, 0)",
        "watch_ratio": "helper_watched / nullIf(plays * helper_duration, 0)",
        "rank": "toInt64(row_number() OVER "
        "(PARTITION BY date, brand ORDER BY helper_watched DESC NULLS LAST, asset_id))",
    }
    return _insert("content_performance", ("date", "asset_id"), helpers | _USE | _SOLD, after)


def _delivery_quality() -> str:
    responses = {
        f"response_ms_p{percent}": f"quantileExactInclusive({percent / 100:.2f})(own.response_ms)"
        for percent in (50, 95, 99)
    }
    measures = {
        **_DELIVERY,
        **_STARTUP_P50,
        **_GIGABYTES,
        **responses,
        "cache_hit_ratio": "countIf(is_hit) / nullIf(count(is_hit), 0)",
        "rebuffers_per_hour": "sum(rebuffer_count) / nullIf(sum(played_ms) / 3600000, 0)",
        "mean_bitrate_kbps": "sum(bitrate_kbps * played_ms) / nullIf(sum(played_ms), 0)",
        "throughput_mbps": "sum(bytes_sent) * 8 / 1e6 / nullIf(sum(own.response_ms) / 1000, 0)",
    }
    return _insert("delivery_quality", ("date", "cdn", "country_code"), measures, where="is_delivery")


def _geographic_analytics() -> str:
    keys = ("date", "country_code", "region")
    # The asset with most plays of a place, ties by asset_id.
    top = (
        "arraySort(entry -> (-tupleElement(entry, 2), tupleElement(entry, 1)), "
        "arrayZip(tupleElement(helper_plays, 1), tupleElement(helper_plays, 2)))[1]"
    )
    after = _SHARE | {
        "top_asset_id": f"if(empty(tupleElement(helper_plays, 1)), NULL, tupleElement({top}, 1))"
    }
    helper = {"helper_plays": "sumMapIf([own.asset_id], [assumeNotNull(own.plays)], NOT is_delivery)"}
    return _insert("geographic_analytics", keys, _USE | _DELIVERY | helper, after)
