"""How punctual the agent is: its beats against the even grid through the earliest, with a server and without."""

from __future__ import annotations

import os
import re
import signal
import time
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from figures import Context, Figure, connect, of_events, one, wait_until

from pgvigil.children import command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pgvigil.embedded import EmbeddedPostgres

NAME = "grid"
TITLE = "Punctuality of the agent: a sample every 200 ms, by its own log"

_INTERVAL_SECONDS = 0.2


def run(context: Context) -> list[Figure]:
    """Watch one agent while its server is well, stopped and frozen."""
    seconds = 4 if context.quick else 30
    figures = []
    with context.server() as (postgres, scratch), connect(postgres.dsn("pgvigil")) as owner:
        owner.execute("create role bench_agent login in role pgvigil_agent")
        options = ["--interval", f"{_INTERVAL_SECONDS}s", "--log-level", "debug"]
        with command("agent", postgres.dsn("pgvigil", "bench_agent"), options, scratch):
            wait_until(lambda: one(owner, "select count(*) from pgvigil.cpu_log"), "first sample")
            for name, trouble in (("server is well", None), ("frozen", _frozen), ("stopped", _stopped)):
                context.say(f"{seconds} seconds of an agent whose server is {name.removeprefix('server is ')}")
                seen = len(_beats(scratch))
                if trouble:
                    with trouble(postgres):
                        time.sleep(seconds)
                else:
                    time.sleep(seconds)
                figures += of_events(f"beat behind the grid, {name}", "ms", _lateness(_beats(scratch)[seen:]), 99)
    return figures


@contextmanager
def _frozen(postgres: EmbeddedPostgres) -> Iterator[None]:
    """Have the server take connections and answer nothing."""
    postmaster = postgres._process.pid  # type: ignore[union-attr] # noqa: SLF001 - only its parent knows
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    processes = [postmaster, *map(int, children)]
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    yield
    for process in processes:
        os.kill(process, signal.SIGCONT)


@contextmanager
def _stopped(postgres: EmbeddedPostgres) -> Iterator[None]:
    postgres.stop()
    yield
    postgres.start()


def _beats(scratch: Path) -> list[float]:
    """Return when the agent took its samples, by its own word."""
    found = re.findall(r"sample_taken taken_at=(\S+)", (scratch / "agent.log").read_text())
    return [datetime.fromisoformat(at).timestamp() for at in found]


def _lateness(beats: list[float]) -> list[float]:
    """Return the milliseconds of each beat behind the grid; -0.5 to 0.5 of it, or it falls apart."""
    shifts = [(beat - beats[0]) / _INTERVAL_SECONDS for beat in beats]
    behind = [1000 * _INTERVAL_SECONDS * (shift - round(shift)) for shift in shifts]
    return [each - min(behind) for each in behind]
