"""The peer of the video pipeline: `python -m media_analytics_tests.benchmarks.video_peer LANDING OUTPUT [THREADS]`.

DuckDB does what the eleven steps do, in the SQL of the reference: the same Parquet files in, five tables of all rows,
five cleaned ones and five marts written as Parquet. It prints its seconds and the most memory it held. No contract is
checked, nothing is kept from before, no two runs could meet: that is what it leaves out.
"""

import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from media_analytics_tests.builders.video.reference import GOLD, SILVER, Reference

# What the platform's Spark server may hold, too.
MEMORY_LIMIT = "3GB"


@dataclass(frozen=True)
class Result:
    """What a run took; rows of the tables it wrote by name."""

    seconds: float
    peak_megabytes: float
    rows: dict[str, int]


def in_own_process(landing: Path, output: Path, threads: int | None = None) -> Result:
    """Run the peer in a fresh process, whose memory is its own. The time leaves its start out."""
    command = [sys.executable, "-m", __name__, str(landing), str(output)]
    answer = subprocess.run(
        [*command, *([str(threads)] if threads else [])], capture_output=True, text=True, check=True
    )
    return Result(**json.loads(answer.stdout))


def run(landing: Path, output: Path, threads: int) -> Result:
    """Files in, fifteen Parquet files out.

    Args:
        landing: folder of Parquet files, flat or dated.
        output: new folder.
        threads: of DuckDB.
    """
    began = time.monotonic()
    output.mkdir(parents=True)
    options = {"threads": threads, "memory_limit": MEMORY_LIMIT, "temp_directory": str(output / "spilled")}
    reference = Reference(landing, output / "work.duckdb", options)
    tables = [f"{layer}_{name}" for layer, names in _TABLES for name in names]
    rows = {}
    for name in tables:
        target = output / f"{name}.parquet"
        written = reference.connection.execute(
            f"COPY {name} TO '{target}' (FORMAT parquet, COMPRESSION zstd)"
        )
        rows[name] = int(written.fetchall()[0][0])
    reference.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Result(time.monotonic() - began, peak, rows)


_TABLES = (("typed", tuple(SILVER)), ("silver", tuple(SILVER)), ("gold", tuple(GOLD)))


def main() -> None:
    """Run once and print the result as JSON."""
    landing, output, *threads = sys.argv[1:]
    result = run(Path(landing), Path(output), int(threads[0]) if threads else os.cpu_count() or 1)
    print(json.dumps(vars(result)))


if __name__ == "__main__":
    main()
