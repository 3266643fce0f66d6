"""What happened to video files and to the tables made of them (layer `ops`).

Belongs here: the ledger of loaded files, what maintenance did. Does not belong here: rows of files (`video_raw.py`).
"""

from datetime import timedelta

from pandera.pandas import DataFrameModel

from media_analytics.contracts.model import Daily
from media_analytics.contracts.rules import (
    EARLIEST_DAY,
    LATEST_DAY,
    SHA256,
    Day,
    Instant,
    Int64,
    Text,
    TextList,
    column,
)
from media_analytics.contracts.tables.operations import ops_table
from media_analytics.contracts.tables.video_raw import BATCH, DATASETS

OWNER = "team:video-analytics"


class LoadedFile(DataFrameModel):
    """A version of a file in a landing folder, and what became of it."""

    source_file: Text = column("Address of the file.")
    content_sha256: Text = column("SHA-256 of its bytes.", str_matches=SHA256)
    file_stamp: Text = column(
        "Its size and times: while they stay the same it is not read again. Null: it was changed moments before.",
        nullable=True,
    )
    dataset: Text = column("Data set the file belongs to.", isin=DATASETS)
    folder_date: Day = column("Date in the folder's name.", nullable=True)
    status: Text = column("Whether its rows stand in bronze.", isin=("loaded", "blocked"))
    message: Text = column("Why it was blocked, with the fix.", nullable=True)
    rows: Int64 = column("Rows of the file.", ge=0)
    unparsed_rows: Int64 = column("Rows with a value that did not parse.", ge=0)
    unknown_columns: TextList = column("Columns of the file that no contract knows; they are kept.")
    batch_id: Text = column("Files that were loaded together.", provenance=True, longest=BATCH)
    run_id: Text = column("Dagster's run.", provenance=True)
    loaded_date: Day = column(
        "Date of loaded_at.", derived_from="loaded_at", provenance=True, ge=EARLIEST_DAY, le=LATEST_DAY
    )
    loaded_at: Instant = column("When it was loaded or blocked.", provenance=True)

    class Config:
        """One row per file, content and load."""

        strict = True
        unique = ("source_file", "content_sha256", "loaded_at")


class Maintenance(DataFrameModel):
    """What maintenance did to a video table."""

    table: Text = column("Table that was maintained.", longest=256)
    run_id: Text = column("Dagster's run.")
    version: Int64 = column("Delta version after it.", ge=0)
    compacted_dates: Int64 = column("Dates written anew in order; 1 for a table without dates.", ge=0)
    deleted_files: Int64 = column("Files that no version of the last 7 days needs.", ge=0)
    files_before: Int64 = column("Files of the newest version before.", ge=0)
    files_after: Int64 = column("Files of the newest version after.", ge=0)
    size_bytes_before: Int64 = column("Their bytes before.", ge=0)
    size_bytes_after: Int64 = column("Their bytes after.", ge=0)
    day_files_before: Int64 = column("Files that a query of the newest date reads, before.", ge=0)
    day_files_after: Int64 = column("Files that a query of the newest date reads, after.", ge=0)
    day_bytes_before: Int64 = column("Bytes that a query of the newest date reads, before.", ge=0)
    day_bytes_after: Int64 = column("Bytes that a query of the newest date reads, after.", ge=0)
    maintained_date: Day = column(
        "Date of maintained_at.", derived_from="maintained_at", ge=EARLIEST_DAY, le=LATEST_DAY
    )
    maintained_at: Instant = column("When.", provenance=True)

    class Config:
        """One row per table and run."""

        strict = True
        unique = ("table", "run_id")


CONTRACTS = (
    ops_table(
        "video_files",
        LoadedFile,
        Daily("loaded_date", stored="loaded_date"),
        ("loaded_at", "source_file"),
        timedelta(days=1),
        owner=OWNER,
    ),
    ops_table(
        "video_maintenance",
        Maintenance,
        Daily("maintained_date", stored="maintained_date"),
        ("table", "maintained_at"),
        timedelta(days=1),
        owner=OWNER,
    ),
)
