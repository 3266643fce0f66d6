"""What a run was to write, where it stopped and what that holds up, by the asset graph.

Belongs here: steps to tables, tables to those that depend on them. Does not belong here: words about it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import dagster as dg


@dataclass(frozen=True)
class Graph:
    """The graph of this code location."""

    repository: dg.RepositoryDefinition

    def tables_of_step(self, step: str) -> set[dg.AssetKey]:
        """The tables that a step writes; none for a step of a job without tables."""
        name = step.split("[")[0].split(".")[0]
        return {
            key
            for key, definition in self.repository.assets_defs_by_key.items()
            if definition.is_executable and definition.node_def.name == name
        }

    def tables_of_run(self, run: dg.DagsterRun) -> set[dg.AssetKey]:
        """The tables that a run was to write."""
        if run.asset_selection:
            return set(run.asset_selection)
        return self.tables_of_job(run.job_name)

    def tables_of_job(self, name: str) -> set[dg.AssetKey]:
        """The tables that a job writes; none when there is no such job."""
        if not self.repository.has_job(name):
            return set()
        return set(self.repository.get_job(name).asset_layer.selected_asset_keys)

    def below(self, keys: Iterable[dg.AssetKey]) -> set[dg.AssetKey]:
        """Every table that depends on one of these, directly or not."""
        graph: Any = self.repository.asset_graph
        found: set[dg.AssetKey] = set()
        pending = [key for key in keys if graph.has(key)]
        while pending:
            for child in graph.get(pending.pop()).child_keys:
                if child not in found:
                    found.add(child)
                    pending.append(child)
        return found


def full_names(keys: Iterable[dg.AssetKey]) -> tuple[str, ...]:
    """`layer.table` in order."""
    return tuple(sorted(".".join(key.path) for key in keys))
