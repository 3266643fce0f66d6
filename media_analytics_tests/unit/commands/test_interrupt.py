"""Ctrl-C that arrives where Python only prints an exception."""

import os
import signal
from collections.abc import Iterator

import pytest

from media_analytics.commands.sql import Interrupt


@pytest.fixture
def interrupt() -> Iterator[Interrupt]:
    stood = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield Interrupt()
    for number, handler in stood.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_that_a_callback_swallows_is_remembered(
    interrupt: Interrupt, number: signal.Signals
) -> None:
    assert not interrupt.is_asked
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)
        signal.pause()
    assert interrupt.is_asked
