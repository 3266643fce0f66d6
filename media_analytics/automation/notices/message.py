"""One notice and its words: what happened, why, since when, what it blocks, where to look.

Belongs here: the notice and its text for each channel. Does not belong here: when there is one (`runs.py`,
`promises.py`), sending (`media_analytics.resources.channels`).

A notice leaves the platform, so it quotes an error only where the text is ours: others may quote rows.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel

from media_analytics.environments.operations import Environment, Occasion

Kind = Literal["start", "success", "failure", "long-run", "sla", "late"]
# Which runbook a kind has, and on which occasion it is told.
RUNBOOKS: Mapping[Kind, str] = {
    "start": "pipeline-run",
    "success": "pipeline-run",
    "failure": "run-failure",
    "long-run": "long-run",
    "sla": "sla",
    "late": "late",
}
# Checks that have a page of their own in docs/runbooks.
CHECKS_WITH_A_PAGE = frozenset(
    ("contract", "completeness", "lag", "liveness", "no_anomaly", "parity", "timely")
)
OCCASIONS: Mapping[Kind, Occasion] = {
    "start": "start",
    "success": "success",
    "failure": "failure",
    "long-run": "failure",
    "sla": "failure",
    "late": "failure",
}
MOST_NAMES = 12
MOST_CHARACTERS = 600


class Notice(BaseModel):
    """What people are told. `notice_id` tells two notices apart; the same id is told once."""

    notice_id: str
    kind: Kind
    subject: str
    what: str
    why: str
    since: datetime
    blocks: tuple[str, ...] = ()
    run_id: str | None = None
    # The page of docs/runbooks where one fits better than the kind's: that of a failed check.
    runbook: str | None = None
    noticed_at: datetime

    @property
    def occasion(self) -> Occasion:
        """Whether it is told as a start, a success or a failure."""
        return OCCASIONS[self.kind]


class Links(BaseModel):
    """Where readers find runs and runbooks."""

    environment: Environment
    dagster_url: str
    runbooks_url: str

    def run(self, run_id: str) -> str:
        """The page of a run."""
        return f"{self.dagster_url.rstrip('/')}/runs/{run_id}"

    def runbook(self, notice: Notice) -> str:
        """The page that says what to do."""
        return f"{self.runbooks_url.rstrip('/')}/{notice.runbook or RUNBOOKS[notice.kind]}.md"


def subject(notice: Notice, links: Links) -> str:
    """One line without control characters: a line break would start another header."""
    return re.sub(r"[\x00-\x1f\x7f]+", " ", f"[{links.environment}] {notice.subject}")[:200]


def body(notice: Notice, links: Links) -> str:
    """The text of an e-mail."""
    lines = [f"{label + ':':<9} {text}" for label, text in _parts(notice, links)]
    return "\n".join(lines) + "\n"


def slack(notice: Notice, links: Links) -> dict[str, str]:
    """The body of a webhook's request. `&`, `<` and `>` mean something in Slack's text."""
    lines = [f"*{_escaped(subject(notice, links))}*"]
    lines += [f"*{label}* {_escaped(text)}" for label, text in _parts(notice, links)]
    return {"text": "\n".join(lines)}


def message_id(notice: Notice, links: Links) -> str:
    """The same for every attempt to send one notice, so that a mailbox can recognise a repetition."""
    digest = hashlib.sha256(f"{links.environment} {notice.notice_id}".encode()).hexdigest()
    return f"<{digest[:40]}@media-analytics>"


def names(values: Sequence[str]) -> str:
    """Names in a row; many are counted."""
    shown = ", ".join(values[:MOST_NAMES])
    return f"{shown} and {len(values) - MOST_NAMES} more" if len(values) > MOST_NAMES else shown


def short(text: str) -> str:
    """One paragraph of bounded length."""
    flat = re.sub(r"\s+", " ", text).strip()
    return flat if len(flat) <= MOST_CHARACTERS else f"{flat[:MOST_CHARACTERS]} ..."


def moment(at: datetime) -> str:
    """An instant as people read it."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _parts(notice: Notice, links: Links) -> list[tuple[str, str]]:
    parts = [("What", notice.what), ("Why", notice.why), ("Since", moment(notice.since))]
    if notice.occasion == "failure":
        count = f" ({len(notice.blocks)})" if notice.blocks else ""
        parts.append(("Blocks", f"{names(notice.blocks)}{count}" if notice.blocks else "no other table"))
    if notice.run_id is not None:
        parts.append(("Run", links.run(notice.run_id)))
    return [*parts, ("Runbook", links.runbook(notice))]


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
