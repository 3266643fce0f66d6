"""The recipe of the images, read as text.

Belongs here: its stages and their instructions, which packages each image holds. Does not belong here: what must hold
of them (tests), building them (`images`).
"""

import re
from importlib import metadata
from typing import NamedTuple

from packaging.markers import Marker

from media_analytics_tests.conventions.source import ROOT

FOLDER = ROOT / "docker"
# What an image's Python says of itself, as far as the lock asks.
_PLATFORM = {"sys_platform": "linux", "python_full_version": "3.11.16", "implementation_name": "cpython"}
IMAGES = ("control-plane", "code-location", "streaming", "spark")


class Stage(NamedTuple):
    """One stage: what it starts from and its instructions, each with its words on one line."""

    name: str
    base: str
    instructions: tuple[tuple[str, str], ...]

    def said(self, instruction: str) -> list[str]:
        """What is said by each instruction of a kind, in order."""
        return [words for kind, words in self.instructions if kind == instruction]


def recipe() -> tuple[dict[str, str], dict[str, Stage]]:
    """The arguments before the first stage with their defaults, and the stages by name."""
    text = re.sub(r"\\\n\s*", "", (FOLDER / "Dockerfile").read_text("utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    arguments: dict[str, str] = {}
    stages: dict[str, Stage] = {}
    current: list[tuple[str, str]] = []
    for line in lines:
        kind, _, words = line.partition(" ")
        if kind == "FROM":
            base, _, name = words.partition(" AS ")
            current = []
            stages[name] = Stage(name, base, ())
        elif not stages:
            name, _, default = words.partition("=")
            arguments[name] = default
        else:
            current.append((kind, words))
            name = list(stages)[-1]
            stages[name] = stages[name]._replace(instructions=tuple(current))
    return arguments, stages


def without(image: str) -> set[str]:
    """Packages of the lock that an image leaves out."""
    lines = (FOLDER / "without" / f"{image}.txt").read_text("utf-8").splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def locked() -> set[str]:
    """Every package of the images' lock that Linux gets."""
    text = (ROOT / "requirements" / "images.txt").read_text("utf-8")
    lines = re.findall(r"^([a-z0-9][a-z0-9-]*)==[^ ;]+ *(?:; *(.*?))? *\\$", text, re.M)
    return {name for name, marker in lines if not marker or Marker(marker).evaluate(_PLATFORM)}


def absent_modules(image: str) -> set[str]:
    """Top-level modules that are installed here and are not in an image."""
    held = locked() - without(image)
    return {
        module
        for module, owners in metadata.packages_distributions().items()
        if not {re.sub(r"[-_.]+", "-", owner).lower() for owner in owners} & (held | {"media-analytics"})
    }
