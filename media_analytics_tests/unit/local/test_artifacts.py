"""The cache: exact coordinates, checksums, nothing half-written."""

import io
import re
import tarfile
from pathlib import Path

import pytest

from media_analytics.local import artifacts, jars, java
from media_analytics.local.jars import ArtifactError


@pytest.mark.parametrize("name", ["kafka", "spark", "registry", "s3"])
def test_every_archive_has_an_exact_version_and_a_checksum(name: str) -> None:
    found = jars.coordinates(name)
    assert found
    for coordinate in found:
        assert re.fullmatch(r"[0-9a-f]{64}", coordinate.sha256)
        assert re.match(r"\d", coordinate.version)
        assert coordinate.size_bytes > 0
    assert len({c.file_name for c in found}) == len(found)


def test_a_changed_archive_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.jar"
    file.write_bytes(b"changed")
    with pytest.raises(ArtifactError, match=r"a\.jar has SHA-256"):
        jars.verify(file, "0" * 64)


def test_an_archive_is_unpacked_with_and_without_the_filter_of_newer_pythons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Debian 12's Python has none: an image built there could not unpack the enricher's data."""
    for name, path in (("good", "a/b.txt"), ("bad", "../b.txt")):
        with tarfile.open(tmp_path / f"{name}.tgz", "w:gz") as archive:
            archive.addfile(tarfile.TarInfo(path), io.BytesIO())
    jars.unpack(tmp_path / "good.tgz", tmp_path / "new")
    with pytest.raises(tarfile.OutsideDestinationError):
        jars.unpack(tmp_path / "bad.tgz", tmp_path / "new")
    monkeypatch.delattr(tarfile, "data_filter")
    monkeypatch.setattr(tarfile.TarFile, "extractall", None)
    jars.unpack(tmp_path / "good.tgz", tmp_path / "old")
    assert (tmp_path / "new/a/b.txt").is_file()
    assert (tmp_path / "old/a/b.txt").is_file()


def test_a_failed_fetch_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "set"
    with pytest.raises(ArtifactError), artifacts._whole_folder(target, "set", 1, None) as folder:
        (folder / "half").write_text("x")
        raise ArtifactError("cut off")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_cache_lacks_everything(tmp_path: Path) -> None:
    assert artifacts.Artifacts(tmp_path).missing() == list(artifacts.GROUPS)


def test_the_cache_folder_can_be_named(tmp_path: Path) -> None:
    assert artifacts.cache_folder({"MEDIA_ANALYTICS_CACHE": str(tmp_path)}) == tmp_path


def test_a_classifier_reaches_ivy() -> None:
    (registry,) = jars.coordinates("registry")
    assert 'm:classifier="all"' in registry.ivy_dependency()


def test_proxy_variables_become_options() -> None:
    options = java.proxy_options({"HTTPS_PROXY": "http://proxy.example:3128", "NO_PROXY": ".example,host"})
    assert options == [
        "-Dhttps.proxyHost=proxy.example",
        "-Dhttps.proxyPort=3128",
        "-Dhttp.nonProxyHosts=*.example|host",
    ]


def test_the_wrapper_drops_the_module_that_the_runtime_lacks(tmp_path: Path) -> None:
    home = java.spark_java_home(tmp_path, {})
    assert java.java_version(home / "bin" / "java") == java.java_version(java.bundled_java())
    script = (home / "bin" / "java").read_text()
    assert "--add-modules=jdk.incubator.vector" in script
