"""Services of this machine are reached directly, whatever proxy the caller's environment names.

Belongs here: the variables that say so to clients. Does not belong here: what else a process may see (`environment`).
"""

from collections.abc import Mapping

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def without_proxy(environ: Mapping[str, str]) -> dict[str, str]:
    """`NO_PROXY` in both spellings: the caller's hosts and loopback.

    gRPC, clickhouse-connect and requests ask the proxy of `http_proxy` even for `localhost`.
    """
    given = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    hosts = [host.strip() for host in given.split(",") if host.strip()]
    exempt = ",".join(hosts + [host for host in LOOPBACK if host not in hosts])
    return {"no_proxy": exempt, "NO_PROXY": exempt}
