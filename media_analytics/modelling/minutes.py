"""The result of a closed minute, as a document.

Belongs here: the form of `result.json` (data definitions, section 4), what of it is the state of the next minute. Does
not belong here: the method (`error_rates.py`), counting events, files.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from media_analytics.modelling.error_rates import METHOD, Minute, judge

MINUTE = timedelta(minutes=1)
BASELINE_MINUTES = 60
# How far back a minute looks; results before it are not read.
HISTORY_MINUTES = METHOD.window_minutes
# What was known of a past minute, by event type.
Past = Mapping[str, Minute]


@dataclass(frozen=True, slots=True)
class Counts:
    """Events of one type in one minute, each event_id once."""

    success: int
    error: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.success + self.error


def document(
    window_start: datetime,
    counts: Mapping[str, Counts],
    history: Sequence[Past],
    *,
    produced_at: datetime,
    run_id: str,
) -> dict[str, Any]:
    """The result of a minute.

    Args:
        window_start: start of the minute, UTC.
        counts: by event type; types without events are left out.
        history: the preceding minutes, oldest first; empty maps for minutes without a result.
        produced_at: when this is said.
        run_id: by whom.
    """
    types = set(counts).union(*history[-HISTORY_MINUTES:])
    judged = {name: _judged(name, counts[name], history, len(types)) for name in sorted(counts)}
    return {
        "window_start": _text(window_start),
        "window_end": _text(window_start + MINUTE),
        "total": sum(c.total for c in counts.values()),
        "event_types": judged,
        "anomalies": [
            {"event_type": name, **{k: found[k] for k in ("error_rate", "baseline_error_rate", "score")}}
            for name, found in judged.items()
            if found["is_anomaly"]
        ],
        "produced_at": _text(produced_at),
        "run_id": run_id,
    }


def past(result: Mapping[str, Any]) -> dict[str, Minute]:
    """What later minutes need to know of a result."""
    return {
        name: Minute(found["total"], found["error"], found["score"], found["is_anomaly"])
        for name, found in result["event_types"].items()
    }


def rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A result as rows of the contract `results.interactions`."""
    minute = datetime.fromisoformat(result["window_start"])
    return [{"minute": minute, "event_type": name, **found} for name, found in result["event_types"].items()]


def _judged(name: str, counts: Counts, history: Sequence[Past], types: int) -> dict[str, Any]:
    minutes = [minute.get(name) for minute in history]
    verdict = judge(minutes, counts.total, counts.error, types)
    baseline = [m for m in minutes[-BASELINE_MINUTES:] if m is not None]
    return {
        "total": counts.total,
        "success": counts.success,
        "error": counts.error,
        "success_rate": _ratio(counts.success, counts.total),
        "error_rate": _ratio(counts.error, counts.total),
        "baseline_error_rate": _ratio(sum(m.error for m in baseline), sum(m.total for m in baseline)),
        "score": verdict.score,
        "is_anomaly": verdict.is_anomaly,
    }


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
