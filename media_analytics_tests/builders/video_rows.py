"""Rows of video files for tests, and files made of them.

Belongs here: one good row of each data set with fields replaced, writing files in every layout. Does not belong here:
what must come of them (the tests).
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet as pq

from media_analytics.contracts.registry import table
from media_analytics.contracts.tables.video_raw import RawRow

Row = dict[str, Any]
DAY = date(2026, 3, 10)
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
_PROVENANCE = set(RawRow.to_schema().columns)


def schema(dataset: str) -> pa.Schema:
    """The columns of a file of the data set."""
    columns = table(f"bronze.raw_{dataset}").columns
    return pa.schema([(c.name, c.arrow_type) for c in columns if c.name not in _PROVENANCE])


def asset(asset_id: str = "a1", **fields: Any) -> Row:
    good = {
        "title": "Title",
        "asset_type": "clip",
        "brand": "bild",
        "section": "news",
        "duration_seconds": 100,
    }
    good |= {"published_at": NOON, "is_premium": False, "updated_at": NOON}
    return {"asset_id": asset_id, **good, **fields}


def device(device_id: str = "d1", **fields: Any) -> Row:
    good = {
        "device_type": "phone",
        "platform": "ios",
        "os": "iOS",
        "os_version": "19",
        "manufacturer": "Apple",
    }
    good |= {"screen_width": 1170, "screen_height": 2532, "updated_at": NOON}
    return {"device_id": device_id, **good, **fields}


def geo(geo_id: str = "g1", **fields: Any) -> Row:
    good = {"country_code": "DE", "country": "Germany", "region": "Berlin", "city": "Berlin"}
    good |= {"timezone": "Europe/Berlin", "updated_at": NOON}
    return {"geo_id": geo_id, **good, **fields}


def delivery(delivery_id: str = "r1", at: datetime = NOON, **fields: Any) -> Row:
    good: Row = {"date": at.date(), "requested_at": at, "asset_id": "a1", "device_id": "d1", "geo_id": "g1"}
    good |= {
        "cdn": "edge",
        "edge_location": "FRA",
        "protocol": "hls",
        "http_status": 200,
        "cache_status": "HIT",
    }
    good |= {"bytes_sent": 1000, "response_ms": 10, "startup_ms": 100, "played_ms": 1000, "rebuffer_count": 0}
    good |= {"rebuffer_ms": 0, "bitrate_kbps": 3000, "error_code": None}
    return {"delivery_id": delivery_id, **good, **fields}


def metrics(asset_id: str = "a1", day: date = DAY, **fields: Any) -> Row:
    good: Row = {
        "date": day,
        "asset_id": asset_id,
        "device_id": "d1",
        "geo_id": "g1",
        "impressions": 20,
        "plays": 10,
    }
    good |= {"completions": 5, "watch_seconds": 500.0, "likes": 1, "shares": 1, "ad_revenue_eur": 0.5}
    return {**good, **fields}


def write(
    folder: Path, dataset: str, rows: Sequence[Mapping[str, Any]], day: date | None = None, name: str = "part"
) -> Path:
    """A Parquet file, flat or (with `day`) in the folder of a date; unknown columns come after the data set's own."""
    path = (
        folder / f"{dataset}.parquet" if day is None else folder / dataset / f"date={day}" / f"{name}.parquet"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    known = schema(dataset)
    more = sorted({name for row in rows for name in row} - set(known.names))
    full = pa.schema([*known, *(pa.field(name, pa.string()) for name in more)])
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows], schema=full), path)
    return path


def write_csv(folder: Path, dataset: str, rows: Iterable[Mapping[str, Any]], day: date | None = None) -> Path:
    """The same as CSV: instants in ISO 8601 with their zone, null is empty. Texts stand as they are."""
    path = folder / f"{dataset}.csv" if day is None else folder / dataset / f"date={day}" / "part.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, schema(dataset).names)
        writer.writeheader()
        for row in rows:
            writer.writerow(
                {k: v.isoformat() if isinstance(v, (date, datetime)) else v for k, v in row.items()}
            )
    return path


def good_folder(folder: Path, days: Sequence[date] = (DAY,)) -> Path:
    """A flat folder with a row of each catalogue and one of each fact a day."""
    write(folder, "assets", [asset()])
    write(folder, "devices", [device()])
    write(folder, "geo", [geo()])
    noons = [datetime(d.year, d.month, d.day, 12, tzinfo=UTC) for d in days]
    write(folder, "delivery", [delivery(f"r{n}", at) for n, at in enumerate(noons)])
    write(folder, "metrics", [metrics(day=d) for d in days])
    return folder
