"""How one service is started.

Belongs here: the shape that every service's module returns. Does not belong here: any service.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Command:
    """A process to become: arguments, working folder and what it needs beside the base environment."""

    arguments: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
