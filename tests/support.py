"""What several tests use: real processes of the product, and waiting for what they do."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE_SECONDS = 20.0


def run_pgvigil(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "pgvigil", *arguments],
        env={**os.environ, **environment},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def fetch_program(package: str, program: str) -> tuple[str, str]:
    """Unpack a Debian package, and return where its program and its libraries are; skip the test without it."""
    here = Path(__file__).parent
    command = [here / "fetch_program.sh", here.parent / ".venv" / package, package, program]
    fetched = subprocess.run(command, capture_output=True, text=True, check=False)
    if fetched.returncode:
        pytest.skip(fetched.stderr.strip().splitlines()[-1])
    path, libraries = fetched.stdout.splitlines()
    return path, libraries


def need_mount_namespace() -> None:
    """Skip the test where it may not mount unseen by the rest of the machine; in some containers root may not."""
    if os.geteuid() or subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("only root can mount, and that where it may make a mount namespace")


def free_port() -> int:
    """Return a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class Running:
    """A command that runs, and what it has logged so far."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def log(self) -> str:
        """Everything the process has said."""
        return self._log.read_text()

    def terminate(self) -> None:
        """Send SIGTERM, and see the process end."""
        self.process.terminate()
        self.process.wait(PATIENCE_SECONDS)


def _of_its_own(log: Path) -> dict[str, str]:
    """Tests run in containers too, and side by side."""
    return {"PGVIGIL_SPOOL_DIRECTORY": str(log.with_name(f"{log.name}-spool"))}


@contextmanager
def running_pgvigil(log: Path, *arguments: str, **environment: str) -> Iterator[Running]:
    """Run a command in the background; kill it at the end if it still runs."""
    with log.open("ab") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "pgvigil", *arguments],
            env={**os.environ, **_of_its_own(log), **environment},
            stdout=stream, stderr=stream, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        yield Running(process, log)
    finally:
        process.kill()
        process.wait()


def wait_until(condition: Callable[[], object], what: str = "", patience_seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until a condition holds; fail with what was waited for."""
    deadline = time.monotonic() + patience_seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {patience_seconds:g} s: {what or condition}"
        time.sleep(0.05)
