"""The sums of the capacity page over a spike whose numbers are round, and the committed page."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from media_analytics.errors import ContractError
from media_analytics_tests.benchmarks import capacity
from media_analytics_tests.benchmarks.capacity import (
    PAGE,
    RECORD,
    Assumed,
    Capacity,
    Prices,
    Record,
    chart,
    kubernetes_bytes,
    read_record,
    record_text,
    report_in,
)
from media_analytics_tests.benchmarks.capacity_page import number, page, phase_at, size
from media_analytics_tests.benchmarks.harness import Benchmark, measure
from media_analytics_tests.benchmarks.spike import REPORT_ID, Machine, Phase, Plan, Report, Sample

# 1,000,000 events in 1,000 s. The enricher works 300 core-seconds, 100 of them whether events come or not.
WORK = {
    "collector": 100.0,
    "kafka": 100.0,
    "enricher": 300.0,
    "sink": 50.0,
    "stream": 400.0,
    "clickhouse": 200.0,
    "registry": 10.0,
}
SPIKE = Report(
    measured_on="2026-01-31",
    machine=Machine("Some processor", 2, 8_000_000_000),
    plan=Plan(),
    phases={
        "calm": Phase(0, 100, 100_000, 5.0),
        "spike": Phase(100, 200, 800_000, 9.0),
        "afterwards": Phase(200, 300, 100_000, 5.0),
    },
    samples=tuple(
        Sample(50.0 * n, {"enricher": 0, "sink": waits, "stream": waits // 2})
        for n, waits in enumerate([0, 0, 10, 30_000, 60_000, 20_000, 0, 0])
    ),
    latency_p99={"calm": 0.3, "spike": 2.0, "afterwards": 0.3},
    seconds=1000.0,
    cpu_seconds=WORK,
    idle_cores=dict.fromkeys(WORK, 0.1),
    bytes_on_disk={
        "kafka user.raw": 250_000_000,
        "kafka user.latest": 500_000_000,
        "lake": 100_000_000,
        "clickhouse": 80_000_000,
    },
)
PRICES = Prices("EUR", 0.036, 0.1, 0.02, "a price list of this test")
EXAMPLE = Record(SPIKE, Assumed(), PRICES)
FOUND = Capacity(EXAMPLE)


def test_a_million_events_cost_what_was_spent_and_less_without_idle_work() -> None:
    assert FOUND.per_million("enricher") == 300.0
    assert FOUND.above_idle("enricher") == 200.0
    assert FOUND.above_idle("sink") == 0.0, "idle work is no negative cost"
    assert FOUND.of_one_core("enricher") == pytest.approx(1e6 / 300)


def test_cores_follow_the_rate_and_the_share_that_is_planned_with() -> None:
    """R x core-seconds per million / 1e6 / utilisation."""
    assert FOUND.cores(300.0) == pytest.approx(500.0)
    slower = Capacity(replace(EXAMPLE, assumed=Assumed(events_per_second=1000, utilisation=0.5)))
    assert slower.cores(300.0) == pytest.approx(0.6)
    assert slower.processes("enricher") == 1


def test_parts_are_as_many_as_their_strictest_reason() -> None:
    """At a million a second `user.raw` takes 250 MB/s: 50 partitions by bytes, 500 by readers of one core."""
    assert FOUND.partitions("user.raw") == {"one for each enricher": 500, "by bytes": 50}
    assert FOUND.partitions("user.latest") == {"one for each sink": 84, "by bytes": 100}
    # (250 + 500) MB/s and 100 core-s, three copies; 600 partitions three times.
    assert (chart().copies, chart().replicas) == (3, 2)
    assert FOUND.brokers() == {"one for each copy": 3, "by bytes": 23, "by partitions": 1, "by cores": 63}
    assert FOUND.executors() == 334
    # 80 MB a million: 6.912 TB a day, 35 days, 70 % filled, on shards of 2 TiB.
    assert FOUND.shards() == {"by cores": 21, "by disk": 158}


def test_disks_hold_all_copies_for_as_long_as_they_are_kept() -> None:
    stored = {one.name: one for one in FOUND.stored()}
    raw = stored["kafka user.raw"]
    assert (raw.bytes_per_million, raw.copies, raw.days) == (250_000_000, 3, 7)
    assert FOUND.bytes_a_day(raw) == pytest.approx(250e6 * 86_400)
    assert FOUND.disk(raw) == pytest.approx(250e6 * 86_400 * 7 * 3 / 0.7)
    assert (stored["clickhouse"].copies, stored["clickhouse"].days) == (2, 35)
    assert stored["lake"].days is None
    with pytest.raises(ValueError, match="for ever"):
        FOUND.disk(stored["lake"])
    assert FOUND.disks() == pytest.approx(sum(FOUND.disk(one) for one in stored.values() if one.days))


def test_stores_are_paid_once_for_each_copy() -> None:
    """100 + 3 x 100 + 300 + 50 + 400 + 2 x 200 core-seconds a million, at 60 %; the registry grows with nothing."""
    assert FOUND.all_cores() == pytest.approx(1550 / 0.6)


def test_what_was_worked_off_after_the_spike_is_backlog_and_new_events() -> None:
    """60,000 waited at its end, as few as before after 100 s, in which 100,000 more came."""
    assert FOUND.held_while_draining("sink") == pytest.approx(1600.0)
    assert FOUND.held_while_draining("enricher") is None


def test_the_page_says_the_sums_and_where_prices_are_from() -> None:
    text = page(EXAMPLE)
    assert "$" not in text
    for said in (
        "| `enricher` | 300 | 0.100 | 200 |",
        "| `enricher` | 500 | 333 | 3,330 |",
        "| partitions of `user.raw` | 500 | one for each enricher 500, by bytes 50 | 6 |",
        "| `kafka user.raw` | 250 MB | 21.6 TB | 3 | 7 d | 648 TB |",
        "a price list of this test",
        "nobody has run this platform at that rate",
        # 1,150 core-seconds at 0.036 an hour.
        "0.0115 EUR for a million events",
        # 2,583.3 cores for 730 hours, 2,635,200 GB of disks, 100 MB * 2,628,000 in the lake: 67,890 + 263,520 + 5,256.
        "**0.128 EUR for a million events, 337,000 EUR a month at 1,000,000 events a second**",
        "    200  afterwards          0     60,000     30,000  ########################################",
        "| `sink` | 60,000 | 100 | 1,600 |",
    ):
        assert said in text, said
    assert "short run" not in text


def test_the_committed_page_names_a_cost_and_calls_its_prices_an_example() -> None:
    prices = read_record(RECORD.read_text("utf-8")).prices
    assert prices is not None
    assert prices.source.startswith("an example, ")
    text = PAGE.read_text("utf-8")
    assert f"{prices.currency} a month at 1,000,000 events a second" in text
    assert prices.source in text


def test_without_prices_no_money_is_named() -> None:
    text = page(replace(EXAMPLE, prices=None))
    assert "none is built in" in text
    assert "a month |" not in text


def test_a_short_run_says_so() -> None:
    """Would catch a smoke run that is published as the measurement."""
    short = replace(SPIKE, plan=Plan(spike_seconds=60))
    assert "**This was a short run: no numbers to plan with.**" in page(replace(EXAMPLE, measured=short))


def test_moments_belong_to_the_phase_that_has_begun() -> None:
    found = [phase_at(SPIKE, moment) for moment in (0, 99, 100, 299, 301)]
    assert found == ["calm", "calm", "spike", "afterwards", "drain"]


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0"), (1234567, "1,230,000"), (999.6, "1,000"), (12.345, "12.3"), (0.01234, "0.0123"), (100, "100")],
)
def test_numbers_have_three_digits(value: float, said: str) -> None:
    assert number(value) == said


def test_sizes_have_a_unit() -> None:
    assert (size(12), size(2.16e13), size(4.2e15)) == ("12.0 B", "21.6 TB", "4.20 PB")
    assert kubernetes_bytes("2Ti") == 2 * 2**40
    with pytest.raises(ValueError, match="Gi or Ti"):
        kubernetes_bytes("5M")


def test_a_record_survives_its_file() -> None:
    assert read_record(record_text(EXAMPLE)) == EXAMPLE
    assert read_record(record_text(replace(EXAMPLE, prices=None))).prices is None


def test_the_report_is_found_in_what_the_benchmark_writes() -> None:
    """Through the harness and its JSON, as `make bench ONLY=spike` does it."""
    line = Benchmark(
        REPORT_ID, "events", lambda: 1.0, unit="events", rounds=1, details=msgspec.to_builtins(SPIKE)
    )
    other = Benchmark("spike-rate-calm", "sent", lambda: 1.0, rounds=1)
    written = json.loads(json.dumps([measure(other), measure(line)]))
    assert report_in(written) == SPIKE
    with pytest.raises(ContractError, match="make bench ONLY=spike"):
        report_in(written[:1])


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Record and page of a folder of its own, with a measurement beside them."""
    monkeypatch.setattr(capacity, "ROOT", tmp_path)
    monkeypatch.setattr(capacity, "RECORD", tmp_path / "capacity.json")
    monkeypatch.setattr(capacity, "PAGE", tmp_path / "capacity.md")
    lines = [{"id": REPORT_ID, "details": msgspec.to_builtins(SPIKE)}]
    (tmp_path / "spike.json").write_text(json.dumps(lines))
    return tmp_path


def test_the_command_keeps_what_it_is_not_told(files: Path) -> None:
    """A new measurement does not lose prices and assumptions; a new price does not lose the measurement."""
    capacity.main(measured=files / "spike.json")
    assert read_record((files / "capacity.json").read_text()) == replace(EXAMPLE, prices=None)
    capacity.main(prices="EUR 0.036 0.1 0.02", prices_from=PRICES.source, assumed=["utilisation=0.5"])
    capacity.main(measured=files / "spike.json")
    wanted = replace(EXAMPLE, assumed=Assumed(utilisation=0.5))
    assert read_record((files / "capacity.json").read_text()) == wanted
    assert (files / "capacity.md").read_text() == page(wanted)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"prices": "EUR 1 2 3"}, "where the prices are from"),
        ({"prices": "EUR 1 2", "prices_from": "x"}, "CURRENCY CORE_HOUR"),
        ({"assumed": ["nonsense=1"]}, "nonsense"),
        ({"assumed": ["utilisation=much"]}, "utilisation"),
    ],
)
def test_what_the_command_refuses(files: Path, options: dict[str, Any], said: str) -> None:
    """Above all a price of nobody."""
    capacity.main(measured=files / "spike.json")
    before = (files / "capacity.json").read_text()
    with pytest.raises(ContractError, match=said):
        capacity.main(**options)
    assert (files / "capacity.json").read_text() == before


def test_the_committed_page_is_what_its_record_renders_to() -> None:
    """A contract's retention or a value of the chart that changed, too: `make capacity`. No page without a record."""
    assert PAGE.is_file() == RECORD.is_file()
    if RECORD.is_file():
        assert PAGE.read_text("utf-8") == page(read_record(RECORD.read_text("utf-8")))
