"""Building and running images without Docker.

Belongs here: the programs that do it, their options, the stand-in for the official base. Does not belong here: what
must hold of an image (`smoke`).

Debian's buildah and podman, as root, with runc. A root file system of the official base's Debian release, with the same
Python, stands in for it: that proves the recipe, not the base.
"""

import json
import os
import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import which

from media_analytics_tests.conventions.source import ROOT

RECIPE = ROOT / "docker" / "Dockerfile"
STAND_IN = "localhost/media-analytics-base:bookworm"
# A base of one's own, for example the official one where it can be pulled; and further options of `buildah bud`.
BASE_VARIABLE, OPTIONS_VARIABLE = "IMAGES_BASE", "IMAGES_BUILD_OPTIONS"
_NEEDED = ("buildah", "podman", "runc", "debootstrap", "tar")
_PASSED_ON = ("PIP_INDEX_URL", "PIP_CERT", "UV_DEFAULT_INDEX", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
_CONFIGURATION = """[containers]
default_ulimits = ["nofile=1024:4096", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
"""
# A process has no right, cannot get one, and writes only where its pod has a volume.
_CONFINED = (
    *("--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges", "--network", "host"),
    *("--volume", "/var/lib/media-analytics", "--volume", "/opt/dagster/dagster_home"),
)


class EngineError(Exception):
    """A program is missing or failed; the message says which and what it said."""


@dataclass(frozen=True)
class Engine:
    """Builds and runs images. `environment` is what its programs get."""

    environment: Mapping[str, str]

    def call(self, *command: str, seconds: float = 120, check: bool = True) -> str:
        """Run a program and give back what it printed.

        Raises:
            EngineError: it failed, or took longer.
        """
        try:
            done = subprocess.run(
                command,
                env=self.environment,
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise EngineError(f"{shlex.join(command)[:300]} took longer than {seconds:.0f} s") from error
        if check and done.returncode != 0:
            raise EngineError(
                f"{shlex.join(command)[:300]} failed: {done.stdout[-1500:]}{done.stderr[-3000:]}"
            )
        return done.stdout + ("" if check else done.stderr)

    def base(self) -> str:
        """The base to build on: the caller's, or the stand-in, which is made when it is not there."""
        named = os.environ.get(BASE_VARIABLE)
        if named:
            return named
        if not self.call("podman", "images", "--quiet", STAND_IN).strip():
            with tempfile.TemporaryDirectory() as folder:
                root = Path(folder) / "root"
                packages = "ca-certificates,python3,python3-venv"
                self.call(
                    *("debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", str(root)),
                    seconds=900,
                )
                archive = Path(folder) / "root.tar"
                self.call("tar", "-C", str(root), "--exclude=./var/cache/apt", "-cf", str(archive), ".")
                self.call("podman", "import", str(archive), STAND_IN, seconds=300)
        return STAND_IN

    def build(self, image: str, base: str) -> None:
        """Build one target of the recipe. Stages that others have built are taken from the cache."""
        arguments = [f"--build-arg=PYTHON_IMAGE={base}"]
        arguments += [f"--build-arg={name}={os.environ[name]}" for name in _PASSED_ON if name in os.environ]
        self.call(
            *("buildah", "bud", "--layers", "--format", "docker", "--runtime", "runc", "--network", "host"),
            *("--pull-never", "--ulimit", "nofile=1024:4096", "--ulimit", "nproc=4096:4096"),
            *("--volume", "/etc/ssl/certs:/etc/ssl/certs:ro"),
            *shlex.split(os.environ.get(OPTIONS_VARIABLE, "")),
            *(*arguments, "--file", str(RECIPE), "--target", image, "--tag", tag(image), str(ROOT)),
            seconds=3600,
        )

    def run(
        self, image: str, *command: str, options: Sequence[str] = (), check: bool = True, seconds: float = 120
    ) -> str:
        """Run a command in a new container until it ends."""
        arguments = ("podman", "run", "--rm", *_CONFINED, *options, tag(image), *command)
        return self.call(*arguments, check=check, seconds=seconds)

    @contextmanager
    def started(
        self,
        image: str,
        *command: str,
        variables: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
    ) -> Iterator["Container"]:
        """A container that runs while the block does. It must end by itself when asked to."""
        given = [f"--env={name}={value}" for name, value in (variables or {}).items()]
        container = Container(
            self,
            self.call(
                "podman", "run", "--detach", *_CONFINED, *given, *options, tag(image), *command
            ).strip(),
        )
        try:
            yield container
            container.stop()
        finally:
            self.call("podman", "rm", "--force", "--volumes", container.name, check=False)

    def configuration(self, image: str) -> dict[str, object]:
        """What the image says of its user, environment and command."""
        (found,) = json.loads(self.call("podman", "image", "inspect", tag(image)))
        return dict(found["Config"])

    def size_bytes(self, image: str) -> int:
        """The size of all layers, the base included, unpacked."""
        (found,) = json.loads(self.call("podman", "image", "inspect", tag(image)))
        return int(found["Size"])


@dataclass(frozen=True)
class Container:
    """A container that was started in the background."""

    engine: Engine
    name: str

    def output(self) -> str:
        """What it has printed, the end of it."""
        return self.engine.call("podman", "logs", self.name, check=False)[-3000:]

    def execute(self, *command: str) -> str:
        """Run a command beside its process; its output, also when it fails."""
        return self.engine.call("podman", "exec", self.name, *command, check=False)

    def is_running(self) -> bool:
        """Whether its process still runs."""
        state = self.engine.call("podman", "inspect", "--format", "{{.State.Running}}", self.name)
        return state.strip() == "true"

    def stop(self) -> None:
        """Ask it to end, as a cluster does.

        Raises:
            EngineError: it had to be killed.
        """
        self.engine.call("podman", "stop", "--time", "30", self.name, seconds=60)
        state = self.engine.call("podman", "inspect", "--format", "{{.State.ExitCode}}", self.name).strip()
        if state == "137":
            raise EngineError(f"it did not end within 30 s of being asked: {self.output()}")


def tag(image: str) -> str:
    """The name of an image while it is tested."""
    return f"localhost/media-analytics/{image}:test"


@contextmanager
def engine() -> Iterator[Engine]:
    """The engine of this machine.

    Raises:
        EngineError: a program is missing, or the caller is not root.
    """
    missing = [name for name in _NEEDED if which(name) is None]
    if missing:
        raise EngineError(f"needs {', '.join(missing)}; on Debian 12: apt-get install {' '.join(_NEEDED)}")
    if os.geteuid() != 0:
        raise EngineError("needs root: the stand-in for the base is made by debootstrap")
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(_CONFIGURATION)
        file.flush()
        yield Engine(os.environ | {"CONTAINERS_CONF": file.name})


def wait_for(what: str, container: Container, seconds: float, is_there: Callable[[], bool]) -> None:
    """Poll until a check holds.

    Raises:
        EngineError: it does not hold in time, or the container has ended.
    """
    deadline = time.monotonic() + seconds
    while not _holds(is_there):
        if not container.is_running() or time.monotonic() > deadline:
            raise EngineError(f"no {what} within {seconds:.0f} s: {container.output()}")
        time.sleep(0.5)


def _holds(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except OSError:
        return False
