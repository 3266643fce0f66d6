"""What is kept of an address."""

import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_analytics.errors import SettingsError
from streaming.enricher.addresses import NotAnAddressError, Places, _block, parse, truncated


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("83.149.9.216", "83.149.9.0"),
        ("255.255.255.255", "255.255.255.0"),
        ("2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", "2001:db8:aaaa::"),
        ("2001:0DB8:0:0:0:0:0:1", "2001:db8::"),
        ("::ffff:83.149.9.216", "83.149.9.0"),
        ("::1", "::"),
    ],
)
def test_truncation(text: str, wanted: str) -> None:
    assert truncated(parse(text)) == wanted


@pytest.mark.parametrize(
    "text", ["", "83.149.9", "83.149.9.256", "host.example.org", "fe80::1%eth0", "1" * 5000]
)
def test_everything_else_is_no_address(text: str) -> None:
    with pytest.raises(NotAnAddressError):
        parse(text)


@given(st.ip_addresses())
def test_nothing_finer_than_the_prefix_is_kept(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    kept = ipaddress.ip_address(truncated(parse(str(address))))
    hidden = (32 - 24) if kept.version == 4 else (128 - 48)
    assert int(kept) % (1 << hidden) == 0


@given(st.ip_addresses(v=4), st.integers(0, 32))
def test_a_block_is_never_finer_than_what_is_kept(address: ipaddress.IPv4Address, length: int) -> None:
    network = ipaddress.ip_network(_block(address, length))
    assert network.prefixlen <= 24
    assert address in network


def test_a_missing_database_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="MEDIA_ANALYTICS_ENRICHMENT__GEO_DATABASE"):
        Places(tmp_path / "none.mmdb")
    broken = tmp_path / "broken.mmdb"
    broken.write_bytes(b"not a database")
    with pytest.raises(SettingsError, match="not an address database"):
        Places(broken)
