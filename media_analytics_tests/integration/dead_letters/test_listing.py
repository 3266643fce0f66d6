"""What people see of dead letters: every refusal in one group, and nobody's data."""

import pytest

from media_analytics.errors import MediaAnalyticsError
from media_analytics_tests.integration.collector.test_bad_input import event, log_batch
from media_analytics_tests.integration.dead_letters.world import LetterWorld

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

SECRETS = ("anna@example.org", "198.51.100.77", "Geheim-Text", "k-4711-anna", "Mozilla/Anna")


def test_refusals_are_listed_by_what_is_wrong_and_show_no_personal_data(world: LetterWorld) -> None:
    """Would catch a refusal that is in no group, one counted twice, and personal data in any listing."""
    personal = {"customer_id": "k-4711-anna", "ip": "198.51.100.77", "title": "Geheim-Text"}
    same = event(brand="bidl", **personal)
    agent = {"User-Agent": "Mozilla/Anna"}
    world.post("/v1/events/user", [same, event(brand="bidl", **personal)], **agent)
    # Sent again, it is the same letter.
    world.post("/v1/events/user", [same], **agent)
    world.post("/v1/events/user", [event(**{"anna@example.org": "198.51.100.77"})], **agent)
    world.post("/v1/access-log", log_batch("198.51.100.77 anna@example.org no log line"), **agent)
    world.shelve()

    text = world.command("list")
    groups = world.answer("list")
    by_rule = {(g["family"], g["rule"], g["field"], g["producer"]): g for g in groups}
    brand = by_rule["user", "unknown_brand", "brand", "local"]
    assert (brand["letters"], brand["recovered"]) == (2, 0)
    assert by_rule["user", "unknown_field", "<name>", "local"]["letters"] == 1
    assert by_rule["user", "malformed_line", "line", "local"]["letters"] == 1
    assert {g["group"] for g in world.answer("list", "--rule", "unknown_brand")} == {brand["group"]}
    assert world.answer("list", "--family", "content") == []
    assert brand["group"] in text

    shown = world.command("show", brand["group"])
    letters = world.answer("show", brand["group"])
    assert {v["rule"] for v in letters} == {"unknown_brand"}
    assert letters[0]["payload"]["event_type"] == "page_view"
    assert letters[0]["payload"]["ip"] == "999.99.999.99"
    assert same["event_id"] in {v["event_id"] for v in letters}
    (line,) = world.answer("show", by_rule["user", "malformed_line", "line", "local"]["group"])
    assert line["line_number"] == 1
    (one,) = world.answer("show", line["letter_id"])
    assert one == line
    everything = [text, shown, str(groups), str(letters), str(line)]
    assert [secret for secret in SECRETS if any(secret in told for told in everything)] == []


def test_a_name_that_nobody_has_is_an_error_with_the_way_on(world: LetterWorld) -> None:
    """Would catch an empty answer that looks like a letter without content."""
    with pytest.raises(MediaAnalyticsError, match="dead-letters list"):
        world.command("show", "00000000")
