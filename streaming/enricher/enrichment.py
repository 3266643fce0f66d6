"""A `user.raw` record becomes a `user.latest` record.

Belongs here: which field comes from which rule, and what consent removes. Does not belong here: Kafka, Avro, files.
Pure:
the same record, coordinates and rule tables give the same result.
"""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from streaming.codecs.families import families
from streaming.enricher import clock
from streaming.enricher.addresses import NotAnAddressError, Places
from streaming.enricher.agents import Agents
from streaming.enricher.pages import UTM_FIELDS, page_key, parameters
from streaming.enricher.referrers import Referrers
from streaming.enricher.validation import RuleError, Validation

# What an event without consent to analytics loses. Its network goes too: it says as much as the truncated address.
REMOVED_WITHOUT_CONSENT = ("customer_id", "anonymous_id", "visitor_id", "ip", "user_agent", "network")


class Coordinates(NamedTuple):
    """Where the event stood in the first topic that held it; `appended_at` in microseconds."""

    topic: str
    partition: int
    offset: int
    appended_at: int


class Enrichment:
    """The rule tables together. `earliest` is `history_start` in microseconds."""

    def __init__(
        self,
        *,
        places: Places,
        agents: Agents,
        referrers: Referrers,
        brands: Collection[str],
        earliest: int,
        version: str,
    ) -> None:
        self._places = places
        self._agents = agents
        self._referrers = referrers
        self._validation = Validation(families()["user"], brands, earliest)
        self.version = version

    def enriched(self, raw: Mapping[str, Any], at: Coordinates) -> dict[str, Any]:
        """The enriched record.

        Raises:
            RuleError: the record breaks a rule of the contract; it is a dead letter.
        """
        self._validation.check(raw)
        try:
            place = self._places.find(raw["ip"])
        except NotAnAddressError as error:
            raise RuleError("invalid_value", "ip", "not an IP address") from error
        agent = self._agents.find(raw["user_agent"])
        page = parameters(raw["page_url"])
        origin = self._referrers.origin(raw["brand"], page, raw["referrer"])
        time = clock.corrected(raw["occurred_at"], raw["received_at"], raw["origin"])
        latest = dict(raw)
        latest["ip"] = place.truncated
        latest["occurred_at"] = time.occurred_at
        latest["client_occurred_at"] = time.client_occurred_at
        latest["is_clock_corrected"] = time.is_corrected
        latest["country"] = place.country
        latest["region"] = place.region
        latest["city"] = place.city
        latest["timezone"] = place.timezone
        latest["network"] = place.network
        latest.update(agent._asdict())
        latest["referrer_medium"] = origin.medium
        latest["referrer_source"] = origin.source
        latest["referrer_term"] = origin.term
        for name in UTM_FIELDS:
            latest[name] = page.get(name)
        latest["page_key"] = page_key(raw["content_id"], raw["page_url"])
        latest["enrichment_version"] = self.version
        latest["source_topic"] = at.topic
        latest["source_partition"] = at.partition
        latest["source_offset"] = at.offset
        latest["appended_at"] = at.appended_at
        if not has_analytics(raw["consent"]):
            for name in REMOVED_WITHOUT_CONSENT:
                latest[name] = None
        return latest


def has_analytics(consent: Collection[str] | None) -> bool:
    """Whether the reader may be counted as a visitor; null means not asked, which is analytics only."""
    return consent is None or "analytics" in consent
