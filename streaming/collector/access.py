"""Who may send, and from which address.

Belongs here: keys, the peer behind proxies, the brand of an item. Does not belong here: reading the request.
"""

import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

from media_analytics.settings import Settings
from streaming.collector.answers import Rejection
from streaming.collector.rules import canonical_address


@dataclass(frozen=True)
class Sender:
    """What a request's key allows. `is_server`: bodies may name addresses and imports. `brand`: its only brand."""

    is_server: bool
    brand: str | None


class Access:
    """The keys and proxies of this installation."""

    def __init__(self, settings: Settings) -> None:
        self._keys = [
            (k.key.get_secret_value().encode(), Sender(k.kind == "server", k.brand))
            for k in settings.collector.keys
        ]
        # On a laptop a request without a key counts as one with a server key.
        self._without_key = Sender(True, None) if settings.local else None
        self._proxies = [ipaddress.ip_network(p, strict=False) for p in settings.collector.trusted_proxies]
        self._brands = frozenset(settings.brands)

    def sender(self, headers: Mapping[bytes, bytes]) -> Sender:
        """The sender of a request, by `Authorization: Bearer` or `X-Api-Key`.

        Raises:
            Rejection: no key, or one nobody has.
        """
        given = headers.get(b"x-api-key", b"")
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() == b"bearer":
            given = token.strip()
        if not given:
            if self._without_key is None:
                raise Rejection(
                    "missing_key",
                    "Authorization",
                    "send a key as `Authorization: Bearer KEY` or `X-Api-Key: KEY`",
                    "key",
                )
            return self._without_key
        found = None
        # Every key is compared, so the time taken says nothing about which one is close.
        for key, sender in self._keys:
            if hmac.compare_digest(key, given):
                found = sender
        if found is None:
            raise Rejection(
                "unknown_key", "Authorization", "this key is not one of the configured keys", "key"
            )
        return found

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
        if brand not in self._brands:
            raise Rejection(
                "unknown_brand",
                "brand",
                f"brand is {brand[:64]!r}; expected one of {', '.join(sorted(self._brands))}",
            )
        if sender.brand is not None and brand != sender.brand:
            raise Rejection("brand_not_allowed", "brand", f"this key writes for brand {sender.brand} only")
        return brand

    def _is_proxy(self, address: str) -> bool:
        parsed = ipaddress.ip_address(address)
        return any(parsed in network for network in self._proxies)
