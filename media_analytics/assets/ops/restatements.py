"""ops.restatements: numbers that changed after their date was published.

Belongs here: the table as an asset, and who asks for the comparison. Does not belong here: the comparison
(`media_analytics/checks/restatements.py`), the measures, and publishing itself (`factory.py`).
"""

import sys
from collections.abc import Mapping
from typing import Any

import dagster as dg

from media_analytics.checks.restatements import RESTATEMENTS, record_changes
from media_analytics.contracts.registry import table
from media_analytics.factory import AUTOMATIC_TAG, CAUSE_TAG, Publication, asset_key, external_table
from media_analytics.partitions import Partitions
from media_analytics.resources.clock import Clock
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.warehouse.restating import marts

CONTRACT = RESTATEMENTS
GOLD = tuple(
    table(f"gold.{name}")
    for name in (
        "reader_sessions",
        "reader_engagement",
        "reader_geography",
        "reader_devices",
        "reader_sources",
        "reader_subscriptions",
        "executive_summary",
        "content_performance",
        "delivery_quality",
        "device_analytics",
        "geographic_analytics",
    )
)
LONGEST_CAUSE = 1024


def specs(partitions: Partitions) -> list[dg.AssetSpec]:
    """The table; the runs of gold and of marts write it."""
    deps = [dg.AssetDep(key) for key in (*map(asset_key, GOLD), *(mart.key for mart in marts()))]
    return [external_table(CONTRACT, partitions, declared_in=sys.modules[__name__], deps=deps)]


def record_restatements(publication: Publication) -> Mapping[str, Any]:
    """Before gold is published: every measure of a published date that is about to change."""
    resources = publication.context.resources
    clock: Clock = resources.clock
    log: DeltaLog = resources.delta_log
    contract = publication.contract
    cause = cause_of(publication.context.run, contract.full_name)
    found = record_changes(
        publication.lake, log, contract, publication.staged, publication.dates, clock.now(), cause
    )
    if found["restatements"]:
        publication.context.log.warning(
            f"{contract.full_name}: {found['restatements']} published numbers change"
        )
    return found


def cause_of(run: dg.DagsterRun, what: str) -> str:
    """Why a run changes the numbers of `what`: what its tag says, else whether it was automatic."""
    if CAUSE_TAG in run.tags:
        return f"{run.tags[CAUSE_TAG]}, run {run.run_id}"[:LONGEST_CAUSE]
    if AUTOMATIC_TAG in run.tags:
        return f"late or repaired data, {what} recomputed automatically"
    return f"recomputed by hand, run {run.run_id}"
