"""The column types contracts use, and the value rules pandera does not have itself.

Belongs here: named types, `column`, rules over lists and maps, rules over two columns. Each rule keeps its
statistics, so `audit.py` can say the same in SQL. Does not belong here: a rule of one table only.
"""

import copy
import inspect
from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

import pandas as pd
import pyarrow
from pandera import extensions
from pandera.pandas import DataFrameModel, Field, dataframe_check

from media_analytics.contracts.model import PersonalData

Text = Annotated[pd.ArrowDtype, pyarrow.string()]
Instant = Annotated[pd.ArrowDtype, pyarrow.timestamp("us", tz="UTC")]
Day = Annotated[pd.ArrowDtype, pyarrow.date32()]
Int32 = Annotated[pd.ArrowDtype, pyarrow.int32()]
Int64 = Annotated[pd.ArrowDtype, pyarrow.int64()]
Float64 = Annotated[pd.ArrowDtype, pyarrow.float64()]
Bool = Annotated[pd.ArrowDtype, pyarrow.bool_()]
Bytes = Annotated[pd.ArrowDtype, pyarrow.binary()]
TextMap = Annotated[pd.ArrowDtype, pyarrow.map_(pyarrow.string(), pyarrow.string())]
TextList = Annotated[pd.ArrowDtype, pyarrow.list_(pyarrow.string())]

# Widest times any installation may accept; the setting `history_start` narrows the lower one.
EARLIEST = pd.Timestamp("1970-01-01", tz="UTC")
LATEST = pd.Timestamp("2100-01-01", tz="UTC")
EARLIEST_DAY = date(1970, 1, 1)
LATEST_DAY = date(2100, 1, 1)

UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
BRAND = r"^[a-z][a-z0-9_]*$"
LOWER_WORD = BRAND
HOUR = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}$"
SHA256 = r"^[0-9a-f]{64}$"

_NO_DEFAULT = object()


def column(
    description: str,
    *,
    nullable: bool = False,
    longest: int | None = None,
    personal_data: PersonalData | None = None,
    provenance: bool = False,
    derived_from: str | None = None,
    clickhouse_type: str | None = None,
    store_default: str | None = None,
    avro_default: Any = _NO_DEFAULT,
    **rules: Any,
) -> Any:
    """One column: what it means, whether it may be null, its value rules and its hints.

    Args:
        description: one sentence for the reference, with the unit if the name has none.
        nullable: whether null is a legal value.
        longest: most characters a text may have.
        personal_data: class of personal data; None when it says nothing about a person.
        provenance: True when the column says how the row came here; such columns are left out of row hashes.
        derived_from: the columns or definition it is computed from.
        clickhouse_type: overrides the ClickHouse type that follows from the Arrow type.
        store_default: SQL default of the ClickHouse column; the column is then filled by the store.
        avro_default: what an Avro reader takes when the writer did not know the field.
        rules: pandera's field rules (`ge`, `isin`, `str_matches`, ...) and the ones registered below.
    """
    hints = {
        "personal_data": personal_data,
        "provenance": provenance or None,
        "derived_from": derived_from,
        "clickhouse_type": clickhouse_type,
        "store_default": store_default,
    }
    metadata = {name: hint for name, hint in hints.items() if hint is not None}
    if avro_default is not _NO_DEFAULT:
        metadata["avro_default"] = avro_default
    if longest is not None:
        rules["str_length"] = {"max_value": longest}
    return Field(nullable=nullable, description=description, metadata=metadata, **rules)


def items_isin(series: "pd.Series[Any]", *, allowed: Sequence[str]) -> "pd.Series[bool]":
    """Every item of each list is one of `allowed`."""
    good = frozenset(allowed)
    return pd.Series([all(item in good for item in items) for items in series], series.index, dtype=bool)


def entries_within(series: "pd.Series[Any]", *, most: int, longest: int) -> "pd.Series[bool]":
    """Each map has at most `most` entries and no value longer than `longest` characters."""
    return pd.Series(
        [len(entries) <= most and all(len(v) <= longest for _, v in entries) for entries in series],
        series.index,
        dtype=bool,
    )


extensions.register_check_method(items_isin, statistics=["allowed"])
extensions.register_check_method(entries_within, statistics=["most", "longest"])


def not_greater(small: str, large: str) -> Any:
    """Rule of a whole row: `small` <= `large`, where both are known."""

    def check(cls: type[DataFrameModel], frame: pd.DataFrame) -> "pd.Series[bool]":
        return (frame[small] <= frame[large]).fillna(True)

    return _row_rule(
        check, f"{small}_not_greater_than_{large}", {"rule": "not_greater", "small": small, "large": large}
    )


def implies(condition: str, consequence: str) -> Any:
    """Rule of a whole row: where the flag `condition` is true, the flag `consequence` is true too."""

    def check(cls: type[DataFrameModel], frame: pd.DataFrame) -> "pd.Series[bool]":
        return (~frame[condition] | frame[consequence]).fillna(True)

    return _row_rule(
        check,
        f"{condition}_implies_{consequence}",
        {"rule": "implies", "condition": condition, "consequence": consequence},
    )


def _row_rule(check: Any, name: str, statistics: dict[str, str]) -> Any:
    """A check of the whole frame.

    The name goes on the function: pandera forgets a `name` argument after a model is built once, and models that
    inherit from it are built later.
    """
    check.__name__ = name
    return dataframe_check(check, statistics=statistics)


def every_measure_twice(*keys: str) -> Any:
    """Class decorator: all columns but `keys` again with the suffix `_human`, counted without bots.

    Where the measure is a count, the rule that people are not more than all traffic comes with it.
    """

    def decorate(model: type[DataFrameModel]) -> type[DataFrameModel]:
        members: dict[str, Any] = {"__doc__": model.__doc__, "__module__": model.__module__}
        annotations: dict[str, Any] = {}
        for name, spec in model.to_schema().columns.items():
            if name in keys:
                continue
            twin = copy.copy(inspect.getattr_static(model, name))
            twin.description = f"{spec.description} Without bots."
            members[f"{name}_human"] = twin
            annotations[f"{name}_human"] = Annotated[pd.ArrowDtype, spec.dtype.type.pyarrow_dtype]
            if pyarrow.types.is_integer(spec.dtype.type.pyarrow_dtype):
                members[f"_{name}_human_within"] = not_greater(f"{name}_human", name)
        return type(model.__name__, (model,), members | {"__annotations__": annotations})

    return decorate
