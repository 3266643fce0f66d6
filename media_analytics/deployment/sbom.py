"""`python -m media_analytics.deployment.sbom IMAGE [PATH...]`: what is in an image, as CycloneDX.

Belongs here: the list of an image's Python packages, Debian packages, Java archives and other files. It runs while an
image is built, inside of it, and prints to standard output. Does not belong here: what an image holds
(`docker/Dockerfile`), judging it.
"""

import hashlib
import json
import re
import sys
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

DPKG_STATUS = Path("/var/lib/dpkg/status")
_JAR = re.compile(r"(?P<name>.+?)-(?P<version>\d[^/]*)\.jar")
_MAVEN = re.compile(r"META-INF/maven/(?P<group>[^/]+)/(?P<artifact>[^/]+)/pom\.properties")
Component = dict[str, Any]


def document(image: str, components: Iterator[Component]) -> dict[str, Any]:
    """The document of one image. It has no time and no random number: the same image gives the same document."""
    listed = sorted(components, key=lambda one: (one.get("purl", ""), one["name"], one.get("version", "")))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": f"media-analytics/{image}"}},
        "components": listed,
    }


def python_packages(folders: list[str]) -> Iterator[Component]:
    """Each distribution installed in these folders."""
    for found in metadata.distributions(path=folders):
        name = re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower()
        yield {
            "type": "library",
            "name": name,
            "version": found.version,
            "purl": f"pkg:pypi/{name}@{quote(found.version)}",
        }


def debian_packages(status: Path) -> Iterator[Component]:
    """Each package that dpkg's status file calls installed; none where there is no such file."""
    for paragraph in status.read_text("utf-8").split("\n\n") if status.is_file() else ():
        fields = dict(re.findall(r"^(Package|Version|Architecture|Status): (.*)$", paragraph, re.M))
        if fields.get("Status", "").endswith(" installed"):
            name, version = fields["Package"], fields["Version"]
            purl = f"pkg:deb/debian/{name}@{quote(version, safe='')}?arch={fields['Architecture']}"
            yield {"type": "library", "name": name, "version": version, "purl": purl}


def files(path: Path) -> Iterator[Component]:
    """A file, or each file of a folder: Java archives with their coordinates where they tell them."""
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        if file.is_dir():
            continue
        component: Component = {"type": "file", "name": file.name}
        named = _JAR.fullmatch(file.name)
        if named:
            component |= {"type": "library", "name": named["name"], "version": named["version"]}
            group = _maven_group(file, named["name"])
            if group:
                component["purl"] = f"pkg:maven/{group}/{named['name']}@{quote(named['version'])}"
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        yield component | {"hashes": [{"alg": "SHA-256", "content": digest}]}


def _maven_group(jar: Path, artifact: str) -> str | None:
    """The group an archive gives itself. One that holds others, too, names those as well."""
    with zipfile.ZipFile(jar) as archive:
        for name in archive.namelist():
            found = _MAVEN.fullmatch(name)
            if found and found["artifact"] == artifact:
                return found["group"]
    return None


def _everything(paths: list[str]) -> Iterator[Component]:
    yield from python_packages([one for one in sys.path if one.endswith("site-packages")])
    yield from debian_packages(DPKG_STATUS)
    for path in paths:
        yield from files(Path(path))


def main(arguments: list[str]) -> int:
    """Print the document of the image that is being built; returns the exit code."""
    image, *paths = arguments
    json.dump(document(image, _everything(paths)), sys.stdout, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
