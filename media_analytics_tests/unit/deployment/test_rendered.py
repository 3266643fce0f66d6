"""What Helm renders for the four environments: valid, whole, safe, and readable by the platform's own settings."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import ValidationError

from media_analytics.contracts.registry import TOPICS
from media_analytics.migrations import access
from media_analytics.settings import load_settings
from media_analytics_tests.builders.chart import (
    ELSEWHERE,
    ENVIRONMENTS,
    FOLDER,
    NAMESPACE,
    PULL_REQUEST,
    RELEASE,
    SCRATCH,
    Manifest,
    dagster_files,
    matches,
    named,
    needs_helm,
    pods,
    render,
    rendered,
    texts_of,
    value_of,
    values,
)
from media_analytics_tests.builders.kubernetes_schemas import validate

pytestmark = needs_helm
VERSIONS = ("1.35", "1.36", "1.37")
OPERATORS = ("strimzi.io", "altinity.com", "cnpg.io", "spark.apache.org", "keda.sh")
# Made by operators or by an administrator: everything that is named and not rendered.
OPERATORS_SECRETS = {"ma-postgresql-app", "ma-kafka-cluster-ca-cert", "admin", *access.users()}
ADMINISTRATORS_SECRETS = {"platform-secrets"}
# The four environments, one with every store elsewhere, one with every option on, one with its own object store.
PUBLIC = {
    "ingress": {
        "className": "nginx",
        "tlsSecret": "pages-tls",
        "collector": {"host": "events.example.org"},
        "dashboard": {"host": "dashboard.example.org"},
        "dagsterWebserver": {
            "host": "dagster.example.org",
            "annotations": {"nginx.ingress.kubernetes.io/auth-url": "https://login.example.org/check"},
        },
    },
    "buckets": {"endpoint": "https://s3.example.org", "secretName": "s3-key", "servedToClickHouse": True},
    "images": {"pullSecrets": ["registry-login"]},
    "global": {
        "nodeSelector": {"pool": "data"},
        "tolerations": [{"key": "data", "operator": "Exists", "effect": "NoSchedule"}],
    },
}
_LATER = {"elsewhere": ("qa", ELSEWHERE), "public": ("prod", PUBLIC), "pull-request": ("dev", PULL_REQUEST)}
CASES = (*ENVIRONMENTS, *_LATER)


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[str, list[Manifest]]:
    name = str(request.param)
    if name in _LATER:
        environment, over = _LATER[name]
        return name, render(values(environment, over))
    return name, rendered(name)


def test_kubernetes_accepts_every_object(case: tuple[str, list[Manifest]]) -> None:
    """Strictly: an unknown or misplaced field is an error. Three versions."""
    for manifest in case[1]:
        group = manifest["apiVersion"].partition("/")[0]
        if not group.endswith(OPERATORS):
            for version in VERSIONS:
                validate(manifest, version)
    for where, template in pods(case[1]):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": template["spec"]}
        if "SparkApplication" not in where:
            validate(pod, VERSIONS[-1])


def test_the_check_of_objects_sees_a_misspelt_field() -> None:
    """Beside the test above, which would pass with a check that looks at nothing."""
    broken = named(rendered("dev"), "Deployment", "sink")
    broken["spec"]["template"]["spec"]["containers"][0]["resource"] = {}
    with pytest.raises(ValidationError, match="resource"):
        validate(broken, VERSIONS[0])


def test_each_object_stands_once_and_in_the_releases_namespace(case: tuple[str, list[Manifest]]) -> None:
    keys = [(m["apiVersion"], m["kind"], m["metadata"]["name"]) for m in case[1]]
    assert len(keys) == len(set(keys))
    assert {m["metadata"].get("namespace", NAMESPACE) for m in case[1]} == {NAMESPACE}
    assert all(re.fullmatch(r"[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?", name) for _, _, name in keys)
    assert not [m for m in case[1] if m["kind"] == "Secret"], "the chart makes no secret"


def test_whatever_is_named_exists(case: tuple[str, list[Manifest]]) -> None:
    """A Secret, ConfigMap, account, class or volume that nobody makes leaves a pod pending for ever."""
    name, manifests = case
    there = {(m["kind"], m["metadata"]["name"]) for m in manifests}
    secrets = ADMINISTRATORS_SECRETS | (
        {"kafka-users", "db-owner"} if name == "elsewhere" else OPERATORS_SECRETS
    )
    secrets |= {"s3-key", "registry-login", "pages-tls"} if name == "public" else set()
    secrets |= {"object-store"} if name == "pull-request" else set()
    there |= {("Secret", secret) for secret in secrets} | {("ServiceAccount", "default")}
    missing = {(where, *reference) for where, reference in _references(manifests) if reference not in there}
    assert missing == set()


def test_selectors_find_their_pods(case: tuple[str, list[Manifest]]) -> None:
    """A Service or budget whose selector matches nothing is no error for Kubernetes."""
    labels = [template["metadata"]["labels"] for _, template in pods(case[1])]
    for manifest in case[1]:
        spec, where = manifest.get("spec", {}), manifest["metadata"]["name"]
        if manifest["kind"] in ("Deployment", "StatefulSet"):
            assert matches(spec["selector"]["matchLabels"], spec["template"]["metadata"]["labels"]), where
        if manifest["kind"] == "Service":
            assert any(matches(spec["selector"], one) for one in labels), where
            ports = {p["name"] for _, t in pods(case[1]) if matches(spec["selector"], t["metadata"]["labels"])
                     for c in t["spec"]["containers"] for p in c.get("ports", ())}  # fmt: skip
            for port in spec.get("ports", ()):
                assert isinstance(port["targetPort"], int) or port["targetPort"] in ports, where
        if manifest["kind"] == "PodDisruptionBudget" and where != "ma-dagster-run":
            assert any(matches(spec["selector"]["matchLabels"], one) for one in labels), where


def test_every_pod_is_restricted(case: tuple[str, list[Manifest]]) -> None:
    """PodSecurity `restricted`, and what it does not ask for: a read-only root and bounded memory."""
    launcher = dagster_files(case[1])["dagster.yaml"]["run_launcher"]["config"]
    run = launcher["run_k8s_config"]
    container = run["container_config"] | {"name": "run", "image": "x", "resources": launcher["resources"]}
    runs = {"spec": run["pod_spec_config"] | {"containers": [container]}}
    for where, template in [*pods(case[1]), ("run", runs)]:
        pod = template["spec"]["securityContext"]
        assert pod["runAsNonRoot"] is True, where
        assert pod["runAsUser"] == 10001, where
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}, where
        assert not any("hostPath" in volume for volume in template["spec"]["volumes"]), where
        mounted = {v["name"] for v in template["spec"]["volumes"]}
        for one in template["spec"]["containers"]:
            security = one["securityContext"]
            assert security["allowPrivilegeEscalation"] is False, where
            assert security["readOnlyRootFilesystem"] is True, where
            assert security["capabilities"] == {"drop": ["ALL"]}, where
            assert {m["name"] for m in one["volumeMounts"]} == mounted, where
            assert SCRATCH in {m["mountPath"] for m in one["volumeMounts"]}, where
            if "SparkApplication" not in where:
                assert one["resources"]["limits"]["memory"], where
                assert not one["image"].endswith(":latest"), where


def test_only_who_speaks_to_kubernetes_has_a_token(case: tuple[str, list[Manifest]]) -> None:
    with_token = {
        template["metadata"]["labels"]["app.kubernetes.io/component"]
        for _, template in pods(case[1])
        if template["spec"].get("automountServiceAccountToken", True)
    }
    assert with_token == {"dagster-webserver", "dagster-daemon"} | (
        {"spark-connect"} if case[0] != "elsewhere" else set()
    )


def test_the_settings_of_every_process_can_be_read(case: tuple[str, list[Manifest]]) -> None:
    """A variable that `settings.py` does not know, a value it refuses, or a required one that is missing."""
    environment = _LATER[case[0]][0] if case[0] in _LATER else case[0]
    launcher = dagster_files(case[1])["dagster.yaml"]["run_launcher"]["config"]["run_k8s_config"]
    found = {"run": launcher["container_config"]["env"]} | {
        where: template["spec"]["containers"][0]["env"] for where, template in pods(case[1])
    }
    read = 0
    for where, env in found.items():
        assert len({one["name"] for one in env}) == len(env), f"{where} sets a variable twice"
        variables = {one["name"]: value_of(one) for one in env if not _may_be_missing(one)}
        if "MEDIA_ANALYTICS_ENVIRONMENT" not in variables:
            continue
        read += 1
        settings = load_settings(variables)
        assert settings.environment == environment
        assert settings.lake.url == ("s3a://lake" if case[0] == "pull-request" else "s3a://lake-bucket")
        settings.reachable_channels()
        settings.check_schedule()
        if "SASL_USERNAME" in str(variables):
            assert settings.kafka.client_config()["ssl.ca.location"] == "/etc/media-analytics/kafka/ca.crt"
    assert read >= 10


def test_each_process_is_itself_in_the_event_log() -> None:
    """One user a process (decision 0023): none acts as another, only migrations as admin."""
    users = {}
    for where, template in pods(rendered("qa")):
        env = {one["name"]: one for one in template["spec"]["containers"][0]["env"]}
        if "MEDIA_ANALYTICS_KAFKA__SASL_USERNAME" in env:
            user = env["MEDIA_ANALYTICS_KAFKA__SASL_USERNAME"]["value"]
            password = env["MEDIA_ANALYTICS_KAFKA__SASL_PASSWORD"]["valueFrom"]["secretKeyRef"]
            assert password == {"name": user, "key": "password"}
            users[where.partition("/ma-")[2]] = user
    assert users == {
        "collector": "collector", "enricher": "enricher", "sink": "sink", "stream": "stream",
        "dashboard-api": "dashboard", "dagster-code": "dagster",
        "contracts-install": "admin", "contracts-upgrade": "admin", "contracts-rollback": "admin",
    }  # fmt: skip


def test_topics_and_users_of_the_operator() -> None:
    manifests = rendered("prod")
    topics = {m["spec"]["topicName"]: m["spec"] for m in manifests if m["kind"] == "KafkaTopic"}
    assert set(topics) == set(TOPICS)
    assert topics["user.raw"]["partitions"] == TOPICS["user.raw"].partitions
    assert topics["user.raw"]["replicas"] == 3
    assert topics["user.raw"]["config"]["min.insync.replicas"] == "2"
    users = {m["metadata"]["name"]: m["spec"] for m in manifests if m["kind"] == "KafkaUser"}
    assert set(users) == {*access.users(), "admin"}
    kafka = named(manifests, "Kafka", "kafka")["spec"]["kafka"]
    assert kafka["authorization"]["superUsers"] == ["admin"]
    assert [one["authentication"]["type"] for one in kafka["listeners"]] == ["scram-sha-512"]


def test_stores_are_replicated_where_the_environment_says_so() -> None:
    for name in ("dev", "prod"):
        manifests = rendered(name)
        clickhouse = named(manifests, "ClickHouseInstallation", RELEASE)["spec"]["configuration"]
        layout = clickhouse["clusters"][0]["layout"]
        keepers = [m for m in manifests if m["kind"] == "ClickHouseKeeperInstallation"]
        pools = {
            m["spec"]["roles"][0]: m["spec"]["replicas"] for m in manifests if m["kind"] == "KafkaNodePool"
        }
        assert (
            layout == {"shardsCount": 1, "replicasCount": 1}
            if name == "dev"
            else {"shardsCount": 2, "replicasCount": 2}
        )
        assert bool(keepers) == ("zookeeper" in clickhouse) == (name == "prod")
        assert pools == ({"broker": 1, "controller": 1} if name == "dev" else {"broker": 3, "controller": 3})


def test_uninstalling_deletes_no_data(case: tuple[str, list[Manifest]]) -> None:
    """What holds data, and what could not be made again over its volumes, stays when the release goes."""
    kept = {m["kind"] for m in case[1]
            if m["metadata"].get("annotations", {}).get("helm.sh/resource-policy") == "keep"}  # fmt: skip
    made = {m["kind"] for m in case[1]}
    assert kept - {"PersistentVolumeClaim"} == made & {
        "Kafka",
        "KafkaNodePool",
        "KafkaTopic",
        "Cluster",
        "ObjectStore",
    }
    for manifest in case[1]:
        if manifest["kind"] == "KafkaNodePool":
            assert [v["deleteClaim"] for v in manifest["spec"]["storage"]["volumes"]] == [False]
        if manifest["kind"].startswith("ClickHouse"):
            claims = manifest["spec"]["templates"]["volumeClaimTemplates"]
            assert [claim["reclaimPolicy"] for claim in claims] == ["Retain"]


def test_one_daemon_one_sink_one_stream(case: tuple[str, list[Manifest]]) -> None:
    """Two at once, even for the moment of an upgrade, would write twice or fence each other."""
    for name in ("dagster-daemon", "sink", "stream"):
        spec = named(case[1], "Deployment", name)["spec"]
        assert spec["replicas"] == 1
        assert spec["strategy"] == {"type": "Recreate"}


def test_what_is_scaled_has_no_number_of_its_own() -> None:
    """Each upgrade would otherwise throw the scaler's number away, in the middle of breaking news."""
    manifests = rendered("prod")
    scaled = {
        (m["spec"]["scaleTargetRef"]["kind"], m["spec"]["scaleTargetRef"]["name"])
        for m in manifests
        if m["kind"] in ("HorizontalPodAutoscaler", "ScaledObject")
    }
    assert scaled == {("Deployment", "ma-collector"), ("Deployment", "ma-dagster-webserver"),
                      ("StatefulSet", "ma-enricher")}  # fmt: skip
    for kind, name in scaled:
        assert "replicas" not in named(manifests, kind, name)["spec"]
    assert named(manifests, "ScaledObject", "enricher")["spec"]["maxReplicaCount"] == 6


def test_contracts_are_applied_before_anything_new_starts() -> None:
    """Install: an ordinary job, since the stores come with it. Upgrade and rollback: hooks that stop at a refusal."""
    first, later = rendered("qa"), render(values("qa"), is_install=False)
    jobs = {m["metadata"]["name"]: m for m in first if m["kind"] == "Job"}
    hooks = {n: m["metadata"].get("annotations", {}).get("helm.sh/hook") for n, m in jobs.items()}
    assert hooks == {"ma-contracts-install": None, "ma-contracts-upgrade": "pre-upgrade",
                     "ma-contracts-rollback": "pre-rollback"}  # fmt: skip
    commands = {n: m["spec"]["template"]["spec"]["containers"][0]["command"][-1] for n, m in jobs.items()}
    assert commands["ma-contracts-upgrade"] == "apply"
    assert commands["ma-contracts-rollback"] == "plan"
    assert {m["metadata"]["name"] for m in later if m["kind"] == "Job"} == set(jobs) - {
        "ma-contracts-install"
    }


def test_elsewhere_means_that_nothing_is_made() -> None:
    made = {m["apiVersion"].partition("/")[0] for m in render(values("qa", ELSEWHERE))}
    assert {group for group in made if group.endswith(OPERATORS)} == {"keda.sh"}


def test_notes_say_what_to_do_next() -> None:
    notes = next(text for name, text in texts_of(values("qa")).items() if name.endswith("NOTES.txt"))
    assert "job/ma-contracts-install" in notes
    assert "MEDIA_ANALYTICS_PRIVACY__VISITOR_KEYS" in notes
    assert "Strimzi 1.2.0" in notes
    assert "KEDA" not in next(t for n, t in texts_of(values("dev")).items() if n.endswith("NOTES.txt"))


def test_helm_finds_nothing_to_say() -> None:
    from helm_python.chart import lint

    report = lint(FOLDER, values("prod"), strict=True, namespace=NAMESPACE)
    worse = [m for m in report["messages"] if m["severity"] > 1]
    assert (report["errors"], worse) == ([], [])


def _may_be_missing(variable: dict[str, Any]) -> bool:
    return bool(variable.get("valueFrom", {}).get("secretKeyRef", {}).get("optional"))


def _references(manifests: list[Manifest]) -> Iterator[tuple[str, tuple[str, str]]]:
    launcher = dagster_files(manifests)["dagster.yaml"]["run_launcher"]["config"]
    run = launcher["run_k8s_config"]
    spec = run["pod_spec_config"] | {"containers": [run["container_config"]]}
    spec |= {"serviceAccountName": launcher["service_account_name"]}
    yield "run", ("ConfigMap", launcher["instance_config_map"])
    for where, pod in [*((w, t["spec"]) for w, t in pods(manifests)), ("run", spec)]:
        if "serviceAccountName" in pod:
            yield where, ("ServiceAccount", pod["serviceAccountName"])
        yield (
            where,
            ("PriorityClass", pod["priorityClassName"])
            if "priorityClassName" in pod
            else (
                "ServiceAccount",
                "default",
            ),
        )
        for secret in pod.get("imagePullSecrets", ()):
            yield where, ("Secret", secret["name"])
        for volume in pod["volumes"]:
            if "secret" in volume:
                yield where, ("Secret", volume["secret"]["secretName"])
            if "configMap" in volume:
                yield where, ("ConfigMap", volume["configMap"]["name"])
            if "persistentVolumeClaim" in volume:
                yield where, ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"])
        for container in pod["containers"]:
            for variable in container.get("env", ()):
                if "secretKeyRef" in variable.get("valueFrom", {}):
                    yield where, ("Secret", variable["valueFrom"]["secretKeyRef"]["name"])
    for manifest in manifests:
        where, spec = manifest["metadata"]["name"], manifest.get("spec", {})
        if "scaleTargetRef" in spec:
            yield where, (spec["scaleTargetRef"]["kind"], spec["scaleTargetRef"]["name"])
        if manifest["kind"] == "StatefulSet":
            yield where, ("Service", spec["serviceName"])
        if manifest["kind"] == "RoleBinding":
            yield where, ("Role", manifest["roleRef"]["name"])
            yield where, ("ServiceAccount", manifest["subjects"][0]["name"])
        if manifest["kind"] == "Ingress":
            for secret in spec.get("tls", ()):
                yield where, ("Secret", secret["secretName"])
            yield where, ("Service", spec["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"])
        if manifest["kind"] == "SparkApplication":
            account = spec["sparkConf"]["spark.kubernetes.authenticate.driver.serviceAccountName"]
            yield where, ("ServiceAccount", account)
        if manifest["kind"] == "ScaledObject" and "authenticationRef" in spec["triggers"][0]:
            yield where, ("TriggerAuthentication", spec["triggers"][0]["authenticationRef"]["name"])
