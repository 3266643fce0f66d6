"""Every formula of the marts by hand arithmetic."""

from pathlib import Path

import pytest

from media_analytics_tests.unit.video_reference.support import DAY_1, DAY_2, answer, at, gold, row, rows

ASSETS = [
    row("assets", asset_id="a1", brand="BILD ", section=" Sports", title=" One ", duration_seconds=100),
    row("assets", asset_id="a2", brand="bild", section=None, title="Two", duration_seconds=0),
    row("assets", asset_id="a3", brand="welt", title=None, duration_seconds=50),
]
DEVICES = [
    row("devices", device_id="d1", device_type="Smart TV", platform="Tizen", os="Tizen"),
    row("devices", device_id="d2", device_type=None, platform=None, os=None),
]
GEO = [
    row("geo", geo_id="g1", country_code="de", region="Bayern"),
    row("geo", geo_id="g2", country_code="UK", region=None),
    row("geo", geo_id="g3", country_code=None, region=None),
]


def test_executive_summary(tmp_path: Path) -> None:
    reference = answer(
        tmp_path,
        assets=ASSETS,
        metrics=[
            *rows(
                "metrics",
                "asset_id plays completions watch_seconds impressions ad_revenue_eur",
                ("a1", 4, 3, 1800.0, 8, 0.5),
                ("a2", 0, 0, 0.0, 2, 0.25),
                ("a3", 7, None, None, 0, None),
            ),
            row("metrics", DAY_2, asset_id="a1", plays=5, completions=0, watch_seconds=3.6, impressions=None),
        ],
        delivery=rows(
            "delivery",
            "delivery_id asset_id http_status startup_ms bytes_sent rebuffer_ms played_ms",
            ("1", "a1", 200, 100, 2_000_000_000, 100, 300),
            ("2", "a2", 399, 200, 500_000_000, None, 600),
            ("3", "a2", 404, 9_000, None, 0, 0),
            ("4", "a1", 200, None, 0, 0, 0),
        ),
    )
    day_1 = gold(reference, "executive_summary", date=DAY_1, brand="bild")
    assert (day_1["plays"], day_1["completions"], day_1["impressions"]) == (4, 3, 10)
    assert day_1["completion_rate"] == 3 / 4
    assert day_1["watch_hours"] == 0.5
    # a2 has no plays.
    assert day_1["active_assets"] == 1
    assert day_1["play_rate"] == 4 / 10
    assert day_1["ad_revenue_eur"] == 0.75
    assert (day_1["requests"], day_1["gigabytes"], day_1["error_rate"]) == (4, 2.5, 0.25)
    # Of 100 and 200: half way between; 95 % of the way between.
    assert (day_1["startup_ms_p50"], day_1["startup_ms_p95"]) == (150.0, pytest.approx(195.0, rel=1e-12))
    # 100 rebuffered, 900 played.
    assert day_1["rebuffer_ratio"] == 0.1
    assert day_1["plays_change"] is None
    day_2 = gold(reference, "executive_summary", date=DAY_2, brand="bild")
    assert day_2["plays_change"] == 5 / 4 - 1
    assert day_2["watch_hours"] == 0.001
    assert [
        day_2[n] for n in ("requests", "gigabytes", "error_rate", "startup_ms_p50", "rebuffer_ratio")
    ] == [None] * 5
    welt = gold(reference, "executive_summary", brand="welt")
    # Sums of nothing are null, a ratio over 0 impressions too; one asset was played.
    assert [
        welt[n] for n in ("completions", "completion_rate", "watch_hours", "ad_revenue_eur", "play_rate")
    ] == [None] * 5
    assert (welt["plays"], welt["active_assets"], welt["impressions"]) == (7, 1, 0)


def test_plays_change_needs_the_calendar_day_before_and_plays_on_it(tmp_path: Path) -> None:
    day_4 = DAY_1.replace(day=4)
    reference = answer(
        tmp_path,
        metrics=[
            row("metrics", day, asset_id="gone", plays=plays, completions=0)
            for day, plays in ((DAY_1, 0), (DAY_2, 6), (day_4, 3))
        ],
    )
    found = {
        r["date"]: r["plays_change"]
        for r in reference.gold("executive_summary").to_pylist()
        if r["plays"] is not None
    }
    assert found == {DAY_1: None, DAY_2: None, day_4: None}


def test_content_performance(tmp_path: Path) -> None:
    reference = answer(
        tmp_path,
        assets=ASSETS,
        metrics=rows(
            "metrics",
            "asset_id device_id plays completions watch_seconds impressions",
            ("a1", "d1", 4, 1, 120.0, 16),
            ("a1", "d2", 1, 0, 30.0, 4),
            ("a2", "d1", 3, 3, 150.0, None),
            ("lost", "d1", 0, 0, 0.0, 0),
            ("found", "d1", 0, 0, 0.0, 0),
        ),
        delivery=[
            row("delivery", delivery_id="1", asset_id="a3"),
            row("delivery", delivery_id="2", asset_id=None),
            row("delivery", delivery_id="3", asset_id="aaa"),
        ],
    )
    one = gold(reference, "content_performance", asset_id="a1")
    assert (one["brand"], one["title"], one["section"]) == ("bild", "One", "sports")
    assert (one["plays"], one["completion_rate"], one["play_rate"]) == (5, 0.2, 0.25)
    assert one["average_watch_seconds"] == 30.0
    # 150 seconds of 5 plays of 100 seconds.
    assert one["watch_ratio"] == 0.3
    two = gold(reference, "content_performance", asset_id="a2")
    # As much watched as a1: the smaller id comes first. A length of 0 gives no ratio.
    assert (one["rank"], two["rank"], two["watch_ratio"], two["section"]) == (1, 2, None, None)
    lost = gold(reference, "content_performance", asset_id="lost")
    assert (lost["brand"], lost["title"], lost["completion_rate"], lost["watch_hours"]) == (
        "unknown",
        None,
        None,
        0.0,
    )
    unknown = {
        r["asset_id"]: r["rank"]
        for r in reference.gold("content_performance").to_pylist()
        if r["brand"] == "unknown"
    }
    # Nothing watched before nothing known; `unknown` is the member of a null id.
    assert unknown == {"found": 1, "lost": 2, "aaa": 3, "unknown": 4}
    only_delivered = gold(reference, "content_performance", asset_id="a3")
    assert (only_delivered["brand"], only_delivered["plays"], only_delivered["watch_hours"]) == (
        "welt",
        None,
        None,
    )


def test_delivery_quality(tmp_path: Path) -> None:
    columns = (
        "delivery_id cache_status response_ms startup_ms http_status bytes_sent played_ms rebuffer_count rebuffer_ms "
        "bitrate_kbps"
    )
    reference = answer(
        tmp_path,
        geo=GEO,
        delivery=[
            *rows(
                "delivery",
                columns,
                ("1", " hit", 10, 100, 200, 1_000_000, 1_800_000, 3, 0, 1000),
                ("2", "MISS", 20, 400, 400, 500_000, 600_000, None, 800_000, 4000),
                ("3", "EXPIRED", None, 300, 206, 0, 1_200_000, 1, 0, None),
                ("4", None, 40, None, 200, None, None, None, None, 9000),
                geo_id="g1",
                cdn="Akamai ",
            ),
            *rows(
                "delivery",
                "delivery_id cache_status response_ms startup_ms played_ms rebuffer_count rebuffer_ms",
                ("5", "PASS", 0, None, 0, 0, 0),
                geo_id="g2",
                cdn=None,
            ),
        ],
    )
    one = gold(reference, "delivery_quality", cdn="akamai", country_code="DE")
    assert (one["requests"], one["error_rate"], one["cache_hit_ratio"]) == (4, 0.25, 0.5)
    assert one["gigabytes"] == 0.0015
    # 10, 20, 40: the places are 1, 1.9 and 1.98.
    assert one["response_ms_p50"] == 20.0
    assert one["response_ms_p95"] == pytest.approx(38.0, rel=1e-12)
    assert one["response_ms_p99"] == pytest.approx(39.6, rel=1e-12)
    # 100 and 300; the 400 is of a request that failed.
    assert (one["startup_ms_p50"], one["startup_ms_p95"]) == (200.0, pytest.approx(290.0, rel=1e-12))
    # 0.8 million of 4.4 million ms.
    assert one["rebuffer_ratio"] == pytest.approx(0.8 / 4.4, rel=1e-12)
    # 4 in one hour: 3.6 million ms were played.
    assert one["rebuffers_per_hour"] == 4.0
    # (1000 x 1.8 + 4000 x 0.6) / 2.4
    assert one["mean_bitrate_kbps"] == pytest.approx(1750.0, rel=1e-12)
    # 12 megabits in 0.07 seconds.
    assert one["throughput_mbps"] == pytest.approx(12 / 0.07, rel=1e-12)
    two = gold(reference, "delivery_quality", cdn="unknown", country_code="ZZ")
    nothing = (
        "cache_hit_ratio",
        "startup_ms_p50",
        "rebuffer_ratio",
        "rebuffers_per_hour",
        "mean_bitrate_kbps",
    )
    assert [two[n] for n in (*nothing, "throughput_mbps")] == [None] * 6


def test_device_analytics(tmp_path: Path) -> None:
    reference = answer(
        tmp_path,
        devices=DEVICES,
        metrics=[
            row("metrics", device_id="d1", plays=6, completions=3, watch_seconds=7200.0),
            row("metrics", device_id="d2", plays=2, completions=2, watch_seconds=36.0),
            row("metrics", device_id="d9", plays=None, completions=None),
        ],
        delivery=[
            row("delivery", delivery_id=str(n), device_id="d1", startup_ms=ms, http_status=status)
            for n, (ms, status) in enumerate(((10, 200), (20, 200), (30, 200), (99, 500)))
        ],
    )
    tv = gold(reference, "device_analytics", device_type="tv", platform="Tizen", os="Tizen")
    assert (tv["plays"], tv["completion_rate"], tv["watch_hours"], tv["share_of_plays"]) == (
        6,
        0.5,
        2.0,
        0.75,
    )
    assert (tv["requests"], tv["error_rate"]) == (4, 0.25)
    assert tv["startup_ms_p95"] == pytest.approx(29.0, rel=1e-12)
    other = gold(reference, "device_analytics", device_type="other", platform="unknown", os="unknown")
    assert (other["share_of_plays"], other["requests"]) == (0.25, None)
    lost = gold(reference, "device_analytics", device_type="unknown")
    assert (lost["platform"], lost["os"], lost["plays"], lost["share_of_plays"]) == (
        "unknown",
        "unknown",
        None,
        None,
    )


def test_geographic_analytics(tmp_path: Path) -> None:
    reference = answer(
        tmp_path,
        geo=GEO,
        metrics=[
            row("metrics", geo_id="g1", asset_id="b", device_id="d1", plays=3, completions=0),
            row("metrics", geo_id="g1", asset_id="b", device_id="d2", plays=2, completions=0),
            row("metrics", geo_id="g1", asset_id="a", plays=5, completions=5),
            row("metrics", geo_id="g1", asset_id="c", plays=4, completions=0),
            row("metrics", geo_id="g2", asset_id="z", plays=6, completions=0),
            row("metrics", geo_id="g9", asset_id="n", plays=None, completions=None),
        ],
        delivery=[
            row("delivery", delivery_id="1", geo_id=None),
            row("delivery", delivery_id="2", geo_id="g3"),
        ],
    )
    bayern = gold(reference, "geographic_analytics", country_code="DE", region="Bayern")
    # a and b have five plays each: the smaller id.
    assert (bayern["plays"], bayern["top_asset_id"], bayern["share_of_plays"]) == (14, "a", 0.7)
    nowhere = gold(reference, "geographic_analytics", country_code="ZZ", region="unknown")
    assert (nowhere["plays"], nowhere["top_asset_id"], nowhere["requests"]) == (6, "z", 1)
    lost = gold(reference, "geographic_analytics", country_code="unknown", region="unknown")
    assert (lost["plays"], lost["top_asset_id"], lost["requests"]) == (None, None, 1)


def test_shares_are_within_the_date(tmp_path: Path) -> None:
    reference = answer(
        tmp_path,
        geo=GEO,
        metrics=[
            row("metrics", geo_id="g1", plays=1, completions=0),
            row("metrics", DAY_2, geo_id="g1", plays=1, completions=0),
            row("metrics", DAY_2, geo_id="g2", plays=3, completions=0),
        ],
        delivery=[row("delivery", requested_at=at(23, 59))],
    )
    assert gold(reference, "geographic_analytics", date=DAY_2, country_code="DE")["share_of_plays"] == 0.25
    day_1 = gold(reference, "geographic_analytics", date=DAY_1, country_code="DE")
    assert day_1["share_of_plays"] == 1.0
