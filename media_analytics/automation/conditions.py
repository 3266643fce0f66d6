"""When a table is due because of its inputs.

Belongs here: automation conditions and the sensor that evaluates them. Does not belong here: which table depends on
which (`assets/`), debouncing (`monitors.py` reports dates when they are due).
"""

from typing import Any

import dagster as dg

from media_analytics.factory import AUTOMATIC_TAG

# Seconds between evaluations. Dates are reported every 30 s at most, so asking more often finds nothing new.
EVALUATION_INTERVAL_SECONDS = 30


def on_arrival(trigger: dg.AssetKey) -> dg.AutomationCondition[Any]:
    """Due for exactly the partitions of `trigger` that were updated, however old, also while a run was in flight.

    Not `eager()`: that one takes the latest date only, forgets an update that arrives during a run, and holds good
    dates back for a bad one.
    """
    condition = dg.AutomationCondition
    updated = condition.any_deps_match(condition.newly_updated()).allow(dg.AssetSelection.assets(trigger))
    due = updated.since(condition.newly_requested()) & ~condition.in_progress()
    return due.with_label("on_arrival")


def automation_sensor() -> dg.AutomationConditionSensorDefinition:
    """Evaluates all conditions; our own, because the default one is created stopped."""
    return dg.AutomationConditionSensorDefinition(
        "on_arrival",
        target=dg.AssetSelection.all(),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=EVALUATION_INTERVAL_SECONDS,
        run_tags={AUTOMATIC_TAG: "true"},
        description="Requests every table whose trigger was updated, date by date.",
    )
