"""`python -m media_analytics.dashboard.api`: serve the dashboard's API until SIGTERM.

Belongs here: the environment, which application, at which address. Does not belong here: anything else.
"""

import os
import sys

from media_analytics.dashboard.api.app import create_app
from media_analytics.dashboard.serving import serve


def main() -> int:
    """Run the API. Returns the process's exit status."""
    return serve(os.environ, lambda settings: (create_app(settings), settings.dashboard.url or ""))


if __name__ == "__main__":
    sys.exit(main())
