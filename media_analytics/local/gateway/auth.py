"""Who is asking, and from where.

Belongs here: the Host and Origin checks that keep web pages out, and the three ways ClickHouse takes credentials.
Does not belong here: what a user may run (`reader.py`).
"""

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from media_analytics.local.gateway.config import User
from media_analytics.local.gateway.errors import ClickHouseError

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def is_foreign(headers: Mapping[str, str]) -> bool:
    """True for a request that a web page of another site sent: a foreign Host (DNS rebinding) or a foreign Origin."""
    host = headers.get("host")
    if host is None or _hostname(f"//{host}") not in _LOOPBACK:
        return True
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != host


def authenticate(users: Sequence[User], headers: Mapping[str, str], query: Mapping[str, str]) -> User:
    """Find the user of a request.

    Raises:
        ClickHouseError: 516 for a wrong name or password, 194 when no credentials came.
    """
    name, password, given = _credentials(headers, query)
    found: User | None = None
    for user in users:
        # Every user is compared, so that time does not tell which names exist.
        same_name = hmac.compare_digest(user.name.encode(), name.encode())
        same_password = hmac.compare_digest(user.password.encode(), password.encode())
        if same_name and same_password:
            found = user
    if found is not None:
        return found
    if not given:
        raise ClickHouseError(
            194,
            "REQUIRED_PASSWORD",
            f"{name}: Authentication failed: password is incorrect, or there is no user with such name.",
        )
    raise ClickHouseError(
        516,
        "AUTHENTICATION_FAILED",
        f"{name}: Authentication failed: password is incorrect, or there is no user with such name.",
    )


def _credentials(headers: Mapping[str, str], query: Mapping[str, str]) -> tuple[str, str, bool]:
    if "x-clickhouse-user" in headers or "x-clickhouse-key" in headers:
        return headers.get("x-clickhouse-user", "default"), headers.get("x-clickhouse-key", ""), True
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            name, _, password = base64.b64decode(token.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise ClickHouseError(
                516, "AUTHENTICATION_FAILED", "Invalid authentication: the Basic token is not base64."
            ) from None
        return name, password, True
    if scheme:
        raise ClickHouseError(
            516, "AUTHENTICATION_FAILED", f"Invalid authentication: the {scheme!r} scheme is not supported."
        )
    given = "user" in query or "password" in query
    return query.get("user", "default"), query.get("password", ""), given


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
