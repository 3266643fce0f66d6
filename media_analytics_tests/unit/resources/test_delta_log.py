"""What the tail of a Delta log says of partitions, on real tables written by deltalake."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from media_analytics.contracts.registry import table
from media_analytics.resources.delta_log import DeltaLog
from media_analytics_tests.builders import settings as builder

DATES = table("ops.session_dates")
COLUMN = str(DATES.partition_column)


@pytest.fixture
def log(tmp_path: Path) -> DeltaLog:
    return DeltaLog(builder.make(tmp_path))


def _append(tmp_path: Path, *days: int) -> None:
    rows = pa.table({COLUMN: pa.array([date(2026, 3, d) for d in days]), "rows": pa.array(list(days))})
    folder = tmp_path / "lake" / DATES.layer / DATES.name
    write_deltalake(folder, rows, mode="append", partition_by=[COLUMN])


def test_recent_changes_name_the_newest_version_of_each_partition(log: DeltaLog, tmp_path: Path) -> None:
    """Would catch the first commit winning over a later one: a changed date would look up to date."""
    for days in ((1, 2), (2,), (3,), (1,)):
        _append(tmp_path, *days)
    assert log.recently_changed(DATES) == {"2026-03-01": 3, "2026-03-02": 1, "2026-03-03": 2}
    assert log.recently_changed(DATES, limit=2) == {"2026-03-01": 3, "2026-03-03": 2}


def test_recent_changes_end_where_the_log_was_cleaned(log: DeltaLog, tmp_path: Path) -> None:
    for days in ((1,), (2,), (3,)):
        _append(tmp_path, *days)
    folder = tmp_path / "lake" / DATES.layer / DATES.name
    DeltaTable(folder).create_checkpoint()
    (folder / "_delta_log" / f"{0:020d}.json").unlink()
    assert log.recently_changed(DATES) == {"2026-03-02": 1, "2026-03-03": 2}


def test_the_newest_change_is_the_newest_commit_of_rows(log: DeltaLog, tmp_path: Path) -> None:
    """Catches a compaction that makes an old table look fresh, and a cleaned log that hides every change."""
    assert log.newest_change(DATES) == (-1, None)
    before = datetime.now(UTC) - timedelta(seconds=1)
    for days in ((1,), (1,)):
        _append(tmp_path, *days)
    version, changed = log.newest_change(DATES)
    assert version == 1
    assert changed is not None
    assert before <= changed <= datetime.now(UTC)
    folder = tmp_path / "lake" / DATES.layer / DATES.name
    DeltaTable(folder).optimize.compact()
    assert log.newest_change(DATES) == (2, changed)
    assert log.newest_change(DATES, 1) == (2, None)
    _append(tmp_path, 3)
    assert log.newest_change(DATES, 2)[0] == 3
    assert log.newest_change(DATES, 3) == (3, None)
    DeltaTable(folder).create_checkpoint()
    (folder / "_delta_log" / f"{0:020d}.json").unlink()
    assert log.newest_change(DATES) == log.newest_change(DATES, 2)
