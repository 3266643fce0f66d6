"""Rows of the catalogues as they drift.

Belongs here: assets, devices and places of a day: all of them on the first, on later days what is new or changed, and
now and then an older state again. Does not belong here: facts, dirty rows.
"""

from datetime import UTC, datetime, time

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from media_analytics.generators.video import world
from media_analytics.generators.video.chance import DAY_US, Ints, Stream
from media_analytics.generators.video.options import Options
from media_analytics.generators.video.schemas import SCHEMAS

# Of the catalogue's ids: new ones that appear after the first day, changed ones a day, old states that come again.
NEW_SHARE = 0.1
CHANGED_SHARE = 0.01
STALE_SHARE = 0.002
_YEARS_BACK_US = 2 * 365 * DAY_US


def midnight_us(options: Options, day: int) -> int:
    """Microseconds since 1970 of a day's 00:00 UTC."""
    return int(datetime.combine(options.date(day), time(), UTC).timestamp()) * 1_000_000


def known(options: Options, total: int, day: int) -> int:
    """How many of `total` ids the catalogue has on a day."""
    first = max(1, round(total * (1 - NEW_SHARE))) if options.days > 1 else total
    return first if options.days == 1 else first + (total - first) * day // (options.days - 1)


def asset_ids(numbers: Ints, options: Options) -> pa.Array:
    """Ids of assets; their brand follows from the number."""
    brand = pa.array([b.name for b in world.BRANDS]).take(pa.array(_brands(numbers, options)))
    return pc.binary_join_element_wise(brand, _padded(numbers), "-v")


def device_ids(numbers: Ints) -> pa.Array:
    """Ids of devices."""
    return pc.binary_join_element_wise("dev", _padded(numbers), "-")


def geo_ids(numbers: Ints) -> pa.Array:
    """Ids of places."""
    return pc.binary_join_element_wise("geo", _padded(numbers), "-")


def catalogue(dataset: str, options: Options, day: int) -> pa.Table:
    """Rows of a catalogue that a day's file has, without dirty ones; on the first day each known id once."""
    total = {"assets": options.asset_count, "devices": options.device_count, "geo": len(world.PLACES)}[
        dataset
    ]
    chance = Stream(options.seed, dataset, day)
    now = known(options, total, day)
    if day == 0:
        numbers, version = np.arange(now), np.zeros(now, np.int64)
    else:
        before = known(options, total, day - 1)
        changed = np.unique(chance.below(round(now * CHANGED_SHARE) + 1, before))
        stale = np.unique(chance.below(round(now * STALE_SHARE) + 1, before))
        numbers = np.concatenate([np.arange(before, now), changed, stale])
        # What appears or changes has a state of today.
        today = np.full(now - before + len(changed), day)
        version = np.concatenate([today, np.full(len(stale), max(0, day - 2))])
    rows = {"assets": _assets, "devices": _devices, "geo": _geo}[dataset](numbers, version, options)
    # A state of version v was written during the day before v's file; a stale one keeps the time of its state.
    written = midnight_us(options, 0) + (version - 1) * DAY_US + chance.below(len(numbers), DAY_US)
    rows["updated_at"] = _times(written)
    schema = SCHEMAS[dataset]
    return pa.table([rows[name].cast(schema.field(name).type) for name in schema.names], schema=schema)


def _assets(numbers: Ints, version: Ints, options: Options) -> dict[str, pa.Array]:
    """Title, premium and length change with the version; brand, section and type stay."""
    own, state = _of_id(options, "asset", numbers), _of_id(options, "asset-state", numbers, version)
    brands = _brands(numbers, options)
    spelled = pa.array([s for b in world.BRANDS for s in (b.name, b.name.upper(), f" {b.name} ")])
    sections = [pa.array(b.sections) for b in world.BRANDS]
    first = np.cumsum([0, *(len(s) for s in sections)])
    section = first[brands] + (own[0] * (first[brands + 1] - first[brands])).astype(np.int64)
    published = midnight_us(options, 0) - (own[1] * _YEARS_BACK_US).astype(np.int64)
    types = np.searchsorted(np.cumsum([share for _, share in world.ASSET_TYPES]), own[2] * 0.999999)
    return {
        "asset_id": asset_ids(numbers, options),
        "title": _titles(state),
        "asset_type": pa.array([name for name, _ in world.ASSET_TYPES]).take(pa.array(types)),
        "brand": spelled.take(
            pa.array(brands * 3 + np.where(state[3] < 0.03, 1, np.where(state[3] < 0.05, 2, 0)))
        ),
        "section": pa.concat_arrays(sections).take(pa.array(section)),
        "duration_seconds": _nullable(20 + (-240 * np.log1p(-own[3])).astype(np.int64), own[4] < 0.005),
        "published_at": _times(published),
        "is_premium": pa.array(state[4] < 0.2),
    }


def _devices(numbers: Ints, version: Ints, options: Options) -> dict[str, pa.Array]:
    """The version of the operating system changes, and how the type is spelled."""
    own, state = _of_id(options, "device", numbers), _of_id(options, "device-state", numbers, version)
    model = np.searchsorted(np.cumsum([m.share for m in world.MODELS]), own[0] * 0.999999)
    rows: dict[str, list[object]] = {name: [] for name in SCHEMAS["devices"].names[1:-1]}
    for place, number in enumerate(model):
        kind = world.MODELS[number]

        def one(items: tuple[object, ...], fraction: float) -> object:
            return items[int(fraction * len(items))]

        width, height = kind.screens[int(own[3][place] * len(kind.screens))]
        values = (
            one(kind.types, state[0][place]), kind.platform, kind.os, one(kind.versions, state[1][place]),
            one(kind.manufacturers, own[2][place]), width, height,
        )  # fmt: skip
        for name, value in zip(rows, values, strict=True):
            rows[name].append(value)
    types = SCHEMAS["devices"]
    return {"device_id": device_ids(numbers)} | {
        name: pa.array(values, types.field(name).type) for name, values in rows.items()
    }


def _geo(numbers: Ints, version: Ints, options: Options) -> dict[str, pa.Array]:
    """Places keep their names; a newer version is a district of the same city."""
    del options
    places = [world.PLACES[number] for number in numbers]
    cities = [p.city if v == 0 else f"{p.city} ({v})" for p, v in zip(places, version, strict=True)]
    return {
        "geo_id": geo_ids(numbers),
        "country_code": pa.array([p.country_code for p in places]),
        "country": pa.array([p.country for p in places]),
        "region": pa.array([p.region for p in places], pa.string()),
        "city": pa.array(cities),
        "timezone": pa.array([p.timezone for p in places]),
    }


def _titles(state: list[np.ndarray]) -> pa.Array:
    parts = [
        pa.array(words).take(pa.array((fractions * len(words)).astype(np.int64)))
        for words, fractions in zip((world.SUBJECTS, world.VERBS, world.OBJECTS), state, strict=False)
    ]
    plain = pc.binary_join_element_wise(*parts, " ")
    odd = pa.array(world.ODD_TITLES).take(pa.array((state[0] * len(world.ODD_TITLES)).astype(np.int64)))
    return pc.if_else(pa.array(state[5] < 0.04), odd, plain)


def _brands(numbers: Ints, options: Options) -> Ints:
    shares = np.cumsum([brand.share for brand in world.BRANDS])
    return np.searchsorted(shares, _of_id(options, "brand", numbers)[0] * 0.999999)


def _of_id(options: Options, name: str, numbers: Ints, version: Ints | None = None) -> list[np.ndarray]:
    """Six fractions for each id (and version) that are the same whenever it is asked: a hash, no stream."""
    salt = np.uint64(int(Stream(options.seed, name).below(1, 1 << 48)[0]))
    base = numbers.astype(np.uint64) + salt
    if version is not None:
        base += version.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    found = []
    for step in range(1, 7):
        mixed = (base + np.uint64(step * 0x632BE59B)) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(31))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(29)
        found.append((mixed >> np.uint64(11)).astype(np.float64) / float(1 << 53))
    return found


def _padded(numbers: Ints) -> pa.Array:
    return pc.utf8_lpad(pc.cast(pa.array(numbers), pa.string()), 6, "0")


def _nullable(values: Ints, nulls: np.ndarray) -> pa.Array:
    return pa.array(values, mask=nulls)


def _times(microseconds: Ints) -> pa.Array:
    return pa.array(microseconds, pa.int64()).cast(pa.timestamp("us", tz="UTC"))
