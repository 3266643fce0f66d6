"""Profiles: what `up` starts, and what the core is made of."""

import json
from pathlib import Path

import pytest

from media_analytics.errors import MediaAnalyticsError
from media_analytics.local import home as homes
from media_analytics.local.services import NAMES, PROFILES, of_profiles
from media_analytics.local.status import never_started


def test_a_profile_adds_to_the_core_and_does_not_change_it() -> None:
    """Catches an optional service that starts with every `up`, or stands as stopped in everybody's status."""
    core = [s.name for s in of_profiles(())]
    assert len(core) == 11
    assert [s.name for s in of_profiles(("dashboard",))] == [*core, "dashboard-api", "dashboard"]
    assert [one.name for one in never_started()] == core
    assert PROFILES["core"][1] == 4 * 1024
    assert {name for names, _ in PROFILES.values() for name in names} == set(NAMES)
    with pytest.raises(MediaAnalyticsError, match="there are core, dashboard"):
        of_profiles(("dashbord",))


def test_a_home_whose_ports_are_older_than_a_service_opens(tmp_path: Path) -> None:
    """Catches `status` that ends with an error after an update."""
    homes.create(tmp_path / "home")
    (tmp_path / "home" / "ports.json").write_text(json.dumps({"kafka": 19092}))
    ports = homes.open_home(tmp_path / "home").ports
    assert ports["kafka"] == 19092
    assert ports["dashboard_api"] == homes.DEFAULT_PORTS["dashboard_api"]
