"""A real browser for tests.

Belongs here: finding and starting Chromium, and what a page said on its console. Does not belong here: pages and
tests. Nothing is installed: without a browser the tests are skipped and say so.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--mute-audio",
)


@contextmanager
def browser() -> Iterator[Browser]:
    """A started headless Chromium; the test is skipped where there is none.

    Playwright's event loop runs as long as the browser: use it within one module, or asynchronous tests of others
    find a running loop.
    """
    path = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(f"no browser on PATH (looked for {', '.join(_NAMES)}); install Debian's package chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS))
        try:
            yield started
        finally:
            started.close()


def complaints(page: Page) -> list[str]:
    """What a page reports as wrong from now on: console errors, warnings and uncaught exceptions."""
    found: list[str] = []
    page.on(
        "console", lambda m: found.append(f"{m.type}: {m.text}") if m.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: found.append(f"exception: {error}"))
    return found
