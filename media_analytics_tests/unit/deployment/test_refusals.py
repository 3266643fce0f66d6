"""Values that would make a broken or unsafe installation are refused, with the reason."""

from typing import Any

import pytest

from media_analytics_tests.builders.chart import ELSEWHERE, INSTALLATION, needs_helm, render, values

pytestmark = needs_helm


def nested(path: str, value: Any) -> dict[str, Any]:
    """`nested("a.b", 1)` is `{"a": {"b": 1}}`."""
    head, _, rest = path.partition(".")
    return {head: nested(rest, value) if rest else value}


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("environment", "production", "'dev', 'qa', 'uat', 'prod'"),
        ("environment", "", "/environment"),
        ("enviroment", "qa", "enviroment"),
        ("secrets.name", "", "/secrets/name"),
        ("secrets.password", "hunter2", "password"),
        ("images.registry", "", "/images/registry"),
        ("images.tag", "latest", "/images/tag"),
        ("buckets.lake", "", "/buckets/lake"),
        ("settings.clickhouse.password", "hunter2", "password"),
        ("settings.privacy.import_key", "hunter2", "import_key"),
        ("settings.collector.keys", [{"key": "k", "kind": "server"}], "keys"),
        ("settings.collector.max_items", 0, "/settings/collector/max_items"),
        ("settings.colector.max_items", 10, "colector"),
        ("settings.local", True, "local"),
        ("settings.lake.url", "/mnt/lake", "/settings/lake/url"),
        ("settings.operations.pipeline.retries", 11, "/settings/operations/pipeline/retries"),
        ("settings.channels.runbooks_url", "", "channels.runbooks_url"),
        ("settings.channels.smtp.host", "", "channels.smtp"),
        ("settings.video.landing", "", "settings.video.landing"),
        ("dagsterDaemon.replicaCount", 2, "replicaCount"),
        ("sink.replicaCount", 2, "replicaCount"),
        ("stream.replicaCount", 2, "replicaCount"),
        ("collector.resources", {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": 5}}, "/limits/memory"),
        ("collector.autoscaling.maxReplicas", "many", "/collector/autoscaling/maxReplicas"),
        ("collector.autoscaling.minReplicas", 5, "collector.autoscaling.minReplicas is 5, more than its maxReplicas 4"),
        ("sparkConnect.executors.min", 3, "sparkConnect.executors.min is 3, more than its max 2"),
        ("global.nodeSelectors", {"pool": "data"}, "nodeSelectors"),
        ("networkPolicy.outside.objectstore", {"cidrs": ["10.0.0.0/8"], "ports": [443]}, "objectstore"),
        ("enricher.autoscaling.maxReplicas", 7, "more than the 6 partitions of user.raw"),
        ("enricher.replicaCount", 9, "more than the 6 partitions of user.raw"),
        ("kafka.brokers.replicas", 2, "replication_factor is 3, more than kafka.brokers.replicas 2"),
        ("settings.kafka.security_protocol", "PLAINTEXT", "must be SASL_SSL"),
        ("settings.clickhouse.variant", "plain", "variant replicated"),
        ("clickhouse.keepers", 2, "/clickhouse/keepers"),
        ("clickhouse.image", "clickhouse/clickhouse-server:latest", "/clickhouse/image"),
        ("ingress.dagsterWebserver.host", "dagster.example.org", "no authentication"),
        ("ingress.dashboard.host", "not a host", "/ingress/dashboard/host"),
        ("buckets.servedToClickHouse", True, "buckets.secretName"),
        ("objectStore.enabled", True, "objectStore.enabled needs buckets.secretName"),
        ("objectStore.image", "chrislusf/seaweedfs:latest", "/objectStore/image"),
        ("postgresql.enabled", False, "set postgresql.host"),
        ("postgresql.backup.enabled", True, "set buckets.backups"),
        ("postgresql.backup.schedule", "0 2 * * *", "/postgresql/backup/schedule"),
        ("postgresql.backup.retention", "30", "/postgresql/backup/retention"),
        ("postgresql.recovery.serverName", "qa-old", "needs postgresql.backup.enabled"),
        ("postgresql.recovery.targetTime", "2026-01-31T12:00:00Z", "postgresql.recovery.serverName of what"),
        ("postgresql.recovery.targetTime", "yesterday", "/postgresql/recovery/targetTime"),
        ("kafka.enabled", False, "set settings.kafka.bootstrap_servers"),
        ("registry.enabled", False, "set settings.registry.url"),
        ("clickhouse.enabled", False, "set settings.clickhouse.url"),
        ("sparkConnect.enabled", False, "set settings.spark.remote"),
        ("settings.registry.url", "https://registry.example.org", "set one of them"),
        ("networkPolicy.outside.objectStore.ports", [0], "/ports/0"),
        ("priorities.runs", 5, "/priorities/runs"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_with_its_reason(path: str, value: Any, reason: str) -> None:
    from helm_python.errors import HelmError

    given = values("qa", nested(path, value))
    # Only uat and prod need it.
    del given["buckets"]["backups"]
    with pytest.raises(HelmError) as refused:
        render(given)
    assert reason in str(refused.value)


@pytest.mark.parametrize("missing", ["secrets", "images", "buckets"])
def test_what_an_installation_must_say_has_no_default(missing: str) -> None:
    from helm_python.errors import HelmError

    given: dict[str, Any] = values("qa")
    del given[missing]
    with pytest.raises(HelmError, match=missing):
        render(given)


def test_an_object_store_is_here_or_elsewhere() -> None:
    from helm_python.errors import HelmError

    both = {
        "buckets": {"endpoint": "https://s3.example.org", "secretName": "s3-key"},
        "objectStore": {"enabled": True},
    }
    with pytest.raises(HelmError, match=r"buckets\.endpoint names another object store"):
        render(values("qa", both))


def test_a_recovered_server_writes_to_another_folder() -> None:
    """Two histories in one folder are none: the plugin would refuse, and nobody would keep the log of changes."""
    from helm_python.errors import HelmError

    same = {"postgresql": {"recovery": {"serverName": "prod-analytics-ma"}}}
    with pytest.raises(HelmError, match=r"set postgresql\.backup\.serverName"):
        render(values("prod", same))


def test_a_secured_log_elsewhere_needs_its_users() -> None:
    from helm_python.errors import HelmError

    with pytest.raises(HelmError, match="usersSecret"):
        render(values("qa", ELSEWHERE, {"kafka": {"usersSecret": ""}}))


def test_the_shortest_values_of_each_environment_are_enough() -> None:
    """Beside the tests above: they fail for their own reason, not for one that holds of everything."""
    assert set(INSTALLATION) == {"secrets", "images", "buckets", "settings"}
    assert len(render(values("dev"))) > 50
