"""The video pipeline in DuckDB: files in, silver, quarantine and gold out.

Belongs here: reading source files of both formats and layouts, and running `sql/`. Does not belong here: anything
shared with the platform's transforms, not even names of reasons; small hand-made cases (unit tests).

Where the definitions leave a choice (decision 0035): only an own key may not be blank, other blank texts are texts;
a null country code is ZZ; a null network or brand is `unknown`; null is the oldest time and the smallest number; an
asset without metrics ranks behind all that have some.
"""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

import duckdb
import pyarrow as pa

from media_analytics_tests.builders.video.iso3166 import CODES

_SQL = Path(__file__).parent / "sql"
DATASETS = ("assets", "devices", "geo", "delivery", "metrics")
GOLD = {
    "executive_summary": ("date", "brand"),
    "content_performance": ("date", "asset_id"),
    "delivery_quality": ("date", "cdn", "country_code"),
    "device_analytics": ("date", "device_type", "platform", "os"),
    "geographic_analytics": ("date", "country_code", "region"),
}
SILVER = {
    "assets": ("asset_id",),
    "devices": ("device_id",),
    "geo": ("geo_id",),
    "delivery": ("date", "delivery_id"),
    "metrics": ("date", "asset_id", "device_id", "geo_id"),
}
# The files' columns, as the definition lists them: s text, i32, i64, f64, b truth value, d day, ts instant.
COLUMNS = {
    "assets": """asset_id s, title s, asset_type s, brand s, section s, duration_seconds i32, published_at ts,
        is_premium b, updated_at ts""",
    "devices": """device_id s, device_type s, platform s, os s, os_version s, manufacturer s, screen_width i32,
        screen_height i32, updated_at ts""",
    "geo": "geo_id s, country_code s, country s, region s, city s, timezone s, updated_at ts",
    "delivery": """delivery_id s, date d, requested_at ts, asset_id s, device_id s, geo_id s, cdn s, edge_location s,
        protocol s, http_status i32, cache_status s, bytes_sent i64, response_ms i32, startup_ms i32, played_ms i64,
        rebuffer_count i32, rebuffer_ms i64, bitrate_kbps i32, error_code s""",
    "metrics": """date d, asset_id s, device_id s, geo_id s, impressions i64, plays i64, completions i64,
        watch_seconds f64, likes i64, shares i64, ad_revenue_eur f64""",
}
_TYPES = {
    "s": "VARCHAR", "i32": "INTEGER", "i64": "BIGINT", "f64": "DOUBLE", "b": "BOOLEAN", "d": "DATE",
    "ts": "TIMESTAMPTZ",
}  # fmt: skip
# White space as decision 0035 lists it; without it `trim` takes spaces only.
_SPACE = "' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)"
# What a text must look like to be of a type; the rest does not parse.
_LOOKS = {
    "i32": "[+-]?[0-9]+([.]0+)?",
    "i64": "[+-]?[0-9]+([.]0+)?",
    "f64": "(?i)[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)(e[+-]?[0-9]+)?|[+-]?(nan|inf|infinity)",
    "b": "(?i)true|false|t|f|1|0",
    "d": "[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "ts": "(?i)[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?"
    "(Z|[+-](0[0-9]|1[0-4])(:?[0-9]{2})?)",
}


def columns(dataset: str) -> dict[str, str]:
    """Columns of a dataset's files with the short names of their types."""
    return dict(part.split() for part in COLUMNS[dataset].split(","))


class Reference:
    """The tables of a landing folder, in a database of their own: in memory, or a new file."""

    def __init__(
        self, folder: Path, database: Path | None = None, options: Mapping[str, str | int] | None = None
    ) -> None:
        self.connection = duckdb.connect(str(database or ":memory:"), config=dict(options or {}))
        self.connection.execute("CREATE TABLE iso3166 (code VARCHAR)")
        self.connection.execute("INSERT INTO iso3166 SELECT unnest(?)", [list(CODES)])
        for dataset in DATASETS:
            self._load(dataset, folder)
        for step in ("silver", "gold"):
            self.connection.execute((_SQL / f"{step}.sql").read_text("utf-8"))

    def silver(self, name: str) -> pa.Table:
        """A silver table, by its key."""
        return self._table(f"silver_{name}", SILVER[name])

    def gold(self, name: str) -> pa.Table:
        """A mart, by its key."""
        return self._table(f"gold_{name}", GOLD[name])

    def quarantined(self, dataset: str) -> list[tuple[str, int, list[str]]]:
        """File, line and reasons of the rows that must not reach silver."""
        found = self.connection.execute(
            f"SELECT file, line, reasons FROM judged_{dataset} WHERE reasons <> '' ORDER BY file, line"
        )
        return [(file, line, reasons.split(",")) for file, line, reasons in found.fetchall()]

    def close(self) -> None:
        """Let go of the memory."""
        self.connection.close()

    def _table(self, name: str, key: Iterable[str]) -> pa.Table:
        return self.connection.execute(f"SELECT * FROM {name} ORDER BY {', '.join(key)}").to_arrow_table()

    def _load(self, dataset: str, folder: Path) -> None:
        wanted = columns(dataset)
        typed = ", ".join(f"{name} {_TYPES[kind]}" for name, kind in wanted.items())
        self.connection.execute(
            f"CREATE TABLE typed_{dataset} ({typed}, unparsed VARCHAR, file VARCHAR, line BIGINT)"
        )
        for path in files(folder, dataset):
            found = self._read(path)
            missing = [name for name in wanted if name not in found]
            if missing:
                raise ValueError(f"{path} has no column {missing[0]}")
            values = ", ".join(_typed(name, kind, found[name]) for name, kind in wanted.items())
            wrong = ", ".join(
                f"CASE WHEN {name} IS NOT NULL AND {_typed(name, kind, found[name])} IS NULL THEN '{name}' END"
                for name, kind in wanted.items()
            )
            self.connection.execute(
                f"INSERT INTO typed_{dataset} SELECT {values}, concat_ws(',', {wrong}), ?, line FROM source",
                [path.relative_to(folder).as_posix()],
            )

    def _read(self, path: Path) -> dict[str, str]:
        """Make the file the view or table `source`, with the number of each row; its columns and their types."""
        self.connection.execute("DROP VIEW IF EXISTS source")
        if path.suffix == ".parquet":
            self.connection.execute(
                f"CREATE VIEW source AS SELECT *, file_row_number + 1 AS line"
                f" FROM read_parquet('{path}', file_row_number = true, hive_partitioning = false)"
            )
        else:
            self.connection.register("source_rows", _csv(path))
            self.connection.execute("CREATE VIEW source AS SELECT * FROM source_rows")
        described = self.connection.execute("DESCRIBE source").fetchall()
        return {name: kind for name, kind, *_ in described}


def files(folder: Path, dataset: str) -> list[Path]:
    """Files of a dataset in both layouts, by their path inside the folder."""
    found = [path for kind in ("parquet", "csv") for path in folder.glob(f"{dataset}.{kind}")]
    found += [path for kind in ("parquet", "csv") for path in folder.glob(f"{dataset}/date=*/*.{kind}")]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def _typed(name: str, kind: str, found: str) -> str:
    if kind == "s":
        return f"{name}::VARCHAR"
    if found != "VARCHAR":
        return f"TRY_CAST({name} AS {_TYPES[kind]})"
    text = f"trim({name}, {_SPACE})"
    looks = f"regexp_full_match({text}, '{_LOOKS[kind]}')"
    if kind in ("i32", "i64"):
        text = f"regexp_replace({text}, '[.]0+$', '')"
    if kind == "ts":
        # Digits behind the microseconds are cut off; seconds may be missing.
        text = f"regexp_replace(replace(upper({text}), ',', '.'), '([.][0-9]{{6}})[0-9]+', '\\1')"
        text = f"regexp_replace({text}, '([T ][0-9]{{2}}:[0-9]{{2}})(Z|[+-])', '\\1:00\\2')"
    return f"CASE WHEN {looks} THEN TRY_CAST({text} AS {_TYPES[kind]}) END"


def _csv(path: Path) -> pa.Table:
    """Every value as text, nothing as null, with the number of the row."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, strict=True))
    header, rows = rows[0], rows[1:]
    table = {
        name: pa.array([row[place] or None for row in rows], pa.string()) for place, name in enumerate(header)
    }
    return pa.table(table | {"line": pa.array(range(1, len(rows) + 1), pa.int64())})
