"""Write, audit, publish on real Delta tables: what is published, what is not, and that doing it again changes nothing.

One Spark server and one lake a test; a run costs seconds, so each test makes as few as it can.
"""

import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from media_analytics.assets.gold import reader_sessions
from media_analytics.assets.silver import events, sessions
from media_analytics.contracts.registry import table
from media_analytics.factory import Inputs, TableAsset
from media_analytics.resources.spark import connect
from media_analytics_tests.builders.events import at, bronze_event
from media_analytics_tests.integration.graph.world import World
from media_analytics_tests.services.embedded import Embedded
from streaming.enricher.agents import Agents, Bots, Devices

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

D9, D10, D11, D12 = (date(2026, 3, day) for day in (9, 10, 11, 12))
EVENTS, SESSIONS = table("silver.events"), table("silver.sessions")
READER_SESSIONS = table("gold.reader_sessions")
ASSETS = {module.TABLE.contract.full_name: module for module in (events, sessions, reader_sessions)}
# One table of each kind: what holds for the chain holds for the other tables of gold, which are made the same way.
CHAIN = tuple(ASSETS)
ACME = {"pattern": "AcmeReader", "name": "Acme", "class": "ai"}
NOTHING = r"[^\s\S]"


@pytest.fixture(scope="module")
def empty_lake(spark: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every table, empty: made once, copied for each test."""
    lake = tmp_path_factory.mktemp("empty") / "lake"
    settings = spark.settings_with(LAKE__URL=str(lake))
    session = connect(settings)
    with dg.DagsterInstance.ephemeral() as instance:
        World(settings, session, instance).create_tables()
    session.stop()
    return lake


@pytest.fixture
def world(spark: Embedded, empty_lake: Path, tmp_path: Path) -> Iterator[World]:
    shutil.copytree(empty_lake, tmp_path / "lake")
    settings = spark.settings_with(LAKE__URL=str(tmp_path / "lake"))
    session = connect(settings)
    with dg.DagsterInstance.ephemeral() as instance:
        yield World(settings, session, instance)
    session.stop()


def _hashes(world: World) -> dict[str, dict[str, str]]:
    return {name: world.lake.row_hashes(table(name)) for name in CHAIN}


def _session_dates(world: World) -> set[str]:
    rows = world.lake.read(table("ops.session_dates")).select("session_date").distinct().collect()
    return {row["session_date"].isoformat() for row in rows}


def test_a_range_is_one_run_and_a_second_one_changes_nothing(world: World) -> None:
    world.arrive([bronze_event(n, at(f"10 12:{n:02d}")) for n in range(5)])
    world.arrive([bronze_event(10 + n, at(f"11 23:{55 + n}")) for n in range(3)])
    assert world.run(D9, D12, only=CHAIN).success
    assert world.lake.row_counts(EVENTS) == {"2026-03-10": 5, "2026-03-11": 3}
    assert world.published("silver.events") == {d.isoformat() for d in (D9, D10, D11, D12)}
    # 23:55 may belong to a session of the next day's chain: one date more than around the 10th and 11th.
    assert _session_dates(world) == {f"2026-03-{day:02d}" for day in (9, 10, 11, 12, 13)}

    before = _hashes(world)
    world.run(D10, automatic=True, only=CHAIN)
    assert [world.lake.version(table(name)) for name in CHAIN] == [1] * len(CHAIN), "unchanged: no commit"
    world.run(D10, only=CHAIN)
    assert _hashes(world) == before
    assert world.lake.read(table("ops.restatements")).count() == 0


def test_late_events_of_a_published_date_are_restated(world: World) -> None:
    world.arrive([bronze_event(1, at("10 12:00"))])
    world.run(D10, only=CHAIN)
    world.arrive([bronze_event(2, at("10 12:01"))])
    world.run(D10, automatic=True, only=CHAIN)
    rows = world.lake.read(table("ops.restatements")).where("table = 'gold.reader_sessions'").collect()
    changed = {r["measure"]: (r["old_value"], r["new_value"]) for r in rows}
    assert changed["page_views"] == (1.0, 2.0)
    assert "sessions" not in changed
    assert {r["date"] for r in rows} == {D10}


def test_newer_rules_of_bots_change_published_numbers_and_no_raw_row(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backfill judges anew and says before and after; who has no user agent stays what the enricher said."""
    reader, hidden = (
        bronze_event(1, at("10 12:00"), user_agent="AcmeReader/1.0"),
        bronze_event(2, at("10 12:00")),
    )
    world.arrive([reader, hidden | {"visitor_id": "a:w"}])
    world.run(D10, only=CHAIN)
    raw = world.lake.row_hashes(table("bronze.user_events"))
    newer = Bots({"bots": [ACME], "classes_of_tags": {}, "generic": NOTHING, "not_bots": NOTHING}, [])
    monkeypatch.setattr(events, "agents", lambda: Agents(newer, Devices({"rules": []})))
    world.run(D10, only=CHAIN)

    assert world.lake.row_hashes(table("bronze.user_events")) == raw
    rows = world.lake.read(EVENTS).orderBy("event_id").collect()
    assert [(r["is_bot"], r["bot_name"], r["bot_class"], r["device_type"]) for r in rows] == [
        (True, "Acme", "ai", "other"),
        (False, None, None, "phone"),
    ]
    rows = world.lake.read(table("ops.restatements")).where("table = 'gold.reader_sessions'").collect()
    changed = {r["measure"]: (r["old_value"], r["new_value"]) for r in rows}
    assert (changed["sessions_human"], changed["page_views_human"]) == ((2.0, 1.0), (2.0, 1.0))
    assert not {"sessions", "page_views", "visitors"} & set(changed), "all traffic is what it was"


def test_a_copy_that_arrives_under_another_date_moves_the_row(world: World) -> None:
    """The copy received first wins: the date that showed the other one must lose it in the same commit."""
    world.arrive([bronze_event(1, at("11 00:10"), received_at=at("11 00:20"))])
    world.run(D11, only=["silver.events"])
    world.arrive([bronze_event(1, at("10 23:50"), received_at=at("11 00:10"), source_offset=2)])
    world.run(D10, only=["silver.events"])
    assert world.lake.row_counts(EVENTS) == {"2026-03-10": 1}
    assert world.published("silver.events") == {"2026-03-10", "2026-03-11"}


def test_copies_eight_days_apart_both_stand_and_are_warned_of(world: World) -> None:
    world.arrive([bronze_event(1, at("02 12:00")), bronze_event(1, at("10 12:00"), source_offset=2)])
    world.run(date(2026, 3, 2), D10, only=["silver.events"])
    assert world.lake.row_counts(EVENTS) == {"2026-03-02": 1, "2026-03-10": 1}
    world.now = at("10 13:00")
    found, examples = events.far_copies(world.lake, world.now)
    assert found == 1
    assert [(e["date"], e["other_date"]) for e in examples] == [("2026-03-10", "2026-03-02")]
    assert events.far_copies(world.lake, at("10 18:00")) == (0, []), "what arrived earlier was judged earlier"


@pytest.fixture(scope="module")
def published(spark: Embedded, empty_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two good dates in every table. Tests that share it leave it as it is."""
    lake = tmp_path_factory.mktemp("published") / "lake"
    shutil.copytree(empty_lake, lake)
    settings = spark.settings_with(LAKE__URL=str(lake))
    session = connect(settings)
    with dg.DagsterInstance.ephemeral() as instance:
        made = World(settings, session, instance)
        made.arrive(
            [
                bronze_event(10 * day + n, at(f"{day} 12:0{n}"), source_offset=10 * day + n)
                for day in (10, 11)
                for n in range(2)
            ]
        )
        made.run(D10, D11, only=CHAIN)
        yield made
    session.stop()


@pytest.mark.parametrize("name", ASSETS)
def test_a_bad_date_keeps_what_it_had_and_a_good_one_is_published(
    name: str, published: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Corrupted on the 11th: a brand that no contract allows. Catches publishing before auditing."""
    contract, world = table(name), published
    good = world.lake.row_hashes(contract)
    assert set(good) == {"2026-03-10", "2026-03-11"}

    honest: TableAsset = ASSETS[name].TABLE

    def corrupted(inputs: Inputs) -> DataFrame:
        bad = F.when(F.col("date") == F.lit(D11), F.lit("No Such Brand!")).otherwise(F.col("brand"))
        return honest.transform(inputs).withColumn("brand", bad)

    monkeypatch.setattr("media_analytics.build.COMPUTED", _replaced(honest, corrupted))
    result = world.run(D10, D11, only=[name], raise_on_error=False)

    assert not result.success
    assert world.lake.row_hashes(contract) == good
    evaluation = result.get_asset_check_evaluations()[0]
    assert not evaluation.passed
    assert evaluation.metadata["failed_partitions"].value == ["2026-03-11"]
    assert "brand" in str(evaluation.metadata["failed_rules"].value)
    events_of_run = world.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey(name.split(".")), after_timestamp=None), limit=10
    ).records
    newest = [r.partition_key for r in events_of_run if r.run_id == result.run_id]
    assert newest == ["2026-03-10"]
    retries = [e for e in result.all_events if e.is_step_up_for_retry]
    assert retries == []


def _replaced(honest: TableAsset, transform: object) -> tuple[TableAsset, ...]:
    from dataclasses import replace

    from media_analytics.build import COMPUTED

    return tuple(replace(t, transform=transform) if t is honest else t for t in COMPUTED)


def test_days_that_nobody_touched_are_left_alone(world: World) -> None:
    world.arrive([bronze_event(1, at("10 12:00")), bronze_event(2, at("12 12:00"))])
    world.run(D10, D12, only=CHAIN)
    stood = world.lake.row_hashes(READER_SESSIONS)
    world.arrive([bronze_event(3, at("10 12:05"))])
    before = _session_dates(world)
    world.run(D10, D10 + timedelta(days=0), only=["silver.events"], automatic=True)
    assert _session_dates(world) == before
    world.run(D10, automatic=True, only=["silver.sessions"])
    world.run(D10, automatic=True, only=["gold.reader_sessions"])
    after = world.lake.row_hashes(READER_SESSIONS)
    assert after["2026-03-12"] == stood["2026-03-12"]
    assert after["2026-03-10"] != stood["2026-03-10"]
