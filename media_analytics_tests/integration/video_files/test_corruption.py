"""Every silver and gold table, corrupted in every way: which check names it, and that nothing of it is published.

The wrong rows are put into what a step has computed, right before it is written beside the lake: that is where a wrong
transform would put them. Wrong files never get that far: their batch is blocked. The table of corruption and check is
printed (`pytest -s`).
"""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from rich.console import Console
from rich.table import Table

from media_analytics.assets.gold.video_marts import MARTS
from media_analytics.contracts.model import TableContract
from media_analytics.contracts.registry import table
from media_analytics.video_files import changes, judging, tables
from media_analytics.video_files.tables import Published, Scope
from media_analytics_tests.builders.video import files
from media_analytics_tests.builders.video.sources import SourceSet, diluted, good_row
from media_analytics_tests.builders.video.wrong import Row, Text
from media_analytics_tests.integration.video_files.world import World, failure
from spark_jobs.transforms import video_gold

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

DAY_1 = date(2026, 3, 1)
SILVER = ("assets", "devices", "geo", "delivery", "metrics")
GOLD = {mart.contract.name: mart for mart in MARTS}
# A number that its column's contract refuses.
RANGES = {
    "assets": "duration_seconds", "devices": "screen_width", "delivery": "bytes_sent", "metrics": "plays",
    "executive_summary": "plays", "content_performance": "impressions", "delivery_quality": "gigabytes",
    "device_analytics": "watch_hours", "geographic_analytics": "requests",
}  # fmt: skip
Corrupt = Callable[[TableContract, DataFrame], DataFrame]


def _one_row_with(rows: DataFrame, **values: Any) -> DataFrame:
    """The rows and a copy of one of them with other values."""
    one = rows.limit(1)
    for name, value in values.items():
        one = one.withColumn(name, value)
    return rows.unionByName(one.select(*rows.columns))


def null_key(contract: TableContract, rows: DataFrame) -> DataFrame:
    key = next(name for name in contract.unique_key if name != "date")
    return _one_row_with(rows, **{key: F.lit(None).cast(rows.schema[key].dataType)})


def duplicate_key(contract: TableContract, rows: DataFrame) -> DataFrame:
    return _one_row_with(rows)


def out_of_range(contract: TableContract, rows: DataFrame) -> DataFrame:
    if contract.name == "geo":
        return _one_row_with(rows, geo_id=F.lit("other"), country_code=F.lit("Germany"))
    key = next(name for name in contract.unique_key if name != "date")
    name = RANGES[contract.name]
    wrong = F.lit(-1).cast(rows.schema[name].dataType)
    if contract.name == "device_analytics":
        return _one_row_with(rows, platform=F.lit("other"), **{name: wrong})
    return _one_row_with(rows, **{key: F.lit("other"), name: wrong})


def wrong_date(contract: TableContract, rows: DataFrame) -> DataFrame:
    return _one_row_with(rows, date=F.lit(date(1900, 1, 1)))


def another_date(contract: TableContract, rows: DataFrame) -> DataFrame:
    return _one_row_with(rows, date=F.lit(date(2026, 2, 1)))


def type_drift(contract: TableContract, rows: DataFrame) -> DataFrame:
    name = "updated_at" if contract.name == "geo" else RANGES[contract.name]
    return rows.withColumn(name, F.lit("many"))


CORRUPTIONS: dict[str, tuple[Corrupt, str]] = {
    "null key": (null_key, "not_nullable"),
    "duplicate key": (duplicate_key, "unique"),
    "out of range": (out_of_range, "RANGE"),
    "wrong date": (wrong_date, "date: greater_than_or_equal_to"),
    "another date": (another_date, "date: of_this_run"),
    "type drift": (type_drift, "type_is"),
}


@pytest.fixture
def loaded(world: World, tmp_path: Path) -> World:
    """A world with good rows of one day in all tables."""
    files.write(_good(), tmp_path / "files", "parquet", dated=True)
    world.load(tmp_path / "files")
    return world


def _good() -> SourceSet:
    sources = SourceSet()
    for dataset, key in (("assets", "asset_id"), ("devices", "device_id"), ("geo", "geo_id")):
        sources.rows[dataset] = [good_row(dataset, DAY_1, "1") | {key: f"{key[0]}1"}]
    sources.rows["delivery"] = [good_row("delivery", DAY_1, str(n)) for n in range(3)]
    sources.rows["metrics"] = [good_row("metrics", DAY_1, "1") | {"asset_id": "a1"}]
    return diluted(sources)


def _applies(contract: TableContract, corruption: str) -> bool:
    return "date" not in corruption or contract.partition_column is not None


def _corrupted(monkeypatch: pytest.MonkeyPatch, contract: TableContract, corrupt: Corrupt) -> None:
    """From here on the table's step computes corrupted rows, and thinks that everything is due."""
    monkeypatch.setattr(changes, "seen", lambda log, of: {})
    module, name = (tables, "_clean_rows") if contract.layer == "silver" else (video_gold, contract.name)
    good = getattr(module, name)

    def computed(*args: Any) -> DataFrame:
        # Silver tables share one function, which is told the table's name.
        is_meant = contract.layer == "gold" or args[1] == contract.name
        rows: DataFrame = good(*args)
        return corrupt(contract, rows) if is_meant else rows

    monkeypatch.setattr(module, name, computed)


def _publish(world: World, contract: TableContract) -> Published:
    scope = Scope(world.lake, world.log, "corrupted", world.now)
    if contract.layer == "silver":
        return tables.publish_silver(scope, contract.name)[0]
    return tables.publish_mart(scope, GOLD[contract.name], lambda of, staged, dates: {})


def _outcome(world: World, contract: TableContract) -> tuple[str, str]:
    """The rules that named the fault, and the whole message."""
    verdict = _publish(world, contract).verdict
    rules = ", ".join(verdict.metadata().get("failed_rules", {}))
    return rules, str(verdict.metadata())


@pytest.mark.slow
def test_each_corruption_of_each_table_is_named_and_nothing_is_published(
    loaded: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a table whose contract lacks a rule, and a step that publishes before or in spite of its audit."""
    before, hashes = loaded.versions(), loaded.hashes()
    contracts = [table(f"silver.{name}") for name in SILVER] + [mart.contract for mart in MARTS]
    grid = Table("table", *CORRUPTIONS, title="Corruption x check", show_lines=True)
    wrong = []
    for contract in contracts:
        cells = []
        for corruption, (corrupt, expected) in CORRUPTIONS.items():
            if not _applies(contract, corruption):
                cells.append("has no date")
                continue
            with monkeypatch.context() as patch:
                _corrupted(patch, contract, corrupt)
                found, message = _outcome(loaded, contract)
            cells.append(found)
            wanted = _range_rule(contract) if expected == "RANGE" else expected
            if wanted not in f"{found} {message}":
                wrong.append(f"{contract.full_name}, {corruption}: {found or 'nothing'}, expected {wanted}")
        grid.add_row(contract.full_name, *cells)
    Console(width=220).print(grid)
    assert wrong == []
    assert loaded.versions() == before
    assert loaded.hashes() == hashes


def _range_rule(contract: TableContract) -> str:
    return (
        "country_code: str_matches"
        if contract.name == "geo"
        else f"{RANGES[contract.name]}: greater_than_or_equal_to"
    )


@pytest.mark.parametrize(
    ("corrupted", "untouched"),
    [
        ("silver.delivery", ["gold.executive_summary", "gold.delivery_quality", "gold.geographic_analytics"]),
        pytest.param("gold.delivery_quality", [], marks=pytest.mark.slow),
    ],
)
def test_a_run_with_a_corrupted_step_leaves_downstream_untouched(
    corrupted: str, untouched: list[str], loaded: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = loaded.versions()
    contract = table(corrupted)
    _corrupted(monkeypatch, contract, duplicate_key)
    result = loaded.load(tmp_path / "files", DAY_1, raise_on_error=False)
    assert not result.success
    checks = {(e.asset_key.to_user_string(), e.check_name): e for e in result.get_asset_check_evaluations()}
    failed = checks["/".join(contract.key), "contract"]
    assert not failed.passed and any("unique" in rule for rule in failed.metadata["failed_rules"].value)
    message = failure(result)
    assert corrupted in message and "nothing was published" in message and "unique" in message
    began = {event.step_key for event in result.all_events if event.is_step_start}
    assert corrupted.replace(".", "__") in began
    assert began.isdisjoint(name.replace(".", "__") for name in untouched)
    after = loaded.versions()
    assert {name for name in after if after[name] != before[name]}.isdisjoint({corrupted, *untouched})


# -- what files can do


BATCHES: dict[str, tuple[str, Callable[[list[Row]], list[Row]], str, str]] = {
    "empty batch": (judging.EMPTY, lambda rows: [], "parquet", "no rows"),
    "null key": (
        judging.FEW_REFUSED,
        lambda rows: [r | {_key(r): None} for r in rows],
        "parquet",
        "null_or_blank",
    ),
    "type drift": (
        judging.FEW_REFUSED,
        lambda rows: [r | {_any_typed(r): Text("many")} for r in rows],
        "csv",
        "not_parsed",
    ),
}


def _key(row: Row) -> str:
    return next(name for name in ("delivery_id", "asset_id", "device_id", "geo_id") if name in row)


def _any_typed(row: Row) -> str:
    return next(name for name in ("date", "updated_at") if name in row)


@pytest.mark.parametrize("corruption", BATCHES)
def test_wrong_batches_are_blocked_by_the_check_that_names_them(
    corruption: str, world: World, tmp_path: Path
) -> None:
    """All five datasets at once: each must have a block of its own; nothing stands in any table."""
    check, change, kind, words = BATCHES[corruption]
    before = world.versions()
    folder = tmp_path / "files"
    sources = _good()
    for dataset, rows in sources.rows.items():
        path = folder / dataset / f"date={DAY_1}" / f"part-0.{kind}"
        path.parent.mkdir(parents=True)
        files.write_file(path, dataset, change(rows))
    result = world.load(folder, raise_on_error=False)
    assert not result.success
    found = {
        e.asset_key.path[-1]: str(e.description)
        for e in result.get_asset_check_evaluations()
        if e.check_name == check
    }
    assert found.keys() == {f"raw_{dataset}" for dataset in SILVER}
    assert all(words in text and "nothing was published" in text for text in found.values()), found
    assert world.versions() == before
    assert {event.step_key for event in result.all_events if event.is_step_start} == {"video_ingest"}
