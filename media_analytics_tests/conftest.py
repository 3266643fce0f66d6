"""Fixtures of every test: see `services/fixtures.py`."""

pytest_plugins = ["media_analytics_tests.services.fixtures", "media_analytics_tests.services.spark_local"]
