"""`media-analytics config`: what is shown, where it comes from, what is missing; no secret is shown."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from media_analytics.environments import listing, reading
from media_analytics.environments.operations import Environment
from media_analytics.environments.reading import from_variables
from media_analytics.errors import SettingsError
from media_analytics_tests.builders import settings as builder

SECRETS = {
    "CLICKHOUSE__PASSWORD": "hidden-1",
    "PRIVACY__IMPORT_KEY": "hidden-2",
    "PRIVACY__VISITOR_KEYS": '[{"valid_from": "2026-01-01", "key": "hidden-3"}]',
    "KAFKA__USERS__ADMIN__USERNAME": "admin",
    "KAFKA__USERS__ADMIN__PASSWORD": "hidden-4",
    "CHANNELS__SLACK_WEBHOOK": "https://hooks.example.org/hidden-5",
    "REGISTRY__URL": "https://user:hidden-6@registry.example.org",
    "COLLECTOR__KEYS": '[{"key": "hidden-7", "kind": "server"}]',
    "CHANNELS__SMTP": '{"host": "h", "sender": "a@example.org", "username": "u", "password": "hidden-8"}',
}


def _variables(folder: Path, **more: str) -> dict[str, str]:
    return builder.variables(folder) | {f"MEDIA_ANALYTICS_{name}": value for name, value in more.items()}


def test_no_secret_is_shown_and_everything_else_is(tmp_path: Path) -> None:
    """Catches a secret in a list, in a map, in an address, or in an optional section."""
    found = {entry.name: entry for entry in listing.entries("dev", _variables(tmp_path, **SECRETS))}
    text = json.dumps([vars(entry) for entry in found.values()])
    assert "hidden" not in text
    assert "visitor-key" not in text
    assert found["clickhouse.password"].value == listing.REDACTED
    assert found["registry.url"].value == "https://***@registry.example.org"
    assert found["privacy.visitor_keys"].value == [{"valid_from": "2026-01-01", "key": listing.REDACTED}]
    assert found["kafka.users"].value == {"admin": {"username": "admin", "password": listing.REDACTED}}
    assert found["channels.smtp.host"].value == "h"
    assert found["channels.smtp.password"].value == listing.REDACTED


def test_a_secret_in_the_wrong_shape_is_not_shown_either(tmp_path: Path) -> None:
    wrong = _variables(tmp_path, PRIVACY__VISITOR_KEYS='{"key": "hidden"}', CLICKHOUSE__PASSWORD='["hidden"]')
    assert "hidden" not in json.dumps([vars(entry) for entry in listing.entries("dev", wrong)])
    assert "hidden" not in "".join(listing.faults("dev", wrong))


def test_each_value_names_where_it_comes_from(tmp_path: Path) -> None:
    found = {e.name: e.source for e in listing.entries("qa", _variables(tmp_path))}
    assert found["operations.pipeline.retries"] == "qa.toml"
    assert found["history_start"] == "base.toml"
    assert found["spark.cores"] == "default"
    assert found["kafka.bootstrap_servers"] == "MEDIA_ANALYTICS_KAFKA__BOOTSTRAP_SERVERS"
    assert {e.name: e.source for e in listing.entries("qa", {})}["kafka.bootstrap_servers"] == "missing"


def test_what_is_missing_is_named_with_its_variable_down_to_the_single_value() -> None:
    found = "\n".join(listing.faults("prod", {}))
    assert "MEDIA_ANALYTICS_REGISTRY__URL: is missing" in found
    assert (
        "MEDIA_ANALYTICS_PRIVACY__VISITOR_KEYS: is missing; set this variable, or the same with _FILE"
        in found
    )


def test_outside_a_laptop_somebody_must_be_told(tmp_path: Path) -> None:
    keys = '[{"key": "k", "kind": "server"}]'
    away = _variables(tmp_path, LOCAL="false", COLLECTOR__KEYS=keys)
    (line,) = listing.faults("dev", away)
    for name in ("CHANNELS__SMTP", "CHANNELS__SLACK_WEBHOOK", "CHANNELS__RUNBOOKS_URL"):
        assert f"MEDIA_ANALYTICS_{name}" in line
    told = {
        "CHANNELS__SMTP__HOST": "mail.example.org",
        "CHANNELS__SMTP__SENDER": "platform@example.org",
        "CHANNELS__SLACK_WEBHOOK": "https://hooks.example.org/x",
        "CHANNELS__RUNBOOKS_URL": "https://wiki.example.org/runbooks",
    }
    assert listing.faults("dev", _variables(tmp_path, LOCAL="false", COLLECTOR__KEYS=keys, **told)) == []


def test_a_daily_run_needs_a_folder(tmp_path: Path) -> None:
    daily = _variables(tmp_path, OPERATIONS__PIPELINE__SCHEDULE="0 1 * * *")
    (line,) = listing.faults("dev", daily)
    assert "MEDIA_ANALYTICS_VIDEO__LANDING" in line
    assert listing.faults("dev", daily | {"MEDIA_ANALYTICS_VIDEO__LANDING": "/landing"}) == []


@pytest.mark.parametrize(
    "smtp",
    [
        '{"host": "h", "sender": "a@b.org", "username": "u"}',
        '{"host": "h", "sender": "a@b.org", "username": "u", "password": "p", "encryption": "none"}',
    ],
)
def test_a_password_is_neither_left_out_nor_sent_in_plain_text(smtp: str, tmp_path: Path) -> None:
    assert len(listing.faults("dev", _variables(tmp_path, CHANNELS__SMTP=smtp))) == 1


@pytest.mark.parametrize("environment", ["dev", "qa", "uat", "prod"])
def test_files_of_every_environment_are_valid(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert listing.declared_faults(environment) == []
    files = reading.declared(environment)
    del files["operations"]["health"]
    monkeypatch.setattr(reading, "declared", lambda _: files)
    (line,) = listing.declared_faults(environment)
    assert "OPERATIONS__HEALTH__LONGEST_RUN_MINUTES: is missing" in line


def test_differences_are_those_of_the_files() -> None:
    found = {a.name: (a.value, b.value) for a, b in listing.differences("prod", "dev")}
    assert found["operations.pipeline.timeout_minutes"] == (240, 60)
    assert "operations.health.longest_run_minutes" not in found
    assert listing.differences("uat", "uat") == []


def test_variables_that_contradict_or_are_no_json_say_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="MEDIA_ANALYTICS_BRANDS starts like a JSON"):
        from_variables({"MEDIA_ANALYTICS_BRANDS": "{oops"})
    with pytest.raises(SettingsError, match="MEDIA_ANALYTICS_LAKE__URL sets a part"):
        from_variables({"MEDIA_ANALYTICS_LAKE": "x", "MEDIA_ANALYTICS_LAKE__URL": "y"})
    with pytest.raises(SettingsError, match="CLICKHOUSE__PASSWORD_FILE names a file that cannot be read"):
        from_variables({"MEDIA_ANALYTICS_CLICKHOUSE__PASSWORD_FILE": str(tmp_path / "none")})


def _config(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "MEDIA_ANALYTICS_HOME": str(folder / "none")}
    return subprocess.run(
        [sys.executable, "-m", "media_analytics.cli", "config", *arguments],
        env=environment | {f"MEDIA_ANALYTICS_{name}": value for name, value in variables.items()},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_shows_and_refuses(tmp_path: Path) -> None:
    """Catches variables of one environment that are taken for another's, and an exit code of 0 for what is missing."""
    shown = _config(tmp_path, "show", "qa", "--json", ENVIRONMENT="prod", LAKE__URL="s3a://prod")
    assert "of prod" in shown.stderr
    assert {e["name"]: e["value"] for e in json.loads(shown.stdout)}["lake.url"] == "/mnt/qa/media_analytics"
    refused = _config(tmp_path, "validate", "qa")
    assert refused.returncode == 1
    assert "MEDIA_ANALYTICS_SPARK__REMOTE" in refused.stderr
    unknown = _config(tmp_path, "diff", "staging")
    assert unknown.returncode == 1
    assert "dev, qa, uat, prod" in unknown.stderr
