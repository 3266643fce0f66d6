"""Java's AOT cache is used for exactly the Java and the jars it was made of."""

import os
from pathlib import Path

import pytest

from media_analytics.local import java_cache, java_training
from media_analytics.local.artifacts import Artifacts


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    found = Artifacts(tmp_path)
    found.spark_jars.mkdir(parents=True)
    for name in ("b.jar", "a.jar"):
        (found.spark_jars / name).write_bytes(b"jar")
    return found


def test_the_class_path_names_every_jar_in_an_order_that_stays(artifacts: Artifacts) -> None:
    """Ours first: they replace what pyspark ships."""
    jars = java_cache.class_path(artifacts).split(os.pathsep)
    assert [Path(jar).name for jar in jars[:2]] == ["a.jar", "b.jar"]
    assert any(Path(jar).name.startswith("spark-core_") for jar in jars[2:])
    assert not any("*" in jar for jar in jars)


def test_another_jar_means_another_cache(artifacts: Artifacts) -> None:
    before = java_cache.cache_file(artifacts, {})
    assert before is not None
    assert java_cache.cache_file(artifacts, {}) == before
    (artifacts.spark_jars / "a.jar").write_bytes(b"another")
    assert java_cache.cache_file(artifacts, {}) != before


def test_options_name_the_cache_once_it_is_there(artifacts: Artifacts) -> None:
    assert java_cache.options(artifacts, {}) == ()
    file = java_cache.cache_file(artifacts, {})
    assert file is not None
    file.parent.mkdir()
    file.write_bytes(b"cache")
    assert java_cache.options(artifacts, {}) == (f"-XX:AOTCache={file}",)


def test_a_java_of_the_users_own_gets_none(artifacts: Artifacts, tmp_path: Path) -> None:
    own = tmp_path.parent / f"{tmp_path.name}-jdk"
    java = own / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text("#!/bin/sh\necho 'openjdk version \"21.0.1\"' >&2\n")
    java.chmod(0o755)
    assert java_cache.cache_file(artifacts, {"JAVA_HOME": str(own)}) is None
    assert java_cache.options(artifacts, {"JAVA_HOME": str(own)}) == ()


def test_a_new_cache_removes_those_that_nothing_can_use(tmp_path: Path) -> None:
    """Of environments that are gone, and of the same Java with other jars; a neighbour's stays."""
    ours, neighbour = tmp_path / "ours", tmp_path / "neighbour"
    ours.touch()
    neighbour.touch()
    folders = {}
    for name, java in (("new", ours), ("old", ours), ("gone", tmp_path / "gone"), ("other", neighbour)):
        folders[name] = tmp_path / f"{java_cache.PREFIX}{name}"
        folders[name].mkdir()
        (folders[name] / java_cache.JAVA_NAME).write_text(str(java))
    java_training.remove_unusable(folders["new"])
    assert sorted(n for n, folder in folders.items() if folder.exists()) == ["new", "other"]
