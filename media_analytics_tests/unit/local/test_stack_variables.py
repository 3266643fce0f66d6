"""Where a command finds its settings."""

from pathlib import Path

import pytest

from media_analytics.local.stack_variables import command_environment, write_stack_environment


def test_in_a_container_the_home_is_a_setting(tmp_path: Path) -> None:
    """There no stack was ever started: without this, migrations of an installation lacked their home and failed."""
    environ = {"MEDIA_ANALYTICS_HOME": str(tmp_path), "MEDIA_ANALYTICS_ENVIRONMENT": "qa", "PATH": "/bin"}
    assert command_environment(environ) == {
        "MEDIA_ANALYTICS_HOME": str(tmp_path),
        "MEDIA_ANALYTICS_ENVIRONMENT": "qa",
    }


def test_on_a_laptop_the_stack_says_its_home(tmp_path: Path) -> None:
    write_stack_environment(
        tmp_path / "stack.env", {"MEDIA_ANALYTICS_HOME": "/stack", "MEDIA_ANALYTICS_LAKE__URL": "/lake"}
    )
    environ = {"MEDIA_ANALYTICS_HOME": str(tmp_path), "MEDIA_ANALYTICS_LAKE__URL": "/other"}
    assert command_environment(environ) == {
        "MEDIA_ANALYTICS_HOME": "/stack",
        "MEDIA_ANALYTICS_LAKE__URL": "/other",
    }


def test_where_nothing_is_said_nothing_is_made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert command_environment({"PATH": "/bin", "HOME": str(tmp_path)}) == {}
