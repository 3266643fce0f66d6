"""`python -m media_analytics_tests.images [IMAGE...]`: build and check images, print their sizes."""

import logging
import sys
import time

from media_analytics_tests.images.engine import EngineError, engine
from media_analytics_tests.images.smoke import CHECKS, check


def main(names: list[str]) -> int:
    """Build all, then check each; returns the exit code."""
    wanted = names or list(CHECKS)
    unknown = sorted(set(wanted) - set(CHECKS))
    if unknown:
        print(f"error: no image {', '.join(unknown)}; there are {', '.join(CHECKS)}", file=sys.stderr)
        return 2
    # The object store's server tells of every request.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    try:
        with engine() as tools:
            base = tools.base()
            print(f"base: {base}", flush=True)
            for image in wanted:
                began = time.monotonic()
                print(f"building {image}", flush=True)
                tools.build(image, base)
                print(f"built {image} in {time.monotonic() - began:.0f} s", flush=True)
            for image in wanted:
                for found in check(tools, image):
                    print(f"  {image}: {found}", flush=True)
            print("\nimage              MiB, base included")
            for image in wanted:
                print(f"{image:<18} {tools.size_bytes(image) / 1024**2:>6.0f}")
    except EngineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
