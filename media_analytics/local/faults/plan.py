"""Which faults happen when.

Belongs here: the seeded plan. Does not belong here: doing it (`harm.py`, `campaign.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from streaming.simulator.chance import Chance

# Every service between a request and the stores.
VICTIMS = ("collector", "kafka", "registry", "enricher", "sink", "clickhouse", "spark", "stream")
# The two that look at the free disk.
DISK_WATCHERS = ("sink", "collector")
# Share of faults that come together with the one before.
AT_ONCE = 0.2
SHORTEST_STALL_SECONDS = 2.0
# Faults stand in this part of the load: it warms up before and flows still when the last service comes back.
FIRST_SHARE, LAST_SHARE = 0.04, 0.92

T = TypeVar("T")
Kind = Literal["kill", "stall", "disk"]


@dataclass(frozen=True)
class Fault:
    """One fault. It happens when `after` events were acknowledged, so a slow machine sees the same run."""

    number: int
    kind: Kind
    services: tuple[str, ...]
    after: int
    # How long a stall or a full disk lasts.
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """What a person calls it."""
        if self.kind == "disk":
            return "full disk"
        return f"{self.kind} {self.services[0]}"


def planned(events: int, kills: int, seed: int, longest_stall_seconds: float) -> tuple[Fault, ...]:
    """`kills` kills, half as many stalls and one full disk, at seeded moments of a load of `events` events.

    Every service is hit once before any is hit twice.
    """
    chance = Chance(f"faults {seed}")
    stalls = (kills + 1) // 2
    victims: list[str] = []
    while len(victims) < kills + stalls:
        victims += _shuffled(VICTIMS, chance)
    kinds: list[tuple[Kind, tuple[str, ...]]] = [
        ("kill" if n < kills else "stall", (victims[n],)) for n in range(kills + stalls)
    ]
    kinds.append(("disk", DISK_WATCHERS))
    moments = sorted(int(events * chance.between(FIRST_SHARE, LAST_SHARE)) for _ in kinds)
    found: list[Fault] = []
    for number, (kind, services) in enumerate(_shuffled(kinds, chance)):
        after = found[-1].after if found and chance.happens(AT_ONCE) else moments[number]
        seconds = chance.between(SHORTEST_STALL_SECONDS, max(SHORTEST_STALL_SECONDS, longest_stall_seconds))
        found.append(
            Fault(number + 1, kind, services, after, 0.0 if kind == "kill" else round(seconds, 1)),
        )
    return tuple(found)


def _shuffled(items: Sequence[T], chance: Chance) -> list[T]:
    left, found = list(items), []
    while left:
        found.append(left.pop(chance.below(len(left))))
    return found
