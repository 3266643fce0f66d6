"""Turns the errors of the JSON decoder into refusals that name the field.

Belongs here: wording and paths of shape errors. Does not belong here: rules about values.
"""

import re

import msgspec

from streaming.collector.answers import Rejection

_PLACE = re.compile(r" - at `\$\.?([^`]*)`")
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")
_MISSING = re.compile(r"missing required field `([^`]*)`")


def malformed(error: Exception) -> Rejection:
    """The refusal of a text that is not JSON."""
    if isinstance(error, UnicodeDecodeError):
        return Rejection("invalid_utf8", "body", f"the body is not UTF-8: {error.reason}", "shape")
    reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
    return Rejection("malformed_json", "body", f"the body is not JSON: {reason}", "shape")


def explained(error: msgspec.ValidationError, whole: str) -> Rejection:
    """The refusal of JSON with a missing or unknown field, or a value of another type; `whole` names the root."""
    message = str(error)
    place = _PLACE.search(message)
    # The decoder writes `[...]` for any value of a map.
    field = place.group(1).removesuffix("[...]") if place else ""
    for pattern, code in ((_UNKNOWN, "unknown_field"), (_MISSING, "missing_field")):
        if match := pattern.search(message):
            path = f"{field}.{match.group(1)}" if field else match.group(1)
            return Rejection(code, path, message, "shape")
    return Rejection("wrong_type", field or whole, message, "shape")
