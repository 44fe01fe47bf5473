"""System calls that may never return, such as statvfs() on a dead NFS server, made where they can be left behind."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

T = TypeVar("T")


class _Round(threading.Thread, Generic[T]):
    """Asks one path after the other, until it is done or nobody waits any more."""

    def __init__(self, question: Callable[[str], T | None], paths: Sequence[str]) -> None:
        super().__init__(name="pgvigil-patience", daemon=True)
        self.answers: dict[str, T] = {}
        self._question = question
        self._paths = paths
        self._position = 0
        self._is_abandoned = False
        self._lock = threading.Lock()

    def run(self) -> None:
        """Collect the answers."""
        for position, path in enumerate(self._paths):
            with self._lock:
                if self._is_abandoned:
                    return
                self._position = position
            answer = self._question(path)
            if answer is not None:
                self.answers[path] = answer

    def abandon(self) -> int:
        """Stop after the present path, and return its position."""
        with self._lock:
            self._is_abandoned = True
            return self._position


class Patience:
    """Waits so many seconds; then leaves the path behind, and its thread with it, and does not ask there again.

    Not before that thread came back, that is: there is at most one thread per path that hangs.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._stuck: dict[str, threading.Thread] = {}

    def ask(self, question: Callable[[str], T | None], paths: Iterable[str]) -> tuple[dict[str, T], tuple[str, ...]]:
        """Return the answers, without those that are None, and the paths that hang."""
        self._stuck = {path: thread for path, thread in self._stuck.items() if thread.is_alive()}
        asked = tuple(paths)
        left = [path for path in asked if path not in self._stuck]
        answers: dict[str, T] = {}
        while left:
            current = _Round(question, left)
            current.start()
            current.join(self._seconds)
            if not current.is_alive():
                answers |= current.answers
                break
            position = current.abandon()
            answers |= {path: current.answers[path] for path in left[:position] if path in current.answers}
            self._stuck[left[position]] = current
            left = left[position + 1 :]
        return answers, tuple(path for path in asked if path in self._stuck)
