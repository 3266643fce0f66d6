"""One home with the stores, the API and the pages; tests plant rows that nobody else's numbers can change."""

from collections.abc import Iterator

import pytest

from media_analytics_tests.builders import streams
from media_analytics_tests.integration.dashboard.planted import Api, Planted
from media_analytics_tests.services import embedded as _embedded
from media_analytics_tests.services.embedded import Embedded


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """Empty stores, and the API."""
    made = _embedded.make(tmp_path_factory.mktemp("dashboard") / "home")
    try:
        for name in ("kafka", "registry", "clickhouse"):
            made.start(name)
        streams.create_topics(made.settings)
        streams.create_tables(made.settings)
        made.start("dashboard-api")
        yield made
    finally:
        made.stop_all()


@pytest.fixture(scope="package")
def api(home: Embedded) -> Iterator[Api]:
    with Api(home.settings) as made:
        yield made


@pytest.fixture
def planted(home: Embedded) -> Planted:
    """Empty realtime tables, and how to fill them."""
    return Planted(home.settings)
