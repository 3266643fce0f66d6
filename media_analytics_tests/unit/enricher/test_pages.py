"""Keys and parameters of page addresses."""

import pytest

from streaming.enricher.pages import page_key, parameters


@pytest.mark.parametrize(
    ("page_url", "key"),
    [
        ("https://www.bild.de/politik/a.html", "/politik/a.html"),
        ("https://www.bild.de/politik/a.html?x=/y#z", "/politik/a.html"),
        ("https://www.bild.de/politik/", "/politik"),
        ("https://www.bild.de/politik///", "/politik"),
        ("https://www.bild.de/", "/"),
        ("https://www.bild.de", "/"),
        ("https://www.bild.de?x=1", "/"),
        ("https://www.bild.de#top", "/"),
        ("https://www.bild.de///", "/"),
        ("https://www.bild.de/A%20b/%C3%BC", "/A%20b/%C3%BC"),
        ("https://www.bild.de/Großes/Ä", "/Großes/Ä"),
        ("https://www.bild.de//doppelt/a", "//doppelt/a"),
        ("https://u:p@www.bild.de:8443/a", "/a"),
        ("https://[2001:db8::1]/a", "/a"),
        ("https://[kaputt/a", "/a"),
        ("//www.bild.de/a", "/a"),
        ("/nur/pfad/", "/nur/pfad"),
        ("https://www.bild.de/a#frag?x", "/a"),
        ("https://www.bild.de/a?x#y/z/", "/a"),
        ("HTTPS://WWW.BILD.DE/A", "/A"),
        ("https://www.bild.de/a?u=https://b.de/c", "/a"),
        ("https://www.bild.de/a\nb", "/a\nb"),
    ],
)
def test_key_is_the_path_as_it_was_sent(page_url: str, key: str) -> None:
    assert page_key(None, page_url) == key


def test_a_content_id_wins_and_nothing_gives_nothing() -> None:
    assert page_key("c-1", "https://www.bild.de/a") == "c-1"
    assert page_key("c-1", None) == "c-1"
    assert page_key(None, None) is None
    assert page_key("", "") is None


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        (None, {}),
        ("https://b.de/a", {}),
        ("https://b.de/a?", {}),
        ("https://b.de/?utm_source=x&utm_term=a+b%20c", {"utm_source": "x", "utm_term": "a b c"}),
        ("https://b.de/?a=1&a=2", {"a": "1"}),
        ("https://b.de/?a=&b", {}),
        ("https://b.de/?a=1#?b=2", {"a": "1"}),
        ("https://b.de/?a=%FF", {"a": "\ufffd"}),
        ("https://b.de/?a=x?y", {"a": "x?y"}),
    ],
)
def test_parameters(address: str | None, wanted: dict[str, str]) -> None:
    assert dict(parameters(address)) == wanted
