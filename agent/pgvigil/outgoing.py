"""The way of a sample from its beat to its commit: at once if the database takes it, else by way of the spool."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pgvigil.model import Inventory, Sample
    from pgvigil.spool import Spool

_MOST_ON_THE_WAY = 5000  # to a disk that hangs


class Outgoing:
    """What lies between the threads. The newest sample goes first, so that rules judge the present.

    The rest follows from the spool, oldest first, once a newest one has arrived.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._change = threading.Condition()
        self._live: Sample | None = None
        self._in_flight: Sample | None = None
        self._unkept: list[Sample] = []  # of these two, what is not on its way to the disk
        self._on_the_way: list[Sample] = []
        self._being_kept = 0
        self._keeper: threading.Thread | None = None
        self.is_connected = False
        self.inventory: Inventory | None = None

    def __len__(self) -> int:
        """Return how many samples are not confirmed."""
        return len(self._spool) + self._being_kept + len(self._on_the_way) + len(self._unkept)

    def put(self, sample: Sample) -> None:
        """Take the sample of this beat; all before it that is not confirmed goes to disk."""
        with self._change:
            self.keep_unconfirmed()
            self._live, self._unkept = sample, [sample]
            if not self.is_connected:
                self.keep_unconfirmed()
            self._change.notify()

    def keep_unconfirmed(self) -> None:
        """Have on disk what the database has not confirmed: whoever kills us now costs no sample."""
        with self._change:
            self._on_the_way = (self._on_the_way + self._unkept)[-_MOST_ON_THE_WAY:]
            self._unkept = []
            if self._on_the_way and self._keeper is None:
                # A thread of its own, for a disk can be as slow as a server; only an outage needs it.
                self._keeper = threading.Thread(target=self._keep_all, name="pgvigil-spool", daemon=True)
                self._keeper.start()

    def take_live(self, timeout_seconds: float | None) -> Sample | None:
        """Wait for the newest sample; None if it does not come in time, or somebody calls wake()."""
        with self._change:
            if self._live is None:
                self._change.wait(timeout_seconds)
            self._in_flight, self._live = self._live, None
            return self._in_flight

    def confirm(self) -> None:
        """The sample that was taken is stored."""
        with self._change:
            self._unkept = [sample for sample in self._unkept if sample is not self._in_flight]
            self._in_flight = None

    def put_back(self) -> None:
        """The sample that was taken, if any, could not be sent: it stays the newest until the next beat."""
        with self._change:
            self.is_connected = False
            self.keep_unconfirmed()
            self._live, self._in_flight = self._live or self._in_flight, None

    def close(self) -> None:
        """Bring everything to disk."""
        self.keep_unconfirmed()
        if keeper := self._keeper:
            keeper.join()

    def wake(self) -> None:
        """Have whoever waits look again."""
        with self._change:
            self._change.notify()

    def _keep_all(self) -> None:
        while True:
            with self._change:
                samples, self._on_the_way = self._on_the_way, []
                self._being_kept = len(samples)
                if not samples:
                    self._keeper = None
                    return
            self._spool.add(samples)
