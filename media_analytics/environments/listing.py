"""The settings of an environment as a list: each value, where it comes from, what is wrong. Secrets are not shown.

Belongs here: walking the settings model over what files and variables say, differences of two environments. Does not
belong here: reading (`reading`), printing (`media_analytics.commands.config`).
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, SecretStr, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from media_analytics.environments import reading
from media_analytics.environments.operations import Environment
from media_analytics.environments.reading import PREFIX
from media_analytics.errors import SettingsError
from media_analytics.settings import Settings

REDACTED = "**********"
MISSING = "missing"
DEFAULT = "default"
_PASSWORD_IN_ADDRESS = re.compile(r"(?<=://)[^/@\s]+@")
_ABSENT = object()


@dataclass(frozen=True)
class Entry:
    """One setting. `value` is what may be shown; `source` a file, a variable, `default` or `missing`."""

    name: str
    value: Any
    source: str


def entries(environment: Environment, variables: Mapping[str, str]) -> list[Entry]:
    """Every setting of an environment in the model's order; `variables` lie over its files."""
    layers: list[tuple[str, Any]] = [
        ("", reading.from_variables(variables)),
        (f"{environment}.toml", reading.overlay(environment)),
        ("base.toml", reading.overlay("base")),
    ]
    return list(_walk(Settings, (), layers))


def declared_entries(environment: Environment) -> list[Entry]:
    """What the files of an environment say, without any variable."""
    return entries(environment, {})


def differences(one: Environment, other: Environment) -> list[tuple[Entry, Entry]]:
    """Settings whose declared values differ between two environments."""
    others = {entry.name: entry for entry in declared_entries(other)}
    pairs = [(entry, others[entry.name]) for entry in declared_entries(one)]
    return [(a, b) for a, b in pairs if a.value != b.value and a.name != "environment"]


def faults(environment: Environment, variables: Mapping[str, str]) -> list[str]:
    """What is missing or wrong for a process of this environment to start; empty when all is well."""
    values = reading.declared(environment)
    reading.merge(values, reading.from_variables(variables))
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        return [str(problem) for problem in reading.problems(error, environment, Settings)]
    found = []
    for check in (settings.reachable_channels, settings.check_schedule):
        try:
            check()
        except SettingsError as error:
            found.append(str(error))
    return found


def declared_faults(environment: Environment) -> list[str]:
    """What is wrong in the files of an environment, whatever the variables of an installation add."""
    try:
        Settings.model_validate(reading.declared(environment))
    except ValidationError as error:
        found = reading.problems(error, environment, Settings)
        # What only an installation knows is no fault of a file; a promise that is missing is.
        return [str(one) for one in found if not one.is_missing or one.path[0] == "operations"]
    return []


def _walk(model: type[BaseModel], path: tuple[str, ...], layers: list[tuple[str, Any]]) -> Iterator[Entry]:
    for name, field in model.model_fields.items():
        here = (*path, name)
        section = _section(field)
        if section is not None and (field.is_required() or _is_said(here, layers) or not _is_optional(field)):
            yield from _walk(section, here, layers)
        else:
            yield _entry(here, field, layers)


def _entry(path: tuple[str, ...], field: FieldInfo, layers: list[tuple[str, Any]]) -> Entry:
    name = ".".join(path)
    for source, values in layers:
        found = _found(values, path)
        if found is not _ABSENT:
            return Entry(name, _shown(found, field), source or f"{PREFIX}{'__'.join(path).upper()}")
    if field.is_required():
        return Entry(name, None, MISSING)
    return Entry(name, _plain(field.get_default(call_default_factory=True)), DEFAULT)


def _found(values: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        if not isinstance(values, Mapping) or part not in values:
            return _ABSENT
        values = values[part]
    return values


def _is_said(path: tuple[str, ...], layers: list[tuple[str, Any]]) -> bool:
    return any(_found(values, path) is not _ABSENT for _, values in layers)


def _section(field: FieldInfo) -> type[BaseModel] | None:
    kinds = (field.annotation, *get_args(field.annotation))
    if any(getattr(kind, "__origin__", kind) in (dict, tuple) for kind in kinds[:1]):
        return None
    return next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)


def _is_optional(field: FieldInfo) -> bool:
    return type(None) in get_args(field.annotation)


def _shown(value: Any, field: FieldInfo) -> Any:
    """A value as it may be shown: secrets inside it are replaced, whatever its shape."""
    if field.annotation is SecretStr or SecretStr in get_args(field.annotation):
        return REDACTED
    adapter: TypeAdapter[Any] = TypeAdapter(field.rebuild_annotation())
    try:
        return _plain(adapter.validate_python(value))
    except ValidationError:
        # It may be a secret in the wrong shape.
        return "(not valid)"


def _plain(value: Any) -> Any:
    """JSON values; `SecretStr` becomes stars, a password in an address, too."""
    adapter: TypeAdapter[Any] = TypeAdapter(type(value)) if isinstance(value, BaseModel) else TypeAdapter(Any)
    return json.loads(_PASSWORD_IN_ADDRESS.sub("***@", adapter.dump_json(value).decode()))
