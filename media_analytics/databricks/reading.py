"""Reading `databricks.yml`: one target with its overrides and variables in place, as Databricks' command does it.

Belongs here: YAML without repeated keys, merging a target over the whole, `${var.x}` and `${bundle.x}`. Does not belong
here: what is allowed (`model.py`, `rules.py`).
"""

import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from media_analytics.databricks.model import Target
from media_analytics.errors import MediaAnalyticsError

FILE = "databricks.yml"
VARIABLE_PREFIX = "BUNDLE_VAR_"
_REFERENCE = re.compile(r"\$\{(?P<path>[\w.-]+)\}")
# Lists of mappings that a target's own entries are merged into, by this key.
_KEYED_LISTS = {"tasks": "task_key", "parameters": "name"}
_TOP = {"bundle", "sync", "variables", "resources", "targets"}
_OF_TARGET = {"mode", "default", "workspace", "run_as", "permissions", "variables", "resources"}
# What Databricks knows at deployment only.
_LATE = re.compile(r"(workspace\.(file_path|root_path)|resources\.clusters\.(?P<cluster>\w+)\.id)")


class BundleError(MediaAnalyticsError):
    """The bundle is wrong, or a variable of it is not set."""


class _UniqueLoader(yaml.SafeLoader):
    """YAML in which a key stands once: the second one would win in silence."""


def _mapping(loader: _UniqueLoader, node: yaml.MappingNode) -> dict[Hashable, Any]:
    keys = [loader.construct_object(key) for key, _ in node.value]
    twice = sorted({str(key) for key in keys if keys.count(key) > 1})
    if twice:
        line = node.start_mark.line + 1
        raise BundleError(f"{FILE}, mapping at line {line}: {', '.join(twice)} stands twice; keep one")
    return loader.construct_mapping(node, deep=True)


_UniqueLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read(path: Path) -> dict[str, Any]:
    """The bundle as it stands in the file.

    Raises:
        BundleError: there is no such file, or it is no YAML mapping.
    """
    try:
        found = _UniqueLoader(path.read_text("utf-8")).get_single_data()
    except FileNotFoundError:
        raise BundleError(
            f"there is no {path}; run this in the project's folder or name it with --bundle"
        ) from None
    except yaml.YAMLError as error:
        raise BundleError(f"{path} is no YAML: {error}") from None
    if not isinstance(found, dict):
        raise BundleError(f"{path} holds no mapping; expected {', '.join(sorted(_TOP))}")
    return found


def resolve(bundle: Mapping[str, Any], name: str, variables: Mapping[str, str]) -> Target:
    """One target: its overrides merged, variables replaced (`variables` win over the file), types checked.

    Raises:
        BundleError: the target is unknown, a variable has no value, or something is not as Databricks takes it.
    """
    _refuse_unknown(bundle, _TOP, "the bundle")
    targets = bundle.get("targets") or {}
    if name not in targets:
        raise BundleError(f"target {name!r} is not in {FILE}; expected one of {', '.join(targets)}")
    target = targets[name]
    _refuse_unknown(target, _OF_TARGET, f"target {name}")
    values = _variables(bundle, name, target, variables)
    context = {f"var.{key}": value for key, value in values.items()}
    context |= {"bundle.target": name, "bundle.name": bundle.get("bundle", {}).get("name", "")}
    whole = {key: target[key] for key in ("mode", "workspace", "run_as", "permissions") if key in target}
    whole["resources"] = merged(bundle.get("resources") or {}, target.get("resources") or {})
    clusters = set(whole["resources"].get("clusters", {}))
    resolved = _replaced(whole, context, clusters, name)
    try:
        return Target.model_validate({"name": name, "variables": values, **resolved})
    except ValidationError as error:
        lines = [
            f"  {'.'.join(map(str, found['loc']))}: {found['msg'].removeprefix('Value error, ')}"
            for found in error.errors(include_url=False)
        ]
        raise BundleError(f"target {name} of {FILE} is not valid:\n" + "\n".join(lines)) from None


def merged(base: Any, extra: Any, name: str = "") -> Any:
    """A target's part over the whole: mappings key by key, tasks by their key, everything else replaced."""
    if isinstance(base, Mapping) and isinstance(extra, Mapping):
        shared = {key: merged(base[key], extra[key], str(key)) for key in base if key in extra}
        return {**base, **extra, **shared}
    key = _KEYED_LISTS.get(name)
    if key is not None and isinstance(base, list) and isinstance(extra, list):
        own = {item[key]: item for item in extra}
        known = {item[key] for item in base}
        kept = [merged(item, own[item[key]]) if item[key] in own else item for item in base]
        return [*kept, *(item for item in extra if item[key] not in known)]
    return extra


def missing_variables(bundle: Mapping[str, Any], name: str, variables: Mapping[str, str]) -> list[str]:
    """Variables that the target uses and that have no value: nothing, or an empty text that stands for nothing."""
    target = (bundle.get("targets") or {}).get(name, {})
    values = _variables(bundle, name, target, variables)
    used = set(_REFERENCE.findall(repr([bundle.get("resources"), target])))
    return sorted(key for key, value in values.items() if f"var.{key}" in used and value in ("", None))


def _variables(
    bundle: Mapping[str, Any], name: str, target: Mapping[str, Any], given: Mapping[str, str]
) -> dict[str, Any]:
    declared = bundle.get("variables") or {}
    own = target.get("variables") or {}
    _refuse_unknown(own, set(declared), f"variables of target {name}")
    _refuse_unknown(given, set(declared), "the given variables")
    values: dict[str, Any] = {}
    for key, about in declared.items():
        value = given.get(key, own.get(key, about.get("default")))
        if value is None:
            raise BundleError(
                f"variable {key} has no value in target {name}; set {VARIABLE_PREFIX}{key}, or write it there"
            )
        values[key] = value
    context = {f"var.{key}": value for key, value in values.items()} | {"bundle.target": name}
    return {key: _replaced(value, context, set(), name) for key, value in values.items()}


def _replaced(value: Any, context: Mapping[str, Any], clusters: set[str], name: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _replaced(inner, context, clusters, name) for key, inner in value.items()}
    if isinstance(value, list):
        return [_replaced(inner, context, clusters, name) for inner in value]
    if not isinstance(value, str):
        return value
    whole = _REFERENCE.fullmatch(value)
    if whole and whole["path"] in context:
        # A whole reference keeps its type: a number stays a number.
        return context[whole["path"]]

    def one(found: re.Match[str]) -> str:
        path = found["path"]
        if path in context:
            return str(context[path])
        late = _LATE.fullmatch(path)
        if late is None or (late["cluster"] and late["cluster"] not in clusters):
            raise BundleError(
                f"target {name} of {FILE} names ${{{path}}}, which is nothing; correct or declare it"
            )
        return found[0]

    return _REFERENCE.sub(one, value)


def _refuse_unknown(found: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(set(found) - known)
    if unknown:
        raise BundleError(
            f"{where}: {', '.join(unknown)} unknown; expected some of {', '.join(sorted(known))}"
        )
