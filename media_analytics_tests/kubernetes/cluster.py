"""A cluster on this machine, without containers.

Belongs here: etcd, the API server, controllers and scheduler as processes on free ports, nodes of kwok, and talking to
them with kubectl and helm. Does not belong here: building the programs (`programs`), what must hold of the chart
(`chart`, `refusals`, `backfill`).

kwok says of each pod that it runs, of a Job's that it is done: what a pod would do is not seen here.
"""

import json
import os
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from media_analytics.local.home import free_port
from media_analytics_tests.kubernetes.programs import ClusterError, module_folder
from media_analytics_tests.services.embedded import wait_until

# By the name of their file: user and group.
_ACCOUNTS = {
    "administrator": ("administrator", "system:masters"),
    "controllers": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
}
# What kwok says of nodes and pods, as its own project has it.
_STAGES = (
    *("node/fast/node-initialize", "node/heartbeat-with-lease/node-heartbeat-with-lease"),
    *("pod/fast/pod-ready", "pod/fast/pod-complete", "pod/fast/pod-delete"),
)
_READY_SECONDS = 180.0


@dataclass(frozen=True)
class Cluster:
    """A running cluster. `folder` is empty at first and ends with it."""

    programs: Path
    folder: Path

    @property
    def kubeconfig(self) -> Path:
        """Of the administrator."""
        return self.folder / "administrator.yaml"

    def kubectl(self, *arguments: str, given: str | None = None, check: bool = True) -> str:
        """What kubectl printed; with `check` off also what it complained of."""
        return self._call("kubectl", *arguments, given=given, check=check)

    def helm(self, *arguments: str) -> str:
        """What helm printed; it waits as long as it is told."""
        return self._call("helm", *arguments, seconds=900)

    def apply(self, *manifests: Mapping[str, Any]) -> None:
        """Send objects."""
        self.kubectl("apply", "--server-side", "-f", "-", given=yaml.safe_dump_all(manifests))

    def get(self, kind: str, *arguments: str) -> list[dict[str, Any]]:
        """The objects of a kind."""
        found: list[dict[str, Any]] = json.loads(self.kubectl("get", kind, "-o", "json", *arguments))["items"]
        return found

    def version(self) -> str:
        """What the API server says that it is."""
        return str(json.loads(self.kubectl("get", "--raw", "/version"))["gitVersion"])

    def _call(
        self,
        program: str,
        *arguments: str,
        given: str | None = None,
        check: bool = True,
        seconds: float = 180,
    ) -> str:
        # Helm keeps files; they end with the cluster.
        homes = {f"HELM_{one}_HOME": str(self.folder / "helm") for one in ("CACHE", "CONFIG", "DATA")}
        try:
            done = subprocess.run(
                [self.programs / program, "--kubeconfig", self.kubeconfig, *arguments],
                input=given,
                env=os.environ | homes,
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ClusterError(f"{program} {' '.join(arguments)[:300]} took over {seconds:.0f} s") from error
        if check and done.returncode != 0:
            said = (done.stderr + done.stdout)[-3000:]
            raise ClusterError(f"{program} {' '.join(arguments)[:300]} failed: {said}")
        return done.stdout + ("" if check else done.stderr)


@contextmanager
def process(command: list[str], log: Path, environ: Mapping[str, str] = os.environ) -> Iterator[None]:
    """A program that runs until the block ends, in the folder of its log."""
    with log.open("wb") as output:
        running = subprocess.Popen(command, stdout=output, stderr=output, env=environ, cwd=log.parent)
        try:
            yield
        finally:
            running.terminate()
            try:
                running.wait(15)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()


@contextmanager
def running(programs: Path, folder: Path, refusing: str) -> Iterator[Cluster]:
    """A cluster until the block ends. Of images with the tag `refusing`, `contracts plan` fails: kwok runs no code.

    Raises:
        AssertionError: the API server is not ready in time.
    """
    store, peers, api, nodes = ports(4)
    cluster = Cluster(programs, folder)
    certificates, key = folder / "certificates", folder / "accounts.pem"
    _write_key(key)
    _write_accounts(folder, f"https://127.0.0.1:{api}", certificates / "apiserver.crt")
    with ExitStack() as stack:

        def start(program: str, *arguments: str) -> None:
            command = [str(programs / program), *arguments]
            stack.enter_context(process(command, folder / f"{program}.log"))

        peer = f"http://127.0.0.1:{peers}"
        start(
            "server",
            *(f"--data-dir={folder / 'etcd'}", "--unsafe-no-fsync", f"--listen-peer-urls={peer}"),
            *(f"--listen-client-urls=http://127.0.0.1:{store}", f"--initial-advertise-peer-urls={peer}"),
            *(f"--advertise-client-urls=http://127.0.0.1:{store}", f"--initial-cluster=default={peer}"),
        )
        start(
            "kube-apiserver",
            *(f"--etcd-servers=http://127.0.0.1:{store}", f"--secure-port={api}", "--bind-address=127.0.0.1"),
            # Nobody connects to it: a loopback address would be refused, and no other one is needed.
            "--advertise-address=192.0.2.1",
            *(f"--cert-dir={certificates}", f"--token-auth-file={folder / 'tokens.csv'}"),
            *("--authorization-mode=RBAC", "--service-cluster-ip-range=10.96.0.0/16"),
            # Otherwise a privileged pod is refused by this flag and not by the namespace's label.
            "--allow-privileged=true",
            *(f"--service-account-signing-key-file={key}", f"--service-account-key-file={key}"),
            "--service-account-issuer=https://kubernetes.default.svc",
        )
        wait_until(
            lambda: "ok" in cluster.kubectl("get", "--raw", "/readyz", check=False).split(),
            _READY_SECONDS,
            lambda: (folder / "kube-apiserver.log").read_text("utf-8", "replace")[-2000:],
        )
        start(
            "kube-controller-manager",
            *(f"--kubeconfig={folder / 'controllers.yaml'}", "--leader-elect=false", "--secure-port=0"),
            *("--use-service-account-credentials=true", f"--service-account-private-key-file={key}"),
            f"--root-ca-file={certificates / 'apiserver.crt'}",
        )
        start(
            "kube-scheduler",
            *(f"--kubeconfig={folder / 'scheduler.yaml'}", "--leader-elect=false", "--secure-port=0"),
        )
        start(
            "kwok",
            *(f"--kubeconfig={cluster.kubeconfig}", f"--config={_write_stages(folder, refusing)}"),
            *(
                "--manage-all-nodes",
                f"--server-address=127.0.0.1:{nodes}",
                "--node-lease-duration-seconds=40",
            ),
        )
        cluster.apply(*(_node(f"node-{number}") for number in range(3)))
        yield cluster


def ports(count: int) -> list[int]:
    """Free ports, each another one."""
    found: list[int] = []
    for _ in range(count):
        found.append(free_port(set(found)))
    return found


def _write_key(file: Path) -> None:
    """The key with which tokens of service accounts are signed."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def _write_accounts(folder: Path, url: str, authority: Path) -> None:
    """Tokens that the API server takes, and a kubeconfig for each."""
    lines = []
    for name, (user, group) in _ACCOUNTS.items():
        token = secrets.token_hex(16)
        lines.append(f'{token},{user},{name},"{group}"')
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "here"}}],
            "clusters": [
                {"name": "here", "cluster": {"server": url, "certificate-authority": str(authority)}}
            ],
            "users": [{"name": "here", "user": {"token": token}}],
        }
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(config), "utf-8")
    (folder / "tokens.csv").write_text("\n".join(lines) + "\n", "utf-8")


def _write_stages(folder: Path, refusing: str) -> Path:
    stages = module_folder("sigs.k8s.io/kwok") / "kustomize" / "stage"
    texts = {one: (stages / f"{one}.yaml").read_text("utf-8") for one in _STAGES}
    texts["refused"] = _refused(texts["pod/fast/pod-complete"], refusing)
    file = folder / "stages.yaml"
    file.write_text("\n---\n".join(texts.values()), "utf-8")
    return file


def _refused(complete: str, tag: str) -> str:
    """The stage of a Job's pod that ends well, as one that fails: of `contracts plan` with an image of this tag."""
    for well, badly in (("exitCode: 0", "exitCode: 1"), ("Completed", "Error"), ("Succeeded", "Failed")):
        assert well in complete, complete
        complete = complete.replace(well, badly)
    stage = yaml.safe_load(complete)
    stage["metadata"]["name"] = "pod-refused"
    # The larger weight goes first.
    stage["spec"]["weight"] = 10_000
    stage["spec"]["selector"]["matchExpressions"] += [
        {"key": ".spec.containers.[].command.[]", "operator": "In", "values": ["plan"]},
        {"key": f'.spec.containers.[].image | endswith(":{tag}")', "operator": "In", "values": ["true"]},
    ]
    return yaml.safe_dump(stage)


def _node(name: str) -> dict[str, Any]:
    room = {"cpu": "32", "memory": "256Gi", "pods": "110"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "status": {"allocatable": room, "capacity": room},
    }
