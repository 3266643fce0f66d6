"""Files that are withdrawn: silver and gold are those of one load of what is left.

Slow: each arrival is a run of all steps.
"""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from media_analytics.contracts.registry import table
from media_analytics_tests.builders import video_rows as rows
from media_analytics_tests.builders.video.reference import Reference
from media_analytics_tests.integration.video_files.test_reference import assert_equal
from media_analytics_tests.integration.video_files.world import World

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(900)]


def test_a_withdrawn_copy_lets_the_copy_before_it_stand(world: World, tmp_path: Path) -> None:
    """Of three copies six days apart the middle one keeps the first from standing, and does not stand itself."""
    folder = rows.good_folder(tmp_path / "files", [])
    days = [datetime(2026, 3, 1 + 6 * n, 12, tzinfo=UTC) for n in range(3)]
    for place, day in enumerate(days):
        copies = [rows.delivery("copied", day), rows.delivery(f"own{place}", day)]
        # Of two copies the one that was requested last is better.
        rows.write(folder, "delivery", copies, day.date())
        rows.write(folder, "metrics", [rows.metrics(day=day.date())], day.date())
    for name in ("delivery", "metrics"):
        (folder / f"{name}.parquet").unlink()
    world.load(folder)
    assert _stand(world) == [days[2].date()]
    rows.write(folder, "delivery", [rows.delivery("own1", days[1])], days[1].date())
    world.load(folder)
    assert _stand(world) == [days[0].date(), days[2].date()]
    assert_equal(world, Reference(folder))


def _stand(world: World) -> list[object]:
    """The dates on which the copied delivery stands."""
    found = world.log.rows(table("silver.delivery"), ["delivery_id", "date"]).to_pylist()
    return sorted(row["date"] for row in found if row["delivery_id"] == "copied")
