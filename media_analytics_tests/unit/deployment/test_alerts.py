"""Alarms and dashboards watch metrics that exist, and each alarm leads to a runbook."""

import json
import re
from pathlib import Path

import pytest
import yaml

from media_analytics.checks.health import LARGEST_LAG
from media_analytics.dashboard.reading import metrics as platform
from media_analytics_tests.builders.chart import FOLDER, named, needs_helm, pods, render, values
from media_analytics_tests.conventions.source import ROOT
from streaming.collector.metrics import METRICS as COLLECTOR

ALERTS = {alert["name"]: alert for alert in yaml.safe_load((FOLDER / "files/alerts.yaml").read_text("utf-8"))}
DASHBOARDS = sorted((FOLDER / "files" / "dashboards").glob("*.json"))
# What the kubelet tells of volumes; Prometheus adds the pod to what it scrapes.
_VOLUME = ("namespace", "persistentvolumeclaim")
# CloudNativePG 1.30 (config/manager/default-monitoring.yaml) and the plugin 0.14 (web/docs/observability.md).
_POSTGRESQL = (
    "cnpg_pg_stat_archiver_last_failed_time",
    "cnpg_pg_stat_archiver_last_archived_time",
    "barman_cloud_cloudnative_pg_io_last_available_backup_timestamp",
)
ELSEWHERE: dict[str, tuple[str, ...]] = {
    "kubelet_volume_stats_available_bytes": _VOLUME,
    "kubelet_volume_stats_capacity_bytes": _VOLUME,
    **dict.fromkeys(_POSTGRESQL, ()),
}
KNOWN = ELSEWHERE | {name: metric.labels for name, metric in (COLLECTOR | platform.METRICS).items()}
_HISTOGRAMS = {n for n, m in (COLLECTOR | platform.METRICS).items() if m.kind == "histogram"}
KNOWN |= {f"{name}_bucket": (*KNOWN[name], "le") for name in _HISTOGRAMS}
_METRIC = re.compile(r"\b(?:collector|platform|kubelet|cnpg|barman)_\w+")
_LABELS = re.compile(r"by \(([^)]*)\)|\{([^}]*)\}")


def _check(expression: str) -> None:
    used = set(_METRIC.findall(expression))
    assert used, expression
    assert used <= set(KNOWN), expression
    labels = {label for metric in used for label in KNOWN[metric]} | {"pod"}
    groups = [a or re.sub(r"[=!]~?\"[^\"]*\"", "", b) for a, b in _LABELS.findall(expression)]
    assert {label.strip() for group in groups for label in group.split(",")} <= labels, expression
    for name in used & {n for n in KNOWN if n.endswith(("_total", "_bucket"))}:
        assert re.search(rf"(rate|increase)\({name}", expression), f"{expression}: a counter only grows"


@pytest.mark.parametrize("name", ALERTS)
def test_every_metric_and_label_of_an_alarm_exists(name: str) -> None:
    """An alarm on a name that nobody counts is silent for ever."""
    _check(ALERTS[name]["expression"])


@pytest.mark.parametrize(
    "wrong", ["collector_readyy == 0", 'collector_ready{shop="a"}', "collector_requests_total > 1"]
)
def test_the_check_sees_a_name_that_does_not_exist(wrong: str) -> None:
    """Beside the test above, which would pass with a check that looks at nothing."""
    with pytest.raises(AssertionError):
        _check(wrong)


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_metric_and_label_of_a_dashboard_exists(path: Path) -> None:
    """A panel on such a name stays empty; two panels with one number would be one for Grafana."""
    board = json.loads(path.read_text("utf-8"))
    for panel in board["panels"]:
        assert panel["description"]
        for target in panel["targets"]:
            _check(target["expr"])
            shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            grouped = {label.strip() for g, _ in _LABELS.findall(target["expr"]) for label in g.split(",")}
            assert shown <= grouped, f"{panel['title']}: the legend names what the query drops"
        runbook = re.search(r"Runbook: (\S+)\.", panel["description"])
        assert runbook is None or (ROOT / "docs" / "runbooks" / f"{runbook[1]}.md").is_file()
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    boxes = [panel["gridPos"] for panel in board["panels"]]
    assert all(box["x"] + box["w"] <= 24 for box in boxes)
    assert len({(box["x"], box["y"]) for box in boxes}) == len(boxes)


def test_every_metric_is_shown_or_watched() -> None:
    """A number that nobody looks at costs and helps nobody."""
    shown = "".join(p.read_text("utf-8") for p in DASHBOARDS) + str(
        [a["expression"] for a in ALERTS.values()]
    )
    assert {name for name in COLLECTOR | platform.METRICS if name not in shown} == set()


def test_every_alarm_has_a_runbook() -> None:
    for name, alert in ALERTS.items():
        assert (ROOT / "docs" / "runbooks" / f"{alert['runbook']}.md").is_file(), name
        assert alert["severity"] in ("critical", "warning")


def test_what_must_be_watched_is_watched() -> None:
    """Lag with the limit of its check, freshness, completeness, disk, failed checks, the daemon's heartbeat."""
    watched = {metric for alert in ALERTS.values() for metric in _METRIC.findall(alert["expression"])}
    assert set(platform.METRICS) - watched == {platform.END}
    assert ALERTS["ConsumerLag"]["expression"].endswith(f"> {LARGEST_LAG}")


@needs_helm
def test_alarms_are_installed_where_they_are_asked_for() -> None:
    """And what is scraped is the port where the metrics are; the dashboard's API wants its token."""
    manifests = render(values("prod", {"monitoring": {"enabled": True}}))
    rules = named(manifests, "PrometheusRule", "alerts")["spec"]["groups"][0]["rules"]
    assert [rule["alert"] for rule in rules] == list(ALERTS)
    assert rules[0]["annotations"]["runbook_url"] == "https://docs.example.org/runbooks/collector-refuses.md"
    authorized = {}
    for name in ("collector", "dashboard-api"):
        (endpoint,) = named(manifests, "PodMonitor", name)["spec"]["podMetricsEndpoints"]
        pod = next(template for where, template in pods(manifests) if where == f"Deployment/ma-{name}")
        assert endpoint["port"] in {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
        authorized[name] = endpoint.get("authorization")
        is_open = "prometheus.io/scrape" in pod["metadata"].get("annotations", {})
        assert is_open is (authorized[name] is None), "an annotation cannot say a token"
    postgresql = named(manifests, "PodMonitor", "postgresql")["spec"]
    assert postgresql["selector"]["matchLabels"]["cnpg.io/cluster"] == "ma-postgresql"
    (open_to_prometheus,) = [
        rule
        for rule in named(manifests, "NetworkPolicy", "postgresql-cluster")["spec"]["ingress"]
        if "ports" in rule
    ]
    assert open_to_prometheus["ports"] == [{"protocol": "TCP", "port": 9187}]
    token = {"name": "platform-secrets", "key": "MEDIA_ANALYTICS_DASHBOARD__TOKEN"}
    assert authorized == {"collector": None, "dashboard-api": {"credentials": token}}
    boards = named(manifests, "ConfigMap", "dashboards")
    assert boards["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert {name: json.loads(text)["uid"] for name, text in boards["data"].items()} == {
        path.name: f"media-analytics-{path.stem}" for path in DASHBOARDS
    }
    assert not [m for m in render(values("prod")) if m["apiVersion"].startswith("monitoring")]
