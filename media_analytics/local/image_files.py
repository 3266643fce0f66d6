"""`python -m media_analytics.local.image_files FOLDER`: what images hold beside Python packages.

Belongs here: which of the fetched things go into an image, under which names, and how much of them. Does not belong
here: fetching and verifying them (`artifacts`), which image takes which (`docker/Dockerfile`).
"""

import os
import shutil
import sys
import zipfile
from pathlib import Path

from media_analytics.local.artifacts import Artifacts, ensure
from media_analytics.local.java import bundled_java

# `s3` is the largest part of the image for Spark; a laptop does without.
GROUPS = ("spark", "s3", "data")
# Amazon's SDK comes with some 400 services, 570 of its 580 MB. `s3a://` and its chain of credentials name these.
SERVICES = frozenset({"kms", "s3", "sso", "ssooidc", "sts"})
_SERVICE = ("software", "amazon", "awssdk", "services")


def copy_sdk(archive: Path, target: Path) -> None:
    """Copy Amazon's SDK without the services that nothing here asks. The same archive gives the same copy."""
    with zipfile.ZipFile(archive) as whole, zipfile.ZipFile(target, "w") as copy:
        for entry in whole.infolist():
            folders = tuple(entry.filename.split("/"))
            if folders[:4] == _SERVICE and folders[4] not in SERVICES | {""}:
                continue
            copy.writestr(entry, whole.read(entry), entry.compress_type)


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
            copy = copy_sdk if jar.name.startswith("bundle-") else shutil.copyfile
            copy(jar, jars / jar.name)
    shutil.copytree(java_home, target / "java", symlinks=True)


def main(arguments: list[str]) -> int:
    """Fetch and arrange; returns the exit code."""
    (target,) = arguments
    arrange(ensure(os.environ, GROUPS), bundled_java().parent.parent, Path(target))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
