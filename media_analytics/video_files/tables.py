"""Silver and gold of the video files, computed and published date by date.

Belongs here: which dates a run computes, write, audit, publish of a silver table with its quarantine and of a mart.
Does not belong here: formulas (`spark_jobs/transforms`), Dagster (`assets.py`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from media_analytics.checks.audit import Verdict, audit_staged, audit_types
from media_analytics.contracts.model import TableContract
from media_analytics.contracts.registry import table
from media_analytics.contracts.tables.video_raw import FACTS
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.resources.lake import Lake, Staged
from media_analytics.video_files import changes
from media_analytics.video_files.changes import Catalogue
from media_analytics.video_files.commits import OvertakenError
from media_analytics.video_files.publishing import publish, staged_rows
from media_analytics.video_files.reading import bronze
from spark_jobs.transforms import video_files as cleaning
from spark_jobs.transforms.days import around

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Scope:
    """What a run may use. `asked` are dates it computes even if nothing changed."""

    lake: Lake
    log: DeltaLog
    run_id: str
    now: datetime
    asked: tuple[date, ...] = ()


@dataclass(frozen=True)
class Published:
    """What a run did to a table. `version` is None when the audit failed; no dates and no whole: nothing was due."""

    contract: TableContract
    verdict: Verdict
    version: int | None
    dates: tuple[date, ...] = ()
    is_due: bool = True
    notes: Mapping[str, Any] = field(default_factory=dict)


BeforePublish = Callable[[TableContract, Staged, Sequence[date]], Mapping[str, Any]]


@dataclass(frozen=True)
class Mart:
    """A gold table. `facts` decide by date what is due; `reaches` says how many days a date's facts reach on."""

    contract: TableContract
    facts: tuple[TableContract, ...]
    catalogues: tuple[Catalogue, ...]
    transform: Callable[[Mapping[str, DataFrame], Sequence[date]], DataFrame]
    source_dates: Callable[[Sequence[date]], Sequence[date]]
    reaches: int = 0

    @property
    def catalogue_contracts(self) -> tuple[TableContract, ...]:
        """Tables of its catalogues."""
        return tuple(c.contract for c in self.catalogues)

    @property
    def inputs(self) -> tuple[TableContract, ...]:
        """Everything it is computed from."""
        return (*self.facts, *self.catalogue_contracts)


# -- silver


def publish_silver(scope: Scope, dataset: str) -> tuple[Published, Published]:
    """Bring silver and quarantine of a data set up to date with bronze, for the dates that changed there.

    Raises:
        OvertakenError: another run published meanwhile; this one wrote nothing, or only its refused rows.
    """
    raw, clean, bad = bronze(dataset), table(f"silver.{dataset}"), table(f"quarantine.{dataset}")
    version, since = scope.log.version(raw), changes.seen(scope.log, clean).get(raw.full_name, -1)
    is_fact = dataset in FACTS
    dates: tuple[date, ...] = ()
    if is_fact:
        # A commit of rows without a date changes quarantine only.
        dates = tuple(sorted({*changes.changed_dates(scope.log, raw, since), *scope.asked}))
    if not (changes.has_changed(scope.log, raw, since) or (is_fact and scope.asked)):
        return _nothing_due(clean), _nothing_due(bad)
    stood, bad_stood = scope.log.version(clean), scope.log.version(bad)
    # The newest rows: what came after `version` is seen again.
    rows = scope.lake.read(raw)
    if dataset == "delivery":
        dates = _with_copies(scope, rows, clean, dates, since)
    note = {changes.SEEN: {raw.full_name: version}}
    good = _clean_rows(scope, dataset, rows, dates).select(*clean.column_names)
    refused = cleaning.refused(dataset, _of(rows, dates, with_null=True) if is_fact else rows)
    drifted = audit_types(clean, good, _texts(dates))
    if not drifted.passed:
        return _failed(clean, drifted, dates), _nothing_due(bad)
    with scope.lake.suited_to(rows_of(scope, (raw,), dates)), _Staging(scope) as staging:
        staged_bad = staging.add(bad, refused.select(*bad.column_names))
        staged_good = staging.add(clean, good)
        bad_verdict, good_verdict = (
            audit_staged(scope.lake, s, _texts(dates), no_others=True) if staged_rows(s) else Verdict(0, 0)
            for s in (staged_bad, staged_good)
        )
        if not (bad_verdict.passed and good_verdict.passed):
            return _failed(clean, good_verdict, dates), _failed(bad, bad_verdict, dates)
        refuse_to_overtake(scope, clean, stood)
        bad_version = _publish_refused(scope, staged_bad, dates, bad_stood)
        # Silver last: its note says that all of this is done.
        good_version = publish(scope.lake, staged_good, dates, note, stood)
    return (
        Published(clean, good_verdict, good_version, dates, notes=_versions(note)),
        Published(bad, bad_verdict, bad_version, dates),
    )


def _publish_refused(scope: Scope, staged: Staged, dates: Sequence[date], stood: int) -> int:
    """Replace the refused rows of the dates, and those without a date; nothing replaces nothing without a commit."""
    contract = staged.contract
    if not staged_rows(staged) and not scope.log.row_counts(contract):
        return scope.log.version(contract)
    is_fact = contract.partition_column is not None
    return publish(scope.lake, staged, dates, {}, stood, with_null=is_fact)


def far_copies(scope: Scope, dates: Sequence[date]) -> int:
    """How many deliveries of `dates` stand a second time up to 35 days away: copies too far apart to be found."""
    clean = table("silver.delivery")
    stored = changes.stored_dates(scope.log, clean)
    near = sorted(stored & set(around(dates, cleaning.FAR_COPY_DAYS, cleaning.FAR_COPY_DAYS)))
    if len(near) < 2 or (near[-1] - near[0]).days <= cleaning.COPY_DAYS:
        return 0
    rows = scope.lake.read(clean, partitions=_texts(near)).select("delivery_id", "date")
    copies = rows.groupBy("delivery_id").agg(
        F.count(F.lit(1)).alias("copies"), F.bool_or(F.col("date").isin(list(dates))).alias("is_asked")
    )
    return int(copies.where("copies > 1 AND is_asked").count())


def _with_copies(
    scope: Scope, rows: DataFrame, clean: TableContract, dates: tuple[date, ...], since: int
) -> tuple[date, ...]:
    """`dates` and those near them that hold copies of their deliveries: which copy stands can have changed there.

    A copy that is gone since version `since` counts, too: it can have kept another from standing without standing.
    """
    near = _near(scope, dates)
    if not near or not dates:
        return dates
    raw = bronze("delivery")
    ids = _trimmed_ids(_of(rows, dates)).unionByName(
        scope.lake.read(clean, partitions=_texts(dates)).select("delivery_id", "date")
    )
    if scope.log.version(raw) > since >= 0 and set(dates) & changes.stored_dates(scope.log, raw, since):
        if not changes.is_readable(scope.log, raw, since, scope.now):
            return tuple(sorted({*dates, *near}))
        ids = ids.unionByName(_trimmed_ids(_of(scope.lake.read(raw, since), dates)))
    others = _trimmed_ids(_of(rows, near))
    found = others.join(ids, "delivery_id", "left_semi").select("date").distinct().collect()
    return tuple(sorted({*dates, *(row["date"] for row in found)}))


def _trimmed_ids(rows: DataFrame) -> DataFrame:
    return rows.select(F.trim("delivery_id", F.lit(cleaning.SPACE)).alias("delivery_id"), "date")


def _clean_rows(scope: Scope, dataset: str, rows: DataFrame, dates: Sequence[date]) -> DataFrame:
    """The good rows of `dates`, one of each key."""
    if dataset not in FACTS:
        return cleaning.chosen(dataset, _good(dataset, rows))
    own = _good(dataset, _of(rows, dates))
    near = _near(scope, dates) if dataset == "delivery" else ()
    if near:
        ids = own.select("delivery_id").distinct()
        copies = _good(dataset, _of(rows, near)).join(ids, "delivery_id", "left_semi")
        own = own.unionByName(copies)
    return _of(cleaning.chosen(dataset, own), dates)


def _near(scope: Scope, dates: Sequence[date]) -> tuple[date, ...]:
    stored = changes.stored_dates(scope.log, bronze("delivery"))
    return tuple(sorted((set(cleaning.source_dates(dates)) - set(dates)) & stored))


def _good(dataset: str, rows: DataFrame) -> DataFrame:
    known = rows.select(*bronze(dataset).column_names)
    return cleaning.normalised(dataset, known).where(F.size(cleaning.REASONS) == 0)


def _of(rows: DataFrame, dates: Sequence[date], *, with_null: bool = False) -> DataFrame:
    asked = F.col("date").isin(list(dates)) if dates else F.lit(False)
    return rows.where(asked | F.col("date").isNull() if with_null else asked)


# -- gold


def publish_mart(scope: Scope, mart: Mart, before_publish: BeforePublish) -> Published:
    """Bring a mart up to date: dates whose facts changed, or use an id whose shown columns changed.

    Raises:
        OvertakenError: another run published meanwhile; nothing was written.
    """
    before = changes.seen(scope.log, mart.contract)
    now = {contract.full_name: scope.log.version(contract) for contract in mart.inputs}
    stood = scope.log.version(mart.contract)
    dates = _due(scope, mart, before)
    if not dates:
        return _nothing_due(mart.contract)
    days = _texts(mart.source_dates(dates))
    # The newest rows: what came after `now` was read is seen again.
    frames = {c.full_name: scope.lake.read(c, partitions=days) for c in mart.facts}
    frames |= {c.contract.full_name: scope.lake.read(c.contract) for c in mart.catalogues}
    note = {changes.SEEN: now}
    rows = mart.transform(frames, dates)
    drifted = audit_types(mart.contract, rows, _texts(dates))
    if not drifted.passed:
        return _failed(mart.contract, drifted, dates)
    size = rows_of(scope, mart.facts, mart.source_dates(dates))
    with scope.lake.suited_to(size), _Staging(scope) as staging:
        staged = staging.add(mart.contract, rows)
        verdict = audit_staged(scope.lake, staged, _texts(dates), no_others=True)
        if not verdict.passed:
            return _failed(mart.contract, verdict, dates)
        refuse_to_overtake(scope, mart.contract, stood)
        notes = before_publish(mart.contract, staged, dates)
        version = publish(scope.lake, staged, dates, note, stood)
    return Published(mart.contract, verdict, version, dates, notes=_versions(note) | dict(notes))


def _due(scope: Scope, mart: Mart, before: Mapping[str, int]) -> tuple[date, ...]:
    due = set(scope.asked)
    for fact in mart.facts:
        due |= changes.changed_dates(scope.log, fact, before.get(fact.full_name, -1))
    for catalogue in mart.catalogues:
        since = before.get(catalogue.contract.full_name, -1)
        due |= changes.dates_using_changed_ids(scope.lake, scope.log, catalogue, since, scope.now)
    if mart.reaches and due:
        stored = set().union(*(changes.stored_dates(scope.log, fact) for fact in mart.facts))
        stored |= changes.stored_dates(scope.log, mart.contract)
        due |= {d + n * DAY for d in due for n in range(1, mart.reaches + 1)} & stored
    return tuple(sorted(due))


# -- shared


def rows_of(scope: Scope, contracts: Iterable[TableContract], dates: Sequence[date]) -> int:
    """Rows of these dates that are going to be read; of a table without dates all."""
    texts = set(_texts(dates))
    counts = ((c.partition_column, scope.log.row_counts(c)) for c in contracts)
    return sum(
        rows for column, found in counts for value, rows in found.items() if column is None or value in texts
    )


class _Staging:
    """Staged results of one run, removed at the end."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._staged: list[Staged] = []

    def __enter__(self) -> "_Staging":
        return self

    def __exit__(self, *error: object) -> None:
        for staged in self._staged:
            self._scope.lake.delete_staging(staged)

    def add(self, contract: TableContract, rows: DataFrame) -> Staged:
        """Write a result beside the lake."""
        staged = self._scope.lake.stage(contract, rows, self._scope.run_id, counted=False)
        self._staged.append(staged)
        return staged


def refuse_to_overtake(scope: Scope, contract: TableContract, stood: int) -> None:
    """What was computed from inputs as they were must not replace what was published meanwhile from newer ones."""
    if scope.log.version(contract) != stood:
        raise OvertakenError(contract)


def _nothing_due(contract: TableContract) -> Published:
    return Published(contract, Verdict(0, 0), None, is_due=False)


def _failed(contract: TableContract, verdict: Verdict, dates: Sequence[date]) -> Published:
    return Published(contract, verdict, None, tuple(dates))


def _versions(note: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    return {f"version of {name}": version for name, version in note[changes.SEEN].items()}


def _texts(dates: Sequence[date]) -> list[str]:
    return [d.isoformat() for d in dates]
