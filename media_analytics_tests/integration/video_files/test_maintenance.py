"""Compaction, Z-order and VACUUM, files that are not read, versions that stand again; all with columns that came later.

Slow, though only metrics are computed but for the pruning. What the tests would catch: maintenance that changes a row
or makes a date due, files with and without a new column that cannot be compacted or read together, a query of one date
that opens the files of others, a restored table that the next run cannot write to.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable, Schema
from typer.testing import CliRunner

from media_analytics.automation.jobs import VIDEO_MAINTENANCE
from media_analytics.build import build_defs
from media_analytics.commands import table as command
from media_analytics.contracts.delta import add_column_sql
from media_analytics.contracts.model import TableContract
from media_analytics.contracts.registry import table
from media_analytics.contracts.spark import spark_schema
from media_analytics.resources.clock import Clock
from media_analytics.video_files.loading import Loader
from media_analytics.video_files.marts import MARTS
from media_analytics.video_files.tables import Scope, publish_mart, publish_silver
from media_analytics_tests.builders import video_rows as rows
from media_analytics_tests.integration.video_files.conftest import DAYS
from media_analytics_tests.integration.video_files.world import World

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(900)]

RAW, METRICS, SUMMARY = (
    table(name) for name in ("bronze.raw_metrics", "silver.metrics", "gold.executive_summary")
)
MAINTENANCE = table("ops.video_maintenance")


def _maintain(world: World) -> dict[str, dict[str, Any]]:
    """One run of the maintenance job, a minute after what was before; its effects by table."""
    world.now += timedelta(minutes=1)
    defs = build_defs(world.settings, {"clock": Clock(lambda: world.now)})
    job = defs.resolve_job_def(VIDEO_MAINTENANCE)
    job.execute_in_process(instance=world.instance)
    effects = world.log.rows(MAINTENANCE, MAINTENANCE.column_names).to_pylist()
    newest = max(effect["maintained_at"] for effect in effects)
    return {effect["table"]: effect for effect in effects if effect["maintained_at"] == newest}


def _load(world: World, folder: Path) -> None:
    """Bronze from the files."""
    world.now += timedelta(minutes=1)
    Loader(world.settings, world.lake, world.log, f"load at {world.now}", world.now).load(str(folder))


def _compute(world: World, asked: Sequence[date] = ()) -> list[bool]:
    """Silver of metrics and a mart: what was due, and `asked` in any case; whether each was."""
    world.now += timedelta(minutes=1)
    scope = Scope(world.lake, world.log, f"computed at {world.now}", world.now, tuple(asked))
    clean, _ = publish_silver(scope, "metrics")
    (mart,) = (mart for mart in MARTS if mart.contract.name == SUMMARY.name)
    return [clean.is_due, publish_mart(scope, mart, lambda of, staged, dates: {}).is_due]


def _columns(world: World, contract: TableContract, version: int | None = None) -> list[str]:
    return list(DeltaTable(world.lake.path(contract), version=version).to_pyarrow_dataset().schema.names)


def _folder(folder: Path, days: Sequence[date] = DAYS) -> Path:
    """Two files of metrics a date; those of the last date have a new column."""
    rows.good_folder(folder, days)
    (folder / "metrics.parquet").unlink()
    for day in days:
        for part in range(2):
            found = rows.metrics(f"a{part}", day=day, plays=10 + part)
            more = {"player_version": "9"} if day == days[-1] else {}
            rows.write(folder, "metrics", [found | more], day, f"part{part}")
    return folder


@pytest.mark.parametrize("name", ["silver.delivery", "silver.metrics", "gold.delivery_quality"])
def test_a_query_of_one_date_reads_the_files_of_that_date(name: str, loaded: World) -> None:
    contract = table(name)
    everything = loaded.lake.read(contract).inputFiles()
    read = loaded.lake.read(contract, partitions=[DAYS[1].isoformat()]).inputFiles()
    assert len(everything) == len(DAYS)
    assert [f"date={DAYS[1]}" in path for path in read] == [True]


def test_maintenance_after_a_new_column_rewrites_files_and_no_row(world: World, tmp_path: Path) -> None:
    folder = _folder(tmp_path / "files")
    newest = folder / "metrics" / f"date={DAYS[-1]}"
    newest.rename(tmp_path / "later")
    _load(world, folder)
    assert "player_version" not in _columns(world, RAW)
    (tmp_path / "later").rename(newest)
    late = rows.metrics("a2", day=DAYS[0], plays=7) | {"zone": "b"}
    rows.write(folder, "metrics", [late], DAYS[0], "part2")
    _load(world, folder)
    assert _columns(world, RAW)[-2:] == ["player_version", "zone"]
    assert _compute(world) == [True, True]
    before, silver = world.log.version(RAW), world.lake.row_hash(METRICS)
    stood = _stored(world)

    effect = _maintain(world)[RAW.full_name]
    assert effect["compacted_dates"] >= 1 and effect["files_after"] < effect["files_before"]
    assert world.log.version(RAW) > before
    assert _stored(world) == _stored(world, before) == stood
    assert world.lake.row_hash(METRICS) == silver
    again = _maintain(world)
    assert {one["compacted_dates"] for one in again.values()} == {0}, "what is compact stays as it is"
    assert _compute(world) == [False, False], "no date is due"

    # A file that is replaced afterwards takes the place of its own rows only.
    rows.write(folder, "metrics", [rows.metrics("a1", day=DAYS[0], plays=5)], DAYS[0], "part1")
    _load(world, folder)
    assert _compute(world) == [True, True]
    told = {(row["asset_id"], row["date"]): (row["plays"], row["zone"]) for row in _stored(world)}
    assert told["a2", DAYS[0]] == (7, "b") and told["a1", DAYS[0]] == (5, None)
    plays = {(row["asset_id"], row["date"]): row["plays"] for row in world.rows(METRICS.full_name)}
    assert plays == {place: plays for place, (plays, _) in told.items()} and len(plays) == 2 * len(DAYS) + 1


def test_a_day_of_several_files_costs_less_to_read_when_it_was_maintained(
    world: World, tmp_path: Path
) -> None:
    """What a query of the newest date opens, before and after, as the maintenance says it and as the table is."""
    for part in range(3):
        found = [rows.metrics(f"a{part}-{n}") for n in range(300)]
        rows.write(tmp_path / "files", "metrics", found, rows.DAY, f"part{part}")
        _load(world, tmp_path / "files")
    day = [rows.DAY.isoformat()]
    assert len(world.lake.read(RAW, partitions=day).inputFiles()) == 3
    effect = _maintain(world)[RAW.full_name]
    assert (effect["day_files_before"], effect["day_files_after"]) == (3, 1)
    assert len(world.lake.read(RAW, partitions=day).inputFiles()) == 1
    assert effect["day_bytes_after"] < effect["day_bytes_before"]


def test_a_version_before_a_column_stands_again_with_the_column(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Silver as it was before its contract had the column: it is added again, and the next run writes all rows."""
    folder = _folder(tmp_path / "files")
    path = Path(world.lake.path(METRICS))
    fields = [f for f in Schema.from_json(spark_schema(METRICS).json()).fields if f.name != "likes"]
    path.rename(tmp_path / "empty")
    DeltaTable.create(str(path), Schema(fields), partition_by=["date"])
    (likes,) = (column for column in METRICS.columns if column.name == "likes")
    world.spark.sql(add_column_sql(likes, str(path))).collect()
    _load(world, folder)
    assert _compute(world) == [True, True]
    expected = world.lake.row_hash(SUMMARY)

    monkeypatch.setattr(command, "_settings", lambda: world.settings)
    answer = CliRunner().invoke(command.app, ["restore", METRICS.full_name, "--version", "0", "--yes"])
    assert answer.exit_code == 0, answer.output
    assert "restored silver.metrics: version 0 (0 rows)" in answer.output
    assert set(_columns(world, METRICS)) == set(METRICS.column_names)
    assert world.log.row_counts(METRICS) == {}
    assert _compute(world) == [False, True], "gold follows what stands in silver"
    assert world.log.row_counts(SUMMARY) == {}
    assert _compute(world, DAYS) == [True, True]
    assert world.lake.row_hash(SUMMARY) == expected


def _stored(world: World, version: int | None = None) -> list[Any]:
    """Rows of bronze, by file."""
    return list(world.lake.read(RAW, version).orderBy("source_file").collect())
