"""`python -m media_analytics_tests.kubernetes`: build the programs, start a cluster, check the chart on it."""

import signal
import sys
import tempfile
import time
from pathlib import Path

from media_analytics_tests.kubernetes.backfill import backfill
from media_analytics_tests.kubernetes.chart import NEW_TAG, install, prepare, rollback, uninstall, upgrade
from media_analytics_tests.kubernetes.cluster import running
from media_analytics_tests.kubernetes.programs import ClusterError, programs
from media_analytics_tests.kubernetes.refusals import rights, security
from media_analytics_tests.kubernetes.release import release

CHECKS = (prepare, install, upgrade, security, rights, backfill, release, rollback, uninstall)


def main() -> int:
    """Each check after the other, on one cluster; returns the exit code."""
    # Whoever ends this ends the cluster, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    try:
        print("programs of the cluster: the first build takes 20 minutes and more on two cores", flush=True)
        built = programs()
        print(f"programs after {time.monotonic() - began:.0f} s, in {built}", flush=True)
        with tempfile.TemporaryDirectory() as folder, running(built, Path(folder), NEW_TAG) as cluster:
            print(f"cluster {cluster.version()} after {time.monotonic() - began:.0f} s", flush=True)
            for check in CHECKS:
                started = time.monotonic()
                for found in check(cluster):
                    print(f"  {check.__name__}: {found}", flush=True)
                print(f"  {check.__name__} took {time.monotonic() - started:.0f} s", flush=True)
    except (ClusterError, AssertionError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{len(CHECKS)} checks passed in {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
