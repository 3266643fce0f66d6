"""What a spike's samples say: the most that waited, and when it was as before."""

from media_analytics_tests.benchmarks.spike import Machine, Phase, Plan, Report, Sample


def _report(waiting: list[int]) -> Report:
    """A sample every 5 s from 0 on; calm until 20, the spike until 60, calm until 80."""
    return Report(
        measured_on="2026-01-31",
        machine=Machine("", 2, 0),
        plan=Plan(),
        phases={
            "calm": Phase(0, 20, 200, 5.0),
            "spike": Phase(20, 60, 4000, 9.0),
            "afterwards": Phase(60, 80, 200, 5.0),
        },
        samples=tuple(Sample(5.0 * n, {"sink": count}) for n, count in enumerate(waiting)),
        latency_p99={},
        seconds=90.0,
        cpu_seconds={},
        idle_cores={},
        bytes_on_disk={},
    )


def test_a_queue_is_drained_when_no_more_wait_than_at_most_before_the_spike() -> None:
    """Would catch: the usual queue of a process that writes in batches taken for one that never drains."""
    report = _report([0, 30, 10, 0, 5, 400, 900, 1500, 2000, 2500, 3000, 3100, 3200, 1000, 200, 31, 30, 0])
    assert report.events == 4400
    assert report.most_waiting("sink") == 3200
    assert report.drained_seconds("sink") == 20.0


def test_a_queue_that_never_grew_is_drained_at_once() -> None:
    assert _report([10] * 20).drained_seconds("sink") == 0.0
