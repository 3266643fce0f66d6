"""Rows of deliveries and metrics, a chunk at a time.

Belongs here: what happened on a day: who asked for what, from where, how it went; copies near and far; ids no catalogue
has. Does not belong here: dirty rows, files.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from media_analytics.generators.video import catalogues, world
from media_analytics.generators.video.chance import Ints, Stream
from media_analytics.generators.video.options import Options
from media_analytics.generators.video.schemas import schema

# Shares of deliveries whose asset, device or place is in no catalogue, and that name none.
UNKNOWN_SHARE = 0.002
NULL_SHARE = 0.001
# Days back of a copy: in its own chunk, on the next days, and once beyond the seven days in which copies are searched.
COPY_DAYS = (0, 0, 0, 1, 2, 7, 9)
_UNKNOWN = {"asset_id": "gone-v000001", "device_id": "dev-lost", "geo_id": "geo-lost"}


def delivery(options: Options, day: int, chunk: int, chunks: int, count: int) -> tuple[pa.Table, int]:
    """Deliveries of a chunk in time order, and how many of them are copies of others."""
    chance = Stream(options.seed, "delivery", day, chunk)
    status = np.array(chance.choices(count, world.STATUSES))
    good = status < 400
    played = np.where(good, chance.exponential(count, 90_000), 0).astype(np.int64)
    stalls = np.where(good, chance.exponential(count, 0.35), 0).astype(np.int64)
    bitrate = np.array(chance.choices(count, world.BITRATES_KBPS))
    response = 8 + chance.exponential(count, 60).astype(np.int64)
    at = catalogues.midnight_us(options, day) + chance.times_of_day(
        count, chunk / chunks, (chunk + 1) / chunks
    )
    asked = _ids(options, day, chance, count)
    columns = {
        "delivery_id": _delivery_ids(options, day, chunk, count),
        "date": pa.array(np.full(count, np.datetime64(options.date(day), "D"))),
        "requested_at": pa.array(at, pa.int64()).cast(pa.timestamp("us", tz="UTC")),
        **{name: _strayed(name, ids, chance, NULL_SHARE) for name, ids in asked.items()},
        "cdn": chance.choices(count, world.CDNS),
        "edge_location": pa.array(world.EDGES).take(pa.array(chance.skewed(count, len(world.EDGES)))),
        "protocol": chance.choices(count, world.PROTOCOLS),
        "http_status": pa.array(status),
        "cache_status": chance.choices(count, world.CACHE_STATUSES),
        "bytes_sent": pa.array(np.where(good, played * bitrate // 8 + 1_500, 512)),
        "response_ms": pa.array(response),
        "startup_ms": pa.array(
            180 + chance.exponential(count, 700).astype(np.int64), mask=chance.flags(count, 0.3)
        ),
        "played_ms": pa.array(played),
        "rebuffer_count": pa.array(stalls),
        "rebuffer_ms": pa.array(stalls * (200 + chance.below(count, 1_800))),
        "bitrate_kbps": pa.array(bitrate, mask=~good | (played == 0)),
        "error_code": pc.if_else(pa.array(good), pa.scalar(None, pa.string()), _error_codes(chance, count)),
        "player_version": chance.choices(count, (("5.1.0", 0.7), ("5.1.1", 0.3))),
        "dropped_frames": pa.array(chance.exponential(count, 3).astype(np.int64)),
    }
    table = _typed("delivery", options.has_new_columns(day), columns)
    return _with_copies(table, options, day, chunk, chance)


def metrics(options: Options, day: int, chunk: int, chunks: int, count: int) -> tuple[pa.Table, int]:
    """Metrics of a chunk, and how many of them repeat a key of it with other numbers."""
    chance = Stream(options.seed, "metrics", day, chunk)
    repeated = int(count * options.copies)
    keys = _keys(options, day, chunk, chunks, count - repeated, chance)
    keys = np.concatenate([keys, keys[:repeated]])
    devices, places = options.device_count, len(world.PLACES)
    asset, rest = np.divmod(keys, devices * places)
    # Popular assets are played more: ranks are numbers, see `Stream.skewed`.
    plays = (chance.exponential(count, 1.0) * (2 + 200 / np.sqrt(1.0 + asset))).astype(np.int64)
    completions = (plays * chance.fractions(count) ** 1.5).astype(np.int64)
    watched = np.round(plays * (5 + 60 * chance.fractions(count)) + completions * 30.0, 3)
    columns = {
        "date": pa.array(np.full(count, np.datetime64(options.date(day), "D"))),
        "asset_id": _strayed("asset_id", catalogues.asset_ids(asset, options), chance, 0),
        "device_id": catalogues.device_ids(rest // places),
        "geo_id": _strayed("geo_id", catalogues.geo_ids(rest % places), chance, 0),
        "impressions": pa.array(plays + chance.exponential(count, 12).astype(np.int64)),
        "plays": pa.array(plays),
        "completions": pa.array(completions),
        "watch_seconds": pa.array(np.where(plays > 0, watched, 0.0)),
        "likes": pa.array((plays * chance.fractions(count) * 0.04).astype(np.int64)),
        "shares": pa.array((plays * chance.fractions(count) * 0.02).astype(np.int64)),
        "ad_revenue_eur": pa.array(np.round(plays * chance.fractions(count) * 0.02, 6)),
        "ad_impressions": pa.array((plays * chance.fractions(count) * 1.4).astype(np.int64)),
    }
    return _typed("metrics", options.has_new_columns(day), columns), repeated


def _ids(options: Options, day: int, chance: Stream, count: int) -> dict[str, pa.Array]:
    """What was asked for: old assets are as popular as their rank, a part is for what is new."""
    known = catalogues.known(options, options.asset_count, day)
    assets = chance.skewed(count, known)
    assets = np.where(chance.flags(count, 0.15), known - 1 - chance.skewed(count, known), assets)
    devices = chance.skewed(count, catalogues.known(options, options.device_count, day))
    shares = [p.share for p in world.PLACES[: catalogues.known(options, len(world.PLACES), day)]]
    return {
        "asset_id": catalogues.asset_ids(assets, options),
        "device_id": catalogues.device_ids(devices),
        "geo_id": catalogues.geo_ids(chance.weighted(count, shares)),
    }


def _strayed(name: str, ids: pa.Array, chance: Stream, nulls: float) -> pa.Array:
    """The ids, a few of them unknown to every catalogue, a share missing."""
    place = chance.fractions(len(ids))
    ids = pc.if_else(pa.array(place < UNKNOWN_SHARE), _UNKNOWN[name], ids)
    return pc.if_else(pa.array(place > 1 - nulls), pa.scalar(None, pa.string()), ids)


def _keys(options: Options, day: int, chunk: int, chunks: int, count: int, chance: Stream) -> Ints:
    """Different keys (asset, device, place as one number); chunks share no asset while there are enough."""
    devices, places = options.device_count, len(world.PLACES)
    known = catalogues.known(options, options.asset_count, day)
    own = (
        np.arange(known)[np.arange(known) % chunks == chunk % chunks] if known >= chunks else np.arange(known)
    )
    found = np.empty(0, np.int64)
    for _ in range(8):
        missing = count - len(found)
        if missing <= 0:
            break
        draw = missing + missing // 3 + 16
        asset = own[chance.skewed(draw, len(own))]
        key = (asset * devices + chance.skewed(draw, devices)) * places + chance.below(draw, places)
        found = np.unique(np.concatenate([found, key]))
    if len(found) < count:
        everything = (own[:, None] * devices * places + np.arange(devices * places)).ravel()
        found = np.concatenate([found, np.resize(np.setdiff1d(everything, found, assume_unique=True), count)])
    # Spread evenly over the sorted keys: which ones stay must not depend on their numbers.
    return found[np.argsort(chance.fractions(len(found)), kind="stable")[:count]]


def _with_copies(
    table: pa.Table, options: Options, day: int, chunk: int, chance: Stream
) -> tuple[pa.Table, int]:
    """Some rows become copies of deliveries of this chunk or of earlier days: half of the near ones exact."""
    count = table.num_rows
    total = int(count * options.copies)
    if not total:
        return table, 0
    places = count - 1 - np.arange(total) * (count // (2 * total))
    places.sort()
    back = np.asarray(COPY_DAYS)[(np.arange(total) + day) % len(COPY_DAYS)]
    back = np.where(back > day, 0, back)
    sources = np.arange(total)
    ids = np.empty(total, object)
    for days in np.unique(back):
        chosen = back == days
        earlier = _delivery_ids(options, day - int(days), chunk, total)
        ids[chosen] = earlier.take(pa.array(sources[chosen])).to_pylist()
    mask = np.zeros(count, bool)
    mask[places] = True
    column = pc.replace_with_mask(
        table["delivery_id"].combine_chunks(), pa.array(mask), pa.array(ids, pa.string())
    )
    table = table.set_column(0, table.schema.field(0), column)
    exact = places[(back == 0) & (np.arange(total) % 2 == 0)]
    order = np.arange(count)
    order[exact] = sources[(back == 0) & (np.arange(total) % 2 == 0)]
    return table.take(pa.array(order)), total


def _delivery_ids(options: Options, day: int, chunk: int, count: int) -> pa.Array:
    """Ids of a chunk's first deliveries: a stream of their own, so that a later day can name them again."""
    return Stream(options.seed, "delivery-ids", day, chunk).hex_ids(count)


def _error_codes(chance: Stream, count: int) -> pa.Array:
    return pa.array(world.ERROR_CODES).take(pa.array(chance.below(count, len(world.ERROR_CODES))))


def _typed(dataset: str, with_new: bool, columns: dict[str, pa.Array]) -> pa.Table:
    wanted = schema(dataset, with_new=with_new)
    return pa.table([columns[name].cast(wanted.field(name).type) for name in wanted.names], schema=wanted)
