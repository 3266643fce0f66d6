"""Breaking news: ten times the usual events for ten minutes, then the usual ones; what piles up, and what it costs.

The whole core profile runs on one machine, with the generator on the same cores. Every 5 s the events
that wait for enricher, sink and stream are counted, by records and rows. CPU time and bytes are those of the whole run:
the cost of a million events holds idle work, too; what the platform takes when nothing is sent is measured afterwards.
The whole report stands in the JSON as the details of the first line; `capacity` makes a page of it.

`python -m media_analytics_tests.benchmarks.spike BASE SPIKE_SECONDS CALM_SECONDS` measures another one.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import psutil
import pyarrow as pa
from deltalake import DeltaTable

from media_analytics.contracts.registry import table
from media_analytics.local.home import Home, open_home
from media_analytics.local.stack import settings_of
from media_analytics.resources.clickhouse import ClickHouse
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.resources.kafka import KafkaLog
from media_analytics.settings import Settings
from media_analytics_tests.benchmarks.harness import Benchmark
from media_analytics_tests.benchmarks.latency import cpu_seconds_of_services
from media_analytics_tests.benchmarks.path import Platform
from media_analytics_tests.services.embedded import wait_until

SAMPLED_EVERY_SECONDS = 5.0
DRAINED_WITHIN_SECONDS = 3600
# The line of the JSON whose details are the whole report.
REPORT_ID = "spike-events"
_REALTIME, _BRONZE = table("realtime.user_events"), table("bronze.user_events")
_MILLION = 1_000_000


@dataclass(frozen=True)
class Plan:
    """Events a second before and after, how many times as many in between, and for how long."""

    base_per_second: float = 150.0
    factor: float = 10.0
    spike_seconds: float = 600.0
    calm_seconds: float = 120.0
    # How long the platform is watched without events, when all is stored.
    idle_seconds: float = 120.0


@dataclass(frozen=True)
class Machine:
    """Where it was measured."""

    processor: str
    cores: int
    memory_bytes: int


@dataclass(frozen=True)
class Sample:
    """Events that wait, by who they wait for. `at` is in Unix seconds."""

    at: float
    waiting: Mapping[str, int]


@dataclass(frozen=True)
class Phase:
    """A part of the load: when it was, in Unix seconds, and what the collector answered."""

    began: float
    ended: float
    events: int
    answer_p99_ms: float


@dataclass(frozen=True)
class Report:
    """What a spike did. CPU-seconds and bytes are those of `events` events; latencies in seconds until the insert.

    `seconds` pass from the first event until all is stored; `idle_cores` are taken by each service when nothing comes.
    """

    measured_on: str
    machine: Machine
    plan: Plan
    phases: Mapping[str, Phase]
    samples: tuple[Sample, ...]
    latency_p99: Mapping[str, float]
    seconds: float
    cpu_seconds: Mapping[str, float]
    idle_cores: Mapping[str, float]
    bytes_on_disk: Mapping[str, int]

    @property
    def events(self) -> int:
        """Events of all phases."""
        return sum(phase.events for phase in self.phases.values())

    def most_waiting(self, who: str) -> int:
        """The largest number of events that waited."""
        return max(sample.waiting[who] for sample in self.samples)

    def drained_seconds(self, who: str) -> float:
        """From the end of the spike until no more waited than at most before it; 5 s is the finest answer."""
        spike = self.phases["spike"]
        usual = max((s.waiting[who] for s in self.samples if s.at < spike.began), default=0)
        later = [s for s in self.samples if s.at >= spike.ended]
        return next(s.at for s in later if s.waiting[who] <= usual) - spike.ended


class Sampler:
    """Counts what waits, all the time."""

    def __init__(self, settings: Settings) -> None:
        self._kafka, self._clickhouse = KafkaLog(settings), ClickHouse(settings)
        self._log = DeltaLog(settings)
        self._stop = threading.Event()
        self.samples: list[Sample] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def sample(self) -> Sample:
        """What waits now. The later step is asked first, so that no number is negative."""
        at = time.time()
        bronze = sum(self._log.row_counts(_BRONZE).values())
        realtime = int(self._clickhouse.rows(f"SELECT count() FROM {_REALTIME.full_name}")[0][0])
        enriched = sum(self._kafka.committed("enricher").get("user.raw", {}).values())
        collected = sum(self._kafka.end_offsets("user.raw").values())
        waiting = {"enricher": collected - enriched, "sink": enriched - realtime, "stream": enriched - bronze}
        return Sample(at, waiting)

    def end(self) -> None:
        """Stop counting."""
        self._stop.set()
        self._thread.join(60)

    def _run(self) -> None:
        while not self._stop.wait(SAMPLED_EVERY_SECONDS):
            self.samples.append(self.sample())


def spike(home: Home, plan: Plan) -> Report:
    """Load a stack that runs; returns when all is stored.

    Raises:
        RuntimeError: the collector did not answer 200 to everything.
    """
    settings = settings_of(home)
    stood = _bytes(home, settings)
    sampler = Sampler(settings)
    before, began = cpu_seconds_of_services(home), time.monotonic()
    try:
        phases = {
            "calm": _phase(home, plan.base_per_second, plan.calm_seconds),
            "spike": _phase(home, plan.base_per_second * plan.factor, plan.spike_seconds),
            "afterwards": _phase(home, plan.base_per_second, plan.calm_seconds),
        }
        wait_until(
            lambda: bool(sampler.samples) and not any(sampler.samples[-1].waiting.values()),
            DRAINED_WITHIN_SECONDS,
            lambda: f"still waiting: {sampler.samples[-1:]}",
        )
    finally:
        sampler.end()
    after, seconds = cpu_seconds_of_services(home), time.monotonic() - began
    grown = _bytes(home, settings)
    return Report(
        measured_on=f"{datetime.now(UTC):%Y-%m-%d}",
        machine=_machine(),
        plan=plan,
        phases=phases,
        samples=tuple(sampler.samples),
        latency_p99={name: _latency_p99(settings, phase) for name, phase in phases.items()},
        seconds=seconds,
        cpu_seconds=_between(before, after),
        idle_cores=_idle_cores(home, plan.idle_seconds),
        bytes_on_disk={name: size - stood[name] for name, size in grown.items()},
    )


def _between(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    return {name: after[name] - spent for name, spent in before.items() if name in after}


def _idle_cores(home: Home, seconds: float) -> dict[str, float]:
    """Cores that each service takes while no event comes; sensors and schedules of Dagster go on."""
    before, began = cpu_seconds_of_services(home), time.monotonic()
    # Nothing to wait for: a stretch of time is what is measured.
    threading.Event().wait(seconds)
    spent = _between(before, cpu_seconds_of_services(home))
    return {name: cpu / (time.monotonic() - began) for name, cpu in spent.items()}


def _machine() -> Machine:
    file = Path("/proc/cpuinfo")
    lines = file.read_text("utf-8").splitlines() if file.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return Machine(names[0] if names else "unknown", os.cpu_count() or 1, psutil.virtual_memory().total)


def _phase(home: Home, rate: float, seconds: float) -> Phase:
    command = ("-m", "media_analytics_tests.benchmarks.generator", str(home.ports["collector"]))
    done = subprocess.run(
        [sys.executable, *command, str(rate), str(seconds)],
        capture_output=True,
        text=True,
        timeout=seconds + 600,
        check=True,
    )
    said = json.loads(done.stdout)
    if set(said["statuses"]) != {"200"}:
        raise RuntimeError(f"the collector answered {said['statuses']}")
    began = float(said["first_at"])
    return Phase(began, began + float(said["seconds"]), int(said["events"]), float(said["answer_p99_ms"]))


def _latency_p99(settings: Settings, phase: Phase) -> float:
    """From the moment an event was due to the insert of its row."""
    found = ClickHouse(settings).arrow(
        "SELECT (toUnixTimestamp64Micro(inserted_at) - toUnixTimestamp64Micro(occurred_at)) / 1e6 AS seconds "
        f"FROM {_REALTIME.full_name} WHERE occurred_at >= fromUnixTimestamp64Micro({int(phase.began * 1e6)}) "
        f"AND occurred_at <= fromUnixTimestamp64Micro({int(phase.ended * 1e6)})"
    )
    return float(np.percentile(found["seconds"].to_numpy(), 99))


def _bytes(home: Home, settings: Settings) -> dict[str, int]:
    """What the events take: logs of both topics, newest version in the lake, active parts of ClickHouse."""
    data = home.path / "kafka" / "data"
    bronze = DeltaTable(settings.lake.table_path(_BRONZE.layer, _BRONZE.name))
    parts = ClickHouse(settings).rows(
        "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = 'realtime' AND table = 'user_events'"
    )
    return {
        **{
            f"kafka {topic}": sum(f.stat().st_size for f in data.glob(f"{topic}-[0-9]*/*.log"))
            for topic in ("user.raw", "user.latest")
        },
        "lake": sum(pa.table(bronze.get_add_actions(flatten=True))["size_bytes"].to_pylist()),
        "clickhouse": int(parts[0][0] or 0),
    }


def benchmarks(platform: Platform, plan: Plan) -> Iterator[Benchmark]:
    """What one spike did, line by line."""
    platform.command("up", "--ports", "free")
    report = spike(open_home(platform.folder / "home"), plan)
    rates = f"{plan.base_per_second:g} to {plan.base_per_second * plan.factor:g} events/s for {plan.spike_seconds:g} s"

    def line(id_: str, what: str, value: float, unit: str = "s") -> Benchmark:
        return Benchmark(id=f"spike-{id_}", what=what, ours=partial(float, value), unit=unit, rounds=1)

    yield Benchmark(
        id=REPORT_ID,
        what=f"{rates}: events in all",
        ours=partial(float, report.events),
        unit="events",
        rounds=1,
        details=msgspec.to_builtins(report),
    )
    for name, phase in report.phases.items():
        seconds = phase.ended - phase.began
        yield line(f"rate-{name}", f"{rates}: sent, {name}", phase.events / seconds, "events/s")
        yield line(f"answer-p99-{name}", f"answer of the collector, p99, {name}", phase.answer_p99_ms / 1000)
        yield line(
            f"inserted-p99-{name}", f"POST to insert in ClickHouse, p99, {name}", report.latency_p99[name]
        )
    for who in report.samples[0].waiting:
        yield line(f"waiting-{who}", f"most events that waited for {who}", report.most_waiting(who), "events")
        yield line(f"drained-{who}", f"{who}: as before the spike after its end", report.drained_seconds(who))
    for name, spent in report.cpu_seconds.items():
        cost = spent * _MILLION / report.events
        yield line(f"cpu-{name}", f"CPU of {name} per million events", cost, "core-s")
    for name, cores in report.idle_cores.items():
        yield line(f"idle-{name}", f"cores of {name} without events", cores, "cores")
    for name, size in report.bytes_on_disk.items():
        yield line(f"bytes-{name.replace(' ', '-')}", f"{name}, per event", size / report.events, "bytes")


if __name__ == "__main__":
    from media_analytics_tests.benchmarks.harness import run
    from media_analytics_tests.benchmarks.path import callers_environment

    base, spike_seconds, calm_seconds = (float(word) for word in sys.argv[1:4])
    asked = Plan(base, Plan.factor, spike_seconds, calm_seconds, idle_seconds=calm_seconds)
    with tempfile.TemporaryDirectory(prefix="ma-bench-") as folder:
        alone = Platform(Path(folder), callers_environment())
        try:
            run(benchmarks(alone, asked), Path(".media-analytics") / "bench" / "spike.json")
        finally:
            alone.command("down")
