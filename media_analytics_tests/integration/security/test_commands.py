"""What people use beside the services works on a secured event log: live SQL, dashboard, `trace`, `doctor`."""

import json
import os
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from media_analytics.cli import app
from media_analytics.commands.trace_places import trace
from media_analytics.local import doctor
from media_analytics.local.kafka_mode import KafkaMode
from media_analytics.settings import Settings, environment_variables
from media_analytics_tests.builders.latest import Latest
from media_analytics_tests.builders.streams import Raw, raw_event
from media_analytics_tests.integration.dashboard.planted import Api
from media_analytics_tests.integration.live.statement import Live
from media_analytics_tests.integration.security.conftest import Secured
from media_analytics_tests.services.embedded import Embedded, wait_until

pytestmark = pytest.mark.integration


@pytest.fixture
def shell(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> Secured:
    """A shell whose working home is the secured one."""
    for name in [name for name in os.environ if name.startswith("MEDIA_ANALYTICS_")]:
        if not name.endswith("_CACHE"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MEDIA_ANALYTICS_HOME", str(secured.stack.home.path))
    return secured


def _as(secured: Secured, user: str) -> Settings:
    return secured.stack.settings.model_copy(update={"kafka": secured.as_user(user)})


def _now() -> int:
    return int(datetime.now(UTC).timestamp()) * 1_000_000


def test_live_sql_reads_a_secured_topic(secured: Secured, spark: Embedded) -> None:
    """Would catch a Spark server that asks the log as nobody, a user without its group, a password in a log."""
    own = {name: value for name, value in spark.environment.items() if "_SPARK__" in name}
    live = Live(secured.stack.environment | own, "SELECT event_id, brand FROM user.latest")
    try:
        live.wait_started()
        latest = Latest(_as(secured, "enricher"))
        latest.send(range(700, 703), occurred_at=_now())
        wait_until(lambda: len(live.rows) == 3, 60, lambda: f"{live.rows} {live.said}")
        assert {row["event_id"] for row in live.rows} == {event_id for _, _, event_id in latest.sent}
    finally:
        live.close()
    password = secured.as_user("operator").sasl_password
    assert password is not None
    assert password.get_secret_value() not in spark.home.log_file("spark").read_text("utf-8", "replace")


@pytest.fixture(scope="module")
def api(secured: Secured) -> Iterator[Api]:
    secured.stack.start("dashboard-api")
    with Api(secured.stack.settings) as made:
        yield made
    secured.stack.stop("dashboard-api")


def test_the_dashboard_shows_the_topics_it_may_read_and_says_which_it_may_not(
    secured: Secured, api: Api
) -> None:
    """Would catch a dashboard that sees no offsets, no groups or no messages, and one that reads full addresses."""
    placed = Raw(_as(secured, "collector")).send([raw_event(801)], partition=3)
    latest = Latest(_as(secured, "enricher"))
    latest.send(range(801, 802))
    topics = {topic["name"]: topic for topic in api.get_fresh("/v1/streams/topics")["items"]}
    assert set(topics) == set(secured.ends())
    assert topics["user.raw"]["partitions"][3]["end"] == placed[0].offset + 1
    assert api.get("/v1/streams/topics/user.latest/schemas")["versions"] != []
    assert isinstance(api.get("/v1/streams/groups")["items"], list)
    page = api.get("/v1/streams/topics/user.latest/messages", partition=801 % 6, limit=1)
    assert page["items"][0]["value"]["event_id"] == latest.sent[0][2]
    refused = api.http.get("/v1/streams/topics/user.raw/messages", params={"partition": 3})
    assert refused.status_code == 403, refused.text
    assert "may not read user.raw" in refused.json()["detail"]


def test_trace_finds_an_event_in_the_topic_that_only_the_admin_reads(shell: Secured) -> None:
    """Would catch a search as the operator, who may not read `user.raw`."""
    event_id = str(uuid.uuid4())
    placed = Raw(_as(shell, "collector")).send([raw_event(1, event_id=event_id)], partition=1)[0]
    result = CliRunner().invoke(app, ["trace", event_id, "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["unanswered"] == []
    assert [(p["name"], p["partition"], p["offset"]) for p in found["places"]] == [
        ("user.raw", placed.partition, placed.offset)
    ]
    assert found["stopped"] != []


def test_trace_without_the_admin_names_the_topic_it_may_not_read_and_searches_the_others(
    secured: Secured,
) -> None:
    """Would catch a search that ends at `user.raw` where a shell has no admin, as on a publisher's own cluster."""
    latest = Latest(_as(secured, "enricher"))
    latest.send(range(811, 812))
    (partition, _, event_id) = latest.sent[0]
    found = trace(_as(secured, "operator"), event_id, lambda topic, done, total: None)
    assert [(place.name, place.facts["partition"]) for place in found.places] == [("user.latest", partition)]
    (refused,) = found.unanswered
    assert "reading user.raw is refused" in refused


def test_doctor_says_whether_a_secured_log_elsewhere_lets_the_shell_in(
    secured: Secured, make_embedded: Callable[..., Embedded]
) -> None:
    """Would catch a doctor that finds everything in order, or hangs, where every command would be refused."""
    own = make_embedded("plain")
    operator = secured.as_user("operator")
    assert operator.sasl_password is not None
    elsewhere = environment_variables(
        {
            "home": own.home.path,
            "kafka": {
                "bootstrap_servers": operator.bootstrap_servers,
                "security_protocol": "SASL_SSL",
                "ssl_ca_location": operator.ssl_ca_location,
                "sasl_username": "operator",
                "sasl_password": operator.sasl_password.get_secret_value(),
            },
        }
    )
    [found] = doctor.event_log(own.home.path, elsewhere, KafkaMode())
    assert (found.level, found.found.endswith("answers operator")) == ("ok", True), found
    for name, value, reason in (
        ("SASL_PASSWORD", "wrong", "SASL authentication"),
        ("SECURITY_PROTOCOL", "PLAINTEXT", "wants TLS"),
    ):
        began = time.monotonic()
        wrong = elsewhere | {f"MEDIA_ANALYTICS_KAFKA__{name}": value}
        [found] = doctor.event_log(own.home.path, wrong, KafkaMode())
        assert (found.level, reason in found.found) == ("failed", True), found
        assert time.monotonic() - began < 5
