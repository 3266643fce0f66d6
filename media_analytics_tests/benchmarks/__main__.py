"""`make bench`: measures, prints a table, writes `.media-analytics/bench/latest.json`.

`make bench ONLY="path latency"` measures some groups; `latency` needs the platform that `path` starts.
`video-10m` takes half an hour and is measured only by name.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

from media_analytics_tests.benchmarks import (
    codecs,
    collector,
    latency,
    path,
    queries,
    sink,
    spike,
    stream,
    video,
    warehouse,
)
from media_analytics_tests.benchmarks.harness import Benchmark, run

# Measured only where they are named.
LONG = ("video-10m",)


def main(only: list[str]) -> int:
    """Run every benchmark, or those of the named groups; returns the exit code."""
    with tempfile.TemporaryDirectory(prefix="ma-bench-") as name:
        folder = Path(name)
        platform = path.Platform(folder, path.callers_environment())
        groups: dict[str, Callable[[], Iterator[Benchmark]]] = {
            "codecs": codecs.benchmarks,
            "collector": lambda: collector.benchmarks(folder / "collector"),
            "sink": lambda: sink.benchmarks(folder / "sink"),
            "stream": lambda: stream.benchmarks(folder / "stream"),
            "path": lambda: path.benchmarks(platform),
            "latency": lambda: latency.benchmarks(platform),
            "spike": lambda: spike.benchmarks(platform, spike.Plan()),
            "video": lambda: video.benchmarks(folder / "video"),
            "video-10m": lambda: video.ten_million(folder / "video-10m"),
            "queries": lambda: queries.benchmarks(folder / "queries"),
            "warehouse": lambda: warehouse.benchmarks(folder / "warehouse", warehouse.Plan()),
        }
        usual = [group for group in groups if group not in LONG]
        wanted = only or usual
        if not set(wanted) <= set(groups) or ("latency" in wanted and "path" not in wanted):
            print(f"expected some of {', '.join(groups)}, and `path` where `latency` is", file=sys.stderr)
            return 2
        # A run of some groups does not replace the measurements of all.
        file = "latest.json" if wanted == usual else f"{'-'.join(wanted)}.json"
        try:
            run(
                chain.from_iterable(groups[group]() for group in groups if group in wanted),
                Path(".media-analytics") / "bench" / file,
            )
        finally:
            platform.command("down")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
