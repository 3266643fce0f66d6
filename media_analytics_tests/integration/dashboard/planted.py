"""Known rows in the real stores, and a client of the real API.

Belongs here: planting, asking. Does not belong here: assertions.
"""

import json
import time
import uuid
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any

import httpx

from media_analytics.modelling.minutes import MINUTE, Counts, document
from media_analytics.resources.minute_files import MinuteFiles
from media_analytics.settings import Settings
from media_analytics_tests.builders.streams import Store

REALTIME = ("user_events", "interactions", "session_events", "security_events")


class Api:
    """Asks the API with its token."""

    def __init__(self, settings: Settings) -> None:
        assert settings.dashboard.url is not None
        assert settings.dashboard.token is not None
        self.url = settings.dashboard.url
        self.token = settings.dashboard.token.get_secret_value()
        self.http = httpx.Client(
            base_url=self.url,
            trust_env=False,
            timeout=20,
            headers={"Authorization": f"Bearer {self.token}"},
        )

    def __enter__(self) -> "Api":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()

    def get(self, path: str, **parameters: Any) -> Any:
        """The answer's document."""
        answer = self.http.get(path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def get_fresh(self, path: str, **parameters: Any) -> Any:
        """An answer that was asked of the store after this call began: live ones are kept for a second."""
        time.sleep(1.05)
        return self.get(path, **parameters)


class Planted:
    """Fills the live tables of a home that has no sink. Each test starts with empty ones."""

    def __init__(self, settings: Settings) -> None:
        self._store = Store(settings)
        self.files = MinuteFiles(settings)
        self._offset = 0
        for name in REALTIME:
            self._store.command(f"TRUNCATE TABLE realtime.{name}")

    def events(self, table: str, count: int, seconds_ago: float = 20, **fields: Any) -> None:
        """Rows that arrived some seconds ago, 100 ms after receipt, and were visible 400 ms after it."""
        at = datetime.now(UTC) - timedelta(seconds=seconds_ago)
        rows = []
        for _ in range(count):
            self._offset += 1
            row = {
                "event_id": str(uuid.uuid4()),
                "event_type": "page_view",
                "brand": "bild",
                "origin": "live",
                "occurred_at": _text(at),
                "received_at": _text(at),
                "appended_at": _text(at + timedelta(milliseconds=100)),
                "inserted_at": _text(at + timedelta(milliseconds=400)),
                "source_topic": "user.raw",
                "source_partition": 0,
                "source_offset": self._offset,
            }
            rows.append(json.dumps(row | fields))
        # Unknown names would be a mistake of the test.
        self._store.command(f"INSERT INTO realtime.{table} FORMAT JSONEachRow " + "\n".join(rows))

    def result(self, minute: datetime, **counts: Counts) -> dict[str, Any]:
        """The document of a minute, as the analysis makes it, with no history."""
        return document(minute, counts, [], produced_at=minute + 2 * MINUTE, run_id="planted")

    def write_result(self, result: dict[str, Any]) -> None:
        """Write it where the analysis does."""
        self.files.write_result(datetime.fromisoformat(result["window_start"]), result)


def _text(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%d %H:%M:%S.%f")


def minute_ago(minutes: int) -> datetime:
    """Start of the minute that many minutes ago."""
    return datetime.now(UTC).replace(second=0, microsecond=0) - minutes * MINUTE
