"""The five marts: inputs, transforms, which columns of catalogues each shows.

Belongs here: what Dagster's assets and the steps on Databricks both run. Does not belong here: measures
(`spark_jobs/transforms/video_gold.py`), checks and lineage (`media_analytics/assets/gold/video_marts.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date

from pyspark.sql import DataFrame

from media_analytics.contracts.model import TableContract
from media_analytics.contracts.registry import table
from media_analytics.video_files.changes import Catalogue
from media_analytics.video_files.tables import Mart
from spark_jobs.transforms import video_gold

Frames = Mapping[str, DataFrame]
DELIVERY, METRICS = table("silver.delivery"), table("silver.metrics")
ASSETS, DEVICES, GEO = (table(f"silver.{name}") for name in ("assets", "devices", "geo"))
BOTH = (METRICS, DELIVERY)
KEYS = {"asset_id": ASSETS, "device_id": DEVICES, "geo_id": GEO}


def gold_executive_summary(frames: Frames, dates: Sequence[date]) -> DataFrame:
    """Metrics and delivery by brand."""
    return video_gold.executive_summary(
        frames[METRICS.full_name], frames[DELIVERY.full_name], frames[ASSETS.full_name], dates
    )


def gold_content_performance(frames: Frames, dates: Sequence[date]) -> DataFrame:
    """Metrics by asset."""
    return video_gold.content_performance(
        frames[METRICS.full_name], frames[DELIVERY.full_name], frames[ASSETS.full_name], dates
    )


def gold_delivery_quality(frames: Frames, dates: Sequence[date]) -> DataFrame:
    """Delivery by network and country."""
    return video_gold.delivery_quality(frames[DELIVERY.full_name], frames[GEO.full_name], dates)


def gold_device_analytics(frames: Frames, dates: Sequence[date]) -> DataFrame:
    """Metrics and delivery by kind of device."""
    return video_gold.device_analytics(
        frames[METRICS.full_name], frames[DELIVERY.full_name], frames[DEVICES.full_name], dates
    )


def gold_geographic_analytics(frames: Frames, dates: Sequence[date]) -> DataFrame:
    """Metrics and delivery by country and region."""
    return video_gold.geographic_analytics(
        frames[METRICS.full_name], frames[DELIVERY.full_name], frames[GEO.full_name], dates
    )


def _of(frames: Frames, *contracts: TableContract) -> list[DataFrame]:
    return [frames[contract.full_name] for contract in contracts]


def _mart(
    name: str,
    transform: Callable[[Frames, Sequence[date]], DataFrame],
    catalogue: tuple[TableContract, str, tuple[str, ...]],
    facts: tuple[TableContract, ...] = BOTH,
    source_dates: Callable[[Sequence[date]], Sequence[date]] = sorted,
    reaches: int = 0,
) -> Mart:
    of, key, columns = catalogue
    return Mart(
        table(f"gold.{name}"),
        facts,
        (Catalogue(of, key, columns, facts),),
        transform,
        source_dates,
        reaches,
    )


MARTS = (
    _mart(
        "executive_summary",
        gold_executive_summary,
        (ASSETS, "asset_id", ("brand",)),
        source_dates=video_gold.executive_source_dates,
        # plays_change of the next day.
        reaches=1,
    ),
    _mart(
        "content_performance",
        gold_content_performance,
        (ASSETS, "asset_id", ("brand", "title", "section", "duration_seconds")),
    ),
    _mart("delivery_quality", gold_delivery_quality, (GEO, "geo_id", ("country_code",)), (DELIVERY,)),
    _mart(
        "device_analytics",
        gold_device_analytics,
        (DEVICES, "device_id", ("device_type", "platform", "os")),
    ),
    _mart("geographic_analytics", gold_geographic_analytics, (GEO, "geo_id", ("country_code", "region"))),
)
