"""Which plans of a session are compiled: those of many rows, on a laptop only for as long as they run."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from media_analytics.resources.spark import COMPILED_FROM, LOCAL_CONF, suited_to
from media_analytics.settings import Settings

FACTORY = "spark.sql.codegen.factoryMode"


def _session(conf: dict[str, str]) -> Any:
    return SimpleNamespace(conf=SimpleNamespace(set=conf.__setitem__))


@pytest.mark.parametrize(
    ("rows", "meanwhile"), [(COMPILED_FROM - 1, "NO_CODEGEN"), (COMPILED_FROM, "FALLBACK")]
)
def test_plans_of_many_rows_are_compiled_meanwhile(
    rows: int, meanwhile: str, make_settings: Callable[..., Settings]
) -> None:
    """Catches a session that goes on compiling the plans of small tables, or never compiles."""
    conf = dict(LOCAL_CONF)
    with suited_to(rows, _session(conf), make_settings(LOCAL="true")):
        assert conf[FACTORY] == meanwhile
    assert conf == LOCAL_CONF


def test_an_error_is_not_hidden_by_a_server_that_is_gone(make_settings: Callable[..., Settings]) -> None:
    """Catches asking the server behind a failure, which waits for it and raises something else."""
    conf = dict(LOCAL_CONF)
    with (
        pytest.raises(ZeroDivisionError),
        suited_to(COMPILED_FROM, _session(conf), make_settings(LOCAL="true")),
    ):
        conf.clear()
        raise ZeroDivisionError
    assert conf == {}
