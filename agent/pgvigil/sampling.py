"""The agent's loop: measure on an even grid and never wait, neither for the database nor for a disk."""

from __future__ import annotations

import logging
import time
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pgvigil import __version__, database
from pgvigil.outgoing import Outgoing
from pgvigil.spool import Spool
from pgvigil.systemd import Systemd
from pgvigil.writer import Writer

if TYPE_CHECKING:
    import threading

    from pgvigil.collect import Collector
    from pgvigil.config import AgentSettings
    from pgvigil.problems import Problems

log = logging.getLogger("pgvigil")

_INVENTORY_SECONDS = 60.0
_FLUSH_SECONDS = 0.7  # within the second that SIGTERM grants


def run_agent(settings: AgentSettings, collector: Collector, problems: Problems, stop: threading.Event) -> None:
    """Measure at every beat and have it stored, until `stop` is set.

    Raises:
        PgvigilError: the very first connection is refused (later ones are tried again for ever).
    """
    directory = Path(settings.spool_directory) if settings.spool_directory else None
    database.read_dsn(settings.dsn)  # a mistake there is told before anything else is
    spool = Spool(directory, max_bytes=settings.spool_max_bytes, max_age_seconds=settings.spool_max_age_seconds)
    collector.prime()
    outgoing = Outgoing(spool)
    writer = Writer(settings, outgoing, spool, problems, stop)
    writer.start()
    log.info(
        "agent_started version=%s host=%s interval=%gs spool=%s waiting=%d",
        __version__, settings.host_name, settings.interval_seconds, directory or "memory", len(spool),
    )  # fmt: skip
    systemd = Systemd(settings.notify_socket, settings.watchdog_seconds)
    systemd.tell("READY=1")
    _beat(settings, collector, outgoing, systemd, stop)
    systemd.tell("STOPPING=1")
    outgoing.wake()
    writer.join(_FLUSH_SECONDS)
    outgoing.close()
    log.info("agent_stopped waiting=%d", len(outgoing))
    spool.close()
    if writer.failure is not None:
        raise writer.failure


def _beat(
    settings: AgentSettings, collector: Collector, outgoing: Outgoing, systemd: Systemd, stop: threading.Event
) -> None:
    """Take a sample at each beat, until it is time to stop."""
    beat, described_at, described = _first_beat(settings), 0.0, set[str]()
    while not stop.is_set():
        systemd.tell("WATCHDOG=1", f"STATUS={len(outgoing)} samples wait for the database")
        if (seconds := beat - time.monotonic()) > 0:
            stop.wait(min(seconds, systemd.patience_seconds))
            continue
        sample = collector.sample(datetime.now(UTC))
        log.debug("sample_taken taken_at=%s", sample.taken_at.isoformat())
        names = {row.disk_name for row in sample.disk} | {row.network_interface for row in sample.network}
        # What is new is made known at once.
        if beat - described_at >= _INVENTORY_SECONDS or not names <= described:
            outgoing.inventory = collector.inventory()
            described_at, described = beat, names
        outgoing.put(sample)
        # After a suspend the beats that were missed are gone: the grid stays, nothing is made up.
        behind = max(0.0, time.monotonic() - beat)
        beat += settings.interval_seconds * (behind // settings.interval_seconds + 1)


def _first_beat(settings: AgentSettings) -> float:
    """Return when to sample first: each host has its own place in the interval, so that not all insert at once."""
    interval = settings.interval_seconds
    phase = zlib.crc32(settings.host_name.encode()) / 2**32 * interval
    wait = (phase - time.time()) % interval
    # A first rate over a few milliseconds would be noise.
    return time.monotonic() + (wait if wait > interval / 4 else wait + interval)
