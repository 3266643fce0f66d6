"""Taking and restoring a home without services: what is refused, what a kill leaves, what comes back."""

import fcntl
import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from media_analytics.errors import ServiceError
from media_analytics.local import home as homes
from media_analytics.local import leftovers
from media_analytics.local.backup import manifest, restoring, taking
from media_analytics.local.backup.manifest import BackupError
from media_analytics.local.backup.restoring import restore
from media_analytics.local.backup.taking import take
from media_analytics.local.environment import SUPERVISED_VARIABLE
from media_analytics.local.home import Home, open_home
from media_analytics_tests.services.embedded import wait_until


def _silent(_: str) -> None:
    return


@pytest.fixture
def home(tmp_path: Path) -> Home:
    path = tmp_path / "home"
    homes.create(path)
    rows = pa.table({"day": ["2026-01-01", "2026-01-02"], "n": [1, 2]})
    write_deltalake(path / "lake" / "silver" / "events", rows, partition_by=["day"])
    (path / "registry").mkdir()
    (path / "registry" / "registry.mv.db").write_text("schemas", "utf-8")
    (path / "logs" / "kafka.log").write_text("said", "utf-8")
    return open_home(path)


@pytest.fixture
def backup(home: Home, tmp_path: Path) -> Path:
    take(home, tmp_path / "backup", _silent)
    return tmp_path / "backup"


def _files(folder: Path) -> dict[str, bytes]:
    kept = [p for p in folder.rglob("*") if p.is_file() and "logs" not in p.parts]
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in kept}


def test_a_restored_home_has_the_same_data_and_another_id(home: Home, backup: Path, tmp_path: Path) -> None:
    """Would catch a copy whose `up` ends the processes of its original, because they bear the same id."""
    found, moved = restore(backup, tmp_path / "copy", _silent, replace=False)
    assert moved is None
    assert set(found.parts) == {"home", "lake", "registry"}
    before, after = _files(home.path), _files(tmp_path / "copy")
    other = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert other == {"home.json"}
    # Its logs are not in the backup, and the supervisor wants their folder.
    assert list((tmp_path / "copy" / "logs").iterdir()) == []
    restored = open_home(tmp_path / "copy")
    assert restored.home_id != home.home_id
    assert (restored.kafka_cluster_id, restored.secrets) == (home.kafka_cluster_id, home.secrets)
    assert DeltaTable(tmp_path / "copy" / "lake" / "silver" / "events").to_pyarrow_table().num_rows == 2


def test_only_the_user_may_look_into_a_backup_and_what_comes_of_it(backup: Path, tmp_path: Path) -> None:
    restore(backup, tmp_path / "copy", _silent, replace=False)
    for folder in (backup, tmp_path / "copy"):
        assert {
            p.relative_to(folder) for p in [folder, *folder.rglob("*")] if p.stat().st_mode & 0o077
        } == set()


def test_a_home_that_is_not_empty_is_moved_aside_only_when_asked(home: Home, backup: Path) -> None:
    (home.path / "registry" / "registry.mv.db").write_text("later schemas", "utf-8")
    with pytest.raises(BackupError, match="--replace"):
        restore(backup, home.path, _silent, replace=False)
    assert (home.path / "registry" / "registry.mv.db").read_text("utf-8") == "later schemas"
    _, moved = restore(backup, home.path, _silent, replace=True)
    assert (home.path / "registry" / "registry.mv.db").read_text("utf-8") == "schemas"
    assert moved is not None
    assert (moved / "registry" / "registry.mv.db").read_text("utf-8") == "later schemas"


@pytest.mark.parametrize("damage", ["changed", "missing", "manifest"])
def test_a_damaged_backup_is_refused_before_the_home_is_touched(
    home: Home, backup: Path, damage: str
) -> None:
    file = backup / ("home/registry/registry.mv.db" if damage != "manifest" else manifest.MANIFEST)
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes().replace(b"schemas", b"SCHEMAS").replace(b"sha256", b"sha257"))
    with pytest.raises(BackupError, match="damaged"):
        restore(backup, home.path, _silent, replace=True)
    assert (home.path / "registry" / "registry.mv.db").read_text("utf-8") == "schemas"


def test_a_path_that_leads_out_of_the_home_is_refused(backup: Path, tmp_path: Path) -> None:
    found = json.loads((backup / manifest.MANIFEST).read_text("utf-8"))
    found["links"]["../outside"] = "/"
    manifest.write(backup, msgspec.convert(found, manifest.Manifest))
    with pytest.raises(BackupError, match="no path inside"):
        restore(backup, tmp_path / "copy", _silent, replace=False)


def test_a_backup_that_was_killed_has_no_name_and_is_started_over(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        pass

    def killed(folder: Path, made: manifest.Manifest) -> None:
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(manifest, "write", killed)
        with pytest.raises(KilledError):
            take(home, tmp_path / "backup", _silent)
    assert not (tmp_path / "backup").exists()
    with pytest.raises(BackupError, match="no backup"):
        restore(tmp_path / "backup.partial", tmp_path / "copy", _silent, replace=False)
    take(home, tmp_path / "backup", _silent)
    assert not (tmp_path / "backup.partial").exists()
    restore(tmp_path / "backup", tmp_path / "copy", _silent, replace=False)


def test_a_restore_that_was_killed_is_started_over(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: Path) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(restoring, "sha256", killed)
        with pytest.raises(KeyboardInterrupt):
            restore(backup, tmp_path / "copy", _silent, replace=False)
    assert not (tmp_path / "copy").exists()
    restore(backup, tmp_path / "copy", _silent, replace=False)
    assert homes.exists(tmp_path / "copy")
    assert not (tmp_path / "copy.restoring").exists()


def test_a_folder_of_somebody_else_is_left_alone(home: Home, backup: Path, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="there already"):
        take(home, backup, _silent)
    (tmp_path / "next.partial").mkdir()
    (tmp_path / "next.partial" / "thesis.txt").write_text("years of work", "utf-8")
    with pytest.raises(BackupError, match="not the begin"):
        take(home, tmp_path / "next", _silent)
    with pytest.raises(BackupError, match="lies in the home"):
        take(home, home.path / "backup", _silent)


def test_a_full_disk_is_noticed_before_anything_is_copied(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="GB free"):
        taking.refuse_full(tmp_path, 1e18)


def test_a_table_that_lacks_a_file_of_its_log_is_no_backup(home: Home, tmp_path: Path) -> None:
    next((home.path / "lake" / "silver" / "events" / "day=2026-01-02").glob("*.parquet")).unlink()
    with pytest.raises(BackupError, match="is not whole"):
        take(home, tmp_path / "backup", _silent)
    assert not (tmp_path / "backup").exists()


def test_stores_that_lie_elsewhere_are_named(home: Home, tmp_path: Path) -> None:
    text = "MEDIA_ANALYTICS_KAFKA__BOOTSTRAP_SERVERS=kafka.example.org:9092\n"
    text += "MEDIA_ANALYTICS_LAKE__URL=s3a://example-lake\n"
    (home.path / "stack.env").write_text(text, "utf-8")
    with pytest.raises(BackupError, match="kafka, lake of this stack lies elsewhere"):
        take(home, tmp_path / "backup", _silent)


def test_a_home_that_runs_is_not_replaced(home: Home, backup: Path) -> None:
    """Also one that is damaged: processes say where they belong."""
    (home.path / "home.json").write_text("{", "utf-8")
    running = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"],
        env={SUPERVISED_VARIABLE: home.home_id, homes.HOME_VARIABLE: str(home.path)},
    )
    try:
        wait_until(lambda: bool(leftovers.find_at(home.path)), 10, lambda: "no process")
        with pytest.raises(BackupError, match="media-analytics down"):
            restore(backup, home.path, _silent, replace=True)
    finally:
        running.kill()
        running.wait(10)
    restore(backup, home.path, _silent, replace=True)
    assert open_home(home.path).secrets == home.secrets


def test_a_start_and_a_backup_do_not_happen_together(home: Home, tmp_path: Path) -> None:
    with (home.run / "up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ServiceError, match="another"):
            take(home, tmp_path / "backup", _silent)
    take(home, tmp_path / "backup", _silent)
