"""Answers that are kept: one question at a time, however many ask."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from media_analytics.dashboard.reading.kept import Kept, KeptByName


def test_many_readers_cost_one_question() -> None:
    """Catches a question for each open page."""
    asked: list[int] = []
    begun = threading.Event()

    def ask() -> int:
        asked.append(1)
        begun.wait(5)
        return len(asked)

    kept = Kept(ask, 60)
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(kept.get) for _ in range(8)]
        begun.set()
        assert {answer.result(5) for answer in answers} == {1}


def test_an_old_answer_is_asked_again() -> None:
    kept = Kept(time.monotonic, 0)
    assert kept.get() < kept.get()


def test_an_error_is_not_kept() -> None:
    """Catches a store that came back and is still called away."""
    answers = iter([ValueError("away"), 7])

    def ask() -> int:
        found = next(answers)
        if isinstance(found, Exception):
            raise found
        return found

    kept = Kept(ask, 60)
    with pytest.raises(ValueError, match="away"):
        kept.get()
    assert kept.get() == 7


def test_names_are_kept_apart_and_bounded() -> None:
    """Catches an answer for another topic, and memory that grows with what strangers ask for."""
    asked: list[str] = []

    def ask(name: str) -> str:
        asked.append(name)
        return name.upper()

    kept = KeptByName(ask, 60, most=2)
    assert [kept.get(name) for name in ("a", "b", "a")] == ["A", "B", "A"]
    assert asked == ["a", "b"]
    kept.get("c")
    kept.get("a")
    assert asked == ["a", "b", "c", "a"]
