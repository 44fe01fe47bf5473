"""What the agent costs its host, beside a bare loop that reads a little less of the same with psutil."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import peers
import psutil
from figures import CALM_ROWS, Context, Figure, connect, of_rounds, one, wait_until

from pgvigil.children import command
from pgvigil.database import write_samples
from pgvigil.model import Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from figures import Connection

    from pgvigil.embedded import EmbeddedPostgres

NAME = "agent"
TITLE = "Cost of the agent: a sample every 200 ms, beside a bare psutil loop and other agents at the same interval"

_INTERVAL_SECONDS = 0.2
_WARM_UP_SECONDS = 3.0
_BARE = f"""
import psutil, time
beat = time.monotonic()
print(time.time(), flush=True)
while True:
    psutil.cpu_times(), psutil.virtual_memory(), psutil.disk_usage("/"), psutil.net_io_counters(pernic=True)
    beat += {_INTERVAL_SECONDS}
    time.sleep(max(0.0, beat - time.monotonic()))
"""
_BARE_NAME = "bare psutil loop"
_COUNT = "select count(*) from pgvigil.cpu_log"
_UNITS = {
    "CPU per sample": "ms",
    "memory, proportional (PSS)": "MiB",
    "memory, its own (USS)": "MiB",
    "threads": "",
    "start to first sample stored or served": "ms",
    "bytes sent and received per sample": "bytes",
}


@dataclass
class _Runner:
    """One program under measurement: how many samples it has taken, and how many bytes it has moved, so far."""

    name: str
    process: psutil.Process
    start_ms: float
    samples: Callable[[], float]
    byte_count: Callable[[], int]

    def counts(self) -> tuple[float, float, int]:
        """Return CPU milliseconds, samples and bytes so far."""
        return _cpu_ms(self.process), self.samples(), self.byte_count()


def run(context: Context) -> list[Figure]:
    """Start all of them anew in each round, let them run side by side, then ask the kernel."""
    rounds = []
    for name, reason in peers.missing().items():
        context.say(f"{name} is not measured: {reason}")
    with context.server() as (postgres, scratch), connect(postgres.dsn("pgvigil")) as owner:
        owner.execute("create role bench_agent login in role pgvigil_agent")
        for number in range(1, context.rounds + 1):
            context.say(f"round {number}: side by side")
            rounds.append(_round(postgres, owner, scratch, seconds=4 if context.quick else 15))
        figures = []
        for what, unit in _UNITS.items():
            bare = [each[_BARE_NAME][what] for each in rounds]
            for name in rounds[0]:
                values = [each[name][what] for each in rounds]
                others = bare if name != _BARE_NAME and all(bare) else []
                figures.append(of_rounds(f"{what}, {name}", unit, values, _BARE_NAME if others else "", others))
        return [*figures, *_wire(postgres.dsn("pgvigil"))]


def _round(postgres: EmbeddedPostgres, owner: Connection, scratch: Path, seconds: float) -> dict[str, dict[str, float]]:
    """Return the figures of each."""
    with ExitStack() as stack:
        runners = [stack.enter_context(each) for each in _programs(postgres, owner, scratch)]
        time.sleep(_WARM_UP_SECONDS)
        before = [runner.counts() for runner in runners]
        time.sleep(seconds)
        after = [runner.counts() for runner in runners]
        found = {}
        for runner, old, new in zip(runners, before, after, strict=True):
            cpu_ms, samples, byte_count = (b - a for a, b in zip(old, new, strict=True))
            memory = runner.process.memory_full_info()
            values = (cpu_ms / samples, memory.pss / 2**20, memory.uss / 2**20, runner.process.num_threads(),
                      runner.start_ms, byte_count / samples)  # fmt: skip
            found[runner.name] = dict(zip(_UNITS, values, strict=True))
        return found


def _programs(
    postgres: EmbeddedPostgres, owner: Connection, scratch: Path
) -> Iterator[AbstractContextManager[_Runner]]:
    """Return what starts each of them and waits for its first sample."""
    yield _agent(postgres, owner, scratch)
    yield _bare_loop()
    missing = peers.missing()
    if peers.NODE_EXPORTER not in missing:
        yield _node_exporter()
    if peers.COLLECTD not in missing:
        yield _collectd(postgres, scratch)


@contextmanager
def _agent(postgres: EmbeddedPostgres, owner: Connection, scratch: Path) -> Iterator[_Runner]:
    owner.execute("truncate pgvigil.cpu_log")
    relay = peers.Relay(scratch / "relay-agent", postgres)
    dsn = postgres.dsn("pgvigil", "bench_agent").replace(str(postgres.socket_directory), str(relay.directory))
    options, started = ["--interval", f"{1000 * _INTERVAL_SECONDS:.0f}ms"], time.time()
    with command("agent", dsn, options, scratch) as process:
        wait_until(lambda: one(owner, _COUNT), "first sample")
        stored = one(owner, "select extract(epoch from min(updated_at))::float8 from pgvigil.cpu_log")
        start_ms = 1000 * (stored - started)
        yield _Runner(
            "agent", psutil.Process(process.pid), start_ms, lambda: one(owner, _COUNT), lambda: relay.byte_count
        )


@contextmanager
def _bare_loop() -> Iterator[_Runner]:
    argv, started = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-c", _BARE], time.time()
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            start_ms = 1000 * (float(process.stdout.readline()) - started)
            yield _Runner(_BARE_NAME, psutil.Process(process.pid), start_ms, _beats, lambda: 0)
        finally:
            process.kill()


@contextmanager
def _node_exporter() -> Iterator[_Runner]:
    started = time.time()
    with peers.node_exporter(_INTERVAL_SECONDS) as (process, scraper):
        start_ms = 1000 * (time.time() - started)
        yield _Runner(
            "node_exporter, six collectors", psutil.Process(process.pid), start_ms,
            lambda: scraper.count, lambda: scraper.byte_count,
        )  # fmt: skip


@contextmanager
def _collectd(postgres: EmbeddedPostgres, scratch: Path) -> Iterator[_Runner]:
    started = time.time()
    with peers.collectd(postgres, scratch, _INTERVAL_SECONDS) as (process, relay):
        start_ms = 1000 * (time.time() - started)
        yield _Runner(
            "collectd, postgresql writer", psutil.Process(process.pid), start_ms, _beats, lambda: relay.byte_count
        )


def _beats() -> float:
    return time.monotonic() / _INTERVAL_SECONDS


def _cpu_ms(process: psutil.Process) -> float:
    """Return the CPU time of a process: in nanoseconds of each thread, where the kernel keeps them, else in ticks."""
    try:
        files = list(Path(f"/proc/{process.pid}/task").glob("*/schedstat"))
        return sum(int(file.read_text().split()[0]) for file in files) / 1e6
    except (OSError, IndexError):
        return 1000 * sum(process.cpu_times()[:2])


def _wire(dsn: str) -> list[Figure]:
    """Count what a sample of 12 rows sends and receives once its statements are prepared, by libpq's own trace."""
    with closing(connect(dsn)) as connection, tempfile.TemporaryFile("w+") as trace:
        for beat in range(10):  # the statements are prepared with the first one
            if beat:
                connection.pgconn.trace(trace.fileno())
            write_samples(connection, 1, [Sample(datetime.now(UTC), **CALM_ROWS)])
        connection.pgconn.untrace()
        trace.seek(0)
        messages = re.findall(r"\t([FB])\t(\d+)\t", trace.read())
    # The length that a message states is without its first byte, which is its type.
    sides = {"sent": "F", "received": "B"}
    sums = {
        name: sum(int(size) + 1 for its_side, size in messages if its_side == side) / 9 for name, side in sides.items()
    }
    return [of_rounds(f"{name} per sample of 12 rows", "bytes", [value]) for name, value in sums.items()]
