"""One gateway for the tests of this folder, and one of its own for those that kill it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from media_analytics_tests.services import gateway as service
from media_analytics_tests.services.gateway import GatewayProcess


@pytest.fixture(scope="package")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    made = service.make(tmp_path_factory.mktemp("gateway"))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def own_gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    made = service.make(tmp_path)
    made.start()
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()
