"""Keys, proxies, brands."""

import json
from pathlib import Path

import pytest

from media_analytics_tests.builders import settings as builder
from streaming.collector.access import Access, Sender
from streaming.collector.answers import Rejection

KEYS = json.dumps(
    [
        {"key": "server-key", "kind": "server"},
        {"key": "browser-key", "kind": "browser", "brand": "bild"},
    ]
)


@pytest.fixture
def access(tmp_path: Path) -> Access:
    proxies = '["10.0.0.0/8", "2001:db8::/32"]'
    return Access(
        builder.make(tmp_path, LOCAL="false", COLLECTOR__KEYS=KEYS, COLLECTOR__TRUSTED_PROXIES=proxies)
    )


@pytest.mark.parametrize(
    ("headers", "sender"),
    [
        ({b"authorization": b"Bearer server-key"}, Sender(True, None)),
        ({b"authorization": b"bearer browser-key"}, Sender(False, "bild")),
        ({b"x-api-key": b"browser-key"}, Sender(False, "bild")),
    ],
)
def test_keys_are_recognised(access: Access, headers: dict[bytes, bytes], sender: Sender) -> None:
    assert access.sender(headers, page="https://www.bild.de") == sender


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "missing_key"),
        ({b"authorization": b"Basic c2VydmVyLWtleQ=="}, "missing_key"),
        ({b"authorization": b"Bearer server-ke"}, "unknown_key"),
        ({b"x-api-key": b"\xff\xfe"}, "unknown_key"),
    ],
)
def test_other_requests_are_refused_with_401(access: Access, headers: dict[bytes, bytes], code: str) -> None:
    with pytest.raises(Rejection) as caught:
        access.sender(headers)
    assert (caught.value.code, caught.value.kind) == (code, "key")


def test_on_a_laptop_no_key_counts_as_a_server_key_but_a_wrong_one_does_not(tmp_path: Path) -> None:
    local = Access(builder.make(tmp_path))
    assert local.sender({}) == Sender(True, None)
    with pytest.raises(Rejection):
        local.sender({b"x-api-key": b"guess"})


@pytest.mark.parametrize(
    ("client", "forwarded", "address"),
    [
        ("198.51.100.1", b"", "198.51.100.1"),
        ("198.51.100.1", b"192.0.2.1", "198.51.100.1"),
        ("10.0.0.1", b"192.0.2.1", "192.0.2.1"),
        ("10.0.0.1", b"192.0.2.66, 192.0.2.1, 10.2.3.4", "192.0.2.1"),
        ("10.0.0.1", b"10.9.9.9", "10.9.9.9"),
        ("10.0.0.1", b"192.0.2.1, nonsense", None),
        ("2001:db8::1", b"::ffff:192.0.2.1", "192.0.2.1"),
        (None, b"192.0.2.1", None),
    ],
)
def test_the_right_most_entry_that_is_no_proxy_is_the_peer(
    access: Access, client: str | None, forwarded: bytes, address: str | None
) -> None:
    """Catches taking the left-most entry, which any client can write."""
    assert access.peer(client, forwarded) == address


@pytest.mark.parametrize(
    ("page", "is_allowed"),
    [
        ("https://www.bild.de", True),
        ("https://bild.de:8443", True),
        ("https://sportbild.bild.de", True),
        ("https://bild.de.evil.example", False),
        ("https://evilbild.de", False),
        ("https://www.welt.de", False),
        ("http://127.0.0.1:8088", False),
        ("null", False),
        ("https://[", False),
        ("javascript://bild.de", False),
        (None, False),
    ],
)
def test_a_browser_key_works_on_pages_of_its_brand_only(
    access: Access, page: str | None, is_allowed: bool
) -> None:
    """Catches a comparison by suffix or substring of the host."""
    if is_allowed:
        assert access.sender({}, "browser-key", page) == Sender(False, "bild")
        return
    with pytest.raises(Rejection) as caught:
        access.sender({}, "browser-key", page)
    assert caught.value.code == "page_not_allowed"


def test_a_server_key_in_an_address_is_refused(access: Access) -> None:
    with pytest.raises(Rejection) as caught:
        access.sender({}, "server-key")
    assert (caught.value.code, caught.value.kind) == ("key_in_address", "key")


def test_on_a_laptop_only_its_own_pages_need_no_key(tmp_path: Path) -> None:
    """Catches any site in the developer's browser that writes into the local stack."""
    local = Access(builder.make(tmp_path))
    assert local.sender({}, page="http://localhost:8088") == Sender(False, None)
    assert local.sender({}, "browser-welt", "http://127.0.0.1:8088") == Sender(False, "welt")
    with pytest.raises(Rejection):
        local.sender({}, page="https://evil.example")


def test_brand_comes_from_item_then_query_then_key(access: Access) -> None:
    anybody, one = Sender(True, None), Sender(False, "bild")
    assert access.brand("welt", "bild", anybody) == "welt"
    assert access.brand(None, "welt", anybody) == "welt"
    assert access.brand(None, None, one) == "bild"
    for item, query, sender, code in (
        (None, None, anybody, "missing_field"),
        ("daily_planet", None, anybody, "unknown_brand"),
        ("welt", None, one, "brand_not_allowed"),
        (None, "welt", one, "brand_not_allowed"),
    ):
        with pytest.raises(Rejection) as caught:
            access.brand(item, query, sender)
        assert (caught.value.code, caught.value.field) == (code, "brand")
