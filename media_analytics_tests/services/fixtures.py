"""Session fixtures: `embedded` (a home), and `kafka`, `registry`, `clickhouse`, `spark`, each startable alone.

Each service fixture returns the `Embedded` home, so a test reads `kafka.settings`. They can be services elsewhere:
`external.py`.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from media_analytics.settings import Settings
from media_analytics_tests.services import embedded as _embedded
from media_analytics_tests.services.embedded import Embedded
from media_analytics_tests.services.external import external_settings


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """One home for the whole session; what tests start in it ends with the session."""
    made = _embedded.make(tmp_path_factory.mktemp("stack") / "home", **external_settings(os.environ))
    yield made
    made.stop_all()


@pytest.fixture(scope="session")
def kafka(embedded: Embedded) -> Embedded:
    embedded.start("kafka")
    return embedded


@pytest.fixture(scope="session")
def registry(embedded: Embedded) -> Embedded:
    embedded.start("registry")
    return embedded


@pytest.fixture(scope="session")
def clickhouse(embedded: Embedded) -> Embedded:
    embedded.start("clickhouse")
    return embedded


@pytest.fixture(scope="session")
def spark(embedded: Embedded) -> Embedded:
    embedded.start("spark")
    return embedded


@pytest.fixture
def make_embedded(tmp_path: Path) -> Iterator[Callable[..., Embedded]]:
    """Homes of a test's own, to kill or stop services in: `make_embedded("a", STREAM__TRIGGER_SECONDS="1")`."""
    made: list[Embedded] = []

    def make(name: str = "home", **variables: str) -> Embedded:
        made.append(_embedded.make(tmp_path / name, **variables))
        return made[-1]

    yield make
    for one in made:
        one.stop_all()


@pytest.fixture
def make_settings(tmp_path: Path) -> Callable[..., Settings]:
    """Valid settings without any service: `make_settings(COLLECTOR__MAX_ITEMS="10")`."""
    from media_analytics_tests.builders import settings as builder

    def make(**variables: str) -> Settings:
        return builder.make(tmp_path, **variables)

    return make
