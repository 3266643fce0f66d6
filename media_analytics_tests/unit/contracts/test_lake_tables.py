"""Empty tables of the lake are what their contracts say."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from deltalake import DeltaTable

from media_analytics.contracts.model import TableContract
from media_analytics.contracts.registry import TABLES, table
from media_analytics.errors import ServiceError
from media_analytics.migrations import lake_tables
from media_analytics.migrations.lake_tables import DeltaAdmin
from media_analytics.migrations.plan import delta_differences
from media_analytics.settings import Settings

LAKE = [c for c in TABLES.values() if c.store == "delta"]


@pytest.mark.parametrize("contract", LAKE, ids=lambda c: c.full_name)
def test_a_created_table_needs_no_change(
    contract: TableContract, make_settings: Callable[..., Settings]
) -> None:
    """Would catch a type, a partition or a property that the writer drops, and a feature other readers lack."""
    admin = DeltaAdmin(make_settings())
    location = admin.location(contract)
    (change,) = delta_differences(contract, None, location)
    admin.carry_out(change, contract)
    stored = admin.stored(contract)
    assert stored is not None
    assert delta_differences(contract, stored, location) == []
    made = DeltaTable(location)
    fields = {f["name"]: f for f in json.loads(made.schema().to_json())["fields"]}
    assert {name: f["nullable"] for name, f in fields.items()} == {
        c.name: c.nullable for c in contract.columns
    }
    assert {name: f["metadata"] for name, f in fields.items()} == {
        c.name: {"comment": c.description} for c in contract.columns
    }
    protocol = made.protocol()
    assert (protocol.min_reader_version, protocol.min_writer_version) == (1, 2)


def test_a_table_that_is_there_stays(make_settings: Callable[..., Settings]) -> None:
    """Would catch a second start that empties the lake."""
    contract = table("silver.events")
    location = DeltaAdmin(make_settings()).location(contract)
    lake_tables.create(contract, location)
    before = DeltaTable(location).metadata().id
    lake_tables.create(contract, location)
    assert (DeltaTable(location).version(), DeltaTable(location).metadata().id) == (0, before)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Would catch a bare error of the writer."""
    (tmp_path / "lake").write_text("a file", "utf-8")
    with pytest.raises(ServiceError, match=r"silver\.events cannot be created at .*lake/silver/events"):
        lake_tables.create(table("silver.events"), str(tmp_path / "lake" / "silver" / "events"))
