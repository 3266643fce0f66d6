"""Rows of video files cleaned: normalised, refused with reasons, one of each.

Belongs here: what a good row of each data set is. Does not belong here: reading files, marts (`video_gold`), which
dates to compute.

Order: normalise, refuse, then choose one of several copies, so an older good version stands where the newest is
refused.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, FloatType, IntegerType, LongType, StringType

from spark_jobs.transforms.countries import ISO_3166
from spark_jobs.transforms.days import around

# Copies of a delivery are searched this many days before and after its date.
COPY_DAYS = 7
# Copies farther apart stay both; they are counted up to this many days apart.
FAR_COPY_DAYS = 35
PROVENANCE = ("source_file", "row_number", "batch_id", "loaded_at")
REASONS = "reasons"
SPACE = " \t\n\r\v\f"
_PLACE = ("source_file", "row_number")
_LOWER = ("brand", "section", "asset_type", "protocol", "cdn")
_UPPER = ("cache_status",)
_DEVICE_TYPES: Mapping[str, Sequence[str]] = {
    "phone": ("phone", "smartphone", "mobile", "handset"),
    "tablet": ("tablet", "ipad"),
    "desktop": ("desktop", "pc", "laptop", "web"),
    "tv": ("tv", "smart tv", "smarttv", "ctv", "connected tv", "stb"),
    "console": ("console", "game console"),
}
_STATUS = (100, 599)


@dataclass(frozen=True)
class Dataset:
    """What one data set is. `best` orders copies of a `key`: the largest wins, null is smallest."""

    key: tuple[str, ...]
    best: tuple[str, ...]
    # Columns that must not be null, or blank where they are text.
    needed: tuple[str, ...] = ()
    is_fact: bool = False


DATASETS: Mapping[str, Dataset] = {
    "assets": Dataset(("asset_id",), ("updated_at",)),
    "devices": Dataset(("device_id",), ("updated_at",)),
    "geo": Dataset(("geo_id",), ("updated_at",)),
    "delivery": Dataset(
        ("delivery_id",),
        ("requested_at", "bytes_sent"),
        ("date", "requested_at", "http_status"),
        is_fact=True,
    ),
    "metrics": Dataset(
        ("date", "asset_id", "device_id", "geo_id"), ("plays", "watch_seconds"), ("date",), is_fact=True
    ),
}


def source_dates(dates: Sequence[date]) -> list[date]:
    """The dates of bronze.raw_delivery that one-of-each needs: copies lie at most 7 days away."""
    return around(dates, COPY_DAYS, COPY_DAYS)


def normalised(name: str, raw: DataFrame) -> DataFrame:
    """Texts trimmed, words in their case, device types and countries in their lists; `reasons` of refusal, or empty.

    Args:
        name: of the data set.
        raw: rows of its bronze table; columns that no contract knows are dropped.
    """
    columns: dict[str, Column] = {}
    for field in raw.schema.fields:
        if isinstance(field.dataType, StringType) and field.name not in (*_PLACE, "batch_id"):
            columns[field.name] = _clean(field.name)
    return raw.withColumns(columns).withColumn(REASONS, _reasons(name, raw))


def refused(name: str, raw: DataFrame) -> DataFrame:
    """The rows of `raw` that are refused, unchanged, with the reasons."""
    return raw.withColumn(REASONS, _reasons(name, raw)).where(F.size(REASONS) > 0)


def chosen(name: str, rows: DataFrame) -> DataFrame:
    """One row of each key: the best copy; for deliveries the best within 7 days of the row's own date.

    Args:
        name: of the data set.
        rows: good rows as `normalised` gives them; of a fact at least all of the dates asked for, of deliveries also
            the copies around them.
    """
    dataset = DATASETS[name]
    rank = F.struct(*dataset.best, *_PLACE)
    same = Window.partitionBy(*dataset.key)
    if name == "delivery":
        same = same.orderBy(F.unix_date("date")).rangeBetween(-COPY_DAYS, COPY_DAYS)
    ranked = rows.withColumn("rank", rank).withColumn("best", F.max("rank").over(same))
    return ranked.where(F.col("rank") == F.col("best")).drop("rank", "best")


def judged(name: str, raw: DataFrame, broken: Mapping[str, Column]) -> DataFrame:
    """Rows of each batch by why they are refused and which rules of silver they break otherwise.

    Args:
        name: of the data set.
        raw: rows of its bronze table.
        broken: by name of a rule, what is true for a cleaned row that breaks it.

    Returns:
        `batch_id`, `reasons`, `broken` (empty for refused rows), `rows`, `dates` (of rows that are not refused).
    """
    rows = normalised(name, raw)
    good = F.size(REASONS) == 0
    day = F.col("date") if DATASETS[name].is_fact else F.lit(None).cast("date")
    rules = F.array_compact(F.array(*[F.when(good & found, F.lit(rule)) for rule, found in broken.items()]))
    counted = rows.select("batch_id", REASONS, rules.alias("broken"), F.when(good, day).alias("day"))
    return counted.groupBy("batch_id", REASONS, "broken").agg(
        F.count(F.lit(1)).alias("rows"), F.collect_set("day").alias("dates")
    )


def _clean(name: str) -> Column:
    trimmed = F.trim(F.col(name), F.lit(SPACE))
    if name in _LOWER:
        return F.lower(trimmed)
    if name in _UPPER:
        return F.upper(trimmed)
    if name == "country_code":
        upper = F.upper(trimmed)
        return F.when(upper.isin(*ISO_3166), upper).otherwise(F.lit("ZZ"))
    if name == "device_type":
        lowered = F.lower(trimmed)
        cases = [(kind, lowered.isin(*words)) for kind, words in _DEVICE_TYPES.items()]
        first, *others = cases
        found = F.when(first[1], F.lit(first[0]))
        for kind, condition in others:
            found = found.when(condition, F.lit(kind))
        return found.otherwise(F.lit("other"))
    return trimmed


def _reasons(name: str, raw: DataFrame) -> Column:
    """Why a row is refused, as an array of `rule:column`; empty for a good row."""
    rules = [F.when(condition, F.lit(reason)) for reason, condition in _rules(name, raw).items()]
    failed = F.map_keys(F.col("unparsed"))
    not_parsed = F.coalesce(
        F.transform(failed, lambda column: F.concat(F.lit("not_parsed:"), column)),
        F.array().cast("array<string>"),
    )
    return F.concat(F.array_compact(F.array(*rules)), not_parsed)


def _rules(name: str, raw: DataFrame) -> dict[str, Column]:
    dataset = DATASETS[name]
    kinds = {field.name: field.dataType for field in raw.schema.fields}
    own_key = ("delivery_id",) if name == "delivery" else tuple(k for k in dataset.key if k != "date")
    found: dict[str, Column] = {}
    for column in own_key:
        blank = F.trim(F.col(column), F.lit(SPACE)) == ""
        found[f"null_or_blank:{column}"] = F.col(column).isNull() | blank
    for column in dataset.needed:
        told = F.coalesce(F.array_contains(F.map_keys("unparsed"), column), F.lit(False))
        found[f"null:{column}"] = F.col(column).isNull() & ~told
    for column, kind in kinds.items():
        if column in PROVENANCE:
            continue
        if isinstance(kind, (IntegerType, LongType, DoubleType, FloatType)):
            found[f"negative:{column}"] = F.col(column) < 0
        if isinstance(kind, (DoubleType, FloatType)):
            infinite = F.abs(F.col(column)) == float("inf")
            found[f"not_finite:{column}"] = F.isnan(column) | infinite
    special: dict[str, Callable[[], dict[str, Column]]] = {
        "delivery": lambda: {
            "not_the_date_of_requested_at:date": F.col("date") != F.to_date("requested_at"),
            "out_of_range:http_status": ~F.col("http_status").between(*_STATUS),
        },
        "metrics": lambda: {"above_plays:completions": F.col("completions") > F.col("plays")},
    }
    return found | (special[name]() if name in special else {})
