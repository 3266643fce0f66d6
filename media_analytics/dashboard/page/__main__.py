"""`python -m media_analytics.dashboard.page`: serve the dashboard's pages until SIGTERM.

Belongs here: reading the environment, Streamlit's options, its application behind the guard. Does not belong here:
pages.
"""

import logging
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
from streamlit import config
from streamlit.starlette import App

from media_analytics.errors import MediaAnalyticsError, SettingsError
from media_analytics.page_guard import PageGuard, hosts_of
from media_analytics.settings import load_settings

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


def main() -> int:
    """Run the pages. Returns the process's exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        dashboard = load_settings(os.environ).dashboard
        if dashboard.page_url is None or dashboard.url is None or dashboard.token is None:
            raise SettingsError(
                "the dashboard's pages need addresses and a token: set MEDIA_ANALYTICS_DASHBOARD__PAGE_URL, "
                "MEDIA_ANALYTICS_DASHBOARD__URL and MEDIA_ANALYTICS_DASHBOARD__TOKEN"
            )
        hosts = hosts_of(dashboard.page_url)
    except MediaAnalyticsError as error:
        print(error, file=sys.stderr)
        return 1
    port = urlsplit(dashboard.page_url).port or 80
    app = App(Path(__file__).with_name("script.py"))
    for name, value in _OPTIONS.items():
        config.set_option(name, value)
    guarded = PageGuard(app, dashboard.token.get_secret_value(), hosts, f"{COOKIE}_{port}")
    uvicorn.run(
        guarded,
        host=dashboard.listen_host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
