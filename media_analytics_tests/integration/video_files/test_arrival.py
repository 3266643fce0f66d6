"""Files that arrive in any order, several times, corrected or withdrawn: silver and gold are those of one load.

Slow: each arrival is a run of all steps. What the tests would catch: a number that depends on which file came first, a
date that is left out when a catalogue comes late, a copy of a file that counts twice, a row of a replaced file that
stays.
"""

import csv
import io
import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from media_analytics.contracts.registry import table
from media_analytics.generators.video.generate import generate
from media_analytics.generators.video.options import Format, Layout, Options
from media_analytics_tests.builders import video_rows as rows
from media_analytics_tests.builders.video.reference import Reference
from media_analytics_tests.integration.video_files.test_reference import assert_equal
from media_analytics_tests.integration.video_files.world import World

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(900)]

ARRIVALS = 4
OPTIONS = Options(
    days=3, rows=1_500, metrics=600, assets=60, seed=23, dirty=0.01, copies=0.02, new_columns_from=2,
    format=Format.CSV, layout=Layout.DATED,
)  # fmt: skip


def _read(text: str) -> list[list[str]]:
    """The rows of a CSV, its header first; a field may hold line ends."""
    return list(csv.reader(io.StringIO(text, newline="")))


def _text(rows_of_file: Iterable[Sequence[str]]) -> str:
    """Rows as a CSV; without quotes where none are needed, so that null stays null."""
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\n").writerows(rows_of_file)
    return written.getvalue()


def _cut(path: Path, number: int, of: int) -> str:
    """Every `of`-th row of a CSV file, its header first."""
    header, *others = _read(path.read_bytes().decode())
    return _text([header, *others[number::of]])


def _arriving(source: Path, target: Path) -> list[tuple[Path, str]]:
    """The files to come: each in two parts, and both once more under another name."""
    return [
        (target / path.parent.relative_to(source) / name, _cut(path, number, 2))
        for path in sorted(source.rglob("*.csv"))
        for number in range(2)
        for name in (f"part-{number}.csv", f"again-{number}.csv")
    ]


def _uncorrected(text: str) -> str:
    header, _, *others = _read(text)
    return _text([header, *reversed(others)])


def test_shuffled_doubled_and_corrected_files_give_the_rows_of_one_load(world: World, tmp_path: Path) -> None:
    generate(OPTIONS, tmp_path / "source")
    folder = tmp_path / "arrived"
    coming = _arriving(tmp_path / "source", folder)
    random.Random(5).shuffle(coming)
    # Some arrive first as they were before somebody corrected them: a row less, the others in another order.
    early = [(path, _uncorrected(text)) for path, text in coming[::5]]
    for batch in (early, *(coming[n::ARRIVALS] for n in range(ARRIVALS))):
        for path, text in batch:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8", newline="")
        world.load(folder)
    assert_equal(world, Reference(folder))
    versions = world.versions()
    world.load(folder)
    assert world.versions() == versions


def test_a_withdrawn_copy_lets_the_copy_before_it_stand(world: World, tmp_path: Path) -> None:
    """Of three copies six days apart the middle one keeps the first from standing, and does not stand itself."""
    folder = rows.good_folder(tmp_path / "files", [])
    days = [datetime(2026, 3, 1 + 6 * n, 12, tzinfo=UTC) for n in range(3)]
    for place, day in enumerate(days):
        copies = [rows.delivery("copied", day), rows.delivery(f"own{place}", day)]
        # Of two copies the one that was requested last is better.
        rows.write(folder, "delivery", copies, day.date())
        rows.write(folder, "metrics", [rows.metrics(day=day.date())], day.date())
    for name in ("delivery", "metrics"):
        (folder / f"{name}.parquet").unlink()
    world.load(folder)
    assert _stand(world) == [days[2].date()]
    rows.write(folder, "delivery", [rows.delivery("own1", days[1])], days[1].date())
    world.load(folder)
    assert _stand(world) == [days[0].date(), days[2].date()]
    assert_equal(world, Reference(folder))


def _stand(world: World) -> list[object]:
    """The dates on which the copied delivery stands."""
    found = world.log.rows(table("silver.delivery"), ["delivery_id", "date"]).to_pylist()
    return sorted(row["date"] for row in found if row["delivery_id"] == "copied")
