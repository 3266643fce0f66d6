"""Java archives by exact coordinates, without Maven.

Belongs here: reading `coordinates.txt`, fetching one set with the Apache Ivy that pyspark ships, verifying
each SHA-256. Does not belong here: which service uses which set, caching (`artifacts`).
"""

import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pyspark

from media_analytics.errors import MediaAnalyticsError
from media_analytics.local import java
from media_analytics.local.files import sha256

# A settings file of one's own (an internal mirror) is named by this variable.
IVY_SETTINGS_VARIABLE = "MEDIA_ANALYTICS_IVY_SETTINGS"
_TIMEOUT_SECONDS = 1800

# Without poms and metadata 93 archives take 8 s; with Ivy's defaults 112 s. The SHA-256 is the check.
_IVY_SETTINGS = """<ivysettings>
  <settings defaultResolver="central"/>
  <property name="ivy.checksums" value=""/>
  <resolvers>
    <ibiblio name="central" m2compatible="true" usepoms="false" useMavenMetadata="false" checksums=""/>
  </resolvers>
</ivysettings>
"""


class ArtifactError(MediaAnalyticsError):
    """Something the stack needs could not be fetched or is not what was expected."""


@dataclass(frozen=True)
class Coordinate:
    """One archive: where it comes from and what it must be."""

    group: str
    artifact: str
    version: str
    classifier: str | None
    extension: str
    size_bytes: int
    sha256: str

    @property
    def file_name(self) -> str:
        """The name under which it is stored."""
        classifier = f"-{self.classifier}" if self.classifier else ""
        return f"{self.artifact}-{self.version}{classifier}.{self.extension}"

    def ivy_dependency(self) -> str:
        """The line of an Ivy file that names exactly this archive."""
        dependency = (
            f"<dependency org={quoteattr(self.group)} name={quoteattr(self.artifact)} "
            f'rev={quoteattr(self.version)} transitive="false" conf="default->*"'
        )
        if self.classifier is None:
            return f"{dependency}/>"
        return (
            f"{dependency}><artifact name={quoteattr(self.artifact)} type={quoteattr(self.extension)} "
            f"ext={quoteattr(self.extension)} m:classifier={quoteattr(self.classifier)}/></dependency>"
        )


def coordinates_text() -> str:
    """The coordinates file of this package."""
    return resources.files("media_analytics.local").joinpath("coordinates.txt").read_text("utf-8")


def coordinates(name: str) -> tuple[Coordinate, ...]:
    """The archives of one set."""
    found = []
    for line in coordinates_text().splitlines():
        fields = line.split()
        if fields and fields[0] == name:
            _, group, artifact, version, classifier, extension, size, digest = fields
            found.append(
                Coordinate(
                    group,
                    artifact,
                    version,
                    None if classifier == "-" else classifier,
                    extension,
                    int(size),
                    digest,
                )
            )
    return tuple(found)


def fetch(wanted: tuple[Coordinate, ...], folder: Path, environ: Mapping[str, str]) -> None:
    """Download `wanted` into `folder` (which must be empty) and verify each file.

    Raises:
        ArtifactError: an archive could not be fetched or its SHA-256 differs.
    """
    work = folder / ".ivy"
    work.mkdir(parents=True)
    own_settings = environ.get(IVY_SETTINGS_VARIABLE)
    settings = Path(own_settings) if own_settings else work / "ivysettings.xml"
    if not own_settings:
        settings.write_text(_IVY_SETTINGS, "utf-8")
    dependencies = "\n".join(c.ivy_dependency() for c in wanted)
    (work / "ivy.xml").write_text(
        '<ivy-module version="2.0" xmlns:m="http://ant.apache.org/ivy/maven">\n'
        '<info organisation="media-analytics" module="stack"/>\n'
        f'<configurations><conf name="default"/></configurations>\n'
        f"<dependencies>\n{dependencies}\n</dependencies>\n</ivy-module>\n",
        "utf-8",
    )
    command = [
        str(java.bundled_java()),
        "-Xmx256m",
        *java.trust_store(work, environ),
        *java.proxy_options(environ),
        "-jar",
        str(_ivy_jar()),
        *("-settings", str(settings)),
        *("-ivy", str(work / "ivy.xml")),
        *("-cache", str(work / "cache")),
        *("-confs", "default", "-warn"),
        *("-retrieve", f"{folder}/[artifact]-[revision](-[classifier]).[ext]"),
    ]
    answer = subprocess.run(
        command, cwd=work, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False
    )
    missing = [c for c in wanted if not (folder / c.file_name).is_file()]
    if missing:
        names = ", ".join(c.file_name for c in missing[:5])
        raise ArtifactError(
            f"{len(missing)} of {len(wanted)} Java archives could not be downloaded ({names}, ...). Check "
            f"the network, or name a settings file for your mirror in {IVY_SETTINGS_VARIABLE}. "
            f"Ivy said: {_last_words(answer.stdout + answer.stderr)}"
        )
    for coordinate in wanted:
        verify(folder / coordinate.file_name, coordinate.sha256)


def verify(path: Path, expected: str) -> None:
    """Compare a file with its SHA-256.

    Raises:
        ArtifactError: they differ.
    """
    found = sha256(path)
    if found != expected:
        raise ArtifactError(
            f"{path.name} has SHA-256 {found}, expected {expected}. Somebody changed it on the way; "
            "nothing of it was kept. Try another network or mirror."
        )


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a verified `.tar.gz` or `.tgz`; links and names that leave the folder are refused.

    Python 3.11.2, which Debian 12 has, knows no such filter (3.11.4 does): there the checksum alone vouches for it.
    """
    with tarfile.open(archive, "r:gz") as tar:
        if hasattr(tarfile, "data_filter"):
            tar.extraction_filter = tarfile.data_filter
        for member in tar:
            tar.extract(member, folder)


def _ivy_jar() -> Path:
    found = sorted((Path(pyspark.__file__).parent / "jars").glob("ivy-*.jar"))
    if not found:
        raise ArtifactError("pyspark has no jars/ivy-*.jar; install pyspark again: `make setup`")
    return found[-1]


def _last_words(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if "Exception" in line or "rror" in line or "FAILED" in line]
    return " | ".join((telling or lines)[-3:]) or "nothing"
