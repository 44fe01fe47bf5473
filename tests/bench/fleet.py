"""A fleet that is played: N hosts, each with its sample every 10 s, against one server that does its upkeep."""

from __future__ import annotations

import random
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from figures import CALM_ROWS, Context, Figure, connect, of_events, of_rounds, one

from pgvigil.database import write_samples
from pgvigil.model import Sample
from pgvigil.outbox import tick

if TYPE_CHECKING:
    from figures import Connection

    from pgvigil.embedded import EmbeddedPostgres

NAME = "fleet"
TITLE = "Fleet: simulated hosts, a sample of 12 rows every 10 s each, 2 % of them in breach, upkeep every 5 s, fsync on"

_HOSTS = (100, 1000, 4000)
_INTERVAL_SECONDS = 10.0
_UPKEEP_SECONDS = 5.0
_WORKERS = 8
_CONNECTIONS = 96  # shared by the hosts: what an idle one costs is measured by itself
_WARM_UP_SECONDS = 12.0  # every host has sent a sample
_SETUP = """
create role bench_agent login in role pgvigil_agent;
insert into pgvigil.recipient (address) values ('ops@example.org');
update pgvigil.threshold set hold = '0' where metric = 'cpu_usage';
insert into pgvigil.host (host_name, sample_interval)
select 'host' || n, '10 seconds' from generate_series(1, {hosts}) as n
"""
_LOG_TABLES = tuple(f"pgvigil.{name}_log" for name in CALM_ROWS)
_SIZE = """
select sum(pg_total_relation_size(tree.relid))::float8
from unnest(%s::regclass[]) as log_table, pg_partition_tree(log_table) as tree
"""


class _Hosts(threading.Thread):
    """Every eighth host, each on its beat; all beats are spread evenly over the interval."""

    def __init__(self, number: int, hosts: int, connections: list[Connection], began: float) -> None:
        super().__init__(daemon=True)
        self.beats: list[tuple[float, float, float]] = []  # when it was due, seconds late, seconds that it took
        self.error: Exception | None = None
        self.stopped = threading.Event()
        self._number, self._hosts, self._connections, self._began = number, hosts, connections, began

    def run(self) -> None:
        """Send sample after sample until it is stopped."""
        try:
            beat = self._number
            while not self.stopped.is_set():
                due = self._began + beat * _INTERVAL_SECONDS / self._hosts
                if self.stopped.wait(max(0.0, due - time.monotonic())):
                    return
                self._send(beat % self._hosts + 1, due)
                beat += _WORKERS
        except Exception as error:  # noqa: BLE001 - told by who waits for us
            self.error = error

    def _send(self, host_id: int, due: float) -> None:
        usage = 95.0 if host_id % 50 == 0 else random.uniform(5.0, 60.0)  # noqa: S311 - no secret
        cpu = (replace(CALM_ROWS["cpu"][0], cpu_usage=usage),)
        connection = self._connections[host_id // _WORKERS % len(self._connections)]
        sent = time.monotonic()
        write_samples(connection, host_id, [Sample(datetime.now(UTC), **{**CALM_ROWS, "cpu": cpu})])
        self.beats.append((due, sent - due, time.monotonic() - sent))


def run(context: Context) -> list[Figure]:
    """Play fleets of several sizes, each against a server of its own."""
    figures = []
    for hosts in context.hosts or ((20,) if context.quick else _HOSTS):
        with context.server(max_connections=str(_CONNECTIONS + 20)) as (postgres, _):
            figures += _play(context, postgres, hosts, seconds=5.0 if context.quick else 60.0)
    return figures


def _play(context: Context, postgres: EmbeddedPostgres, hosts: int, seconds: float) -> list[Figure]:
    """Return what this many hosts cost, in the time after the warm-up."""
    dsn = postgres.dsn("pgvigil")
    with ExitStack() as stack:
        owner = stack.enter_context(connect(dsn))
        for statement in _SETUP.format(hosts=hosts).strip().split(";\n"):
            owner.execute(statement.encode())
        count = max(_WORKERS, min(hosts, _CONNECTIONS))
        connections = [stack.enter_context(connect(postgres.dsn("pgvigil", "bench_agent"))) for _ in range(count)]
        context.say(f"{hosts:,} hosts on {count} connections")
        started = time.monotonic()
        workers = [_Hosts(number, hosts, connections[number::_WORKERS], started) for number in range(_WORKERS)]
        for worker in workers:
            stack.callback(worker.join)
            stack.callback(worker.stopped.set)
            worker.start()
        _upkeep(owner, started, 2.0 if context.quick else _WARM_UP_SECONDS)
        before = _cpu_seconds(postgres), one(owner, "select pg_current_wal_lsn()::text"), time.monotonic()
        ticks = _upkeep(owner, time.monotonic(), seconds)
        elapsed, cpu = time.monotonic() - before[2], _cpu_seconds(postgres) - before[0]
        wal = float(one(owner, "select pg_wal_lsn_diff(pg_current_wal_lsn(), %s)", before[1]))
        beats = [beat for worker in workers for beat in worker.beats if before[2] <= beat[0] < before[2] + elapsed]
        memory = [_pss(connection.info.backend_pid) for connection in connections]
        for worker in workers:
            worker.stopped.set()
            worker.join()
            if worker.error:
                raise worker.error
        size, samples = one(owner, _SIZE, list(_LOG_TABLES)), one(owner, "select count(*) from pgvigil.cpu_log")

    name, milli = f"{hosts:,} hosts", 1000.0
    return [
        of_rounds(f"{name}: samples", "1/s", [len(beats) / elapsed]),
        *of_events(f"{name}: transaction", "ms", [milli * took for _, _, took in beats], 99),
        *of_events(f"{name}: behind its beat", "ms", [milli * max(0.0, late) for _, late, _ in beats], 99),
        of_rounds(f"{name}: server CPU", "% of a core", [100 * cpu / elapsed]),
        of_rounds(f"{name}: upkeep, tick()", "ms", [milli * took for took in ticks]),
        of_rounds(f"{name}: WAL", "kB/s", [wal / elapsed / 1000]),
        of_rounds(f"{name}: log tables, raw", "bytes per sample", [size / samples]),
        of_rounds(f"{name}: memory of a connection (PSS)", "MiB", memory),
    ]


def _upkeep(owner: Connection, began: float, seconds: float) -> list[float]:
    """Call tick() as a mailer does, for so long; return how long each call took."""
    took = []
    for number in range(int(seconds / _UPKEEP_SECONDS) + 1):
        time.sleep(max(0.0, began + min(seconds, number * _UPKEEP_SECONDS) - time.monotonic()))
        called = time.monotonic()
        tick(owner)
        took.append(time.monotonic() - called)
    time.sleep(max(0.0, began + seconds - time.monotonic()))
    return took


def _cpu_seconds(postgres: EmbeddedPostgres) -> float:
    """Return the CPU time of the server so far: of processes that run, and of those that ended."""
    postmaster = psutil.Process(int(Path(postgres.socket_directory, "../data/postmaster.pid").read_text().split()[0]))
    spent = sum(postmaster.cpu_times()[:4])
    for child in postmaster.children():
        spent += sum(child.cpu_times()[:2])
    return spent


def _pss(pid: int) -> float:
    """Return the memory of a process in MiB; what it shares with others is counted in parts."""
    return float(psutil.Process(pid).memory_full_info().pss) / 2**20
