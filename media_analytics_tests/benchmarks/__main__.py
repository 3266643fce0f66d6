"""`make bench`: measures, prints a table, writes `.media-analytics/bench/latest.json`."""

import sys
import tempfile
from itertools import chain
from pathlib import Path

from media_analytics_tests.benchmarks import codecs, collector, latency, path, sink, stream, video
from media_analytics_tests.benchmarks.harness import run


def main() -> int:
    """Run every benchmark; returns the exit code."""
    target = Path(".media-analytics") / "bench" / "latest.json"
    with tempfile.TemporaryDirectory(prefix="ma-bench-") as folder:
        platform = path.Platform(Path(folder), path.callers_environment())
        try:
            run(
                chain(
                    codecs.benchmarks(),
                    collector.benchmarks(Path(folder) / "collector"),
                    sink.benchmarks(Path(folder) / "sink"),
                    stream.benchmarks(Path(folder) / "stream"),
                    path.benchmarks(platform),
                    latency.benchmarks(platform),
                    video.benchmarks(Path(folder) / "video"),
                ),
                target,
            )
        finally:
            platform.command("down")
    return 0


if __name__ == "__main__":
    sys.exit(main())
