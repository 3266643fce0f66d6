"""Where readers come from: the order of the rules, and the most specific site."""

import json
from importlib import resources

import pytest

from streaming.enricher.referrers import Origin, Referrers

DATA = {
    "google.com": {"medium": "search", "source": "Google"},
    "www.google.com": {"medium": "search", "source": "Google"},
    "google.com/products": {"medium": "search", "source": "Google Product Search"},
    "support.google.com": {"medium": "unknown", "source": "Google"},
    "facebook.com": {"medium": "social", "source": "Facebook"},
    "mail.example.net": {"medium": "email", "source": "Example Mail"},
    "doubleclick.net": {"medium": "paid", "source": "Doubleclick"},
    "orange.fr/webmail": {"medium": "email", "source": "Orange Webmail"},
    "search.yahoo.com": {"medium": "search", "source": "Yahoo!"},
}
BRANDS = {"bild": ["bild.de"], "sport_bild": ["sportbild.bild.de"], "welt": ["welt.de"]}


@pytest.fixture(scope="module")
def referrers() -> Referrers:
    text = resources.files("streaming.enricher.data").joinpath("referrers.json").read_text("utf-8")
    return Referrers(DATA, json.loads(text), BRANDS)


@pytest.mark.parametrize(
    ("page", "referrer", "wanted"),
    [
        # 1. paid
        ({"gclid": "1"}, None, Origin("paid", "Google", None)),
        ({"msclkid": "1"}, "https://www.bild.de/a", Origin("paid", "Bing", None)),
        ({"ttclid": "1", "utm_medium": "email"}, None, Origin("paid", "TikTok", None)),
        ({"utm_medium": "CPC", "utm_source": "adnet"}, None, Origin("paid", "adnet", None)),
        ({"utm_medium": "paid_social"}, "https://facebook.com/", Origin("paid", "Facebook", None)),
        ({"utm_medium": "display"}, None, Origin("paid", None, None)),
        ({"utm_medium": "ppc"}, "https://www.google.com/?q=x", Origin("paid", "Google", "x")),
        ({"gclid": "1", "fbclid": "2"}, None, Origin("paid", "Google", None)),
        # 2. email by campaign, before everything a referrer says
        ({"utm_medium": "email"}, "https://www.google.com/", Origin("email", "Google", None)),
        ({"utm_medium": "newsletter", "utm_source": "brief"}, None, Origin("email", "brief", None)),
        # 3. direct
        ({}, None, Origin("direct", None, None)),
        ({"utm_medium": "social", "utm_source": "x"}, None, Origin("direct", None, None)),
        ({"fbclid": "1"}, None, Origin("social", "Facebook", None)),
        ({"fbclid": "1"}, "https://www.google.com/", Origin("search", "Google", None)),
        # 4. internal
        ({}, "https://www.bild.de/politik", Origin("internal", "bild.de", None)),
        ({}, "https://BILD.DE:443/", Origin("internal", "bild.de", None)),
        ({}, "https://m.bild.de", Origin("internal", "m.bild.de", None)),
        # 5.-10.
        ({}, "https://chatgpt.com/", Origin("ai", "ChatGPT", None)),
        ({}, "https://www.perplexity.ai/search/x", Origin("ai", "Perplexity", None)),
        ({}, "https://gemini.google.com/app", Origin("ai", "Gemini", None)),
        ({}, "https://www.google.com/search?q=bild+live", Origin("search", "Google", "bild live")),
        ({}, "https://search.yahoo.com/search?p=wahl", Origin("search", "Yahoo!", "wahl")),
        ({}, "https://www.google.com/", Origin("search", "Google", None)),
        ({}, "https://google.com/products/1?q=tv", Origin("search", "Google Product Search", "tv")),
        ({}, "https://google.com/productsandmore?q=tv", Origin("search", "Google", "tv")),
        ({}, "https://l.facebook.com/l.php?u=x", Origin("social", "Facebook", None)),
        ({}, "https://x.com/a/status/1", Origin("social", "Twitter", None)),
        ({}, "https://go.bsky.app/redirect", Origin("social", "Bluesky", None)),
        ({}, "android-app://com.linkedin.android/", Origin("social", "LinkedIn", None)),
        ({}, "https://mail.example.net/inbox", Origin("email", "Example Mail", None)),
        ({}, "https://orange.fr/webmail/in", Origin("email", "Orange Webmail", None)),
        ({}, "https://news.google.com/topics", Origin("news", "Google News", None)),
        ({}, "https://www.welt.de/a", Origin("news", "WELT", None)),
        ({}, "https://support.google.com/x?q=1", Origin("other", "Google", None)),
        ({}, "https://ad.doubleclick.net/clk", Origin("other", "Doubleclick", None)),
        ({}, "https://www.semicomplete.com/", Origin("other", "semicomplete.com", None)),
        ({}, "https://orange.fr/", Origin("other", "orange.fr", None)),
        ({}, "https://notgoogle.com/", Origin("other", "notgoogle.com", None)),
        ({}, "https://nobild.de/", Origin("other", "nobild.de", None)),
        # Not addresses
        ({}, "about:blank", Origin("other", None, None)),
        ({}, "https://", Origin("other", None, None)),
        ({}, "google.com/search?q=x", Origin("search", "Google", "x")),
        ({}, "kein referrer", Origin("other", None, None)),
        ({}, "https://u:p@google.com:80/", Origin("search", "Google", None)),
        ({}, "https://[::1]/", Origin("other", "[::1]", None)),
    ],
)
def test_first_medium_that_fits(
    referrers: Referrers, page: dict[str, str], referrer: str | None, wanted: Origin
) -> None:
    assert referrers.origin("bild", page, referrer) == wanted


def test_a_domain_belongs_to_the_brand_with_the_longest_match(referrers: Referrers) -> None:
    """sportbild.bild.de lies below bild.de and is another brand's."""
    page = "https://sportbild.bild.de/fussball"
    assert referrers.origin("sport_bild", {}, page).medium == "internal"
    assert referrers.origin("bild", {}, page) == Origin("news", "SPORT BILD", None)
    assert referrers.origin("sport_bild", {}, "https://www.bild.de/") == Origin("news", "BILD", None)


def test_every_own_site_is_reached_by_its_own_address(referrers: Referrers) -> None:
    """An entry that another one shadows would never be used."""
    text = resources.files("streaming.enricher.data").joinpath("referrers.json").read_text("utf-8")
    wrong = []
    for medium, sources in json.loads(text)["sites"].items():
        for source, addresses in sources.items():
            for address in addresses:
                found = referrers.origin("business_insider", {}, f"https://{address}/")
                if (found.medium, found.source) != (medium, source):
                    wrong.append((address, found))
    assert wrong == []
