"""Measure this host; the only package that imports psutil."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any, Protocol

from pgvigil.collect import cpu, disk, memory, network
from pgvigil.collect.host import host_name
from pgvigil.collect.options import CollectOptions
from pgvigil.model import Inventory, Sample

__all__ = ["COLLECTORS", "CollectOptions", "Collector", "host_name"]

_log = logging.getLogger("pgvigil")


class Subject(Protocol):
    """The shape of a collector's module: read() and inventory() touch the host, rows() is pure."""

    NAME: str

    def read(self, options: CollectOptions, previous: Any, /) -> Any:
        """Read the counters; the previous reading carries what need not be found out again."""

    def rows(self, reading: Any, previous: Any, /) -> tuple[Any, ...]:
        """Return what goes into the database."""

    def inventory(self, options: CollectOptions, /) -> tuple[Any, ...]:
        """Return what the host has."""


COLLECTORS: tuple[Subject, ...] = (cpu, memory, disk, network)


class Collector:
    """Remembers the previous readings; one per thread."""

    def __init__(self, options: CollectOptions | None = None) -> None:
        """Take the options; reading starts with the first call."""
        self._options = options or CollectOptions()
        self._readings: dict[str, Any] = {}
        self._infos: dict[str, tuple[Any, ...]] = {}
        self._failures: dict[str, str] = {}

    def prime(self) -> None:
        """Take the readings that the first sample's rates are counted from."""
        self.sample(datetime.now(UTC))

    def sample(self, taken_at: datetime) -> Sample:
        """Measure everything once; what is a rate since the previous call is missing in the first."""
        rows = {subject.NAME: self._measure(subject) for subject in COLLECTORS}
        return Sample(taken_at, rows["cpu"], rows["memory"], rows["disk"], rows["network"])

    def inventory(self) -> Inventory:
        """Describe the host; a collector that fails repeats what it last knew, as nothing would mean gone."""
        for subject in COLLECTORS:
            try:
                self._infos[subject.NAME] = subject.inventory(self._options)
            except Exception as exc:  # noqa: BLE001 - one failing collector must not stop the others
                self._report(subject, exc)
        infos = {subject.NAME: self._infos.get(subject.NAME, ()) for subject in COLLECTORS}
        return Inventory(infos["cpu"], infos["memory"], infos["disk"], infos["network"])

    def _measure(self, subject: Subject) -> tuple[Any, ...]:
        previous = self._readings.get(subject.NAME)
        try:
            reading = subject.read(self._options, previous)
            rows = subject.rows(reading, previous)
        except Exception as exc:  # noqa: BLE001 - one failing collector must not stop the others
            self._report(subject, exc)
            return ()
        self._readings[subject.NAME] = reading
        self._failures.pop(subject.NAME, None)
        return rows

    def _report(self, subject: Subject, exc: Exception) -> None:
        """Log a failure once; the same again every few seconds is for those who debug."""
        reason = f"{type(exc).__name__}: {exc}"
        level = logging.DEBUG if self._failures.get(subject.NAME) == reason else logging.WARNING
        self._failures[subject.NAME] = reason
        show_traceback = _log.isEnabledFor(logging.DEBUG)
        _log.log(level, "collector_failed collector=%s reason=%r", subject.NAME, reason, exc_info=show_traceback)
