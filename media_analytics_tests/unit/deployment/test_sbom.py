"""The list of an image's contents names what is there, the same each time."""

import hashlib
import zipfile
from pathlib import Path

from media_analytics.deployment.sbom import debian_packages, document, files, python_packages

_STATUS = """Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u10
Description: of several lines
 Version: 1, which is no field

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0
"""


def test_debian_packages_are_those_installed(tmp_path: Path) -> None:
    """A removed package whose configuration stayed is still in dpkg's file."""
    status = tmp_path / "status"
    status.write_text(_STATUS)
    assert list(debian_packages(status)) == [
        {
            "type": "library",
            "name": "libc6",
            "version": "2.36-9+deb12u10",
            "purl": "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=amd64",
        }
    ]
    assert list(debian_packages(tmp_path / "none")) == []


def test_python_packages_have_the_names_of_the_index(tmp_path: Path) -> None:
    info = tmp_path / "Some_Package-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: Some_Package\nVersion: 1.2\n")
    assert [one["purl"] for one in python_packages([str(tmp_path)])] == ["pkg:pypi/some-package@1.2"]


def test_archives_have_checksum_and_coordinates(tmp_path: Path) -> None:
    """An archive that holds others as well is not taken for one of those."""
    jar = tmp_path / "delta-storage-4.4.0.jar"
    with zipfile.ZipFile(jar, "w") as archive:
        archive.writestr("META-INF/maven/org.other/inner/pom.properties", "")
        archive.writestr("META-INF/maven/io.delta/delta-storage/pom.properties", "")
    (tmp_path / "bundle-2.35.4.jar").write_bytes(jar.read_bytes())
    (tmp_path / "geo.mmdb").write_bytes(b"data")
    bundle, delta, geo = files(tmp_path)
    assert (delta["name"], delta["version"]) == ("delta-storage", "4.4.0")
    assert delta["purl"] == "pkg:maven/io.delta/delta-storage@4.4.0"
    assert delta["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(jar.read_bytes()).hexdigest()}]
    assert "purl" not in bundle
    assert (geo["type"], geo["name"]) == ("file", "geo.mmdb")


def test_the_same_contents_give_the_same_document() -> None:
    parts = [{"type": "library", "name": name, "version": "1"} for name in ("b", "a")]
    one, other = document("spark", iter(parts)), document("spark", iter(reversed(parts)))
    assert one == other
    assert [c["name"] for c in one["components"]] == ["a", "b"]
    assert (one["bomFormat"], one["specVersion"]) == ("CycloneDX", "1.6")
