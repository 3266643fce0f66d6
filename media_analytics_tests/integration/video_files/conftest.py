"""Worlds of the video files: the tables are made once, each test gets a copy."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from pyspark.sql import SparkSession

from media_analytics_tests.builders import video_rows as rows
from media_analytics_tests.integration.video_files.world import World
from media_analytics_tests.services.embedded import Embedded

DAYS = [rows.DAY + timedelta(days=n) for n in range(3)]


@pytest.fixture(scope="session")
def empty_video_lake(
    spark: Embedded, spark_session: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    lake = tmp_path_factory.mktemp("video") / "lake"
    settings = spark.settings_with(LAKE__URL=str(lake))
    with dg.DagsterInstance.ephemeral() as instance:
        World(settings, spark_session, instance).create_tables()
    return lake


@pytest.fixture(scope="module")
def loaded(
    spark: Embedded,
    spark_session: SparkSession,
    empty_video_lake: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:
    """A good folder of three dates in every table. Tests that share it leave it as it is."""
    home = tmp_path_factory.mktemp("loaded")
    shutil.copytree(empty_video_lake, home / "lake")
    settings = spark.settings_with(LAKE__URL=str(home / "lake"))
    with dg.DagsterInstance.ephemeral() as instance:
        made = World(settings, spark_session, instance)
        made.load(rows.good_folder(home / "files", DAYS))
        yield made


@pytest.fixture
def world(
    spark: Embedded, spark_session: SparkSession, empty_video_lake: Path, tmp_path: Path
) -> Iterator[World]:
    shutil.copytree(empty_video_lake, tmp_path / "lake")
    settings = spark.settings_with(LAKE__URL=str(tmp_path / "lake"))
    with dg.DagsterInstance.ephemeral() as instance:
        yield World(settings, spark_session, instance)
