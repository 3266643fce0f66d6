"""What to generate, and what was generated.

Belongs here: the two records and the bounds of the first. Does not belong here: how.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

from media_analytics.errors import MediaAnalyticsError

FIRST_DATE = date(2026, 1, 1)
# Above 5 % a batch is held back as a whole; a higher share is allowed to show exactly that.
MOST_DIRTY = 0.5


class Format(StrEnum):
    """Kinds of files."""

    PARQUET = "parquet"
    CSV = "csv"


class Layout(StrEnum):
    """How files stand in the folder: one a dataset, or `<dataset>/date=YYYY-MM-DD/`."""

    FLAT = "flat"
    DATED = "dated"


@dataclass(frozen=True)
class Options:
    """A set of source files.

    `rows` are delivery rows of all days together, copies and dirty rows included; `metrics` likewise (default a fifth),
    `assets` and `devices` different ids. `dirty` is the share of each file's rows that must end in quarantine, rounded
    down. `new_columns_from` is the number of the first day (from 1) whose facts have the newer player's columns.
    """

    days: int = 7
    rows: int = 100_000
    seed: int = 1
    metrics: int | None = None
    assets: int | None = None
    devices: int | None = None
    first_date: date = FIRST_DATE
    dirty: float = 0.01
    copies: float = 0.005
    new_columns_from: int | None = None
    format: Format = Format.PARQUET
    layout: Layout = Layout.FLAT

    def __post_init__(self) -> None:
        for name, value, least in (("days", self.days, 1), ("rows", self.rows, 1), ("seed", self.seed, 0)):
            if value < least:
                raise MediaAnalyticsError(f"{name} is {value}; expected {least} or more")
        for name, share in (("dirty", self.dirty), ("copies", self.copies)):
            if not 0 <= share <= MOST_DIRTY:
                raise MediaAnalyticsError(f"{name} is {share:g}; expected a share from 0 to {MOST_DIRTY:g}")

    def date(self, day: int) -> date:
        """Date of a day, the first is 0."""
        return self.first_date + timedelta(days=day)

    def has_new_columns(self, day: int) -> bool:
        """Whether the facts of the day have the newer player's columns."""
        return self.new_columns_from is not None and day + 1 >= self.new_columns_from

    @property
    def asset_count(self) -> int:
        """Different assets: one for 20 deliveries, at most 50,000."""
        return self.assets or min(50_000, max(40, self.rows // 20))

    @property
    def device_count(self) -> int:
        """Different devices of the catalogue: one for 50 deliveries, at most 5,000."""
        return self.devices or min(5_000, max(20, self.rows // 50))

    @property
    def metrics_count(self) -> int:
        """Metrics rows of all days together."""
        return self.rows // 5 if self.metrics is None else self.metrics


def share_of_day(total: int, days: int, day: int) -> int:
    """Rows of one day when the total is spread evenly."""
    return total * (day + 1) // days - total * day // days


@dataclass
class Generated:
    """Rows written for each dataset, and of those the dirty ones by kind and the copies."""

    rows: Counter[str] = field(default_factory=Counter)
    dirty: dict[str, Counter[str]] = field(default_factory=dict)
    copies: Counter[str] = field(default_factory=Counter)
    files: int = 0
    bytes: int = 0
