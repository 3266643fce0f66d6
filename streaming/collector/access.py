"""Who may send, from which page and which address.

Belongs here: keys, origins of browser pages, the peer behind proxies, the brand of an item. Does not belong here:
reading the request.
"""

import hashlib
import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import urlsplit

from media_analytics.settings import Settings
from streaming.collector.answers import Rejection
from streaming.collector.rules import canonical_address


@dataclass(frozen=True, slots=True)
class Sender:
    """What a request's key allows. `is_server`: bodies may name addresses and imports. `brand`: its only brand.

    `name` stands for the key in budgets and never tells it.
    """

    is_server: bool
    brand: str | None
    name: str = field(default="", compare=False)


class Access:
    """The keys, pages and proxies of this installation."""

    def __init__(self, settings: Settings) -> None:
        self._keys = [
            (
                _digest(k.key.get_secret_value().encode()),
                Sender(k.kind == "server", k.brand, f"{k.kind} {number}"),
            )
            for number, k in enumerate(settings.collector.keys)
        ]
        self._local = settings.local
        if self._local:
            # Pages on a laptop need no set-up: each brand has a browser key that everybody knows.
            self._keys += [
                (_digest(f"browser-{brand}".encode()), Sender(False, brand, f"local browser {brand}"))
                for brand in settings.brands
            ]
        self._proxies = [ipaddress.ip_network(p, strict=False) for p in settings.collector.trusted_proxies]
        self._domains = {name: brand.domains for name, brand in settings.brands.items()}
        self.brands = frozenset(settings.brands)

    def sender(
        self, headers: Mapping[bytes, bytes], query_key: str | None = None, page: str | None = None
    ) -> Sender:
        """The sender of a request, by `Authorization: Bearer`, `X-Api-Key` or, for browsers, `?key=`.

        `page` is the origin of the page that sent it, where the browser tells.

        Raises:
            Rejection: no key, one nobody has, or one that this page may not use.
        """
        given = headers.get(b"x-api-key", b"")
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() == b"bearer":
            given = token.strip()
        in_query = not given and query_key is not None
        if query_key is not None and in_query:
            given = query_key.encode("utf-8", "replace")
        if not given:
            return self._without_key(page)
        found = None
        digest = _digest(given)
        # Every key is compared, so the time taken says nothing about which one is close.
        for key, sender in self._keys:
            if hmac.compare_digest(key, digest):
                found = sender
        if found is None:
            raise Rejection(
                "unknown_key", "Authorization", "this key is not one of the configured keys", "key"
            )
        if found.is_server:
            if in_query:
                raise Rejection(
                    "key_in_address", "key", "a server key belongs in a header: addresses are logged", "key"
                )
        elif not self.page_may_send(page, found.brand):
            raise Rejection(
                "page_not_allowed",
                "Origin",
                f"a browser key works on pages of its brand only; the page is {(page or 'not named')[:100]}",
                "key",
            )
        return found

    def _without_key(self, page: str | None) -> Sender:
        if not self._local:
            raise Rejection(
                "missing_key",
                "Authorization",
                "send a key as `Authorization: Bearer KEY` or `X-Api-Key: KEY`",
                "key",
            )
        if page is None:
            # On a laptop a request without a key counts as one with a server key.
            return Sender(True, None, "local")
        if _is_loopback(page):
            return Sender(False, None, "local page")
        raise Rejection(
            "page_not_allowed", "Origin", "a page of another site needs the browser key of its brand", "key"
        )

    def page_may_send(self, page: str | None, brand: str | None) -> bool:
        """Whether a page of this origin belongs to the brand (to any brand when None); on a laptop also loopback."""
        if page is None:
            return False
        if self._local and _is_loopback(page):
            return True
        host = _host(page)
        domains = self._domains.get(brand, ()) if brand is not None else sum(self._domains.values(), ())
        return host is not None and any(host == d or host.endswith(f".{d}") for d in domains)

    def brand_of_key(self, query_key: str) -> str | None:
        """The brand of a browser key, for preflight requests; they carry no header of ours."""
        digest = _digest(query_key.encode("utf-8", "replace"))
        return next((s.brand for key, s in self._keys if hmac.compare_digest(key, digest)), None)

    def known_brand(self, name: str | None) -> str | None:
        """The brand, if it is configured."""
        return name if name in self.brands else None

    def peer(self, client: str | None, forwarded: bytes) -> str | None:
        """The address that sent the request: the peer, or the right-most entry that is not a trusted proxy."""
        address = canonical_address(client or "")
        hops = [h.strip() for h in forwarded.decode("latin-1").split(",")] if forwarded else []
        while address is not None and hops and self._is_proxy(address):
            address = canonical_address(hops.pop())
        return address

    def brand(self, item: str | None, query: str | None, sender: Sender) -> str:
        """The brand of an item: its own, else the query's, else the key's.

        Raises:
            Rejection: none is named, it is not configured, or the key is for another one.
        """
        brand = item or query or sender.brand
        if not brand:
            raise Rejection("missing_field", "brand", "brand is missing: name it in the item or as ?brand=")
        if brand not in self.brands:
            raise Rejection(
                "unknown_brand",
                "brand",
                f"brand is {brand[:64]!r}; expected one of {', '.join(sorted(self.brands))}",
            )
        if sender.brand is not None and brand != sender.brand:
            raise Rejection("brand_not_allowed", "brand", f"this key writes for brand {sender.brand} only")
        return brand

    def _is_proxy(self, address: str) -> bool:
        parsed = ipaddress.ip_address(address)
        return any(parsed in network for network in self._proxies)


def _digest(key: bytes) -> bytes:
    """Keys are compared by digest: the time taken does not tell their length either."""
    return hashlib.sha256(key).digest()


@lru_cache(maxsize=1024)
def _host(page: str) -> str | None:
    """The host of a page's origin; None when it is not one of the web."""
    try:
        parts = urlsplit(page)
        return parts.hostname if parts.scheme in ("https", "http") else None
    except ValueError:
        return None


def _is_loopback(page: str) -> bool:
    return _host(page) in ("127.0.0.1", "localhost", "::1")
