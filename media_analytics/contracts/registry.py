"""All contracts, by name.

Belongs here: the two maps and their look-ups. Does not belong here: a contract.
"""

from collections.abc import Mapping
from types import MappingProxyType

from media_analytics.contracts.model import TableContract, TopicContract
from media_analytics.contracts.tables import dead_letters as dead_letter_tables
from media_analytics.contracts.tables import (
    events,
    intervals,
    minutes,
    operations,
    reader_gold,
    sessions,
    video_files,
    video_gold,
    warehouse,
)
from media_analytics.contracts.tables import families as family_tables
from media_analytics.contracts.topics import dead_letters, families, user
from media_analytics.errors import ContractError

TABLES: Mapping[str, TableContract] = MappingProxyType(
    {
        contract.full_name: contract
        for module in (
            events,
            family_tables,
            dead_letter_tables,
            sessions,
            intervals,
            reader_gold,
            minutes,
            operations,
            video_files,
            video_gold,
            warehouse,
        )
        for contract in module.CONTRACTS
    }
)
TOPICS: Mapping[str, TopicContract] = MappingProxyType(
    {contract.name: contract for module in (user, families, dead_letters) for contract in module.CONTRACTS}
)


def table(full_name: str) -> TableContract:
    """The contract of `layer.name`.

    Raises:
        ContractError: no such table; the message lists the ones there are.
    """
    try:
        return TABLES[full_name]
    except KeyError:
        raise ContractError(f"no table {full_name!r}; there are {', '.join(TABLES)}") from None


def stored_in(topic_name: str, layer: str) -> TableContract:
    """The table of a layer (`bronze`, `realtime`) that holds the coordinates of a first topic.

    Raises:
        ContractError: there is none.
    """
    for contract in TABLES.values():
        if contract.layer == layer and contract.source is not None:
            source = topic(contract.source)
            if topic_name == (source.made_from or source.name):
                return contract
    raise ContractError(f"no table of {layer} holds the coordinates of {topic_name!r}")


def topic(name: str) -> TopicContract:
    """The contract of a topic.

    Raises:
        ContractError: no such topic; the message lists the ones there are.
    """
    try:
        return TOPICS[name]
    except KeyError:
        raise ContractError(f"no topic {name!r}; there are {', '.join(TOPICS)}") from None
