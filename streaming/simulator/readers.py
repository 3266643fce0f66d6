"""Articles of a brand and the people and robots that read them.

Belongs here: what exists on one simulated day of one brand. Does not belong here: what readers do (`sessions.py`).
"""

from dataclasses import dataclass

from media_analytics.settings import Brand
from streaming.simulator import world
from streaming.simulator.chance import Chance, Weighted, zipf

_ARTICLES = 300
_REMEMBERED = 20_000
_SHARE_WITH_VIDEO = 0.3


@dataclass(frozen=True, slots=True)
class Article:
    """A page."""

    content_id: str
    url: str
    title: str
    section: str
    has_video: bool


@dataclass(frozen=True, slots=True)
class Reader:
    """A person with one device, or a robot."""

    ip: str
    user_agent: str
    customer_id: str | None
    anonymous_id: str | None
    consent: tuple[str, ...] | None
    segment: str
    is_bot: bool


class Place:
    """One brand: its articles by popularity and its readers, of whom some come back during the day."""

    def __init__(self, name: str, brand: Brand, chance: Chance) -> None:
        self.name = name
        self.home_url = f"https://www.{brand.domains[0]}"
        self._chance = chance
        # The most read come first: what is new is read most.
        self.newest = [self._article(n, brand) for n in range(_ARTICLES)]
        self._articles = Weighted(self.newest, zipf(_ARTICLES))
        self._devices = Weighted([d.user_agent for d in world.DEVICES], [d.share for d in world.DEVICES])
        self._networks = Weighted(world.NETWORKS, [n.share for n in world.NETWORKS])
        self._bots = Weighted(world.BOTS, [b.share for b in world.BOTS])
        self._consents = Weighted([c for c, _ in world.CONSENTS], [share for _, share in world.CONSENTS])
        self._known: list[Reader] = []
        self._customers = 0

    def article(self) -> Article:
        """A popular article, most likely."""
        return self._articles.choose(self._chance)

    def reader(self) -> Reader:
        """Someone new, or, for a third of the sessions, someone who was here before."""
        if self._known and self._chance.happens(0.33):
            return self._chance.one_of(self._known)
        reader = self._person()
        if len(self._known) < _REMEMBERED:
            self._known.append(reader)
        else:
            # A live stream goes on for days; its memory does not grow.
            self._known[self._chance.below(_REMEMBERED)] = reader
        return reader

    def bot(self) -> Reader:
        """A robot."""
        bot = self._bots.choose(self._chance)
        ip = self._chance.address(bot.first_address, bot.host_bits)
        return Reader(ip, bot.user_agent, None, None, None, "new", is_bot=True)

    def _person(self) -> Reader:
        chance = self._chance
        network = self._networks.choose(chance)
        identity = chance.fraction()
        customer_id = None
        if identity < 0.15:
            self._customers += 1
            customer_id = f"{self.name}-customer-{self._customers:06d}"
        return Reader(
            ip=chance.address(network.first_address, network.host_bits),
            user_agent=self._devices.choose(chance),
            customer_id=customer_id,
            anonymous_id=chance.uuid() if identity < 0.8 else None,
            consent=self._consents.choose(chance),
            segment=chance.one_of(world.SEGMENTS),
            is_bot=False,
        )

    def _article(self, number: int, brand: Brand) -> Article:
        chance = self._chance
        section = chance.one_of(brand.sections)
        words = [chance.one_of(world.WORDS) for _ in range(4)]
        return Article(
            content_id=f"{self.name}-{number:05d}",
            url=f"{self.home_url}/{section}/{'-'.join(words)}-{number:05d}",
            title=" ".join(words).capitalize(),
            section=section,
            has_video=chance.happens(_SHARE_WITH_VIDEO),
        )
