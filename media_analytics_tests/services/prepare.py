"""`python -m media_analytics_tests.services.prepare`: what every service of the tests needs, made once for a machine.

Belongs here: fetching Java's jars and recording what it loads. Does not belong here: homes and services.
"""

import os

from media_analytics.local import artifacts, java_training


def main() -> None:
    """Fetch and record what lacks; a second time does nothing."""
    java_training.ensure(artifacts.ensure(os.environ), os.environ)


if __name__ == "__main__":
    main()
