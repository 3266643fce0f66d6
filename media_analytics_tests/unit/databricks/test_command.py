"""`media-analytics databricks`: what Databricks' own command is called with, in a real process."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from media_analytics_tests.conventions.source import ROOT

# Writes down how it was called, and ends as it is told to.
_RECORDER = """#!{python}
import json, os, sys
with open({log!r}, "a") as log:
    log.write(json.dumps({{"arguments": sys.argv[1:], "folder": os.getcwd()}}) + "\\n")
sys.exit({code})
"""
VALUES = {
    "BUNDLE_VAR_slack_destination": "4f0a",
    "BUNDLE_VAR_service_principal": "9c0b",
    "BUNDLE_VAR_key_vault_id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v",
    "BUNDLE_VAR_key_vault_dns": "https://v.vault.example.org/",
}


class Recorder:
    """A program named `databricks` on PATH."""

    def __init__(self, folder: Path, code: int = 0) -> None:
        self.folder, self.log = folder / "bin", folder / "calls"
        self.folder.mkdir()
        program = self.folder / "databricks"
        program.write_text(_RECORDER.format(python=sys.executable, log=str(self.log), code=code), "utf-8")
        program.chmod(0o755)

    def calls(self) -> list[list[str]]:
        if not self.log.is_file():
            return []
        found = [json.loads(line) for line in self.log.read_text("utf-8").splitlines()]
        assert {call["folder"] for call in found} <= {str(ROOT)}
        return [call["arguments"] for call in found]


def call(
    path: str, *arguments: str, values: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "media_analytics.cli", "databricks", *arguments],
        env={"PATH": path} | (VALUES if values is None else values),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        input="n\n",
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["deploy", "--target", "prod"], ["bundle", "deploy", "--target", "prod"]),
        (
            ["run", "--target", "qa", "--date", "2026-03-10"],
            ["bundle", "run", "media_analytics_pipeline", "--target", "qa", "--params", "date=2026-03-10"],
        ),
        (
            ["destroy", "--target", "dev", "--yes"],
            ["bundle", "destroy", "--target", "dev", "--auto-approve"],
        ),
    ],
)
def test_the_command_is_called_in_the_bundles_folder(
    given: list[str], expected: list[str], tmp_path: Path
) -> None:
    recorder = Recorder(tmp_path)
    done = call(str(recorder.folder), *given)
    assert done.returncode == 0, done.stderr
    assert recorder.calls() == [expected]


def test_its_exit_code_is_ours(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, code=7)
    assert call(str(recorder.folder), "deploy", "--target", "dev").returncode == 7


@pytest.mark.parametrize(
    ("given", "values", "said"),
    [
        (["deploy", "--target", "staging"], VALUES, "dev, qa, uat, prod"),
        (["deploy", "--target", "prod"], {}, "BUNDLE_VAR_service_principal"),
        (["run", "--target", "dev", "--date", "yesterday"], VALUES, "2026-03-10"),
        (["destroy", "--target", "prod"], VALUES, "Aborted"),
    ],
)
def test_nothing_is_called_when_something_is_wrong(
    given: list[str], values: dict[str, str], said: str, tmp_path: Path
) -> None:
    recorder = Recorder(tmp_path)
    done = call(str(recorder.folder), *given, values=values)
    assert done.returncode == 1
    assert said in done.stderr
    assert recorder.calls() == []


def test_without_the_command_it_says_how_to_install_it(tmp_path: Path) -> None:
    done = call(str(tmp_path), "deploy", "--target", "dev")
    assert done.returncode == 1
    assert "not on PATH" in done.stderr
    assert "docs.databricks.com" in done.stderr


def test_validate_needs_neither_command_nor_values(tmp_path: Path) -> None:
    done = call(str(tmp_path), "validate", values={})
    assert done.returncode == 0, done.stderr
    assert [line.split(" is valid")[0] for line in done.stdout.splitlines() if "is valid" in line] == [
        "dev", "qa", "uat", "prod",
    ]  # fmt: skip
    assert "BUNDLE_VAR_key_vault_id" in done.stdout
