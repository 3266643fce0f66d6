"""Writing source sets as files.

Belongs here: CSV by the standard library's writer, Parquet by pyarrow, both layouts, several files a day. Does not
belong here: what the rows say.
"""

import csv
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from media_analytics_tests.builders.video.reference import DATASETS, columns
from media_analytics_tests.builders.video.sources import SourceSet
from media_analytics_tests.builders.video.wrong import DAY, Row, Text

_ARROW = {
    "s": pa.string(), "i32": pa.int32(), "i64": pa.int64(), "f64": pa.float64(), "b": pa.bool_(), "d": pa.date32(),
    "ts": pa.timestamp("us", tz="UTC"),
}  # fmt: skip
# Zones of a CSV file's instants, one row after the other.
ZONES = (
    UTC,
    timezone(timedelta(hours=1)),
    timezone(timedelta(hours=-5)),
    timezone(timedelta(hours=5, minutes=30)),
)


def write(
    sources: SourceSet, folder: Path, kind: str, *, dated: bool, parts: int = 1, extra: str | None = None
) -> list[Path]:
    """Write the set; returns the files.

    Args:
        sources: what to write.
        folder: landing folder.
        kind: `csv` or `parquet` (for typed sets only).
        dated: one folder a day instead of one file a dataset.
        parts: files a day; rows are dealt in order, so that ties by path and row number stay what they are.
        extra: name of a column no definition knows.
    """
    written = []
    for dataset in DATASETS:
        groups: dict[Path, list[Row]] = {}
        if dated:
            for day in sorted({row[DAY] for row in sources.rows[dataset]}):
                rows = [row for row in sources.rows[dataset] if row[DAY] == day]
                for part in range(parts):
                    own = rows[len(rows) * part // parts : len(rows) * (part + 1) // parts]
                    if own:
                        groups[folder / dataset / f"date={day}" / f"part-{part}.{kind}"] = own
        else:
            groups[folder / f"{dataset}.{kind}"] = sources.rows[dataset]
        for path, rows in groups.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_file(path, dataset, rows, extra)
            written.append(path)
    return written


def write_file(path: Path, dataset: str, rows: list[Row], extra: str | None = None) -> None:
    """Write one file, its format by its name."""
    wanted = columns(dataset)
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            out = csv.writer(file)
            out.writerow([*wanted, *([extra] if extra else [])])
            for number, row in enumerate(rows):
                zone = ZONES[number % len(ZONES)]
                out.writerow(
                    [*(_text(row[name], zone) for name in wanted), *([f"e{number}"] if extra else [])]
                )
        return
    table = pa.table(
        {name: pa.array([row[name] for row in rows], _ARROW[kind]) for name, kind in wanted.items()}
    )
    if extra:
        table = table.append_column(extra, pa.array([f"e{number}" for number in range(len(rows))]))
    pq.write_table(table, path)


def _text(value: Any, zone: timezone) -> str:
    if value is None:
        return ""
    if isinstance(value, Text):
        return value.text
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.astimezone(zone).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return repr(value) if isinstance(value, float) else str(value)
