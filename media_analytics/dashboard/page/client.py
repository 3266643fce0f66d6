"""The page's way to the API.

Belongs here: one request with the token, what was answered before (`ETag`), errors a person reads. Does not belong
here: what is shown.
"""

import threading
from typing import Any

import httpx

from media_analytics.errors import ServiceError

_SECONDS = 15.0
# Answers kept for `If-None-Match`.
_MOST = 200


class Client:
    """Asks the API of the settings. One for all sessions."""

    def __init__(self, url: str, token: str) -> None:
        """Connects at the first request."""
        self._http = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=_SECONDS,
            trust_env=False,
        )
        self._lock = threading.Lock()
        self._known: dict[str, tuple[str, Any]] = {}

    def get(self, path: str, **parameters: Any) -> Any:
        """The document of an answer.

        Raises:
            ServiceError: the API does not answer, or refuses; the message is its own.
        """
        request = self._http.build_request(
            "GET", path, params={k: v for k, v in parameters.items() if v is not None}
        )
        key = str(request.url)
        with self._lock:
            known = self._known.get(key)
        if known is not None:
            request.headers["If-None-Match"] = known[0]
        answer = self._send(request)
        if answer.status_code == httpx.codes.NOT_MODIFIED and known is not None:
            return known[1]
        document = _document(answer)
        with self._lock:
            while len(self._known) >= _MOST:
                del self._known[next(iter(self._known))]
            self._known[key] = (answer.headers.get("etag", ""), document)
        return document

    def content(self, path: str, **parameters: Any) -> bytes:
        """An answer that is a file.

        Raises:
            ServiceError: as `get`.
        """
        given = {k: v for k, v in parameters.items() if v is not None}
        answer = self._send(self._http.build_request("GET", path, params=given))
        if not answer.is_success:
            _document(answer)
        return answer.content

    def post(self, path: str, document: Any) -> Any:
        """The document that answers a change.

        Raises:
            ServiceError: as `get`.
        """
        return _document(self._send(self._http.build_request("POST", path, json=document)))

    def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            return self._http.send(request)
        except httpx.HTTPError as error:
            raise ServiceError(
                f"the dashboard's API at {request.url.host}:{request.url.port} does not answer "
                f"({type(error).__name__}); see `media-analytics status`"
            ) from error


def _document(answer: httpx.Response) -> Any:
    if answer.is_success:
        return answer.json()
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = answer.text[:300]
    raise ServiceError(f"the dashboard's API answered {answer.status_code}: {detail}")
