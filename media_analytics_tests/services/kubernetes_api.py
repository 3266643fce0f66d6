"""As much of the API of Kubernetes as a launcher of runs needs, with jobs that are processes of this machine.

Belongs here: jobs are posted, asked for and deleted; their container runs as a process. Does not belong here: what a
test expects of the runs. A real API server also enforces security and rights; this one checks each Job against
Kubernetes' schema and nothing more.
"""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from jsonschema import ValidationError

from media_analytics_tests.builders.kubernetes_schemas import validate

_JOB = re.compile(r"/apis/batch/v1/namespaces/[^/]+/jobs(?:/(?P<name>[^/?]+))?(?:/status)?(?:\?.*)?")
VERSION = "1.37"


class Cluster:
    """What was asked for, and the processes."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = dict(environ)
        self._lock = threading.Lock()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        # Answers to the next posts instead of carrying them out.
        self.refusals: list[int] = []
        self.posted: list[dict[str, Any]] = []
        self.refused: list[str] = []
        self.deleted: list[str] = []
        self.url = ""

    def post(self, job: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Start the job's container."""
        name = job["metadata"]["name"]
        with self._lock:
            if self.refusals:
                return _status(self.refusals.pop(0), "the cluster is busy")
            if name in self._processes:
                return _status(409, f"jobs.batch {name!r} already exists")
            try:
                validate(job, VERSION)
            except ValidationError as error:
                self.refused.append(error.message)
                return _status(422, error.message)
            self.posted.append(job)
            (container,) = job["spec"]["template"]["spec"]["containers"]
            program, *arguments = container["args"]
            own = {v["name"]: v["value"] for v in container["env"] if v["name"].startswith("DAGSTER_RUN")}
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", program, *arguments],
                env=self._environ | own,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        return 201, job

    def get(self, name: str) -> tuple[int, dict[str, Any]]:
        """A job with the state of its process."""
        with self._lock:
            process = self._processes.get(name)
            job = next((j for j in self.posted if j["metadata"]["name"] == name), None)
        if process is None or job is None:
            return _status(404, f"jobs.batch {name!r} not found")
        code = process.poll()
        state = {"active": 1} if code is None else {"succeeded": 1} if code == 0 else {"failed": 1}
        return 200, job | {"status": state}

    def delete(self, name: str) -> tuple[int, dict[str, Any]]:
        """End a job's process, as a kubelet does: asked first."""
        with self._lock:
            process = self._processes.get(name)
            self.deleted.append(name)
        if process is None:
            return _status(404, f"jobs.batch {name!r} not found")
        process.terminate()
        return _status(200, "")

    def end(self) -> None:
        """End whatever still runs."""
        for process in self._processes.values():
            process.kill()
            process.wait()


@contextmanager
def kubernetes_api(environ: Mapping[str, str] = os.environ) -> Iterator[Cluster]:
    """Serve until the block ends. `environ` is the environment of containers, beside what tells them their run."""
    cluster = Cluster(environ)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._answer(*cluster.post(body))

        def do_GET(self) -> None:
            found = _JOB.fullmatch(self.path)
            if found and found["name"]:
                self._answer(*cluster.get(found["name"]))
            else:
                # Pods and events of a job: none that anybody could read.
                self._answer(200, {"kind": "List", "apiVersion": "v1", "metadata": {}, "items": []})

        def do_DELETE(self) -> None:
            found = _JOB.fullmatch(self.path)
            self._answer(*cluster.delete(found["name"] if found and found["name"] else ""))

        def _answer(self, code: int, document: dict[str, Any]) -> None:
            body = json.dumps(document).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    cluster.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield cluster
    finally:
        server.shutdown()
        server.server_close()
        cluster.end()


def _status(code: int, message: str) -> tuple[int, dict[str, Any]]:
    state = "Success" if code < 400 else "Failure"
    return code, {"kind": "Status", "apiVersion": "v1", "status": state, "message": message, "code": code}
