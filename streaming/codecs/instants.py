"""Instants as integers: microseconds since 1970-01-01 UTC.

Belongs here: conversion between `datetime` and the integer that Avro carries. Does not belong here: parsing
text.
"""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(instant: datetime) -> int:
    """Exact microseconds since the epoch; the instant must carry a zone."""
    return (instant - _EPOCH) // _MICROSECOND


def instant(value: int) -> datetime:
    """The UTC instant of a number of microseconds since the epoch."""
    return _EPOCH + timedelta(microseconds=value)
