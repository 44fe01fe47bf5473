"""Processes that the demo and the bench start: our own commands, and load. They end with us, however we end."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_STOP_SECONDS = 5.0


@contextmanager
def _running(arguments: Sequence[str], **options: object) -> Iterator[subprocess.Popen[bytes]]:
    # A session of its own: Ctrl-C in the terminal reaches only us, and we stop the parts in their order.
    # setpriv, because SIGKILL leaves us no time to stop anything.
    process: subprocess.Popen[bytes] = subprocess.Popen(  # type: ignore[call-overload] # noqa: S603 - our own commands
        ["setpriv", "--pdeathsig", "TERM", *arguments],  # noqa: S607 - where it is differs
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        **options,
    )
    try:
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
        process.kill()
        process.wait()


@contextmanager
def command(name: str, dsn: str, options: Sequence[str], directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `pgvigil name` in the background, its log in the directory."""
    # In a container the demo shows the container, and need not be told to.
    defaults = {"PGVIGIL_HOST_ROOT": "/", "PGVIGIL_SPOOL_DIRECTORY": str(directory / "spool")}
    arguments = [sys.executable, "-m", "pgvigil", name, *options]
    with (
        (directory / f"{name}.log").open("wb") as log,
        _running(arguments, env={**defaults, **os.environ, "PGVIGIL_DSN": dsn}, stdout=log, stderr=log) as process,
    ):
        yield process


@contextmanager
def busy_cores() -> Iterator[None]:
    """Keep every core that we may use busy, at the lowest priority, so that nobody else has to wait."""
    with ExitStack() as children:
        for _ in os.sched_getaffinity(0):
            children.enter_context(_running(["nice", "-n", "19", sys.executable, "-c", "while True: pass"]))
        yield
