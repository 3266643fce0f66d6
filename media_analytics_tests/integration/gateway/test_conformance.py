"""What of clickhouse-connect's own tests passes, and that the list of exclusions is true and fresh."""

import os
from pathlib import Path
from typing import Any

import pytest

from media_analytics_tests.integration.gateway import conformance
from media_analytics_tests.services.gateway import GatewayProcess

# Only shrinks: lower it when an exclusion goes.
MOST_EXCLUSIONS = 7


def test_the_reference_page_is_fresh() -> None:
    wanted = conformance.reference()
    assert conformance.REFERENCE.read_text("utf-8") == wanted, (
        "run `python -m media_analytics_tests.integration.gateway.conformance`"
    )


def test_the_list_of_exclusions_only_shrinks() -> None:
    listed = conformance.exclusions()
    assert len(listed["excluded"]) <= MOST_EXCLUSIONS
    assert listed["passed"] / listed["counted"] >= 0.95


@pytest.mark.integration
@pytest.mark.parametrize("entry", conformance.exclusions()["excluded"], ids=lambda entry: entry["what"])
def test_bare_chdb_fails_the_same_way(entry: dict[str, Any]) -> None:
    import chdb

    with pytest.raises(RuntimeError, match=rf"^Code: {entry['code']}\. "):
        chdb.connect(":memory:").query(entry["sql"])


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(
    conformance.CHECKOUT_VARIABLE not in os.environ,
    reason=f"{conformance.CHECKOUT_VARIABLE} names no clone of ClickHouse/clickhouse-connect",
)
def test_the_clients_own_tests_pass(own_gateway: GatewayProcess, tmp_path: Path) -> None:
    result = conformance.run(Path(os.environ[conformance.CHECKOUT_VARIABLE]), own_gateway, tmp_path / "run")
    print(f"{result.passed} passed, failed: {', '.join(result.failed) or 'none'}")
    assert result.passed > 500, result.output[-3000:]
    assert result.ratio >= 0.95, result.failed
