"""The programs of a cluster, built from source.

Belongs here: building `go.mod` beside this file, where the results lie, files of Go modules. Does not belong here:
starting the programs (`cluster`).
"""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from media_analytics.local.artifacts import cache_folder

HERE = Path(__file__).parent
# Each program by the last part of its package's path; etcd's is the whole module.
NAMES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kwok", "helm", "server")
_VERSION = "k8s.io/component-base/version"
# Two cores took 20 minutes; others may have one.
_BUILD_SECONDS = 2 * 60 * 60


class ClusterError(Exception):
    """A program is missing or failed; the message says which and what it said."""


def programs() -> Path:
    """The folder of the programs, built when it is not there.

    Raises:
        ClusterError: there is no Go, or the build failed.
    """
    recipe = b"".join((HERE / name).read_bytes() for name in ("go.mod", "go.sum"))
    folder = cache_folder(os.environ) / f"kubernetes-{hashlib.sha256(recipe).hexdigest()[:16]}"
    if folder.is_dir():
        return folder
    # Whole or not at all.
    unfinished = folder.with_suffix(".unfinished")
    unfinished.mkdir(parents=True, exist_ok=True)
    version = go("list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes").strip()
    flags = f"-s -w -X {_VERSION}.gitVersion={version} -X {_VERSION}.gitTreeState=clean"
    go("build", "-trimpath", "-ldflags", flags, "-o", f"{unfinished}{os.sep}", "tool", seconds=_BUILD_SECONDS)
    missing = [name for name in NAMES if not (unfinished / name).is_file()]
    if missing:
        raise ClusterError(f"go build made no {', '.join(missing)}")
    return unfinished.rename(folder)


def module_folder(module: str) -> Path:
    """The source of a module of `go.mod`, or of `module@version`, which is fetched and verified."""
    go("mod", "download", module)
    if "@" not in module:
        return Path(go("list", "-m", "-f", "{{.Dir}}", module).strip())
    return Path(go("env", "GOMODCACHE").strip()) / module


def go(*arguments: str, seconds: float = 600) -> str:
    """What a command of Go printed.

    Raises:
        ClusterError: there is no Go, or it failed.
    """
    if shutil.which("go") is None:
        raise ClusterError("needs Go (https://go.dev/dl), the version that go.mod names or newer")
    try:
        done = subprocess.run(
            ["go", *arguments], cwd=HERE, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"go {arguments[0]} took longer than {seconds:.0f} s") from error
    if done.returncode != 0:
        raise ClusterError(f"go {' '.join(arguments)[:200]} failed: {done.stderr[-3000:]}")
    return done.stdout
