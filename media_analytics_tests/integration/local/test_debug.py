"""Debug mode on a real Spark server: its page on loopback, plans and stage times kept for each run."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from media_analytics.resources.spark import SparkConnect
from media_analytics.resources.spark_debug import folder_of
from media_analytics_tests.services.embedded import Embedded, make

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def debugged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """A Spark server of its own: the shared one has no page."""
    embedded = make(tmp_path_factory.mktemp("debug") / "home", DEBUG="true")
    try:
        embedded.start("spark")
        yield embedded
    finally:
        embedded.stop_all()


def test_the_page_is_on_loopback_only(debugged: Embedded) -> None:
    url = debugged.settings.spark.ui_url
    assert url is not None
    port = int(url.rsplit(":", 1)[1])
    # The page's first answer loads its own classes: seconds on a busy machine.
    assert httpx.get(f"{url}/api/v1/applications", timeout=60).json()
    listening = {c.laddr.ip for c in psutil.net_connections("tcp") if c.laddr and c.laddr.port == port}
    assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}


def test_each_run_keeps_its_own_plans_and_stage_times(debugged: Embedded) -> None:
    """Catches plans of another run, and a step whose failure leaves nothing to look at."""
    spark = SparkConnect(debugged.settings)
    try:
        for run in ("one", "two"):
            with spark.tagged(run, "gold.some", "2026-03-10") as session:
                assert session.sql(
                    f"SELECT id % 7 AS {run}_day, count(*) FROM range(1000) GROUP BY 1"
                ).collect()
        with pytest.raises(ZeroDivisionError), spark.tagged("failed", "gold.other") as session:
            session.sql("SELECT sum(id) AS failed_sum FROM range(10)").collect()
            raise ZeroDivisionError
    finally:
        spark.close()
    one, two = _kept(debugged, "one"), _kept(debugged, "two")
    assert one["asset"] == "gold.some"
    assert "one_day" in json.dumps(one["queries"])
    assert "two_day" not in json.dumps(one)
    assert "two_day" in json.dumps(two["queries"])
    assert all("Physical Plan" in query["planDescription"] for query in one["queries"])
    assert {job["jobId"] for job in one["jobs"]}.isdisjoint(job["jobId"] for job in two["jobs"])
    assert sum(stage["numTasks"] for stage in one["stages"]) > 0
    assert all("executorRunTime" in stage for stage in one["stages"])
    assert "failed_sum" in json.dumps(_kept(debugged, "failed"))


def _kept(debugged: Embedded, run: str) -> dict[str, Any]:
    (file,) = folder_of(debugged.settings, run).iterdir()
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return found


def test_a_page_that_does_not_answer_fails_no_run(debugged: Embedded, tmp_path: Path) -> None:
    settings = debugged.settings_with(SPARK__UI_URL="http://127.0.0.1:1", HOME=str(tmp_path / "home"))
    spark = SparkConnect(settings)
    try:
        with spark.tagged("three", "gold.some") as session:
            assert session.sql("SELECT 1 AS one").collect()
    finally:
        spark.close()
    assert not folder_of(settings, "three").exists()
