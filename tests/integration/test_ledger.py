"""Nothing is lost: the agent says what it sampled, everything around it is broken, and all of it arrives exactly once.

The suite breaks each thing for a second; PGVIGIL_TEST_SECONDS=300 is the full run.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import psycopg

from pgvigil.embedded import EmbeddedPostgres
from pgvigil.migrate import migrate
from support import running_pgvigil, wait_until

SECONDS = float(os.environ.get("PGVIGIL_TEST_SECONDS", "5"))
INTERVAL = 0.1
PORT = 5499
_NEW_NETWORK = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


@contextmanager
def network_of_our_own():
    """Move this thread, and what it starts, into an empty network: packets can be dropped there, and only there."""
    with open("/proc/thread-self/ns/net") as home:  # noqa: PTH123 - a descriptor
        if os.geteuid() or not shutil.which("iptables") or _LIBC.unshare(_NEW_NETWORK):
            yield False
            return
        try:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            yield True
        finally:
            _LIBC.setns(home.fileno(), _NEW_NETWORK)


@contextmanager
def small_disk(directory):
    """Give the server a disk that can be filled, where we may mount one."""
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=400m,mode=755", "none", directory], check=False, capture_output=True
        ).returncode
    )
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", directory], check=True)


class Trouble:
    """What can happen to the server and to the agent; each undoes what it did."""

    def __init__(self, postgres, directory):
        self.postgres = postgres
        self.directory = directory

    @contextmanager
    def stopped(self):
        """Somebody restarts it."""
        self.postgres.stop()
        yield
        self.postgres.start()

    @contextmanager
    def killed(self):
        """It crashes."""
        self.postgres.kill()
        yield
        self.postgres.start()

    @contextmanager
    def frozen(self):
        """It takes connections, and answers nothing."""
        postmaster = self.postgres._process.pid  # noqa: SLF001 - only its parent knows
        os.kill(postmaster, signal.SIGSTOP)  # first: whoever ends from now on is still there to be stopped
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        processes = [postmaster, *map(int, children)]
        for process in processes[1:]:
            os.kill(process, signal.SIGSTOP)
        yield
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)

    @contextmanager
    def cut_off(self):
        """A firewall swallows all packets, and says nothing."""
        rule = ["INPUT", "-p", "tcp", "--dport", str(PORT), "-j", "DROP"]
        subprocess.run(["iptables", "-A", *rule], check=True)
        yield
        subprocess.run(["iptables", "-D", *rule], check=True)

    @contextmanager
    def disk_full(self):
        """Not a byte is left."""
        filler = self.directory / "filler"
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(2**16))
        yield
        filler.unlink()
        time.sleep(1)
        self.postgres.start()  # if it could not write its log it gave up


class Agent:
    """An agent that is killed now and then, and starts again; its debug log is the ledger."""

    def __init__(self, log, dsn):
        self.log = log
        self._dsn = dsn
        self._stack = ExitStack()
        self.kills = 0
        self.start()

    def start(self):
        """Start it, with the spool that the last one left."""
        options = ["--interval", f"{INTERVAL}s", "--log-level", "debug", "--host-name", "ledger1"]
        self.process = self._stack.enter_context(
            running_pgvigil(self.log, "agent", *options, PGVIGIL_DSN=self._dsn)
        ).process

    def kill(self):
        """Kill it without a warning."""
        self._stack.close()
        self.kills += 1

    def stop(self):
        """End it in order."""
        self.process.terminate()
        self.process.wait(5)
        self._stack.close()

    def ledger(self):
        """Return when it took each sample."""
        return [datetime.fromisoformat(at) for at in re.findall(r"sample_taken taken_at=(\S+)", self.log.read_text())]


def stored(dsn):
    """Return when each stored sample was taken, as often as it is stored."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("select created_at from pgvigil.memory_log where memory_name = 'memory'").fetchall()
    return [row[0].astimezone(UTC) for row in rows]


def test_every_sample_of_the_ledger_is_stored_exactly_once(directory, tmp_path, capsys):
    """At most the sample in flight is missing for each time that the agent was killed; the grid holds throughout."""
    with ExitStack() as stack:
        has_network = stack.enter_context(network_of_our_own())
        has_disk = stack.enter_context(small_disk(directory))
        postgres = EmbeddedPostgres(directory / "pg", tcp_port=PORT if has_network else None)
        stack.enter_context(postgres)
        migrate(postgres.dsn())
        with psycopg.connect(postgres.dsn(), autocommit=True) as owner:
            owner.execute("create role ledger_agent login password 'ledger' in role pgvigil_agent")
        dsn = postgres.dsn(user="ledger_agent")
        if has_network:
            dsn = f"host=127.0.0.1 port={PORT} dbname=postgres user=ledger_agent password=ledger"
        trouble = Trouble(postgres, directory)
        troubles = [trouble.stopped, trouble.killed, trouble.frozen]
        troubles += [trouble.cut_off] * has_network + [trouble.disk_full] * has_disk
        agent = Agent(tmp_path / "log", dsn)
        stack.callback(agent.kill)
        wait_until(lambda: len(stored(postgres.dsn())) > 3, "the first samples")
        for happens in troubles:
            with happens():
                time.sleep(SECONDS / len(troubles) / 2)
                agent.kill()
                agent.start()
                time.sleep(SECONDS / len(troubles) / 2)
            if SECONDS > 30:
                agent.kill()  # while it catches up
                agent.start()
            before = len(stored(postgres.dsn()))
            wait_until(lambda before=before: len(stored(postgres.dsn())) > before + 3, happens.__name__, 60)
        wait_until(lambda: "0" == re.findall(r"_stored .*waiting=(\d+)", agent.log.read_text())[-1], "the replay")
        agent.stop()
        agent.start()  # what it could not send any more is in the spool
        time.sleep(20 * INTERVAL)
        agent.stop()
        report(agent, stored(postgres.dsn()), [happens.__name__ for happens in troubles], capsys)


def report(agent, found, troubles, capsys):
    """Compare the ledger with the table."""
    ledger = agent.ledger()
    missing, twice, unknown = set(ledger) - set(found), len(found) - len(set(found)), set(found) - set(ledger)
    gaps = sorted((b - a).total_seconds() for a, b in pairwise(ledger))
    with capsys.disabled():
        sys.stdout.write(
            f"\n{SECONDS:g} s of {', '.join(troubles)}: {len(ledger)} samples taken, {len(found)} stored,"
            f" {len(missing)} missing, {twice} twice, {len(unknown)} unknown; the agent was killed {agent.kills} times;"
            f" between two beats {gaps[len(gaps) // 2]:.3f} s, 99 % below {gaps[len(gaps) * 99 // 100]:.3f} s\n"
        )
    assert "Traceback" not in agent.log.read_text()
    assert (0, set()) == (twice, unknown)
    assert len(missing) <= agent.kills
