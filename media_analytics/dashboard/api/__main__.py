"""`python -m media_analytics.dashboard.api`: serve the dashboard's API until SIGTERM.

Belongs here: reading the environment, starting the server. Does not belong here: anything else.
"""

import logging
import os
import sys
from urllib.parse import urlsplit

import uvicorn

from media_analytics.dashboard.api.app import create_app
from media_analytics.errors import MediaAnalyticsError
from media_analytics.settings import load_settings


def main() -> int:
    """Run the API. Returns the process's exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        settings = load_settings(os.environ)
        app = create_app(settings)
    except MediaAnalyticsError as error:
        print(error, file=sys.stderr)
        return 1
    port = urlsplit(settings.dashboard.url or "").port or 80
    uvicorn.run(
        app,
        host=settings.dashboard.listen_host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
