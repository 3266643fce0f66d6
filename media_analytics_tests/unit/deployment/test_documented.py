"""What README and docs/deployment.md tell people to type: files, values and targets that are there."""

import re
from pathlib import Path

import pytest
import yaml

from media_analytics.environments.reading import merge
from media_analytics_tests.builders.chart import ENVIRONMENTS, FOLDER, needs_helm, pods, render
from media_analytics_tests.conventions.source import ROOT

README, DEPLOYMENT = ROOT / "README.md", ROOT / "docs" / "deployment.md"
_BLOCK = re.compile(r"```(?:sh|yaml)\n(.*?)```", re.S)


def _blocks(page: Path) -> list[str]:
    return _BLOCK.findall(page.read_text("utf-8"))


def _ways() -> str:
    """The section of README with the three ways to run."""
    return README.read_text("utf-8").split("## Three ways to run it")[1].split("\n## ")[0]


def test_there_are_three_ways_and_each_is_one_command() -> None:
    blocks = _BLOCK.findall(_ways())
    assert [block.split()[:2] for block in blocks] == [
        ["make", "run"],
        ["make", "compose-env"],
        ["helm", "install"],
    ]
    assert all(len(block.splitlines()) == 1 for block in blocks)


@pytest.mark.parametrize("page", [README, DEPLOYMENT], ids=["README", "deployment"])
def test_files_that_commands_name_are_there(page: Path) -> None:
    """`site.yaml` is the reader's own, `docker/.env` is written by `make compose-env`."""
    words = [word for block in _blocks(page) for word in re.findall(r"(?:docker|helm)/[\w./-]+", block)]
    assert "docker/compose.yaml" in words
    assert "helm/media-analytics/values-qa.yaml" in words
    assert [word for word in words if not (ROOT / word).exists() and word != "docker/.env"] == []


@needs_helm
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_documented_values_are_all_that_an_installation_must_say(environment: str) -> None:
    """Would catch a value that became required and that nobody wrote down."""
    (site,) = [block for block in _blocks(DEPLOYMENT) if block.startswith("# site.yaml")]
    given = yaml.safe_load((FOLDER / f"values-{environment}.yaml").read_text("utf-8"))
    merge(given, yaml.safe_load(site))
    assert {"Deployment/ma-collector", "Deployment/ma-dagster-daemon"} <= {
        where for where, _ in pods(render(given))
    }
