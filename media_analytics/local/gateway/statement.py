"""Where one ClickHouse statement ends, and where its data begins.

Belongs here: ClickHouse's tokens, and the few positions the gateway needs: the verb, the output format, and for an
insert the byte at which data starts. Does not belong here: judging what a statement may do; that is asked of chDB's
own parser (`chdb_connection.py`, `reader.py`). Data is found by position and never looked at.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from media_analytics.local.gateway.errors import ClickHouseError

_TOKEN = re.compile(
    rb"""
    (?P<skip>[\s\x00]+|--[^\n]*|\#[ !][^\n]*|/\*.*?\*/)
  | (?P<string>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`(?:[^`\\]|\\.|``)*`|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
  | (?P<word>[A-Za-z_\x80-\xff][\w$\x80-\xff]*)
  | (?P<number>\d[\w.]*)
  | (?P<mark>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_OPENING, _CLOSING = frozenset(b"([{"), frozenset(b")]}")


@dataclass(frozen=True)
class Token:
    """A token outside comments. `depth` counts the brackets around it."""

    kind: str
    text: bytes
    start: int
    end: int
    depth: int

    @property
    def keyword(self) -> bytes:
        """The word in capitals; empty for everything that is not a word."""
        return self.text.upper() if self.kind == "word" else b""


@dataclass(frozen=True)
class Insert:
    """An insert whose data comes after the statement.

    `source_at` is where `FROM INFILE` belongs, `clause_at` where VALUES or FORMAT starts, `clause_end` where that
    clause's text ends, `data_at` the first byte of data. `inputs` are the spans `input(` of an INSERT ... SELECT.
    """

    format: str
    source_at: int
    clause_at: int
    clause_end: int
    data_at: int
    inputs: tuple[tuple[int, int], ...] = ()


def tokens(sql: bytes) -> Iterator[Token]:
    """The tokens of `sql`, comments and white space left out."""
    depth = 0
    for match in _TOKEN.finditer(sql):
        kind = match.lastgroup if match.lastgroup != "tag" else "string"
        if kind == "skip" or kind is None:
            continue
        text = match[0]
        if kind == "mark" and text[0] in _CLOSING:
            depth -= 1
        yield Token(kind, text, match.start(), match.end(), depth)
        if kind == "mark" and text[0] in _OPENING:
            depth += 1


def verb(sql: bytes) -> bytes:
    """The first keyword in capitals, brackets before it skipped; empty when there is none."""
    for token in tokens(sql):
        if token.kind == "mark" and token.text == b"(":
            continue
        return token.keyword
    return b""


def split_insert(sql: bytes) -> Insert | None:
    """Find where the data of an insert begins.

    `sql` is the statement with as much of its data as was read so far; the statement itself must be whole.
    Returns None when the statement is no insert or takes its rows from a SELECT without `input()`.

    Raises:
        ClickHouseError: the statement reads or names a file, which HTTP does not allow.
    """
    stream = tokens(sql)
    first = next(stream, None)
    if first is None or first.keyword != b"INSERT":
        return None
    stream = _after_target(stream)
    settings_at: int | None = None
    previous = b""
    for token in stream:
        word = token.keyword if token.depth == 0 else b""
        if word == b"INFILE" and previous == b"FROM":
            raise ClickHouseError(
                48, "NOT_IMPLEMENTED", "FROM INFILE is not supported over HTTP: send the data."
            )
        if word == b"SETTINGS" and settings_at is None:
            settings_at = token.start
        if word == b"VALUES":
            at = token.start if settings_at is None else settings_at
            return Insert("Values", at, token.start, token.start, token.end)
        if word == b"FORMAT":
            at = token.start if settings_at is None else settings_at
            return _format_clause(sql, token, stream, at, ())
        if word in (b"SELECT", b"WITH", b"WATCH") or (token.depth == 1 and token.keyword == b"SELECT"):
            return _split_select(sql, stream)
        previous = word
    return None


def output_format(sql: bytes) -> tuple[str | None, int]:
    """The trailing `FORMAT name` of a statement, and where `INTO OUTFILE` belongs (before it, or at the end)."""
    name: str | None = None
    at = end = 0
    previous: Token | None = None
    for token in tokens(sql):
        if token.depth == 0 and token.text == b";":
            continue
        if (
            previous is not None
            and previous.keyword == b"FORMAT"
            and token.kind == "word"
            and token.depth == 0
        ):
            name, at = token.text.decode("utf-8", "replace"), previous.start
        elif name is not None and token.depth == 0 and not _may_follow_format(token, previous):
            name = None
        previous, end = token, token.end
    return (name, at) if name is not None else (None, end)


def _may_follow_format(token: Token, previous: Token | None) -> bool:
    """Settings may follow the format's name; `FORMAT` read as an alias or a column is followed by other words."""
    if token.keyword in (b"SETTINGS", b"TRUE", b"FALSE", b"DEFAULT"):
        return True
    return previous is not None and previous.keyword != b"FORMAT" and token.keyword not in (
        b"FROM", b"WHERE", b"GROUP", b"ORDER", b"LIMIT", b"UNION", b"FORMAT", b"AS",
    )  # fmt: skip


def _after_target(stream: Iterator[Token]) -> Iterator[Token]:
    """The tokens after INTO [TABLE | FUNCTION] and the target's name, whose parts may themselves be keywords."""
    for token in stream:
        if token.keyword not in (b"INTO", b"TABLE", b"FUNCTION"):
            break
    for token in stream:
        if token.text != b".":
            yield token
            break
        next(stream, None)
    yield from stream


def _split_select(sql: bytes, stream: Iterator[Token]) -> Insert | None:
    """An INSERT ... SELECT takes data only through `input()`, with its FORMAT at the very end of the statement."""
    inputs: list[tuple[int, int]] = []
    previous: Token | None = None
    for token in stream:
        if token.text == b"(" and previous is not None and previous.keyword == b"INPUT":
            inputs.append((previous.start, token.end))
        if token.depth == 0 and token.keyword == b"FORMAT" and inputs:
            return _format_clause(sql, token, stream, token.start, tuple(inputs))
        previous = token
    return None


def _format_clause(
    sql: bytes, clause: Token, stream: Iterator[Token], source_at: int, inputs: tuple[tuple[int, int], ...]
) -> Insert:
    name = next(stream, None)
    if name is None or name.kind not in ("word", "string"):
        raise ClickHouseError(62, "SYNTAX_ERROR", "Syntax error: FORMAT of the INSERT has no name.")
    end = _end_of_settings(sql, name.end)
    data_at = end
    while sql[data_at : data_at + 1] in (b" ", b"\t", b"\f"):
        data_at += 1
    if sql[data_at : data_at + 1] == b";" and not sql[data_at + 1 :].strip():
        data_at = len(sql)
    data_at += sql[data_at : data_at + 1] == b"\r"
    data_at += sql[data_at : data_at + 1] == b"\n"
    text = name.text.decode("utf-8", "replace").strip("`\"'")
    return Insert(text, source_at, clause.start, end, data_at, inputs)


def _end_of_settings(sql: bytes, at: int) -> int:
    """SETTINGS may stand between the format's name and the data, on the same line: `FORMAT CSV SETTINGS a=1, b='x'`."""
    match = re.compile(rb"[ \t]+SETTINGS[ \t]+", re.IGNORECASE).match(sql, at)
    if match is None:
        return at
    pair = re.compile(rb"\s*\w+\s*=\s*(?:'(?:[^'\\]|\\.|'')*'|-?[\w.]+)")
    end = at
    found = pair.match(sql, match.end())
    while found is not None:
        end = found.end()
        comma = re.compile(rb"\s*,").match(sql, end)
        found = pair.match(sql, comma.end()) if comma else None
    return end


def with_source(sql: bytes, insert: Insert, path: str) -> bytes:
    """The insert with its data read from `path` instead of from the text."""
    where = "'" + path.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if insert.inputs:
        text, at = b"", 0
        for start, end in insert.inputs:
            text += sql[at:start] + f"file({where}, '{insert.format}', ".encode()
            at = end
        return text + sql[at : insert.clause_at]
    source = f" FROM INFILE {where} COMPRESSION 'none' ".encode()
    clause = sql[insert.clause_at : insert.clause_end] or b"FORMAT Values"
    return sql[: insert.source_at] + source + sql[insert.source_at : insert.clause_at] + clause


def with_target(sql: bytes, path: str, default_format: str) -> tuple[bytes, str]:
    """A SELECT that writes its result to `path`, and the name of its format."""
    name, at = output_format(sql)
    target = f"\nINTO OUTFILE '{path}' APPEND ".encode()
    if name is None:
        return sql[:at] + target + f"FORMAT {default_format}".encode(), default_format
    return sql[:at] + target + sql[at:], name
