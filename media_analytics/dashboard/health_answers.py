"""What the API answers about the health of data, as types.

Belongs here: verdicts of checks, restatements. Does not belong here: completeness and freshness (`answers.py`).
"""

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from media_analytics.dashboard.answers import Answer

Verdict = Literal["passed", "failed", "not judged"]


class CheckNow(Answer):
    """The newest verdict of a check of a table."""

    table: str
    check: str
    verdict: Verdict = Field(description="failed: also when the check itself could not run.")


class RestatementNow(Answer):
    """A number that changed after its date was published."""

    table: str
    date: date
    brand: str = Field(description="all for a table without brands.")
    measure: str = Field(description="Summed over the table's other dimensions.")
    old_value: float | None
    new_value: float | None
    cause: str
    recorded_at: datetime
