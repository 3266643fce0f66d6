"""What the address of a page says.

Belongs here: `page_key`, the campaign parameters, click ids. Does not belong here: where the reader came from
(`referrers.py`). Addresses are taken as sent: never normalised, never resolved.
"""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

_BEFORE_PATH = re.compile(r"^(?:[A-Za-z][A-Za-z0-9+.\-]*:)?//[^/?#]*")
UTM_FIELDS = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
_NOTHING: Mapping[str, str] = {}


def page_key(content_id: str | None, page_url: str | None) -> str | None:
    """`content_id`, else the path: percent-encoding and case kept, trailing slashes removed except for `/`."""
    if content_id:
        return content_id
    if not page_url:
        return None
    path = _BEFORE_PATH.sub("", page_url, count=1)
    for mark in "?#":
        cut = path.find(mark)
        if cut >= 0:
            path = path[:cut]
    return path.rstrip("/") or "/"


def parameters(address: str | None) -> Mapping[str, str]:
    """Decoded query parameters that have a value; of a repeated name the first."""
    if not address:
        return _NOTHING
    start = address.find("?")
    if start < 0:
        return _NOTHING
    end = address.find("#", start)
    query = address[start + 1 : end if end >= 0 else len(address)]
    found: dict[str, str] = {}
    for name, value in parse_qsl(query, errors="replace"):
        found.setdefault(name, value)
    return found
