"""Who and what: event ids and visitor ids.

Belongs here: the identifiers that are derived from content, exactly as the platform publishes them. Does
not belong here: what a client sends itself.
"""

import hashlib
import hmac
import uuid
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

import rfc8785

from media_analytics.errors import SettingsError
from media_analytics.settings import Privacy
from streaming.collector.answers import Rejection
from streaming.dead_letters.letters import NAMESPACE


def derived_id(name: str) -> str:
    """uuid5 of a text in the platform's namespace."""
    return str(uuid.uuid5(NAMESPACE, name))


def item_id(item: dict[str, Any], brand: str) -> str:
    """Id of an item without one: uuid5 of the RFC 8785 JSON of the item with its brand.

    Raises:
        Rejection: the item holds a number RFC 8785 cannot write.
    """
    try:
        canonical = rfc8785.dumps({**item, "brand": brand})
    except ValueError as error:
        raise Rejection("invalid_number", "item", f"the item has no canonical form: {error}") from None
    return derived_id(canonical.decode())


def click_id(package_id: str, click: str) -> str:
    """Id of a clickstream item."""
    return derived_id(f"clickstream|{package_id}|{click}")


def line_id(line: bytes, occurrence: int) -> str:
    """Id of a log line; `occurrence` is how often the identical line stood before it in the file."""
    return derived_id(f"access-log|{hashlib.sha256(line).hexdigest()}|{occurrence}")


def _hashed(key: bytes, host: str, user_agent: str) -> str:
    message = host.encode() + b"\x00" + user_agent.encode()
    return "h:" + hmac.digest(key, message, "sha256").hex()[:32]


_USUAL_AGENT = 512
_hashed_again = lru_cache(maxsize=16_384)(_hashed)


class Visitors:
    """Derives visitor ids with the keys of this installation."""

    def __init__(self, privacy: Privacy) -> None:
        keys = sorted(privacy.visitor_keys, key=lambda k: k.valid_from, reverse=True)
        self._keys = [(k.valid_from, k.key.get_secret_value().encode()) for k in keys]
        self._import_key = privacy.import_key.get_secret_value().encode()
        self._day = date.min
        self._current = b""

    def require_key_in_force(self) -> None:
        """Check the keys before the first event comes.

        Raises:
            SettingsError: no key is in force today.
        """
        self._key(datetime.now(UTC))

    def visitor_id(
        self,
        *,
        customer_id: str | None,
        anonymous_id: str | None,
        host: str | None,
        user_agent: str | None,
        received_at: datetime,
        is_import: bool,
    ) -> str:
        """`c:` and the customer, else `a:` and the client's id, else `h:` and a keyed hash.

        The hash is of host and user agent; `host` is the canonical full address, or the name a log gives instead.
        """
        if customer_id:
            return f"c:{customer_id}"
        if anonymous_id:
            return f"a:{anonymous_id}"
        return self.of_address(host, user_agent, received_at, is_import)

    def of_address(
        self, host: str | None, user_agent: str | None, received_at: datetime, is_import: bool
    ) -> str:
        """The visitor id of somebody who is known by address and user agent only."""
        key = self._import_key if is_import else self._key(received_at)
        host, user_agent = host or "", user_agent or ""
        # Readers come back: with their next ping, the same again.
        is_usual = len(user_agent) <= _USUAL_AGENT
        return _hashed_again(key, host, user_agent) if is_usual else _hashed(key, host, user_agent)

    def _key(self, received_at: datetime) -> bytes:
        """The key in force at an instant in UTC."""
        day = received_at.date()
        if day != self._day:
            current = next((key for valid_from, key in self._keys if valid_from <= day), None)
            if current is None:
                raise SettingsError(
                    f"privacy.visitor_keys has no key in force on {day}; add one whose valid_from is not later"
                )
            self._day, self._current = day, current
        return self._current
