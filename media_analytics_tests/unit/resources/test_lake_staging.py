"""What killed runs leave beside the lake goes with a later run of the table."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from media_analytics.contracts.registry import table
from media_analytics.resources.lake import ABANDONED_AFTER, STAGING, Lake
from media_analytics.settings import Settings

CONTRACT = table("silver.delivery")


def _no_spark() -> SparkSession:
    raise AssertionError("removing needs no Spark")


@pytest.fixture
def lake(make_settings: Callable[..., Settings], tmp_path: Path) -> Lake:
    return Lake(make_settings(LAKE__URL=str(tmp_path)), _no_spark)


def _staged(lake: Path, run: str, age_seconds: float) -> Path:
    folder = lake / STAGING / CONTRACT.layer / CONTRACT.name / run
    folder.mkdir(parents=True)
    then = time.time() - age_seconds
    for path in (folder / "part-0.parquet", folder):
        path.touch()
        os.utime(path, (then, then))
    return folder


def test_only_what_is_older_than_any_run_is_removed(lake: Lake, tmp_path: Path) -> None:
    """Catches a disk that fills with rows of killed runs, and a run that loses what it has just staged."""
    week = ABANDONED_AFTER.total_seconds()
    left, young = _staged(tmp_path, "left", week + 60), _staged(tmp_path, "young", week - 3600)
    lake.delete_abandoned(CONTRACT)
    assert not left.exists()
    assert young.is_dir()
    lake.delete_abandoned(table("silver.metrics"))


def test_a_run_that_still_writes_is_not_taken_for_an_old_one(lake: Lake, tmp_path: Path) -> None:
    """Catches an age that is the folder's, which does not change while a file in it grows."""
    folder = _staged(tmp_path, "long", ABANDONED_AFTER.total_seconds() + 60)
    (folder / "part-1.parquet").touch()
    then = time.time() - ABANDONED_AFTER.total_seconds() - 60
    os.utime(folder, (then, then))
    lake.delete_abandoned(CONTRACT)
    assert folder.is_dir()
