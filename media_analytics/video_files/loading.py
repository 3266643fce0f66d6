"""Files of a landing folder into bronze.

Belongs here: the one way files are loaded: read, stage, judge, commit, record. Does not belong here: what a file looks
like (`reading.py`), what makes a row bad (`spark_jobs/transforms/video_files.py`), Dagster.

Effects of a load, in this order; a crash between two of them is repaired by loading again:
1. stage   the rows of every file whose content is new, beside the lake;
2. judge   each batch: not empty, one date in a dated folder, few refused rows, what is left keeps silver's contract;
3. commit  a data set's files in one commit that takes the place of earlier rows of the same files;
4. record  the files in the ledger.
A batch that is blocked keeps the whole load from being committed; it is recorded, and judged again when it is loaded
again.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable
from pyarrow import fs
from pyarrow import parquet as pq

from media_analytics.contracts.tables.video_raw import DATASETS
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.resources.lake import STAGING, Lake
from media_analytics.settings import Settings
from media_analytics.video_files import judging, ledger
from media_analytics.video_files.commits import commit, table_at
from media_analytics.video_files.judging import READABLE, Batch, Block, BlockedError
from media_analytics.video_files.landing import SourceFile, discover, opened, sha256
from media_analytics.video_files.reading import FileError, Reading, Stamp, bronze, header_of, schema_of


@dataclass
class Loaded:
    """What a load did. `versions` are those of bronze by data set; data sets without new files are absent."""

    batches: list[Batch] = field(default_factory=list)
    versions: dict[str, int] = field(default_factory=dict)
    unchanged_files: int = 0


@dataclass(frozen=True)
class Loader:
    """Loads files into one lake."""

    settings: Settings
    lake: Lake
    log: DeltaLog
    run_id: str
    now: datetime

    def load(self, path: str, dates: Iterable[date] = (), units: Sequence[str] | None = None) -> Loaded:
        """Load every file of a folder whose content does not stand in bronze.

        Args:
            path: of the folder.
            dates: of dated folders only these; none: all.
            units: what to load (`flat`, dates); None: everything.

        Raises:
            LandingError: the folder is not what a landing folder looks like.
            BlockedError: a batch is blocked; nothing was committed.
            OvertakenError: another run loads at the same time; loading again repairs what this one left.
        """
        # Before the ledger and the files are looked at: whoever commits after that has seen what this load has not.
        bases = {dataset: table_at(self.lake, bronze(dataset)) for dataset in DATASETS}
        found = discover(path, dates, self.settings.video.store)
        batches, unchanged = self._new_batches(
            [file for file in found if units is None or file.unit in units]
        )
        done = Loaded(batches, unchanged_files=unchanged)
        if not batches:
            return done
        by_dataset: dict[str, list[Batch]] = {}
        for batch in batches:
            by_dataset.setdefault(batch.dataset, []).append(batch)
        try:
            blocks = [b for dataset, own in by_dataset.items() for b in self._stage_and_judge(dataset, own)]
            if blocks:
                self._record_blocked(batches, blocks)
                raise BlockedError(blocks)
            for dataset, own in by_dataset.items():
                done.versions[dataset] = self._commit(dataset, own, bases[dataset])
        finally:
            for dataset in by_dataset:
                self._delete_staging(dataset)
        entries = [e for batch in batches for e in _entries(batch)]
        ledger.record(self.settings, entries, self.run_id, self.now)
        return done

    def _new_batches(self, files: Sequence[SourceFile]) -> tuple[list[Batch], int]:
        """Batches of files whose content is new. A changed file of a dated batch is judged by itself.

        A file with the stamp of the loaded one is not read: the history of a folder costs a look at its names.
        """
        known = ledger.standing(self.log)
        batches: dict[tuple[str, date | None], Batch] = {}
        unchanged = 0
        for file in files:
            if known.stamps.get(file.address) == file.stamp:
                unchanged += 1
                continue
            content = sha256(file)
            if known.loaded.get(file.address) == content:
                unchanged += 1
                continue
            batches.setdefault(file.batch, Batch([])).files.append((file, content))
        return list(batches.values()), unchanged

    # -- staging

    def _stage_and_judge(self, dataset: str, batches: Sequence[Batch]) -> list[Block]:
        blocks = self._stage(dataset, batches)
        if blocks:
            return blocks
        blocks = [judging.empty(batch) for batch in batches if batch.rows == 0]
        full = {batch.batch_id: batch for batch in batches if batch.rows > 0}
        if full:
            staged = self.lake.spark.read.parquet(self._staging(dataset))
            with self.lake.suited_to(sum(batch.rows for batch in full.values())):
                blocks += judging.judge(dataset, staged, full)
        return blocks

    def _stage(self, dataset: str, batches: Sequence[Batch]) -> list[Block]:
        """Write the rows of all files; what cannot be read is blocked before anything is written."""
        blocks: list[Block] = []
        unknown: set[str] = set()
        for batch in batches:
            for file, _ in batch.files:
                try:
                    unknown |= set(header_of(file).unknown)
                except FileError as error:
                    blocks.append(Block(dataset, READABLE, str(error), (file,)))
        if blocks:
            return blocks
        schema = schema_of(dataset, sorted(unknown))
        # A run that was killed and begins anew under its id must not commit what it had staged then.
        self._delete_staging(dataset)
        self.lake.delete_abandoned(bronze(dataset))
        system, folder = opened(self._staging(dataset))
        system.create_dir(folder, recursive=True)
        for number, (batch, file) in enumerate((b, f) for b in batches for f in b.source_files):
            reading = Reading(file, Stamp(batch.batch_id, self.now), schema)
            try:
                _write(system, f"{folder}/part-{number:06d}.parquet", reading)
            except FileError as error:
                blocks.append(Block(dataset, READABLE, str(error), (file,)))
            batch.facts[file.address] = reading.facts
        return blocks

    def _staging(self, dataset: str) -> str:
        contract = bronze(dataset)
        root = self.settings.lake.url.rstrip("/")
        return f"{root}/{STAGING}/{contract.layer}/{contract.name}/{self.run_id}"

    def _delete_staging(self, dataset: str) -> None:
        system, folder = opened(self._staging(dataset))
        if system.get_file_info(folder).type != fs.FileType.NotFound:
            system.delete_dir(folder)

    # -- committing

    def _commit(self, dataset: str, batches: Sequence[Batch], base: DeltaTable) -> int:
        """One commit: rows of these files that stand already go, the staged ones come."""
        addresses = sorted(f.address for b in batches for f in b.source_files)
        system, folder = opened(self._staging(dataset))
        staged = ds.dataset(folder, format="parquet", filesystem=system)
        rows = pa.RecordBatchReader.from_batches(staged.schema, staged.to_batches(batch_readahead=2))
        standing = base.to_pyarrow_dataset().filter(ds.field("source_file").isin(addresses))
        stands = bool(standing.head(1, columns=["source_file"]).num_rows)
        texts = ", ".join("'" + address.replace("'", "''") + "'" for address in addresses)
        return commit(
            bronze(dataset),
            base,
            rows,
            {"run_id": self.run_id, "files": len(addresses)},
            predicate=f"source_file IN ({texts})" if stands else None,
            append=not stands,
            new_columns=True,
        )

    def _record_blocked(self, batches: Sequence[Batch], blocks: Sequence[Block]) -> None:
        messages = {f.address: f"{b.check}: {b.message}" for b in blocks for f in b.files}
        entries = [
            ledger.Entry(
                file, content, ledger.BLOCKED, batch.batch_id, batch.rows, message=messages[file.address]
            )
            for batch in batches
            for file, content in batch.files
            if file.address in messages
        ]
        ledger.record(self.settings, entries, self.run_id, self.now)


def _write(system: fs.FileSystem, path: str, reading: Reading) -> None:
    with system.open_output_stream(path) as sink, pq.ParquetWriter(sink, reading.schema) as writer:
        for batch in reading.batches():
            writer.write_batch(batch)


def _entries(batch: Batch) -> Iterator[ledger.Entry]:
    for file, content in batch.files:
        facts = batch.facts[file.address]
        yield ledger.Entry(
            file,
            content,
            ledger.LOADED,
            batch.batch_id,
            facts.rows,
            facts.unparsed_rows,
            facts.unknown_columns,
        )
