"""From a folder of files to gold: numbers by hand, twice is once, dates that nobody touched stay as they are."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from media_analytics.video_files import landing, loading
from media_analytics.video_files.ledger import CONTRACT as LEDGER
from media_analytics.video_files.loading import Loader
from media_analytics_tests.builders import video_rows as rows
from media_analytics_tests.integration.video_files.world import World

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

D10, D11, D12 = (date(2026, 3, day) for day in (10, 11, 12))


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def only(found: list[dict[str, object]], **keys: object) -> dict[str, object]:
    matching = [row for row in found if all(row[k] == v for k, v in keys.items())]
    assert len(matching) == 1, found
    return matching[0]


def test_numbers_of_a_small_folder_and_that_loading_it_twice_changes_nothing(
    world: World, tmp_path: Path
) -> None:
    """Catches a side that is 0 instead of null, a join that drops rows, a null id that is lost, wrong ratios."""
    folder = tmp_path / "files"
    rows.write_csv(folder, "assets", [rows.asset(brand=" Bild "), rows.asset("a2", brand="welt")])
    rows.write(folder, "devices", [rows.device(device_type="SmartPhone ", platform=None)])
    rows.write(folder, "geo", [rows.geo(country_code="de"), rows.geo("g2", country_code="XX", region=None)])
    rows.write(
        folder,
        "delivery",
        [
            rows.delivery("r1", startup_ms=100, response_ms=10),
            rows.delivery("r2", startup_ms=201, response_ms=20, cache_status=" miss"),
            rows.delivery("r3", http_status=503, startup_ms=9999, response_ms=30, cache_status=None),
            rows.delivery("r3", http_status=404, at=rows.NOON - timedelta(hours=1)),
            rows.delivery("r4", asset_id=None, geo_id="nowhere", device_id=None, startup_ms=None),
        ],
    )
    rows.write(
        folder,
        "metrics",
        [
            rows.metrics(),
            rows.metrics(plays=8, watch_seconds=9999.0),
            rows.metrics("a2", geo_id="g2", plays=0, completions=0, watch_seconds=0.0, ad_revenue_eur=None),
            rows.metrics("gone", plays=6, completions=None, watch_seconds=600.0),
            rows.metrics(day=D11, plays=15, impressions=0),
        ],
    )
    loaded = world.load(folder)

    # The definition publishes orphans: a catalogue that comes late must not hold back the facts.
    warned = {
        e.asset_key.path[-1]: e.metadata
        for e in loaded.get_asset_check_evaluations()
        if e.check_name == "unknown_ids"
    }
    assert warned["content_performance"]["asset_id"].value == 1
    assert warned["delivery_quality"]["geo_id"].value == 1
    assert warned["delivery_quality"]["device_id"].value == 1

    summary = world.rows("gold.executive_summary")
    bild = only(summary, date=D10, brand="bild")
    assert (bild["plays"], bild["completion_rate"], bild["active_assets"]) == (10, 0.5, 1)
    assert (bild["requests"], bild["error_rate"]) == (3, pytest.approx(1 / 3))
    assert (bild["startup_ms_p50"], bild["startup_ms_p95"]) == (150.5, pytest.approx(195.95))
    assert bild["plays_change"] is None
    assert only(summary, date=D11, brand="bild")["plays_change"] == 0.5
    assert only(summary, date=D11, brand="bild")["requests"] is None
    assert only(summary, date=D11, brand="bild")["play_rate"] is None
    welt = only(summary, date=D10, brand="welt")
    assert (welt["completion_rate"], welt["ad_revenue_eur"], welt["requests"]) == (None, None, None)
    unknown = only(summary, date=D10, brand="unknown")
    assert (unknown["plays"], unknown["completions"], unknown["requests"]) == (6, None, 1)

    content = world.rows("gold.content_performance")
    gone = only(content, asset_id="gone")
    assert (gone["brand"], gone["title"], gone["average_watch_seconds"], gone["watch_ratio"]) == (
        "unknown",
        None,
        100.0,
        None,
    )
    without_metrics = only(content, asset_id="unknown")
    assert (without_metrics["plays"], without_metrics["rank"], gone["rank"]) == (None, 2, 1)
    assert only(content, date=D10, asset_id="a1")["watch_ratio"] == 0.5

    quality = world.rows("gold.delivery_quality")
    german = only(quality, country_code="DE")
    assert (german["requests"], german["cache_hit_ratio"]) == (3, 0.5)
    assert (german["response_ms_p50"], german["response_ms_p99"]) == (20.0, pytest.approx(29.8))
    assert german["mean_bitrate_kbps"] == 3000.0
    assert german["throughput_mbps"] == pytest.approx(3000 * 8 / 1e6 / 0.06)
    assert only(quality, country_code="unknown")["startup_ms_p50"] is None

    devices = world.rows("gold.device_analytics")
    phone = only(devices, date=D10, device_type="phone")
    assert (phone["platform"], phone["plays"], phone["share_of_plays"]) == ("unknown", 16, 1.0)
    assert only(devices, device_type="unknown")["share_of_plays"] is None

    places = world.rows("gold.geographic_analytics")
    assert only(places, date=D10, country_code="DE")["top_asset_id"] == "a1"
    assert only(places, country_code="ZZ")["region"] == "unknown"
    assert only(places, country_code="ZZ")["share_of_plays"] == 0.0
    assert only(places, country_code="unknown")["top_asset_id"] is None

    before, versions = world.hashes(), world.versions()
    world.load(folder)
    assert world.versions() == versions, "nothing new: no commit"
    world.load(folder, D10)
    assert world.hashes() == before
    assert world.rows("ops.restatements") == []


@pytest.mark.slow
def test_a_replaced_file_restates_its_dates_and_only_those(world: World, tmp_path: Path) -> None:
    """Catches recomputing everything, forgetting the next day's plays_change, keeping rows of the old file."""
    folder = tmp_path / "files"
    for dataset, row in (("assets", rows.asset()), ("devices", rows.device()), ("geo", rows.geo())):
        rows.write(folder, dataset, [row])
    for day in (D10, D11, D12):
        rows.write(folder, "metrics", [rows.metrics(day=day)], day)
        rows.write(folder, "delivery", [rows.delivery(f"r{day}", noon(day))], day)
    world.load(folder)
    before = world.versions()
    rows.write(folder, "metrics", [rows.metrics(day=D10, plays=20)], D10)
    world.load(folder)
    assert world.changed_dates(before) == {
        "executive_summary": ["2026-03-10", "2026-03-11"],
        "content_performance": ["2026-03-10"],
        "delivery_quality": [],
        "device_analytics": ["2026-03-10"],
        "geographic_analytics": ["2026-03-10"],
    }
    restated = {
        (r["table"], r["date"], r["measure"]): (r["old_value"], r["new_value"])
        for r in world.rows("ops.restatements")
    }
    assert restated["gold.executive_summary", D10, "plays"] == (10.0, 20.0)
    assert restated["gold.executive_summary", D11, "plays_change"] == (0.0, -0.5)
    assert restated["gold.device_analytics", D10, "completion_rate"] == (0.5, 0.25)
    assert {day for _, day, _ in restated} == {D10, D11}

    before = world.versions()
    rows.write(folder, "geo", [rows.geo(region="Bayern", city="Elsewhere")])
    rows.write(folder, "assets", [rows.asset(section="sports")])
    world.load(folder)
    changed = world.changed_dates(before)
    every_day = ["2026-03-10", "2026-03-11", "2026-03-12"]
    assert (changed["geographic_analytics"], changed["content_performance"]) == (every_day, every_day)
    assert changed["executive_summary"] == changed["delivery_quality"] == changed["device_analytics"] == []


def test_a_file_that_stands_still_is_read_once_and_again_when_it_changes(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a load that reads the whole history again, and one that misses a new content under an old time."""
    path = rows.write(tmp_path, "geo", [rows.geo()])
    read: list[str] = []

    def counted(file: landing.SourceFile) -> str:
        read.append(file.address)
        return landing.sha256(file)

    def load() -> int:
        read.clear()
        world.now += timedelta(minutes=1)
        loader = Loader(world.settings, world.lake, world.log, f"run-{world.log.version(LEDGER)}", world.now)
        loader.load(str(tmp_path))
        return len(read)

    monkeypatch.setattr(loading, "sha256", counted)
    assert load() == 1
    assert load() == 1, "it was written moments before: the same stamp could hide a change"
    monkeypatch.setattr(landing, "_STILL_NS", -(10**18))
    before = path.stat()
    rows.write(tmp_path, "geo", [rows.geo(region="Bayern")])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert load() == 1
    assert load() == 0
    assert [row["region"] for row in world.rows("bronze.raw_geo")] == ["Bayern"]
