"""The value rules of a family, checked before anything is made of a record.

Belongs here: applying the contract's rules that the Avro schema cannot say (`codecs/families.py` reads them from the
generated file), and the dates of an event. A record that breaks one is a dead letter, never an event. Does not belong
here: the rules themselves, the collector's own limits and answers.
"""

import math
import re
from collections.abc import Collection, Mapping
from typing import Any

from media_analytics.errors import MediaAnalyticsError
from streaming.codecs.families import Family

# 2100-01-01 in microseconds: the last instant any event may have.
LATEST = 4_102_444_800_000_000
IMPORT_TOLERANCE = 5 * 60 * 1_000_000
_QUOTED = 64


class RuleError(MediaAnalyticsError):
    """A record breaks a rule. `reason` is the letter's code, `field` the first field that breaks it."""

    def __init__(self, reason: str, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.reason = reason
        self.field = field


class Validation:
    """The rules of one family. `earliest` is `history_start` in microseconds."""

    def __init__(self, family: Family, brands: Collection[str], earliest: int) -> None:
        rules = {name: rule for name, rule in family.rules.items() if name != "brand"}
        self._brands = frozenset(brands)
        self._earliest = earliest
        self._words = [(n, frozenset(r.words)) for n, r in rules.items() if r.words is not None]
        self._items = [(n, frozenset(r.items)) for n, r in rules.items() if r.items is not None]
        self._patterns = [(n, _whole(r.pattern)) for n, r in rules.items() if r.pattern is not None]
        self._maps = [
            (n, r.entries, r.longest or math.inf) for n, r in rules.items() if r.entries is not None
        ]
        self._longest = [
            (n, r.longest) for n, r in rules.items() if r.longest is not None and r.entries is None
        ]
        self._ranges = [
            (n, -math.inf if r.least is None else r.least, math.inf if r.most is None else r.most)
            for n, r in rules.items()
            if r.least is not None or r.most is not None
        ]

    def check(self, record: Mapping[str, Any]) -> None:
        """Check a decoded record of the family's first topic.

        Raises:
            RuleError: the first rule that is broken.
        """
        self._check_words(record)
        self._check_times(record)
        for field, longest in self._longest:
            text = record[field]
            if text is not None and len(text) > longest:
                raise RuleError("too_long", field, f"{len(text)} characters; at most {longest}")
        for field, least, most in self._ranges:
            number = record[field]
            # Written so that NaN fails too.
            if number is not None and not least <= number <= most:
                raise RuleError("out_of_range", field, f"{number}; expected {least:g} to {most:g}")
        for field, entries, longest_entry in self._maps:
            if record[field]:
                _check_map(field, record[field], entries, longest_entry)

    def _check_words(self, record: Mapping[str, Any]) -> None:
        if record["brand"] not in self._brands:
            raise RuleError(
                "unknown_value", "brand", f"{record['brand'][:_QUOTED]!r} is not a configured brand"
            )
        for field, words in self._words:
            text = record[field]
            if text is not None and text not in words:
                raise RuleError("unknown_value", field, f"{text[:_QUOTED]!r} is none of its values")
        for field, pattern in self._patterns:
            text = record[field]
            if text is not None and not pattern.match(text):
                raise RuleError("invalid_value", field, f"does not match {pattern.pattern}")
        for field, allowed in self._items:
            for item in record[field] or ():
                if item not in allowed:
                    raise RuleError("unknown_value", field, f"{item[:_QUOTED]!r} is none of its values")

    def _check_times(self, record: Mapping[str, Any]) -> None:
        occurred_at, received_at = record["occurred_at"], record["received_at"]
        if not self._earliest <= received_at <= LATEST:
            raise RuleError(
                "out_of_range", "received_at", f"{received_at} µs is before history_start or after 2100"
            )
        late_import = record["origin"] == "import" and occurred_at > received_at + IMPORT_TOLERANCE
        if not self._earliest <= occurred_at <= LATEST or late_import:
            raise RuleError(
                "occurred_at_out_of_range", "occurred_at", f"{occurred_at} µs, received {received_at} µs"
            )


def _whole(pattern: str) -> re.Pattern[str]:
    """The pattern as the stores understand it: `$` is the end of the text, not also a newline before it."""
    return re.compile(pattern.removesuffix("$") + r"\Z" if pattern.endswith("$") else pattern)


def _check_map(field: str, found: Mapping[str, str], entries: int, longest: float) -> None:
    if len(found) > entries:
        raise RuleError("too_many", field, f"{len(found)} entries; at most {entries}")
    for name, value in found.items():
        if len(value) > longest or len(name) > longest:
            raise RuleError(
                "too_long",
                field,
                f"entry {name[:_QUOTED]!r}: name or value has more than {longest} characters",
            )
