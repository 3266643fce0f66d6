"""Pictures of the dashboard's pages for the docs: `make screenshots`.

Belongs here: which page at which size, waiting until it shows everything, making files small. Does not belong here:
what the pages show (`services/month.py`).
"""

import io
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser

from media_analytics.commands.generate import build_marts, fill
from media_analytics.dashboard.page.script import PAGES
from media_analytics.publication import newest_published
from media_analytics.settings import Settings
from media_analytics_tests.integration.dashboard.seen import PHONE, Seen, open_dashboard
from media_analytics_tests.services.browser import browser
from media_analytics_tests.services.month import month, plant, traffic_options

IMAGES = Path(__file__).parent.parent / "docs" / "images"
DAYS, EVENTS = 30, 600_000
# There are as many before to compare with.
SHOWN_DAYS = 14
# The live page has readers while pictures are taken.
AHEAD = timedelta(hours=1)
DESK = {"width": 1280, "height": 1150}
ON_PHONE = "overview"
# After the last part came: charts draw themselves.
SETTLE_MS = 3_000
COLOURS = 128


def main() -> int:
    """Make every picture; returns the exit code."""
    with tempfile.TemporaryDirectory(prefix="ma-screenshots-") as folder:
        print("starting the stores and Dagster", flush=True)
        with month(Path(folder)) as home:
            print("planting the log, the lake and verdicts", flush=True)
            plant(home)
            print(f"making {EVENTS:,} events of {DAYS} days and the marts", flush=True)
            until = datetime.now(UTC).replace(microsecond=0) + AHEAD
            fill(home.settings, traffic_options(home.settings, DAYS, EVENTS, until))
            build_marts(home.settings)
            home.start("dashboard-api")
            home.start("dashboard")
            with browser() as chromium:
                return _pictures(chromium, home.settings)


def _pictures(chromium: Browser, settings: Settings) -> int:
    code = 0
    with open_dashboard(chromium, settings, DESK) as seen:
        for _, _, path in PAGES:
            code |= _picture(seen, path, f"dashboard-{path}")
    with open_dashboard(chromium, settings, PHONE) as seen:
        code |= _picture(seen, ON_PHONE, "dashboard-phone")
    return code


def _picture(seen: Seen, path: str, name: str) -> int:
    """One file; 1 where the page complained."""
    last = newest_published(datetime.now(UTC))
    dates = f"dates={last - timedelta(days=SHOWN_DAYS - 1)}&dates={last}"
    seen.page.goto(f"{seen.url}/{'' if path == 'live' else path}?{dates}")
    seen.page.locator("table").first.wait_for(timeout=60_000)
    seen.page.wait_for_load_state("networkidle")
    seen.page.wait_for_timeout(SETTLE_MS)
    taken = Image.open(io.BytesIO(seen.page.screenshot())).convert("RGB")
    file = IMAGES / f"{name}.png"
    # Text and lines need few colours.
    taken.quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
    print(f"{file.name}: {file.stat().st_size / 1000:,.0f} kB", flush=True)
    faults = seen.faults()
    if faults:
        print(f"{name}: {faults}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
