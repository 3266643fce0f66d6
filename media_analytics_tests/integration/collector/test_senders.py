"""Ingest, simulate and replay against a real collector: what is sent, and that a second run sends nothing."""

import gzip
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from media_analytics.commands.ingest import ingest_access_log
from media_analytics.commands.simulate import simulate
from media_analytics.errors import MediaAnalyticsError, ServiceError
from media_analytics.settings import Settings
from media_analytics_tests.integration.collector.process import Collector, read_topic
from media_analytics_tests.services.embedded import Embedded
from streaming.codecs.families import families
from streaming.sender.post import Poster
from streaming.sender.progress import ProgressError
from streaming.simulator import send
from streaming.simulator.family_day import make_families
from streaming.simulator.live import live
from streaming.simulator.replay import replay

pytestmark = pytest.mark.integration
SITE = "https://www.example.org"


@pytest.fixture
def sender(collector: Collector, home: Embedded, tmp_path: Path) -> Settings:
    """The collector's settings with a home of the test's own, so that progress is the test's own."""
    return home.settings_with(HOME=str(tmp_path / "sender"), COLLECTOR__URL=collector.url)


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    """2,500 good lines and one without its last quote; lines repeat."""
    agent = str(uuid.uuid4())
    lines = [
        f"192.0.2.{n % 250} - - [17/May/2015:10:{n % 1800 // 60:02d}:{n % 60:02d} +0000] "
        f'"GET /page/{n % 900} HTTP/1.1" 200 {n % 900} "-" "{agent}"'
        for n in range(2500)
    ]
    lines.insert(1200, lines[0][:-1])
    path = tmp_path / "access.log"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    yield path


def _stored(home: Embedded, agent: str) -> list[str]:
    return [r["event_id"] for r in read_topic(home, "user.raw") if r["user_agent"] == agent]


def _agent(path: Path) -> str:
    return path.read_text("utf-8").split('"')[5]


def test_a_log_is_sent_once(sender: Settings, home: Embedded, log_file: Path) -> None:
    seen: list[int] = []
    result = ingest_access_log(log_file, "bild", SITE, sender, progress=lambda lines, *_: seen.append(lines))
    assert (result.lines, result.accepted, result.rejected, result.skipped) == (2501, 2500, 1, 0)
    assert seen == [1000, 2000, 2501, 2501]
    again = ingest_access_log(log_file, "bild", f"{SITE}/", sender)
    assert (again.lines, again.accepted, again.skipped, again.accepted_total) == (2501, 0, 2501, 2500)
    stored = _stored(home, _agent(log_file))
    assert len(stored) == len(set(stored)) == 2500
    # Another site is another import.
    assert ingest_access_log(log_file, "bild", "https://other.example.org", sender).accepted == 2500


def test_stopped_in_the_middle_it_goes_on(sender: Settings, home: Embedded, log_file: Path) -> None:
    """A stop between acknowledgement and record: one request is sent twice, with the same ids."""

    class Stopped(Exception):
        pass

    def stop(lines: int, *_: int) -> None:
        if lines == 2000:
            raise Stopped

    with pytest.raises(Stopped):
        ingest_access_log(log_file, "bild", SITE, sender, progress=stop)
    file = next((sender.home / "ingest").glob("*.json"))
    file.write_text(file.read_text("utf-8").replace('"items":2000', '"items":1000'), "utf-8")
    result = ingest_access_log(log_file, "bild", SITE, sender)
    assert (result.skipped, result.accepted + result.rejected) == (1000, 1501)
    stored = _stored(home, _agent(log_file))
    assert len(set(stored)) == 2500
    assert len(stored) == 2500 + 999


def test_a_cut_off_gzip_sends_its_good_part_and_says_so(
    sender: Settings, log_file: Path, tmp_path: Path
) -> None:
    packed = tmp_path / "access.log.gz"
    packed.write_bytes(gzip.compress(log_file.read_bytes())[:-200])
    result = ingest_access_log(packed, "bild", SITE, sender)
    assert result.problem is not None
    assert 0 < result.accepted < 2500
    assert result.lines == result.accepted + result.rejected


def test_wrong_arguments_are_refused_before_anything_is_sent(
    sender: Settings, log_file: Path, tmp_path: Path
) -> None:
    for path, brand, site, word in (
        (tmp_path / "none.log", "bild", SITE, "not a file"),
        (log_file, "daily_planet", SITE, "brand"),
        (log_file, "bild", "www.example.org", "site"),
    ):
        with pytest.raises(MediaAnalyticsError, match=word):
            ingest_access_log(path, brand, site, sender)


def test_rate_is_kept(sender: Settings, log_file: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.log"
    short.write_text("".join(f"{line}\n" for line in log_file.read_text("utf-8").splitlines()[:100]), "utf-8")
    result = ingest_access_log(short, "bild", SITE, sender, rate=100)
    assert result.accepted == 100
    assert 0.8 < result.seconds < 4


def test_a_simulated_day_is_sent_once(sender: Settings, home: Embedded) -> None:
    seed = uuid.uuid4().int % 10**9
    result = simulate(sender, seed=seed, events=3000)
    assert (result.accepted, result.rejected) == (3000 + result.copies, result.malformed)
    again = simulate(sender, seed=seed, events=3000)
    assert (again.accepted, again.rejected, again.skipped) == (0, 0, result.accepted + result.rejected)
    day = datetime.now(UTC).date() - timedelta(days=1)
    expected = {i["event_id"] for i in send.make_day(seed, day, 3000, sender.brands).items}
    stored = [r for r in read_topic(home, "user.raw") if r["event_id"] in expected]
    assert len({r["event_id"] for r in stored}) == 3000
    assert len(stored) == 3000 + result.copies
    assert {r["origin"] for r in stored} == {"live"}
    for family, part in result.families.items():
        assert (part.accepted, part.rejected) == (part.events + part.copies, part.malformed), family
        assert again.families[family].skipped == part.accepted + part.rejected > 0, family
    made = make_families(seed, day, send.make_day(seed, day, 3000, sender.brands), sender.brands)
    for family, whole in made.items():
        ids = {i["event_id"] for i in whole.items}
        kept = [r["event_id"] for r in read_topic(home, families()[family].topic) if r["event_id"] in ids]
        assert len(kept) == whole.events + whole.copies, family
        assert len(set(kept)) == whole.events, family
    with pytest.raises(MediaAnalyticsError, match="--reset"):
        simulate(sender, seed=seed, events=2999)
    assert simulate(sender, seed=seed, events=3000, reset=True).accepted == result.accepted


def test_an_old_day_is_sent_as_import_and_a_coming_one_not_at_all(sender: Settings, home: Embedded) -> None:
    day = datetime(2026, 1, 15, tzinfo=UTC).date()
    assert simulate(sender, seed=7, date=day, events=200).accepted >= 200
    ids = {i["event_id"] for i in send.make_day(7, day, 200, sender.brands).items}
    assert {r["origin"] for r in read_topic(home, "user.raw") if r["event_id"] in ids} == {"import"}
    with pytest.raises(MediaAnalyticsError, match="--live"):
        simulate(sender, date=datetime.now(UTC).date())


def test_the_live_stream_keeps_its_rate(sender: Settings) -> None:
    result = live(sender, rate=100, events=300)
    assert result.accepted + result.rejected == 300
    assert sum(result.others.values()) > 0
    assert 1 < result.seconds < 10


def test_a_file_of_clicks_is_replayed(sender: Settings, home: Embedded, tmp_path: Path) -> None:
    package = str(uuid.uuid4())
    now = datetime.now(UTC).isoformat()
    clicks = [
        {"id": str(n), "type": kind, "package_id": package,
         "event": {"user_agent": "a", "ip": "192.0.2.1", "customer_id": package, "timestamp": now,
                   "page": f"/{n}", "query": None, "product": None, "referrer": None, "position": n}}
        for n, kind in enumerate(["view", "click", "purchase", "look"] * 300)
    ]  # fmt: skip
    path = tmp_path / "clicks.json"
    path.write_text(json.dumps(clicks), "utf-8")
    result = replay(path, sender.collector.url, None, "welt")
    assert (result.accepted, result.rejected, result.unreadable) == (900, 300, 0)
    path.write_text("\n".join([*map(json.dumps, clicks), "{broken"]), "utf-8")
    assert replay(path, sender.collector.url, None, "welt").unreadable == 1
    stored = [r["event_id"] for r in read_topic(home, "user.raw") if r["customer_id"] == package]
    assert (len(stored), len(set(stored))) == (1800, 900)


def test_a_collector_that_is_away_is_named_with_the_fix(sender: Settings) -> None:
    waited: list[float] = []
    with (
        Poster("http://127.0.0.1:9", patience_seconds=0.3, sleep=waited.append) as poster,
        pytest.raises(ServiceError, match="media-analytics status"),
    ):
        poster.post("/v1/events/user", b"[]")


def test_two_senders_of_one_file_are_refused(sender: Settings, home: Embedded, log_file: Path) -> None:
    """Catches two runs that send everything twice and overwrite each other's progress."""
    refused: list[str] = []

    def second(*_: int) -> None:
        with pytest.raises(ProgressError, match="another process"):
            ingest_access_log(log_file, "bild", SITE, sender)
        refused.append("refused")

    assert ingest_access_log(log_file, "bild", SITE, sender, progress=second).accepted == 2500
    assert refused[:3] == ["refused"] * 3
    assert len(_stored(home, _agent(log_file))) == 2500


def test_the_command_tells_what_it_did_and_fails_for_a_cut_off_file(
    collector: Collector, log_file: Path, tmp_path: Path
) -> None:
    packed = tmp_path / "access.log.gz"
    packed.write_bytes(gzip.compress(log_file.read_bytes())[:-200])
    whole = _command(collector, "ingest", "access-log", log_file, "--brand", "bild", "--site", SITE)
    assert (whole.returncode, "2,501 lines: 2,500 accepted, 1 rejected" in whole.stdout) == (0, True), (
        whole.stderr
    )
    cut = _command(collector, "ingest", "access-log", packed, "--brand", "bild", "--site", SITE)
    assert (cut.returncode, "cut off" in cut.stderr) == (1, True)
    day = _command(collector, "simulate", "--events", "100", "--seed", str(uuid.uuid4().int % 10**9))
    assert (day.returncode, "100 events" in day.stdout) == (0, True), day.stderr


def _command(collector: Collector, *arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [Path(sys.executable).with_name("media-analytics"), *map(str, arguments)],
        env=os.environ | collector.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
