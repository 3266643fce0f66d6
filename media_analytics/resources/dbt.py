"""dbt with the profile of one installation.

Belongs here: where the project is, its manifest, the profile made from the settings, starting a command. Does not
belong here: models (`dbt_project`), which are assets (`media_analytics/assets/warehouse/models.py`).
"""

import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dagster as dg
from dagster_dbt import DbtCliInvocation, DbtCliResource
from packaging.version import Version

from media_analytics.errors import SettingsError
from media_analytics.settings import Settings

PROJECT = Path(__file__).parents[2] / "dbt_project"
MANIFEST = PROJECT / "target" / "manifest.json"
PROFILE, TARGET = "media_analytics", "platform"
# Statements of one invocation at once; the gateway runs ten of the platform user.
THREADS = 4


def manifest() -> Mapping[str, Any]:
    """What `dbt parse` made of the project at set-up: no connection, no write.

    Raises:
        SettingsError: it was not made.
    """
    if not MANIFEST.is_file():
        raise SettingsError(f"{MANIFEST} is missing; run `make setup`, which parses the dbt project")
    found: dict[str, Any] = json.loads(MANIFEST.read_text("utf-8"))
    return found


def profile(settings: Settings) -> Mapping[str, Any]:
    """The profile by which dbt reaches the store as the platform user."""
    clickhouse = settings.clickhouse
    address = urlsplit(clickhouse.url)
    output: dict[str, Any] = {
        "type": "clickhouse",
        "driver": "http",
        "schema": "warehouse",
        "host": address.hostname,
        "port": address.port or (8443 if address.scheme == "https" else 8123),
        "secure": address.scheme == "https",
        "user": clickhouse.user,
        "password": clickhouse.password.get_secret_value(),
        "threads": THREADS,
        # A run may bring more dates up to date than the hundred that the store allows a statement.
        "custom_settings": {"max_partitions_per_insert_block": 0},
    }
    if clickhouse.variant == "replicated":
        output |= {"cluster": "{cluster}"}
    return {PROFILE: {"target": TARGET, "outputs": {TARGET: output}}}


class _InstalledDbt(DbtCliResource):
    """dbt of this interpreter. dagster-dbt would start `dbt --version` at each command: seconds of a core."""

    @cached_property
    def _cli_version(self) -> Version:
        return Version(version("dbt-core"))


class Dbt:
    """Starts dbt commands. Nothing is written before the first one."""

    def __init__(self, settings: Settings) -> None:
        """Keep the settings."""
        self._settings = settings

    @contextmanager
    def invocation(
        self,
        arguments: Sequence[str],
        name: str,
        context: dg.AssetExecutionContext | None = None,
        *,
        raise_on_error: bool = True,
    ) -> Iterator[DbtCliInvocation]:
        """One command of dbt; `name` is its folder in the home, removed afterwards.

        The folder holds the profile with the store's password, so only its owner reads it.
        """
        folder = self._settings.home / "dbt" / name
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            file = folder / "profiles.yml"
            file.touch(mode=0o600)
            # JSON is YAML.
            file.write_text(json.dumps(profile(self._settings)), "utf-8")
            yield self._resource(folder).cli(
                [*arguments], context=context, target_path=folder / "target", raise_on_error=raise_on_error
            )
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _resource(self, folder: Path) -> _InstalledDbt:
        return _InstalledDbt(
            project_dir=str(PROJECT),
            profiles_dir=str(folder),
            profile=PROFILE,
            target=TARGET,
            # Beside this interpreter, also when its folder is not on PATH.
            dbt_executable=str(Path(sys.executable).with_name("dbt")),
            global_config_flags=["--log-path", str(folder / "logs"), "--no-use-colors"],
        )
