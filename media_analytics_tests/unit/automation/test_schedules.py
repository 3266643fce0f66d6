"""A schedule says what it does in every environment, or nothing loads."""

from collections.abc import Mapping
from typing import get_args

import pytest

from media_analytics.automation import schedules
from media_analytics.errors import SettingsError
from media_analytics.settings import Environment


@pytest.mark.parametrize("name", schedules.CRONS)
@pytest.mark.parametrize("environment", get_args(Environment))
def test_every_schedule_names_every_environment(name: str, environment: Environment) -> None:
    schedules.cron_of(name, environment)


def test_a_schedule_without_an_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    partial: Mapping[str, Mapping[Environment, str | None]] = {"nightly": {"dev": None, "prod": "0 3 * * *"}}
    monkeypatch.setattr(schedules, "CRONS", partial)
    with pytest.raises(SettingsError, match="qa, uat"):
        schedules.cron_of("nightly", "dev")
