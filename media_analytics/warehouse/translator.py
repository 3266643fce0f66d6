"""From a dbt model to what Dagster knows of it.

Belongs here: keys, owner, freshness, partitions, condition and code references, from the model's `meta`. Does not
belong here: running dbt (`assets/warehouse/models.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, get_args

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtProject

from media_analytics.errors import ContractError
from media_analytics.resources.dbt import PROJECT

LAYER = "warehouse"
Scheme = Literal["daily", "none"]
# What brings the last rows to a partition: its date, the date after it, the week or month that begins with it.
Closes = Literal["day", "next_day", "week", "month"]
# Numbers a table may be old before a warning and before a failure, in refresh intervals.
WARN_AFTER, FAIL_AFTER = 2, 3
_NONE_BECAUSE = "a view that is computed when it is read, or a table that is replaced as a whole"


@dataclass(frozen=True)
class Meta:
    """What a model says of itself in `config.meta`; all but `closes` are required."""

    partitions: Scheme
    refresh: timedelta
    owner: str
    closes: Closes = "day"

    @classmethod
    def of(cls, node: Mapping[str, Any]) -> "Meta":
        """Read a node of the manifest.

        Raises:
            ContractError: the model does not say it.
        """
        meta = node["config"].get("meta", {})
        missing = [name for name in ("partitions", "refresh_minutes", "owner") if name not in meta]
        if missing or meta["partitions"] not in ("daily", "none"):
            raise ContractError(
                f"dbt model {node['name']} needs partitions (daily or none), refresh_minutes and owner in config.meta; "
                f"missing: {', '.join(missing) or 'none'}"
            )
        closes = meta.get("closes", "day")
        if closes not in get_args(Closes):
            raise ContractError(
                f"dbt model {node['name']} closes with {closes!r}; expected one of {', '.join(get_args(Closes))}"
            )
        return cls(meta["partitions"], timedelta(minutes=meta["refresh_minutes"]), meta["owner"], closes)


def key_of(node: Mapping[str, Any]) -> dg.AssetKey:
    """The key of a model or source: `[schema, name]`."""
    return dg.AssetKey([node["schema"], node["name"]])


class Translator(DagsterDbtTranslator):
    """Keys are `[database, table]`, also those of sources, so that models hang on the assets they read."""

    def __init__(self, condition: dg.AutomationCondition[Any]) -> None:
        """Keep the condition of the models."""
        super().__init__()
        self._condition = condition

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """As `key_of` says."""
        return key_of(dbt_resource_props)

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        """The spec of a model; sources have theirs elsewhere."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        node = manifest["nodes"].get(unique_id)
        if node is None or node["resource_type"] != "model":
            return spec
        meta = Meta.of(node)
        metadata: dict[str, Any] = {
            "contract/refresh_interval_seconds": meta.refresh.total_seconds(),
            "dagster/code_references": dg.CodeReferencesMetadataValue(
                code_references=[
                    dg.LocalFileCodeReference(
                        file_path=str(PROJECT / node["original_file_path"]), line_number=1, label="model"
                    )
                ]
            ),
        }
        if meta.partitions == "none":
            metadata["partitions/none_because"] = _NONE_BECAUSE
        return spec.replace_attributes(
            description=node["description"],
            group_name=LAYER,
            owners=[meta.owner],
            kinds={"dbt", "clickhouse", "view" if node["config"]["materialized"] == "view" else "table"},
            freshness_policy=dg.FreshnessPolicy.time_window(
                fail_window=FAIL_AFTER * meta.refresh, warn_window=WARN_AFTER * meta.refresh
            ),
            automation_condition=self._condition,
        ).merge_attributes(metadata=metadata)
