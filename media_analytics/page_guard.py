"""Who may open a page or an API of the platform.

Belongs here: one ASGI layer that lets in only requests with the token, and only those addressed to the right host by
no foreign page. Does not belong here: the page behind it, and where the token comes from.
"""

import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from media_analytics.errors import SettingsError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def loopback_hosts(port: int) -> frozenset[str]:
    """The values of `Host` that mean this machine and port."""
    return frozenset(f"{host}:{port}" for host in _LOOPBACK)


def hosts_of(url: str) -> frozenset[str]:
    """The values of `Host` that mean this address: all names of this machine when it is on loopback.

    Raises:
        SettingsError: the address names no host.
    """
    address = urlsplit(url)
    if address.hostname is None:
        raise SettingsError(f"{url!r} is no address; expected http://host:port")
    port = address.port or (443 if address.scheme == "https" else 80)
    return (
        loopback_hosts(port)
        if address.hostname in ("127.0.0.1", "localhost", "::1")
        else frozenset({address.netloc})
    )


class PageGuard:
    """Lets a request through when its Host is ours, its Origin is its own, and it carries the token.

    The token comes as `Authorization: Bearer`, as the password of basic authentication (any user), as a cookie, or
    once as `?token=`, which sets the cookie (HttpOnly, SameSite=Strict) and drops the token from the address.
    `open_paths` need no token. `number_paths` are asked by machines that know us by a number, so any Host will do
    there, with the token as `Bearer`, which no page of another site can send: it does not know it.
    """

    def __init__(
        self,
        app: App,
        token: str,
        hosts: Iterable[str],
        cookie: str,
        open_paths: Iterable[str] = (),
        number_paths: Iterable[str] = (),
    ) -> None:
        self._app = app
        self._token = token
        self._hosts = frozenset(hosts)
        # Browsers send cookies to every port of a host: two stacks need two names.
        self._cookie = cookie
        self._open_paths = frozenset(open_paths)
        self._number_paths = frozenset(number_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = _headers(scope["headers"])
        refusal = None if self._is_machine(scope, headers) else self._foreign(scope, headers)
        if refusal is not None:
            await _refuse(scope, receive, send, 403, refusal)
        elif self._is_known(headers) or (scope["type"] == "http" and scope["path"] in self._open_paths):
            await self._app(scope, receive, send)
        elif scope["type"] == "http" and self._matches(_query(scope).get("token")):
            await self._welcome(scope, send)
        else:
            await _refuse(scope, receive, send, 401, "open the link that `media-analytics status` prints\n")

    def _foreign(self, scope: Scope, headers: dict[str, str]) -> str | None:
        """Why the request was not meant for us: a rebound host name, or a page of another origin."""
        if headers.get("host") not in self._hosts:
            return f"the Host header must be one of {', '.join(sorted(self._hosts))}\n"
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc not in self._hosts:
            return "requests of other pages are refused\n"
        # A page on another port of this host counts as the same site, so its requests would carry the cookie.
        if headers.get("sec-fetch-site") in ("same-site", "cross-site"):
            opens_page = headers.get("sec-fetch-mode") == "navigate" and scope.get("method") == "GET"
            if not opens_page or scope["path"].startswith("/graphql"):
                return "requests of other pages are refused\n"
        return None

    def _is_machine(self, scope: Scope, headers: dict[str, str]) -> bool:
        """Whether a program that has the token asks for numbers."""
        scheme, _, value = headers.get("authorization", "").partition(" ")
        return (
            scope["type"] == "http"
            and scope["path"] in self._number_paths
            and scheme.lower() == "bearer"
            and self._matches(value.strip())
        )

    def _is_known(self, headers: dict[str, str]) -> bool:
        scheme, _, value = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._matches(value.strip())
        if scheme.lower() == "basic":
            return self._matches(_password(value.strip()))
        try:
            cookies = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            return False
        return self._cookie in cookies and self._matches(cookies[self._cookie].value)

    def _matches(self, given: str | None) -> bool:
        return given is not None and hmac.compare_digest(given.encode(), self._token.encode())

    async def _welcome(self, scope: Scope, send: Send) -> None:
        rest = urlencode(
            [(k, v) for k, v in parse_qsl(scope["query_string"].decode("latin-1")) if k != "token"]
        )
        # One leading slash only: `//host` would lead away.
        location = "/" + scope["path"].lstrip("/") + (f"?{rest}" if rest else "")
        cookie = f"{self._cookie}={self._token}; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000"
        await _answer(send, 303, "", [("location", location), ("set-cookie", cookie)])


def _headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in raw:
        key = name.decode("latin-1").lower()
        text = value.decode("latin-1")
        found[key] = f"{found[key]}; {text}" if key in found else text
    return found


def _query(scope: Scope) -> dict[str, str]:
    return dict(parse_qsl(scope["query_string"].decode("latin-1")))


def _password(value: str) -> str | None:
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return None


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, text: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    extra = [("www-authenticate", 'Basic realm="media-analytics"')] if status == 401 else []
    await _answer(send, status, text, extra)


async def _answer(send: Send, status: int, text: str, headers: list[tuple[str, str]]) -> None:
    body = text.encode()
    all_headers = [
        ("content-type", "text/plain; charset=utf-8"),
        ("content-length", str(len(body))),
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        *headers,
    ]
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(k.encode("latin-1"), v.encode("latin-1")) for k, v in all_headers],
        }
    )
    await send({"type": "http.response.body", "body": body})
