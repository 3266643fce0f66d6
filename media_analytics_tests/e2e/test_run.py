"""`media-analytics run` on a slice of a real web log: from an empty home to checked tables, then once more.

Would catch: a stage that drops or repeats events, a summary that does not read the stores, a second run that sends
again, a backfill that gives other rows, services that outlive `down`.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from media_analytics.commands.run import Report
from media_analytics.contracts.registry import TABLES
from media_analytics.local.stack_variables import read_stack_environment
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.resources.lake import Lake
from media_analytics.resources.spark import SparkConnect
from media_analytics.settings import Settings, load_settings
from media_analytics_tests.benchmarks.path import Platform, callers_environment
from media_analytics_tests.e2e.dagster_page import DagsterPage
from media_analytics_tests.services.external import external_settings

LINES = 1_000
SECOND_RUN_SECONDS = 60.0
# Tables by date; those that are replaced as a whole have no date to backfill.
READER_TABLES = tuple(
    n
    for n, c in TABLES.items()
    if c.owner != "team:video-analytics"
    and c.writer == "spark-connect"
    and c.layer in ("silver", "gold")
    and c.partition_column is not None
)
CHAIN = ("silver.events", "silver.sessions", "gold.reader_sessions")

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    elsewhere = {f"MEDIA_ANALYTICS_{name}": v for name, v in external_settings(os.environ).items()}
    started = Platform(tmp_path_factory.mktemp("e2e"), callers_environment() | elsewhere, lines=LINES)
    started.command("up", "--ports", "free")
    yield started
    started.command("down")
    assert _processes_of(started.folder) == []


@pytest.fixture(scope="module")
def first(platform: Platform) -> Report:
    return platform.run()


def _figures(report: Report) -> dict[str, str]:
    return {figure.name: figure.value for figure in report.figures}


def _processes_of(folder: Path) -> list[str]:
    """Command lines of processes that still mention the folder, after a moment to end."""
    deadline = time.monotonic() + 5
    while True:
        found = []
        for process in psutil.process_iter(["cmdline"]):
            line = " ".join(process.info["cmdline"] or ())
            if str(folder) in line and process.pid != os.getpid():
                found.append(line[:200])
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


def test_every_line_is_in_every_store_or_a_dead_letter(first: Report) -> None:
    figures = _figures(first)
    accepted = f"{first.sent['accepted']:,}"
    assert first.sent["lines"] == LINES
    assert first.sent["accepted"] + first.sent["rejected"] == LINES
    stores = ("user.raw", "user.latest", "realtime.user_events", "bronze.user_events", "silver.events")
    assert {store: figures[store] for store in stores} == dict.fromkeys(stores, accepted)
    assert figures["dead_letters"] == str(first.sent["rejected"])


def test_completeness_finds_nothing_missing_and_nothing_twice(first: Report) -> None:
    figures = _figures(first)
    assert figures["records in Kafka"] == f"{first.sent['accepted']:,}"
    assert figures["missing, both stores"] == "0"
    assert figures["duplicates, both stores"] == "0"


def test_every_asset_check_passed(first: Report) -> None:
    passed, _, total = _figures(first)["asset checks passed"].partition(" of ")
    assert passed == total
    assert int(total) >= 10


def test_a_second_run_sends_nothing_and_finds_the_same(platform: Platform, first: Report) -> None:
    second = platform.run()
    assert second.sent["accepted"] == 0
    assert second.sent["sent before"] == LINES
    assert _figures(second) == _figures(first)
    assert second.seconds < SECOND_RUN_SECONDS


def _hashes(settings: Settings) -> dict[str, dict[str, str]]:
    """Row hash of every date of every reader table."""
    lake = Lake(settings, SparkConnect(settings))
    return {name: lake.row_hashes(TABLES[name]) for name in READER_TABLES}


@pytest.mark.parametrize(
    "tables",
    [
        CHAIN,
        pytest.param(READER_TABLES, marks=pytest.mark.slow),
        pytest.param(("gold.reader_sources",), marks=pytest.mark.slow),
    ],
    ids=["one-of-each-kind", "all", "gold-alone"],
)
def test_a_backfill_from_the_page_gives_the_same_rows(
    platform: Platform, first: Report, tables: tuple[str, ...]
) -> None:
    """Tables over one date, launched as the page does it."""
    settings = load_settings(read_stack_environment(platform.folder / "home" / "stack.env"))
    before, log = _hashes(settings), DeltaLog(settings)
    day = max(before["gold.reader_sessions"])
    with DagsterPage(settings) as page:
        # A table without rows on this date, before and after, gets no commit.
        filled = [name for name in tables if day in before[name]]
        assert filled
        assert set(CHAIN) & set(tables) <= set(filled)
        stood = {name: log.snapshot(TABLES[name]).version for name in filled}
        page.backfill(tables, [day])
        written = {name: log.snapshot(TABLES[name]).version for name in filled}
        assert all(written[name] > stood[name] for name in filled), "the backfill computed them"
    assert _hashes(settings) == before
