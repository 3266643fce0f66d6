"""Loading, cleaning, refusing and removing copies, one small case each."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from media_analytics_tests.builders.video import files
from media_analytics_tests.builders.video.iso3166 import CODES
from media_analytics_tests.builders.video.reference import DATASETS, Reference
from media_analytics_tests.builders.video.sources import every_wrong_row
from media_analytics_tests.builders.video.wrong import DAY, WRONG, Text
from media_analytics_tests.unit.video_reference.support import DAY_1, answer, at, row


@pytest.mark.parametrize(
    ("kind", "dated"), [("csv", False), ("csv", True), ("parquet", False), ("parquet", True)]
)
def test_each_wrong_row_is_refused_for_its_reason_and_no_other(
    kind: str, dated: bool, tmp_path: Path
) -> None:
    """Catches a reason the reference does not know and a good row it refuses."""
    sources = every_wrong_row(typed=kind == "parquet")
    files.write(sources, tmp_path, kind, dated=dated)
    reference = Reference(tmp_path)
    for dataset in DATASETS:
        found = reference.quarantined(dataset)
        wanted = [reason for (of, _), reason in sorted(sources.wrong.items()) if of == dataset]
        assert len(found) == len(wanted)
        assert all(reason in reasons for (_, _, reasons), reason in zip(found, wanted, strict=True)), dataset


def test_rows_that_are_odd_but_not_wrong_stay(tmp_path: Path) -> None:
    reference = answer(
        tmp_path,
        delivery=[
            row(
                "delivery",
                delivery_id="1",
                asset_id=None,
                device_id=" ",
                geo_id="",
                bytes_sent=None,
                startup_ms=None,
            ),
            row("delivery", delivery_id="2", http_status=100, requested_at=at(0)),
            row("delivery", delivery_id="3", http_status=599, requested_at=at(23, 59)),
            row("delivery", delivery_id="X"),
            row("delivery", delivery_id=" x "),
        ],
        metrics=[
            row("metrics", plays=None, completions=5),
            row("metrics", geo_id="g2", plays=5, completions=5),
        ],
        assets=[row("assets", title=None, brand=None, duration_seconds=None, updated_at=None)],
    )
    assert [len(reference.quarantined(dataset)) for dataset in DATASETS] == [0] * 5
    # Ids are trimmed and keep their case.
    assert reference.silver("delivery")["delivery_id"].to_pylist() == ["1", "2", "3", "X", "x"]
    first = reference.silver("delivery").to_pylist()[0]
    assert (first["asset_id"], first["device_id"], first["geo_id"]) == (None, "", "")


def test_a_day_is_the_utc_day_whatever_the_zone(tmp_path: Path) -> None:
    """The third row of a CSV file is written in -05:00: 23:30 there is the next day in UTC."""
    rows = [row("delivery", delivery_id=str(n), requested_at=at(4, 30)) for n in range(4)]
    reference = answer(tmp_path, "csv", delivery=rows)
    assert "2026-02-28T23:30:00-05:00" in (tmp_path / "delivery.csv").read_text()
    assert reference.quarantined("delivery") == []


def test_spelling(tmp_path: Path) -> None:
    types = {
        "Phone": "phone",
        " SMARTPHONE ": "phone",
        "mobile": "phone",
        "handset": "phone",
        "tablet": "tablet",
        "iPad": "tablet",
        "desktop": "desktop",
        "PC": "desktop",
        "laptop": "desktop",
        "web": "desktop",
        "tv": "tv",
        "Smart TV": "tv",
        "smarttv": "tv",
        "CTV": "tv",
        "Connected TV": "tv",
        "stb": "tv",
        "console": "console",
        "game console": "console",
        "watch": "other",
        "smart  tv": "other",
        "": "other",
        None: "other",
    }
    reference = answer(
        tmp_path,
        devices=[
            row("devices", device_id=f"{n:02d}", device_type=t, os=" iOS ") for n, t in enumerate(types)
        ],
        assets=[row("assets", asset_type="CLIP", brand=" Bild", section="SPORTS")],
        delivery=[
            row("delivery", cdn=" Akamai", protocol="HLS", cache_status="hit ", edge_location=" FRA1 ")
        ],
        geo=[
            row("geo", geo_id=code, country_code=code)
            for code in ("DE", "de", " at ", "uk", "XK", "ZZ", "D1", "DEU")
        ],
    )
    assert reference.silver("devices")["device_type"].to_pylist() == list(types.values())
    assert set(reference.silver("devices")["os"].to_pylist()) == {"iOS"}
    asset = reference.silver("assets").to_pylist()[0]
    assert (asset["asset_type"], asset["brand"], asset["section"]) == ("clip", "bild", "sports")
    delivery = reference.silver("delivery").to_pylist()[0]
    assert [delivery[n] for n in ("cdn", "protocol", "cache_status", "edge_location")] == [
        "akamai",
        "hls",
        "HIT",
        "FRA1",
    ]
    codes = {r["geo_id"]: r["country_code"] for r in reference.silver("geo").to_pylist()}
    assert codes == {
        "DE": "DE",
        "de": "DE",
        "at": "AT",
        "uk": "ZZ",
        "XK": "ZZ",
        "ZZ": "ZZ",
        "D1": "ZZ",
        "DEU": "ZZ",
    }


def test_the_list_of_countries_is_whole() -> None:
    """ISO 3166-1 assigns 249 codes."""
    assert len(CODES) == len(set(CODES)) == 249
    assert all(len(code) == 2 and code.isalpha() and code.isupper() for code in CODES)
    assert not {"UK", "EU", "XK", "ZZ", "XX", "SU", "AN", "YU", "CS", "AC", "TA"} & set(CODES)


def test_the_latest_good_version_of_an_asset_stands(tmp_path: Path) -> None:
    reference = answer(
        tmp_path,
        assets=[
            row("assets", asset_id="a", title="old", updated_at=at(1)),
            row("assets", asset_id=" a", title="newest, but wrong", updated_at=at(5), duration_seconds=-1),
            row("assets", asset_id="a ", title="good", updated_at=at(3)),
            row("assets", asset_id="a", title="of no time", updated_at=None),
            row("assets", asset_id="b", title="first", updated_at=at(1)),
            row("assets", asset_id="b", title="last row of a tie", updated_at=at(1)),
        ],
    )
    assert reference.silver("assets")["title"].to_pylist() == ["good", "last row of a tie"]


def test_ties_go_to_the_last_file_by_path(tmp_path: Path) -> None:
    """`date=2026-03-10` comes after `date=2026-03-02`, a flat file before both or after them by its name."""
    rows = [
        row("assets", day, asset_id="a", title=str(day), updated_at=at(1)) | {DAY: day}
        for day in (date(2026, 3, 10), date(2026, 3, 2))
    ]
    assert answer(tmp_path, "csv", dated=True, assets=rows).silver("assets")["title"].to_pylist() == [
        "2026-03-10"
    ]


@pytest.mark.parametrize(
    ("copies", "standing"),
    [
        # days after the first, bytes; the latest within seven days stands.
        ([(0, 1), (0, 2)], [2]),
        ([(0, 2), (0, 1)], [2]),
        ([(0, None), (0, 0)], [0]),
        ([(0, 9), (7, 1)], [1]),
        ([(0, 9), (8, 1)], [9, 1]),
        # Each is within seven days of the next: only the last stands.
        ([(0, 1), (5, 2), (10, 3)], [3]),
        # The second is removed by the third, and still removes the first.
        ([(0, 1), (7, 2), (14, 3), (30, 4)], [3, 4]),
    ],
)
def test_copies_of_a_delivery(
    copies: list[tuple[int, int | None]], standing: list[int], tmp_path: Path
) -> None:
    rows = []
    for days, size in copies:
        day = DAY_1 + timedelta(days=days)
        rows.append(row("delivery", day, delivery_id="x", requested_at=at(day=day), bytes_sent=size))
    assert answer(tmp_path, delivery=rows).silver("delivery")["bytes_sent"].to_pylist() == standing


def test_the_later_request_stands_before_the_larger(tmp_path: Path) -> None:
    rows = [
        row("delivery", delivery_id="x", requested_at=at(13), bytes_sent=1, error_code="later"),
        row("delivery", delivery_id="x", requested_at=at(12), bytes_sent=9, error_code="larger"),
        row("delivery", delivery_id="y", bytes_sent=1, error_code="first"),
        row("delivery", delivery_id="y", bytes_sent=1, error_code="last"),
    ]
    assert answer(tmp_path, delivery=rows).silver("delivery")["error_code"].to_pylist() == ["later", "last"]


def test_copies_of_metrics(tmp_path: Path) -> None:
    def copy(geo: str, plays: int | None, watched: float | None, likes: int) -> dict[str, object]:
        return row("metrics", geo_id=geo, plays=plays, completions=0, watch_seconds=watched, likes=likes)

    rows = [
        copy("more plays", 3, 1.0, 1),
        copy("more plays", 2, 9.0, 2),
        copy("more watched", 3, 1.0, 1),
        copy("more watched", 3, 2.0, 2),
        copy("null is least", None, 9.0, 1),
        copy("null is least", 0, None, 2),
        copy("the last", 1, 1.0, 1),
        copy("the last", 1, 1.0, 2),
    ]
    found = {r["geo_id"]: r["likes"] for r in answer(tmp_path, metrics=rows).silver("metrics").to_pylist()}
    assert found == {"more plays": 1, "more watched": 2, "null is least": 2, "the last": 2}


def test_values_that_do_not_parse(tmp_path: Path) -> None:
    """A value must be of its column's type as a whole: not 1.5, no zone-less time, no number too large."""
    texts = {
        "bytes_sent": ["1.5", "1e3", "0x1", "9223372036854775808", "1_0"],
        "requested_at": ["2026-03-01", "2026-03-01T12:00:00"],
    }
    rows = [
        row("delivery", delivery_id=f"{n}", **{c: Text(t)})
        for c, ts in texts.items()
        for n, t in enumerate(ts)
    ]
    good = [row("delivery", delivery_id="good", bytes_sent=Text("+7"), date=Text(" 2026-03-01"))]
    reference = answer(tmp_path, "csv", delivery=rows + good)
    assert [reasons for _, _, reasons in reference.quarantined("delivery")][:5] == [["unparsed"]] * 5
    assert len(reference.quarantined("delivery")) == len(rows)
    assert reference.silver("delivery")["bytes_sent"].to_pylist() == [7]


def test_a_file_without_a_column_is_refused(tmp_path: Path) -> None:
    for dataset in DATASETS:
        files.write_file(tmp_path / f"{dataset}.csv", dataset, [row(dataset)])
    text = (tmp_path / "metrics.csv").read_text().replace("ad_revenue_eur", "revenue")
    (tmp_path / "metrics.csv").write_text(text)
    with pytest.raises(ValueError, match="no column ad_revenue_eur"):
        Reference(tmp_path)


def test_the_lists_of_ways_to_be_wrong_name_every_reason() -> None:
    reasons = {dataset: {kind.reason for kind in kinds} for dataset, kinds in WRONG.items()}
    assert reasons["delivery"] == {"key", "null", "date", "negative", "status", "unparsed"}
    assert reasons["metrics"] == {"key", "null", "negative", "not a number", "completions", "unparsed"}
    assert reasons["assets"] == reasons["devices"] == {"key", "negative", "unparsed"}
    assert reasons["geo"] == {"key", "unparsed"}
