"""Numbers and times as people read them.

Belongs here: one function a unit; nothing is a dash. Does not belong here: where a number comes from.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta, tzinfo
from functools import cache
from importlib.resources import files
from itertools import pairwise

NOTHING = "\N{EN DASH}"
_SIZES = ("B", "kB", "MB", "GB", "TB")


def count(value: float | None) -> str:
    """`1,234`."""
    return NOTHING if value is None else f"{value:,.0f}"


def exact(value: float | None) -> str:
    """Up to three digits behind the point, none that says nothing: `1,234.5`."""
    return NOTHING if value is None else f"{value:,.3f}".rstrip("0").rstrip(".")


def rate(value: float | None) -> str:
    """A number a second: two digits below ten, one below a hundred, else none."""
    if value is None:
        return NOTHING
    digits = 0 if value == 0 or value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}"


def milliseconds(value: float | None) -> str:
    """`380 ms`, from a second on `1.25 s`."""
    if value is None:
        return NOTHING
    return f"{value:,.0f} ms" if abs(value) < 1000 else f"{value / 1000:,.2f} s"


def share(value: float | None) -> str:
    """A ratio as `2.97 %`."""
    return NOTHING if value is None else f"{100 * value:.2f} %"


def duration(seconds: float | None) -> str:
    """The largest unit that fits, and the next: `42 s`, `3 min 5 s`, `2 h 7 min`, `3 d 4 h`."""
    if seconds is None:
        return NOTHING
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    units = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
    for (size, name), (next_size, next_name) in pairwise(units):
        if whole >= size:
            rest = whole % size // next_size
            return f"{whole // size} {name}" + (f" {rest} {next_name}" if rest else "")
    return f"{whole} s"


def measure(value: float | None, unit: str) -> str:
    """A number of a report by its unit."""
    if value is None:
        return NOTHING
    match unit:
        case "share":
            return share(value)
        case "seconds":
            return duration(value) if value >= 60 else f"{value:.1f} s"
        case "milliseconds":
            return milliseconds(value)
        case "ratio":
            return f"{value:,.2f}"
        case "hours":
            return f"{value:,.1f} h"
        case "euros":
            return f"{value:,.2f} \N{EURO SIGN}"
        case "gigabytes":
            return size(value * 1e9)
        case _:
            return count(value) if value == int(value) else rate(value)


def change(value: float | None) -> str:
    """A change as `+4.2 %`; from a tenfold on `12 times`."""
    if value is None:
        return NOTHING
    return f"{100 * value:+.1f} %" if value < 9 else f"{value + 1:,.0f} times"


def size(value: float | None) -> str:
    """Bytes as `1.5 MB`; steps of 1000."""
    if value is None:
        return NOTHING
    step = 0
    while value >= 1000 and step < len(_SIZES) - 1:
        value, step = value / 1000, step + 1
    return f"{value:,.0f} {_SIZES[step]}" if step == 0 else f"{value:,.1f} {_SIZES[step]}"


def clock(instant: str | None, zone: tzinfo) -> str:
    """`13:03:09` of an instant in ISO 8601, in the reader's zone."""
    return NOTHING if instant is None else f"{datetime.fromisoformat(instant).astimezone(zone):%H:%M:%S}"


def day_and_clock(instant: str | None, zone: tzinfo) -> str:
    """`2026-01-31 13:03` of an instant in ISO 8601, in the reader's zone."""
    return (
        NOTHING if instant is None else f"{datetime.fromisoformat(instant).astimezone(zone):%Y-%m-%d %H:%M}"
    )


def days(first: str, last: str) -> str:
    """`1 Jan 2026 to 31 Jan 2026`; one date alone."""
    begin, end = (date.fromisoformat(day) for day in (first, last))
    said = f"{end.day} {end:%b %Y}"
    return said if begin == end else f"{begin.day} {begin:%b %Y} to {said}"


def month(first: str) -> str:
    """`Jan 2026` of its first date."""
    return f"{date.fromisoformat(first):%b %Y}"


def month_before(first: str) -> str:
    """The first date of the month before, from that of a month."""
    return (date.fromisoformat(first) - timedelta(days=1)).replace(day=1).isoformat()


def change_from(value: float | None, before: float | None) -> float | None:
    """How a value changed; None where there is nothing to compare."""
    return value / before - 1 if value is not None and before else None


def word(name: str) -> str:
    """`home_page` as `Home page`, `tv` as `TV`: what a catalogue or a rule calls a section, a source, a device."""
    said = name.replace("_", " ")
    return said.upper() if len(said) <= 2 else said[:1].upper() + said[1:]


def country(code: str) -> str:
    """`DE` as `Germany`, by ISO 3166-1 and the names that the tz database has for it; another text as a word."""
    return _countries().get(code) or word(code)


@cache
def _countries() -> Mapping[str, str]:
    listed = (files("tzdata") / "zoneinfo" / "iso3166.tab").read_text("utf-8").splitlines()
    return dict(line.split("\t", 1) for line in listed if not line.startswith("#"))


def brand(name: str) -> str:
    """`sport_bild` as `Sport Bild`."""
    return name.replace("_", " ").title()
