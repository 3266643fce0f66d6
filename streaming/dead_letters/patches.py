"""What a person writes to repair inputs: which letters, and what to change in them.

Belongs here: the patch file's contract, applying it to an input. Does not belong here: finding letters, judging the
result (`collector/again.py`). A patch is data: it computes nothing. Applied twice it is the same as applied once, which
its contract makes sure of; it is only ever applied to originals.
"""

import json
import math
import re
import tomllib
from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from media_analytics.errors import MediaAnalyticsError

KINDS = ("text", "integer", "number", "boolean", "instant")
Scalar = str | int | float | bool
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}(\.0+)?")
_TRUE, _FALSE = ("true", "yes", "1"), ("false", "no", "0")
# Epoch numbers below these are seconds, then milliseconds, else microseconds.
_SECONDS_BELOW, _MILLISECONDS_BELOW = 1e11, 1e14
_MISSING = object()


class PatchError(MediaAnalyticsError):
    """A patch file breaks its contract, or a patch cannot be applied to an input."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Change(_Model):
    """One change: exactly one of `set` (with `value`), `rename` (`to` a path), `cast` (`to` a kind) or `drop`.

    Paths name fields from the input's top, parts joined by dots. `where` holds paths and the values they must have.
    """

    set: str | None = None
    value: JsonValue = None
    rename: str | None = None
    cast: str | None = None
    to: str | None = None
    drop: str | None = None
    where: dict[str, Scalar] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_one_change(self) -> Self:
        named = [n for n in ("set", "rename", "cast", "drop") if getattr(self, n) is not None]
        if len(named) != 1:
            raise ValueError("a change is exactly one of set, rename, cast and drop")
        if (self.value is not None) != (named == ["set"]):
            raise ValueError("`value` belongs to set, and set needs it")
        if (self.to is not None) != (named[0] in ("rename", "cast")):
            raise ValueError("`to` belongs to rename and cast, and they need it")
        if self.cast is not None and self.to not in KINDS:
            raise ValueError(f"cast goes to one of {', '.join(KINDS)}, not {self.to!r}")
        for path in (*self.touched, *self.where):
            if not all(path.split(".")):
                raise ValueError(f"{path!r} is no path: names joined by single dots")
        if self.rename is not None and _overlap(self.rename, self.to or ""):
            raise ValueError(f"{self.rename!r} cannot be renamed into itself")
        return self

    @property
    def touched(self) -> tuple[str, ...]:
        """Paths that the change reads or writes."""
        if self.rename is not None:
            return (self.rename, self.to or "")
        return tuple(path for path in (self.set, self.cast, self.drop) if path is not None)


class Where(_Model):
    """Which letters: everything named has to hold. `item` holds paths of the input and the values they must have."""

    family: str | None = None
    rule: str | None = None
    field: str | None = None
    producer: str | None = None
    group: str | None = None
    item: dict[str, Scalar] = Field(default_factory=dict)


class Patch(_Model):
    """A patch file. Its changes are made in order; two of them may not touch the same field.

    One exception: what was renamed may be cast under its new name. Without changes, letters are judged as they are.
    """

    where: Where = Where()
    change: list[Change] = Field(default_factory=list)

    @model_validator(mode="after")
    def _is_the_same_twice(self) -> Self:
        for place, change in enumerate(self.change):
            for other in self.change[place + 1 :]:
                if _is_cast_of_renamed(change, other):
                    continue
                for path in (*change.touched, *change.where):
                    for second in (*other.touched, *other.where):
                        is_read_only = path not in change.touched and second not in other.touched
                        if _overlap(path, second) and not is_read_only:
                            raise ValueError(f"two changes touch {min(path, second, key=len)!r}")
        return self

    def text(self) -> str:
        """The patch as one line of JSON; `read_json` reads it."""
        return self.model_dump_json(exclude_defaults=True)


def read(text: str) -> Patch:
    """The patch of a TOML file.

    Raises:
        PatchError: not TOML, or not a patch; the message names the place.
    """
    try:
        return Patch.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise PatchError(f"the patch is not TOML: {error}") from error
    except ValidationError as error:
        raise PatchError(f"the patch breaks its contract: {_explained(error)}") from error


def read_json(text: str) -> Patch:
    """The patch that `Patch.text` wrote.

    Raises:
        PatchError: it is none.
    """
    try:
        return Patch.model_validate_json(text)
    except ValidationError as error:
        raise PatchError(f"the patch breaks its contract: {_explained(error)}") from error


def is_meant(where: Mapping[str, Scalar], item: Mapping[str, Any]) -> bool:
    """Whether an input has all these values; `true` is not 1."""
    return all(
        (found := _get(item, path)) == value and isinstance(found, bool) == isinstance(value, bool)
        for path, value in where.items()
    )


def applied(patch: Patch, item: Mapping[str, Any]) -> dict[str, Any]:
    """The input after all changes; the given one stays as it is. What a rename, cast or drop names may be absent.

    Raises:
        PatchError: a path leads through something that is no object.
    """
    result = deepcopy(dict(item))
    for change in patch.change:
        if not is_meant(change.where, result):
            continue
        if change.set is not None:
            _put(result, change.set, deepcopy(change.value))
        elif change.rename is not None:
            value = _take(result, change.rename)
            if value is not _MISSING:
                _put(result, change.to or "", value)
        elif change.cast is not None:
            value = _get(result, change.cast)
            if value is not _MISSING:
                _put(result, change.cast, cast(value, change.to or ""))
        elif change.drop is not None:
            _take(result, change.drop)
    return result


def cast(value: Any, kind: str) -> Any:
    """The value as another kind; what cannot be one stays, and the rules say so."""
    if kind == "text":
        if isinstance(value, bool):
            return "true" if value else "false"
        return json.dumps(value) if isinstance(value, int | float) else value
    if kind == "boolean":
        return _boolean(value)
    if kind == "instant":
        return _instant(value)
    if isinstance(value, bool):
        return value
    if kind == "integer":
        if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
            return int(value.strip().partition(".")[0])
        return int(value) if isinstance(value, float) and value.is_integer() else value
    number = _number(value) if isinstance(value, str) else None
    return value if number is None else number


def _boolean(value: Any) -> Any:
    if isinstance(value, str) and value.strip().lower() in (*_TRUE, *_FALSE):
        return value.strip().lower() in _TRUE
    return bool(value) if isinstance(value, int | float) and value in (0, 1) else value


def _instant(value: Any) -> Any:
    """ISO 8601 with a zone; a number is seconds, milliseconds or microseconds since 1970, by its size."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        number = _number(value)
        if number is None:
            try:
                moment = datetime.fromisoformat(value.strip())
            except ValueError:
                return value
            return value if moment.tzinfo else moment.replace(tzinfo=UTC).isoformat()
        value = number
    if not isinstance(value, int | float) or not math.isfinite(value):
        return value
    size = abs(value)
    scale = 1_000_000 if size < _SECONDS_BELOW else 1000 if size < _MILLISECONDS_BELOW else 1
    try:
        return (_EPOCH + timedelta(microseconds=round(value * scale))).isoformat()
    except OverflowError:
        return value


def _number(text: str) -> float | int | None:
    try:
        found = int(text) if re.fullmatch(r"\s*[+-]?[0-9]{1,19}\s*", text) else float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _is_cast_of_renamed(change: Change, other: Change) -> bool:
    reads_target = any(_overlap(path, change.to or "") for path in change.where)
    return change.rename is not None and other.cast == change.to and not other.where and not reads_target


def _overlap(one: str, other: str) -> bool:
    """Whether the paths are the same, or one lies in the other."""
    a, b = one.split("."), other.split(".")
    return a[: len(b)] == b[: len(a)]


def _get(item: Mapping[str, Any], path: str) -> Any:
    found: Any = item
    for part in path.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return _MISSING
        found = found[part]
    return found


def _take(item: dict[str, Any], path: str) -> Any:
    *parents, name = path.split(".")
    holder = _get(item, ".".join(parents)) if parents else item
    return holder.pop(name, _MISSING) if isinstance(holder, dict) else _MISSING


def _put(item: dict[str, Any], path: str, value: Any) -> None:
    *parents, name = path.split(".")
    holder = item
    for part in parents:
        holder = holder.setdefault(part, {})
        if not isinstance(holder, dict):
            raise PatchError(f"{path}: {part} is no object")
    holder[name] = value


def _explained(error: ValidationError) -> str:
    return "; ".join(_problem(found) for found in error.errors()[:5])


def _problem(found: Mapping[str, Any]) -> str:
    place = ".".join(str(part) for part in found["loc"])
    return f"{place or 'patch'}: {found['msg'].removeprefix('Value error, ')}"
