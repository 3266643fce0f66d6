"""The gold tables about video.

Belongs here: every measure of the five marts. Does not belong here: cleaning (`video_files`), which dates to compute.

A row exists where metrics or delivery has one; the measures of the absent side are null; a sum of nothing is null. An
id that is null or joins to nothing, and a null dimension, are the word `unknown`. Sums of seconds and money are taken
in decimals, so they do not depend on the order of rows.
"""

from collections.abc import Mapping, Sequence
from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from spark_jobs.transforms.days import around

UNKNOWN = "unknown"
_EXACT = "decimal(38,18)"
_MILLISECONDS_AN_HOUR = 3_600_000
_FIRST_ERROR = 400


def executive_source_dates(dates: Sequence[date]) -> list[date]:
    """The dates of silver.metrics that `executive_summary` needs: `plays_change` looks one day back."""
    return around(dates, 1, 0)


def executive_summary(
    metrics: DataFrame, delivery: DataFrame, assets: DataFrame, dates: Sequence[date]
) -> DataFrame:
    """One row per date and brand.

    Args:
        metrics: rows of silver.metrics, at least all of `executive_source_dates(dates)`.
        delivery: rows of silver.delivery, at least all of `dates`.
        assets: all rows of silver.assets.
        dates: UTC dates to compute.
    """
    keys = ("date", "brand")
    brands = assets.select("asset_id", "brand")
    used = _with_members(_on(metrics, executive_source_dates(dates)), brands, "asset_id", ("brand",))
    by_brand = used.groupBy(*keys).agg(
        *_use(),
        F.count_distinct(F.when(F.col("plays") > 0, F.col("asset_id"))).alias("active_assets"),
        F.sum("impressions").alias("impressions"),
        _exact_sum("ad_revenue_eur").alias("ad_revenue_eur"),
    )
    before = by_brand.select(
        F.date_add("date", 1).alias("date"), "brand", F.col("plays").alias("plays_before")
    )
    delivered = (
        _with_members(_on(delivery, dates), brands, "asset_id", ("brand",))
        .groupBy(*keys)
        .agg(*_delivered(), F.sum("bytes_sent").alias("bytes_sent"), _startup(0.5, 0.95))
    )
    return (
        _on(by_brand, dates)
        .join(delivered, list(keys), "full_outer")
        .join(before, list(keys), "left")
        .select(
            *keys,
            "plays",
            "completions",
            _ratio("completions", "plays").alias("completion_rate"),
            _hours().alias("watch_hours"),
            "active_assets",
            "impressions",
            _ratio("plays", "impressions").alias("play_rate"),
            "ad_revenue_eur",
            *_measures_of_delivery("requests", "gigabytes", "error_rate"),
            F.col("startup")[0].alias("startup_ms_p50"),
            F.col("startup")[1].alias("startup_ms_p95"),
            *_measures_of_delivery("rebuffer_ratio"),
            (_ratio("plays", "plays_before") - 1).alias("plays_change"),
        )
    )


def content_performance(
    metrics: DataFrame, delivery: DataFrame, assets: DataFrame, dates: Sequence[date]
) -> DataFrame:
    """One row per date and asset; one without a catalogue row stays, its brand is `unknown` and its title null."""
    keys = ["date", "asset_id"]
    used = (
        _on(metrics, dates)
        .groupBy(*keys)
        .agg(
            *_use(),
            F.sum("impressions").alias("impressions"),
            _exact_sum("ad_revenue_eur").alias("ad_revenue_eur"),
        )
    )
    requested = _on(delivery, dates).select("date", _known("asset_id")).distinct()
    catalogue = assets.select("asset_id", "brand", "title", "section", "duration_seconds")
    rows = used.join(requested, keys, "full_outer").join(catalogue, "asset_id", "left")
    rows = rows.withColumn("brand", _known("brand"))
    most = Window.partitionBy("date", "brand").orderBy(F.desc_nulls_last("watch_seconds"), "asset_id")
    possible = F.col("plays").cast("double") * F.col("duration_seconds")
    return rows.select(
        *keys,
        "brand",
        "title",
        "section",
        "plays",
        "completions",
        _ratio("completions", "plays").alias("completion_rate"),
        _hours().alias("watch_hours"),
        "impressions",
        _ratio("plays", "impressions").alias("play_rate"),
        "ad_revenue_eur",
        _ratio("watch_seconds", "plays").alias("average_watch_seconds"),
        (F.col("watch_seconds") / F.nullif(possible, F.lit(0.0))).alias("watch_ratio"),
        F.row_number().over(most).cast("long").alias("rank"),
    )


def delivery_quality(delivery: DataFrame, geo: DataFrame, dates: Sequence[date]) -> DataFrame:
    """One row per date, network and country."""
    countries = geo.select("geo_id", "country_code")
    rows = _with_members(_on(delivery, dates), countries, "geo_id", ("country_code",))
    both = F.col("bitrate_kbps").isNotNull() & F.col("played_ms").isNotNull()
    weighted = F.col("bitrate_kbps").cast("decimal(10,0)") * F.col("played_ms").cast("decimal(19,0)")
    keys = ("date", "cdn", "country_code")
    grouped = (
        rows.withColumn("cdn", _known("cdn"))
        .groupBy(*keys)
        .agg(
            *_delivered(),
            F.sum("bytes_sent").alias("bytes_sent"),
            F.count_if(F.col("cache_status") == "HIT").alias("hits"),
            F.count_if(F.col("cache_status").isin("HIT", "MISS")).alias("cacheable"),
            F.percentile("response_ms", [0.5, 0.95, 0.99]).alias("response"),
            F.sum(F.col("response_ms").cast("long")).alias("response_ms"),
            _startup(0.5, 0.95),
            F.sum(F.col("rebuffer_count").cast("long")).alias("rebuffer_count"),
            F.sum(F.when(both, weighted)).alias("weighted_bitrate"),
            F.sum(F.when(both, F.col("played_ms"))).alias("weight"),
        )
    )
    hours = F.col("played_ms") / F.lit(_MILLISECONDS_AN_HOUR)
    seconds = F.col("response_ms") / F.lit(1000)
    return grouped.select(
        *keys,
        *_measures_of_delivery("requests", "gigabytes", "error_rate"),
        _ratio("hits", "cacheable").alias("cache_hit_ratio"),
        *[F.col("response")[n].alias(f"response_ms_p{p}") for n, p in enumerate((50, 95, 99))],
        F.col("startup")[0].alias("startup_ms_p50"),
        F.col("startup")[1].alias("startup_ms_p95"),
        *_measures_of_delivery("rebuffer_ratio"),
        (F.col("rebuffer_count") / F.nullif(hours, F.lit(0.0))).alias("rebuffers_per_hour"),
        _ratio("weighted_bitrate", "weight").alias("mean_bitrate_kbps"),
        (F.col("bytes_sent") * 8.0 / 1e6 / F.nullif(seconds, F.lit(0.0))).alias("throughput_mbps"),
    )


def device_analytics(
    metrics: DataFrame, delivery: DataFrame, devices: DataFrame, dates: Sequence[date]
) -> DataFrame:
    """One row per date, kind of device, platform and operating system."""
    return _by_members(metrics, delivery, devices, "device_id", ("device_type", "platform", "os"), dates)


def geographic_analytics(
    metrics: DataFrame, delivery: DataFrame, geo: DataFrame, dates: Sequence[date]
) -> DataFrame:
    """One row per date, country and region."""
    dimensions = ("country_code", "region")
    keys = ["date", *dimensions]
    marts = _by_members(metrics, delivery, geo, "geo_id", dimensions, dates)
    members = geo.select("geo_id", *dimensions)
    by_asset = (
        _with_members(_on(metrics, dates), members, "geo_id", dimensions)
        .groupBy(*keys, "asset_id")
        .agg(F.sum("plays").alias("plays"))
        .where(F.col("plays").isNotNull())
    )
    # The smallest of (-plays, asset_id): most plays, then the first id.
    top = by_asset.groupBy(*keys).agg(
        F.min(F.struct((-F.col("plays")).alias("least"), F.col("asset_id"))).alias("top")
    )
    found = top.select(*keys, F.col("top.asset_id").alias("top_asset_id"))
    return marts.join(found, keys, "left").select(*marts.columns, "top_asset_id")


def unknown_ids(facts: DataFrame, catalogues: Mapping[str, DataFrame]) -> DataFrame:
    """One row: per foreign id, how many rows of `facts` have none or one that its catalogue does not know."""
    counted = facts
    for name, catalogue in catalogues.items():
        known = catalogue.select(name, F.lit(True).alias(f"{name}_known"))
        counted = counted.join(known, name, "left")
    return counted.agg(*[F.count_if(F.col(f"{name}_known").isNull()).alias(name) for name in catalogues])


def _by_members(
    metrics: DataFrame,
    delivery: DataFrame,
    catalogue: DataFrame,
    key: str,
    dimensions: tuple[str, ...],
    dates: Sequence[date],
) -> DataFrame:
    keys = ("date", *dimensions)
    members = catalogue.select(key, *dimensions)
    used = _with_members(_on(metrics, dates), members, key, dimensions).groupBy(*keys).agg(*_use())
    delivered = (
        _with_members(_on(delivery, dates), members, key, dimensions)
        .groupBy(*keys)
        .agg(*_delivered(), _startup(0.95))
    )
    of_date = F.sum("plays").over(Window.partitionBy("date"))
    return used.join(delivered, list(keys), "full_outer").select(
        *keys,
        "plays",
        _ratio("completions", "plays").alias("completion_rate"),
        _hours().alias("watch_hours"),
        *_measures_of_delivery("requests", "error_rate"),
        F.col("startup")[0].alias("startup_ms_p95"),
        *_measures_of_delivery("rebuffer_ratio"),
        (F.col("plays").cast("double") / F.nullif(of_date, F.lit(0))).alias("share_of_plays"),
    )


def _on(frame: DataFrame, dates: Sequence[date]) -> DataFrame:
    return frame.where(F.col("date").isin(list(dates)))


def _with_members(rows: DataFrame, members: DataFrame, key: str, dimensions: Sequence[str]) -> DataFrame:
    joined = rows.join(members, key, "left")
    return joined.withColumns({name: _known(name) for name in dimensions})


def _known(name: str) -> Column:
    return F.coalesce(F.col(name), F.lit(UNKNOWN)).alias(name)


def _use() -> list[Column]:
    """Sums of metrics that most marts show or divide."""
    return [
        F.sum("plays").alias("plays"),
        F.sum("completions").alias("completions"),
        _exact_sum("watch_seconds").alias("watch_seconds"),
    ]


def _delivered() -> list[Column]:
    """Sums of delivery that every mart with delivery shows or divides."""
    return [
        F.count(F.lit(1)).alias("requests"),
        F.count_if(F.col("http_status") >= _FIRST_ERROR).alias("errors"),
        F.sum("rebuffer_ms").alias("rebuffer_ms"),
        F.sum("played_ms").alias("played_ms"),
    ]


def _startup(*shares: float) -> Column:
    started = F.when(F.col("http_status") < _FIRST_ERROR, F.col("startup_ms"))
    return F.percentile(started, list(shares)).alias("startup")


def _measures_of_delivery(*names: str) -> list[Column]:
    formulas = {
        "requests": F.col("requests"),
        "gigabytes": F.col("bytes_sent") / F.lit(1e9) if "gigabytes" in names else None,
        "error_rate": _ratio("errors", "requests"),
        "rebuffer_ratio": F.col("rebuffer_ms")
        / F.nullif(F.col("rebuffer_ms") + F.col("played_ms"), F.lit(0)),
    }
    found = ((name, formulas[name]) for name in names)
    return [formula.alias(name) for name, formula in found if formula is not None]


def _hours() -> Column:
    return F.col("watch_seconds") / F.lit(3600.0)


def _ratio(above: str, below: str) -> Column:
    """Null where the denominator is 0."""
    return F.col(above).cast("double") / F.nullif(F.col(below).cast("double"), F.lit(0.0))


def _exact_sum(name: str) -> Column:
    """The sum in decimals; of numbers that decimals cannot hold the sum in floats."""
    value = F.col(name)
    exact = value.try_cast(_EXACT)
    total = F.coalesce(F.try_sum(exact).cast("double"), F.sum(value))
    return F.when(F.count(exact) == F.count(value), total).otherwise(F.sum(value))


def dates_using(facts: Sequence[tuple[DataFrame, str]], changed: DataFrame, key: str) -> DataFrame:
    """Column `date`: the dates on which rows of `facts` use an id of `changed`.

    Args:
        facts: frames of facts, each with the name of its foreign id.
        changed: column `key`.
        key: the catalogue's id.
    """
    found: DataFrame | None = None
    for rows, foreign in facts:
        used = rows.select("date", F.col(foreign).alias(key)).join(changed, key, "left_semi").select("date")
        found = used if found is None else found.unionByName(used)
    if found is None:
        raise ValueError("dates_using needs at least one frame of facts")
    return found.distinct()


def changed_ids(before: DataFrame, now: DataFrame, key: str, columns: Sequence[str]) -> DataFrame:
    """Column `key`: ids of which one of `columns` differs, or that stand in only one of the versions."""
    old = before.select(key, F.struct(*columns).alias("old"))
    new = now.select(key, F.struct(*columns).alias("new"))
    return old.join(new, key, "full_outer").where(~F.col("old").eqNullSafe(F.col("new"))).select(key)
