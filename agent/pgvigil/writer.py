"""The thread that owns the connection: newest samples first, the past beside them, and a way back after any outage."""

from __future__ import annotations

import logging
import random
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pgvigil import __version__, database
from pgvigil.errors import DatabaseUnavailableError, PgvigilError, SchemaError
from pgvigil.model import AgentProblem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgvigil.config import AgentSettings
    from pgvigil.model import Inventory, Sample
    from pgvigil.outgoing import Outgoing
    from pgvigil.problems import Problems
    from pgvigil.spool import Spool

log = logging.getLogger("pgvigil")

_BATCH = 20
_STATEMENT_TIMEOUT_SECONDS = 10.0
_LONGEST_PAUSE_SECONDS = 30.0


class Writer(threading.Thread):
    """Owns the connection: opens it, keeps it, and opens it again for as long as it takes."""

    def __init__(
        self, settings: AgentSettings, outgoing: Outgoing, spool: Spool, problems: Problems, stop: threading.Event
    ) -> None:
        super().__init__(name="pgvigil-writer", daemon=True)
        self._settings = settings
        self._outgoing = outgoing
        self._spool = spool
        self._problems = problems
        self._stop_requested = stop
        self._connection: database.Connection | None = None
        self._host_id = 0
        self._sent_inventory: Inventory | None = None
        self._is_present = False  # a newest sample was stored by this connection
        self._refused_in_a_row = 0
        self._was_connected = False
        self._outage = ""
        self._pause_seconds = 0.0
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Send until told to stop, and what cannot wait then as long as the server takes it."""
        try:
            while not (self._stop_requested.is_set() and self._connection is None) and self._work():
                pass
        except BaseException as error:  # noqa: BLE001 - a thread that dies in silence would be a silent agent
            self.failure = error
            self._stop_requested.set()
        if self._connection is not None:
            self._connection.close()

    def _work(self) -> bool:
        """Connect, or send what is next; return False when nothing is left to do."""
        try:
            if self._connection is None:
                self._connect()
            replay_seconds = self._replay()
            is_stopping = self._stop_requested.is_set()
            # Half of the time at most goes into the past: so many agents come back at once.
            sample = self._outgoing.take_live(0.0 if is_stopping else replay_seconds)
            if sample is not None:
                self._send_live(sample)
            elif is_stopping:
                return False
        except (DatabaseUnavailableError, SchemaError) as error:
            self._lose_connection(error)
        except PgvigilError as error:
            if not self._was_connected:
                raise
            self._lose_connection(error)
        return True

    def _connect(self) -> None:
        settings = self._settings
        name = f"pgvigil-agent {settings.host_name}"
        self._connection = database.connect(
            settings.dsn, application_name=name, statement_timeout_seconds=_STATEMENT_TIMEOUT_SECONDS
        )
        self._host_id = database.register_host(
            self._connection, settings.host_name, settings.interval_seconds, __version__,
            groups=settings.groups, labels=settings.labels,
        )  # fmt: skip
        self._sent_inventory, self._is_present = None, False
        self._spool.take_back()
        self._outgoing.is_connected = self._was_connected = True

    def _send_live(self, sample: Sample) -> None:
        inventory = self._outgoing.inventory
        losses, since = self._spool.losses()
        if losses:
            now, began = datetime.now(UTC), datetime.fromtimestamp(since, UTC)
            self._problems.put(AgentProblem("samples_dropped", "spool", "its limits were reached", losses, began, now))
        problems = self._problems.unsent()
        changed = inventory if inventory != self._sent_inventory else None
        if not self._store([sample], changed, problems):
            self._spool.add([sample])
            self._spool.set_aside([sample])
            self._outgoing.confirm()
            self._refused_in_a_row += 1
            return
        self._outgoing.confirm()
        self._sent_inventory = inventory
        if not self._is_present:  # a connection alone is no proof: its disk may be full
            event, waiting = "database_back" if self._outage else "database_connected", len(self._outgoing)
            log.info("%s host=%s host_id=%d waiting=%d", event, self._settings.host_name, self._host_id, waiting)
            self._is_present, self._outage, self._pause_seconds = True, "", 0.0
        log.debug("sample_stored taken_at=%s waiting=%d", sample.taken_at.isoformat(), len(self._outgoing))
        self._problems.sent(problems)
        self._spool.forget_losses(losses)
        if self._refused_in_a_row:
            self._problems.over("sample_refused", "server")
            if self._refused_in_a_row > 1:  # it was not the sample
                self._spool.take_back()
        self._refused_in_a_row = 0

    def _replay(self) -> float | None:
        """Send the oldest samples of the spool; return how long that took, None if there was nothing to do."""
        batch = self._spool.oldest(_BATCH) if self._is_present and len(self._spool) else []
        if not batch or self._stop_requested.is_set():
            return None
        started = time.monotonic()
        # If the server will not have the batch, it will still have all but the sample that it minds.
        stored = batch if self._store(batch) else [sample for sample in batch if self._store([sample])]
        self._spool.set_aside(sample for sample in batch if sample not in stored)
        self._spool.remove(stored)
        log.debug("samples_replayed count=%d waiting=%d", len(stored), len(self._outgoing))
        return time.monotonic() - started

    def _store(
        self, samples: Sequence[Sample], inventory: Inventory | None = None, problems: Sequence[AgentProblem] = ()
    ) -> bool:
        """Return whether the server took all of it; it takes all or nothing."""
        assert self._connection is not None  # noqa: S101 - for the type checker
        try:
            database.write_samples(
                self._connection, self._host_id, samples, inventory, problems, when_slow=self._outgoing.keep_unconfirmed
            )
        except (DatabaseUnavailableError, SchemaError):
            raise
        except PgvigilError as error:
            # The server is there and will not have it: to try it for ever would hold up all others.
            if len(samples) == 1 and self._problems.note("sample_refused", "server", str(error)):
                at = samples[0].taken_at.isoformat()
                log.error("sample_refused taken_at=%s reason=%s", at, error)  # noqa: TRY400 - one line
            return False
        return True

    def _lose_connection(self, error: PgvigilError) -> None:
        self._outgoing.put_back()
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if not self._outage:
            log.warning("database_lost reason=%s", error)
        self._outage = str(error)
        # Anywhere in the pause: a thousand agents lose their server in the same instant.
        longest = max(self._settings.interval_seconds, _LONGEST_PAUSE_SECONDS)
        self._pause_seconds = min(longest, 2 * self._pause_seconds or self._settings.interval_seconds)
        self._stop_requested.wait(random.uniform(0, self._pause_seconds))  # noqa: S311 - not a secret
