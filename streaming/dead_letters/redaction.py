"""The shape of an input without what it says about anybody.

Belongs here: masks of texts and numbers, which names and words may be shown. Does not belong here: opening a letter,
showing it. A listing shows a text as its shape (letters as `a` and `A`, digits as `9`), so that a wrong format can be
seen and no person can.
"""

import re
from collections.abc import Collection
from typing import Any

import msgspec

from streaming.codecs.families import families

SHOWN_CHARACTERS = 60
_SHOWN_LINE = 300
_SHOWN_ENTRIES = 40
_DEEPEST = 6
# A name that a program chose, not a person: no address, no number of somebody, no sentence.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]{0,63}")
_LONG_NUMBER = re.compile(r"[0-9]{4,}|[0-9]\.[0-9]")
_TICKED = re.compile(r"`([^`]*)`")
# From the first quote of a message to the last of its kind: a quoted value may hold quotes itself.
_QUOTED = re.compile(r"""(['"])(.*)\1""", re.DOTALL)
_HIDDEN = "<name>"


def name(text: str) -> str:
    """A field's name or path as it may be shown; `<name>` when it could be something else."""
    plain = text.replace("[", ".").replace("]", "")
    return text if _NAME.fullmatch(plain) and not _LONG_NUMBER.search(plain) else _HIDDEN


def message(text: str) -> str:
    """What was wrong, with every quoted value as its shape, and names only where they can be shown.

    Values stand in quotes in our messages; the JSON decoder names fields and types in backticks.
    """
    masked = _QUOTED.sub(lambda found: f"{found[1]}{mask(found[2])}{found[1]}", text)
    return _TICKED.sub(lambda found: f"`{' | '.join(map(_path, found[1].split(' | ')))}`", masked)


def _path(text: str) -> str:
    """A decoder's path (`$.a[0].b`) or type: its names as they may be shown."""
    return text[: 2 * text.startswith("$.")] + name(text.removeprefix("$."))


def words(family: str, brands: Collection[str]) -> frozenset[str]:
    """Texts that the family's contract lists: they are shown as they are."""
    found = {"live", "import", "view", *brands}
    if family in families():
        for rule in families()[family].rules.values():
            found |= {*(rule.words or ()), *(rule.items or ())}
    return frozenset(found)


def mask(text: str, longest: int = SHOWN_CHARACTERS) -> str:
    """The shape of a text: `a` and `A` for letters, `9` for digits, everything else of ASCII as it is."""
    shape = "".join(_shape(character) for character in text[:longest])
    return f"{shape}... ({len(text)} characters)" if len(text) > longest else shape


def value(found: Any, shown: Collection[str] = (), depth: int = 0) -> Any:
    """The shape of a decoded value; `shown` are texts that may stay."""
    if found is None or isinstance(found, bool):
        return found
    if isinstance(found, str):
        return found if found in shown else mask(found)
    if isinstance(found, int | float):
        return f"number {mask(str(found))}"
    if isinstance(found, bytes):
        return f"{len(found)} bytes"
    if depth == _DEEPEST:
        return "..."
    if isinstance(found, dict):
        entries = list(found.items())[:_SHOWN_ENTRIES]
        kept = {name(str(key)): value(item, shown, depth + 1) for key, item in entries}
        return kept if len(entries) == len(found) else {**kept, "...": f"{len(found)} entries"}
    kept_items = [value(item, shown, depth + 1) for item in found[:_SHOWN_ENTRIES]]
    return kept_items if len(kept_items) == len(found) else [*kept_items, f"... {len(found)} items"]


def original(data: bytes, shown: Collection[str] = ()) -> Any:
    """The shape of an input as it came: JSON by its fields, anything else as one text."""
    try:
        return value(msgspec.json.decode(data), shown)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return mask(data[: 4 * _SHOWN_LINE].decode("utf-8", "replace"), _SHOWN_LINE)


def _shape(character: str) -> str:
    if character.isdecimal():
        return "9"
    if character.isalpha() or ord(character) > 126:
        return "A" if character.isupper() else "a"
    return character if character >= " " else "?"
