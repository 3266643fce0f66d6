"""The messages of one flush become rows or letters.

Belongs here: effects 2, 4 and 5 of the sink (`clickhouse.py`): check, letters, insert. Does not belong here:
offsets. The same messages and token lead to the same rows and letters however often this is repeated: whole values
go in one insert with the token, which the store drops when it has it; letters have the same ids.

A value that is whole and that the store still refuses is found by bisection against `null(...)`, which parses and
stores nothing, so no part of a flush is ever inserted under another token.
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from confluent_kafka import Message

from streaming.codecs.registry import RegistryUnreachableError, UnregisteredSchemaError
from streaming.runtime import effects
from streaming.runtime.health import Health
from streaming.runtime.stop import StopSignal
from streaming.sinks.datums import BrokenDatumError, Datums
from streaming.sinks.gateway import BadDataError, Gateway, StoreUnavailableError
from streaming.sinks.letter_box import Broken, LetterBox

_RETRY_SECONDS = 0.5
_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")
# Checked messages -> parts of an insert's body.
Values = Callable[[Sequence[Message]], list[bytes]]


def framed_values(messages: Sequence[Message]) -> list[bytes]:
    """The values as they are: for topics whose records carry all columns."""
    return [message.value() or b"" for message in messages]


class Storing:
    """Puts messages into one table. `values` makes the body of an insert from them."""

    def __init__(
        self,
        gateway: Gateway,
        datums: Datums,
        letters: LetterBox,
        health: Health,
        stop: StopSignal,
        hook: effects.Hook = effects.nothing,
        values: Values | None = None,
    ) -> None:
        self._gateway = gateway
        self._values = values or framed_values
        self._datums = datums
        self._letters = letters
        self._health = health
        self._stop = stop
        self._hook = hook
        self._columns: dict[str, str] = {}
        self._known_schemas = -1

    def check(self, messages: Sequence[Message]) -> tuple[list[Message], list[Broken]]:
        """Whole messages, and broken ones with their reason."""
        whole, broken = [], []
        for message in messages:
            try:
                self.until_answered(partial(self._datums.check, message.value()))
            except BrokenDatumError as error:
                broken.append(Broken(message, error.reason, str(error)))
            else:
                whole.append(message)
        return whole, broken

    def store(self, whole: list[Message], broken: list[Broken], token: str) -> int:
        """Letters for the broken ones, then rows for the whole ones under the token. Returns the number of rows.

        Raises:
            StoppedError: asked to stop before the insert was acknowledged; the next start does it again.
            ServiceError: the store refuses this user.
        """
        self.until_answered(partial(self._letters.send, broken))
        self._hook("letters")
        while whole:
            try:
                self.until_answered(partial(self._insert, whole, token))
                break
            except BadDataError as error:
                refused = self.until_answered(partial(self._refused, whole))
                if not refused:
                    # The values are good and the insert is not: the store's state, not a letter.
                    self._wait(str(error))
                    continue
                self.until_answered(partial(self._letters.send, refused))
                places = {id(one.message) for one in refused}
                whole = [m for m in whole if id(m) not in places]
        self._hook("insert")
        return len(whole)

    def until_answered(self, action: Callable[[], _T]) -> _T:
        """Repeat while store or registry do not answer; the sink pauses, nothing is dropped."""
        while True:
            try:
                return action()
            except (StoreUnavailableError, RegistryUnreachableError, UnregisteredSchemaError) as error:
                self._wait(str(error))

    def _insert(self, messages: Sequence[Message], token: str) -> None:
        if self._datums.schema_count != self._known_schemas:
            # A schema not seen before: a column may have been added for it.
            self._columns = self._gateway.columns()
            self._known_schemas = self._datums.schema_count
        self._gateway.insert(self._values(messages), list(self._columns), token)

    def _refused(self, messages: Sequence[Message]) -> list[Broken]:
        """The messages that the store refuses one by one."""
        try:
            self._gateway.try_values(self._values(messages), self._columns)
        except BadDataError as error:
            if len(messages) == 1:
                return [Broken(messages[0], "refused_by_store", str(error))]
            half = len(messages) // 2
            return [*self._refused(messages[:half]), *self._refused(messages[half:])]
        return []

    def _wait(self, reason: str) -> None:
        _LOG.warning("waiting: %s", reason)
        self._health.report("waiting", reason)
        self._stop.wait(_RETRY_SECONDS)
