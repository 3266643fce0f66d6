"""Codec of `user.latest` against fastavro, on the same records."""

import io
import time
from collections.abc import Callable, Iterator
from typing import Any

import fastavro

from media_analytics_tests.benchmarks.harness import Benchmark
from streaming.codecs.avro import Codec

TOPIC = "user.latest"
COUNT = 20_000


def benchmarks() -> Iterator[Benchmark]:
    """Encode and decode, events a second."""
    codec = Codec.from_file(TOPIC)
    parsed = fastavro.parse_schema(codec.schema)
    records = [_record(codec, i) for i in range(COUNT)]
    datums = [codec.encode(r) for r in records]
    yield Benchmark(
        id="codec-encode",
        what=f"encode {TOPIC}",
        units=COUNT,
        unit="events/s",
        ours=_timed(lambda: [codec.encode(r) for r in records]),
        peer=_timed(lambda: [_fastavro_encode(parsed, r) for r in records]),
        peer_name="fastavro",
    )
    yield Benchmark(
        id="codec-decode",
        what=f"decode {TOPIC}",
        units=COUNT,
        unit="events/s",
        ours=_timed(lambda: [codec.decode(d) for d in datums]),
        peer=_timed(lambda: [fastavro.schemaless_reader(io.BytesIO(d), parsed, None) for d in datums]),
        peer_name="fastavro",
    )


def _timed(work: Callable[[], Any]) -> Callable[[], float]:
    def run() -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    return run


def _fastavro_encode(schema: Any, record: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, record)
    return out.getvalue()


def _record(codec: Codec, number: int) -> dict[str, Any]:
    """A record with every field set, values changing with the number."""
    return {field["name"]: _value(field["type"], field["name"], number) for field in codec.schema["fields"]}


def _value(kind: Any, name: str, number: int) -> Any:
    if isinstance(kind, list):
        return _value(next(k for k in kind if k != "null"), name, number)
    if isinstance(kind, dict):
        if kind["type"] == "array":
            return ["analytics"]
        if kind["type"] == "map":
            return {"key": str(number)}
        kind = kind["type"]
    texts = {"string": f"{name}-{number}", "boolean": number % 2 == 0, "double": number / 7}
    return texts.get(kind, number)
