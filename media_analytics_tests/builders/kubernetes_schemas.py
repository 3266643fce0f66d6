"""Kubernetes' own kinds checked against their schemas, strictly.

Belongs here: finding the schema of a kind and version and keeping it; the package itself reads it
anew for each object (0.2 s). Does not belong here: kinds of operators.
"""

from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from kubernetes_validate.utils import schema_contents
from referencing import Registry, Resource

_FOLDER = "kubernetes-json-schema/v{version}.0-local-strict"


def validate(manifest: dict[str, Any], version: str) -> None:
    """Check one object against a version of Kubernetes, for example 1.37.

    Raises:
        jsonschema.ValidationError: a field is unknown, missing or wrong.
    """
    group, _, name = manifest["apiVersion"].rpartition("/")
    api = "-".join(part for part in (group.partition(".")[0], name) if part)
    _validator(version, f"{manifest['kind'].lower()}-{api}.json").validate(manifest)


@cache
def _validator(version: str, file: str) -> Draft202012Validator:
    resource = Resource.from_contents(_contents(version, file))
    return Draft202012Validator(resource.contents, registry=resource @ _definitions(version))


@cache
def _definitions(version: str) -> "Registry[Any]":
    definitions: Registry[Any] = Resource.from_contents(_contents(version, "_definitions.json")) @ Registry()
    return definitions.crawl()


def _contents(version: str, file: str) -> Any:
    return schema_contents(f"{_FOLDER.format(version=version)}/{file}", version)
