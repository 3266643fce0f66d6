"""Workflows do what a developer can do by make, with pinned actions and no more rights than they need."""

import re
import subprocess
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from media_analytics.environments.operations import Environment
from media_analytics_tests.conventions.source import ROOT

FOLDER = ROOT / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))
NAMES = [file.stem for file in FILES]
_PINNED = re.compile(r"[\w./-]+@[0-9a-f]{40}")
_MAKE = re.compile(r'make (?:-s )?([a-z-]+)(?: >> "\$GITHUB_OUTPUT")?')
RELEASE = ROOT / "helm" / "release.sh"


def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yml").read_text("utf-8"))
    return found


def _steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_the_five_workflows_are_there() -> None:
    assert NAMES == ["ci", "data-quality", "deploy", "ml-training", "pr-environment"]


@pytest.mark.parametrize("name", NAMES)
def test_each_step_is_a_make_target_or_a_pinned_action(name: str) -> None:
    """A script in a workflow can be tried nowhere else; a tag of an action can be moved by whoever owns it."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    for step in _steps(_read(name)):
        if "run" in step:
            found = _MAKE.fullmatch(step["run"])
            assert found, step["run"]
            assert found[1] in targets, step["run"]
        else:
            assert _PINNED.fullmatch(step["uses"]), step["uses"]
            if "checkout" in step["uses"]:
                assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("name", NAMES)
def test_each_workflow_is_bounded(name: str) -> None:
    """A hanging job costs six hours by default, and two deployments at once overtake each other."""
    workflow = _read(name)
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["group"]
    assert all(job["timeout-minutes"] <= 120 for job in workflow["jobs"].values())
    assert all("permissions" not in job for job in workflow["jobs"].values())


def test_the_way_to_production() -> None:
    """Each branch has one environment, with the approval rules of that environment; production is by hand."""
    jobs = _read("deploy")["jobs"]
    assert set(jobs) == {"images", *get_args(Environment)}
    way = {name: jobs[name]["if"] for name in get_args(Environment)}
    assert way == {
        "dev": "github.ref == 'refs/heads/develop' && github.event_name == 'push'",
        "qa": "github.ref == 'refs/heads/main' && github.event_name == 'push'",
        "uat": "startsWith(github.ref, 'refs/heads/release/') && github.event_name == 'push'",
        "prod": "github.event_name == 'workflow_dispatch'",
    }
    # A push has chart and images of one commit; by hand the chart would be that of the branch it is started from.
    assert jobs["prod"]["steps"][0]["with"]["ref"] == jobs["prod"]["steps"][1]["env"]["TAG"]
    for name in way:
        assert jobs[name]["environment"] == jobs[name]["steps"][1]["env"]["ENVIRONMENT"] == name
    assert [step["run"] for step in jobs["qa"]["steps"][1:]] == ["make ci-deploy", "make ci-data-quality"]


def test_a_pull_request_has_access_of_its_own_and_leaves_nothing() -> None:
    """Its workflow runs what the branch says: with dev's access it could do to dev what it liked."""
    workflow = _read("pr-environment")
    jobs = workflow["jobs"]
    assert {job["environment"] for job in jobs.values()} == {"pull-request"}
    assert "pull-request" not in get_args(Environment)
    install, remove = jobs["install"], jobs["remove"]
    namespace = install["steps"][-1]["env"]["NAMESPACE"]
    assert namespace == remove["steps"][-1]["env"]["NAMESPACE"] == "pr-${{ github.event.number }}"
    assert install["steps"][-1]["env"]["ENVIRONMENT"] == "dev"
    # Each way out of having one: closed with the label, or the label taken away. And back in: opened again.
    assert set(workflow[True]["pull_request"]["types"]) == {
        *("labeled", "synchronize", "reopened"),
        *("unlabeled", "closed"),
    }
    for action in ("unlabeled", "closed"):
        assert f"github.event.action != '{action}'" in install["if"]
        assert f"github.event.action == '{action}'" in remove["if"]


@pytest.mark.parametrize(
    "job", ["deploy images", "pr-environment install", "pr-environment remove", "data-quality report"]
)
def test_a_repository_without_a_registry_deploys_and_asks_nothing(job: str) -> None:
    """A fork would be red every day."""
    workflow, name = job.split()
    assert _read(workflow)["jobs"][name]["if"].startswith("vars.REGISTRY != ''")


def test_quality_is_asked_of_every_environment_every_day() -> None:
    workflow = _read("data-quality")
    # YAML 1.1 reads the key `on` as true.
    assert workflow[True]["schedule"] == [{"cron": "30 5 * * *"}]
    matrix = workflow["jobs"]["report"]["strategy"]
    assert set(matrix["matrix"]["environment"]) == set(get_args(Environment))
    assert matrix["fail-fast"] is False
    assert _read("ml-training")[True]["schedule"] == [{"cron": "0 3 * * 1"}]


@pytest.mark.parametrize(
    ("action", "environ", "says"),
    [
        ("remove", {"NAMESPACE": "analytics"}, "no namespace of a pull request"),
        ("remove", {}, "no namespace of a pull request"),
        ("install", {"TAG": "1"}, "set ENVIRONMENT to dev, qa, uat or prod"),
        ("install", {"ENVIRONMENT": "qa"}, "set TAG"),
        ("install", {"ENVIRONMENT": "qa", "TAG": "1"}, "set SITE_VALUES"),
        ("promote", {}, "expected install, remove, data-quality or secrets"),
    ],
)
def test_the_script_refuses_before_it_touches_anything(
    action: str, environ: dict[str, str], says: str, tmp_path: Path
) -> None:
    """Above all: an environment is not removed by a pull request. No program that could do it is on the path."""
    for name in ("mktemp", "dirname", "rm", "mkdir"):
        program = Path("/usr/bin", name)
        (tmp_path / name).symlink_to(program if program.exists() else Path("/bin", name))
    (tmp_path / "tmp").mkdir()
    environment = environ | {"PATH": str(tmp_path), "TMPDIR": str(tmp_path / "tmp")}
    done = subprocess.run(
        ["/bin/sh", RELEASE, action], env=environment, capture_output=True, text=True, check=False
    )
    assert says in done.stderr
    assert done.returncode > 0
    assert list((tmp_path / "tmp").iterdir()) == [], "a file with credentials stayed behind"
