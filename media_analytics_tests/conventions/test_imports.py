"""Which room may import which, and that importing anything has no effect."""

import subprocess
import sys
from pathlib import Path

import pytest

from media_analytics_tests.conventions.source import ROOT, dotted, imports, modules

# Long-running processes: what they share with others is in codecs, dead_letters and runtime.
PROCESSES = tuple(
    f"streaming.{name}" for name in ("collector", "enricher", "sinks", "simulator", "sender", "tracker")
)
# room -> name prefixes that its modules must not import, anywhere (architecture, "Rooms")
FORBIDDEN = {
    "media_analytics/contracts": ("dagster", "confluent_kafka", "clickhouse_connect", "httpx", "deltalake"),
    # Collector and sinks read their settings, too.
    "media_analytics/environments": ("dagster", "pyspark", "pandera", "media_analytics.local"),
    "media_analytics/databricks": ("dagster", "pyspark", "media_analytics.local", "media_analytics.assets"),
    "media_analytics/resources": ("media_analytics.assets", "media_analytics.automation"),
    "media_analytics/checks": ("media_analytics.assets", "spark_jobs.transforms"),
    "media_analytics/modelling": (
        "dagster",
        "pyspark",
        "confluent_kafka",
        "clickhouse_connect",
        "httpx",
        "deltalake",
    ),
    "media_analytics/dashboard": (
        "dagster",
        "pyspark",
        "media_analytics.local",
        "media_analytics.assets",
        "media_analytics.automation",
        "media_analytics.checks",
        "media_analytics.factory",
        *PROCESSES,
    ),
    # Pages ask the API.
    "media_analytics/dashboard/page": (
        "media_analytics.contracts",
        "media_analytics.resources",
        "media_analytics.dashboard.reading",
        "clickhouse_connect",
        "confluent_kafka",
        "deltalake",
        "pyarrow",
    ),
    # A source knows nothing of who reads it.
    "media_analytics/generators": (
        "dagster",
        "pyspark",
        "deltalake",
        "media_analytics.contracts",
        "media_analytics.local",
        "media_analytics.settings",
    ),
    "media_analytics/automation": ("spark_jobs.transforms",),
    "media_analytics/assets": ("confluent_kafka", "clickhouse_connect", "httpx", "media_analytics.local"),
    "streaming": ("dagster", "pyspark", "pandera", "media_analytics.contracts", "media_analytics.local"),
    "spark_jobs": ("dagster", "media_analytics.local", "media_analytics.assets", *PROCESSES),
    "media_analytics/warehouse": (
        "pyspark",
        "media_analytics.assets",
        "media_analytics.automation",
        "media_analytics.local",
    ),
    "media_analytics/micro_batches": ("pyspark", *PROCESSES),
    # The dashboard uses it, which has neither.
    "media_analytics/dead_letters": (
        "dagster",
        "pyspark",
        "media_analytics.local",
        "media_analytics.automation",
    ),
}
# The one exception inside contracts: compilers may import their target inside a function.
LAZY_ALLOWED = {"media_analytics/contracts": ("dagster",)}
# What production runs must not need: only the command line starts the embedded stack.
LOCAL_USERS = ("media_analytics/commands", "media_analytics/local", "media_analytics/cli.py")


def _named(names: set[str], prefixes: tuple[str, ...]) -> set[str]:
    return {n for n in names if any(n == p or n.startswith(f"{p}.") for p in prefixes)}


@pytest.mark.parametrize("room", FORBIDDEN)
def test_rooms_import_only_what_they_may(room: str) -> None:
    files = [m for m in modules() if m.as_posix().startswith(f"{room}/")]
    assert files, f"no module in {room}"
    lazy = LAZY_ALLOWED.get(room, ())
    wrong = {}
    for file in files:
        found = _named(imports(file), FORBIDDEN[room])
        found -= _named(found - imports(file, top_level_only=True), lazy)
        if found:
            wrong[file.as_posix()] = sorted(found)
    assert wrong == {}


def test_only_the_command_line_imports_the_embedded_stack() -> None:
    users = {
        file.as_posix()
        for file in modules()
        if _named(imports(file), ("media_analytics.local",))
        and not any(file.as_posix().startswith(p) for p in LOCAL_USERS)
    }
    assert users == set()


def test_only_definitions_and_mains_read_the_environment() -> None:
    """A value that is not in the settings model cannot be validated, listed or compared between environments."""
    allowed = ("media_analytics/definitions.py", "media_analytics/commands/", "media_analytics/local/")
    readers = set()
    for file in modules():
        name = file.as_posix()
        if name.endswith("__main__.py") or name.startswith(allowed) or name.startswith("spark_jobs/jobs/"):
            continue
        if "os.environ" in (ROOT / file).read_text("utf-8") or "getenv(" in (ROOT / file).read_text("utf-8"):
            readers.add(name)
    # An entry point that is a plain module reads it under its own `__main__` guard.
    readers = {r for r in readers if '__name__ == "__main__"' not in (ROOT / r).read_text("utf-8")}
    assert readers == set()


_IMPORT_ALL = """
import os, socket, sys
for name in list(os.environ):
    if name not in ("PATH", "LD_LIBRARY_PATH"):
        del os.environ[name]
def refused(*args, **kwargs):
    raise RuntimeError("network at import")
socket.socket.connect = refused
socket.socket.bind = refused
socket.getaddrinfo = refused
socket.create_connection = refused
import importlib
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except Exception as error:
        sys.exit(f"{name}: {type(error).__name__}: {error}")
"""


# Python's forkserver can only be told what to import: importing it is how it is run.
RUN_BY_IMPORT = Path("media_analytics/local/dagster_runs.py")


def test_every_module_imports_in_a_fresh_interpreter_without_network_or_environment(tmp_path: Path) -> None:
    names = [dotted(m) for m in modules() if m.name != "__main__.py" and m != RUN_BY_IMPORT]
    result = subprocess.run(
        [sys.executable, "-c", _IMPORT_ALL, *names], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert list(tmp_path.iterdir()) == []


def test_long_running_processes_never_load_pandera_pyspark_or_dagster(tmp_path: Path) -> None:
    """They would pay seconds at each start and hundreds of megabytes for nothing."""
    names = [dotted(m) for m in modules("streaming") if m.name != "__main__.py"]
    code = (
        "import importlib, sys\n"
        "for n in sys.argv[1:]: importlib.import_module(n)\n"
        "print(sorted({'pandera','pyspark','dagster','pandas'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, *names], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
