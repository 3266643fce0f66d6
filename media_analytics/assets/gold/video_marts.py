"""gold.{executive_summary,content_performance,delivery_quality,device_analytics,geographic_analytics}.

Belongs here: the five marts as assets, the warnings of ids that no catalogue knows. Does not belong here: what they
are (`media_analytics/video_files/marts.py`), measures (`spark_jobs/transforms/video_gold.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date

import dagster as dg

from media_analytics.assets.ops.restatements import record_restatements
from media_analytics.contracts.model import TableContract
from media_analytics.partitions import Partitions
from media_analytics.video_files.asset import mart_asset
from media_analytics.video_files.marts import DELIVERY, KEYS, MARTS, METRICS
from media_analytics.video_files.tables import Scope, rows_of
from spark_jobs.transforms import video_gold

UNKNOWN_IDS = "unknown_ids"
# Where all catalogues are published, the facts of each kind are looked at once.
_WARNED = {"gold.delivery_quality": DELIVERY, "gold.content_performance": METRICS}


def assets(partitions: Partitions, retries: dg.RetryPolicy) -> list[dg.AssetsDefinition]:
    """One step for each mart."""
    return [
        mart_asset(
            mart,
            partitions,
            retries,
            _warnings(mart.contract),
            record_restatements,
            tuple(KEYS.values()) if mart.contract.full_name in _WARNED else (),
        )
        for mart in MARTS
    ]


def _warnings(
    contract: TableContract,
) -> dict[str, tuple[str, Callable[[Scope, Sequence[date]], Mapping[str, int]]]]:
    facts = _WARNED.get(contract.full_name)
    if facts is None:
        return {}

    def count(scope: Scope, dates: Sequence[date]) -> Mapping[str, int]:
        rows = scope.lake.read(facts, partitions=[d.isoformat() for d in dates])
        catalogues = {key: scope.lake.read(of) for key, of in KEYS.items()}
        with scope.lake.suited_to(rows_of(scope, (facts,), dates)):
            found = video_gold.unknown_ids(rows, catalogues).collect()[0]
        return {key: int(found[key]) for key in KEYS}

    what = f"Every asset, device and place of {facts.full_name} has a catalogue row; rows without one are `unknown`."
    return {UNKNOWN_IDS: (what, count)}
