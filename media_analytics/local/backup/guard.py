"""Lets stopped processes go on when the one that stopped them is gone: `python -m media_analytics.local.backup.guard`.

Belongs here: reading `<process id> <its start>` a line until the pipe ends, then SIGCONT. Does not belong here:
stopping.
"""

import signal
import sys
from contextlib import suppress

import psutil

# Starts of two processes with one id lie further apart.
_SAME_START_SECONDS = 0.5


def main() -> None:
    """Wait for the end of standard input, then resume what it named."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    named = [line.split() for line in sys.stdin]
    for pid, start in named:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(int(pid))
            if abs(process.create_time() - float(start)) < _SAME_START_SECONDS:
                process.resume()


if __name__ == "__main__":
    main()
