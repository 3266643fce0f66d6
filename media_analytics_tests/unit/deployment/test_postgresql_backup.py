"""The log of changes of PostgreSQL is kept where backups have a place, and a new server can begin with it.

The kinds themselves are compared by a real API server (`make test-kubernetes`).
"""

from typing import Any

import pytest

from media_analytics_tests.builders.chart import (
    ENVIRONMENTS,
    Manifest,
    named,
    needs_helm,
    render,
    rendered,
    texts_of,
    values,
)

pytestmark = needs_helm
PLUGIN = "barman-cloud.cloudnative-pg.io"
FOLDER = "prod-analytics-ma"


def _found(manifests: list[Manifest]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """What server, store and schedule are told."""
    server = named(manifests, "Cluster", "postgresql")["spec"]
    store = named(manifests, "ObjectStore", "postgresql-backup")["spec"]
    return server, store, named(manifests, "ScheduledBackup", "postgresql-backup")["spec"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_it_is_kept_where_a_loss_would_hurt(environment: str) -> None:
    manifests = rendered(environment)
    kinds = {m["kind"] for m in manifests}
    is_kept = environment in ("uat", "prod")
    assert ("ObjectStore" in kinds) == ("ScheduledBackup" in kinds) == is_kept
    assert ("plugins" in named(manifests, "Cluster", "postgresql")["spec"]) == is_kept
    notes = next(t for n, t in texts_of(values(environment)).items() if n.endswith("NOTES.txt"))
    assert ("Barman Cloud plugin" in notes) == is_kept


def test_server_and_schedule_use_one_store() -> None:
    """A name with a slip is a backup that does not exist, found out on the day it is needed."""
    server, store, schedule = _found(rendered("prod"))
    (plugin,) = server["plugins"]
    assert plugin == {
        "name": PLUGIN,
        "isWALArchiver": True,
        "parameters": {"barmanObjectName": "ma-postgresql-backup", "serverName": FOLDER},
    }
    assert server["bootstrap"] == {
        "initdb": {"database": "dagster", "owner": "media_analytics", "encoding": "UTF8"}
    }
    assert schedule["cluster"] == {"name": "ma-postgresql"}
    assert (schedule["method"], schedule["pluginConfiguration"]) == ("plugin", {"name": PLUGIN})
    assert schedule["immediate"] is True
    assert store["configuration"]["destinationPath"] == "s3://backups-bucket/postgresql"
    # The bucket's role, until a key is named.
    assert store["configuration"]["s3Credentials"] == {"inheritFromIAMRole": True}
    assert "endpointURL" not in store["configuration"]


def test_the_role_reaches_the_server() -> None:
    annotations = {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/lake"}
    given = values("prod", {"global": {"serviceAccount": {"annotations": annotations}}})
    server, _, _ = _found(render(given))
    assert server["serviceAccountTemplate"]["metadata"]["annotations"] == annotations


def test_a_key_and_another_store() -> None:
    buckets = {"secretName": "s3-key", "endpoint": "https://s3.example.org"}
    _, store, _ = _found(render(values("prod", {"buckets": buckets})))
    assert store["configuration"]["endpointURL"] == "https://s3.example.org"
    assert store["configuration"]["s3Credentials"] == {
        "accessKeyId": {"name": "s3-key", "key": "AWS_ACCESS_KEY_ID"},
        "secretAccessKey": {"name": "s3-key", "key": "AWS_SECRET_ACCESS_KEY"},
    }


def test_the_charts_own_store_lets_the_server_in() -> None:
    own = {"buckets": {"secretName": "s3-key"}, "objectStore": {"enabled": True}}
    manifests = render(values("prod", own))
    (rule,) = named(manifests, "NetworkPolicy", "object-store")["spec"]["ingress"]
    assert {"podSelector": {"matchLabels": {"cnpg.io/cluster": "ma-postgresql"}}} in rule["from"]
    command = named(manifests, "Deployment", "object-store")["spec"]["template"]["spec"]["containers"][0][
        "command"
    ]
    assert "-bucket=lake-bucket,logs-bucket,backups-bucket" in command
    assert _found(manifests)[1]["configuration"]["endpointURL"] == "http://ma-object-store:8333"


def test_a_new_server_begins_with_what_was_kept() -> None:
    """It reads the folder of the one before, up to a time, and writes to one of its own."""
    again = {
        "recovery": {"serverName": FOLDER, "targetTime": "2026-01-31T12:00:00Z"},
        "backup": {"serverName": "prod-2"},
    }
    server, _, _ = _found(render(values("prod", {"postgresql": again})))
    assert server["bootstrap"] == {
        "recovery": {
            "source": "before",
            "database": "dagster",
            "owner": "media_analytics",
            "recoveryTarget": {"targetTime": "2026-01-31T12:00:00Z"},
        }
    }
    (before,) = server["externalClusters"]
    parameters = {"barmanObjectName": "ma-postgresql-backup", "serverName": FOLDER}
    assert before == {"name": "before", "plugin": {"name": PLUGIN, "parameters": parameters}}
    assert server["plugins"][0]["parameters"]["serverName"] == "prod-2"


def test_elsewhere_nothing_of_it_is_made() -> None:
    """Whoever runs PostgreSQL elsewhere backs it up there, also in prod."""
    other = {"postgresql": {"enabled": False, "host": "db.example.org", "secretName": "db-owner"}}
    texts = texts_of(values("prod", other))
    assert "barman" not in "".join(text for name, text in texts.items() if "alerts" not in name).lower()
