"""Services that tests use instead of starting their own.

Belongs here: which ones the caller named. Does not belong here: starting services (`embedded.py`).

`MEDIA_ANALYTICS_TEST_KAFKA__BOOTSTRAP_SERVERS=... python -m pytest ...` sets that setting for the services that tests
share and for the whole platform of the end-to-end run. A prefix of its own, since tests write topics and tables: nobody
points them at a stack by accident. The services must be empty, and a Spark server must reach `LAKE__URL`.
"""

from collections.abc import Mapping

PREFIX = "MEDIA_ANALYTICS_TEST_"


def external_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Settings by name without a prefix: `{"KAFKA__BOOTSTRAP_SERVERS": "..."}`."""
    return {name.removeprefix(PREFIX): value for name, value in environ.items() if name.startswith(PREFIX)}
