"""ops.dead_letter_replays: letters that are events again.

Belongs here: the asset, its run config, what a run reports. Does not belong here: the replay and its effects
(`media_analytics.dead_letters`), launching it (the command line, the dashboard), the table's audit (`checks/external`).
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import dagster as dg
from pydantic import Field

from media_analytics.contracts.registry import table
from media_analytics.dead_letters.groups import Selection
from media_analytics.dead_letters.replay import Replay
from media_analytics.factory import RETRIES, asset_key, external_table
from media_analytics.partitions import PARTITIONS_PER_RUN, Partitions
from streaming.dead_letters.patches import Patch, read_json

CONTRACT = table("ops.dead_letter_replays")
LETTERS = table("bronze.dead_letters")


class ReplayConfig(dg.Config):
    """Which letters, and the patch as JSON. Without `since` nothing is sent: what an earlier run left is settled."""

    since: str | None = None
    family: str | None = None
    rule: str | None = None
    field: str | None = None
    producer: str | None = None
    group: str | None = None
    letters: list[str] = Field(default_factory=list)
    patch: str = "{}"
    requested_by: str = "Dagster"

    def selection(self) -> Selection | None:
        """The letters that are meant; None: none."""
        if self.since is None:
            return None
        return Selection(
            since=datetime.fromisoformat(self.since),
            family=self.family,
            rule=self.rule,
            field=self.field,
            producer=self.producer,
            group=self.group,
            letters=frozenset(self.letters),
        )


def asset(partitions: Partitions) -> dg.AssetsDefinition:
    """Sends patched letters to the first topic of their family, each once."""
    # A letter of any hour can be replayed on any day.
    letters = dg.AssetDep(asset_key(LETTERS), partition_mapping=dg.AllPartitionMapping())
    name = "__".join(CONTRACT.key)

    @dg.multi_asset(
        name=name,
        specs=[external_table(CONTRACT, partitions, declared_in=asset, deps=[letters])],
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.multi_run(PARTITIONS_PER_RUN),
        retry_policy=RETRIES,
        pool=name,
        required_resource_keys={"settings", "clock", "kafka"},
    )
    def _run(context: dg.AssetExecutionContext, config: ReplayConfig) -> Iterator[Any]:
        yield from _replay(context, config)

    return _run


def _replay(context: dg.AssetExecutionContext, config: ReplayConfig) -> Iterator[Any]:
    resources = context.resources
    patch: Patch = read_json(config.patch)
    replay = Replay(
        resources.settings, resources.kafka, resources.clock.now, context.run.run_id, config.requested_by
    )
    outcome = replay.run(config.selection(), patch)
    facts = outcome.facts()
    context.log.info(f"{outcome.passed} of {outcome.letters} letters are events again: {facts}")
    yield dg.MaterializeResult(asset_key=asset_key(CONTRACT), metadata=facts)
