"""The minute analysis on a real ClickHouse and Spark: files, checks, order, crashes, and that again means the same."""

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow.parquet as pq
import pytest

from media_analytics.automation import minutes as sensor
from media_analytics.build import build_defs, resources
from media_analytics.contracts.clickhouse import create_table_sql
from media_analytics.contracts.registry import table
from media_analytics.modelling.minutes import MINUTE
from media_analytics.resources.clickhouse import ClickHouse
from media_analytics.resources.clock import Clock
from media_analytics.resources.minute_files import MinuteFiles
from media_analytics.resources.spark import SparkConnect
from media_analytics.settings import Settings
from media_analytics_tests.services.embedded import Embedded

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

SOURCE = table("realtime.interactions")
# Three hours ago, five minutes before an hour: the store forgets old rows, and runs cross hours.
START = datetime.now(UTC).replace(minute=55, second=0, microsecond=0) - timedelta(hours=4)
RESULTS = dg.AssetKey(["results", "interactions"])


@dataclass
class Rows:
    """Rows of realtime.interactions, as the sink would have stored them."""

    clickhouse: ClickHouse
    stored: list[dict[str, Any]] = field(default_factory=list)

    def add(self, minute: int, kind: str, success: int, error: int, *, event_id: int | None = None) -> None:
        """Events of one type in a minute, a millisecond apart; with `event_id` copies of one event."""
        for n in range(success + error):
            offset = len(self.stored)
            number = 10**6 + offset if event_id is None else event_id
            self.stored.append(
                {
                    "source_topic": "interactions.events",
                    "source_partition": offset % 3,
                    "source_offset": offset,
                    "appended_at": START + minute * MINUTE + timedelta(milliseconds=n),
                    "event_id": f"00000000-0000-4000-8000-{number:012d}",
                    "event_type": kind,
                    "brand": "bild",
                    "status": "success" if n < success else "error",
                }
            )

    def insert(self) -> None:
        """Store what was added."""
        names = [*self.stored[0], "occurred_at", "received_at", "origin", "latency_ms"]
        at = START.strftime("%F %T")
        values = ",".join(
            "('{source_topic}',{source_partition},{source_offset},'{appended_at:%F %T.%f}','{event_id}','{event_type}',"
            "'{brand}','{status}','{at}','{at}','live',{latency})".format(**row, at=at, latency=n % 100)
            for n, row in enumerate(self.stored)
        )
        self.clickhouse.rows(f"INSERT INTO {SOURCE.full_name} ({','.join(names)}) VALUES {values}")

    def expected(self, minute: int) -> dict[str, tuple[int, int]]:
        """Successes and errors by type, recomputed from the rows: the first copy of an event counts."""
        found: dict[str, tuple[int, int]] = {}
        seen: set[str] = set()
        start = START + minute * MINUTE
        for row in sorted(self.stored, key=lambda r: (r["appended_at"], r["source_partition"])):
            is_first = row["event_id"] not in seen
            seen.add(row["event_id"])
            if is_first and start <= row["appended_at"] < start + MINUTE:
                good, bad = found.get(row["event_type"], (0, 0))
                is_good = row["status"] == "success"
                found[row["event_type"]] = (good + is_good, bad + (not is_good))
        return found


@dataclass
class Analysis:
    """One installation: runs and ticks on its own lake and Dagster instance."""

    settings: Settings
    instance: dg.DagsterInstance
    spark: SparkConnect
    now: datetime = START

    @property
    def files(self) -> MinuteFiles:
        return MinuteFiles(self.settings)

    def run(
        self, first: int | None, last: int | None = None, only: str | None = None
    ) -> dg.ExecuteInProcessResult:
        """One run over minutes; with None of the two hours, without a range."""
        defs = build_defs(self.settings, {"clock": Clock(lambda: self.now), "spark": self.spark})
        config: dict[str, Any] = {}
        if first is not None:
            bounds = {
                "first": _at(first).isoformat(),
                "last": _at(first if last is None else last).isoformat(),
            }
            config = {
                "ops": {
                    name: {"config": bounds} for name in ("extracts__interactions", "results__interactions")
                }
            }
        hours = (START, START + timedelta(hours=1))
        if only is not None and config:
            config["ops"] = {only.replace("/", "__"): config["ops"][only.replace("/", "__")]}
        return defs.resolve_job_def("minute_analysis").execute_in_process(
            instance=self.instance,
            run_config=config,
            tags=dict(zip(sensor.RANGE, (h.strftime("%Y-%m-%d-%H:00") for h in hours), strict=True)),
            asset_selection=[dg.AssetKey(only.split("/"))] if only else None,
            raise_on_error=False,
        )

    def result(self, minute: int) -> dict[str, Any] | None:
        return self.files.results([_at(minute)])[0]

    def contents(self) -> dict[str, Any]:
        """Every file by name; results without who produced them when."""
        found: dict[str, Any] = {}
        for path in sorted(Path(self.settings.lake.url).rglob("*")):
            if path.suffix == ".json":
                found[str(path)] = {
                    k: v
                    for k, v in json.loads(path.read_text()).items()
                    if k not in ("produced_at", "run_id")
                }
            elif path.is_file():
                found[str(path)] = path.read_bytes()
        return found


def _at(minute: int) -> datetime:
    return START + minute * MINUTE


@pytest.fixture
def rows(clickhouse: Embedded) -> Iterator[Rows]:
    client = ClickHouse(clickhouse.settings)
    client.rows(f"CREATE DATABASE IF NOT EXISTS {SOURCE.layer}")
    client.rows(create_table_sql(SOURCE, "plain"))
    client.rows(f"TRUNCATE TABLE {SOURCE.full_name}")
    yield Rows(client)
    client.rows(f"TRUNCATE TABLE {SOURCE.full_name}")


class Listener:
    """A dashboard that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        told = self.told

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                told.append(body["window_start"])
                # The second one is refused: a push that fails must not stop the analysis.
                self.send_response(503 if len(told) == 2 else 204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.close()


@pytest.fixture
def analysis(spark: Embedded, clickhouse: Embedded, listener: Listener, tmp_path: Path) -> Iterator[Analysis]:
    settings = spark.settings_with(LAKE__URL=str(tmp_path / "lake"), DASHBOARD__URL=listener.url)
    # One session for all runs, ended here: one whose server is gone holds up the end of the process for minutes.
    connection = SparkConnect(settings)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Analysis(settings, instance, connection)
    connection.close()


def test_minutes_are_extracted_judged_pushed_and_computed_again_the_same(
    analysis: Analysis, rows: Rows, listener: Listener
) -> None:
    for minute in range(8):
        if minute != 3:
            rows.add(minute, "play", success=40 + minute, error=minute % 3)
    rows.add(1, "pay", success=0, error=2)
    # One event three times: twice in its minute, once in a later one of another hour.
    for minute in (2, 2, 6):
        rows.add(minute, "pay", success=1, error=0, event_id=7)
    rows.insert()

    analysis.now = _at(7)
    first = analysis.run(0, 4)
    assert first.success
    assert [e.passed for e in first.get_asset_check_evaluations()] == [True] * 4
    analysis.now = _at(9)
    assert analysis.run(5, 7).success, "across the hour, after the first run"
    for minute in range(8):
        result = analysis.result(minute)
        assert result is not None
        found = {k: (v["success"], v["error"]) for k, v in result["event_types"].items()}
        assert found == rows.expected(minute), minute
        assert result["total"] == sum(map(sum, found.values()))
        before = [rows.expected(m).get("play", (0, 0)) for m in range(minute)]
        events = sum(map(sum, before))
        if "play" in found:
            baseline = sum(e for _, e in before) / events if events else None
            assert result["event_types"]["play"]["baseline_error_rate"] == baseline
        assert pq.read_table(analysis.files.extract_url(_at(minute))).num_rows == sum(
            _at(minute) <= r["appended_at"] < _at(minute + 1) for r in rows.stored
        )
    assert listener.told == [f"{_at(m):%Y-%m-%dT%H:%M:%SZ}" for m in range(8)]
    materialized = analysis.instance.get_materialized_partitions(RESULTS)
    assert materialized == {h.strftime("%Y-%m-%d-%H:00") for h in (START, START + timedelta(hours=1))}

    before_again = analysis.contents()
    run_id = (analysis.result(0) or {})["run_id"]
    assert analysis.run(None).success
    assert analysis.contents() == before_again
    assert (analysis.result(0) or {})["run_id"] != run_id


def test_a_risen_error_rate_is_an_anomaly_and_a_red_check(analysis: Analysis, rows: Rows) -> None:
    for minute in range(30):
        rows.add(minute, "play", success=198, error=2 if minute < 28 else 14)
    rows.insert()
    analysis.now = _at(31)
    outcome = analysis.run(0, 29)
    assert outcome.success
    checks = {e.check_name: e for e in outcome.get_asset_check_evaluations()}
    assert not checks["no_anomaly"].passed
    assert [bool((analysis.result(m) or {})["anomalies"]) for m in range(30)] == [False] * 28 + [
        True
    ] * 2 or [bool((analysis.result(m) or {})["anomalies"]) for m in range(30)] == [False] * 29 + [True]
    assert checks["timely"].passed


def test_a_run_that_ends_between_extract_and_result_is_finished_by_the_next(
    analysis: Analysis, rows: Rows
) -> None:
    """Catches a result without its extract, a minute left out after a crash, and a second answer for a minute."""
    rows.add(0, "play", 10, 1)
    rows.add(1, "play", 10, 0)
    rows.insert()
    analysis.now = _at(4)
    assert analysis.run(0, 1, only="extracts/interactions").success
    assert (analysis.result(0), analysis.files.progress()) == (None, None)
    assert sensor.next_minute(analysis.files, rows.clickhouse) == START
    assert analysis.run(0, 0).success
    assert sensor.next_minute(analysis.files, rows.clickhouse) == _at(1)
    skipping = analysis.run(2, 2)
    assert not skipping.success, "a minute was left out"
    assert "follow each other" in str(skipping.all_events)
    assert analysis.run(1, 1).success
    missing = analysis.run(2, 2, only="results/interactions")
    assert not missing.success
    assert "no extract" in str(missing.all_events)


def test_rows_that_the_store_lost_do_not_empty_an_extract(analysis: Analysis, rows: Rows) -> None:
    rows.add(0, "play", 10, 1)
    rows.insert()
    analysis.now = _at(2)
    assert analysis.run(0, 0).success
    before = analysis.contents()
    rows.clickhouse.rows(f"TRUNCATE TABLE {SOURCE.full_name}")
    again = analysis.run(None)
    assert not again.success
    assert "has 0 rows" in str(again.all_events)
    assert analysis.contents() == before


@dataclass
class EverythingStored:
    """A log whose records the sink stored all."""

    def committed(self, group: str) -> Mapping[str, Mapping[int, int]]:
        return {}

    def offsets_at(self, topic: str, instant: datetime) -> Mapping[int, int]:
        return {0: 0}


def test_the_sensor_asks_for_minutes_with_events_and_answers_for_those_without(
    analysis: Analysis, rows: Rows, listener: Listener
) -> None:
    """Catches a run a minute while nothing happens, and a quiet minute that never gets its result."""
    overrides: dict[str, Any] = {"clock": Clock(lambda: analysis.now), "kafka": EverythingStored()}
    repository = build_defs(analysis.settings, overrides).get_repository_def()
    tick = repository.get_sensor_def("minute_analysis")
    used = {
        n: r
        for n, r in (resources(analysis.settings) | overrides).items()
        if n in tick.required_resource_keys
    }

    def ticked() -> Any:
        with dg.build_sensor_context(
            instance=analysis.instance, repository_def=repository, resources=used
        ) as context:
            return tick.evaluate_tick(context)

    assert ticked().run_requests == []
    rows.add(2, "play", 10, 1)
    rows.add(4, "play", 10, 1)
    rows.insert()
    analysis.now = _at(7)
    (request,) = ticked().run_requests
    wanted = request.run_config["ops"]["results__interactions"]["config"]
    # From the first event on; minute 6 is over for less than 60 s.
    assert wanted == {"first": _at(2).isoformat(), "last": _at(5).isoformat()}
    assert analysis.run(2, 5).success

    analysis.now = _at(9)
    quiet = ticked()
    assert quiet.run_requests == []
    assert {e.asset_key.path[0] for e in quiet.asset_events} == {"extracts", "results"}
    assert [(analysis.result(m) or {}).get("total") for m in range(2, 8)] == [11, 0, 11, 0, 0, 0]
    assert (analysis.result(7) or {})["run_id"] == sensor.SENSOR_ID
    assert analysis.files.extract_rows(_at(7)) == 0
    assert len(listener.told) == 6
    # What the sensor wrote is what a run would have written.
    before = analysis.contents()
    assert analysis.run(None).success
    assert analysis.contents() == before
    assert ticked().run_requests == []
