"""How the certificates of HTTPS servers are checked.

Belongs here: one context for every client of a process. Does not belong here: certificates of our own
(`media_analytics/local/kafka_security.py`).
"""

import ssl
from functools import cache

import httpx


@cache
def certificates() -> ssl.SSLContext:
    """What httpx would make for each client; `SSL_CERT_FILE` and `SSL_CERT_DIR` name other certificates.

    Reading them takes longer than a small request.
    """
    return httpx.create_ssl_context()
