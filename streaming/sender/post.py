"""Posts batches to a collector until each is acknowledged.

Belongs here: retries and what an answer means for the sender. Does not belong here: what a batch holds.
One request is in flight at a time, so that after a kill at most one was sent without being recorded.
"""

import time
from collections.abc import Callable
from typing import Any

import httpx
import msgspec

from media_analytics.errors import ServiceError
from media_analytics.settings import Settings

# Longest time a batch is tried again while the collector or Kafka is away.
PATIENCE_SECONDS = 120.0
_LONGEST_WAIT_SECONDS = 5.0
_RETRIED = frozenset({429, 500, 502, 503, 504, 507})
_JUDGED = frozenset({200, 400, 422})

Sleep = Callable[[float], None]


class Outcome(msgspec.Struct):
    """What the collector did with one item."""

    index: int | None
    event_id: str | None
    status: str
    code: str | None = None
    field: str | None = None
    message: str | None = None


class Reply(msgspec.Struct):
    """An answer whose items were judged one by one."""

    accepted: int
    rejected: int
    items: list[Outcome]


_decoder = msgspec.json.Decoder(Reply)


class Poster:
    """One connection to a collector. `patience_seconds` bounds the time without an acknowledgement."""

    def __init__(
        self,
        url: str,
        key: str | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
        sleep: Sleep = time.sleep,
    ) -> None:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._url = url.rstrip("/")
        # The collector may wait for Kafka before it answers.
        self._http = httpx.Client(base_url=self._url, headers=headers, timeout=60.0, trust_env=False)
        self._patience_seconds = patience_seconds
        self._sleep = sleep

    @classmethod
    def to_collector(cls, settings: Settings, brand: str | None = None, **options: Any) -> "Poster":
        """A poster to the collector of the settings, with a server key that may write for `brand` (None: for any)."""
        fitting = (k for k in settings.collector.keys if k.kind == "server" and k.brand in (None, brand))
        key = next(fitting, None)
        return cls(settings.collector.url, key.key.get_secret_value() if key else None, **options)

    def __enter__(self) -> "Poster":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def post(self, path: str, body: bytes) -> Reply:
        """Send a batch until it is judged.

        Raises:
            ServiceError: the collector is away for too long, or refuses the whole request.
        """
        deadline = time.monotonic() + self._patience_seconds
        wait = 0.25
        while True:
            problem, pause = "", wait
            try:
                answer = self._http.post(path, content=body)
            except httpx.HTTPError as error:
                problem = f"{type(error).__name__}: {error}"
            else:
                if answer.status_code not in _RETRIED:
                    return self._judged(answer)
                problem = f"answered {answer.status_code}: {_first_message(answer)}"
                asked = answer.headers.get("Retry-After", "")
                pause = min(float(asked) if asked.isdigit() else wait, _LONGEST_WAIT_SECONDS)
            if time.monotonic() + pause > deadline:
                raise ServiceError(
                    f"the collector at {self._url} took no batch for {self._patience_seconds:.0f} s ({problem}); "
                    "see `media-analytics status`. What was acknowledged is recorded: run the same command again."
                )
            self._sleep(pause)
            wait = min(wait * 2, _LONGEST_WAIT_SECONDS)

    def _judged(self, answer: httpx.Response) -> Reply:
        if answer.status_code in _JUDGED:
            try:
                reply = _decoder.decode(answer.content)
            except msgspec.DecodeError as error:
                raise ServiceError(f"{self._url} is not a collector: {error}") from error
            if all(item.index is not None for item in reply.items):
                return reply
        raise ServiceError(
            f"the collector at {self._url} refused the request ({answer.status_code}): {_first_message(answer)}"
        )


def _first_message(answer: httpx.Response) -> str:
    try:
        reply = _decoder.decode(answer.content)
    except msgspec.DecodeError:
        return answer.text[:200]
    return next((item.message for item in reply.items if item.message), "no message")
