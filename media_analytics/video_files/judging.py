"""Whether a batch of files may be loaded.

Belongs here: the checks of a batch, their messages with the fix. Does not belong here: reading and committing
(`loading.py`), what makes a row bad (`spark_jobs/transforms/video_files.py`).
"""

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from media_analytics.contracts.audit import rules
from media_analytics.contracts.registry import table
from media_analytics.errors import MediaAnalyticsError
from media_analytics.video_files.landing import SourceFile
from media_analytics.video_files.reading import Facts, bronze
from spark_jobs.transforms import video_files as transform

LARGEST_REFUSED_SHARE = 0.05
# How many dates a message names.
_NAMED_DATES = 5
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:media-analytics:video-files")

EMPTY = "batch_is_not_empty"
ONE_DATE = "one_date_in_a_dated_batch"
FEW_REFUSED = "few_refused_rows"
KEEPS_CONTRACT = "keeps_the_contract_of_silver"
READABLE = "files_are_readable"
# Check of a bronze table -> what it means.
CHECKS: Mapping[str, str] = {
    READABLE: "Every file can be read and has the columns of its data set in their types.",
    EMPTY: "No batch (the flat files of a data set, or those of one date) is without rows.",
    ONE_DATE: "The rows of a dated folder, refused ones aside, are of the folder's date.",
    FEW_REFUSED: f"At most {LARGEST_REFUSED_SHARE:.0%} of the rows of a batch go to quarantine.",
    KEEPS_CONTRACT: "Rows that are not refused keep the contract of their silver table.",
}


@dataclass(frozen=True)
class Block:
    """A check that a batch failed; the message names the files, what was found and the fix."""

    dataset: str
    check: str
    message: str
    files: tuple[SourceFile, ...]


class BlockedError(MediaAnalyticsError):
    """At least one batch is blocked; nothing of the load was committed."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        """Keep the blocks; the message is all of theirs."""
        super().__init__("\n".join(f"{b.dataset}: {b.check}: {b.message}" for b in blocks))
        self.blocks = tuple(blocks)


@dataclass
class Batch:
    """Files that are judged together."""

    files: list[tuple[SourceFile, str]]
    facts: dict[str, Facts] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    refused_rows: int = 0

    @property
    def dataset(self) -> str:
        """The data set."""
        return self.files[0][0].dataset

    @property
    def folder_date(self) -> date | None:
        """The folder's date, if it has one."""
        return self.files[0][0].folder_date

    @property
    def batch_id(self) -> str:
        """Made of the files' addresses and contents: loading the same again gives the same."""
        return str(uuid.uuid5(_NAMESPACE, "|".join(f"{f.address}={content}" for f, content in self.files)))

    @property
    def rows(self) -> int:
        """Rows of all its files."""
        return sum(facts.rows for facts in self.facts.values())

    @property
    def source_files(self) -> tuple[SourceFile, ...]:
        """The files without their contents."""
        return tuple(f for f, _ in self.files)

    def told(self) -> str:
        """The files, for a message."""
        return ", ".join(f.address for f in self.source_files)


def judge(dataset: str, staged: DataFrame, batches: Mapping[str, Batch]) -> list[Block]:
    """The blocks of batches that have rows; what is refused is counted in the batches.

    Args:
        dataset: of the batches.
        staged: rows of all of them, in bronze's columns.
        batches: by batch id.
    """
    staged = staged.select(*bronze(dataset).column_names)
    silver = table(f"silver.{dataset}")
    broken = {
        f"{rule.column or 'row'}: {rule.name}": F.expr(rule.violation)
        for rule in rules(silver, "spark")
        if rule.violation is not None and rule.column not in transform.PROVENANCE
    }
    dates: dict[str, set[date]] = {name: set() for name in batches}
    violations: dict[str, Counter[str]] = {name: Counter() for name in batches}
    for row in transform.judged(dataset, staged, broken).collect():
        batch = batches[row["batch_id"]]
        if row["reasons"]:
            batch.refused_rows += row["rows"]
            batch.refused.update(dict.fromkeys(row["reasons"], row["rows"]))
        for name in row["broken"]:
            violations[row["batch_id"]][name] += row["rows"]
        dates[row["batch_id"]] |= set(row["dates"])
    return [
        block
        for name, batch in batches.items()
        for block in (
            _too_many_refused(batch),
            _other_dates(batch, dates[name]),
            _violations(batch, silver.full_name, violations[name]),
        )
        if block is not None
    ]


def empty(batch: Batch) -> Block:
    """The block of a batch without rows."""
    return Block(
        batch.dataset,
        EMPTY,
        f"{batch.told()}: no rows. Deliver the file again with its rows, or take it out of the folder if there is "
        "nothing to deliver; nothing was published",
        batch.source_files,
    )


def _too_many_refused(batch: Batch) -> Block | None:
    if batch.refused_rows <= LARGEST_REFUSED_SHARE * batch.rows:
        return None
    reasons = ", ".join(f"{reason} {count}" for reason, count in batch.refused.most_common())
    share = batch.refused_rows / batch.rows
    return Block(
        batch.dataset,
        FEW_REFUSED,
        f"{batch.told()}: {batch.refused_rows} of {batch.rows} rows ({share:.1%}) would go to quarantine, at most "
        f"{LARGEST_REFUSED_SHARE:.0%} may: {reasons}. Correct these columns at the source and deliver the file again; "
        "nothing was published",
        batch.source_files,
    )


def _other_dates(batch: Batch, dates: set[date]) -> Block | None:
    others = sorted(dates - {batch.folder_date})
    if batch.folder_date is None or not others:
        return None
    named = ", ".join(map(str, others[:_NAMED_DATES])) + (" ..." if len(others) > _NAMED_DATES else "")
    return Block(
        batch.dataset,
        ONE_DATE,
        f"{batch.told()}: rows of {named} in the folder of {batch.folder_date}. Put each date's rows into its own "
        "folder and deliver them again; nothing was published",
        batch.source_files,
    )


def _violations(batch: Batch, silver: str, violations: Counter[str]) -> Block | None:
    if not violations:
        return None
    told = ", ".join(f"{rule} ({count} rows)" for rule, count in violations.most_common())
    return Block(
        batch.dataset,
        KEEPS_CONTRACT,
        f"{batch.told()}: cleaned rows break the contract of {silver}: {told}. Correct these columns at the source and "
        "deliver the file again; nothing was published",
        batch.source_files,
    )
