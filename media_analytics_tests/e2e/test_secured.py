"""`media-analytics run` on a secured event log: every process as its own user, from an empty home to checked tables.

Would catch: a right that a process, sensor or run lacks. Slow, because nothing else differs from `test_run.py`.
"""

import os
from collections.abc import Iterator

import pytest

from media_analytics.local.stack_variables import read_stack_environment
from media_analytics.settings import load_settings
from media_analytics_tests.benchmarks.path import Platform

LINES = 500

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    environ = {
        k: v for k, v in os.environ.items() if not k.startswith("MEDIA_ANALYTICS_") or k.endswith("_CACHE")
    }
    started = Platform(tmp_path_factory.mktemp("secured"), environ, lines=LINES)
    try:
        started.command("up", "--ports", "free", "--secure")
        yield started
    finally:
        started.command("down")


def test_every_line_is_in_every_store_and_every_check_passed(platform: Platform) -> None:
    settings = load_settings(read_stack_environment(platform.folder / "home" / "stack.env"))
    assert settings.kafka.security_protocol == "SASL_SSL"
    report = platform.run()
    figures = {figure.name: figure.value for figure in report.figures}
    accepted = f"{report.sent['accepted']:,}"
    stores = ("user.raw", "user.latest", "realtime.user_events", "bronze.user_events", "silver.events")
    assert {store: figures[store] for store in stores} == dict.fromkeys(stores, accepted)
    assert figures["missing, both stores"] == "0"
    passed, _, total = figures["asset checks passed"].partition(" of ")
    assert passed == total
    assert "answers operator" in platform.command("doctor")
    log = (platform.folder / "home" / "logs" / "kafka.log").read_text("utf-8")
    assert "is Denied" not in log
