"""Small hand-made source sets, and the reference's answer.

Belongs here: what the tests of the reference share. Does not belong here: drawn sets (`builders/video/sources.py`).
"""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from media_analytics_tests.builders.video import files
from media_analytics_tests.builders.video.reference import DATASETS, Reference
from media_analytics_tests.builders.video.sources import SourceSet, good_row
from media_analytics_tests.builders.video.wrong import DAY

DAY_1 = date(2026, 3, 1)
DAY_2 = DAY_1 + timedelta(days=1)


def at(hour: int = 12, minute: int = 0, day: date = DAY_1) -> datetime:
    """An instant of the day, UTC."""
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


def row(dataset: str, day: date = DAY_1, **values: Any) -> dict[str, Any]:
    """A good row with some values of its own."""
    if dataset == "delivery" and "requested_at" not in values:
        values["requested_at"] = at(day=day)
    return good_row(dataset, day, "x") | values


def rows(dataset: str, columns: str, *values: tuple[Any, ...], **same: Any) -> list[dict[str, Any]]:
    """Good rows with values of their own in `columns` (names with spaces between), and `same` in all of them."""
    names = columns.split()
    return [row(dataset, **same, **dict(zip(names, own, strict=True))) for own in values]


def answer(
    folder: Path, kind: str = "parquet", *, dated: bool = False, **given: list[dict[str, Any]]
) -> Reference:
    """The reference's tables of these rows; datasets that are not named have one row nobody refers to."""
    found = SourceSet({dataset: given.get(dataset, [row(dataset)]) for dataset in DATASETS})
    files.write(found, folder, kind, dated=dated)
    return Reference(folder)


def gold(reference: Reference, name: str, **of: Any) -> dict[str, Any]:
    """The one row of a mart with these key values."""
    found = [r for r in reference.gold(name).to_pylist() if all(r[k] == v for k, v in of.items())]
    assert len(found) == 1, f"{len(found)} rows of {name} with {of}"
    return found[0]


__all__ = ["DAY", "DAY_1", "DAY_2", "answer", "at", "gold", "row", "rows"]
