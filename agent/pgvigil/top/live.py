"""Keeps the view of the fleet up to date on a terminal, or prints its lines where there is none."""

from __future__ import annotations

import os
import select
import sys
import termios
import time
import tty
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import timedelta
from threading import Event, Thread
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live

from pgvigil.database import connect
from pgvigil.errors import DatabaseError, PgvigilError, SchemaError
from pgvigil.top.plain import key_values, plain_lines
from pgvigil.top.snapshot import read_snapshot
from pgvigil.top.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pgvigil.database import Connection
    from pgvigil.top.snapshot import Snapshot

_ALL_HOSTS = 2**31 - 1
_REDRAW_SECONDS = 0.5
_PATIENCE_SECONDS = 10.0


class _Feed:
    """Reads snapshots, and knows why there is no newer one; connects again when the database was lost."""

    def __init__(self, dsn: str, span_seconds: float, host_limit: Callable[[], int]) -> None:
        self._dsn = dsn
        self._span_seconds = span_seconds
        self._host_limit = host_limit
        self._connection: Connection | None = None
        self._error: PgvigilError | None = None
        self._latest = self._read()  # a wrong dsn is told at once, and ends the command

    def _read(self) -> tuple[Snapshot, float]:
        self._connection = self._connection or connect(
            self._dsn, application_name="pgvigil-top", statement_timeout_seconds=_PATIENCE_SECONDS
        )
        snapshot = read_snapshot(self._connection, host_limit=self._host_limit(), span_seconds=self._span_seconds)
        return snapshot, time.monotonic()

    def refresh(self) -> None:
        """Read anew, or note why that failed."""
        try:
            self._latest, self._error = self._read(), None
        except (DatabaseError, SchemaError) as error:
            self.close()
            self._error = error

    def refresh_until(self, stop: Event, refresh_seconds: float) -> None:
        """Keep reading; in a thread of its own, because a lost server can keep it waiting for seconds."""
        while not stop.wait(refresh_seconds):
            self.refresh()
        self.close()

    def close(self) -> None:
        """Disconnect."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def view(self, height: int) -> View:
        """Draw what is known."""
        (snapshot, read_at), error = self._latest, self._error
        # Ages go on counting by the server's clock, however wrong ours may be.
        age = time.monotonic() - read_at
        notice = f"database lost {age:.0f} s ago, trying again: {error.message}" if error else ""
        return View(snapshot, snapshot.taken_at + timedelta(seconds=age), notice, height)

    def lines(self) -> list[str]:
        """Tell what is known, or that the database is lost."""
        if self._error:
            return [key_values("database", state="lost", reason=self._error.message)]
        return plain_lines(self._latest[0], now=self._latest[0].taken_at)


def run_top(dsn: str, *, refresh_seconds: float, stop: Event, once: bool = False, span_seconds: float = 1800.0) -> None:
    """Show the fleet until `stop` is set, or Ctrl-C or q is pressed; `once` shows it once.

    Raises:
        PgvigilError: the first look fails; later ones are shown and tried again.
    """
    console = Console(highlight=False)
    with suppress(KeyboardInterrupt):
        if not sys.stdout.isatty() or console.is_dumb_terminal:
            # Sparklines are not written as lines; so all hosts can be.
            with closing(_Feed(dsn, 0.0, lambda: _ALL_HOSTS)) as feed:
                console.out("\n".join(feed.lines()), highlight=False)
                while not (once or stop.wait(refresh_seconds)):
                    feed.refresh()
                    console.out("\n".join(feed.lines()), highlight=False)
        elif once:
            with closing(_Feed(dsn, span_seconds, lambda: console.height)) as feed:
                console.print(feed.view(console.height - 1))
        else:
            _watch(console, _Feed(dsn, span_seconds, lambda: console.height), refresh_seconds, stop)


def _watch(console: Console, feed: _Feed, refresh_seconds: float, stop: Event) -> None:
    done = Event()
    reader = Thread(target=feed.refresh_until, args=(done, refresh_seconds), daemon=True)
    reader.start()
    try:
        with _keyboard() as q_pressed, Live(console=console, screen=True, auto_refresh=False) as live:
            while not stop.is_set():
                live.update(feed.view(console.height), refresh=True)
                if q_pressed():
                    return
    finally:
        done.set()
        reader.join(_REDRAW_SECONDS)


@contextmanager
def _keyboard() -> Iterator[Callable[[], bool]]:
    """Give a function that waits for the next redraw and tells whether q was pressed; keys leave no trace."""
    keyboards = [sys.stdin.fileno()] if sys.stdin.isatty() else []

    def q_pressed() -> bool:
        ready, _, _ = select.select(keyboards, [], [], _REDRAW_SECONDS)
        return any(os.read(keyboard, 1024) in {b"q", b"Q", b""} for keyboard in ready)

    with ExitStack() as undo:
        for keyboard in keyboards:
            undo.callback(termios.tcsetattr, keyboard, termios.TCSADRAIN, termios.tcgetattr(keyboard))
            tty.setcbreak(keyboard)  # leaves Ctrl-C what it is
        yield q_pressed
