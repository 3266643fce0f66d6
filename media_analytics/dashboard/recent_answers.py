"""What the API answers about the last half hour and the last day, as types.

Belongs here: members of a live mart. Does not belong here: the last five minutes (`answers.py`), days
(`report_answers.py`).
"""

from typing import Literal

from pydantic import Field

from media_analytics.dashboard.answers import Answer
from media_analytics.dashboard.report_answers import MeasureSaid, Who

RecentBy = Literal["brands", "articles", "sections", "sources", "countries", "videos"]
Window = Literal["30m", "24h"]


class RecentMember(Answer):
    """An article, a section, a source, a country or a brand with what was read of it in the window."""

    name: str = Field(description="Of an article its id or the page's path.")
    brand: str | None = Field(description="Of an article and of a section; null where brands are added up.")
    title: str | None = Field(description="Of an article the newest title that browsers showed.")
    values: dict[str, float | None]


class Recent(Answer):
    """The members with most of the first measure, at most ten. A visitor of two members counts for both."""

    by: RecentBy
    window: Window = Field(description="Minutes or hours up to now.")
    who: Who
    measures: list[MeasureSaid]
    members: list[RecentMember]
