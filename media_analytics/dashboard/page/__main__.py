"""`python -m media_analytics.dashboard.page`: serve the dashboard's pages until SIGTERM.

Belongs here: the environment, Streamlit's options, its application behind the guard. Does not belong here: pages.
"""

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

from streamlit import config
from streamlit.starlette import App as Pages

from media_analytics.dashboard.serving import serve
from media_analytics.errors import SettingsError
from media_analytics.page_guard import App, PageGuard, hosts_of
from media_analytics.settings import Settings

COOKIE = "media_analytics_dashboard"
# Nothing is sent to Streamlit's makers, nothing is watched or written outside.
_OPTIONS = {
    "browser.gatherUsageStats": False,
    "server.headless": True,
    "server.fileWatcherType": "none",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "type",
    "logger.level": "warning",
    "theme.primaryColor": "#0b6e99",
}


def create_app(settings: Settings) -> tuple[App, str]:
    """The pages behind their guard, and their address.

    Raises:
        SettingsError: an address or the token is not set.
    """
    dashboard = settings.dashboard
    if dashboard.page_url is None or dashboard.url is None or dashboard.token is None:
        raise SettingsError(
            "the dashboard's pages need addresses and a token: set MEDIA_ANALYTICS_DASHBOARD__PAGE_URL, "
            "MEDIA_ANALYTICS_DASHBOARD__URL and MEDIA_ANALYTICS_DASHBOARD__TOKEN"
        )
    cookie = f"{COOKIE}_{urlsplit(dashboard.page_url).port or 80}"
    pages = Pages(Path(__file__).with_name("script.py"))
    for name, value in _OPTIONS.items():
        config.set_option(name, value)
    guarded = PageGuard(pages, dashboard.token.get_secret_value(), hosts_of(dashboard.page_url), cookie)
    return guarded, dashboard.page_url


def main() -> int:
    """Run the pages. Returns the process's exit status."""
    return serve(os.environ, create_app)


if __name__ == "__main__":
    sys.exit(main())
