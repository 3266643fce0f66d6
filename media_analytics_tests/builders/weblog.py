"""Web logs for whole-platform tests: the real one where it is present, else a generated one; what is in them.

Belongs here: reading and counting a log in plain Python, straight from the definitions. Does not belong here: anything
shared with the collector or the transforms, not even constants.
"""

import gzip
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).parents[2]
REAL_LOG = ROOT.parent / "shared" / "data" / "weblog" / "apache_logs.gz"

_AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
)
_TARGETS = (
    "/",
    "/politics/a-story",
    "/sports/final?utm_source=x&utm_medium=email",
    "/style.css",
    "/logo.png",
)


_LINE = re.compile(r'^(\S+) \S+ \S+ \[(.+?)\] "(.*?)(?<!\\)" (\d+) \S+ "(.*?)(?<!\\)" "(.*?)(?<!\\)"\s*$')
# Endings of files that are no pages, as the real log has them.
_NO_PAGE = re.compile(
    r".*\.(png|css|ico|jpe?g|js|txt|gif|jar|ttf|woff|pdf|xml|svg|exe|gz|deb|swf)", re.IGNORECASE
)
_GAP = timedelta(minutes=30)


@dataclass
class Counted:
    """What a log holds.

    A session is what one address and user agent asked for without a gap above 30 minutes; it belongs to the date of its
    first line.
    """

    lines: int = 0
    unreadable: int = 0
    page_views: Counter[date] = field(default_factory=Counter)
    sessions: Counter[date] = field(default_factory=Counter)
    page_views_of_sessions: Counter[date] = field(default_factory=Counter)


def counted(log: Path) -> Counted:
    """Count a plain log in combined format."""
    found = Counted()
    visits: dict[tuple[str, str], list[tuple[datetime, bool]]] = {}
    for line in log.read_text("utf-8").splitlines():
        found.lines += 1
        match = _LINE.match(line)
        if match is None:
            found.unreadable += 1
            continue
        host, moment, request, status, _, agent = match.groups()
        at = datetime.strptime(moment, "%d/%b/%Y:%H:%M:%S %z").astimezone(UTC)
        is_page = _is_page(request, status)
        found.page_views[at.date()] += is_page
        visits.setdefault((host, agent), []).append((at, is_page))
    for lines in visits.values():
        before: datetime | None = None
        for at, is_page in sorted(lines):
            if before is None or at - before > _GAP:
                begun = at.date()
                found.sessions[begun] += 1
            found.page_views_of_sessions[begun] += is_page
            before = at
    return found


def _is_page(request: str, status: str) -> bool:
    """A page that was asked for and given, or had not changed."""
    method, _, rest = request.partition(" ")
    name = re.split("[?#]", rest.split(" ")[0])[0].rsplit("/", 1)[-1]
    given = status.startswith("2") or status == "304"
    return given and method in ("GET", "HEAD") and _NO_PAGE.fullmatch(name) is None


def real_or_generated_log(target: Path, lines: int) -> Path:
    """Write the first `lines` lines of a log to `target` and return it."""
    if REAL_LOG.is_file():
        with gzip.open(REAL_LOG, "rb") as opened:
            head = [line for _, line in zip(range(lines), opened, strict=False)]
        target.write_bytes(b"".join(head))
    else:
        target.write_text("".join(generated_lines(lines, seed=1)), "utf-8")
    return target


def generated_lines(count: int, seed: int) -> list[str]:
    """Lines in combined format, about ten a visitor and minute, over two days of 2015."""
    chance = random.Random(seed)
    at = datetime(2015, 5, 17, 10, 0, 0, tzinfo=UTC)
    lines = []
    for number in range(count):
        at += timedelta(seconds=chance.randint(0, 30))
        address = f"93.184.{number // 200 % 250}.{chance.randint(1, 20)}"
        referrer = chance.choice(("-", "https://www.google.com/search?q=news", "https://t.co/abc"))
        lines.append(
            f"{address} - - [{at:%d/%b/%Y:%H:%M:%S} +0000] "
            f'"GET {chance.choice(_TARGETS)} HTTP/1.1" {chance.choice((200, 200, 200, 304, 404))} '
            f'{chance.randint(200, 90_000)} "{referrer}" "{chance.choice(_AGENTS)}"\n'
        )
    return lines
