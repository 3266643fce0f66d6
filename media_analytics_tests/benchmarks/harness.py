"""How a benchmark is measured and reported.

A `Benchmark` has what it measures (`ours`), optionally a `peer` (another way to do the same) and a `limit` (the raw
cost no implementation can beat). The three alternate, at least five rounds; medians are reported. Each function returns
seconds for `units` units of work; figures are units a second, or seconds where `units` is None.
"""

import json
import statistics
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from media_analytics_tests.services import embedded
from media_analytics_tests.services.embedded import Embedded

MIN_ROUNDS = 5
# Columns of a table that goes to a file.
WIDTH = 140
Timed = Callable[[], float]


@dataclass(frozen=True)
class Benchmark:
    """One line of the report.

    `limit_value` is a stated limit (seconds) where no limit can be measured; `details` go to the JSON as they are.
    """

    id: str
    what: str
    ours: Timed
    units: int | None = None
    unit: str = "s"
    peer: Timed | None = None
    peer_name: str | None = None
    limit: Timed | None = None
    limit_value: float | None = None
    limit_name: str | None = None
    rounds: int = MIN_ROUNDS
    details: Mapping[str, Any] | None = None


def cpu_seconds(pid: int, work: Callable[[], object]) -> float:
    """CPU time, user and system, that a process takes while `work` goes on elsewhere."""
    process = psutil.Process(pid)
    before = process.cpu_times()
    work()
    after = process.cpu_times()
    return after.user + after.system - before.user - before.system


@contextmanager
def home_with(folder: Path, *services: str) -> Iterator[Embedded]:
    """A home of its own in `folder` where these services run."""
    folder.mkdir(parents=True, exist_ok=True)
    home = embedded.make(folder / "home")
    try:
        for name in services:
            home.start(name)
        yield home
    finally:
        home.stop_all()


def measure(benchmark: Benchmark) -> dict[str, Any]:
    """Run the rounds, alternating, and return the record of `latest.json`."""
    if benchmark.rounds < MIN_ROUNDS and benchmark.peer is not None:
        raise ValueError(f"{benchmark.id}: a comparison takes at least {MIN_ROUNDS} rounds")
    runs: dict[str, list[float]] = {"ours": [], "peer": [], "limit": []}
    for _ in range(benchmark.rounds):
        for name, timed in (("ours", benchmark.ours), ("peer", benchmark.peer), ("limit", benchmark.limit)):
            if timed is not None:
                seconds = timed()
                runs[name].append(seconds if benchmark.units is None else benchmark.units / seconds)
    median = {name: statistics.median(values) if values else None for name, values in runs.items()}
    if benchmark.limit_value is not None:
        median["limit"] = benchmark.limit_value
    return {
        "id": benchmark.id,
        "what": benchmark.what,
        "unit": benchmark.unit,
        "ours": median["ours"],
        "peer": median["peer"],
        "peer_name": benchmark.peer_name,
        "limit": median["limit"],
        "limit_name": benchmark.limit_name,
        "ratio_to_peer": _ratio(median["ours"], median["peer"]),
        "ratio_to_limit": _ratio(median["ours"], median["limit"]),
        "runs": runs,
        **({"details": benchmark.details} if benchmark.details is not None else {}),
    }


def _ratio(ours: float | None, other: float | None) -> float | None:
    return None if ours is None or not other else ours / other


def run(benchmarks: Iterable[Benchmark], target: Path) -> list[dict[str, Any]]:
    """Measure all, print each line as it comes, write `target`."""
    console = Console()
    records = []
    for benchmark in benchmarks:
        with console.status(f"measuring {benchmark.what}"):
            records.append(measure(benchmark))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(records, indent=2))
    if not console.is_terminal:
        console.width = WIDTH
    console.print(table(records))
    console.print(f"written to {target}")
    return records


def run_alone(benchmarks: Callable[[Path], Iterable[Benchmark]], name: str) -> None:
    """Measure one module's benchmarks in a folder that is gone afterwards; the report is named after it."""
    with tempfile.TemporaryDirectory(prefix="ma-bench-") as folder:
        run(benchmarks(Path(folder)), Path(".media-analytics") / "bench" / f"{name}.json")


def table(records: Iterable[dict[str, Any]]) -> Table:
    """The records as a table for people."""
    result = Table("what", "unit", "ours", "peer", "ratio", "limit", "ratio to limit", title="make bench")
    for r in records:
        result.add_row(
            r["what"],
            r["unit"],
            _figure(r["ours"]),
            f"{_figure(r['peer'])} {r['peer_name'] or ''}",
            _figure(r["ratio_to_peer"]),
            f"{_figure(r['limit'])} {r['limit_name'] or ''}",
            _figure(r["ratio_to_limit"]),
        )
    return result


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
