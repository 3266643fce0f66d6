"""Every way in which a row of a source file can be wrong.

Belongs here: the values, and what the reference calls the fault. Does not belong here: good rows (`sources.py`).
"""

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

Row = dict[str, Any]
# Key under which a row names the day of the file it comes in.
DAY = "_day"


@dataclass(frozen=True)
class Text:
    """A value that is not of its column's type, as it stands in a CSV file."""

    text: str


@dataclass(frozen=True)
class Wrong:
    """One way to be wrong: what a row's values become, and what the reference calls it."""

    reason: str
    values: Row


def _wrong_values(reason: str, *cells: tuple[str, Any]) -> list[Wrong]:
    return [Wrong(reason, {column: value}) for column, value in cells]


# "+1 day" and "over plays" depend on the row: see `_spoiled`.
A_DAY_LATER, A_DAY_EARLIER, OVER_PLAYS = object(), object(), object()
WRONG: dict[str, list[Wrong]] = {
    "assets": [
        *_wrong_values("key", ("asset_id", None), ("asset_id", ""), ("asset_id", "  ")),
        *_wrong_values("negative", ("duration_seconds", -1)),
        *_wrong_values(
            "unparsed", ("duration_seconds", Text("1.5")), ("updated_at", Text("2026-03-01T00:00:00")),
            ("published_at", Text("2026-02-30T00:00:00Z")), ("is_premium", Text("maybe")),
        ),
    ],
    "devices": [
        *_wrong_values("key", ("device_id", None), ("device_id", " ")),
        *_wrong_values("negative", ("screen_width", -1), ("screen_height", -2147483648)),
        *_wrong_values("unparsed", ("screen_width", Text("2147483648")), ("updated_at", Text("now"))),
    ],
    "geo": [
        *_wrong_values("key", ("geo_id", None), ("geo_id", "   ")),
        *_wrong_values("unparsed", ("updated_at", Text("1.3.2026"))),
    ],
    "delivery": [
        *_wrong_values("key", ("delivery_id", None), ("delivery_id", " ")),
        *_wrong_values("null", ("date", None), ("requested_at", None), ("http_status", None)),
        *_wrong_values("date", ("requested_at", A_DAY_LATER), ("requested_at", A_DAY_EARLIER)),
        *_wrong_values(
            "negative", ("bytes_sent", -1), ("response_ms", -1), ("startup_ms", -1), ("played_ms", -1),
            ("rebuffer_count", -1), ("rebuffer_ms", -1), ("bitrate_kbps", -1),
        ),
        *_wrong_values("status", ("http_status", 0), ("http_status", 99), ("http_status", 600)),
        *_wrong_values(
            "unparsed", ("http_status", Text("200 OK")), ("bytes_sent", Text("9223372036854775808")),
            ("date", Text("2026/03/01")), ("requested_at", Text("2026-03-01T10:00:00")), ("startup_ms", Text("-")),
        ),
    ],
    "metrics": [
        *_wrong_values("key", ("asset_id", None), ("device_id", ""), ("geo_id", "  "), ("device_id", None)),
        *_wrong_values("null", ("date", None)),
        *_wrong_values("negative", ("impressions", -1), ("plays", -1), ("likes", -1), ("shares", -1)),
        *_wrong_values("negative", ("watch_seconds", -0.5), ("ad_revenue_eur", -0.01), ("completions", -1)),
        *_wrong_values("not a number", ("watch_seconds", math.nan), ("ad_revenue_eur", math.inf)),
        *_wrong_values("not a number", ("watch_seconds", math.inf), ("ad_revenue_eur", math.nan)),
        *_wrong_values("completions", ("completions", OVER_PLAYS)),
        *_wrong_values("unparsed", ("plays", Text("1e")), ("watch_seconds", Text("1,5")), ("date", Text("today"))),
    ],
}  # fmt: skip


def spoiled(row: Row, kind: Wrong) -> Row:
    """The row, wrong in that way."""
    values = dict(kind.values)
    for column, value in kind.values.items():
        if value is A_DAY_LATER or value is A_DAY_EARLIER:
            values[column] = row[column] + timedelta(days=1 if value is A_DAY_LATER else -1)
        elif value is OVER_PLAYS:
            values |= {"plays": 2, "completions": 3}
    return row | values
