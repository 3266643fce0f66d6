"""Tables of the lake that the warehouse serves (layer `warehouse`).

Belongs here: which tables of silver and gold ClickHouse holds as they are. Does not belong here: what their columns
mean (the contract of the table that is copied says it), marts made of them.
"""

from dataclasses import replace

from media_analytics.contracts.model import TableContract
from media_analytics.contracts.tables import intervals, reader_gold, sessions, video_gold

LAYER = "warehouse"
COPIED = (
    *reader_gold.CONTRACTS,
    *sessions.CONTRACTS,
    *(contract for contract in intervals.CONTRACTS if contract.name in ("content", "subscriptions")),
    *video_gold.CONTRACTS,
)


def copy_of(contract: TableContract) -> TableContract:
    """The contract of a table's copy in ClickHouse: same columns, rules, partitions, owner and freshness.

    Rows are sorted by the sort keys of the original and then by what is left of the unique key, so that a page's query
    for one brand or article reads few of them.
    """
    return replace(
        contract,
        layer=LAYER,
        grain=f"{contract.grain} As {contract.full_name} has them.",
        sort_keys=tuple(dict.fromkeys((*contract.sort_keys, *contract.unique_key))),
        store="clickhouse",
        writer="warehouse-load",
        copy_of=contract.full_name,
    )


CONTRACTS = tuple(copy_of(contract) for contract in COPIED)
