"""Calls that hang: left behind with one thread each, and not asked again before they came back."""

from __future__ import annotations

import threading
import time

import pytest

from pgvigil.collect.patience import Patience


class Hang:
    """Answers with the path in capitals; at some paths not before it is told to."""

    def __init__(self, *places: str) -> None:
        self.places = set(places)
        self.asked: list[str] = []
        self.released = threading.Event()

    def __call__(self, path: str) -> str | None:
        """Be asked."""
        self.asked.append(path)
        if path in self.places:
            self.released.wait(20)
        return path.upper() if path != "none" else None


@pytest.fixture
def threads() -> int:
    """Count those before the test."""
    return threading.active_count()


def wait_for_threads(count: int) -> None:
    """Wait until those that were released are gone."""
    deadline = time.monotonic() + 10
    while threading.active_count() > count and time.monotonic() < deadline:
        time.sleep(0.01)


def test_each_path_is_asked_once_and_a_none_is_no_answer() -> None:
    """In the order given."""
    question = Hang()

    assert ({"a": "A", "b": "B"}, ()) == Patience(5).ask(question, ["a", "none", "b"])
    assert ["a", "none", "b"] == question.asked
    assert ({}, ()) == Patience(5).ask(question, [])


def test_a_path_that_hangs_does_not_keep_the_others(threads: int) -> None:
    """Wherever it stands, and be it two of them."""
    question = Hang("b", "d")
    patience = Patience(0.1)

    assert ({"a": "A", "c": "C", "e": "E"}, ("b", "d")) == patience.ask(question, ["a", "b", "c", "d", "e"])
    assert threading.active_count() == threads + 2

    question.released.set()
    wait_for_threads(threads)
    assert threading.active_count() == threads


def test_threads_do_not_pile_up(threads: int) -> None:
    """Ten beats, one thread; and beats after the first do not wait."""
    question = Hang("b")
    patience = Patience(0.2)
    patience.ask(question, ["a", "b"])
    started = time.monotonic()

    answers = [patience.ask(question, ["a", "b"]) for _ in range(10)]

    assert [({"a": "A"}, ("b",))] * 10 == answers
    assert (question.asked.count("b"), threading.active_count()) == (1, threads + 1)
    assert time.monotonic() - started < 2.0
    question.released.set()
    wait_for_threads(threads)


def test_a_path_that_came_back_is_asked_again(threads: int) -> None:
    """Its late answer is not used: it was true of another moment."""
    question = Hang("b")
    patience = Patience(0.1)
    assert ({}, ("b",)) == patience.ask(question, ["b"])
    question.places.clear()
    question.released.set()
    wait_for_threads(threads)

    assert ({"b": "B"}, ()) == patience.ask(question, ["b"])
    assert ["b", "b"] == question.asked


def test_a_path_that_is_not_asked_for_is_not_told_of(threads: int) -> None:
    """It was unmounted by force."""
    question = Hang("b")
    patience = Patience(0.1)
    patience.ask(question, ["b"])

    assert ({"a": "A"}, ()) == patience.ask(question, ["a"])
    question.released.set()
    wait_for_threads(threads)
