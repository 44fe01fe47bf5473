"""What the agent costs its host, beside a bare loop that reads a little less of the same with psutil."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from figures import CALM_ROWS, Context, Figure, connect, of_rounds, one, wait_until

from pgvigil.children import command
from pgvigil.database import write_samples
from pgvigil.model import Sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from figures import Connection

    from pgvigil.embedded import EmbeddedPostgres

NAME = "agent"
TITLE = "Cost of the agent: a sample every 200 ms, beside a bare psutil loop at the same interval"

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
    "start to first stored sample (bare: reading)": "ms",
}


def run(context: Context) -> list[Figure]:
    """Start both anew in each round, let them run side by side, then ask the kernel."""
    rounds = []
    with context.server() as (postgres, scratch), connect(postgres.dsn("pgvigil")) as owner:
        owner.execute("create role bench_agent login in role pgvigil_agent")
        for number in range(1, context.rounds + 1):
            context.say(f"round {number}: agent and {_BARE_NAME} side by side")
            rounds.append(_round(postgres, owner, scratch, seconds=4 if context.quick else 15))
        figures = []
        for what, unit in _UNITS.items():
            agent, bare = ([each[who][what] for each in rounds] for who in (0, 1))
            figures += [
                of_rounds(f"{what}, agent", unit, agent, _BARE_NAME, bare),
                of_rounds(f"{what}, bare loop", unit, bare),
            ]
        return [*figures, *_wire(postgres.dsn("pgvigil"))]


def _round(
    postgres: EmbeddedPostgres, owner: Connection, scratch: Path, seconds: float
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the figures of the agent and of the bare loop."""
    owner.execute("truncate pgvigil.cpu_log")
    options, started = ["--interval", f"{1000 * _INTERVAL_SECONDS:.0f}ms"], time.time()
    with command("agent", postgres.dsn("pgvigil", "bench_agent"), options, scratch) as agent:
        wait_until(lambda: one(owner, _COUNT), "first sample")
        stored = one(owner, "select extract(epoch from min(updated_at))::float8 from pgvigil.cpu_log")
        start_ms = [1000 * (stored - started)]
        started = time.time()
        with _bare_loop() as bare:
            assert bare.stdout
            start_ms.append(1000 * (float(bare.stdout.readline()) - started))
            processes = [psutil.Process(agent.pid), psutil.Process(bare.pid)]
            time.sleep(_WARM_UP_SECONDS)
            before = [_cpu_ms(process) for process in processes]
            count, began = one(owner, _COUNT), time.monotonic()
            time.sleep(seconds)
            after = [_cpu_ms(process) for process in processes]
            samples = one(owner, _COUNT) - count, (time.monotonic() - began) / _INTERVAL_SECONDS
            memory = [process.memory_full_info() for process in processes]
            threads = [process.num_threads() for process in processes]
    mib = 2.0**20
    first, second = (
        dict(zip(_UNITS, values, strict=True))
        for values in (
            ((after[who] - before[who]) / samples[who], memory[who].pss / mib, memory[who].uss / mib,
             threads[who], start_ms[who])
            for who in (0, 1)
        )
    )  # fmt: skip
    return first, second


@contextmanager
def _bare_loop() -> Iterator[subprocess.Popen[str]]:
    argv = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-c", _BARE]  # it ends with us, however we end
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


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
