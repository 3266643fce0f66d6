"""What must hold of each image.

Belongs here: the processes that an image is for, started without the services they need, and what they must say then.
Does not belong here: how a container is started (`engine`).
"""

import http.client
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory

from media_analytics.local.home import free_port
from media_analytics_tests.builders.settings import variables
from media_analytics_tests.conventions.source import ROOT
from media_analytics_tests.images.engine import Engine, EngineError, wait_for
from media_analytics_tests.services import object_store as object_stores

HOME = Path("/var/lib/media-analytics")
# Packages without which the list of contents would be wrong, and some that would make an image large for nothing.
CONTENTS = {
    "control-plane": (
        {"dagster-webserver", "streamlit", "dagster-k8s"},
        {"pyspark", "dbt-core", "uv", "chdb"},
    ),
    "code-location": ({"dagster", "dbt-core", "pyspark"}, {"streamlit", "dagster-webserver", "uv", "chdb"}),
    "streaming": ({"confluent-kafka", "fastapi"}, {"dagster", "pyspark", "pandas", "uv", "chdb"}),
    "spark": ({"pyspark", "delta-storage", "hadoop-aws"}, {"dagster", "streamlit", "uv", "chdb"}),
}
_SERVER = "org.apache.spark.sql.connect.service.SparkConnectServer"
_DELTA = """
import os
from media_analytics.resources.spark import connect
from media_analytics.settings import load_settings
session = connect(load_settings(os.environ))
session.range(5).write.format("delta").save("/tmp/t")
print("rows", session.read.format("delta").load("/tmp/t").count())
"""
# The stream's own session; it is told where the store is as the chart tells it, by the usual variables.
_S3 = """
import os
from pathlib import Path
from spark_jobs.session import local_session
session = local_session("object store", Path("/tmp/scratch"), os.environ, cores=1)
session.range(7).write.format("delta").save("s3a://lake/t")
print("rows", session.read.format("delta").load("s3a://lake/t").count())
"""


def _settings(**replaced: str) -> dict[str, str]:
    """Settings whose addresses are all closed."""
    named = {f"MEDIA_ANALYTICS_{name}": value for name, value in replaced.items()}
    data = {
        "MEDIA_ANALYTICS_HOME": str(HOME),
        "MEDIA_ANALYTICS_ENRICHMENT__GEO_DATABASE": "/opt/media-analytics/data/geo.mmdb",
        "MEDIA_ANALYTICS_ENRICHMENT__REFERRERS": "/opt/media-analytics/data/referrers.json",
    }
    return variables(HOME) | data | named


def _port() -> int:
    return free_port(set())


def _status(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def _is_open(port: int) -> bool:
    socket.create_connection(("127.0.0.1", port), 3).close()
    return True


def _expect(is_true: object, said: str) -> None:
    if not is_true:
        raise EngineError(said)


def confinement(engine: Engine, image: str) -> str:
    """User, root that nobody writes, no settings and no installer inside, contents."""
    said = engine.configuration(image)
    _expect(said["User"] == "10001:10001", f"the image's user is {said['User']}")
    environment = said["Env"]
    _expect("MEDIA_ANALYTICS_" not in str(environment), f"a setting in the image: {environment}")
    identity = engine.run(image, "id", "-u").strip()
    _expect(identity == "10001", f"runs as {identity}")
    script = f"touch {HOME}/a /tmp/a && ! touch /opt/media-analytics/a 2>/dev/null && echo yes"
    tried = engine.run(image, "sh", "-c", script, check=False)
    _expect(tried.startswith("yes"), f"the wrong folders can be written: {tried}")
    listed = json.loads(engine.run(image, "cat", "/opt/media-analytics/sbom.cdx.json"))["components"]
    names = {one["name"] for one in listed}
    needed, unwanted = CONTENTS[image]
    _expect(needed <= names, f"not in the list of contents: {sorted(needed - names)}")
    _expect(not unwanted & names, f"in the image for nothing: {sorted(unwanted & names)}")
    return f"user 10001, read-only, {len(listed)} components"


def collector(engine: Engine, image: str) -> str:
    """It lives without Kafka, says that it is not ready, and ends when asked."""
    port = _port()
    settings = _settings(COLLECTOR__URL=f"http://127.0.0.1:{port}")
    with engine.started(image, "python", "-m", "streaming.collector", variables=settings) as container:
        wait_for("answer to /ping", container, 60, lambda: _status(port, "/ping") == 200)
        _expect(_status(port, "/ready") == 503, "ready without Kafka")
    return "collector lives, is not ready without Kafka, ends"


def health_files(engine: Engine, image: str) -> str:
    """Enricher and sink write their health files and wait for the services."""
    for name, module in {"enricher": "streaming.enricher", "sink": "streaming.sinks.clickhouse"}.items():
        _lives(engine, image, name, module, lambda health: bool(health["state"]))
    return "enricher and sink wait, end"


def stream(engine: Engine, image: str) -> str:
    """Its Java starts, and it waits for the services."""
    _lives(
        engine, image, "stream", "spark_jobs.jobs.user_events_stream",
        lambda health: health["state"] != "starting" and health["detail"] != "starting Spark",
    )  # fmt: skip
    return "stream has started Java, waits, ends"


def _lives(
    engine: Engine, image: str, name: str, module: str, is_well: Callable[[Mapping[str, str]], bool]
) -> None:
    file = f"{HOME}/run/{name}.health.json"
    with engine.started(image, "python", "-m", module, variables=_settings()) as container:

        def says() -> bool:
            text = container.execute("cat", file)
            return text.startswith("{") and is_well(json.loads(text))

        wait_for(f"health of {name}", container, 120, says)


def spark_server(engine: Engine, image: str) -> str:
    """A Connect server writes and reads Delta for the code location's pyspark."""
    port = _port()
    options = (f"--volume={ROOT / 'docker' / 'spark'}:/conf:ro",)
    command = (
        *(
            "/opt/spark/bin/spark-submit",
            "--class",
            _SERVER,
            "--properties-file",
            "/conf/spark-defaults.conf",
        ),
        *("--conf", f"spark.connect.grpc.binding.port={port}", "spark-internal"),
    )
    with engine.started(
        image, *command, variables={"SPARK_LOCAL_IP": "127.0.0.1"}, options=options
    ) as container:
        wait_for("Spark Connect", container, 120, lambda: _is_open(port))
        settings = _settings(SPARK__REMOTE=f"sc://127.0.0.1:{port}")
        # A token goes through TLS only; the chart has none either.
        del settings["MEDIA_ANALYTICS_SPARK__TOKEN"]
        given = [f"--env={name}={value}" for name, value in settings.items()]
        said = engine.run("code-location", "python", "-c", _DELTA, options=given, seconds=300)
        _expect("rows 5" in said, f"Delta through Connect said {said}")
    return "Connect server serves Delta to the code location"


def object_store(engine: Engine, image: str) -> str:
    """Spark writes and reads Delta at an `s3a://` address."""
    with object_stores.running() as store, TemporaryDirectory() as folder:
        store.put(Path(folder), "lake")
        keys = {
            "AWS_ENDPOINT_URL": store.settings.endpoint,
            "AWS_REGION": store.settings.region,
            "AWS_ACCESS_KEY_ID": store.settings.access_key_id,
            "AWS_SECRET_ACCESS_KEY": store.settings.secret_access_key.get_secret_value(),
            "SPARK_LOCAL_IP": "127.0.0.1",
        }
        given = [f"--env={name}={value}" for name, value in keys.items()]
        said = engine.run(image, "python", "-c", _S3, options=given, seconds=300)
    _expect("rows 7" in said, f"Delta on an object store said {said}")
    return "Spark writes and reads Delta on an object store"


def code_server(engine: Engine, image: str) -> str:
    """The definitions load, the command line speaks."""
    said = engine.run(image, "media-analytics", "contracts", "list")
    _expect("silver.events" in said, f"contracts list said {said[-500:]}")
    given = [f"--env={name}={value}" for name, value in _settings().items()]
    said = engine.run(image, "media-analytics", "contracts", "plan", options=given, check=False, seconds=300)
    _expect("error: " in said and "Traceback" not in said, f"contracts plan said {said[-2000:]}")
    port = _port()
    command = ("dagster", "api", "grpc", "-h", "127.0.0.1", "-p", str(port))
    module = ("--module-name", "media_analytics.definitions", "--location-name", "media_analytics")
    with engine.started(image, *command, *module, variables=_settings()) as container:
        wait_for("code server", container, 180, lambda: _is_open(port))
    return "definitions load, the command says what it lacks"


def pages(engine: Engine, image: str) -> str:
    """Dagster's page, the dashboard's API and its pages answer; the latter want the token."""
    with ExitStack() as stack:
        workspace = stack.enter_context(NamedTemporaryFile("w", suffix=".yaml"))
        workspace.write("load_from: []\n")
        workspace.flush()
        Path(workspace.name).chmod(0o644)
        port = _port()
        page = stack.enter_context(
            engine.started(
                image, "dagster-webserver", "-h", "127.0.0.1", "-p", str(port), "-w", "/opt/dagster/workspace.yaml",
                options=(f"--volume={workspace.name}:/opt/dagster/workspace.yaml:ro",),
            )
        )  # fmt: skip
        wait_for("Dagster's page", page, 120, lambda: _status(port, "/server_info") == 200)
    api, port = _port(), _port()
    settings = _settings(
        DASHBOARD__URL=f"http://127.0.0.1:{api}",
        DASHBOARD__PAGE_URL=f"http://127.0.0.1:{port}",
        DASHBOARD__TOKEN="smoke-token",
    )
    for module, at, path, wanted in (("api", api, "/ping", 200), ("page", port, "/", 401)):
        with engine.started(
            image, "python", "-m", f"media_analytics.dashboard.{module}", variables=settings
        ) as container:
            wait_for(f"{wanted} of {module}", container, 120, _answers(at, path, wanted))
    return "Dagster's page, the dashboard's API and pages answer"


def _answers(port: int, path: str, wanted: int) -> Callable[[], bool]:
    return lambda: _status(port, path) == wanted


CHECKS: dict[str, tuple[Callable[[Engine, str], str], ...]] = {
    "control-plane": (confinement, pages),
    "code-location": (confinement, code_server),
    "streaming": (confinement, collector, health_files),
    "spark": (confinement, stream, spark_server, object_store),
}


def check(engine: Engine, image: str) -> Iterator[str]:
    """Run the checks of an image, one after the other; what each has found.

    Raises:
        EngineError: one does not hold.
    """
    for one in CHECKS[image]:
        yield one(engine, image)
