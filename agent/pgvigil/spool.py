"""Samples that the database has not confirmed yet, on disk: the only module that imports sqlite3."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pgvigil.errors import ConfigError
from pgvigil.rows import from_json, key_of, to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pgvigil.model import Sample

log = logging.getLogger("pgvigil")

_MEMORY_BYTES = 8 * 2**20
# Age counts back from here, not from now: a clock that jumps ahead for a while must not empty the spool.
_NEWEST_THAT_COUNTS = 360

# synchronous: what is committed outlives a power cut too. Only an outage writes here, so it costs next to nothing.
_SCHEMA = """
pragma locking_mode = exclusive;
pragma auto_vacuum = full;
pragma journal_mode = truncate;
pragma synchronous = full;
create table if not exists sample (
    taken_at integer primary key, -- microseconds since 1970: the order in which samples are replayed
    body text not null,
    is_refused integer not null default 0
);
create table if not exists dropped (samples integer not null, since integer not null);
begin exclusive;
commit;
"""
_EXPIRE = (
    "delete from sample where taken_at < (select taken_at from sample order by taken_at desc limit 1 offset ?) - ?"
)
_DROP_OLDEST = "delete from sample where taken_at in (select taken_at from sample order by taken_at limit ?)"


class _Store:
    """One bounded SQLite database, on disk or (path is None) in memory. Any method can raise sqlite3.Error."""

    def __init__(self, path: Path | None, max_bytes: int) -> None:
        self.is_on_disk = path is not None
        self._database = sqlite3.connect(path or ":memory:", timeout=1.0, isolation_level=None, check_same_thread=False)
        try:
            self._database.executescript(_SCHEMA)
            self._max_pages = max_bytes // int(self.query("pragma page_size")[0][0])
            self.query(f"pragma max_page_count = {self._max_pages}")
        except BaseException:
            self._database.close()
            raise

    def close(self) -> None:
        self._database.close()

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        return self._database.execute(statement, values).fetchall()

    def __len__(self) -> int:
        return int(self.query("select count(*) from sample")[0][0])

    def add(self, samples: Sequence[Sample], max_age_seconds: float) -> None:
        """Keep all of them or none; the oldest make room for the newest, and are counted."""
        rows = [(key_of(sample), to_json(sample)) for sample in samples]
        while True:
            try:
                with self._database:  # rolls back whatever fails
                    self._database.execute("begin immediate")
                    self._database.executemany("insert or ignore into sample (taken_at, body) values (?, ?)", rows)
                    self._drop(_EXPIRE, _NEWEST_THAT_COUNTS, round(max_age_seconds * 1e6))
            except sqlite3.OperationalError:
                # A full disk, or any other trouble, is not ours to mend: only our own limit is.
                if int(self.query("pragma page_count")[0][0]) < 0.9 * self._max_pages or not len(self):
                    raise
                with self._database:
                    self._database.execute("begin immediate")
                    self._drop(_DROP_OLDEST, len(self) // 20 + 1)  # some at once, or each sample would drop another
            else:
                return

    def _drop(self, statement: str, *values: object) -> None:
        count = self._database.execute(statement, values).rowcount
        if count > 0 and not self._database.execute("update dropped set samples = samples + ?", (count,)).rowcount:
            self._database.execute("insert into dropped values (?, ?)", (count, round(time.time())))

    def change(self, statement: str, keys: Iterable[int]) -> None:
        """Run a statement for each key, in one transaction."""
        with self._database:
            self._database.execute("begin immediate")
            self._database.executemany(statement, [(key,) for key in keys])


class Spool:
    """Bounded and durable; what the disk will not take is kept in memory until it does. For any thread."""

    def __init__(self, directory: Path | None, *, max_bytes: int, max_age_seconds: float) -> None:
        """Open the spool of a directory, None for one in memory.

        Raises:
            ConfigError: another agent has it open, or nothing can be written there.
        """
        self._lock = threading.Lock()
        self._max_age_seconds = max_age_seconds
        memory = _Store(None, _MEMORY_BYTES)
        self._stores = [_open(directory, max_bytes), memory] if directory else [memory]
        self._is_disk_failing = False
        self._removed: set[int] = set()  # confirmed, but still on a disk that is full: deleting takes space too
        self._count = 0
        self._losses = (0, 0.0)
        self._recount()

    def __len__(self) -> int:
        """Return how many samples are kept, as of the last change."""
        return self._count

    def add(self, samples: Sequence[Sample]) -> None:
        """Keep samples, whatever the disk says."""
        with self._lock:
            try:
                self._forget_removed()
                self._stores[0].add(samples, self._max_age_seconds)
                while self._is_disk_failing:
                    moved = self._stores[-1].query("select taken_at, body from sample order by taken_at limit 100")
                    self._stores[0].add([from_json(*row) for row in moved], self._max_age_seconds)
                    self._stores[-1].change("delete from sample where taken_at = ?", [row[0] for row in moved])
                    if not moved:
                        self._is_disk_failing = False
                        log.info("spool_back")
            except sqlite3.Error as error:
                if not self._is_disk_failing:
                    log.warning("spool_failed reason=%r action='keep samples in memory'", str(error))
                self._is_disk_failing = True
                self._stores[-1].add(samples, self._max_age_seconds)
            self._recount()

    def oldest(self, limit: int) -> list[Sample]:
        """Return the samples to replay next."""
        return self._read("order by taken_at", limit)[:limit]

    def newest(self) -> list[Sample]:
        """Return the newest sample, if any: rules have to judge the present before the past is filled in."""
        return self._read("order by taken_at desc", 1)[-1:]

    def _read(self, order: str, limit: int) -> list[Sample]:
        query = f"select taken_at, body from sample where not is_refused {order} limit ?"  # noqa: S608 - ours
        found: list[Sample] = []
        with self._lock:
            for store in self._stores:
                with suppress(sqlite3.Error):  # a disk that fails is told when it is written to
                    rows = store.query(query, limit + len(self._removed))
                    found += (from_json(*row) for row in rows if row[0] not in self._removed)
        return sorted(found, key=key_of)

    def remove(self, samples: Iterable[Sample]) -> None:
        """Forget samples that the database has confirmed."""
        with self._lock, suppress(sqlite3.Error):
            self._removed.update(map(key_of, samples))
            self._forget_removed()
            self._recount()

    def set_aside(self, samples: Iterable[Sample]) -> None:
        """Put samples aside that the database refuses."""
        keys = list(map(key_of, samples))
        with self._lock, suppress(sqlite3.Error):
            for store in self._stores:
                store.change("update sample set is_refused = 1 where taken_at = ?", keys)

    def take_back(self) -> None:
        """Have those tried again that were set aside."""
        with self._lock, suppress(sqlite3.Error):
            for store in self._stores:
                store.query("update sample set is_refused = 0 where is_refused")

    def losses(self) -> tuple[int, float]:
        """Return how many samples were dropped that nobody was told of, and since when (Unix time)."""
        return self._losses

    def forget_losses(self, samples: int) -> None:
        """Note that so many losses were told; while there are more by now, all are told again."""
        with self._lock, suppress(sqlite3.Error):
            if self._losses[0] == samples:
                for store in self._stores:
                    store.query("delete from dropped")
                self._recount()

    def close(self) -> None:
        """Close it; what it holds stays."""
        with self._lock:
            for store in self._stores:
                store.close()

    def _forget_removed(self) -> None:
        if self._removed:
            for store in reversed(self._stores):
                store.change("delete from sample where taken_at = ?", self._removed)
            self._removed.clear()

    def _recount(self) -> None:
        self._count = max(0, sum(map(len, self._stores)) - len(self._removed))
        found = [row for store in self._stores for row in store.query("select samples, since from dropped")]
        self._losses = (sum(samples for samples, _ in found), min((since for _, since in found), default=0.0))


def _open(directory: Path, max_bytes: int) -> _Store:
    """Open the file of a directory; one that is damaged is put aside, for it may still hold samples."""
    path = directory / "spool.sqlite3"
    try:
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        try:
            return _Store(path, max_bytes)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:  # its own class and no other: not a database, or a malformed one
            damaged = path.with_name(f"{path.name}.damaged-{time.time():.0f}")
            path.rename(damaged)
            log.error("spool_damaged reason=%r moved_to=%r", str(error), str(damaged))  # noqa: TRY400 - one line
            return _Store(path, max_bytes)
    except (OSError, sqlite3.OperationalError) as error:
        message = f"cannot keep samples in {str(directory)!r}: {error}"
        hint = "Give a directory of its own that the agent may write to: --spool-directory (PGVIGIL_SPOOL_DIRECTORY)"
        if "locked" in str(error):
            hint = f"Another agent uses it. {hint}"
        raise ConfigError(message, hint) from error
