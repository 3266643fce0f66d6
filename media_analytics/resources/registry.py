"""What a page asks the schema registry: versions of a subject and what a next one must fit.

Belongs here: read-only questions (Confluent API). Does not belong here: decoding (`streaming/codecs`), registering
(`migrations`).
"""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote

import httpx

from media_analytics.errors import ServiceError
from media_analytics.settings import Settings

TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class Version:
    """A version of a subject. Versions count from 1, ids are those of the framing."""

    number: int
    schema_id: int
    schema: dict[str, Any]


class SchemaRegistry:
    """Connects at the first question. A version never changes, so each is asked for once."""

    def __init__(self, settings: Settings) -> None:
        """Keep the address; connect later."""
        self._url = settings.registry.url.rstrip("/")
        self._known: dict[tuple[str, int], Version] = {}

    @cached_property
    def _http(self) -> httpx.Client:
        return httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False)

    def versions(self, subject: str) -> list[Version]:
        """All versions, the oldest first; none when the registry does not know the subject.

        Raises:
            ServiceError: the registry does not answer.
        """
        numbers = self._get(f"/subjects/{quote(subject, safe='')}/versions") or []
        return [self._version(subject, int(number)) for number in numbers]

    def compatibility(self, subject: str) -> str:
        """What a next version must fit: the subject's own rule, else the one of all.

        Raises:
            ServiceError: the registry does not answer.
        """
        for path in (f"/config/{quote(subject, safe='')}", "/config"):
            found = self._get(path)
            if found is not None:
                return str(found["compatibilityLevel"])
        return "NONE"

    def _version(self, subject: str, number: int) -> Version:
        known = self._known.get((subject, number))
        if known is None:
            found = self._get(f"/subjects/{quote(subject, safe='')}/versions/{number}")
            if found is None:
                raise ServiceError(f"version {number} of {subject} went away while it was read; ask again")
            known = Version(number, int(found["id"]), json.loads(found["schema"]))
            self._known[(subject, number)] = known
        return known

    def _get(self, path: str) -> Any:
        """The document; None when there is none."""
        try:
            answer = self._http.get(self._url + path)
            if answer.status_code == httpx.codes.NOT_FOUND:
                return None
            return answer.raise_for_status().json()
        except httpx.HTTPError as error:
            raise ServiceError(
                f"the schema registry at {self._url} does not answer: {error}; see `media-analytics status`"
            ) from error
