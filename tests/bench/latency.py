"""How soon a mail is out: from the commit of the sample that breaches to its acceptance by the SMTP server."""

from __future__ import annotations

import os
import random
import subprocess
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import ingest
from figures import Context, Figure, connect, of_events, wait_until

from pgvigil.children import command
from pgvigil.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from figures import Connection

    from pgvigil.embedded import EmbeddedPostgres

NAME = "latency"
TITLE = (
    "Alert latency: commit of the sample to acceptance of its mail, idle and under 1,000 sample transactions a second"
)

_CALM_HOSTS = 2000  # as ingest's script has them
_RATE = 1000
_SHORTEST_PAUSE_SECONDS = 0.1
# Each host has a recipient of its own: a second mail to the same address within seconds would wait for a digest.
_SETUP = """
create role bench_mailer login in role pgvigil_mailer;
create role bench_agent login in role pgvigil_agent;
insert into pgvigil.host (host_name, expected) select 'calm' || n, false from generate_series(1, 2000) as n;
insert into pgvigil.host (host_name, groups, expected)
select 'host' || n, array['group' || n], false from generate_series(2001, 2300) as n;
insert into pgvigil.recipient (address, host_group, weekly)
select 'ops' || n || '@example.org', 'group' || n, false from generate_series(2001, 2300) as n;
update pgvigil.threshold set hold = '0';
"""
# The commit has its time from just before its WAL is flushed: the flush counts too.
_COMMITS = """
select m.mail_id, m.event, l.host_id, extract(epoch from pg_xact_commit_timestamp(l.xmin))::float8
from pgvigil.mail as m
inner join pgvigil.cpu_log as l on l.host_id = m.host_id and l.created_at = m.sampled_at
"""


def run(context: Context) -> list[Figure]:
    """Let the CPU of one host after the other be busy, then idle again; on an idle fleet, then on a busy one."""
    few, some, many = (5, 5, 5) if context.quick else (50, 30, 150)
    idle, again, busy = (range(_CALM_HOSTS + first, _CALM_HOSTS + first + count)
                         for first, count in ((1, few), (61, some), (101, many)))  # fmt: skip
    accepted: dict[int, float] = {}
    with context.server(track_commit_timestamp="on") as (postgres, scratch), connect(postgres.dsn("pgvigil")) as owner:
        owner.execute(_SETUP)
        # On an idle fleet the mail before is hours ago: this server hangs up before the next one.
        with _mailer(postgres, scratch, accepted, patience_seconds=_SHORTEST_PAUSE_SECONDS) as sink:
            _breach(context, owner, sink, idle)
        with _mailer(postgres, scratch, accepted, patience_seconds=300) as sink:
            _breach(context, owner, sink, again)
            with _load(context, postgres, scratch):
                _breach(context, owner, sink, busy)
        commits = owner.execute(_COMMITS).fetchall()
    delays = {
        (hosts, event): [1000 * (accepted[mail] - at) for mail, its_event, host, at in commits
                         if its_event == event and host in hosts]
        for hosts in (idle, again, busy) for event in ("fired", "resolved")
    }  # fmt: skip
    return [
        *of_events("idle, fired", "ms", delays[idle, "fired"], 95),
        *of_events("idle, resolved", "ms", delays[idle, "resolved"], 95),
        *of_events("idle, SMTP connection still open, fired", "ms", delays[again, "fired"], 95),
        *of_events("idle, SMTP connection still open, resolved", "ms", delays[again, "resolved"], 95),
        *of_events("busy, fired", "ms", delays[busy, "fired"], 99),
        *of_events("busy, resolved", "ms", delays[busy, "resolved"], 99),
    ]


@contextmanager
def _mailer(
    postgres: EmbeddedPostgres, scratch: Path, accepted: dict[int, float], *, patience_seconds: float
) -> Iterator[Sink]:
    """Run a mailer and a server for its mails; note when each was accepted."""
    with Sink(scratch / "mails", patience_seconds=patience_seconds) as sink:
        options = ["--smtp-host", "127.0.0.1", "--smtp-port", str(sink.port), "--smtp-security", "none"]
        options += ["--smtp-sender", "pgvigil@example.org"]
        with command("mailer", postgres.dsn("pgvigil", "bench_mailer"), options, scratch):
            log = scratch / "mailer.log"
            wait_until(lambda: "mailer_started" in log.read_text(), "mailer")
            yield sink
        accepted |= {delivery.mail_id: delivery.accepted_at for delivery in sink.deliveries}


def _breach(context: Context, owner: Connection, sink: Sink, hosts: range) -> None:
    for event, usage in (("fired", 95.0), ("resolved", 5.0)):
        context.say(f"{len(hosts)} samples, one by one, for {len(hosts)} mails '{event}'")
        for host_id in hosts:
            count = len(sink.deliveries) + 1
            _sample(owner, host_id, usage)
            wait_until(lambda count=count: len(sink.deliveries) >= count, "mail")  # type: ignore[misc]


def _sample(owner: Connection, host_id: int, usage: float) -> None:
    # At any moment between two beats of the mailer, which are half a second apart.
    time.sleep(random.uniform(_SHORTEST_PAUSE_SECONDS, _SHORTEST_PAUSE_SECONDS + 0.5))  # noqa: S311 - not a secret
    owner.execute(
        "insert into pgvigil.cpu_log (host_id, created_at, cpu_name, cpu_usage) values (%s, %s, 'cpu-total', %s)",
        (host_id, datetime.now(UTC), usage),
    )


@contextmanager
def _load(context: Context, postgres: EmbeddedPostgres, scratch: Path) -> Iterator[None]:
    """Have agents of calm hosts store 1,000 samples of 12 rows a second meanwhile; say how many there really were."""
    script = scratch / "transaction.sql"
    script.write_text(ingest.script())
    pgbench = [
        str(postgres.bin_directory / "pgbench"),
        "-n",
        "-M",
        "prepared",
        "-c",
        "8",
        "-T",
        "600",
        "-R",
        str(_RATE),
    ]
    pgbench += ["-j", str(min(8, os.cpu_count() or 1)), "-f", str(script), "-D", "breach=0", *ingest.variables()]
    count = "select count(*) from pgvigil.memory_log where memory_name = 'memory'"
    with connect(postgres.dsn("pgvigil")) as observer:
        with (scratch / "pgbench.log").open("wb") as log:
            process = subprocess.Popen([*pgbench, postgres.dsn("pgvigil", "bench_agent")], stdout=log, stderr=log)
        try:
            time.sleep(2)
            started, before = time.monotonic(), observer.execute(count).fetchone()
            yield
            seconds, after = time.monotonic() - started, observer.execute(count).fetchone()
        finally:
            process.kill()
            process.wait()
    context.say(f"meanwhile {(after[0] - before[0]) / seconds:.0f} sample transactions a second, of {_RATE} asked for")
