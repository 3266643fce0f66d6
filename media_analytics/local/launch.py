"""`python -m media_analytics.local.launch NAME`: become one service of the stack.

Belongs here: tie the process to the supervisor's life, count the start, prepare, replace itself by the real
process (so the supervised pid is the real one). Does not belong here: what a service needs (its own module).
"""

import ctypes
import os
import signal
import sys
from collections.abc import Mapping

from media_analytics.errors import MediaAnalyticsError
from media_analytics.local import dagster_home, kafka, kafka_security, registry, spark
from media_analytics.local.artifacts import Artifacts, cache_folder
from media_analytics.local.commands import Command
from media_analytics.local.environment import SUPERVISED_VARIABLE, base_environment
from media_analytics.local.home import HOME_VARIABLE, Home, home_path, open_home
from media_analytics.local.services import BROKERS, service
from media_analytics.local.stack_variables import read_stack_environment

PARENT_VARIABLE = "MEDIA_ANALYTICS_PARENT"
_PR_SET_PDEATHSIG = 1
# These read no setting; the others call `load_settings`.
_WITHOUT_SETTINGS = (*BROKERS, "registry", "spark", "dagster-webserver", "dagster-daemon")


def main() -> None:
    """Become the service named by the first argument."""
    name = sys.argv[1]
    try:
        home = open_home(home_path(os.environ))
        die_with_parent(_parent(home, os.environ))
        hear_signals()
        os.nice(service(name).nice)
        environment = child_environment(home, name, os.environ)
        command = command_of(name, home, Artifacts(cache_folder(os.environ)), environment)
    except MediaAnalyticsError as error:
        sys.exit(f"{name}: {error}")
    count_start(home, name)
    os.chdir(command.folder)
    sys.stdout.flush()
    everything = environment | dict(command.environment)
    os.execve(command.arguments[0], command.arguments, everything)


def _parent(home: Home, environ: Mapping[str, str]) -> int:
    """Who started this process: a test names itself, the supervisor wrote its id before it started anything."""
    named = environ.get(PARENT_VARIABLE)
    return int(named if named else (home.run / "supervisord.pid").read_text("utf-8"))


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when its parent ends; Linux only, kept across exec.

    Elsewhere the next `up` ends what was left. A parent that ended before the call is seen by its id.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        sys.exit("the supervisor has ended")


def hear_signals() -> None:
    """Undo what a shell in the background does (`nohup media-analytics up &`): what is ignored stays so across exec.

    Java would not hear the SIGTERM that ends it, nor would Dagster, which treats it as it finds SIGINT.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def child_environment(home: Home, name: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Only what the service needs; one variable marks the process as ours."""
    environment = base_environment(environ) | {
        SUPERVISED_VARIABLE: home.home_id,
        HOME_VARIABLE: str(home.path),
    }
    if name not in _WITHOUT_SETTINGS:
        stack = read_stack_environment(home.environment_file)
        environment |= kafka_security.service_variables(home, name, stack)
    return environment


def command_of(name: str, home: Home, artifacts: Artifacts, environment: Mapping[str, str]) -> Command:
    """The command of a service, with everything on disk that it needs."""
    if name in BROKERS:
        return kafka.command(home, artifacts, environment, 1 + BROKERS.index(name))
    if name == "registry":
        return registry.command(home, artifacts)
    if name == "spark":
        return spark.command(home, artifacts, environment)
    if name.startswith("dagster-"):
        return dagster_home.command(home, name, environment)
    module = service(name).module
    if module is None:
        raise MediaAnalyticsError(f"{name} has no program")
    extra = spark.spark_environment(artifacts, environment) if name == "stream" else {}
    return Command((sys.executable, "-m", module), home.path, extra)


def count_start(home: Home, name: str) -> None:
    """Add one line to the service's start file; `status` counts them."""
    with (home.run / f"{name}.starts").open("a", encoding="utf-8") as file:
        file.write(f"{os.getpid()}\n")


if __name__ == "__main__":
    main()
