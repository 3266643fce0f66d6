"""A page of the dashboard in a real browser.

Belongs here: opening it with the token, reading labels and values as a person does, what it asked of other hosts. Does
not belong here: assertions.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page

from media_analytics.settings import Settings
from media_analytics_tests.services.browser import complaints

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}


class Seen:
    """An open page."""

    def __init__(self, page: Page, settings: Settings) -> None:
        self.page = page
        assert settings.dashboard.page_url is not None
        self.url = settings.dashboard.page_url
        self._complaints = complaints(page)
        self.elsewhere: list[str] = []
        page.on("request", lambda r: None if r.url.startswith(self._ours) else self.elsewhere.append(r.url))

    @property
    def _ours(self) -> tuple[str, ...]:
        return (self.url, "data:", "blob:")

    def open(self, path: str, title: str) -> None:
        """Open one of the pages and wait for its title."""
        self.page.goto(f"{self.url}/{path}")
        self.page.get_by_role("heading", name=title, exact=True, level=1).wait_for(timeout=30_000)

    def metric(self, label: str) -> str:
        """The value under a label."""
        box = self.page.get_by_test_id("stMetric").filter(has_text=label).first
        return box.get_by_test_id("stMetricValue").inner_text().strip()

    def has(self, caption: str) -> bool:
        """Whether a table with this caption is shown."""
        return self.page.locator("table caption", has_text=caption).count() > 0

    def rows(self, caption: str) -> list[list[str]]:
        """The cells of the table whose caption begins with a text; its headings are the first row."""
        table = self.page.locator("table").filter(has=self.page.locator("caption", has_text=caption)).first
        found: list[list[str]] = table.evaluate(
            "t => [...t.rows].map(r => [...r.cells].map(c => c.innerText.trim()))"
        )
        return found

    def table(self, number: int) -> list[list[str]]:
        """The cells of a table by its place on the page; none while it is not there."""
        found: list[list[str]] = self.page.evaluate(
            "n => [...(document.querySelectorAll('table')[n]?.rows ?? [])]"
            ".map(r => [...r.cells].map(c => c.innerText.trim()))",
            number,
        )
        return found

    def chart_texts(self, number: int = 0) -> list[str]:
        """Every text of a chart: titles, axis labels, legend, values."""
        chart = self.page.get_by_test_id("stVegaLiteChart").nth(number)
        found: list[str] = chart.evaluate(
            "c => [...c.querySelectorAll('svg text')].map(t => t.textContent.trim()).filter(t => t)"
        )
        return found

    def until(self, condition: Callable[[], bool], what: str, seconds: float = 15) -> None:
        """Poll while the page lives on."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, (
                f"not in {seconds:g} s: {what}; {self.page.inner_text('body')[:2000]}"
            )
            self.page.wait_for_timeout(100)

    def overflow(self) -> int:
        """Pixels by which the page is wider than the screen."""
        found: int = self.page.evaluate(
            "() => { const m = document.querySelector('[data-testid=stMain]'); return m.scrollWidth - m.clientWidth }"
        )
        return found

    def faults(self) -> list[str]:
        """What the page called wrong. Streamlit looks for its own address below each page first, which is none."""
        return [c for c in self._complaints if not c.startswith("warning") and "404 (Not Found)" not in c]


@contextmanager
def open_dashboard(
    browser: Browser, settings: Settings, viewport: Any = DESK, zone: str = "UTC"
) -> Iterator[Seen]:
    """A browser of a new person, whose clock is that of a zone, who followed the link with the token."""
    assert settings.dashboard.token is not None
    context = browser.new_context(viewport=viewport, timezone_id=zone)
    page = context.new_page()
    seen = Seen(page, settings)
    page.goto(f"{settings.dashboard.page_url}/?token={settings.dashboard.token.get_secret_value()}")
    assert "token" not in page.url
    yield seen
    context.close()
