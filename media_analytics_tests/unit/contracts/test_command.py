"""`media-analytics contracts` without services: what it shows, and that stale files fail."""

import pytest
from typer.testing import CliRunner

from media_analytics.commands.contracts import app
from media_analytics.contracts.registry import TABLES, TOPICS
from media_analytics.errors import ContractError

RUNNER = CliRunner(env={"COLUMNS": "200"})


def test_list_names_every_contract() -> None:
    answer = RUNNER.invoke(app, ["list"], catch_exceptions=False)
    assert answer.exit_code == 0
    assert all(name in answer.output for name in (*TABLES, *TOPICS))


def test_show_tells_columns_rules_and_personal_data() -> None:
    answer = RUNNER.invoke(app, ["show", "user.latest"], catch_exceptions=False)
    assert answer.exit_code == 0
    assert all(name in answer.output for name in TOPICS["user.latest"].column_names)
    assert "matches ^[A-Z]{2}$" in answer.output
    assert "pseudonym" in answer.output


def test_show_of_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ContractError, match=r"no table or topic 'silver\.event'; there are .*silver\.events"):
        RUNNER.invoke(app, ["show", "silver.event"], catch_exceptions=False)


@pytest.mark.parametrize("command", ["docs", "schemas"])
def test_checked_in_files_are_fresh(command: str) -> None:
    answer = RUNNER.invoke(app, [command, "--check"], catch_exceptions=False)
    assert "up to date" in answer.output


def test_a_stale_file_fails_with_the_command_that_writes_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setattr("media_analytics.commands.generated._ROOT", tmp_path)
    with pytest.raises(ContractError, match="run `media-analytics contracts docs`"):
        RUNNER.invoke(app, ["docs", "--check"], catch_exceptions=False)
    RUNNER.invoke(app, ["docs"], catch_exceptions=False)
    answer = RUNNER.invoke(app, ["docs", "--check"], catch_exceptions=False)
    assert "4 files are up to date" in answer.output
