"""How the dashboard's API and its pages are served.

Belongs here: settings, logs, the server, what a wrong setting ends with. Does not belong here: the two applications.
"""

import logging
import sys
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import uvicorn

from media_analytics.errors import MediaAnalyticsError
from media_analytics.page_guard import App
from media_analytics.settings import Settings, load_settings


def serve(environ: Mapping[str, str], make: Callable[[Settings], tuple[App, str]]) -> int:
    """Serve an application until SIGTERM.

    Args:
        environ: the process's environment, which holds its settings.
        make: from the settings, the application behind its guard and the address that people reach it by.

    Returns:
        The process's exit status: 1 where settings are missing or wrong, which it says.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        settings = load_settings(environ)
        app, url = make(settings)
    except MediaAnalyticsError as error:
        print(error, file=sys.stderr)
        return 1
    uvicorn.run(
        app,
        host=settings.dashboard.listen_host,
        port=urlsplit(url).port or 80,
        log_level="warning",
        access_log=False,
        server_header=False,
    )
    return 0
