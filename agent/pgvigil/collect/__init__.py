"""Measure this host; the only package that imports psutil."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Any, Protocol

from pgvigil.collect import cpu, disk, memory, network
from pgvigil.collect.container import check_view
from pgvigil.collect.figures import printable
from pgvigil.collect.host import host_name, machine_id
from pgvigil.collect.options import CollectOptions
from pgvigil.model import CollectorError, Inventory, Sample

__all__ = ["COLLECTORS", "CollectOptions", "Collector", "check_view", "host_name", "machine_id"]

_log = logging.getLogger("pgvigil")
_LONGEST_REASON = 500


class Subject(Protocol):
    """The shape of a collector's module: read() and inventory() touch the host, rows() is pure."""

    NAME: str

    def read(self, options: CollectOptions, previous: Any, /) -> Any:
        """Read the counters; the previous reading carries what need not be found out again.

        The reading's `failure` says what of it is missing, empty if nothing is.
        """

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
        self._untold: dict[str, str] = {}

    def prime(self) -> None:
        """Take the readings that the first sample's rates are counted from."""
        self.sample(datetime.now(UTC))

    def sample(self, taken_at: datetime) -> Sample:
        """Measure everything once; what is a rate since the previous call is missing in the first."""
        rows = {subject.NAME: self._measure(subject) for subject in COLLECTORS}
        return Sample(taken_at, rows["cpu"], rows["memory"], rows["disk"], rows["network"])

    def inventory(self) -> Inventory:
        """Describe the host, and what failed since the last time, if only for a beat.

        A collector that fails repeats what it last knew, as nothing would mean gone.
        """
        for subject in COLLECTORS:
            try:
                self._infos[subject.NAME] = subject.inventory(self._options)
            except Exception as exc:  # noqa: BLE001 - one failing collector must not stop the others
                self._report(subject, f"{type(exc).__name__}: {exc}")
        infos = {subject.NAME: self._infos.get(subject.NAME, ()) for subject in COLLECTORS}
        errors = sorted((self._untold | self._failures).items())
        self._untold.clear()
        return Inventory(
            infos["cpu"],
            infos["memory"],
            infos["disk"],
            infos["network"],
            tuple(CollectorError(name, reason) for name, reason in errors),
        )

    def _measure(self, subject: Subject) -> tuple[Any, ...]:
        previous = self._readings.get(subject.NAME)
        try:
            reading = subject.read(self._options, previous)
            rows = subject.rows(reading, previous)
        except Exception as exc:  # noqa: BLE001 - one failing collector must not stop the others
            self._report(subject, f"{type(exc).__name__}: {exc}")
            return ()
        self._readings[subject.NAME] = reading
        if reading.failure:
            self._report(subject, reading.failure)
        else:
            self._failures.pop(subject.NAME, None)
        return rows

    def _report(self, subject: Subject, failure: str) -> None:
        """Log a failure once; the same again every few seconds is for those who debug."""
        reason = printable(failure)[:_LONGEST_REASON]
        level = logging.DEBUG if self._failures.get(subject.NAME) == reason else logging.WARNING
        self._failures[subject.NAME] = self._untold[subject.NAME] = reason
        show_traceback = _log.isEnabledFor(logging.DEBUG) and sys.exc_info()[0] is not None
        _log.log(level, "collector_failed collector=%s reason=%r", subject.NAME, reason, exc_info=show_traceback)
