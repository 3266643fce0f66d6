"""Where values of settings come from: the files of an environment and `MEDIA_ANALYTICS_*` variables.

Belongs here: reading both into nested values, laying one over the other, saying what is wrong with them in words that
name the fix. Does not belong here: what a value means (`media_analytics.settings`).
"""

import json
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard, cast, get_args

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from media_analytics.environments.operations import Environment, Operations
from media_analytics.errors import SettingsError

PREFIX = "MEDIA_ANALYTICS_"
# Variables of the embedded stack (`media_analytics.local`) that share the prefix and are no settings.
NOT_SETTINGS = (
    *("CACHE", "HOME_ID", "IVY_SETTINGS", "PARENT", "PORTS__"),
    *("SPARK_CLASS_PATH", "SPARK_JAVA_OPTIONS", "SUPERVISED"),
)


class Problem(NamedTuple):
    """One wrong value and what to do about it."""

    path: tuple[str, ...]
    text: str
    is_missing: bool = False

    def __str__(self) -> str:
        return f"{PREFIX}{'__'.join(part.upper() for part in self.path) or '(whole)'}: {self.text}"


def environment_named(name: str | None, said_by: str, hint: str = "") -> Environment:
    """The environment of that name; `said_by` is what named it.

    Raises:
        SettingsError: there is none.
    """
    if name not in get_args(Environment):
        allowed = ", ".join(get_args(Environment))
        raise SettingsError(f"{said_by} is {name!r}; expected one of {allowed}{hint}")
    return cast("Environment", name)


def overlay(name: str) -> dict[str, Any]:
    """The values of one file: `base`, or an environment's own."""
    return tomllib.loads(
        resources.files("media_analytics.environments").joinpath(f"{name}.toml").read_text("utf-8")
    )


def declared(environment: Environment) -> dict[str, Any]:
    """What the files say of an environment: its own over the base."""
    values: dict[str, Any] = {}
    for name in ("base", environment):
        merge(values, overlay(name))
    return values


def operations_of(environment: Environment) -> Operations:
    """What an environment promises, from its files alone: needs no address and no secret.

    Raises:
        SettingsError: a promise is missing or wrong; the message names it and its file.
    """
    try:
        return Operations.model_validate(declared(environment).get("operations", {}))
    except ValidationError as error:
        lines = [f"  {one}" for one in problems(error, environment, Operations, ("operations",))]
        raise SettingsError(f"{environment}.toml is not valid:\n" + "\n".join(lines)) from None


def merge(target: dict[str, Any], extra: Mapping[str, Any]) -> None:
    """Lay nested values over others; what is no mapping is replaced."""
    for key, value in extra.items():
        if isinstance(value, Mapping) and isinstance(target.get(key), dict):
            merge(target[key], value)
        else:
            target[key] = value


def from_variables(environ: Mapping[str, str]) -> dict[str, Any]:
    """Nest `PREFIX_A__B=value`; a variable `..._FILE` names a secret file. JSON lists and objects are parsed.

    Raises:
        SettingsError: a list or object is no JSON, a secret file cannot be read, or two variables contradict.
    """
    values: dict[str, Any] = {}
    for name, text in sorted(environ.items()):
        if not name.startswith(PREFIX) or name.removeprefix(PREFIX).startswith(NOT_SETTINGS):
            continue
        path = name.removeprefix(PREFIX).lower().split("__")
        if path[-1].endswith("_file"):
            path[-1] = path[-1].removesuffix("_file")
            text = _secret(name, text)
        node = values
        for part in path[:-1]:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                raise SettingsError(
                    f"{name} sets a part of what another variable sets as a whole; keep one of them"
                )
        node[path[-1]] = _parsed(name, text)
    return values


def problems(
    error: ValidationError, environment: Environment, model: type[BaseModel], under: tuple[str, ...] = ()
) -> list[Problem]:
    """What is wrong, value by value. A missing section is every value it needs. No value is quoted of a secret."""
    result = []
    for found in error.errors(include_input=False, include_url=False):
        path = tuple(str(part) for part in found["loc"])
        if found["type"] == "missing":
            for name, field in _needed(model, path):
                result.append(Problem((*under, *name), _missing(field, environment), is_missing=True))
        elif found["type"] == "extra_forbidden":
            known = ", ".join(sorted(_section_at(model, path[:-1])))
            text = "is unknown; remove it" + (f", or name one of {known}" if known else "")
            result.append(Problem((*under, *path), text))
        else:
            result.append(Problem((*under, *path), found["msg"].removeprefix("Value error, ")))
    return result


def _missing(field: FieldInfo | None, environment: Environment) -> str:
    if field is not None and holds_secret(field.annotation):
        return (
            "is missing; set this variable, or the same with _FILE at its end to a file that holds the secret"
        )
    return f"is missing; set this variable, or write it into media_analytics/environments/{environment}.toml"


def _needed(model: type[BaseModel], path: tuple[str, ...]) -> list[tuple[tuple[str, ...], FieldInfo | None]]:
    """What has to be set for a missing value: itself, or of a whole section each value without a default."""
    field = _section_at(model, path[:-1]).get(path[-1])
    section = field.annotation if field is not None else None
    if not _is_section(section):
        return [(path, field)]
    return [
        one
        for name, inner in section.model_fields.items()
        if inner.is_required()
        for one in _needed(model, (*path, name))
    ]


def _section_at(model: type[BaseModel], path: tuple[str, ...]) -> Mapping[str, FieldInfo]:
    """The values of the section that `path` leads to; none where a list or map lies between."""
    for part in path:
        field = model.model_fields.get(part)
        kinds = (field.annotation, *get_args(field.annotation)) if field is not None else ()
        section = next((kind for kind in kinds if _is_section(kind)), None)
        if section is None:
            return {}
        model = section
    return model.model_fields


def holds_secret(kind: Any) -> bool:
    """Whether a value of this type holds a secret somewhere."""
    if _is_section(kind):
        return any(holds_secret(field.annotation) for field in kind.model_fields.values())
    return kind is SecretStr or any(holds_secret(inner) for inner in get_args(kind))


def _is_section(kind: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _secret(name: str, path: str) -> str:
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{name} names a file that cannot be read: {error}; mount it or correct the name"
        ) from None


def _parsed(name: str, text: str) -> Any:
    if text[:1] not in ("[", "{"):
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise SettingsError(
            f"{name} starts like a JSON list or object and is none: {error}; correct it"
        ) from None
