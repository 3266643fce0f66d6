"""The five files of system B as they are published.

Belongs here: names and types of the columns, and those a later player version adds. Does not belong here: tables of the
platform (`contracts/`): a source is not ours to define.
"""

import pyarrow as pa

_TIME = pa.timestamp("us", tz="UTC")
_TEXT, _INT, _LONG = pa.string(), pa.int32(), pa.int64()

SCHEMAS = {
    "assets": pa.schema(
        {
            "asset_id": _TEXT, "title": _TEXT, "asset_type": _TEXT, "brand": _TEXT, "section": _TEXT,
            "duration_seconds": _INT, "published_at": _TIME, "is_premium": pa.bool_(), "updated_at": _TIME,
        }
    ),
    "devices": pa.schema(
        {
            "device_id": _TEXT, "device_type": _TEXT, "platform": _TEXT, "os": _TEXT, "os_version": _TEXT,
            "manufacturer": _TEXT, "screen_width": _INT, "screen_height": _INT, "updated_at": _TIME,
        }
    ),
    "geo": pa.schema(
        {
            "geo_id": _TEXT, "country_code": _TEXT, "country": _TEXT, "region": _TEXT, "city": _TEXT,
            "timezone": _TEXT, "updated_at": _TIME,
        }
    ),
    "delivery": pa.schema(
        {
            "delivery_id": _TEXT, "date": pa.date32(), "requested_at": _TIME, "asset_id": _TEXT, "device_id": _TEXT,
            "geo_id": _TEXT, "cdn": _TEXT, "edge_location": _TEXT, "protocol": _TEXT, "http_status": _INT,
            "cache_status": _TEXT, "bytes_sent": _LONG, "response_ms": _INT, "startup_ms": _INT, "played_ms": _LONG,
            "rebuffer_count": _INT, "rebuffer_ms": _LONG, "bitrate_kbps": _INT, "error_code": _TEXT,
        }
    ),
    "metrics": pa.schema(
        {
            "date": pa.date32(), "asset_id": _TEXT, "device_id": _TEXT, "geo_id": _TEXT, "impressions": _LONG,
            "plays": _LONG, "completions": _LONG, "watch_seconds": pa.float64(), "likes": _LONG, "shares": _LONG,
            "ad_revenue_eur": pa.float64(),
        }
    ),
}  # fmt: skip

# What a newer player sends in addition, and the catalogues that stay as they are.
NEW_COLUMNS = {
    "delivery": pa.schema({"player_version": _TEXT, "dropped_frames": _INT}),
    "metrics": pa.schema({"ad_impressions": _LONG}),
}


def schema(dataset: str, *, with_new: bool) -> pa.Schema:
    """Columns of a file, before or since the newer player."""
    fields = list(SCHEMAS[dataset])
    return pa.schema(fields + list(NEW_COLUMNS.get(dataset, pa.schema([]))) if with_new else fields)
