"""Two runs that load and compute the same tables at the same time, as on two clusters: no pool is between them.

Every step is done twice at once, and both runs look before either writes. Whoever is told to try again does. What the
tests would catch: rows of a file that stand twice, two overwrites of an empty table beside each other, a run that
replaces newer rows by those of an older file.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from media_analytics.contracts.registry import table
from media_analytics.contracts.tables.video_raw import DATASETS
from media_analytics.resources.spark import connect
from media_analytics.video_files import ledger, loading, tables
from media_analytics.video_files.commits import OvertakenError
from media_analytics.video_files.loading import Loader
from media_analytics_tests.builders import video_rows as rows
from media_analytics_tests.integration.video_files.conftest import DAYS
from media_analytics_tests.integration.video_files.world import World
from spark_jobs.jobs.media_analytics_pipeline import INGEST, STEPS, run_step

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

# A run that finds nothing to do never comes to where the other waits.
MEETING_SECONDS = 30.0


def _met(barrier: threading.Barrier, then: Callable[..., Any]) -> Callable[..., Any]:
    """`then`, once both runs have come here; its result is known before either goes on."""

    def wait(*args: Any) -> Any:
        found = then(*args)
        try:
            barrier.wait(MEETING_SECONDS)
        except threading.BrokenBarrierError:
            return found
        return found

    return wait


def _both(*runs: Callable[[], Any]) -> list[BaseException | None]:
    """Do these at once; what each raised."""
    with ThreadPoolExecutor(len(runs)) as pool:
        return [future.exception() for future in [pool.submit(run) for run in runs]]


def _loader(world: World, run_id: str) -> Loader:
    return Loader(world.settings, world.lake, world.log, run_id, world.now)


def _places(world: World) -> list[tuple[str, str, int]]:
    """Every row of bronze: its data set, file and number there."""
    return sorted(
        (dataset, row["source_file"], row["row_number"])
        for dataset in DATASETS
        for row in world.log.rows(table(f"bronze.raw_{dataset}"), ["source_file", "row_number"]).to_pylist()
    )


def test_two_loads_of_the_same_files_give_every_row_once(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Both find the files new, and both have staged them when the first commits."""
    folder = rows.good_folder(tmp_path / "files", DAYS)
    monkeypatch.setattr(ledger, "standing", _met(threading.Barrier(2), ledger.standing))
    runs = {name: _loader(world, name) for name in ("first", "second")}
    raised = _both(*(partial(run.load, str(folder)) for run in runs.values()))
    assert [type(error) for error in raised if error] == [OvertakenError]
    assert "bronze.raw_" in str(next(filter(None, raised)))
    monkeypatch.undo()
    for run in runs.values():
        run.load(str(folder))
    found = _places(world)
    assert found == sorted(set(found))
    assert len(found) == 3 + 2 * len(DAYS)


def test_a_load_that_read_an_older_file_does_not_replace_the_newer_one(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The second run begins, reads and commits while the first is about to commit the file's former content."""
    folder = rows.good_folder(tmp_path / "files")
    _loader(world, "before").load(str(folder))
    rows.write(folder, "metrics", [rows.metrics(plays=11)])
    commit = loading.commit

    def overtaken(*args: Any, **kwargs: Any) -> int:
        monkeypatch.setattr(loading, "commit", commit)
        rows.write(folder, "metrics", [rows.metrics(plays=12)])
        _loader(world, "newer").load(str(folder))
        return commit(*args, **kwargs)

    monkeypatch.setattr(loading, "commit", overtaken)
    with pytest.raises(OvertakenError):
        _loader(world, "older").load(str(folder))
    assert world.log.rows(table("bronze.raw_metrics"), ["plays"]).to_pylist() == [{"plays": 12}]


def test_a_run_that_begins_anew_commits_nothing_of_what_it_had_staged(world: World, tmp_path: Path) -> None:
    """As a task does that was killed after staging, while its folder changed; catches rows that no file has."""
    folder = rows.good_folder(tmp_path / "files")
    again = _loader(world, "again")
    left = Path(again._staging("metrics"))
    rows.write(left, "metrics", [rows.metrics(plays=99)])
    (left / "metrics.parquet").rename(left / "part-000007.parquet")
    again.load(str(folder))
    assert world.log.rows(table("bronze.raw_metrics"), ["plays"]).to_pylist() == [{"plays": 10}]
    assert not left.exists()


@pytest.mark.slow
def test_every_step_twice_at_once_gives_the_rows_of_one_run(
    world: World, loaded: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = rows.good_folder(tmp_path / "files", DAYS)
    sessions = {name: connect(world.settings) for name in ("left", "right")}
    told: list[str] = []

    def do(step: str, name: str) -> None:
        run_step(sessions[name], step, DAYS[0], world.settings.lake.url, str(folder), name)

    try:
        for step in STEPS:
            barrier = threading.Barrier(2)
            for module, name in ((ledger, "standing"), (tables, "refuse_to_overtake")):
                monkeypatch.setattr(module, name, _met(barrier, getattr(module, name)))
            raised = _both(*(partial(do, step, name) for name in sessions))
            monkeypatch.undo()
            assert {type(error) for error in raised if error} <= {OvertakenError}, raised
            assert not all(raised), f"nobody published {step}"
            told += [step for error in raised if error]
            for name, error in zip(sessions, raised, strict=True):
                if error:
                    do(step, name)
    finally:
        for session in sessions.values():
            session.stop()
    assert set(told) >= {INGEST, "silver.assets", "gold.executive_summary"}, "they did not meet"
    assert world.hashes() == loaded.hashes()
    found = _places(world)
    assert found == sorted(set(found))
