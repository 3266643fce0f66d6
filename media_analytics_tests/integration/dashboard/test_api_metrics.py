"""The API's metrics, from the real stores, have the names and labels that alarms and dashboards are checked against."""

import re
from typing import Any

import httpx
import pytest

from media_analytics.dashboard.reading.metrics import METRICS, UP
from media_analytics_tests.integration.dashboard.planted import Api, Planted, minute_ago

pytestmark = pytest.mark.integration
_SAMPLE = re.compile(r"(?P<name>[a-z_]+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
# No Dagster runs here.
SILENT = {"checks", "daemons"}


def _samples(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        sample = _SAMPLE.fullmatch(line)
        assert sample, line
        pairs = dict(re.findall(r'(\w+)="([^"]*)"', sample["labels"] or ""))
        assert tuple(pairs) == METRICS[sample["name"]].labels, line
        found.setdefault(sample["name"], {})[tuple(pairs.values())] = float(sample["value"])
    return found


def test_metrics_say_what_the_stores_hold(api: Api, planted: Planted, sent: list[Any], group: str) -> None:
    """Catches a lag of another group, a store's missing messages added to the other's, a metric without samples."""
    planted.proofs(
        {"partition": 1, "minute": minute_ago(10), "lake_count": 97, "lake_distinct": 97, "missing_lake": 3}
    )
    api.get_fresh("/v1/completeness")
    answer = api.http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = _samples(answer.text)
    assert {name for (name,), up in found[UP].items() if not up} == SILENT
    from_dagster = {"platform_check_failed", "platform_daemon_heartbeat_age_seconds"}
    assert set(METRICS) - set(found) == from_dagster
    last = max(placed.offset for placed in sent)
    lag = found["platform_consumer_lag_messages"][(group, "user.raw")]
    assert lag == last + 1 - sent[2].offset
    assert found["platform_topic_end_offset_total"][("user.raw",)] >= last + 1
    assert found["platform_completeness_missing_messages"][("user.raw", "lake")] == 3
    assert found["platform_completeness_missing_messages"][("user.raw", "realtime")] == 0
    assert 0 < found["platform_completeness_judged_age_seconds"][("user.raw", "lake")] < 3600
    assert 0 <= found["platform_table_age_seconds"][("ops.completeness",)] < 600
    assert found["platform_table_age_limit_seconds"][("ops.completeness",)] == 2700
    assert 0 < found["platform_disk_free_ratio"][()] <= 1


def test_a_scraper_that_knows_the_number_of_a_pod_brings_the_token(api: Api) -> None:
    """Prometheus asks pods by number, so their name cannot guard these numbers; everything else keeps both guards."""
    elsewhere = {"Host": "10.1.2.3:8090"}
    assert api.http.get("/metrics", headers=elsewhere).status_code == 200
    assert api.http.get("/v1/freshness", headers=elsewhere).status_code == 403
    with httpx.Client(base_url=api.url, trust_env=False) as stranger:
        assert stranger.get("/metrics").status_code == 401
        assert stranger.get("/metrics", headers=elsewhere).status_code == 403
        wrong = elsewhere | {"Authorization": "Bearer wrong"}
        assert stranger.get("/metrics", headers=wrong).status_code == 403
