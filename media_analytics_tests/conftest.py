"""Fixtures of every test: see `services/fixtures.py`."""

from hypothesis import settings

pytest_plugins = [
    "media_analytics_tests.services.fixtures",
    "media_analytics_tests.services.spark_local",
    "media_analytics_tests.services.sharing",
]
# How long an example takes depends on what else the machine does.
settings.register_profile("media_analytics", deadline=None)
settings.load_profile("media_analytics")
