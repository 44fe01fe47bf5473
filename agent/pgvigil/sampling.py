"""The agent: one thread measures on an even grid and never waits, another one hands over to PostgreSQL."""

from __future__ import annotations

import logging
import random
import threading
import time
import zlib
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pgvigil import __version__, database
from pgvigil.errors import DatabaseUnavailableError, PgvigilError, SchemaError
from pgvigil.systemd import Systemd

if TYPE_CHECKING:
    from pgvigil.collect import Collector
    from pgvigil.config import AgentSettings
    from pgvigil.model import Inventory, Sample

log = logging.getLogger("pgvigil")

_INVENTORY_SECONDS = 60.0
_FLUSH_SECONDS = 0.7  # within the second that SIGTERM grants
_STATEMENT_TIMEOUT_SECONDS = 10.0
_LONGEST_PAUSE_SECONDS = 30.0


class Outgoing:
    """Samples on their way: the newest goes first, so that rules judge the present; the rest follows in order."""

    def __init__(self, limit: int, inventory: Inventory) -> None:
        self._limit = limit
        self._waiting: deque[Sample] = deque()
        self._live: Sample | None = None
        self._change = threading.Condition()
        self.dropped = 0
        self.inventory = inventory

    def __len__(self) -> int:
        """Return how many samples wait."""
        with self._change:
            return len(self._waiting) + (self._live is not None)

    def put(self, sample: Sample) -> None:
        """Add a new sample; the oldest is dropped, and counted, when there is no room."""
        with self._change:
            if self._live is not None:
                self._waiting.append(self._live)
            self._live = sample
            self._trim()
            self._change.notify()

    def take(self, timeout_seconds: float) -> Sample | None:
        """Return the sample to send next, None if there is none in time."""
        with self._change:
            if self._live is None and not self._waiting:
                self._change.wait(timeout_seconds)
            if self._live is not None:
                sample, self._live = self._live, None
                return sample
            return self._waiting.popleft() if self._waiting else None

    def put_back(self, sample: Sample) -> None:
        """Take a sample again that could not be sent, at its place in time."""
        with self._change:
            newer = []
            while self._waiting and self._waiting[-1].taken_at > sample.taken_at:
                newer.append(self._waiting.pop())
            self._waiting.append(sample)
            self._waiting.extend(reversed(newer))
            self._trim()

    def _trim(self) -> None:
        while len(self._waiting) > self._limit:
            self._waiting.popleft()
            self.dropped += 1


class Writer(threading.Thread):
    """Owns the connection: opens it, keeps it, and opens it again for as long as it takes."""

    def __init__(self, settings: AgentSettings, outgoing: Outgoing, stop: threading.Event) -> None:
        super().__init__(name="pgvigil-writer", daemon=True)
        self._settings = settings
        self._outgoing = outgoing
        self._stop_requested = stop
        self._connection: database.Connection | None = None
        self._host_id = 0
        self._sent_inventory: Inventory | None = None
        self._was_connected = False
        self._outage = ""
        self._pause_seconds = 0.0
        self.failure: PgvigilError | None = None

    def run(self) -> None:
        """Send until told to stop, then send what is left as long as the server takes it."""
        while not (self._stop_requested.is_set() and (not len(self._outgoing) or self._connection is None)):
            sample: Sample | None = None
            try:
                connection = self._connected()
                sample = self._outgoing.take(timeout_seconds=0.5)
                if sample is not None:
                    self._write(connection, sample)
            except (DatabaseUnavailableError, SchemaError) as error:
                self._lose_connection(sample, error)
            except PgvigilError as error:
                if sample is not None:
                    self._refused(sample, error)
                elif self._was_connected:
                    self._lose_connection(sample, error)
                else:
                    self.failure = error
                    self._stop_requested.set()
                    return
        if self._connection is not None:
            self._connection.close()

    def _connected(self) -> database.Connection:
        if self._connection is not None:
            return self._connection
        connection = database.connect(
            self._settings.dsn,
            application_name=f"pgvigil-agent {self._settings.host_name}",
            statement_timeout_seconds=_STATEMENT_TIMEOUT_SECONDS,
        )
        try:
            self._host_id = database.register_host(
                connection, self._settings.host_name, self._settings.interval_seconds, __version__
            )
        except PgvigilError:
            connection.close()
            raise
        self._connection, self._sent_inventory, self._pause_seconds = connection, None, 0.0
        event = "database_back" if self._outage else "database_connected"
        log.info(
            "%s host=%s host_id=%d waiting=%d", event, self._settings.host_name, self._host_id, len(self._outgoing)
        )
        self._outage = ""
        self._was_connected = True
        return connection

    def _write(self, connection: database.Connection, sample: Sample) -> None:
        inventory = self._outgoing.inventory
        changed = inventory if inventory != self._sent_inventory else None
        database.write_sample(connection, self._host_id, sample, changed)
        self._sent_inventory = inventory
        log.debug("sample_stored taken_at=%s waiting=%d", sample.taken_at.isoformat(), len(self._outgoing))

    def _refused(self, sample: Sample, error: PgvigilError) -> None:
        # The server is there and will not have this one: to try it for ever would hold up all others.
        log.error("sample_refused taken_at=%s reason=%s", sample.taken_at.isoformat(), error)

    def _lose_connection(self, sample: Sample | None, error: PgvigilError) -> None:
        if sample is not None:
            self._outgoing.put_back(sample)
        if self._connection is not None:
            with suppress(PgvigilError), database.translated_errors():
                self._connection.close()
            self._connection = None
        if not self._outage:
            log.warning("database_lost reason=%s", error)
        self._outage = str(error)
        # Spread out, so that a thousand agents do not storm a server that comes back.
        self._pause_seconds = min(_LONGEST_PAUSE_SECONDS, max(0.5, self._pause_seconds * 2))
        self._stop_requested.wait(self._pause_seconds * random.uniform(0.5, 1.0))  # noqa: S311 - not a secret


def run_agent(settings: AgentSettings, collector: Collector, stop: threading.Event) -> None:
    """Measure at every beat and have it stored, until `stop` is set.

    Raises:
        PgvigilError: the very first connection is refused (later ones are tried again for ever).
    """
    database.read_dsn(settings.dsn)  # a mistake there is told before anything else is
    collector.prime()
    outgoing = Outgoing(settings.buffer_samples, collector.inventory())
    writer = Writer(settings, outgoing, stop)
    inventory_at = time.monotonic()
    writer.start()
    log.info(
        "agent_started version=%s host=%s interval=%gs", __version__, settings.host_name, settings.interval_seconds
    )
    systemd = Systemd(settings.notify_socket)
    systemd.tell("READY=1")
    beat = _first_beat(settings)
    while not stop.wait(max(0.0, beat - time.monotonic())):
        sample = collector.sample(datetime.now(UTC))
        is_old = time.monotonic() - inventory_at >= _INVENTORY_SECONDS
        if is_old or not _describes(outgoing.inventory, sample):
            outgoing.inventory = collector.inventory()
            inventory_at = time.monotonic()
        dropped = outgoing.dropped
        outgoing.put(sample)
        systemd.tell("WATCHDOG=1", f"STATUS={len(outgoing)} samples wait for the database")
        if outgoing.dropped > dropped:
            log.warning("samples_dropped total=%d reason=buffer full", outgoing.dropped)
        # After a suspend the beats that were missed are gone: the grid stays, nothing is made up.
        behind = max(0.0, time.monotonic() - beat)
        beat += settings.interval_seconds * (behind // settings.interval_seconds + 1)
    systemd.tell("STOPPING=1")
    writer.join(_FLUSH_SECONDS)
    if writer.failure is not None:
        raise writer.failure
    log.info("agent_stopped waiting=%d dropped=%d", len(outgoing), outgoing.dropped)


def _describes(inventory: Inventory, sample: Sample) -> bool:
    """Tell whether every disk and interface of the sample is in the inventory: a new one is made known at once."""
    disks = {info.disk_name for info in inventory.disk}
    interfaces = {info.network_interface for info in inventory.network}
    return disks.issuperset(row.disk_name for row in sample.disk) and interfaces.issuperset(
        row.network_interface for row in sample.network
    )


def _first_beat(settings: AgentSettings) -> float:
    """Return when to sample first: each host has its own place in the interval, so that not all insert at once."""
    interval = settings.interval_seconds
    phase = zlib.crc32(settings.host_name.encode()) / 2**32 * interval
    wait = (phase - time.time()) % interval
    # A first rate over a few milliseconds would be noise.
    return time.monotonic() + (wait if wait > interval / 4 else wait + interval)
