"""Where a reader came from.

Belongs here: medium, source and search term of an event, in the order `data.md` gives. Does not belong here: the
list of sites (the referrers data file, and `data/referrers.json` whose entries win over it).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

from streaming.enricher.pages import parameters

_ADDRESS = re.compile(r"^(?:([A-Za-z][A-Za-z0-9+.\-]*):)?//([^/?#]*)([^?#]*)")
_HOST_ONLY = re.compile(r"^[A-Za-z0-9](?:[A-Za-z0-9.\-]*)\.[A-Za-z]{2,}(?::\d+)?(?=[/?#]|$)")
_CLICK_IDS = {"gclid": "Google", "msclkid": "Bing", "ttclid": "TikTok"}
_PAID = ("cpc", "ppc", "display")
_EMAIL = ("email", "newsletter")
# Media of the data file; what it calls unknown, paid or referral is known by name only.
_MEDIA = {m: m for m in ("ai", "search", "social", "email", "news")}
_LONGEST_SOURCE = 1024


class Origin(NamedTuple):
    """How the reader came, through whom, and what was searched for there."""

    medium: str
    source: str | None
    term: str | None


class _Site(NamedTuple):
    path: str
    medium: str
    source: str


class Referrers:
    """Rule tables of referring sites.

    Args:
        data: host, with or without path -> {medium, source}: the referrers data file.
        overrides: `data/referrers.json`.
        domains: brand -> its domains.
    """

    def __init__(
        self, data: Mapping[str, Any], overrides: Mapping[str, Any], domains: Mapping[str, Sequence[str]]
    ) -> None:
        self._brands = {d.lower(): brand for brand, names in domains.items() for d in names}
        self._search_parameters: Sequence[str] = overrides["search_parameters"]
        sites: dict[str, dict[str, _Site]] = {}
        for address, entry in data.items():
            _add(sites, address, _MEDIA.get(entry["medium"], "other"), entry["source"])
        for medium, sources in overrides["sites"].items():
            for source, addresses in sources.items():
                for address in addresses:
                    _add(sites, address, medium, source)
        # Longest path first: `bing.com/images/search` before `bing.com`.
        self._sites = {h: sorted(s.values(), key=lambda e: -len(e.path)) for h, s in sites.items()}

    def origin(self, brand: str, page: Mapping[str, str], referrer: str | None) -> Origin:
        """First medium that fits. `page` holds the parameters of the page's own address."""
        host, path = _split(referrer)
        site = self._site(host, path) if host else None
        name = site.source if site else _plain(host)
        term = self._term(referrer) if site and site.medium == "search" else None
        utm_medium = page.get("utm_medium", "").strip().lower()
        clicked = next((n for key, n in _CLICK_IDS.items() if key in page), None)
        if clicked or utm_medium in _PAID or utm_medium.startswith("paid"):
            return Origin("paid", _short(page.get("utm_source") or clicked or name), term)
        if utm_medium in _EMAIL:
            return Origin("email", _short(page.get("utm_source") or name), term)
        if not referrer:
            # Facebook's click id without any referrer: its app hides the rest.
            return Origin("social", "Facebook", None) if "fbclid" in page else Origin("direct", None, None)
        if host and self._brand(host) == brand:
            return Origin("internal", _plain(host), None)
        return Origin(site.medium if site else "other", _short(name), term)

    def _brand(self, host: str) -> str | None:
        """Owner of a host: the brand with the longest domain that is the host or a parent of it."""
        return next((self._brands[s] for s in _suffixes(host) if s in self._brands), None)

    def _site(self, host: str, path: str) -> _Site | None:
        """The most specific entry: longest host suffix first, then longest path at a segment's end."""
        for suffix in _suffixes(host):
            for site in self._sites.get(suffix, ()):
                if not site.path or path == site.path or path.startswith(site.path.rstrip("/") + "/"):
                    return site
        return None

    def _term(self, referrer: str | None) -> str | None:
        found = parameters(referrer)
        return next((found[name] for name in self._search_parameters if found.get(name)), None)


def _add(sites: dict[str, dict[str, _Site]], address: str, medium: str, source: str) -> None:
    host, slash, path = address.lower().partition("/")
    sites.setdefault(host, {})[slash + path] = _Site(slash + path, medium, source)


def _split(referrer: str | None) -> tuple[str | None, str]:
    """Host (lower case, without user, port and final dot) and path; (None, "") when there is no host."""
    if not referrer:
        return None, ""
    text = referrer.strip()
    if _HOST_ONLY.match(text):
        text = f"//{text}"
    found = _ADDRESS.match(text)
    if not found:
        return None, ""
    host = found.group(2).rpartition("@")[2]
    if not host.startswith("["):
        host = host.partition(":")[0]
    return unquote_plus(host).lower().rstrip(".") or None, found.group(3).lower()


def _suffixes(host: str) -> list[str]:
    """The host and its parents, longest first: a.b.c -> a.b.c, b.c, c."""
    parts = host.split(".")
    return [".".join(parts[start:]) for start in range(len(parts))]


def _plain(host: str | None) -> str | None:
    return _short(host.removeprefix("www.")) if host else None


def _short(text: str | None) -> str | None:
    return text[:_LONGEST_SOURCE] if text else None
