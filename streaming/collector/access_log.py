"""Parses one line of Apache's combined log format.

Belongs here: the text of a line to its parts, and what kind of request it was. Does not belong here:
events, limits, files. Fields stay as the server wrote them, escapes included; `-` and an empty text are
null.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

_MONTHS = {
    "Jan": 1, "Feb": 2, "Mar": 3, "Apr": 4, "May": 5, "Jun": 6,
    "Jul": 7, "Aug": 8, "Sep": 9, "Oct": 10, "Nov": 11, "Dec": 12,
}  # fmt: skip
# Possessive (++, *+): a line is read once from left to right, whatever it holds. A quote after a backslash
# belongs to its field. A user name may have blanks; it ends before the bracket of the time.
_QUOTED = r'"((?:[^"\\]++|\\.)*+)"'
_LINE = re.compile(
    r"(\S++) \S++ ([^\[\"]++)"
    r"\[(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)\] "
    + _QUOTED
    + r" (\d{3}) (\d{1,18}|-) "
    + _QUOTED
    + " "
    + _QUOTED
    + r"\s*+",
    re.ASCII | re.DOTALL,
)
_REQUEST = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+) ([A-Z]+/\d+(?:\.\d+)?)", re.ASCII)
_STATIC = frozenset(
    {
        "css", "js", "mjs", "map", "json", "xml", "txt", "ico", "png", "jpg", "jpeg", "gif", "svg", "webp", "avif",
        "bmp", "woff", "woff2", "ttf", "eot", "otf", "mp3", "mp4", "webm", "ogg", "wav", "avi", "swf", "pdf", "zip",
        "gz", "tgz", "bz2", "xz", "jar", "deb", "rpm", "exe",
    }
)  # fmt: skip
_VIEW_METHODS = ("GET", "HEAD")


class LineError(ValueError):
    """The text is not a line of the combined format; the message says which part is not."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """The parts of a line. `method` and `target` are null when the request is not METHOD TARGET PROTOCOL."""

    host: str
    occurred_at: datetime
    method: str | None
    target: str | None
    status: int
    bytes_sent: int | None
    referrer: str | None
    user_agent: str | None

    @property
    def is_page_view(self) -> bool:
        """GET or HEAD, answered 2xx or 304, of something that is not a static file."""
        return (
            self.method in _VIEW_METHODS
            and self.target is not None
            and (200 <= self.status <= 299 or self.status == 304)
            and not is_static(self.target)
        )


def parse(line: str) -> LogLine:
    """The parts of a line without its line end.

    Raises:
        LineError: the line is not of the combined format, or its time or status does not exist.
    """
    match = _LINE.fullmatch(line)
    if match is None:
        raise LineError(_reason(line))
    host, _, day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = match.groups()[:11]
    request, status, size, referrer, agent = match.groups()[11:]
    zone = timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
    try:
        occurred_at = datetime(
            int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second),
            tzinfo=timezone(-zone if sign == "-" else zone),
        ).astimezone(UTC)  # fmt: skip
    except (KeyError, ValueError, OverflowError):
        raise LineError("the time does not exist") from None
    if not 100 <= int(status) <= 599:
        raise LineError(f"the status is {status}; expected 100 to 599")
    parts = _REQUEST.fullmatch(request)
    return LogLine(
        host=host,
        occurred_at=occurred_at,
        method=parts.group(1) if parts else None,
        target=parts.group(2) if parts else None,
        status=int(status),
        bytes_sent=None if size == "-" else int(size),
        referrer=_present(referrer),
        user_agent=_present(agent),
    )


def is_static(target: str) -> bool:
    """Whether the last path segment before `?` and `#` ends in the extension of a static file, in any case."""
    segment = re.split(r"[?#]", target, maxsplit=1)[0].rpartition("/")[2]
    _, dot, extension = segment.rpartition(".")
    return bool(dot) and extension.lower() in _STATIC


def _present(value: str) -> str | None:
    return None if value in ("-", "") else value


def _reason(line: str) -> str:
    """Where an unparsable line stops being one of the combined format."""
    quotes = len(re.findall(r'(?<!\\)"', line))
    if not line.strip():
        return "the line is empty"
    if quotes != 6:
        return f"the line has {quotes} quotes; the combined format has 6"
    if not re.search(r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]", line):
        return "the line has no time of the form [17/May/2015:10:05:03 +0000]"
    return 'the line is not host ident user [time] "request" status bytes "referrer" "user agent"'
