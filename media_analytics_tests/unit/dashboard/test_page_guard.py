"""Who may open a page: the token in four forms, no foreign host, no foreign page."""

import base64
from typing import Any

import pytest

from media_analytics.errors import SettingsError
from media_analytics.page_guard import PageGuard, Receive, Scope, Send, hosts_of, loopback_hosts

TOKEN = "right"


async def _page(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"page"})


async def _ask(
    headers: dict[str, str] | None = None,
    query: str = "",
    kind: str = "http",
    path: str = "/",
    method: str = "GET",
) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": f"{kind}.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    all_headers = {"host": "127.0.0.1:3000"} | (headers or {})
    scope: Scope = {
        "type": kind,
        "path": path,
        "method": method,
        "query_string": query.encode(),
        "headers": [(k.encode(), v.encode()) for k, v in all_headers.items()],
    }
    guard = PageGuard(_page, TOKEN, loopback_hosts(3000), "stack_3000", open_paths=("/ping",))
    await guard(scope, receive, send)
    return sent


def _basic(password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"anyone:{password}".encode()).decode()}


KNOWN = {"cookie": f"other=1; stack_3000={TOKEN}"}


@pytest.mark.parametrize("headers", [KNOWN, {"authorization": f"Bearer {TOKEN}"}, _basic(TOKEN)])
async def test_the_token_opens_the_page(headers: dict[str, str]) -> None:
    assert (await _ask(headers))[0]["status"] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"cookie": "stack_3000=wrong"},
        {"cookie": f"stack_3001={TOKEN}"},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer"},
        {"authorization": "Basic %%%"},
        _basic("wrong"),
    ],
)
async def test_anything_else_is_refused(headers: dict[str, str]) -> None:
    assert (await _ask(headers))[0]["status"] == 401


async def test_the_link_sets_a_strict_cookie_and_drops_the_token() -> None:
    first = (await _ask(query=f"a=1&token={TOKEN}", path="//evil.example"))[0]
    headers = {name.decode(): value.decode() for name, value in first["headers"]}
    assert first["status"] == 303
    assert headers["location"] == "/evil.example?a=1"
    assert "HttpOnly" in headers["set-cookie"]
    assert "SameSite=Strict" in headers["set-cookie"]


async def test_a_wrong_link_is_refused() -> None:
    assert (await _ask(query="token=wrong"))[0]["status"] == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "rebound.example:3000"},
        {"host": "127.0.0.1:3001"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"},
    ],
)
async def test_a_foreign_host_or_page_is_refused_even_with_the_cookie(headers: dict[str, str]) -> None:
    assert (await _ask(KNOWN | headers))[0]["status"] == 403


async def test_a_foreign_page_cannot_navigate_into_a_change() -> None:
    foreign = {"sec-fetch-site": "same-site", "sec-fetch-mode": "navigate"}
    assert (await _ask(KNOWN | foreign, path="/graphql"))[0]["status"] == 403
    assert (await _ask(KNOWN | foreign))[0]["status"] == 200


async def test_a_websocket_needs_the_token_too() -> None:
    assert (await _ask(kind="websocket"))[0] == {"type": "websocket.close", "code": 1008}


async def test_an_open_path_needs_no_token_but_the_right_host() -> None:
    assert (await _ask(path="/ping"))[0]["status"] == 200
    assert (await _ask({"host": "rebound.example:3000"}, path="/ping"))[0]["status"] == 403
    assert (await _ask(kind="websocket", path="/ping"))[0]["type"] == "websocket.close"


def test_hosts_follow_from_the_address() -> None:
    assert hosts_of("http://127.0.0.1:8500") == {"127.0.0.1:8500", "localhost:8500", "[::1]:8500"}
    assert hosts_of("https://numbers.example.org") == {"numbers.example.org"}
    with pytest.raises(SettingsError, match="expected http"):
        hosts_of("numbers")
