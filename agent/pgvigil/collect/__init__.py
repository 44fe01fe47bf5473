"""Measure this host; the only package that imports psutil."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pgvigil.collect import cpu, disk, memory, network
from pgvigil.collect.container import check_view, host_name, machine_id
from pgvigil.collect.figures import printable
from pgvigil.collect.options import CollectOptions
from pgvigil.model import Inventory, Sample
from pgvigil.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["COLLECTORS", "CollectOptions", "Collector", "check_view", "host_name", "machine_id"]

_log = logging.getLogger("pgvigil")
_LONGEST_REASON = 500


# read() and inventory() touch the host, rows() makes rows of a reading and the one before it, and is pure. A reading
# carries what need not be found out again, and `failures`: what of it is missing, as (problem, subject), and why.
COLLECTORS: tuple[Any, ...] = (cpu, memory, disk, network)


class Collector:
    """Remembers the previous readings; one per thread."""

    def __init__(self, options: CollectOptions | None = None, problems: Problems | None = None) -> None:
        """Take the options, and where failures are noted; reading starts with the first call."""
        self._options = options or CollectOptions()
        self._problems = problems or Problems()
        self._readings: dict[str, Any] = {}
        self._infos: dict[str, tuple[Any, ...]] = {}
        self._failures: dict[str, Mapping[tuple[str, str], str | Exception]] = {}

    def prime(self) -> None:
        """Take the readings that the first sample's rates are counted from."""
        self.sample(datetime.now(UTC))

    def sample(self, taken_at: datetime) -> Sample:
        """Measure everything once; what is a rate since the previous call is missing in the first."""
        return Sample(taken_at, *map(self._measure, COLLECTORS))

    def inventory(self) -> Inventory:
        """Describe the host; a collector that fails repeats what it last knew, and says that it may not be all."""
        incomplete = {name for name, failures in self._failures.items() if failures}
        for subject in COLLECTORS:
            try:
                self._infos[subject.NAME] = subject.inventory(self._options)
                self._problems.over("inventory_failed", subject.NAME)
            except Exception as exc:  # noqa: BLE001 - one failing collector must not stop the others
                self._report("inventory_failed", subject.NAME, exc)
                incomplete.add(subject.NAME)
        infos = {subject.NAME: self._infos.get(subject.NAME, ()) for subject in COLLECTORS}
        return Inventory(**infos, incomplete=tuple(sorted(incomplete)))

    def _measure(self, subject: Any) -> tuple[Any, ...]:
        previous = self._readings.get(subject.NAME)
        rows: tuple[Any, ...] = ()
        failures: Mapping[tuple[str, str], str | Exception]
        try:
            reading = subject.read(self._options, previous)
            rows = subject.rows(reading, previous)
            self._readings[subject.NAME] = reading
            failures = getattr(reading, "failures", {})
        except Exception as exc:  # noqa: BLE001 - one failing collector must not stop the others
            failures = {("collector_failed", subject.NAME): exc}
        for (problem, name), reason in failures.items():
            self._report(problem, name, reason)
        for problem, name in self._failures.get(subject.NAME, {}).keys() - failures.keys():
            self._problems.over(problem, name)
        self._failures[subject.NAME] = failures
        return rows

    def _report(self, problem: str, name: str, reason: str | Exception) -> None:
        """Log a failure once; the same again every few seconds is for those who debug."""
        text = f"{type(reason).__name__}: {reason}" if isinstance(reason, Exception) else reason
        text = printable(text)[:_LONGEST_REASON]
        level = logging.WARNING if self._problems.note(problem, name, text) else logging.DEBUG
        exc_info = reason if isinstance(reason, Exception) and _log.isEnabledFor(logging.DEBUG) else None
        _log.log(level, "%s subject=%s reason=%r", problem, name, text, exc_info=exc_info)
