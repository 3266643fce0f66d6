"""The eleven steps without Dagster, as Databricks runs them: the same rows as the job in Dagster."""

import shutil
from datetime import date
from pathlib import Path

import pytest
from deltalake import DeltaTable, Schema

from media_analytics.contracts.model import TableContract
from media_analytics.contracts.registry import table
from media_analytics.settings import Settings
from media_analytics_tests.builders import video_rows as rows
from media_analytics_tests.integration.video_files.world import CONTRACTS, RESTATEMENTS, World
from spark_jobs.jobs.media_analytics_pipeline import STEPS, run_step

# Twenty-five steps on one Spark server; the job itself is tested in `make test`.
pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(600)]

DAY = date(2026, 3, 10)


def _files(folder: Path, **metrics: object) -> Path:
    rows.write(folder, "assets", [rows.asset(), rows.asset("a2", brand="welt")])
    rows.write(folder, "devices", [rows.device()])
    rows.write(folder, "geo", [rows.geo()])
    rows.write(folder, "delivery", [rows.delivery("r1"), rows.delivery("r2", http_status=503)])
    rows.write(folder, "metrics", [rows.metrics(**metrics), rows.metrics("a2", plays=7)])
    return folder


def test_the_steps_write_what_the_job_writes_and_record_what_they_change(
    world: World, empty_video_lake: Path, tmp_path: Path
) -> None:
    """Catches a step that needs Dagster, writes other rows, or restates a number without a word."""
    folder = _files(tmp_path / "files")
    world.load(folder)
    expected = world.hashes()

    lake = Path(shutil.copytree(empty_video_lake, tmp_path / "steps"))
    elsewhere = world.settings.lake.model_copy(update={"url": str(lake)})
    alone = World(world.settings.model_copy(update={"lake": elsewhere}), world.spark, world.instance)
    _make_older(alone.settings, table("ops.video_files"), "file_stamp")
    said = {step: run_step(world.spark, step, DAY, str(lake), str(folder), "77") for step in STEPS}
    assert alone.hashes() == expected
    assert said["ingest"] == [f"bronze.raw_{n}: {c} rows loaded" for n, c in _counts().items()]
    assert said["gold.executive_summary"][0].startswith("gold.executive_summary: ")

    _files(folder, plays=11)
    for step in ("ingest", "silver.metrics", "gold.executive_summary"):
        run_step(world.spark, step, DAY, str(lake), str(folder), "78")
    restated = world.spark.read.format("delta").load(alone.lake.path(RESTATEMENTS)).collect()
    changed = {(r["measure"], r["old_value"], r["new_value"]) for r in restated if r["measure"] == "plays"}
    assert changed == {("plays", 10.0, 11.0)}
    assert {r["cause"] for r in restated} == {"recomputed on Databricks, run 78"}
    assert {c.full_name for c in CONTRACTS if c.layer == "gold"} == {
        s for s in STEPS if s.startswith("gold.")
    }


def _make_older(settings: Settings, contract: TableContract, without: str) -> None:
    """The table as it was before it had a column: nothing but the steps brings it in line there."""
    location = settings.lake.table_path(contract.layer, contract.name)
    stood = DeltaTable(location)
    fields, partitions = stood.schema().fields, stood.metadata().partition_columns
    shutil.rmtree(location)
    DeltaTable.create(location, Schema([f for f in fields if f.name != without]), partition_by=partitions)


def _counts() -> dict[str, int]:
    return {"assets": 2, "delivery": 2, "devices": 1, "geo": 1, "metrics": 2}
