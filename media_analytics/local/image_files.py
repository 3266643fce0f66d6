"""`python -m media_analytics.local.image_files FOLDER`: what images hold beside Python packages.

Belongs here: which of the fetched things go into an image, under which names. Does not belong here: fetching and
verifying them (`artifacts`), which image takes which (`docker/Dockerfile`).
"""

import os
import shutil
import sys
from pathlib import Path

from media_analytics.local.artifacts import Artifacts, ensure
from media_analytics.local.java import bundled_java

# `s3` is the largest part of the image for Spark; a laptop does without.
GROUPS = ("spark", "s3", "data")


def arrange(artifacts: Artifacts, java_home: Path, target: Path) -> None:
    """Copy to `target`: `data` for the enricher, `jars` for Spark's class path, `java` to run Spark.

    Args:
        artifacts: the cache, with each of `GROUPS` in it.
        java_home: folder of the Java runtime.
        target: a folder that need not exist.
    """
    data, jars = target / "data", target / "jars"
    data.mkdir(parents=True)
    jars.mkdir()
    shutil.copyfile(artifacts.geo_database, data / "geo.mmdb")
    shutil.copyfile(artifacts.referrers, data / "referrers.json")
    for folder in (artifacts.spark_jars, artifacts.s3_jars):
        for jar in sorted(folder.glob("*.jar")):
            shutil.copyfile(jar, jars / jar.name)
    shutil.copytree(java_home, target / "java", symlinks=True)


def main(arguments: list[str]) -> int:
    """Fetch and arrange; returns the exit code."""
    (target,) = arguments
    arrange(ensure(os.environ, GROUPS), bundled_java().parent.parent, Path(target))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
