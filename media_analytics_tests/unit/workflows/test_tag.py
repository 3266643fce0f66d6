"""`make ci-tag`: which images a workflow deploys. Production gets what uat has had."""

import os
import subprocess
from pathlib import Path

import pytest

from media_analytics_tests.conventions.source import ROOT

SCRIPT = ROOT / "docker" / "tag.sh"


def _git(folder: Path, *arguments: str) -> str:
    author = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", *author, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def _tag(folder: Path, tag: str = "") -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"TAG": tag}
    return subprocess.run([SCRIPT], cwd=folder, env=environ, capture_output=True, text=True, check=False)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What a workflow has: main is one commit ahead of release/1, each pushed."""
    origin = tmp_path / "origin"
    origin.mkdir()
    _git(origin, "init", "-q", "-b", "release/1")
    _git(origin, "commit", "-q", "--allow-empty", "-m", "released")
    _git(origin, "checkout", "-q", "-b", "main")
    _git(origin, "commit", "-q", "--allow-empty", "-m", "newer")
    _git(tmp_path, "clone", "-q", str(origin), "clone")
    return tmp_path / "clone"


def test_a_push_deploys_its_own_commit(clone: Path) -> None:
    assert _tag(clone).stdout == f"tag={_git(clone, 'rev-parse', 'HEAD')}\n"


def test_a_commit_that_uat_has_had_goes_on(clone: Path) -> None:
    """Images have the whole hash as their tag, however short it was given."""
    released = _git(clone, "rev-parse", "origin/release/1")
    assert _tag(clone, released).stdout == _tag(clone, released[:10]).stdout == f"tag={released}\n"


def test_a_commit_that_uat_has_not_had_is_refused(clone: Path) -> None:
    newer = _git(clone, "rev-parse", "HEAD")
    done = _tag(clone, newer)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{newer} is on no branch release/*" in done.stderr


@pytest.mark.parametrize("tag", ["0" * 40, "v1", "x\ntag=latest"])
def test_what_is_no_commit_is_refused(clone: Path, tag: str) -> None:
    """Also words that would write an output of their own."""
    done = _tag(clone, tag)
    assert (done.returncode, done.stdout) == (1, "")
    assert "names no commit" in done.stderr
