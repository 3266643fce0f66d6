"""Every formula of the marts by hand arithmetic."""

from pathlib import Path

import pytest

from media_analytics_tests.unit.video_reference.support import DAY_1, DAY_2, answer, at, gold, row

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
            row(
                "metrics",
                asset_id="a1",
                plays=4,
                completions=3,
                watch_seconds=1800.0,
                impressions=8,
                ad_revenue_eur=0.5,
            ),
            row(
                "metrics",
                asset_id="a2",
                plays=0,
                completions=0,
                watch_seconds=0.0,
                impressions=2,
                ad_revenue_eur=0.25,
            ),
            row(
                "metrics",
                asset_id="a3",
                plays=7,
                completions=None,
                watch_seconds=None,
                impressions=0,
                ad_revenue_eur=None,
            ),
            row("metrics", DAY_2, asset_id="a1", plays=5, completions=0, watch_seconds=3.6, impressions=None),
        ],
        delivery=[
            row(
                "delivery",
                delivery_id="1",
                asset_id="a1",
                http_status=200,
                startup_ms=100,
                bytes_sent=2_000_000_000,
                rebuffer_ms=100,
                played_ms=300,
            ),
            row(
                "delivery",
                delivery_id="2",
                asset_id="a2",
                http_status=399,
                startup_ms=200,
                bytes_sent=500_000_000,
                rebuffer_ms=None,
                played_ms=600,
            ),
            row(
                "delivery",
                delivery_id="3",
                asset_id="a2",
                http_status=404,
                startup_ms=9_000,
                bytes_sent=None,
                rebuffer_ms=0,
                played_ms=0,
            ),
            row(
                "delivery",
                delivery_id="4",
                asset_id="a1",
                http_status=200,
                startup_ms=None,
                bytes_sent=0,
                rebuffer_ms=0,
                played_ms=0,
            ),
        ],
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
        metrics=[
            row("metrics", asset_id="a1", plays=4, completions=1, watch_seconds=120.0, impressions=16),
            row(
                "metrics",
                asset_id="a1",
                device_id="d2",
                plays=1,
                completions=0,
                watch_seconds=30.0,
                impressions=4,
            ),
            row("metrics", asset_id="a2", plays=3, completions=3, watch_seconds=150.0),
            row("metrics", asset_id="lost", plays=0, completions=0, watch_seconds=0.0, impressions=0),
            row("metrics", asset_id="found", plays=0, completions=0, watch_seconds=0.0, impressions=0),
        ],
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
    common = {"geo_id": "g1", "cdn": "Akamai "}
    reference = answer(
        tmp_path,
        geo=GEO,
        delivery=[
            row(
                "delivery",
                delivery_id="1",
                cache_status=" hit",
                response_ms=10,
                startup_ms=100,
                http_status=200,
                bytes_sent=1_000_000,
                played_ms=1_800_000,
                rebuffer_count=3,
                rebuffer_ms=0,
                bitrate_kbps=1000,
                **common,
            ),
            row(
                "delivery",
                delivery_id="2",
                cache_status="MISS",
                response_ms=20,
                startup_ms=400,
                http_status=400,
                bytes_sent=500_000,
                played_ms=600_000,
                rebuffer_count=None,
                rebuffer_ms=800_000,
                bitrate_kbps=4000,
                **common,
            ),
            row(
                "delivery",
                delivery_id="3",
                cache_status="EXPIRED",
                response_ms=None,
                startup_ms=300,
                http_status=206,
                bytes_sent=0,
                played_ms=1_200_000,
                rebuffer_count=1,
                rebuffer_ms=0,
                bitrate_kbps=None,
                **common,
            ),
            row(
                "delivery",
                delivery_id="4",
                cache_status=None,
                response_ms=40,
                startup_ms=None,
                http_status=200,
                bytes_sent=None,
                played_ms=None,
                rebuffer_count=None,
                rebuffer_ms=None,
                bitrate_kbps=9000,
                **common,
            ),
            row(
                "delivery",
                delivery_id="5",
                geo_id="g2",
                cdn=None,
                cache_status="PASS",
                response_ms=0,
                startup_ms=None,
                played_ms=0,
                rebuffer_ms=0,
                rebuffer_count=0,
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
