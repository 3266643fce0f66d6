"""What the API answers about articles, as types.

Belongs here: an article in a list, one article's life. Does not belong here: articles that are read now (`answers.py`).
"""

from datetime import date

from pydantic import Field

from media_analytics.dashboard.answers import Answer
from media_analytics.dashboard.report_answers import Compared, MeasureSaid, Who


class ArticleFound(Answer):
    """An article, or another page, with what was read of it on the dates."""

    brand: str
    page_key: str = Field(description="The article's id, or the page's path.")
    headline: str | None
    section: str
    page_views: int
    engaged_seconds_per_page_view: float | None = Field(description="Seconds.")


class DayOfArticle(Answer):
    """A date of an article."""

    date: date
    values: dict[str, float | None]


class SourceOfArticle(Answer):
    """Where its page views came from."""

    referrer_medium: str
    page_views: int


class HourOfArticle(Answer):
    """Page views from publication to the end of an hour, beside the median of its section's articles."""

    hour_number: int = Field(description="0 is the first hour.")
    page_views_so_far: int
    median_of_section: float


class ArticleLife(Answer):
    """One article: what it is, its measures by date, its sources, its first day."""

    brand: str
    page_key: str
    who: Who
    first: date
    last: date
    before_first: date
    before_last: date
    growing_from: date | None = Field(description="As in a report.")
    headline: str | None = Field(description="Null, too, when nobody read it on these dates.")
    section: str | None
    authors: list[str]
    is_premium: bool
    word_count: int | None
    measures: list[MeasureSaid]
    total: dict[str, Compared]
    days: list[DayOfArticle]
    sources: list[SourceOfArticle]
    first_hours: list[HourOfArticle] = Field(description="Empty for an article older than four weeks.")
