"""What the cluster refuses: unsafe pods, and requests of accounts that have no right to them.

Belongs here: PodSecurity of the namespace, RBAC of the chart's service accounts. Does not belong here: network rules,
which kwok's nodes do not carry out.
"""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import yaml

from media_analytics_tests.builders.chart import NAMESPACE, RELEASE
from media_analytics_tests.kubernetes.cluster import Cluster

_REFUSED = 'violates PodSecurity "restricted:latest": '
# By account, what it needs and what it must not: verb, resource. The code server has the account `platform`.
_RIGHTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "platform": (
        (),
        ("get secrets", "get pods", "list configmaps", "create jobs", "create pods", "delete deployments"),
    ),
    "dagster": (
        ("create jobs", "delete jobs", "get pods", "get pods/log"),
        ("get secrets", "create pods", "delete deployments", "create rolebindings"),
    ),
    "dagster-run": (
        ("create jobs", "create pods", "delete pods"),
        ("get secrets", "delete deployments", "update configmaps", "create rolebindings", "create pods/exec"),
    ),
}


def security(cluster: Cluster) -> Iterator[str]:
    """The namespace takes the collector's pod, and refuses it with anything that `restricted` forbids."""
    (collector,) = cluster.get("deployments", "-n", NAMESPACE, "-l", "app.kubernetes.io/component=collector")
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "tried"}}
    sound = pod | {"spec": collector["spec"]["template"]["spec"]}
    create = ("create", "--dry-run=server", "-n", NAMESPACE, "-f", "-")
    yield f"taken: {cluster.kubectl(*create, given=yaml.safe_dump(sound)).strip()}"
    for name, tried in _unsafe(sound):
        said = cluster.kubectl(*create, given=yaml.safe_dump(tried), check=False).strip()
        assert _REFUSED in said, f"{name} was not refused: {said}"
        yield f"refused with {name}: {said.partition(_REFUSED)[2]}"


def _unsafe(sound: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, context in (
        ("privileges", {"privileged": True, "allowPrivilegeEscalation": True}),
        ("root", {"runAsUser": 0, "runAsNonRoot": False}),
        ("a capability", {"capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN"]}}),
        ("no seccomp", {"seccompProfile": {"type": "Unconfined"}}),
    ):
        tried = deepcopy(sound)
        tried["spec"]["containers"][0]["securityContext"] |= context
        yield name, tried
    tried = deepcopy(sound)
    tried["spec"]["volumes"].append({"name": "node", "hostPath": {"path": "/"}})
    yield "the node's disk", tried
    tried = deepcopy(sound)
    tried["spec"]["hostNetwork"] = True
    yield "the node's network", tried


def rights(cluster: Cluster) -> Iterator[str]:
    """What each account may do is what it needs, in its namespace only; then requests with real tokens."""
    for account, (needed, denied) in _RIGHTS.items():
        for question in needed:
            assert _may(cluster, account, question), f"{account} may not {question}"
            assert not _may(cluster, account, question, "default"), f"{account} may {question} elsewhere"
        for question in denied:
            assert not _may(cluster, account, question), f"{account} may {question}"
        yield f"{account} may {', '.join(needed) or 'nothing'}; not {', '.join(denied)}"
    for account, request in (
        ("dagster-run", ("get", "secrets")),
        ("dagster-run", ("delete", "deployment", f"{RELEASE}-collector")),
        ("platform", ("get", "pods")),
    ):
        token = cluster.kubectl("create", "token", f"{RELEASE}-{account}", "-n", NAMESPACE).strip()
        said = cluster.kubectl(*request, "-n", NAMESPACE, f"--token={token}", check=False).strip()
        # An administrator's request would not be refused, so the answer names whose it was.
        assert "(Forbidden)" in said and f"{NAMESPACE}:{RELEASE}-{account}" in said, f"not refused: {said}"
        yield said.partition("(Forbidden): ")[2]


def _may(cluster: Cluster, account: str, question: str, namespace: str = NAMESPACE) -> bool:
    verb, what = question.split()
    resource, _, part = what.partition("/")
    arguments = (
        "auth",
        "can-i",
        verb,
        resource,
        *([f"--subresource={part}"] if part else []),
        "-n",
        namespace,
    )
    user = f"--as=system:serviceaccount:{NAMESPACE}:{RELEASE}-{account}"
    answer = cluster.kubectl(*arguments, user, check=False).strip()
    assert answer.split()[:1] in (["yes"], ["no"]), answer
    return answer.startswith("yes")
