"""Making Java's AOT cache: a Spark server that records what it loads and compiles while it works a little.

Belongs here: starting that server, its work, keeping what it wrote. Does not belong here: where the cache lies and who
uses it (`java_cache`).
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pyspark

from media_analytics.errors import ServiceError
from media_analytics.local import home as homes
from media_analytics.local import java, java_cache, spark
from media_analytics.local.artifacts import Artifacts, only_one_fetches
from media_analytics.local.environment import base_environment

_READY_SECONDS = 120
_WORK_SECONDS = 300
# Java writes the cache when it ends: 15 to 40 s.
_WRITTEN_SECONDS = 300
_POLL_SECONDS = 0.2
_SPARK = Path(pyspark.__file__).parent
_REMOTE_VARIABLE = "MEDIA_ANALYTICS_TRAINED"


def ensure(
    artifacts: Artifacts, environ: Mapping[str, str], stage: Callable[[str], None] | None = None
) -> None:
    """Make the cache where this Java and these jars have none: once, about a minute.

    Raises:
        ServiceError: the server does not start, does not work or writes nothing; its last words are in the message.
    """
    file = java_cache.cache_file(artifacts, environ)
    if file is None or file.is_file():
        return
    with only_one_fetches(artifacts.cache):
        if file.is_file():
            return
        if stage:
            stage("preparing Java for Spark: once, about a minute")
        work = Path(tempfile.mkdtemp(prefix=".java-aot-", dir=artifacts.cache))
        try:
            _train(artifacts, environ, work)
            made = work / "made"
            made.mkdir()
            (work / java_cache.FILE_NAME).rename(made / java_cache.FILE_NAME)
            (made / java_cache.JAVA_NAME).write_text(str(java.bundled_java()), "utf-8")
            made.rename(file.parent)
            remove_unusable(file.parent)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def remove_unusable(made: Path) -> None:
    """Caches (260 MB each) of a Java that is gone, and those of this one's Java that it replaces."""
    ours = (made / java_cache.JAVA_NAME).read_text("utf-8")
    for note in made.parent.glob(f"{java_cache.PREFIX}*/{java_cache.JAVA_NAME}"):
        java_of_it = note.read_text("utf-8")
        if note.parent != made and (java_of_it == ours or not Path(java_of_it).exists()):
            shutil.rmtree(note.parent)


def _train(artifacts: Artifacts, environ: Mapping[str, str], folder: Path) -> None:
    homes.create(folder / "home")
    homes.choose_ports(folder / "home", {}, free=True)
    home = homes.open_home(folder / "home")
    command = spark.command(home, artifacts, environ)
    variables = base_environment(environ) | dict(command.environment)
    # The caller's options may turn off what is to be recorded.
    variables.pop("JDK_JAVA_OPTIONS", None)
    arguments = _recorded(command.arguments, variables, artifacts, folder / java_cache.FILE_NAME)
    log = folder / "training.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            arguments, cwd=command.folder, env=variables, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + _READY_SECONDS
        while not spark.accepts_token(home.ports["spark"], home.secrets.spark_token, 2.0):
            if server.poll() is not None or time.monotonic() > deadline:
                raise ServiceError(f"Spark did not start to prepare Java: {_end(log)}")
            time.sleep(_POLL_SECONDS)
        remote = f"sc://localhost:{home.ports['spark']}/;token={home.secrets.spark_token}"
        with log.open("ab") as output:
            worked = subprocess.run(
                [sys.executable, "-m", __spec__.name, str(folder / "table")],
                env=variables | {_REMOTE_VARIABLE: remote},
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=_WORK_SECONDS,
                check=False,
            )
        if worked.returncode:
            raise ServiceError(f"Spark did not work to prepare Java: {_end(log)}")
        server.send_signal(signal.SIGTERM)
        server.wait(_WRITTEN_SECONDS)
        if not (folder / java_cache.FILE_NAME).is_file():
            raise ServiceError(f"Java wrote no cache: {_end(log)}")
    finally:
        server.kill()
        server.wait()


def _recorded(
    arguments: tuple[str, ...], variables: Mapping[str, str], artifacts: Artifacts, file: Path
) -> list[str]:
    """The Java command that `spark-submit` would become, with jars alone on its class path: Java takes no folder."""
    launcher = [f"{variables['JAVA_HOME']}/bin/java", "-cp", f"{_SPARK}/jars/*"]
    launcher += ["org.apache.spark.launcher.Main", "org.apache.spark.deploy.SparkSubmit", *arguments[1:]]
    scala = next((_SPARK / "jars").glob("spark-core_*.jar")).name.split("_")[1].split("-")[0]
    environ = dict(variables) | {"SPARK_SCALA_VERSION": scala}
    said = subprocess.run(launcher, env=environ, capture_output=True, text=True, check=True).stdout
    # A line of its own, then the arguments; all end with a zero.
    java, *rest = [part for part in said.partition("\0\n")[2].split("\0") if part]
    place = rest.index("-cp")
    rest[place + 1] = java_cache.class_path(artifacts)
    logging = f"-Dlog4j2.configurationFile={Path(variables['SPARK_CONF_DIR'], 'log4j2.properties').as_uri()}"
    # Code of adapters that a start with another compiler would refuse with a warning.
    without_code = ("-XX:+UnlockDiagnosticVMOptions", "-XX:-AOTAdapterCaching")
    return [java, f"-XX:AOTCacheOutput={file}", *without_code, logging, *rest]


def _end(log: Path) -> str:
    return log.read_text("utf-8", "replace")[-1500:]


def _work(remote: str, table: str) -> None:
    """What batch work and the stream do most: write, read, aggregate, compare, merge, decode."""
    from pyspark.sql import SparkSession, Window
    from pyspark.sql import functions as F

    session = SparkSession.builder.remote(remote).create()
    for name, value in (
        ("spark.sql.codegen.wholeStage", "false"),
        ("spark.sql.codegen.factoryMode", "NO_CODEGEN"),
    ):
        session.conf.set(name, value)
    number, moment = F.col("id"), F.timestamp_seconds(F.col("id") * 60 + 1_700_000_000)
    rows = session.range(5_000).select(
        number.alias("id"),
        (number % 7).alias("kind"),
        F.sha2(number.cast("string"), 256).alias("text"),
        moment.alias("occurred_at"),
        F.to_date(moment).alias("event_date"),
        F.create_map(F.lit("a"), number.cast("string")).alias("properties"),
    )
    for _ in range(2):
        rows.write.format("delta").mode("append").partitionBy("event_date").save(table)
        stored = session.read.format("delta").load(table)
        order = Window.partitionBy("kind").orderBy("occurred_at", "id")
        numbered = stored.withColumn("place", F.row_number().over(order)).withColumn(
            "before", F.lag("occurred_at").over(order)
        )
        numbered.groupBy("event_date", "kind").agg(
            F.count(F.lit(1)), F.count_distinct("text"), F.max("place"), F.sum(F.expr("xxhash64(text)") % 100)
        ).orderBy("event_date", "kind").toArrow()
        stored.join(rows.select("id", "kind"), ["id", "kind"], "left_semi").where("text is not null").count()
        dates = stored.where(F.col("event_date") == "2023-11-15").limit(500)
        writer = dates.write.format("delta").mode("overwrite")
        writer.option("replaceWhere", "event_date = '2023-11-15'").save(table)
    session.sql(f"OPTIMIZE delta.`{table}`").collect()
    session.stop()


if __name__ == "__main__":
    _work(os.environ[_REMOTE_VARIABLE], sys.argv[1])
