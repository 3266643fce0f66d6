"""Tables of the video files: rows as they were in the files (bronze), cleaned (silver), and refused (quarantine).

Belongs here: partitions, order and freshness of the five data sets in each of the three layers. Does not belong here:
columns (`video_raw.py`, `video_silver.py`), marts (`video_gold.py`), how files are read.
"""

from datetime import timedelta

from pandera.pandas import DataFrameModel

from media_analytics.contracts.model import Daily, Freshness, Full, Partitioning, TableContract, grain_of
from media_analytics.contracts.tables import video_operations, video_raw, video_silver
from media_analytics.contracts.tables.video_raw import FACTS, FILE_ROW

_CATALOGUE = Full("the latest version of an id can be in any file")
_DAY = timedelta(days=1)


def video_table(
    layer: str,
    name: str,
    model: type[DataFrameModel],
    sort_keys: tuple[str, ...],
    partitioning: Partitioning,
    *,
    unit: str | None = None,
    keeps_unknown_columns: bool = False,
) -> TableContract:
    """A table of video, made new once a day. `unit` says what a row is where the model's Config does not."""
    return TableContract(
        layer=layer,
        name=name,
        grain=grain_of(model, unit),
        model=model,
        partitioning=partitioning,
        sort_keys=sort_keys,
        freshness=Freshness(warn=2 * _DAY, fail=3 * _DAY),
        refresh_interval=_DAY,
        owner=video_operations.OWNER,
        store="delta",
        writer="spark-connect",
        keeps_unknown_columns=keeps_unknown_columns,
    )


_Model = type[DataFrameModel]
_MODELS: dict[str, tuple[_Model, _Model, _Model]] = {
    "assets": (video_raw.RawAsset, video_raw.RefusedAsset, video_silver.Asset),
    "devices": (video_raw.RawDevice, video_raw.RefusedDevice, video_silver.Device),
    "geo": (video_raw.RawGeo, video_raw.RefusedGeo, video_silver.Geo),
    "delivery": (video_raw.RawDelivery, video_raw.RefusedDelivery, video_silver.Delivery),
    "metrics": (video_raw.RawMetrics, video_raw.RefusedMetrics, video_silver.Metrics),
}


def _sort_keys(name: str, clean: _Model) -> tuple[str, ...]:
    """What files are ordered by: queries of deliveries ask for assets, hardly ever for one request."""
    return ("date", "asset_id") if name == "delivery" else tuple(clean.to_schema().unique or ())


def _partitioning(name: str) -> Partitioning:
    return Daily("date", stored="date") if name in FACTS else _CATALOGUE


CONTRACTS = (
    *(
        video_table(
            "bronze",
            f"raw_{name}",
            raw,
            FILE_ROW,
            _partitioning(name),
            unit="One row per row of a file.",
            keeps_unknown_columns=True,
        )
        for name, (raw, _, _) in _MODELS.items()
    ),
    *(
        video_table(
            "quarantine",
            name,
            refused,
            FILE_ROW,
            _partitioning(name),
            unit="One row per refused row of a file.",
        )
        for name, (_, refused, _) in _MODELS.items()
    ),
    *(
        video_table("silver", name, clean, _sort_keys(name, clean), _partitioning(name))
        for name, (_, _, clean) in _MODELS.items()
    ),
    *video_operations.CONTRACTS,
)
