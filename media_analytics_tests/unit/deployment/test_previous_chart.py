"""Which chart `make test-kubernetes` upgrades from, and which kinds of operators it can have."""

import subprocess
from pathlib import Path

import pytest
import yaml

from media_analytics_tests.builders.chart import FOLDER
from media_analytics_tests.conventions.source import ROOT
from media_analytics_tests.kubernetes.chart import KINDS, previous_chart
from media_analytics_tests.kubernetes.programs import ClusterError


def _write(repository: Path, version: str, values: str) -> None:
    chart = repository / FOLDER.relative_to(ROOT)
    chart.mkdir(parents=True, exist_ok=True)
    (chart / "Chart.yaml").write_text(f"version: {version}\n")
    (chart / "values.yaml").write_text(values)


def _commit(repository: Path) -> None:
    author = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    for arguments in (("init", "-q"), ("add", "."), (*author, "commit", "-q", "-m", "change")):
        subprocess.run(["git", *arguments], cwd=repository, check=True)


def test_the_previous_chart_is_the_newest_of_another_version(tmp_path: Path) -> None:
    """The one before the last commit would often be the same version, and the first one is not what users have."""
    repository = tmp_path / "repository"
    for version, values in (("0.1.0", "first"), ("0.1.0", "last"), ("0.2.0", "new")):
        _write(repository, version, values)
        _commit(repository)
    _write(repository, "0.2.0", "not committed")
    chart, version = previous_chart(repository, tmp_path / "found")
    assert (version, (chart / "values.yaml").read_text()) == ("0.1.0", "last")
    _write(repository, "0.3.0", "not committed")
    chart, version = previous_chart(repository, tmp_path / "newer")
    assert (version, (chart / "values.yaml").read_text()) == ("0.2.0", "new")


def test_a_history_without_another_version_is_refused(tmp_path: Path) -> None:
    _write(tmp_path, "0.1.0", "first")
    _commit(tmp_path)
    with pytest.raises(ClusterError, match="unshallow"):
        previous_chart(tmp_path, tmp_path / "found")


def test_kinds_are_of_operators_that_the_chart_names() -> None:
    """A name with a slip would only say that these kinds are not checked."""
    listed = yaml.safe_load((FOLDER / "files" / "operators.yaml").read_text("utf-8"))
    assert set(KINDS) < {one["name"] for one in listed}
