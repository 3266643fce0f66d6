"""Web logs for whole-platform tests: the real one where it is present, else a generated one."""

import gzip
import random
from datetime import UTC, datetime, timedelta
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
