"""The agent as a guest of its host: what it loads, what it tells systemd and the journal."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from support import PATIENCE_SECONDS, running_pgvigil, wait_until

NOBODY = "host=127.0.0.1 port=1 dbname=x password=hush"


def test_running_agent_has_loaded_no_command_line(tmp_path):
    """Once the options are read the same process is another program, and its arguments hold no secret."""
    with running_pgvigil(tmp_path / "log", "agent", "--dsn", NOBODY) as agent:
        wait_until(lambda: "database_lost" in agent.log)
        arguments = Path(f"/proc/{agent.process.pid}/cmdline").read_bytes().decode().split("\0")
        assert "pgvigil.lean" in arguments
        assert "hush" not in " ".join(arguments)
        agent.terminate()
    modules = (
        "import sys, pgvigil.lean; pgvigil.lean.leave_out_what_is_not_used()\n"
        "import pgvigil.logs, pgvigil.collect, pgvigil.sampling; print(*sys.modules)"
    )
    loaded = set(subprocess.check_output([sys.executable, "-c", modules], text=True).split())
    assert {"psutil", "psycopg"} <= loaded
    assert set() == loaded & {"typer", "click", "rich", "jinja2", "asyncio.events", "email", "_ssl"}


def test_signal_that_comes_at_once_ends_it_all_the_same(tmp_path):
    """SIGTERM waits until somebody handles it: the exit status is that of a clean end."""
    with running_pgvigil(tmp_path / "log", "agent", "--dsn", NOBODY) as agent:
        process = Path(f"/proc/{agent.process.pid}/cmdline")
        wait_until(lambda: b"pgvigil.lean" in process.read_bytes())
        agent.process.send_signal(signal.SIGTERM)
        assert 0 == agent.process.wait(PATIENCE_SECONDS)


def test_mistake_is_one_line_with_its_exit_status(tmp_path):
    """What is found after the options were read looks no different."""
    with running_pgvigil(tmp_path / "log", "agent", "--dsn", "nonsense") as agent:
        assert 2 == agent.process.wait(PATIENCE_SECONDS)
        assert agent.log.startswith("pgvigil: cannot read the connection string")
        assert 1 == agent.log.count("\n")


def test_systemd_is_told_of_readiness_each_beat_and_the_end(tmp_path):
    """Type=notify and WatchdogSec= have what they wait for, with or without a database."""
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(address))
        systemd.settimeout(PATIENCE_SECONDS)
        with running_pgvigil(
            tmp_path / "log", "agent", "--dsn", NOBODY, "--interval", "200ms", NOTIFY_SOCKET=str(address)
        ) as agent:
            assert b"READY=1" == systemd.recv(1000)
            assert {b"WATCHDOG=1"} == {systemd.recv(1000).split(b"\n")[0] for _ in range(3)}
            assert b"STATUS=" in systemd.recv(1000)
            agent.terminate()
            while (told := systemd.recv(1000)) != b"STOPPING=1":
                assert told.startswith(b"WATCHDOG=1")


def test_journal_gets_levels(tmp_path):
    """Where stderr is the journal, each line carries its priority instead of a word."""
    log = tmp_path / "log"
    log.touch()
    with log.open("ab") as stream:
        status = os.fstat(stream.fileno())
        process = subprocess.Popen(
            [sys.executable, "-m", "pgvigil", "agent", "--dsn", NOBODY], stderr=stream,
            env={**os.environ, "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"},
        )  # fmt: skip
    try:
        wait_until(lambda: log.read_text().count("\n") >= 2)
    finally:
        process.kill()
        process.wait()
    assert {"<6>agent_started", "<4>database_lost"} == {line.split(" ")[0] for line in log.read_text().splitlines()}
