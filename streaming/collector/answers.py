"""What the collector answers.

Belongs here: the reason an item or a whole request is refused, the body and status of every answer. Does not
belong here: the rules themselves.
"""

from typing import Literal

import msgspec

# What is wrong: `shape` (not the JSON we expect: 400), `rule` (422), `size` (413), `type` (415), `key` (401),
# `rate` (429).
Kind = Literal["shape", "rule", "size", "type", "key", "rate"]
STATUS: dict[Kind, int] = {"shape": 400, "rule": 422, "size": 413, "type": 415, "key": 401, "rate": 429}


class Rejection(Exception):
    """An input that cannot become an event. `field` is its path, `code` the rule, the message is for a person."""

    def __init__(self, code: str, field: str | None, message: str, kind: Kind = "rule") -> None:
        super().__init__(message)
        self.code = code
        self.field = field
        self.message = message
        self.kind: Kind = kind


class Unavailable(Exception):
    """Nothing is wrong with the request, but it cannot be kept now: 503 (try again) or 507 (disk)."""

    def __init__(self, status: int, code: str, message: str, retry_after_seconds: int = 2) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after_seconds = retry_after_seconds


class Item(msgspec.Struct):
    """The outcome of one item. An `index` of null means the whole request."""

    index: int | None
    event_id: str | None
    status: Literal["accepted", "rejected"]
    code: str | None = None
    field: str | None = None
    message: str | None = None


class Answer(msgspec.Struct):
    """The body of every ingest answer."""

    accepted: int
    rejected: int
    items: list[Item]


_encoder = msgspec.json.Encoder()


def accepted(index: int, event_id: str) -> Item:
    """The outcome of an item that is kept."""
    return Item(index, event_id, "accepted")


def rejected(index: int | None, rejection: Rejection, event_id: str | None = None) -> Item:
    """The outcome of an item that is not kept."""
    return Item(index, event_id, "rejected", rejection.code, rejection.field, rejection.message)


def of_items(items: list[Item], worst: Kind | None) -> tuple[int, bytes]:
    """Status and body of a request whose items were judged one by one.

    200 if one was accepted; else 400 when an item has not the expected shape, 422 when all break a rule.
    """
    good = sum(item.status == "accepted" for item in items)
    status = 200 if good else STATUS[worst or "shape"]
    return status, _encoder.encode(Answer(good, len(items) - good, items))


def of_rejection(rejection: Rejection) -> tuple[int, bytes]:
    """Status and body when the whole request is refused."""
    return STATUS[rejection.kind], _encoder.encode(Answer(0, 0, [rejected(None, rejection)]))


def of_unavailable(problem: Unavailable) -> tuple[int, bytes]:
    """Status and body when nothing can be kept now."""
    item = Item(None, None, "rejected", problem.code, None, problem.message)
    return problem.status, _encoder.encode(Answer(0, 0, [item]))
