"""The drill: a stack under load is backed up, destroyed and restored; then everything of that instant is there.

Would catch: a part that is missing or of another instant than the others, consumers whose position does not fit the log
that came back, new schema ids, a stack that loses events because it stood still, events that are stored twice after it;
of three brokers one that stands at another instant, users, certificates or rights that did not come back.
"""

import hashlib
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import httpx
import numpy as np
import pytest
from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient
from deltalake.exceptions import TableNotFoundError

from media_analytics.automation.at_once import RUN_TIMEOUT_SECONDS, close_and_check, due_dates
from media_analytics.automation.jobs import READER_TABLES
from media_analytics.checks.completeness_run import standing_problems
from media_analytics.contracts.registry import TABLES, TOPICS
from media_analytics.contracts.rowhash import row_hash
from media_analytics.local import dagster_home
from media_analytics.local.faults.load import Load
from media_analytics.local.faults.proof import Held, held
from media_analytics.local.home import open_home
from media_analytics.local.kafka_mode import KafkaMode
from media_analytics.local.services import BROKERS
from media_analytics.local.stack_variables import read_stack_environment
from media_analytics.resources.clickhouse import ClickHouse
from media_analytics.resources.dagster_api import PARTITION, DagsterApi
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.settings import Settings, load_settings
from media_analytics_tests.benchmarks.path import SITE, Platform, callers_environment
from media_analytics_tests.services.embedded import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(2400)]

LINES = 500
RATE = 50.0
# Acknowledged before the backup begins, and after it, each so many.
EVENTS = 300
COMPUTED = ("silver.events", "silver.sessions", "gold.reader_sessions")
STORES = ("realtime.user_events", "bronze.user_events")
STORED_WITHIN_SECONDS = 600
# How the event log runs: words of `up`, and what the home then remembers.
EVENT_LOGS = {
    "plain": ([], KafkaMode()),
    "secured-three-brokers": (["--secure", "--brokers", "3"], KafkaMode(secure=True, brokers=3)),
}
# Version and row hash by table.
Versions = dict[str, tuple[int, str]]


@dataclass(frozen=True)
class Known:
    """What a stack holds that cannot change any more."""

    lake: Versions
    # Hashes of rows, with how often each is there.
    clickhouse: dict[str, Counter[int]]
    # Subject, version, id, SHA-256 of the schema.
    registry: frozenset[tuple[str, int, int, str]]
    runs: frozenset[str]


@dataclass(frozen=True)
class Drill:
    """What was known at the backup, what was known of it afterwards, and the stack that came back."""

    before: Known
    after: Known
    settings: Settings
    # Stores of the first stack after it had stood, with every event that it acknowledged.
    stood: list[Held]
    # Before the backup began.
    acknowledged: list[str]
    mode: KafkaMode
    home: Path


@pytest.fixture(scope="module", params=EVENT_LOGS.values(), ids=EVENT_LOGS.keys())
def drill(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    words, mode = request.param
    folder = tmp_path_factory.mktemp("restore")
    platform = Platform(folder, callers_environment(), lines=LINES)
    home, backup = folder / "home", folder / "backup"
    try:
        platform.command("up", "--ports", "free", *words)
        settings = _settings(home)
        platform.command("ingest", "access-log", str(platform.log), "--brand", "bild", "--site", SITE)
        _whole(settings, [])
        _compute(settings)
        before = _known(home, settings, None)
        load = Load(settings, seed=1, rate=RATE, batch=10)
        load.start()
        wait_until(lambda: load.acknowledged >= EVENTS, 300, lambda: "events are not acknowledged")
        acknowledged = load.acknowledged_ids()
        platform.command("backup", "--to", str(backup))
        wait_until(lambda: load.acknowledged >= len(acknowledged) + EVENTS, 300, lambda: "it stands for ever")
        load.end()
        stood = _whole(settings, load.acknowledged_ids())
        platform.command("down")
        shutil.rmtree(home)
        platform.command("restore", "--from", str(backup))
        platform.command("up", "--ports", "free")
        settings = _settings(home)
        after = _known(home, settings, before.lake)
        yield Drill(before, after, settings, stood, acknowledged, mode, home)
    finally:
        platform.command("down")


def _compute(settings: Settings) -> None:
    """One date of one table of each kind."""
    day = due_dates(settings)[0]
    api = DagsterApi(settings)
    run = api.launch(READER_TABLES, {PARTITION: day.isoformat()}, assets=COMPUTED)
    api.wait(run, RUN_TIMEOUT_SECONDS, lambda _: None)


def _settings(home: Path) -> Settings:
    return load_settings(read_stack_environment(home / "stack.env"))


def _known(home: Path, settings: Settings, versions: Versions | None) -> Known:
    clickhouse = ClickHouse(settings)
    tables = clickhouse.rows(
        "SELECT database, name FROM system.tables WHERE database IN ('realtime', 'warehouse') "
        "AND engine LIKE '%MergeTree'"
    )
    with dg.DagsterInstance.from_config(str(dagster_home.folder(open_home(home)))) as instance:
        done = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS]))
    return Known(
        lake=_lake(DeltaLog(settings), versions),
        clickhouse={
            f"{database}.{name}": _rows(clickhouse, f"{database}.{name}") for database, name in tables
        },
        registry=_schemas(settings),
        runs=frozenset(run.run_id for run in done),
    )


def _lake(log: DeltaLog, versions: Versions | None) -> Versions:
    """Every Delta table: its newest version, or that of `versions`, and the hash of the rows that it had then."""
    found = {}
    for name, contract in TABLES.items():
        if contract.store != "delta" or (versions is not None and name not in versions):
            continue
        try:
            version = versions[name][0] if versions is not None else log.version(contract)
        except TableNotFoundError:
            continue
        found[name] = version, row_hash(contract, log.rows(contract, contract.column_names, version=version))
    return found


def _rows(clickhouse: ClickHouse, name: str) -> Counter[int]:
    column = clickhouse.arrow(f"SELECT cityHash64(tuple(*)) AS h FROM {name}", comment="drill")["h"]
    return Counter(np.asarray(column.to_numpy()).tolist())


def _schemas(settings: Settings) -> frozenset[tuple[str, int, int, str]]:
    found = set()
    with httpx.Client(base_url=str(settings.registry.url), trust_env=False) as client:
        for subject in client.get("/subjects").raise_for_status().json():
            for version in client.get(f"/subjects/{subject}/versions").raise_for_status().json():
                one = client.get(f"/subjects/{subject}/versions/{version}").raise_for_status().json()
                found.add((subject, version, one["id"], hashlib.sha256(one["schema"].encode()).hexdigest()))
    return frozenset(found)


def _whole(settings: Settings, acknowledged: list[str]) -> list[Held]:
    """Both stores when they hold every offset of Kafka; the last look when that does not come."""
    found: list[Held] = []

    def is_level() -> bool:
        found[:] = held(settings, acknowledged, {}, STORES)
        return all(one.coordinates_missing == 0 and one.events_missing == 0 for one in found)

    wait_until(is_level, STORED_WITHIN_SECONDS, lambda: str(found))
    return found


def test_a_stack_that_stood_for_its_backup_loses_and_doubles_nothing(drill: Drill) -> None:
    assert [one.coordinates_duplicated for one in drill.stood] == [0, 0]


def test_the_event_log_runs_as_it_did(drill: Drill) -> None:
    """The second `up` was not told how. Every process got in with what the backup held, every copy is in step."""
    assert open_home(drill.home).kafka == drill.mode
    kafka = drill.settings.kafka
    assert kafka.security_protocol == ("SASL_SSL" if drill.mode.secure else "PLAINTEXT")
    assert len(kafka.bootstrap_servers.split(",")) == drill.mode.brokers
    admin = AdminClient(kafka.client_config())

    def copies() -> set[tuple[int, int]]:
        found = admin.describe_topics(TopicCollection(list(TOPICS)), request_timeout=10)
        parts = [part for one in found.values() for part in one.result().partitions]
        return {(len(part.replicas), len(part.isr)) for part in parts}

    wait_until(lambda: copies() == {(drill.mode.brokers, drill.mode.brokers)}, 120, lambda: str(copies()))
    for name in BROKERS[: drill.mode.brokers]:
        log = (drill.home / "logs" / f"{name}.log").read_text("utf-8")
        assert log, f"{name} did not run"
        assert "is Denied" not in log


def test_every_table_of_the_lake_has_the_version_and_the_rows_it_had(drill: Drill) -> None:
    assert len(drill.before.lake) > 20
    assert all(drill.before.lake[name][0] > 0 for name in COMPUTED)
    assert drill.after.lake == drill.before.lake


def test_every_row_of_clickhouse_came_back(drill: Drill) -> None:
    assert sum(drill.before.clickhouse["realtime.user_events"].values()) > LINES / 2
    lost = {
        name: (rows - drill.after.clickhouse[name]).total() for name, rows in drill.before.clickhouse.items()
    }
    assert {name: count for name, count in lost.items() if count} == {}


def test_the_registry_has_the_same_ids(drill: Drill) -> None:
    assert len(drill.before.registry) >= 8
    assert drill.after.registry == drill.before.registry


def test_dagster_knows_the_runs_it_had(drill: Drill) -> None:
    assert drill.before.runs
    assert drill.before.runs <= drill.after.runs


def test_what_was_acknowledged_before_the_backup_and_what_comes_after_it_is_stored_once(drill: Drill) -> None:
    acknowledged = list(drill.acknowledged)
    assert [one.coordinates_duplicated for one in _whole(drill.settings, acknowledged)] == [0, 0]
    load = Load(drill.settings, seed=2, rate=RATE, batch=10, events=EVENTS)
    load.start()
    wait_until(lambda: load.is_finished, 300, lambda: "new events are not acknowledged")
    load.end()
    acknowledged += load.acknowledged_ids()
    assert [one.coordinates_duplicated for one in _whole(drill.settings, acknowledged)] == [0, 0]


def test_completeness_finds_nothing_missing_and_nothing_twice(drill: Drill) -> None:
    close_and_check(drill.settings, lambda _: None)
    minutes, red, messages = standing_problems(DeltaLog(drill.settings), datetime.now(UTC))
    assert (minutes > 0, red) == (True, 0)
    assert messages > LINES / 2 + EVENTS
