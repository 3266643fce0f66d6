"""Java's AOT cache for Spark: classes loaded and linked, methods profiled, once for every start (JEP 483, 514, 515).

Belongs here: where the cache lies, which Java and which jars it is of, the options that use it. Does not belong here:
making it (`java_training`), what Spark is started with (`spark`).

Half of a young Spark server's CPU time is loading its classes and finding out what to compile (decision 0048). The
cache holds for exactly one Java and one class path: the folder's name says which. Java compares both again and goes on
without a cache that does not fit.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import pyspark

from media_analytics.local import java
from media_analytics.local.artifacts import Artifacts

FILE_NAME = "spark.aot"
# Beside it: which Java it is of, to remove it when that one is gone.
JAVA_NAME = "java"
PREFIX = "java-aot-"


def class_path(artifacts: Artifacts) -> str:
    """Every jar of Spark by name, in an order that stays: what Java compares with the cache. Ours come first."""
    folders = (artifacts.spark_jars, Path(pyspark.__file__).parent / "jars")
    return os.pathsep.join(str(jar) for folder in folders for jar in sorted(folder.glob("*.jar")))


def cache_file(artifacts: Artifacts, environ: Mapping[str, str]) -> Path | None:
    """Where the cache of this Java and these jars lies, made or not; None where Spark runs on the user's own Java."""
    if not artifacts.spark_java_home(environ).is_relative_to(artifacts.cache):
        return None
    release = java.bundled_java().parent.parent / "release"
    facts = [str(java.bundled_java()), release.read_text("utf-8") if release.is_file() else ""]
    for jar in class_path(artifacts).split(os.pathsep):
        found = Path(jar).stat()
        facts.append(f"{jar} {found.st_size} {found.st_mtime_ns}")
    key = hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]
    return artifacts.cache / f"{PREFIX}{key}" / FILE_NAME


def options(artifacts: Artifacts, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Options of a Spark JVM that use the cache; none where there is no cache."""
    file = cache_file(artifacts, environ)
    return (f"-XX:AOTCache={file}",) if file is not None and file.is_file() else ()
