"""Generating a set of source files.

Belongs here: which chunks go to which file. Does not belong here: rows (`catalogues`, `facts`), wrong rows (`dirt`),
bytes (`files`). Memory is bounded by a chunk, whatever the number of rows.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa

from media_analytics.errors import MediaAnalyticsError
from media_analytics.generators.video import catalogues, dirt, facts, files
from media_analytics.generators.video.chance import Stream
from media_analytics.generators.video.options import Format, Generated, Layout, Options, share_of_day
from media_analytics.generators.video.schemas import SCHEMAS, schema

CHUNK_ROWS = 250_000
# Rows done, rows of all files.
Progress = Callable[[int, int], None]
_FACTS = {"delivery": facts.delivery, "metrics": facts.metrics}


def generate(options: Options, folder: Path, progress: Progress | None = None) -> Generated:
    """Write the files; the same options give the same bytes (with the same versions of numpy and pyarrow).

    Raises:
        MediaAnalyticsError: the folder holds something already: old files beside new ones would be one set.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise MediaAnalyticsError(f"{folder} is not an empty folder; name another one with --to, or empty it")
    result = Generated()
    total = options.rows + options.metrics_count
    done = 0
    for dataset in SCHEMAS:
        for days in _files(options):
            day = None if options.layout == Layout.FLAT else options.date(days[0])
            path = files.path_of(folder, dataset, day, options.format)
            columns = schema(dataset, with_new=options.has_new_columns(days[-1]))
            zones = Stream(options.seed, "zones", dataset, days[0])
            with files.opened(path, columns, zones) as writer:
                for table, copies in _chunks(dataset, options, days):
                    number = result.rows[dataset]
                    spoiled = _spoiled(table, dataset, options, number)
                    writer.write(spoiled.table, spoiled.texts)
                    result.rows[dataset] += table.num_rows
                    result.copies[dataset] += copies
                    result.dirty.setdefault(dataset, Counter()).update(spoiled.kinds)
                    done += table.num_rows if dataset in _FACTS else 0
                    if progress is not None:
                        progress(done, total)
            result.files += 1
            result.bytes += path.stat().st_size
    return result


def _files(options: Options) -> list[list[int]]:
    """The days of each file of a dataset."""
    days = list(range(options.days))
    return [days] if options.layout == Layout.FLAT else [[day] for day in days]


def _chunks(dataset: str, options: Options, days: list[int]) -> Iterator[tuple[pa.Table, int]]:
    for day in days:
        if dataset not in _FACTS:
            yield catalogues.catalogue(dataset, options, day), 0
            continue
        rows = share_of_day(
            options.rows if dataset == "delivery" else options.metrics_count, options.days, day
        )
        chunks = max(1, -(-rows // CHUNK_ROWS))
        for chunk in range(chunks):
            yield _FACTS[dataset](options, day, chunk, chunks, share_of_day(rows, chunks, chunk))


def _spoiled(table: pa.Table, dataset: str, options: Options, number: int) -> dirt.Spoiled:
    chance = Stream(options.seed, "dirt", dataset, number)
    return dirt.spoil(table, dataset, options.dirty, chance, csv=options.format == Format.CSV)
