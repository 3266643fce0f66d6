"""A measure of a report: which columns it is made of, and how days become one number.

Belongs here: folding days, and the SQL of it. Does not belong here: which measures a report has (`catalogue.py`), what
a measure means (`dbt_project/models/measures.md`).
"""

from dataclasses import dataclass
from typing import Literal

from media_analytics.dashboard.report_answers import Unit, Who

# How the numbers of days become one. `ratio`: of two sums. `per_day`, `per_month`: of sums, the average of the days or
# months with numbers; different visitors of two days are no sum. `last`: of the newest day. `mean`: the average of rows
# that have no sum.
Fold = Literal["sum", "ratio", "per_day", "per_month", "last", "mean"]
_TWIN = "_human"


@dataclass(frozen=True)
class Measure:
    """A measure by its name in the table. `above` and `below` are columns; several are multiplied row by row."""

    name: str
    title: str
    unit: Unit = "count"
    fold: Fold = "sum"
    above: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    # Its sentence in measures.md, if that has another name.
    said: str = ""
    has_twin: bool = True
    is_less_better: bool = False
    # Its sentence speaks of one day, so of several it is an average one.
    is_daily: bool = False

    def sentences(self, who: Who) -> tuple[str, ...]:
        """The names of the sentences that say what it means."""
        daily = ("per_day",) if self.is_daily or self.fold in ("per_day", "mean") else ()
        if self.fold == "per_month":
            daily = ("per_month",)
        return (self.said or self.name, *daily, *(("human",) if self.is_human(who) else ()))

    def is_human(self, who: Who) -> bool:
        """Whether an answer about `who` leaves robots out of it."""
        return self.has_twin and who == "human"

    def of_rows(self, number: int, who: Who) -> str:
        """Its parts in a query grouped by date: `a0`, and `b0` for what it is divided by."""
        fold = "avg" if self.fold == "mean" else "sum"
        parts = [f"{fold}({self._product(self.above or (self.name,), who)}) AS a{number}"]
        if self.below:
            parts.append(f"sum({self._product(self.below, who)}) AS b{number}")
        return ", ".join(parts)

    def of_day(self, number: int) -> str:
        """Its value from the parts of one date."""
        return f"a{number} / nullIf(b{number}, 0)" if self.below else f"a{number}"

    def of_days(self, number: int) -> str:
        """Its value from the parts of several dates."""
        match self.fold:
            case "ratio":
                return f"sum(a{number}) / nullIf(sum(b{number}), 0)"
            case "per_day" | "per_month" | "mean":
                return f"avg(a{number})"
            case "last":
                return f"argMax(a{number}, day)"
            case _:
                return f"sum(a{number})"

    def _product(self, columns: tuple[str, ...], who: Who) -> str:
        twin = _TWIN if self.is_human(who) else ""
        return " * ".join(f"rows.{column}{twin}" for column in columns)
