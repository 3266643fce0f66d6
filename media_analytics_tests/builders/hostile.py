"""Requests that no well-meaning client sends, and some that one does: grammar-based and mutated.

Belongs here: seeded generators of whole HTTP requests to the collector. Does not belong here: sending them, what must
be answered.
"""

import gzip
import json
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from streaming.codecs.avro import Codec
from streaming.codecs.families import families

_TIME = "2026-11-21T08:59:00Z"
_ODD_TEXTS = (
    "", " ", "\x00", "a\x00b", "\n\n", "\u202e\u0000", "ü" * 3000, "x" * 9000, "x" * 1024, "漢字", "\U0001f600" * 300,
    "'; DROP TABLE x; --", "2026-13-45T99:99:99Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", _TIME,
    "1e999", "null", "c:", "::1%eth0", "999.1.1.1", "2001:db8::", "3F2504E0-4F89-11D3-9A0C-0305E82C3301", "__proto__",
    "page_view", "published", "login", "analytics", "welt", "import", "-1", "NaN", "\ufeff", "\u2028",
)  # fmt: skip
_ODD_NUMBERS = (
    0,
    -1,
    1,
    2**31,
    -(2**31) - 1,
    2**63,
    -(2**63),
    2**70,
    10**400,
    0.1,
    -0.0,
    1e308,
    60.0001,
    5e-324,
)
# Pieces that are no JSON, or that few parsers agree on.
_ODD_PIECES = (
    "NaN", "Infinity", "1e999", "-", "01", "1.", '"\\ud800"', '"\\udc00\\ud800"', '"\\x"', '"', "{", "}", "[", "]", ",",
    ":", "tru", "nul", "\\u0000", '"\x01"', "/*", "[" * 2000, '{"a":' * 2000, "\x00", "[[[]]]", '{"":{"":{}}}',
)  # fmt: skip
_HEADERS = (
    ("Content-Type", "application/json"),
    ("Content-Type", "application/json; charset=utf-8"),
    ("Content-Type", "application/json; charset=utf-16"),
    ("Content-Type", "text/plain"),
    ("Content-Type", ""),
    ("Content-Type", "x" * 3000),
)
_EXTRA = (
    ("Content-Encoding", "gzip"),
    ("Content-Encoding", "br"),
    ("Origin", "https://evil.example"),
    ("Origin", "null"),
    ("Origin", "http://127.0.0.1:1"),
    ("X-Api-Key", "guess"),
    ("Authorization", "Bearer " + "x" * 2000),
    ("Authorization", "Basic \xff"),
    ("X-Forwarded-For", "1.2.3.4, , , garbage"),
    ("User-Agent", "ü" * 500),
    ("Expect", "100-continue"),
)


@dataclass(frozen=True)
class HostileRequest:
    """One request as it goes over the wire."""

    wire: bytes
    is_head: bool = False


def requests(seed: int, count: int) -> Iterator[HostileRequest]:
    """`count` requests; the same for the same seed."""
    chance = random.Random(seed)
    schemas = {name: Codec.from_file(family.topic).schema for name, family in families().items()}
    names = {name: [f["name"] for f in schema["fields"]] for name, schema in schemas.items()}
    for _ in range(count):
        family = chance.choice(list(families()))
        path = _path(chance, family)
        body = _body(chance, family, names[family])
        yield _request(chance, path, body)


def real_items(chance: random.Random, family: str) -> list[dict[str, Any]]:
    """A few items of a family as a good client sends them."""
    fixed: dict[str, dict[str, Any]] = {
        "user": {"event_type": "page_view", "page_url": "https://www.bild.de/a", "properties": {"a": "b"}},
        "content": {
            "event_type": "published", "content_id": "x1", "title": "T", "section": "politics", "authors": ["A"],
            "word_count": 10, "is_premium": False, "published_at": _TIME, "revision": 1,
        },
        "session": {"event_type": "login", "session_ref": "s1", "tier": "free", "customer_id": "c1"},
        "security": {
            "event_type": "login_failed", "ip": "192.0.2.77", "user_agent": "agent", "severity": 3, "rule": "r",
        },
        "compliance": {
            "event_type": "consent_given", "purposes": ["analytics"], "jurisdiction": "de", "request_id": "q1",
            "customer_id": "c1",
        },
        "interactions": {"event_type": "checkout", "status": "success", "latency_ms": 12, "customer_id": "c1"},
    }  # fmt: skip
    common = {"brand": "bild", "occurred_at": _TIME}
    return [
        common | fixed[family] | {"event_id": str(uuid.UUID(int=chance.getrandbits(128)))}
        for _ in range(chance.randint(1, 4))
    ]


def _path(chance: random.Random, family: str) -> str:
    kind = chance.random()
    if kind < 0.7:
        path = f"/v1/events/{family}"
    elif kind < 0.8:
        path = "/v1/clickstream"
    elif kind < 0.9:
        path = "/v1/access-log"
    elif kind < 0.95:
        path = "/v1/pixel"
    else:
        path = chance.choice(
            ["/v1/events/", "/v1/events/%00", "/v1/events/user/x", "/v1/" + "x" * 500, "/", "//"]
        )
    if path == "/v1/pixel" or chance.random() < 0.2:
        pairs = [
            f"{chance.choice(['brand', 'key', 'event_type', 'position', 'p.a', 'consent', 'x', ''])}="
            f"{quote(chance.choice(_ODD_TEXTS)[:200])}"
            for _ in range(chance.randint(0, 8))
        ]
        path += "?" + "&".join(pairs) + chance.choice(["", "&", "%", "%zz", "&=&="])
    return path


def _body(chance: random.Random, family: str, names: list[str]) -> bytes:
    kind = chance.random()
    if kind < 0.004:
        piece = chance.choice([b"0,", b"[],", b'{"a":1},', b'"analytics",', b"x", b"[", b'{"":'])
        return b"[" + piece * (chance.randint(200_000, 1_500_000) // len(piece)) + b"0]"
    if kind < 0.45:
        items = real_items(chance, family)
        for item in items:
            for name in chance.sample(names, chance.randint(0, 3)):
                item[name] = _value(chance, 3)
            if chance.random() < 0.2:
                item[chance.choice(_ODD_TEXTS)[:50]] = _value(chance, 2)
        return json.dumps(items, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")
    if kind < 0.7:
        whole = json.dumps(real_items(chance, family)).encode()
        for _ in range(chance.randint(1, 4)):
            whole = _mutated(chance, whole)
        return whole
    if kind < 0.8:
        return json.dumps(_shaped(chance)).encode("utf-8", "surrogatepass")
    if kind < 0.9:
        return "".join(chance.choice(_ODD_PIECES) for _ in range(chance.randint(1, 12))).encode()
    if kind < 0.97:
        return json.dumps(_value(chance, 5)).encode("utf-8", "surrogatepass")
    return chance.randbytes(chance.randint(0, 2000))


def _shaped(chance: random.Random) -> Any:
    """Something like a click or a batch of log lines."""
    if chance.random() < 0.5:
        event = {
            n: _value(chance, 1)
            for n in ("timestamp", "ip", "customer_id", "page", "position")
            if chance.random() < 0.7
        }
        return [{"id": _value(chance, 1), "type": "view", "package_id": "p", "brand": "bild", "event": event}]
    line = '192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 5 "-" "agent"'
    lines = [
        {
            "line_number": n,
            "occurrence": 0,
            "line": _mutated(chance, line.encode()).decode("utf-8", "replace"),
        }
        for n in range(1, chance.randint(2, 5))
    ]
    batch: dict[str, Any] = {"brand": "bild", "site": "https://www.bild.de", "source": "log", "lines": lines}
    if chance.random() < 0.3:
        batch[chance.choice(list(batch))] = _value(chance, 2)
    return batch


def _value(chance: random.Random, depth: int) -> Any:
    kind = chance.random()
    if kind < 0.4 or depth == 0:
        return chance.choice(_ODD_TEXTS)
    if kind < 0.6:
        return chance.choice(_ODD_NUMBERS)
    if kind < 0.7:
        return chance.choice([None, True, False])
    if kind < 0.85:
        return [_value(chance, depth - 1) for _ in range(_width(chance, depth))]
    return {chance.choice(_ODD_TEXTS)[:60]: _value(chance, depth - 1) for _ in range(_width(chance, depth))}


def _width(chance: random.Random, depth: int) -> int:
    """Entries of a list or object: many on the lowest level only, so that most bodies stay within the limits."""
    return chance.choice([0, 1, 3, 70 if depth == 1 else 4])


def _mutated(chance: random.Random, data: bytes) -> bytes:
    if not data:
        return b"\x00"
    start = chance.randrange(len(data))
    end = min(len(data), start + chance.randint(1, 30))
    change = chance.randrange(6)
    if change == 0:
        return data[:start] + bytes([chance.randrange(256)]) + data[start + 1 :]
    if change == 1:
        return data[:start] + data[end:]
    if change == 2:
        return data[:start] + data[start:end] * chance.choice([2, 3, 100]) + data[end:]
    if change == 3:
        return data[:start] + chance.choice(_ODD_PIECES).encode() + data[start:]
    if change == 4:
        return data[:start]
    return data[:start] + chance.randbytes(chance.randint(1, 8)) + data[end:]


def _request(chance: random.Random, path: str, body: bytes) -> HostileRequest:
    method = "GET" if path.startswith("/v1/pixel") else "POST"
    if chance.random() < 0.03:
        method = chance.choice(["GET", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"])
    headers = [("Host", "localhost"), _HEADERS[0] if chance.random() < 0.9 else chance.choice(_HEADERS)]
    if chance.random() < 0.1:
        headers.append(chance.choice(_EXTRA))
    if ("Content-Encoding", "gzip") in headers or chance.random() < 0.05:
        body = gzip.compress(body, 1, mtime=0)
        if ("Content-Encoding", "gzip") not in headers:
            headers.append(("Content-Encoding", "gzip"))
        if chance.random() < 0.3:
            body = _mutated(chance, body)
    if chance.random() < 0.1 and body:
        cut = chance.randint(1, len(body))
        pieces = [body[:cut], body[cut:]] if cut < len(body) else [body]
        content = b"".join(f"{len(p):x}\r\n".encode() + p + b"\r\n" for p in pieces) + b"0\r\n\r\n"
        headers.append(("Transfer-Encoding", "chunked"))
    else:
        content = body
        headers.append(("Content-Length", str(len(body))))
    head = "".join(f"{name}: {value}\r\n" for name, value in headers)
    wire = f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1", "replace") + content
    return HostileRequest(wire, method == "HEAD")
