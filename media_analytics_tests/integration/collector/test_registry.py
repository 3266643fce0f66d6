"""The registry client against the real registry: what is for good and what is for now."""

import uuid

import pytest

from media_analytics_tests.services.embedded import Embedded
from streaming.codecs.registry import (
    RegistryClient,
    RegistryError,
    RegistryUnreachableError,
    UnknownSchemaError,
    UnregisteredSchemaError,
)

pytestmark = pytest.mark.integration

SCHEMA = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "string"}]}
NO_REGISTRY = "http://127.0.0.1:9/apis/ccompat/v7"


def test_a_schema_is_found_by_its_id_and_its_subject(registry: Embedded) -> None:
    subject = f"{uuid.uuid4()}-value"
    client = RegistryClient(registry.settings.registry.url)
    with pytest.raises(UnregisteredSchemaError, match="contracts apply"):
        client.id_for(subject, SCHEMA)
    schema_id = client.id_for(subject, SCHEMA, register=True)
    other = RegistryClient(registry.settings.registry.url)
    assert other.id_for(subject, SCHEMA) == schema_id
    assert other.schema_by_id(schema_id) == SCHEMA
    assert other.latest(subject) == (schema_id, SCHEMA)


def test_an_id_nobody_has_is_for_good(registry: Embedded) -> None:
    with pytest.raises(UnknownSchemaError):
        RegistryClient(registry.settings.registry.url).schema_by_id(2_000_000_000)


def test_an_incompatible_schema_is_refused(registry: Embedded) -> None:
    subject = f"{uuid.uuid4()}-value"
    client = RegistryClient(registry.settings.registry.url)
    client.id_for(subject, SCHEMA, register=True)
    wrong = SCHEMA | {"fields": [{"name": "b", "type": "long"}]}
    with pytest.raises(RegistryError, match="409"):
        client.id_for(subject, wrong, register=True)


def test_no_registry_is_for_now_and_what_is_known_still_holds(registry: Embedded) -> None:
    with pytest.raises(RegistryUnreachableError):
        RegistryClient(NO_REGISTRY).schema_by_id(1)
    client = RegistryClient(registry.settings.registry.url)
    schema_id = client.id_for(f"{uuid.uuid4()}-value", SCHEMA, register=True)
    client.schema_by_id(schema_id)
    client.close()
    assert client.schema_by_id(schema_id) == SCHEMA
