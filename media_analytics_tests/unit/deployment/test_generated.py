"""What is generated for the chart is what environments, contracts and settings model say."""

import json

import pytest
import yaml

from media_analytics.contracts.registry import TOPICS
from media_analytics.deployment.chart import ROOT, chart_files, platform
from media_analytics.environments.operations import Environment
from media_analytics.environments.reading import declared, operations_of
from media_analytics.local.services import SERVICES
from media_analytics.migrations import access
from media_analytics_tests.builders.chart import ENVIRONMENTS, FOLDER


def test_no_generated_file_is_stale() -> None:
    """A changed contract, setting or environment that nobody brought into the chart."""
    stale = [p.as_posix() for p, text in chart_files().items() if (ROOT / p).read_text("utf-8") != text]
    assert stale == [], "run `media-analytics deployment chart`"


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_values_say_what_the_environment_says(name: Environment) -> None:
    """Spelled out beside the generator, so that one which compares nothing is found."""
    values = yaml.safe_load((FOLDER / f"values-{name}.yaml").read_text("utf-8"))
    said, cluster = declared(name), operations_of(name).cluster
    assert values["environment"] == said["environment"] == name
    assert values["settings"]["kafka"]["replication_factor"] == said["kafka"]["replication_factor"]
    assert values["kafka"]["brokers"]["replicas"] >= said["kafka"]["replication_factor"]
    assert values["settings"]["kafka"].get("security_protocol") == said["kafka"].get("security_protocol")
    assert values["settings"]["clickhouse"]["variant"] == said.get("clickhouse", {}).get("variant", "plain")
    assert values["sparkConnect"]["executors"] == {"min": cluster.min_workers, "max": cluster.max_workers}
    assert values["postgresql"]["backup"]["enabled"] is (name in ("uat", "prod"))
    runs = {"dev": 2, "qa": 4, "uat": 4, "prod": 12}
    assert values["settings"]["automation"]["max_concurrent_runs"] == runs[name]


def test_topics_and_users_are_those_of_the_contracts() -> None:
    """A topic without its partitions, a right that the contracts do not give, an admin with some rights only."""
    found = platform()
    assert {n: t["partitions"] for n, t in found["topics"].items()} == {
        t.name: t.partitions for t in TOPICS.values()
    }
    assert {t["config"]["message.timestamp.type"] for t in found["topics"].values()} == {"LogAppendTime"}
    assert set(found["users"]) == {*access.users(), "admin"}
    assert found["users"]["admin"] == []
    rights = {
        (user, operation, acl["resource"]["name"], acl["resource"]["patternType"])
        for user, acls in found["users"].items()
        for acl in acls
        for operation in acl["operations"]
    }
    assert ("enricher", "Write", "enricher-", "prefix") in rights
    assert ("dagster", "DescribeConfigs", "user.raw", "literal") in rights
    assert ("dashboard", "Read", "user.raw", "literal") not in rights
    assert len(rights) == len(access.grants())


def test_secrets_are_named_and_the_schema_knows_none_of_them() -> None:
    """A secret in the values would stand in the release's history."""
    found = platform()["secrets"]
    needed = {name.removeprefix("MEDIA_ANALYTICS_") for name, is_needed in found.items() if is_needed}
    assert {"CLICKHOUSE__PASSWORD", "PRIVACY__VISITOR_KEYS", "COLLECTOR__KEYS", "DASHBOARD__TOKEN"} <= needed
    assert not any("KAFKA" in name for name in found), "users of the event log have Secrets of their own"
    schema = json.loads((FOLDER / "values.schema.json").read_text("utf-8"))
    settings = {
        n.removeprefix("settings."): d for n, d in schema["$defs"].items() if n.startswith("settings.")
    }
    assert "password" not in settings["ClickHouse"]["properties"]
    assert "keys" not in settings["Collector"]["properties"]
    assert "users" not in settings["Kafka"]["properties"]
    assert settings["Privacy"]["properties"] == {}
    assert "variant" in settings["ClickHouse"]["properties"]


def test_processes_are_started_as_the_local_stack_starts_them() -> None:
    """A renamed module or user would leave a pod that cannot start, or that Kafka refuses."""
    processes = yaml.safe_load((FOLDER / "files" / "processes.yaml").read_text("utf-8"))
    local = {s.name: s for s in SERVICES if s.module and s.name != "clickhouse"}
    assert set(processes) == set(local)
    for name, process in processes.items():
        assert process["command"] == ["python", "-m", local[name].module]
        assert process.get("kafkaUser") == local[name].kafka_user
