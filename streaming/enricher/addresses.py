"""Network addresses: truncation and place.

Belongs here: what is kept of an address and what the address databases say of it. Does not belong here: who is the
client (collector). Truncation: IPv4 to /24, IPv6 to /48; an IPv4 address inside IPv6 counts as IPv4.
"""

import functools
import ipaddress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import maxminddb

from media_analytics.errors import SettingsError

PREFIX_V4 = 24
PREFIX_V6 = 48
_CACHE_SIZE = 20_000


class Place(NamedTuple):
    """What is known of an address. `truncated` is all that is kept of the address itself."""

    truncated: str | None
    country: str | None
    region: str | None
    city: str | None
    timezone: str | None
    network: str | None


NOWHERE = Place(None, None, None, None, None, None)


class NotAnAddressError(ValueError):
    """The text is not an IP address."""


def parse(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address; IPv4 written as IPv6 becomes IPv4.

    Raises:
        NotAnAddressError: anything else, a zone index included.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError as error:
        raise NotAnAddressError(f"{text[:64]!r} is not an IP address") from error
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            raise NotAnAddressError(f"{text[:64]!r} has a zone index")
        return address.ipv4_mapped or address
    return address


def truncated(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """Network address of the /24 or /48, in canonical form, without the prefix length."""
    prefix = PREFIX_V4 if address.version == 4 else PREFIX_V6
    return str(ipaddress.ip_network((address, prefix), strict=False).network_address)


class Places:
    """The address databases. Open once; look-ups are cached for the addresses seen last."""

    def __init__(self, geo_database: Path, city_database: Path | None = None) -> None:
        self._geo = _opened(geo_database)
        self._city = _opened(city_database) if city_database is not None else None
        self.find = functools.lru_cache(maxsize=_CACHE_SIZE)(self._find)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._geo.close()
        if self._city is not None:
            self._city.close()

    def _find(self, text: str | None) -> Place:
        """Place of a full address; nothing is known of None.

        Raises:
            NotAnAddressError: the text is not an address.
        """
        if text is None:
            return NOWHERE
        address = parse(text)
        geo, length = _looked_up(self._geo, address)
        details, _ = _looked_up(self._city, address) if self._city is not None else ({}, 0)
        country = _country(geo) or _country(details)
        return Place(
            truncated=truncated(address),
            country=country,
            region=_text(details, ("subdivisions", 0, "names", "en"), ("state1",), ("region",)),
            city=_text(details, ("city", "names", "en"), ("city",)),
            timezone=_text(details, ("location", "time_zone"), ("timezone",)),
            network=_operator(geo) or (_block(address, length) if geo else None),
        )


def _opened(path: Path) -> maxminddb.Reader:
    try:
        return maxminddb.open_database(path)
    except FileNotFoundError:
        raise SettingsError(
            f"the address database {path} does not exist; set MEDIA_ANALYTICS_ENRICHMENT__GEO_DATABASE (or "
            "CITY_DATABASE) to an .mmdb file; on a laptop `media-analytics up` fetches it"
        ) from None
    except maxminddb.InvalidDatabaseError as error:
        raise SettingsError(f"{path} is not an address database (.mmdb): {error}") from error


def _looked_up(
    reader: maxminddb.Reader, address: ipaddress.IPv4Address | ipaddress.IPv6Address
) -> tuple[dict[str, Any], int]:
    """Record and prefix length; nothing when the address is not in the database, or of a version it does not hold."""
    if address.version > reader.metadata().ip_version:
        return {}, 0
    record, length = reader.get_with_prefix_len(address)
    return (record if isinstance(record, dict) else {}), length


def _country(record: dict[str, Any]) -> str | None:
    code = _text(record, ("country_code",), ("country", "iso_code"))
    return code.upper() if code and len(code) == 2 and code.isascii() and code.isalpha() else None


def _operator(record: dict[str, Any]) -> str | None:
    number = record.get("autonomous_system_number", record.get("asn"))
    name = record.get("autonomous_system_organization", record.get("as_name", record.get("organization")))
    if number is None:
        return str(name) if name else None
    return f"AS{number} {name}" if name else f"AS{number}"


def _block(address: ipaddress.IPv4Address | ipaddress.IPv6Address, length: int) -> str:
    """The block the database filed the address under, never finer than what is kept of the address."""
    finest = PREFIX_V4 if address.version == 4 else PREFIX_V6
    return str(ipaddress.ip_network((address, min(length, finest)), strict=False))


def _text(record: Any, *paths: tuple[str | int, ...]) -> str | None:
    """First path of a nested record that leads to a text; both MaxMind's and the flat layout are in use."""
    for path in paths:
        value = record
        for step in path:
            if isinstance(value, dict):
                value = value.get(step)
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                value = value[step]
            else:
                value = None
        if isinstance(value, str) and value:
            return value
    return None
