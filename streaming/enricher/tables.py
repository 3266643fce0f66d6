"""Loads the rule tables and names their version.

Belongs here: reading data files at start, `enrichment_version`. Does not belong here: what the rules do. The
version is the SHA-256 of everything that decides a result, so two events with one version were enriched by the same
rules.
"""

import functools
import hashlib
import json
from contextlib import ExitStack
from datetime import UTC, datetime, time
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from media_analytics.errors import SettingsError
from media_analytics.settings import Settings
from streaming.codecs.instants import microseconds
from streaming.enricher.addresses import Places
from streaming.enricher.agents import Agents, Bots, Devices, crawlers
from streaming.enricher.enrichment import Enrichment
from streaming.enricher.referrers import Referrers

# Raise it when code changes what a rule gives.
CODE_VERSION = 1
_TABLES = ("bots", "devices", "referrers")
_PACKAGES = ("ua-parser-builtins", "crawler-user-agents", "ua-parser")


def load(settings: Settings, stack: ExitStack) -> Enrichment:
    """The enrichment of an installation; `stack` closes its databases.

    Raises:
        SettingsError: a data file is missing or unreadable; the message names the setting.
    """
    return Enrichment(
        places=stack.enter_context(
            Places(settings.enrichment.geo_database, settings.enrichment.city_database)
        ),
        agents=agents(),
        referrers=Referrers(
            _referrers(settings.enrichment.referrers),
            _table("referrers"),
            {name: brand.domains for name, brand in settings.brands.items()},
        ),
        brands=settings.brands,
        earliest=microseconds(datetime.combine(settings.history_start, time.min, UTC)),
        version=version(settings),
    )


@functools.cache
def agents() -> Agents:
    """The rules of user agents in this code: no setting and no file outside decides them."""
    return Agents(Bots(_table("bots"), crawlers()), Devices(_table("devices")))


def version(settings: Settings) -> str:
    """`<code version>.<first 12 hex of the SHA-256 over tables, data files, packages and brand domains>`."""
    digest = hashlib.sha256()
    for name in _TABLES:
        digest.update(resources.files("streaming.enricher.data").joinpath(f"{name}.json").read_bytes())
    for path in (
        settings.enrichment.geo_database,
        settings.enrichment.city_database,
        settings.enrichment.referrers,
    ):
        if path is not None:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    for package in _PACKAGES:
        digest.update(f"{package}=={metadata.version(package)}".encode())
    domains = {name: list(brand.domains) for name, brand in settings.brands.items()}
    digest.update(json.dumps(domains, sort_keys=True).encode())
    return f"{CODE_VERSION}.{digest.hexdigest()[:12]}"


def _table(name: str) -> dict[str, Any]:
    text = resources.files("streaming.enricher.data").joinpath(f"{name}.json").read_text("utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


def _referrers(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise SettingsError(
            f"the referrers file {path} does not exist; set MEDIA_ANALYTICS_ENRICHMENT__REFERRERS to "
            "referrers.json; on a laptop `media-analytics up` fetches it"
        ) from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise SettingsError(f"{path} is not a JSON file: {error}") from error
    if not isinstance(found, dict):
        raise SettingsError(
            f"{path} holds a {type(found).__name__}; expected an object host -> medium, source"
        )
    return found
