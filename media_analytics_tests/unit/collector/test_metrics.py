"""The numbers of several workers are one answer, and a worker that comes back goes on counting."""

from pathlib import Path

import pytest

from streaming.collector import metrics as names
from streaming.collector.metrics import METRICS, Metrics, forget


def read(text: bytes) -> dict[str, float]:
    lines = text.decode().splitlines()
    return {
        name: float(value) for name, _, value in (x.rpartition(" ") for x in lines if not x.startswith("#"))
    }


def test_every_worker_answers_for_all(tmp_path: Path) -> None:
    first, second = Metrics(tmp_path, 0), Metrics(tmp_path, 1)
    first.add(names.ACCEPTED, "bild", "user", amount=10)
    second.add(names.ACCEPTED, "bild", "user", amount=5)
    second.add(names.ACCEPTED, "welt", "user")
    second.set(names.QUEUE_EVENTS, 7)
    found = read(first.text())
    assert found == read(second.text())
    assert found['collector_events_accepted_total{brand="bild",family="user"}'] == 15
    assert found['collector_events_accepted_total{brand="welt",family="user"}'] == 1
    assert found["collector_queue_events"] == 7


def test_a_worker_that_is_started_again_keeps_its_counts_and_not_its_gauges(tmp_path: Path) -> None:
    """Catches counters that fall after a crash: a rate over them would be wrong."""
    worker = Metrics(tmp_path, 0)
    worker.add(names.REQUESTS, "/v1/events/user", "200", amount=3)
    worker.set(names.IN_FLIGHT, 4)
    again = Metrics(tmp_path, 0)
    again.add(names.REQUESTS, "/v1/events/user", "200")
    found = read(again.text())
    assert found['collector_requests_total{route="/v1/events/user",status="200"}'] == 4
    assert found["collector_in_flight_requests"] == 0
    forget(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_file_is_begun_anew(tmp_path: Path) -> None:
    """Catches a worker that can never start again."""
    worker = Metrics(tmp_path, 0)
    worker.add(names.REQUESTS, "/v1/events/user", "200")
    file = next(tmp_path.iterdir())
    whole = file.read_bytes()
    for broken in (whole[:100], whole[:8] + b"\xff" * 200 + whole[208:], b"\xff" * len(whole)):
        file.write_bytes(broken)
        again = Metrics(tmp_path, 0)
        again.add(names.REQUESTS, "/v1/events/user", "200")
        assert read(again.text())['collector_requests_total{route="/v1/events/user",status="200"}'] == 1


def test_a_histogram_adds_up(tmp_path: Path) -> None:
    """Catches buckets that are not cumulative, or a value that is in the bucket below its own."""
    worker = Metrics(tmp_path)
    for seconds in (0.001, 0.005, 0.0051, 0.4, 60.0):
        worker.observe(seconds)
    found = read(worker.text())
    bucket = "collector_produce_seconds_bucket"
    assert [found[f'{bucket}{{le="{le}"}}'] for le in ("0.005", "0.01", "0.2", "0.5", "10", "+Inf")] == [
        2, 3, 3, 4, 4, 5,
    ]  # fmt: skip
    assert found["collector_produce_seconds_count"] == 5
    assert found["collector_produce_seconds_sum"] == pytest.approx(60.4111)


def test_every_metric_is_described_and_labels_are_escaped(tmp_path: Path) -> None:
    worker = Metrics(tmp_path)
    worker.add(names.REFUSED, 'a"b\\c\nd', "code")
    text = worker.text().decode()
    for name, metric in METRICS.items():
        assert f"# HELP {name} {metric.help}" in text
        assert f"# TYPE {name} {metric.kind}" in text
    assert 'route="a\\"b\\\\c\\nd"' in text
    with pytest.raises(ValueError, match="labels"):
        worker.add(names.REFUSED, "one")
