"""A caller's proxy is never asked for a service of this machine.

Would catch: `up` behind a proxy that waits for the proxy's answer about its own Spark server.
"""

import pytest

from media_analytics.local.loopback import without_proxy


@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_the_callers_hosts_stay_and_loopback_is_added_once(name: str) -> None:
    exempt = without_proxy({name: "localhost, .example.org"})
    assert exempt == dict.fromkeys(("no_proxy", "NO_PROXY"), "localhost,.example.org,127.0.0.1,::1")


def test_nothing_given_is_loopback() -> None:
    assert without_proxy({})["NO_PROXY"] == "localhost,127.0.0.1,::1"
