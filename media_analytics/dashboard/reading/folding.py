"""The queries that fold the days of a table into numbers.

Belongs here: SQL over parts by day. Does not belong here: the parts of a measure (`measures.py`), what is asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from media_analytics.dashboard.reading.measures import Measure
from media_analytics.dashboard.report_answers import Who

EVERYTHING = "''"


@dataclass(frozen=True)
class Folding:
    """Measures of a table of the warehouse with a column of dates.

    `where` narrows the rows, dates apart. A query wants the parameters `before`, `first` and `last`, and those of
    `where`. A `member` is an expression over `rows`; `EVERYTHING` is one for all rows.
    """

    table: str
    measures: Sequence[Measure]
    who: Who
    where: tuple[str, ...] = ()
    date: str = "date"

    def totals(self, member: str = EVERYTHING) -> str:
        """Whether it is the time before, the member, its values: one row a member for each of the two times."""
        values = ", ".join(m.of_days(n) for n, m in enumerate(self.measures))
        return (
            f"SELECT day < {{first:Date32}} AS is_before, member, {values} "
            f"FROM ({self._parts(member, 'before')}) GROUP BY is_before, member"
        )

    def days(self, member: str = EVERYTHING, only: str = "1") -> str:
        """Day, member and values, in order of both; `only` is a condition on `member`."""
        values = ", ".join(m.of_day(n) for n, m in enumerate(self.measures))
        return (
            f"SELECT day, member, {values} FROM ({self._parts(member, 'first')}) "
            f"WHERE {only} ORDER BY day, member"
        )

    def _parts(self, member: str, since: str) -> str:
        """The parts of each measure by day and member."""
        parts = ", ".join(m.of_rows(n, self.who) for n, m in enumerate(self.measures))
        day = f"rows.{self.date}"
        where = " AND ".join((f"{day} >= {{{since}:Date32}}", f"{day} <= {{last:Date32}}", *self.where))
        return (
            f"SELECT {day} AS day, {member} AS member, {parts} FROM warehouse.{self.table} AS rows "
            f"WHERE {where} GROUP BY day, member"
        )
