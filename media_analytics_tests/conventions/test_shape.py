"""How a module looks: charter, size, suppressions, names."""

import ast
import re

import pytest

from media_analytics_tests.conventions.source import PACKAGES, ROOT, SUPPRESSION, modules, tree

MAX_LINES = 500
# Ratchet: lower it when one goes, never raise it without the reason beside the suppression.
SUPPRESSIONS_ALLOWED = 0

LAYERS = {
    "kafka", "bronze", "silver", "gold", "realtime", "warehouse", "quarantine", "extracts", "results",
    "postgres", "documents", "reports", "features", "models", "scores", "exports", "ops",
}  # fmt: skip


# Instants whose names the data definition gives.
NAMED_INSTANTS = ("minute", "valid_from", "valid_to")


def test_every_module_opens_with_its_charter() -> None:
    assert [m.as_posix() for m in modules() if not ast.get_docstring(tree(m))] == []


def test_package_files_hold_a_docstring_and_nothing_else() -> None:
    full = [m.as_posix() for m in modules() if m.name == "__init__.py" and len(tree(m).body) != 1]
    assert full == []


def test_no_module_is_too_long() -> None:
    long = {m.as_posix(): n for m in modules() if (n := len((ROOT / m).read_text().splitlines())) > MAX_LINES}
    assert long == {}


def test_suppressions_only_shrink_and_carry_their_reason() -> None:
    lines = [
        f"{m}:{number}: {line.strip()}"
        for m in modules(*PACKAGES, "media_analytics_tests")
        for number, line in enumerate((ROOT / m).read_text("utf-8").splitlines(), 1)
        if (found := SUPPRESSION.search(line)) and "fmt:" not in found.group(0) and "SUPPRESSION" not in line
    ]
    assert len(lines) <= SUPPRESSIONS_ALLOWED, "\n".join(lines)


def test_dagster_modules_do_not_postpone_annotations() -> None:
    """Dagster inspects annotated `context` parameters; postponed annotations make it refuse to load."""
    wrong = [
        m.as_posix()
        for m in modules("media_analytics")
        if "from __future__ import annotations" in (ROOT / m).read_text("utf-8")
        and "import dagster" in (ROOT / m).read_text("utf-8")
    ]
    assert wrong == []


@pytest.fixture(scope="module")
def contracts():
    from media_analytics.contracts.registry import TABLES, TOPICS

    return [*TABLES.values(), *TOPICS.values()]


def test_layers_are_the_known_ones(contracts) -> None:
    assert {c.layer for c in contracts if hasattr(c, "layer")} <= LAYERS


def test_column_names_follow_the_grammar(contracts) -> None:
    """`docs/naming.md`: instants end in `_at`, days in `date`, flags start with is_ or has_; lower snake case."""
    wrong = []
    for contract in contracts:
        for column in contract.columns:
            name, kind = column.name, str(column.arrow_type)
            where = f"{contract.name}.{name}"
            if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
                wrong.append(f"{where}: not lower snake case")
            if kind.startswith("timestamp") and not (name.endswith("_at") or name in NAMED_INSTANTS):
                wrong.append(f"{where}: an instant ends in _at")
            if kind.startswith("date") and not name.endswith("date"):
                wrong.append(f"{where}: a day ends in date")
            if kind == "bool" and not name.startswith(("is_", "has_")):
                wrong.append(f"{where}: a flag starts with is_ or has_")
            if not column.description:
                wrong.append(f"{where}: no description")
    assert wrong == []
