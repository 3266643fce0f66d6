"""Telling the dashboard what is new.

Belongs here: pushing a result as an event. Does not belong here: the dashboard, which also reads the files: a push that
fails loses nothing.
"""

import logging
import time
from collections.abc import Mapping
from typing import Any

import httpx

from media_analytics.settings import Settings
from media_analytics.tls import certificates

log = logging.getLogger(__name__)

MINUTES_ROUTE = "/v1/events/minutes"
# A dashboard that hangs or is away must not hold up the next minutes.
TIMEOUT_SECONDS = 3.0
PAUSE_SECONDS = 30.0


class Dashboard:
    """The dashboard's API, where one is configured."""

    def __init__(self, settings: Settings) -> None:
        """Keep the address; connect later."""
        self._url = settings.dashboard.url
        self._token = settings.dashboard.token
        self._silent_until = 0.0

    def push_minute(self, result: Mapping[str, Any]) -> bool:
        """Send the result of a minute; whether the dashboard took it. Its `window_start` identifies it."""
        if self._url is None or time.monotonic() < self._silent_until:
            return False
        token = self._token.get_secret_value() if self._token else None
        try:
            answer = httpx.post(
                f"{self._url.rstrip('/')}{MINUTES_ROUTE}",
                json=result,
                headers={"authorization": f"Bearer {token}"} if token else {},
                timeout=TIMEOUT_SECONDS,
                verify=certificates(),
            )
            answer.raise_for_status()
        except httpx.HTTPError as error:
            is_away = isinstance(error, httpx.TransportError)
            if is_away:
                self._silent_until = time.monotonic() + PAUSE_SECONDS
            # On a laptop the dashboard need not run: its absence is no fault.
            log.log(
                logging.INFO if is_away else logging.WARNING,
                "minute %s was not pushed to %s: %s; the dashboard reads it from its file",
                result["window_start"],
                self._url,
                error,
            )
            return False
        return True
