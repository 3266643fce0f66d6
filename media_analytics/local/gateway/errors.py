"""Errors as ClickHouse reports them over HTTP.

Belongs here: the error type, how chDB's message is read, and which HTTP status a code has. Does not belong here:
deciding when something is an error.
"""

import re

# ClickHouse answers these codes with the status beside them; every other code is 500.
HTTP_STATUS = {
    36: 400, 38: 400, 41: 400, 42: 400, 43: 400, 44: 400, 53: 400, 62: 400, 69: 400, 72: 400,
    6: 400, 25: 400, 26: 400, 27: 400, 117: 400, 376: 400, 377: 400, 427: 400, 441: 400, 456: 400, 457: 400,
    46: 404, 47: 404, 50: 404, 56: 404, 60: 404, 63: 404, 73: 404, 78: 404, 81: 404, 115: 404,
    372: 404, 511: 404,
    164: 403, 192: 403, 193: 403, 497: 403, 516: 403,
    194: 401,
    223: 413, 48: 501, 209: 503, 381: 411, 159: 408,
}  # fmt: skip

_PREFIX = re.compile(r"(?:Code: (\d+)\. DB::\w+: )+")
_NAME = re.compile(r"\(([A-Z0-9_]+)\)$")
_VERSION = re.compile(r" \(version [^()]*\)(?=\.? ?\([A-Z0-9_]+\)$)")


class ClickHouseError(Exception):
    """One failed request: ClickHouse's code, its name and the text a client reads."""

    def __init__(self, code: int, name: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.name = name
        self.text = text

    @property
    def status(self) -> int:
        """The HTTP status that ClickHouse gives this code."""
        return HTTP_STATUS.get(self.code, 500)

    def body(self, version: str) -> str:
        """The text of the response: `Code: N. DB::Exception: ... (NAME) (version V (official build))`."""
        return f"Code: {self.code}. DB::Exception: {self.text} ({self.name}) (version {version} (official build))\n"


def from_chdb(message: str) -> ClickHouseError:
    """Read chDB's message. A message without a code (an error of chDB's own glue) is code 1001, STD_EXCEPTION."""
    prefix = _PREFIX.match(message)
    if prefix is None:
        return ClickHouseError(1001, "STD_EXCEPTION", message)
    text = message[prefix.end() :].rstrip()
    name = _NAME.search(text)
    if name is None:
        return ClickHouseError(int(prefix[1]), "UNKNOWN_EXCEPTION", text)
    text = _VERSION.sub("", text)
    return ClickHouseError(int(prefix[1]), name[1], _NAME.sub("", text).rstrip())
