"""`media-analytics faults`, seeded and small: every service is killed or stalled under load, the disk counts as full.

Would catch: an answer before Kafka has the event, an offset committed before its rows, a replay with other bounds, a
service that is not restarted or does not find its place again, a consumer that a stall ends, a collector or a sink that
does not look at the disk.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from media_analytics_tests.integration.local.command import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

# Seed 11 kills registry, stream, Kafka, gateway, sink and collector, and stalls Spark, collector and enricher.
EVENTS, KILLS = 20_000, 6


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder: Path = tmp_path_factory.mktemp("faults")
    answer = Stack(folder / "home").run(
        *("faults", "--events", str(EVENTS), "--kills", str(KILLS), "--seed", "11", "--rate", "600"),
        *("--longest-stall", "6", "--no-minutes", "--to", str(folder / "reports")),
    )
    files = list((folder / "reports").glob("*.json"))
    assert len(files) == 1, answer.stdout + answer.stderr
    assert (folder / "reports" / "home").exists() == bool(answer.returncode), "kept when it failed only"
    found: dict[str, Any] = json.loads(files[0].read_text("utf-8"))
    # The exit code is the verdict.
    assert found["is_good"] == (answer.returncode == 0)
    return found


def test_every_service_came_back_and_worked_again(report: dict[str, Any]) -> None:
    outcomes = report["outcomes"]
    assert [o for o in outcomes if o["progress_seconds"] is None] == []
    kinds = [o["fault"].split()[0] for o in outcomes]
    assert (kinds.count("kill"), kinds.count("stall"), kinds.count("full")) == (KILLS, KILLS // 2, 1)


def test_a_full_disk_is_refused_by_the_collector_and_stops_the_sink(report: dict[str, Any]) -> None:
    (full,) = (o for o in report["outcomes"] if o["fault"] == "full disk")
    assert full["note"] == "collector answered 507, sink paused"
    assert report["refused"]["507"] >= 1


def test_each_store_has_every_coordinate_once_and_every_acknowledged_event(report: dict[str, Any]) -> None:
    stores = {one.pop("store"): one for one in report["stores"]}
    again = report["collected"] - EVENTS
    assert report["acknowledged"] == EVENTS
    assert report["dead_letters"] == 0
    nothing = {"coordinates_duplicated": 0, "events_missing": 0, "events_unknown": 0}
    every = nothing | {
        "rows": EVENTS + again,
        "coordinates_missing": 0,
        "events_again": again,
        "is_unique": False,
    }
    assert stores["realtime.user_events"] == every
    assert stores["bronze.user_events"] == every
    assert stores["silver.events"] == nothing | {
        "rows": EVENTS,
        "coordinates_missing": None,
        "events_again": 0,
        "is_unique": True,
    }
