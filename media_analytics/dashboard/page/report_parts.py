"""What pages of reports are made of.

Belongs here: measures with their change and meaning, the course by date, members compared, files. Does not belong here:
which report a page shows.
"""

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from media_analytics.dashboard.page import filters, numbers
from media_analytics.dashboard.page.client import Client
from media_analytics.dashboard.page.filters import Chosen
from media_analytics.dashboard.page.parts import Cell, come_back, lines_by_day, renewed, table
from media_analytics.errors import ServiceError

# Numbers of days change once an hour.
RENEW_SECONDS = 15.0
# Two stand beside each other on a phone.
_METRIC_PIXELS = 171
_FILES = {"csv": ("CSV", "text/csv"), "parquet": ("Parquet", "application/vnd.apache.parquet")}
NO_NUMBERS = (
    "There are no numbers yet. They are made once an hour from what readers did; the first ones stand here about an "
    "hour after the first visit."
)
Named = Callable[[str], str]


def catalogue(client: Client) -> dict[str, Any] | None:
    """Reports and their measures; without the API the page says so, comes back by itself, and this is None."""
    try:
        found: dict[str, Any] = client.get("/v1/reports")
    except ServiceError:
        come_back(lambda: bool(client.get("/v1/reports")))
        return None
    return found


def said(known: dict[str, Any], report: str) -> dict[str, Any]:
    """A report's entry."""
    return next(r for r in known["reports"] if r["name"] == report)


def section(
    client: Client,
    known: dict[str, Any],
    report: str,
    chosen: Chosen,
    *,
    named: Named = str,
    heading: str = "",
    shows_total: bool = True,
) -> None:
    """A report: its measures, one of them by date, its members, its files."""
    entry = said(known, report)
    titles = {m["name"]: m["title"] for m in entry["measures"]}
    if heading:
        st.subheader(heading)
    top = st.container()
    measure = st.selectbox(
        "Shown by date, most of it first",
        list(titles),
        format_func=titles.__getitem__,
        key=f"{report}_measure",
        bind="query-params",
    )

    def found() -> dict[str, Any]:
        return asked(client, report, chosen, str(measure))

    if shows_total:
        with top:
            renewed_slowly(lambda: _total(found()))
    renewed_slowly(lambda: course(found(), str(measure), named))
    renewed_slowly(lambda: members(found(), named))
    files(client, report, chosen)


def renewed_slowly(part: Callable[[], None]) -> None:
    """Show a part and renew it as often as numbers of days want it."""
    renewed(part, RENEW_SECONDS)


def asked(client: Client, report: str, chosen: Chosen, order: str | None = None) -> dict[str, Any]:
    """The report of the chosen dates; members in the order of a measure."""
    found: dict[str, Any] = client.get(f"/v1/reports/{report}", order=order, **chosen.parameters)
    return found


def _total(found: dict[str, Any]) -> None:
    if has_numbers(found):
        metrics(found)
        caption_of_dates(found)


def metrics(found: dict[str, Any]) -> None:
    """Each measure with its change and, under a question mark, its meaning."""
    with st.container(horizontal=True):
        for one in found["measures"]:
            now = found["total"][one["name"]]
            st.metric(
                one["title"],
                numbers.measure(now["value"], one["unit"]),
                None if now["change"] is None else numbers.change(now["change"]),
                delta_color="inverse" if one["is_less_better"] else "normal",
                help=one["means"],
                width=_METRIC_PIXELS,
            )


def caption_of_dates(found: dict[str, Any]) -> None:
    """Which dates are compared, or why none are, and when a date begins for this reader."""
    shown = numbers.days(found["first"], found["last"])
    growing = found["growing_from"]
    if growing is None:
        st.caption(
            f"{shown}, compared with {numbers.days(found['before_first'], found['before_last'])}. "
            f"{filters.days_are_utc()}"
        )
        return
    st.caption(
        f"{shown}, not compared with the time before: from {numbers.days(growing, growing)} on, numbers still grow. "
        f"A date is over at 03:00 UTC of the next one. {filters.days_are_utc()}"
    )


def has_numbers(found: dict[str, Any], not_yet: str = NO_NUMBERS) -> bool:
    """Whether there are any of the chosen dates; says what a person can do where not."""
    if found["newest"] is None:
        st.info(not_yet)
    elif not any(m["value"] is not None for m in found["total"].values()):
        st.info(
            f"Nothing was counted from {numbers.days(found['first'], found['last'])} for this choice. The newest "
            f"date with numbers is {numbers.days(found['newest'], found['newest'])}: choose other dates or more "
            "brands."
        )
    else:
        return True
    return False


def course(found: dict[str, Any], measure: str, named: Named) -> None:
    """One measure by date, a line for each member."""
    one = next(m for m in found["measures"] if m["name"] == measure)
    factor, unit = (100, "%") if one["unit"] == "share" else (1, _UNITS.get(one["unit"], ""))
    points = [
        {"date": d["date"], "of": named(d["name"]), "value": factor * d["values"][measure]}
        for d in found["days"]
        if d["values"][measure] is not None
    ]
    if points:
        title = f"{one['title']} ({unit})" if unit else one["title"]
        lines_by_day(points, x="date", y="value", series="of", y_title=title)
    st.caption(one["means"])


# What people call a dimension whose column has another name.
_DIMENSIONS = {
    "cdn": "network",
    "country_code": "country",
    "device_type": "device",
    "referrer_medium": "kind of source",
    "referrer_source": "source",
    "tier": "kind",
    "week_number": "week",
}
_UNITS = {"seconds": "s", "milliseconds": "ms", "hours": "h", "euros": "\N{EURO SIGN}", "gigabytes": "GB"}


def members(found: dict[str, Any], named: Named) -> None:
    """Each member with its measures and their changes."""
    measures = found["measures"]
    dimension = _DIMENSIONS.get(found["dimension"], found["dimension"])
    heads = [dimension.capitalize()]
    for one in measures:
        heads += [f"{one['title']}#", "Change#"]
    table(
        f"By {dimension}, {numbers.days(found['first'], found['last'])}",
        heads,
        [_row(member, measures, named) for member in found["members"]],
        nothing="Nothing was counted.",
    )


def _row(member: dict[str, Any], measures: Sequence[dict[str, Any]], named: Named) -> list[str]:
    cells = [named(member["name"])]
    for one in measures:
        of = member["measures"][one["name"]]
        cells += [numbers.measure(of["value"], one["unit"]), coloured(of["change"], one["is_less_better"])]
    return cells


def coloured(change: float | None, is_less_better: bool) -> Cell:
    """A change, green where it is a good one."""
    text = numbers.change(change)
    if not change:
        return Cell(text)
    return Cell(text, "green" if (change > 0) != is_less_better else "red")


def files(client: Client, report: str, chosen: Chosen) -> None:
    """The rows of a report as files; they are asked for when somebody wants them."""
    with st.container(horizontal=True):
        for kind, (label, media_type) in _FILES.items():

            def content(kind: str = kind) -> bytes:
                return client.content(f"/v1/reports/{report}/rows", kind=kind, **chosen.parameters)

            st.download_button(
                label,
                content,
                file_name=f"{report}_{chosen.first}_{chosen.last}_{chosen.who}.{kind}",
                mime=media_type,
                key=f"{report}_{kind}",
                on_click="ignore",
            )


def meanings(known: dict[str, Any], *reports: str) -> None:
    """Every measure of a page in one sentence: a phone has no hover."""
    with st.expander("What these numbers mean"):
        means = {m["title"]: m["means"] for report in reports for m in said(known, report)["measures"]}
        for title, sentence in means.items():
            st.markdown(f"**{title}**: {sentence}")
