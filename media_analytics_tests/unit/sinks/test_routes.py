"""The sink stores what the contracts say."""

from media_analytics.contracts.registry import TABLES, TOPICS, stored_in
from streaming.sinks.routes import ROUTES


def test_routes_are_the_contracts_of_realtime_tables() -> None:
    """A realtime table without a route would stay empty for ever."""
    wanted = {
        (contract.source, contract.full_name) for contract in TABLES.values() if contract.layer == "realtime"
    }
    assert {(route.topic, route.table) for route in ROUTES} == wanted
    for route in ROUTES:
        contract = TOPICS[route.topic]
        assert route.record == contract.record_name
        assert route.first_topic == (contract.made_from or contract.name)


def test_what_the_sink_adds_to_a_first_topic_are_exactly_the_missing_columns() -> None:
    """A column that neither the record nor the sink fills would be empty in every row."""
    for route in ROUTES:
        filled = {c.name for c in TABLES[route.table].columns if not c.store_default}
        added = (
            {"source_topic", "source_partition", "source_offset", "appended_at"} if route.is_first else set()
        )
        assert filled == {*TOPICS[route.topic].column_names} | added


def test_every_checked_topic_has_its_tables() -> None:
    """Completeness would compare a topic with another topic's rows."""
    layers = {"realtime": "realtime", "lake": "bronze"}
    found = {
        (topic.name, store): stored_in(topic.name, layers[store]).full_name
        for topic in TOPICS.values()
        for store in topic.stores
    }
    assert found[("user.raw", "realtime")] == "realtime.user_events"
    assert found[("user.raw", "lake")] == "bronze.user_events"
    assert found[("session.events", "realtime")] == "realtime.session_events"
    assert found[("interactions.events", "realtime")] == "realtime.interactions"
