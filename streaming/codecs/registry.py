"""Client of the schema registry (Confluent API).

Belongs here: ids of schemas, schemas of ids, both kept for ever because the registry never changes them.
Does not belong here: registering schemas in production (`media-analytics contracts apply` does that,
readers first).
"""

import json
from typing import Any
from urllib.parse import quote

import httpx

from media_analytics.errors import MediaAnalyticsError
from media_analytics.tls import certificates

_CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
_NOT_FOUND = 404


class RegistryError(MediaAnalyticsError):
    """The registry refused a request for good; the message says what to do."""


class RegistryUnreachableError(RegistryError):
    """No usable answer now: try again later."""


class UnknownSchemaError(RegistryError):
    """No schema has this id: the message that carries it is a dead letter."""


class UnregisteredSchemaError(RegistryError):
    """The subject does not hold this schema: the contracts were not applied."""


class RegistryClient:
    """Looks up schemas; one per process. `timeout_seconds` bounds each request."""

    def __init__(self, url: str, timeout_seconds: float = 5.0) -> None:
        self._url = url.rstrip("/")
        # Nothing between us and the registry: proxy variables are for other networks.
        self._http = httpx.Client(
            timeout=timeout_seconds,
            trust_env=False,
            headers={"Content-Type": _CONTENT_TYPE},
            verify=certificates(),
        )
        self._schemas: dict[int, dict[str, Any]] = {}
        self._ids: dict[tuple[str, str], int] = {}

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def schema_by_id(self, schema_id: int) -> dict[str, Any]:
        """The parsed schema with this id.

        Raises:
            UnknownSchemaError: the registry has no such id.
            RegistryUnreachableError: no answer; ids seen before still work.
        """
        known = self._schemas.get(schema_id)
        if known is None:
            answer = self._request("GET", f"/schemas/ids/{schema_id}")
            if answer.status_code == _NOT_FOUND:
                raise UnknownSchemaError(f"schema id {schema_id} is not in the registry at {self._url}")
            parsed = json.loads(self._accepted(answer)["schema"])
            if not isinstance(parsed, dict) or parsed.get("type") != "record":
                raise UnknownSchemaError(f"schema id {schema_id} is not an Avro record")
            known = self._schemas[schema_id] = parsed
        return known

    def id_for(self, subject: str, schema: dict[str, Any], *, register: bool = False) -> int:
        """The id of a schema under a subject (`<topic>-value`); with `register` it is added if missing.

        Raises:
            UnregisteredSchemaError: the subject does not hold it and `register` is off.
            RegistryError: registering was refused (incompatible).
            RegistryUnreachableError: no answer; ids seen before still work.
        """
        text = json.dumps(schema, sort_keys=True)
        known = self._ids.get((subject, text))
        if known is None:
            body = {"schema": json.dumps(schema), "schemaType": "AVRO"}
            path = f"/subjects/{quote(subject, safe='')}"
            answer = self._request("POST", path, body)
            if answer.status_code == _NOT_FOUND:
                if not register:
                    raise UnregisteredSchemaError(
                        f"subject {subject} at {self._url} does not hold the schema of this release; "
                        "run `media-analytics contracts apply`"
                    )
                answer = self._request("POST", f"{path}/versions", body)
            known = self._ids[(subject, text)] = int(self._accepted(answer)["id"])
        return known

    def latest(self, subject: str) -> tuple[int, dict[str, Any]]:
        """Id and schema of the newest version of a subject; asked anew each time.

        Raises:
            UnregisteredSchemaError: the subject has no version.
            RegistryUnreachableError: no answer.
        """
        answer = self._request("GET", f"/subjects/{quote(subject, safe='')}/versions/latest")
        if answer.status_code == _NOT_FOUND:
            raise UnregisteredSchemaError(
                f"subject {subject} at {self._url} has no schema; run `media-analytics contracts apply`"
            )
        schema_id = int(self._accepted(answer)["id"])
        return schema_id, self.schema_by_id(schema_id)

    def versions(self, subject: str) -> dict[int, dict[str, Any]]:
        """Every schema of a subject by its id, oldest first.

        Raises:
            UnregisteredSchemaError: the subject has no version.
            RegistryUnreachableError: no answer.
        """
        path = f"/subjects/{quote(subject, safe='')}/versions"
        answer = self._request("GET", path)
        if answer.status_code == _NOT_FOUND:
            raise UnregisteredSchemaError(
                f"subject {subject} at {self._url} has no schema; run `media-analytics contracts apply`"
            )
        if not answer.is_success:
            raise RegistryError(f"registry at {self._url} answered {answer.status_code}: {answer.text[:500]}")
        ids = [int(self._accepted(self._request("GET", f"{path}/{n}"))["id"]) for n in answer.json()]
        return {schema_id: self.schema_by_id(schema_id) for schema_id in ids}

    def _request(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        try:
            answer = self._http.request(method, self._url + path, json=body)
        except httpx.HTTPError as error:
            raise RegistryUnreachableError(
                f"registry at {self._url}: {type(error).__name__}: {error}"
            ) from error
        if answer.status_code >= 500 or answer.status_code == 429:
            raise RegistryUnreachableError(f"registry at {self._url} answered {answer.status_code} to {path}")
        return answer

    def _accepted(self, answer: httpx.Response) -> dict[str, Any]:
        if not answer.is_success:
            raise RegistryError(f"registry at {self._url} answered {answer.status_code}: {answer.text[:500]}")
        parsed = answer.json()
        if not isinstance(parsed, dict):
            raise RegistryError(f"registry at {self._url} answered {parsed!r}; expected an object")
        return parsed
