"""When a table is due because of its inputs.

Belongs here: automation conditions and the sensor that evaluates them. Does not belong here: which table depends on
which (`assets/`), debouncing (`monitors.py` reports dates when they are due).
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

import dagster as dg

from media_analytics.factory import AUTOMATIC_TAG

# Seconds between evaluations. Dates are reported every 30 s at most, so asking more often finds nothing new.
EVALUATION_INTERVAL_SECONDS = 30
# When dbt models by date follow their inputs, when those that are missing are made, when models without partitions are
# made again; UTC. Seldom: an invocation of dbt costs about twelve seconds of a core and holds a place among the runs,
# and the open date's inputs change every quarter of an hour.
MODELS_FOLLOW, MODELS_BEGIN, MODELS_RENEWED = "20 * * * *", "20,50 * * * *", "25 3 * * *"
# Dates whose numbers a new catalogue entry changes by itself; for older ones a person asks.
CATALOGUE_DATES = timedelta(days=2)


def on_arrival(trigger: dg.AssetKey) -> dg.AutomationCondition[Any]:
    """Due for exactly the partitions of `trigger` that were updated, however old, also while a run was in flight.

    Not `eager()`: that one takes the latest date only, forgets an update that arrives during a run, and holds good
    dates back for a bad one.
    """
    condition = dg.AutomationCondition
    updated = condition.any_deps_match(condition.newly_updated()).allow(dg.AssetSelection.assets(trigger))
    due = updated.since(condition.newly_requested()) & ~condition.in_progress()
    return due.with_label("on_arrival")


def of_models(
    *, whole: dg.AssetSelection, live: dg.AssetSelection, copies: dg.AssetSelection, dated: dg.AssetSelection
) -> Mapping[Literal["daily", "none"], dg.AutomationCondition[Any]]:
    """When dbt models are due, by partition scheme.

    Models by date follow the copies they read once an hour, those of a date they do not have yet twice; those that read
    each other go together, in one run, and none goes before a model it reads was made. `live` tables change all the
    time and are no reason. A change of `whole`, copies without partitions, would mean every date of the history: it
    means the newest dates. Models without partitions are views, or tables over all history: they are made when they
    are missing and an input has rows (of `dated` models: was made), and again once a day.
    """
    condition = dg.AutomationCondition
    begin = condition.missing() & condition.cron_tick_passed(MODELS_BEGIN, "UTC")
    changed = condition.any_deps_updated().ignore(whole | live) | (
        condition.any_deps_match(condition.newly_updated()).allow(whole)
        & condition.in_latest_time_window(CATALOGUE_DATES)
    )
    now = condition.cron_tick_passed(MODELS_FOLLOW, "UTC") | begin
    ready = ~condition.any_deps_missing().ignore(copies | live)
    hourly = changed.since(condition.newly_requested()) & now & ready & ~condition.in_progress()
    filled = (
        condition.any_deps_updated().ignore(dated)
        | condition.any_deps_match(condition.newly_updated()).allow(dated)
    ).since(condition.newly_requested())
    renewed = condition.cron_tick_passed(MODELS_RENEWED, "UTC") | (filled & begin)
    daily = renewed & ~condition.in_progress()
    return {"daily": hourly.with_label("hourly_with_inputs"), "none": daily.with_label("once_a_day")}


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
