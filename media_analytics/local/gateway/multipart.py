"""Requests of type multipart/form-data: form fields, and external tables.

Belongs here: reading the parts, and the statement that makes a temporary table of a file. Does not belong here: when
the table goes away (`pool.py`).
"""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

import python_multipart
from python_multipart.exceptions import MultipartParseError

from media_analytics.local.gateway.chdb_connection import identifier, quoted
from media_analytics.local.gateway.errors import ClickHouseError
from media_analytics.local.gateway.spool import Spool


@dataclass(frozen=True)
class ExternalTable:
    """A file part; its name is the table's."""

    name: str
    data: Spool


@dataclass
class Form:
    """The parts of one body. Close it when the statement has ended."""

    fields: dict[str, str] = field(default_factory=dict)
    tables: list[ExternalTable] = field(default_factory=list)

    def close(self) -> None:
        """Free the files."""
        for table in self.tables:
            table.data.close()


def boundary(content_type: str) -> bytes | None:
    """The boundary of a multipart/form-data body; None for every other type."""
    kind, options = python_multipart.multipart.parse_options_header(content_type)
    return options.get(b"boundary") if kind == b"multipart/form-data" else None


async def read_form(
    mark: bytes, body: AsyncIterator[bytes], new_spool: Callable[[], Spool], limit: int
) -> Form:
    """Read all parts: fields into memory (at most `limit` bytes together), files into spools.

    Raises:
        ClickHouseError: the body is no multipart body, or the fields are too large.
    """
    reader = _Reader(new_spool, limit)
    parser = python_multipart.MultipartParser(
        mark,
        {
            "on_part_begin": reader.begin,
            "on_header_field": reader.header_name,
            "on_header_value": reader.header_value,
            "on_header_end": reader.header_end,
            "on_headers_finished": reader.headers_end,
            "on_part_data": reader.data,
            "on_part_end": reader.end,
        },
    )
    try:
        async for chunk in body:
            parser.write(chunk)
        parser.finalize()
    except (MultipartParseError, ClickHouseError) as error:
        reader.form.close()
        if isinstance(error, ClickHouseError):
            raise
        raise ClickHouseError(36, "BAD_ARGUMENTS", f"The multipart body cannot be read: {error}.") from None
    except BaseException:
        reader.form.close()
        raise
    return reader.form


def create_table(table: ExternalTable, arguments: Mapping[str, str]) -> bytes:
    """The statement that makes the temporary table; `<name>_format`, `_structure` and `_types` describe it."""
    output_format = arguments.get(f"{table.name}_format", "TabSeparated")
    structure = arguments.get(f"{table.name}_structure")
    types = arguments.get(f"{table.name}_types")
    if structure is None and types is not None:
        structure = ", ".join(f"_{number} {kind}" for number, kind in enumerate(_split(types), start=1))
    source = f"file({quoted(table.data.path)}, {quoted(output_format)}"
    source += f", {quoted(structure)})" if structure is not None else ")"
    return (
        f"CREATE TEMPORARY TABLE {identifier(table.name)} ENGINE = Memory AS SELECT * FROM {source}".encode()
    )


def own_arguments(tables: list[ExternalTable]) -> frozenset[str]:
    """The arguments that describe the tables; they are no settings."""
    return frozenset(f"{t.name}_{part}" for t in tables for part in ("format", "structure", "types"))


def _split(types: str) -> list[str]:
    """Split a list of types at its outer commas: `UInt8, Decimal(9, 2)` has two."""
    return [
        part.strip() for part in re.findall(r"(?:[^,(]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))+", types)
    ]


class _Reader:
    """Collects what the parser reports."""

    def __init__(self, new_spool: Callable[[], Spool], limit: int) -> None:
        self.form = Form()
        self._new_spool, self._left = new_spool, limit
        self._header = [b"", b""]
        self._disposition = b""
        self._name = ""
        self._value: bytearray | None = None

    def begin(self) -> None:
        self._disposition, self._value = b"", None

    def header_name(self, data: bytes, start: int, end: int) -> None:
        self._header[0] += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1] += data[start:end]

    def header_end(self) -> None:
        if self._header[0].lower() == b"content-disposition":
            self._disposition = self._header[1]
        self._header = [b"", b""]

    def headers_end(self) -> None:
        _, options = python_multipart.multipart.parse_options_header(self._disposition)
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" in options:
            self.form.tables.append(ExternalTable(self._name, self._new_spool()))
        else:
            self._value = bytearray()

    def data(self, data: bytes, start: int, end: int) -> None:
        if self._value is None:
            self.form.tables[-1].data.write(data[start:end])
            return
        self._left -= end - start
        if self._left < 0:
            raise ClickHouseError(223, "QUERY_IS_TOO_LARGE", "The form's fields are too large.")
        self._value += data[start:end]

    def end(self) -> None:
        if self._value is not None:
            self.form.fields[self._name] = self._value.decode("utf-8", "surrogateescape")
