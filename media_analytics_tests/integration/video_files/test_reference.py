"""The platform against the reference, cell by cell, on source files neither was written for.

The examples of a property are joined to one source set (ids and days apart), so that a whole batch of them costs one
run of the pipeline. What the tests would catch: any formula, cleaning rule, copy rule or tie that departs from the
definition; a result that depends on the order of arrival, on how rows are cut into files, or on loading twice.
"""

import itertools
import shutil
import string
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from pyspark.sql import SparkSession

from media_analytics.contracts.registry import table
from media_analytics.generators.video.generate import generate
from media_analytics.generators.video.options import Format, Layout, Options
from media_analytics_tests.builders.video import compare, files
from media_analytics_tests.builders.video.reference import DATASETS, GOLD, SILVER, Reference
from media_analytics_tests.builders.video.sources import (
    FIRST,
    SourceSet,
    diluted,
    every_wrong_row,
    good_row,
    joined,
    source_sets,
)
from media_analytics_tests.integration.video_files.world import World
from media_analytics_tests.services.embedded import Embedded

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

EXAMPLES = 8
DATED_EXAMPLES = 2


def drawn(count: int, *, typed: bool) -> list[SourceSet]:
    """The same examples in each run of the tests."""
    found: list[SourceSet] = []

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(sources=source_sets(typed=typed, least_rows=8, most_rows=14))
    def collect(sources: SourceSet) -> None:
        found.append(sources)

    collect()
    return found


def assert_equal(world: World, reference: Reference) -> None:
    """Every cell of silver and gold, and which rows are refused."""
    for name, key in GOLD.items():
        compare.assert_same(f"gold.{name}", reference.gold(name), _stored(world, f"gold.{name}"), key)
    for name, key in SILVER.items():
        compare.assert_same(f"silver.{name}", reference.silver(name), _stored(world, f"silver.{name}"), key)
    for dataset in DATASETS:
        refused = (
            world.lake.read(table(f"quarantine.{dataset}")).select("source_file", "row_number").toArrow()
        )
        found = sorted(
            (path, line) for path, line in zip(*(c.to_pylist() for c in refused.columns), strict=True)
        )
        wanted = [(file, line) for file, line, _ in reference.quarantined(dataset)]
        assert [line for _, line in found] == [line for _, line in wanted], f"refused rows of {dataset}"
        assert all(path.endswith(file) for (path, _), (file, _) in zip(found, wanted, strict=True))


def _stored(world: World, name: str) -> pa.Table:
    return world.lake.read(table(name)).toArrow()


@pytest.fixture
def other_world(
    spark: Embedded, spark_session: SparkSession, empty_video_lake: Path, tmp_path: Path
) -> Iterator[World]:
    """A second lake beside `world`."""
    shutil.copytree(empty_video_lake, tmp_path / "other_lake")
    own = spark.settings_with(LAKE__URL=str(tmp_path / "other_lake"))
    with dg.DagsterInstance.ephemeral() as instance:
        yield World(own, spark_session, instance)


def every_country() -> SourceSet:
    """Places with all pairs of letters as their country, in both cases."""
    sources = SourceSet()
    for letters in itertools.product(string.ascii_uppercase, repeat=2):
        for code in ("".join(letters), "".join(letters).lower()):
            sources.rows["geo"].append(good_row("geo", FIRST, code) | {"country_code": code})
    return diluted(sources)


@pytest.mark.slow
def test_drawn_sets_give_what_the_definition_says(world: World, tmp_path: Path) -> None:
    """Every way to be wrong, every country code, and drawn rows, in CSV files with a column no contract knows."""
    sources = joined([every_wrong_row(typed=False), every_country(), *drawn(EXAMPLES, typed=False)])
    files.write(sources, tmp_path / "files", "csv", dated=False, extra="new_column")
    world.load(tmp_path / "files")
    reference = Reference(tmp_path / "files")
    assert len(set(reference.silver("geo")["country_code"].to_pylist())) == 250
    assert_equal(world, reference)


@pytest.mark.slow
def test_cuts_orders_and_repeats_give_the_same_rows(world: World, other_world: World, tmp_path: Path) -> None:
    """Flat and at once; the same rows in three files a day, the newest days first, each load twice."""
    sources = joined(drawn(DATED_EXAMPLES, typed=True))
    files.write(sources, tmp_path / "flat", "csv", dated=False)
    world.load(tmp_path / "flat")
    expected = world.hashes()
    cut = files.write(sources, tmp_path / "cut", "parquet", dated=True, parts=3)
    arrived = tmp_path / "arrived"
    for day, paths in itertools.groupby(sorted(cut, key=_day, reverse=True), key=_day):
        for path in paths:
            target = arrived / path.relative_to(tmp_path / "cut")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
        if day in {_day(cut[0]), _day(cut[-1])} or _is_middle(day, cut):
            other_world.load(arrived)
    other_world.load(arrived)
    assert_equal(other_world, Reference(arrived))
    assert other_world.hashes() == expected
    versions = other_world.versions()
    other_world.load(arrived)
    assert other_world.versions() == versions


def _day(path: Path) -> str:
    return path.parent.name


def _is_middle(day: str, cut: list[Path]) -> bool:
    days = sorted({_day(path) for path in cut})
    return day == days[len(days) // 2]


def test_generated_files_give_what_the_definition_says(world: World, tmp_path: Path) -> None:
    """Realistic files: skewed groups, drift of catalogues, copies near and far; dirt exactly as stated."""
    options = Options(
        days=4,
        rows=10_000,
        seed=11,
        dirty=0.04,
        copies=0.02,
        new_columns_from=3,
        format=Format.CSV,
        layout=Layout.DATED,
    )
    result = generate(options, tmp_path / "files")
    world.load(tmp_path / "files")
    assert_equal(world, Reference(tmp_path / "files"))
    for dataset in DATASETS:
        refused = world.lake.read(table(f"quarantine.{dataset}")).count()
        assert refused == result.dirty[dataset].total(), dataset
        assert world.lake.read(table(f"bronze.raw_{dataset}")).count() == result.rows[dataset]
