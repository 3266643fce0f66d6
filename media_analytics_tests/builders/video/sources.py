"""Small source sets as hypothesis draws them: clean rows full of ties, nulls and spellings, and rows wrong in one way.

Belongs here: what rows say, joining sets into one. Does not belong here: ways to be wrong (`wrong.py`), files
(`files.py`), what becomes of the rows (`reference.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from hypothesis import strategies as st

from media_analytics_tests.builders.video.reference import DATASETS
from media_analytics_tests.builders.video.wrong import DAY, WRONG, Row, Text, spoiled

FIRST = date(2026, 3, 1)
# Days between which copies of deliveries are searched (7), and just beyond.
DAYS = (0, 1, 2, 7, 8, 15)
# Sets that are joined lie further apart than any look-back.
APART_DAYS = 40
# Wrong rows a batch may have are one in twenty; good ones are added until it is so.
GOOD_FOR_A_WRONG_ONE = 19


@dataclass
class SourceSet:
    """Rows of the five datasets; `_day` names the file they come in. `wrong` are the places of wrong rows."""

    rows: dict[str, list[Row]] = field(default_factory=lambda: {dataset: [] for dataset in DATASETS})
    wrong: dict[tuple[str, int], str] = field(default_factory=dict)

    @property
    def days(self) -> list[date]:
        """Days of the files of facts."""
        return sorted({row[DAY] for dataset in ("delivery", "metrics") for row in self.rows[dataset]})

    @property
    def is_typed(self) -> bool:
        """Whether every value is of its type, so that it can be Parquet."""
        return not any(
            isinstance(v, Text) for rows in self.rows.values() for row in rows for v in row.values()
        )


_CODES = st.sampled_from(
    [
        "DE",
        "de",
        " De ",
        "AT",
        "US",
        "GB",
        "UK",
        "EU",
        "XK",
        "ZZ",
        "DEU",
        "D",
        "D1",
        " ",
        None,
        "XX",
        "AX",
        "TL",
    ]
)
_PLACES = st.sampled_from([None, " ", "Bayern", " Bayern ", "bayern", "Île-de-France", "unknown", 'a "b", c'])
_SPELLINGS = st.sampled_from(
    [
        "phone", "Smartphone", " MOBILE", "handset", "tablet", "iPad", "desktop", "PC", "laptop", "Web", "tv",
        "Smart TV", "smarttv", "CTV", "connected tv", "STB", "console", "Game Console", "watch", "smart  tv",
        "phones", " ", None,
    ]
)  # fmt: skip
_ASSETS = st.sampled_from(["a1", "a2", " a2 ", "A2", "a3"])
_DEVICES = st.sampled_from(["d1", "d2", "d2 ", "d3"])
_GEO = st.sampled_from(["g1", "g2", " g2", "g3"])
_UPDATED = st.one_of(st.none(), st.integers(0, 3).map(lambda n: datetime(2026, 2, 1 + n, 12, tzinfo=UTC)))
_TIMES = st.sampled_from(
    [time(0), time(23, 59, 59, 999999), time(0, 30), time(23, 30), time(12), time(12, 0, 0, 1)]
)
_SMALL = st.sampled_from([None, 0, 1, 2, 3, 7])
_MS = st.sampled_from([None, 0, 1, 10, 11, 500, 2147483647])
_LONG = st.sampled_from([None, 0, 1, 1000, 123_456_789, 3_600_000, 9_007_199_254_740_993])
_FLOATS = st.sampled_from([None, 0.0, 0.1, 0.2, 12.5, 1e-7, 123456.789, 1e9])


def _unknown(ids: st.SearchStrategy[str], *others: str | None) -> st.SearchStrategy[str | None]:
    return st.one_of(ids, ids, st.sampled_from(others))


_CATALOGUES = {
    "assets": st.fixed_dictionaries(
        {
            "asset_id": _ASSETS,
            "title": st.sampled_from(
                [None, " ", "Title", " Title ", 'He said "no", twice', "two\nlines", "two\r\nlines"]
            ),
            "asset_type": st.sampled_from([None, "CLIP", " live "]),
            "brand": st.sampled_from([None, " ", "bild", "BILD ", " Welt", "politico", "unknown"]),
            "section": st.sampled_from([None, "Sports ", "politics"]),
            "duration_seconds": st.sampled_from([None, 0, 1, 30, 2147483647]),
            "published_at": _UPDATED,
            "is_premium": st.sampled_from([None, True, False]),
            "updated_at": _UPDATED,
        }
    ),
    "devices": st.fixed_dictionaries(
        {
            "device_id": _DEVICES,
            "device_type": _SPELLINGS,
            "platform": st.sampled_from([None, " ", "iOS", "ios", " Web "]),
            "os": st.sampled_from([None, "iOS", "Tizen", "unknown"]),
            "os_version": st.sampled_from([None, "18.1"]),
            "manufacturer": st.sampled_from([None, "Apple"]),
            "screen_width": _SMALL,
            "screen_height": _SMALL,
            "updated_at": _UPDATED,
        }
    ),
    "geo": st.fixed_dictionaries(
        {
            "geo_id": _GEO,
            "country_code": _CODES,
            "country": st.sampled_from([None, "Germany"]),
            "region": _PLACES,
            "city": _PLACES,
            "timezone": st.sampled_from([None, "Europe/Berlin"]),
            "updated_at": _UPDATED,
        }
    ),
}
_DELIVERY = st.fixed_dictionaries(
    {
        "delivery_id": st.sampled_from(["x1", "x1", "x2", " x2 ", "X2", "x3", "x4", "x5", "x6", "x7", "x8"]),
        "requested_at": _TIMES,
        "asset_id": _unknown(_ASSETS, "gone", None, " "),
        "device_id": _unknown(_DEVICES, "gone", None, " "),
        "geo_id": _unknown(_GEO, "gone", None),
        "cdn": st.sampled_from(["akamai", "Akamai ", "fastly", None, " "]),
        "edge_location": st.sampled_from([None, "FRA1"]),
        "protocol": st.sampled_from([None, "HLS"]),
        "http_status": st.sampled_from([100, 200, 206, 304, 399, 400, 404, 599]),
        "cache_status": st.sampled_from(["HIT", "hit", " Hit", "MISS", "miss", "EXPIRED", "HITS", None]),
        "bytes_sent": _LONG,
        "response_ms": _MS,
        "startup_ms": _MS,
        "played_ms": _LONG,
        "rebuffer_count": _SMALL,
        "rebuffer_ms": _LONG,
        "bitrate_kbps": _MS,
        "error_code": st.sampled_from([None, "E1"]),
    }
)
_PLAYED = st.sampled_from(
    [(None, None), (None, 3), (0, 0), (0, None), (5, 0), (5, 5), (5, 2), (100, 99), (1, None)]
)
_METRICS = st.fixed_dictionaries(
    {
        "asset_id": _unknown(_ASSETS, "gone", "gone2"),
        "device_id": _unknown(_DEVICES, "gone"),
        "geo_id": _unknown(_GEO, "gone"),
        "impressions": _SMALL,
        "played": _PLAYED,
        "watch_seconds": _FLOATS,
        "likes": _SMALL,
        "shares": _SMALL,
        "ad_revenue_eur": _FLOATS,
    }
)


@st.composite
def source_sets(
    draw: st.DrawFn, *, typed: bool = False, least_rows: int = 0, most_rows: int = 10
) -> SourceSet:
    """A set whose every batch may be published: what is wrong is at most 5 % of it.

    Args:
        draw: of hypothesis.
        typed: without values that do not parse, so that it can be Parquet.
        least_rows: of each dataset, before good ones are added.
        most_rows: likewise; of catalogues half as many.
    """
    found = SourceSet()
    days = sorted(draw(st.lists(st.sampled_from(DAYS), min_size=1, max_size=4, unique=True)))
    one_day = st.sampled_from(days).map(lambda n: FIRST + timedelta(days=n))
    for dataset, rows in _CATALOGUES.items():
        found.rows[dataset] = [
            {DAY: draw(one_day), **draw(rows)}
            for _ in range(draw(st.integers(least_rows // 2, most_rows // 2)))
        ]
    for _ in range(draw(st.integers(least_rows, most_rows))):
        found.rows["delivery"].append(_delivery(draw(one_day), draw(_DELIVERY)))
    for _ in range(draw(st.integers(least_rows, most_rows))):
        found.rows["metrics"].append(_metrics(draw(one_day), draw(_METRICS)))
    for rows in found.rows.values():
        rows.sort(key=lambda row: row[DAY])
    for dataset in DATASETS:
        places = st.lists(st.integers(0, len(found.rows[dataset]) - 1), max_size=3, unique=True)
        for place in draw(places) if found.rows[dataset] else ():
            kinds = [w for w in WRONG[dataset] if not (typed and w.reason == "unparsed")]
            kind = draw(st.sampled_from(kinds))
            found.rows[dataset][place] = spoiled(found.rows[dataset][place], kind)
            found.wrong[dataset, place] = kind.reason
    return diluted(found)


def every_wrong_row(*, typed: bool) -> SourceSet:
    """One row of each way to be wrong, diluted with good ones."""
    found = SourceSet()
    for dataset in DATASETS:
        kinds = [w for w in WRONG[dataset] if not (typed and w.reason == "unparsed")]
        for place, kind in enumerate(kinds):
            found.rows[dataset].append(spoiled(good_row(dataset, FIRST, f"w{place}"), kind))
            found.wrong[dataset, place] = kind.reason
    return diluted(found)


def good_row(dataset: str, day: date, name: str) -> Row:
    """A row nothing is to be said against; `name` makes its key its own."""
    noon = datetime.combine(day, time(12), UTC)
    match dataset:
        case "assets":
            row = {
                "asset_id": f"asset-{name}",
                "title": "Good",
                "asset_type": "clip",
                "brand": "bild",
                "section": "sports",
            }
            return {
                DAY: day,
                **row,
                "duration_seconds": 60,
                "published_at": noon,
                "is_premium": False,
                "updated_at": noon,
            }
        case "devices":
            row = {
                "device_id": f"device-{name}",
                "device_type": "tv",
                "platform": "web",
                "os": "Tizen",
                "os_version": "8",
            }
            return {
                DAY: day, **row, "manufacturer": "Maker", "screen_width": 1, "screen_height": 1, "updated_at": noon,
            }  # fmt: skip
        case "geo":
            row = {"geo_id": f"geo-{name}", "country_code": "DE", "country": "Germany", "region": "Bayern"}
            return {DAY: day, **row, "city": "Ulm", "timezone": "Europe/Berlin", "updated_at": noon}
        case "delivery":
            values = {
                "delivery_id": f"request-{name}",
                "requested_at": time(12),
                "asset_id": "a1",
                "device_id": "d1",
                "geo_id": "g1",
                "cdn": "akamai",
                "edge_location": "FRA1",
                "protocol": "hls",
                "http_status": 200,
                "cache_status": "HIT",
                "bytes_sent": 100,
                "response_ms": len(name),
                "startup_ms": 10 * len(name),
                "played_ms": 60_000,
                "rebuffer_count": 1,
                "rebuffer_ms": 10,
                "bitrate_kbps": 800,
                "error_code": None,
            }
            return _delivery(day, values)
        case _:
            values = {
                "asset_id": f"asset-{name}",
                "device_id": "d1",
                "geo_id": "g1",
                "impressions": 9,
                "played": (4, 3),
                "watch_seconds": 9.5,
                "likes": 1,
                "shares": 1,
                "ad_revenue_eur": 0.25,
            }
            return _metrics(day, values)


def diluted(found: SourceSet) -> SourceSet:
    """The set with good rows behind its own: one wrong row in twenty at most in a file, and no dataset empty."""
    days = found.days or [FIRST]
    for dataset in DATASETS:
        wrong = [found.rows[dataset][place][DAY] for of, place in found.wrong if of == dataset]
        own = {row[DAY] for row in found.rows[dataset]} | ({days[0]} if not found.rows[dataset] else set())
        for day in sorted(own):
            enough = GOOD_FOR_A_WRONG_ONE * wrong.count(day) or (0 if found.rows[dataset] else 1)
            found.rows[dataset] += [good_row(dataset, day, f"{day:%d}-{n}") for n in range(enough)]
    return found


def joined(sets: Sequence[SourceSet]) -> SourceSet:
    """Sets as one that is loaded at once: each has its own ids and days, so that none changes another's numbers."""
    found = SourceSet()
    for number, part in enumerate(sets):
        later = timedelta(days=APART_DAYS * number)
        for dataset in DATASETS:
            first = len(found.rows[dataset])
            found.rows[dataset] += [_moved(row, later, f"{number}-") for row in part.rows[dataset]]
            found.wrong |= {(dataset, first + p): why for (of, p), why in part.wrong.items() if of == dataset}
    return found


_IDS = ("asset_id", "device_id", "geo_id", "delivery_id")


def _moved(row: Row, later: timedelta, prefix: str) -> Row:
    moved = dict(row)
    for name in (DAY, "date", "requested_at"):
        if isinstance(moved.get(name), date):
            moved[name] += later
    for name in _IDS:
        if (value := moved.get(name)) and value.strip():
            moved[name] = value.replace(value.strip(), prefix + value.strip())
    return moved


def _delivery(day: date, values: Row) -> Row:
    values = dict(values)
    at = values.pop("requested_at")
    name = values.pop("delivery_id")
    return {
        DAY: day,
        "delivery_id": name,
        "date": day,
        "requested_at": datetime.combine(day, at, UTC),
        **values,
    }


def _metrics(day: date, values: Row) -> Row:
    values = dict(values)
    plays, completions = values.pop("played")
    ids = {name: values.pop(name) for name in _IDS[:3]}
    seen = values.pop("impressions")
    return {
        DAY: day,
        "date": day,
        **ids,
        "impressions": seen,
        "plays": plays,
        "completions": completions,
        **values,
    }
