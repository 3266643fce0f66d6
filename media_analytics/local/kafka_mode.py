"""How the event log of a home runs: plain or secured, one broker or three.

Belongs here: remembering the choice, what of it can be changed later. Does not belong here: the brokers' configuration
(`kafka`), passwords and certificates (`kafka_security`).
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from media_analytics.errors import ServiceError
from media_analytics.local.files import write_atomically

_FILE = "kafka.json"
_BROKERS = (1, 3)


@dataclass(frozen=True)
class KafkaMode:
    """`brokers` is 1 or 3; with three, each record has three copies of which two must be written."""

    secure: bool = False
    brokers: int = 1

    @property
    def replication_factor(self) -> int:
        """Copies of each record."""
        return self.brokers


def read(home: Path) -> KafkaMode:
    """The choice of a home; plain with one broker where none was made."""
    file = home / _FILE
    return KafkaMode(**json.loads(file.read_text("utf-8"))) if file.is_file() else KafkaMode()


def planned(home: Path, secure: bool | None, brokers: int | None) -> KafkaMode:
    """The choice for the next start; None keeps what the home remembers.

    Raises:
        ServiceError: there is no such number of brokers, or the log of this home has another one.
    """
    mode = read(home)
    if secure is not None:
        mode = replace(mode, secure=secure)
    if brokers is None or brokers == mode.brokers:
        return mode
    if brokers not in _BROKERS:
        raise ServiceError(f"--brokers is {brokers}; expected 1 or 3")
    if (home / "kafka" / "data" / "meta.properties").is_file():
        raise ServiceError(
            f"the event log in {home} has {mode.brokers} broker{'s' * (mode.brokers > 1)}, and its copies cannot be "
            f"moved to {brokers}; start another home: "
            f"`MEDIA_ANALYTICS_HOME={home}-{brokers} media-analytics up --brokers {brokers}`"
        )
    return replace(mode, brokers=brokers)


def check_running(home: Path, wanted: KafkaMode) -> None:
    """Refuse another choice while the stack runs.

    Raises:
        ServiceError: with the commands to run.
    """
    if wanted != read(home):
        option = "--secure" if wanted.secure else "--no-secure"
        raise ServiceError(
            "the stack runs with another event log; stop it first: "
            f"`media-analytics down && media-analytics up {option}`"
        )


def write(home: Path, mode: KafkaMode) -> None:
    """Remember the choice."""
    write_atomically(home / _FILE, json.dumps(asdict(mode)) + "\n")
