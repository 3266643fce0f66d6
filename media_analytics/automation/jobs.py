"""Jobs: what runs together.

Belongs here: jobs over assets and checks, by name. Does not belong here: when they run (`proofs.py`, `schedules.py`,
`conditions.py`).
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from media_analytics.contracts.model import TableContract
from media_analytics.contracts.registry import TABLES, table
from media_analytics.contracts.tables import video_files, video_gold
from media_analytics.factory import asset_key

# What `define_asset_job` returns; dagster does not export the type.
AssetJob = Any
READER_TABLES = "reader_tables"
COMPLETENESS = "completeness"
OFFSET_BOUNDS = "offset_bounds"
EXTERNAL_CONTRACTS = "audit_external"
MICRO_BATCHES = "micro_batches"
MINUTE_ANALYSIS = "minute_analysis"
DEAD_LETTER_REPLAYS = "dead_letter_replays"
# From files to the video marts: one ingest, five steps of silver, five of gold. Its partition is the date.
VIDEO_FILES = "media_analytics_pipeline"
VIDEO_MAINTENANCE = "video_maintenance"
WAREHOUSE_COPIES = "warehouse_copies"
READER_LAYERS = ("silver", "gold")
_VIDEO = {c.full_name: c for c in (*video_files.CONTRACTS, *video_gold.CONTRACTS)}


def _reader_tables() -> list[TableContract]:
    return [c for c in TABLES.values() if c.layer in READER_LAYERS and c.full_name not in _VIDEO]


def asset_jobs(
    external_checks: list[dg.AssetChecksDefinition], video_run_tags: Mapping[str, str]
) -> list[AssetJob]:
    """Everything a person or a sensor starts by name. `video_run_tags` are those of every run of the video files."""
    reader = [asset_key(c) for c in _reader_tables()]
    micro_batched = [
        asset_key(c) for c in TABLES.values() if c.layer == "bronze" and c.writer == "micro-batch"
    ]
    return [
        dg.define_asset_job(
            READER_TABLES,
            selection=dg.AssetSelection.assets(*reader) - dg.AssetSelection.checks(*external_checks),
            description="Silver and gold of the run's dates, in order, audited.",
        ),
        dg.define_asset_job(
            WAREHOUSE_COPIES,
            selection=dg.AssetSelection.assets(
                *(asset_key(c) for c in TABLES.values() if c.copy_of is not None)
            ),
            description="Copies silver and gold of the run's dates to ClickHouse, compared partition by partition.",
        ),
        dg.define_asset_job(
            COMPLETENESS,
            selection=dg.AssetSelection.assets(asset_key(table("ops.completeness"))),
            description="Judges minutes: every offset is one row in each store, or a dead letter.",
        ),
        dg.define_asset_job(
            OFFSET_BOUNDS,
            selection=dg.AssetSelection.assets(asset_key(table("ops.offset_bounds"))),
            description="Records the offset ranges of closed hours.",
        ),
        dg.define_asset_job(
            MINUTE_ANALYSIS,
            selection=dg.AssetSelection.assets(
                *(asset_key(table(name)) for name in ("extracts.interactions", "results.interactions"))
            ),
            description="Extracts closed minutes of interactions and judges their error rates, in order.",
        ),
        dg.define_asset_job(
            DEAD_LETTER_REPLAYS,
            selection=dg.AssetSelection.assets(asset_key(table("ops.dead_letter_replays")))
            - dg.AssetSelection.checks(*external_checks),
            description="Sends patched dead letters to their topics, each once; without letters, settles what is left.",
        ),
        dg.define_asset_job(
            EXTERNAL_CONTRACTS,
            selection=dg.AssetSelection.checks(*external_checks),
            description="Audits the newest rows that long-running processes wrote, and warns of far copies.",
        ),
        dg.define_asset_job(
            MICRO_BATCHES,
            selection=dg.AssetSelection.assets(*micro_batched) - dg.AssetSelection.checks(*external_checks),
            description="Appends new records of the topics to their bronze tables; without ranges, rebuilds hours.",
        ),
        dg.define_asset_job(
            VIDEO_MAINTENANCE,
            selection=dg.AssetSelection.assets(asset_key(table("ops.video_maintenance"))),
            description="Compacts, orders and vacuums the video tables, and records what that changed.",
        ),
        dg.define_asset_job(
            VIDEO_FILES,
            selection=dg.AssetSelection.assets(*(asset_key(c) for c in _VIDEO.values() if c.layer != "ops"))
            - dg.AssetSelection.checks(*external_checks),
            tags=dict(video_run_tags),
            description="Loads new files and brings the video marts up to date; with a date, computes that date again.",
        ),
    ]
