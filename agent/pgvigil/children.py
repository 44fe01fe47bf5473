"""Processes that the demo and the bench start: our own commands, and load. They end with us, however we end."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_STOP_SECONDS = 5.0


def _start(arguments: Sequence[str], **options: object) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C in the terminal reaches only us, and we stop the parts in their order.
    # setpriv, because SIGKILL leaves us no time to stop anything.
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return] # noqa: S603 - our own commands
        ["setpriv", "--pdeathsig", "TERM", *arguments],  # noqa: S607 - where it is differs
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        **options,
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_SECONDS)
    process.kill()
    process.wait()


@contextmanager
def command(name: str, dsn: str, options: Sequence[str], directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `pgvigil name` in the background, its log in the directory."""
    with (directory / f"{name}.log").open("wb") as log:
        # In a container the demo shows the container, and need not be told to.
        environment = {
            "PGVIGIL_HOST_ROOT": "/",
            "PGVIGIL_SPOOL_DIRECTORY": str(directory / "spool"),
            **os.environ,
            "PGVIGIL_DSN": dsn,
        }
        process = _start([sys.executable, "-m", "pgvigil", name, *options], env=environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        _stop(process)


@contextmanager
def busy_cores() -> Iterator[None]:
    """Keep every core that we may use busy, at the lowest priority, so that nobody else has to wait."""
    burn = ["nice", "-n", "19", sys.executable, "-c", "while True: pass"]
    children = [_start(burn) for _ in os.sched_getaffinity(0)]
    try:
        yield
    finally:
        for child in children:
            _stop(child)
