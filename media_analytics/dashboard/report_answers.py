"""What the API answers about numbers of days, as types.

Belongs here: reports: measures of a time, beside those of the time before. Does not belong here: live numbers, streams,
proofs (`answers.py`), which reports there are (`reading/catalogue.py`).
"""

from datetime import date
from typing import Literal

from pydantic import Field

from media_analytics.dashboard.answers import Answer

Who = Literal["human", "all"]
Unit = Literal["count", "share", "ratio", "seconds", "milliseconds", "hours", "euros", "gigabytes"]
ReportName = Literal[
    "overview", "months", "articles", "sections", "authors", "cohorts", "subscriptions", "conversions", "countries",
    "devices", "sources", "referrers", "videos", "video_sections", "video_revenue", "video_networks",
    "video_devices", "video_countries",
]  # fmt: skip
FileKind = Literal["csv", "parquet"]


class MeasureSaid(Answer):
    """A measure and what it means, in the words of its one definition."""

    name: str
    title: str
    means: str
    unit: Unit = Field(
        description="A share is a number from 0 to 1; seconds, hours and euros are what they say."
    )
    is_human: bool = Field(description="Robots are left out of it in this answer.")
    is_less_better: bool = Field(description="Fewer is better: bounces, cancellations.")


class Compared(Answer):
    """A measure of the time and of the time before. Null where there are no numbers."""

    value: float | None
    before: float | None
    change: float | None = Field(
        description="value / before - 1; null where there is nothing to compare, and where numbers still grow."
    )


class Member(Answer):
    """The measures of one member of a report's dimension."""

    name: str
    measures: dict[str, Compared]


class DayOf(Answer):
    """The measures of one date and member."""

    date: date
    name: str
    values: dict[str, float | None]


class Report(Answer):
    """Measures of the dates `first` to `last`, beside those of as many dates before them. Dates are UTC."""

    report: ReportName
    dimension: str = Field(description="What `members` are.")
    first: date
    last: date
    before_first: date
    before_last: date
    growing_from: date | None = Field(
        description="The first of these dates (of `months`: months) that is not published yet, so that its numbers "
        "still grow; then nothing is compared. A date is published at 03:00 UTC of the next one."
    )
    newest: date | None = Field(description="The newest date with numbers; null when there are none at all.")
    brands: list[str] = Field(description="Brands that were counted; empty where the table knows no brands.")
    who: Who
    measures: list[MeasureSaid]
    total: dict[str, Compared] = Field(description="Of `cohorts`: of the week after the first.")
    members: list[Member] = Field(
        description="The 50 with most of the first measure, most of the asked one first; weeks in their order."
    )
    days: list[DayOf] = Field(description="Of the first eight members, date by date; of all weeks.")


class ReportSaid(Answer):
    """A report that can be asked for."""

    name: ReportName
    dimension: str
    has_brands: bool = Field(description="Whether the brand filter applies.")
    measures: list[MeasureSaid]


class Reports(Answer):
    """Every report, and what filters may say. Without dates an answer is about the newest 28 that are published."""

    brands: list[str]
    first: date
    last: date
    reports: list[ReportSaid]
