"""What goes wrong in the agent itself, to be stored beside its samples. For any thread."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pgvigil.model import AgentProblem

if TYPE_CHECKING:
    from collections.abc import Iterable


class Problems:
    """One entry per problem and subject; what happens again counts up until it is over."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[tuple[str, str], AgentProblem] = {}
        self._unsent: dict[tuple[str, str], AgentProblem] = {}

    def note(self, problem: str, subject: str, detail: str) -> bool:
        """Count a problem; return whether it is new, or there for another reason, and so worth a log line."""
        now, key = datetime.now(UTC), (problem, subject)
        with self._lock:
            before = self._open.get(key) or AgentProblem(problem, subject, "", 0, now, now)
            self._open[key] = self._unsent[key] = replace(
                before, detail=detail, occurrences=before.occurrences + 1, last_at=now
            )
        return before.detail != detail

    def put(self, problem: AgentProblem) -> None:
        """Have a problem stored that somebody else has counted."""
        with self._lock:
            self._unsent[problem.problem, problem.subject] = problem

    def over(self, problem: str, subject: str) -> None:
        """End a problem: if it comes back it counts from one."""
        if self._open:
            with self._lock:
                self._open.pop((problem, subject), None)

    def unsent(self) -> tuple[AgentProblem, ...]:
        """Return what the database does not know yet."""
        with self._lock:
            return tuple(self._unsent.values())

    def sent(self, problems: Iterable[AgentProblem]) -> None:
        """Forget what is stored, unless it has changed since."""
        stored = set(problems)
        with self._lock:
            self._unsent = {key: problem for key, problem in self._unsent.items() if problem not in stored}
