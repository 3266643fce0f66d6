"""The graph as a file: what review sees when an asset, check, job, sensor or schedule changes.

Belongs here: describing the graph without paths or secrets, and recording it
(`python -m media_analytics_tests.unit.graph.record`). Does not belong here: rules about it (`test_graph.py`).
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import dagster as dg

from media_analytics.build import build_defs
from media_analytics_tests.builders import settings

SNAPSHOT = Path(__file__).with_name("graph.json")


def described(defs: dg.Definitions, graph: Any) -> dict[str, Any]:
    repository = defs.get_repository_def()
    return {
        "assets": {
            k.to_user_string(): _described_asset(graph, k) for k in sorted(graph.get_all_asset_keys())
        },
        "jobs": sorted(j.name for j in repository.get_all_jobs() if not j.name.startswith("__")),
        "sensors": {
            s.name: {"interval_seconds": s.minimum_interval_seconds, "status": s.default_status.value}
            for s in sorted(repository.sensor_defs, key=lambda s: s.name)
        },
        "schedules": {
            s.name: s.cron_schedule for s in sorted(repository.schedule_defs, key=lambda s: s.name)
        },
    }


def _described_asset(graph: Any, key: dg.AssetKey) -> dict[str, Any]:
    node = graph.get(key)
    return {
        "external": node.is_external,
        "partitions": type(node.partitions_def).__name__.removesuffix("PartitionsDefinition"),
        "deps": sorted(parent.to_user_string() for parent in node.parent_keys),
        "checks": sorted(c.name for c in graph.get_check_keys_for_assets({key})),
        "automation": node.automation_condition.get_label() if node.automation_condition else None,
        "fails_after_seconds": node.freshness_policy.fail_window.to_timedelta().total_seconds(),
        "owners": sorted(node.owners),
        "kinds": sorted(node.kinds),
    }


def main() -> None:
    """Write the graph of the default settings."""
    with tempfile.TemporaryDirectory() as folder:
        defs = build_defs(settings.make(Path(folder)))
    SNAPSHOT.write_text(json.dumps(described(defs, defs.resolve_asset_graph()), indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
