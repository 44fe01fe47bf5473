"""Samples that the database has not confirmed yet, on disk: the only module that imports sqlite3."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from contextlib import contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING

from pgvigil.errors import ConfigError
from pgvigil.rows import from_json, key_of, to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pgvigil.model import Sample

log = logging.getLogger("pgvigil")

_MEMORY_BYTES = 8 * 2**20
_MOST_IN_MEMORY = 8000  # samples that a failing disk does not take
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
_COUNT = "select count(*) from sample"
_MAX_PAGES = "pragma max_page_count"
_DELETE = "delete from sample where taken_at = ?"
_OLDEST = "select taken_at, body from sample where not is_refused order by taken_at limit ?"
_DROP_OLDEST = "delete from sample where taken_at in (select taken_at from sample order by taken_at limit ?)"


class Spool:
    """Bounded and durable; what the disk will not take is kept in memory until it does. For any thread."""

    def __init__(self, directory: Path | None, *, max_bytes: int, max_age_seconds: float) -> None:
        """Open the spool of a directory, None for one in memory.

        Raises:
            ConfigError: another agent has it open, or nothing can be written there.
        """
        self._lock = threading.Lock()
        self._max_age_seconds = max_age_seconds
        self._database = _open(directory, max_bytes) if directory else _connect(":memory:", _MEMORY_BYTES)
        self._waiting: dict[int, str] = {}
        self._refused: set[int] = set()  # of those that wait; on disk a column tells
        self._removed: set[int] = set()  # confirmed, but still on a disk that is full: deleting takes space too
        self._is_disk_failing = False
        self._dropped = 0
        self._count = 0
        self._losses = (0, 0.0)
        self._recount()

    def __len__(self) -> int:
        """Return how many samples are kept, as of the last change."""
        return self._count

    def add(self, samples: Iterable[Sample]) -> None:
        """Keep samples, whatever the disk says."""
        with self._lock:
            self._waiting.update((key_of(sample), to_json(sample)) for sample in samples)
            try:
                self._write()
            except sqlite3.Error as error:
                if not self._is_disk_failing:
                    log.warning("spool_failed reason=%r action='keep samples in memory'", str(error))
                self._is_disk_failing = True
                for key in sorted(self._waiting)[:-_MOST_IN_MEMORY]:
                    del self._waiting[key]
                    self._dropped += 1
            self._recount()

    def _write(self) -> None:
        """Bring the disk up to date; the oldest make room for the newest, and are counted."""
        while self._removed or self._waiting:
            rows = list(islice(self._waiting.items(), 100))
            try:
                with self._change():
                    self._database.executemany(_DELETE, [(key,) for key in self._removed])
                    self._database.executemany("insert or ignore into sample (taken_at, body) values (?, ?)", rows)
                    self._drop(_EXPIRE, _NEWEST_THAT_COUNTS, round(self._max_age_seconds * 1e6))
            except sqlite3.OperationalError:
                # A full disk, or any other trouble, is not ours to mend: only our own limit is.
                count, pages, limit = (self._number(what) for what in (_COUNT, "pragma page_count", _MAX_PAGES))
                if pages < 0.9 * limit or not count:
                    raise
                with self._change():
                    self._drop(_DROP_OLDEST, count // 20 + 1)  # some at once, or each sample would drop another
            else:
                self._removed.clear()
                for key, _ in rows:
                    del self._waiting[key]
        if self._is_disk_failing:
            self._is_disk_failing = False
            log.info("spool_back")

    def _drop(self, statement: str, *values: object) -> None:
        count = self._database.execute(statement, values).rowcount
        if count > 0 and not self._database.execute("update dropped set samples = samples + ?", (count,)).rowcount:
            self._database.execute("insert into dropped values (?, ?)", (count, round(time.time())))

    def oldest(self, limit: int) -> list[Sample]:
        """Return the samples to replay next."""
        with self._lock:
            found = {key: body for key, body in self._waiting.items() if key not in self._refused}
            with suppress(sqlite3.Error):  # a disk that fails is told when it is written to
                rows = self._database.execute(_OLDEST, (limit + len(self._removed),))
                found.update((key, body) for key, body in rows if key not in self._removed)
        return [from_json(key, found[key]) for key in sorted(found)[:limit]]

    def remove(self, samples: Iterable[Sample]) -> None:
        """Forget samples that the database has confirmed."""
        with self._lock, suppress(sqlite3.Error):
            keys = map(key_of, samples)
            self._removed.update(key for key in keys if self._waiting.pop(key, None) is None)
            self._recount()
            self._write()
            self._recount()

    def set_aside(self, samples: Iterable[Sample]) -> None:
        """Put samples aside that the database refuses."""
        keys = list(map(key_of, samples))
        with self._lock, suppress(sqlite3.Error):
            self._refused.update(keys)
            with self._change():
                statement = "update sample set is_refused = 1 where taken_at = ?"
                self._database.executemany(statement, [(key,) for key in keys])

    def take_back(self) -> None:
        """Have those tried again that were set aside."""
        with self._lock, suppress(sqlite3.Error):
            self._refused.clear()
            self._database.execute("update sample set is_refused = 0 where is_refused")

    def losses(self) -> tuple[int, float]:
        """Return how many samples were dropped that nobody was told of, and since when (Unix time)."""
        return self._losses

    def forget_losses(self, samples: int) -> None:
        """Note that so many losses were told; while there are more by now, all are told again."""
        with self._lock, suppress(sqlite3.Error):
            if 0 < samples == self._losses[0]:
                self._database.execute("delete from dropped")
                self._dropped = 0
                self._recount()

    def close(self) -> None:
        """Close it; what it holds stays."""
        with self._lock:
            self._database.close()

    @contextmanager
    def _change(self) -> Iterator[None]:
        with self._database:  # rolls back whatever fails
            self._database.execute("begin immediate")
            yield

    def _number(self, query: str) -> int:
        return int(self._database.execute(query).fetchone()[0])

    def _recount(self) -> None:
        with suppress(sqlite3.Error):
            self._count = max(0, self._number(_COUNT) - len(self._removed)) + len(self._waiting)
            samples, since = self._database.execute("select sum(samples), min(since) from dropped").fetchone()
            self._losses = (samples or 0) + self._dropped, since or (time.time() if self._dropped else 0.0)


def _connect(path: Path | str, max_bytes: int) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
    try:
        database.executescript(_SCHEMA)
        database.execute(f"pragma max_page_count = {max_bytes // database.execute('pragma page_size').fetchone()[0]}")
    except BaseException:
        database.close()
        raise
    return database


def _open(directory: Path, max_bytes: int) -> sqlite3.Connection:
    """Open the file of a directory; one that is damaged is put aside, for it may still hold samples."""
    path = directory / "spool.sqlite3"
    try:
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        try:
            return _connect(path, max_bytes)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:  # its own class and no other: not a database, or a malformed one
            damaged = path.with_name(f"{path.name}.damaged-{time.time():.0f}")
            path.rename(damaged)
            log.error("spool_damaged reason=%r moved_to=%r", str(error), str(damaged))  # noqa: TRY400 - one line
            return _connect(path, max_bytes)
    except (OSError, sqlite3.OperationalError) as error:
        message = f"cannot keep samples in {str(directory)!r}: {error}"
        hint = "Give a directory of its own that the agent may write to: --spool-directory (PGVIGIL_SPOOL_DIRECTORY)"
        if "locked" in str(error):
            hint = f"Another agent uses it. {hint}"
        raise ConfigError(message, hint) from error
