"""The way of a sample from its beat to its commit: at once if the database takes it, else by way of the spool."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pgvigil.model import Inventory, Sample
    from pgvigil.spool import Spool

_MOST_ON_THE_WAY = 5000  # to a disk that hangs


@dataclass(slots=True)
class _Live:
    sample: Sample
    is_kept: bool = False


class Outgoing:
    """What lies between the threads. The newest sample goes first, so that rules judge the present.

    The rest follows from the spool, oldest first, once a newest one has arrived. A thread of its own writes to the
    spool, for a disk can be as slow as a server.
    """

    def __init__(self, spool: Spool, inventory: Inventory) -> None:
        self._spool = spool
        self._change = threading.Condition()
        self._live: _Live | None = None
        self._in_flight: _Live | None = None
        self._on_the_way: deque[Sample] = deque(maxlen=_MOST_ON_THE_WAY)
        self._is_open = True
        self._keeper = threading.Thread(target=self._keep_all, name="pgvigil-spool", daemon=True)
        self._keeper.start()
        self.is_connected = False
        self.inventory = inventory

    def __len__(self) -> int:
        """Return how many samples are not confirmed."""
        return len(self._spool) + len(self._on_the_way) + sum(
            1 for live in (self._live, self._in_flight) if live and not live.is_kept
        )  # fmt: skip

    def put(self, sample: Sample) -> None:
        """Take the sample of this beat."""
        with self._change:
            self._keep(self._live)
            self._live = _Live(sample)
            if not self.is_connected:
                self._keep(self._live)
            self._change.notify_all()

    def keep_unconfirmed(self) -> None:
        """Have on disk what the database has not confirmed: whoever kills us now costs no sample."""
        with self._change:
            self._keep(self._in_flight)
            self._keep(self._live)

    def _keep(self, live: _Live | None) -> None:
        if live is not None and not live.is_kept:
            live.is_kept = True
            self._on_the_way.append(live.sample)
            self._change.notify_all()

    def take_live(self, timeout_seconds: float | None) -> Sample | None:
        """Wait for the newest sample; None if it does not come in time, or never will."""
        with self._change:
            if self._is_open and self._live is None:
                self._change.wait(timeout_seconds)
            self._in_flight, self._live = self._live, None
            return self._in_flight.sample if self._in_flight else None

    def confirm(self) -> None:
        """The sample that was taken is stored."""
        with self._change:
            self._in_flight = None

    def put_back(self) -> None:
        """The sample that was taken, if any, could not be sent: it stays the newest until the next beat."""
        with self._change:
            self._keep(self._in_flight)
            self._live, self._in_flight = self._live or self._in_flight, None

    def close(self) -> None:
        """Bring everything to disk."""
        with self._change:
            self._keep(self._in_flight)
            self._keep(self._live)
            self._is_open = False
            self._change.notify_all()
        self._keeper.join()

    def wake(self) -> None:
        """Have whoever waits look again."""
        with self._change:
            self._change.notify_all()

    def _keep_all(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._on_the_way or not self._is_open)
                samples = list(self._on_the_way)
                if not samples:
                    return
            self._spool.add(samples)
            with self._change:
                for _ in samples:
                    self._on_the_way.popleft()
