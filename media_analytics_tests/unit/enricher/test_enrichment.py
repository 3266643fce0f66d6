"""One record: every field has its source, and consent removes what it must."""

import json
from importlib import resources
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from media_analytics_tests.builders.streams import NOON, raw_event
from streaming.codecs.avro import Codec
from streaming.enricher.addresses import NOWHERE, NotAnAddressError, Place, parse, truncated
from streaming.enricher.agents import Agents, Bots, Devices
from streaming.enricher.enrichment import Coordinates, Enrichment
from streaming.enricher.referrers import Referrers
from streaming.enricher.validation import RuleError

AT = Coordinates("user.raw", 4, 17, NOON + 2_000_000)


class KnownPlace:
    """Every address is in Berlin; what is no address is refused, as the databases do."""

    def find(self, text: str | None) -> Place:
        if text is None:
            return NOWHERE
        return Place(truncated(parse(text)), "DE", "Berlin", "Berlin", "Europe/Berlin", "AS1 Netz")


def table(name: str) -> Any:
    return json.loads(resources.files("streaming.enricher.data").joinpath(f"{name}.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def enrichment() -> Enrichment:
    data = {"google.com": {"medium": "search", "source": "Google"}}
    return Enrichment(
        places=KnownPlace(),
        agents=Agents(Bots(table("bots"), []), Devices(table("devices"))),
        referrers=Referrers(data, table("referrers"), {"bild": ["bild.de"]}),
        brands=["bild"],
        earliest=0,
        version="1.test",
    )


def test_a_record_has_exactly_the_fields_of_the_schema(enrichment: Enrichment) -> None:
    """A field the enricher forgets would be written as its default without a word."""
    latest = enrichment.enriched(raw_event(), AT)
    codec = Codec.from_file("user.latest")
    assert list(latest) and set(latest) == {field["name"] for field in codec.schema["fields"]}
    assert codec.decode(codec.encode(latest)) == latest


def test_what_is_derived(enrichment: Enrichment) -> None:
    latest = enrichment.enriched(raw_event(), AT)
    assert {
        "ip": "83.149.9.0",
        "country": "DE",
        "city": "Berlin",
        "network": "AS1 Netz",
        "browser": "Chrome",
        "os": "Windows",
        "device_type": "desktop",
        "is_bot": False,
        "referrer_medium": "search",
        "referrer_source": "Google",
        "referrer_term": "wahl",
        "utm_source": "brief",
        "utm_medium": None,
        "page_key": "/politik/artikel-1.html",
        "enrichment_version": "1.test",
        "source_topic": "user.raw",
        "source_partition": 4,
        "source_offset": 17,
        "appended_at": NOON + 2_000_000,
        "client_occurred_at": None,
        "is_clock_corrected": False,
    }.items() <= latest.items()


def test_the_rest_is_carried_unchanged(enrichment: Enrichment) -> None:
    raw = raw_event(
        properties={"a": "b\n\n'; DROP TABLE x"}, title="T\x00", engaged_seconds=1.5, bytes_sent=3
    )
    latest = enrichment.enriched(raw, AT)
    assert {name: latest[name] for name in raw if name != "ip"} == {n: v for n, v in raw.items() if n != "ip"}


def test_a_field_of_a_newer_schema_is_carried(enrichment: Enrichment) -> None:
    assert enrichment.enriched(raw_event() | {"added_later": "x"}, AT)["added_later"] == "x"


@pytest.mark.parametrize("consent", [None, ["analytics"], ["advertising", "analytics"]])
def test_with_analytics_the_visitor_stays(enrichment: Enrichment, consent: list[str] | None) -> None:
    latest = enrichment.enriched(raw_event(consent=consent), AT)
    assert (latest["visitor_id"], latest["ip"], latest["consent"]) == ("a:v1", "83.149.9.0", consent)


@pytest.mark.parametrize("consent", [[], ["advertising"], ["personalisation", "ml_training"]])
def test_without_analytics_nobody_is_left(enrichment: Enrichment, consent: list[str]) -> None:
    raw = raw_event(consent=consent, customer_id="k", visitor_id="c:k")
    latest = enrichment.enriched(raw, AT)
    for name in ("customer_id", "anonymous_id", "visitor_id", "ip", "user_agent", "network"):
        assert latest[name] is None, name
    assert (latest["country"], latest["device_type"], latest["page_key"]) == (
        "DE",
        "desktop",
        "/politik/artikel-1.html",
    )


def test_a_corrected_clock(enrichment: Enrichment) -> None:
    latest = enrichment.enriched(raw_event(occurred_at=NOON + 10**9, received_at=NOON), AT)
    assert (latest["occurred_at"], latest["client_occurred_at"], latest["is_clock_corrected"]) == (
        NOON,
        NOON + 10**9,
        True,
    )


def test_an_address_that_is_none_is_a_broken_rule(enrichment: Enrichment) -> None:
    with pytest.raises(RuleError) as raised:
        enrichment.enriched(raw_event(ip="host.example.org"), AT)
    assert (raised.value.reason, raised.value.field) == ("invalid_value", "ip")
    assert isinstance(raised.value.__cause__, NotAnAddressError)


def test_the_input_is_left_alone(enrichment: Enrichment) -> None:
    raw = raw_event(consent=[])
    before = dict(raw)
    enrichment.enriched(raw, AT)
    assert raw == before


_texts = st.text(max_size=300) | st.from_regex(r"https?://[^ ]{0,40}([?][^ ]{0,60})?", fullmatch=True)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    page_url=st.none() | _texts,
    referrer=st.none() | _texts,
    user_agent=st.none() | _texts,
    ip=st.none() | st.text(max_size=64) | st.ip_addresses().map(str),
    content_id=st.none() | st.text(max_size=20),
)
def test_no_text_is_worse_than_a_broken_rule(enrichment: Enrichment, **fields: Any) -> None:
    """Another exception would end the process, and the same record would end the next one: a stuck consumer."""
    codec = Codec.from_file("user.latest")
    try:
        latest = enrichment.enriched(raw_event(**fields), AT)
    except RuleError as error:
        assert error.field in fields
    else:
        assert codec.decode(codec.encode(latest)) == latest
