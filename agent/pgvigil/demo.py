"""`make demo`: the whole way of a sample on this machine, with real processes and an embedded PostgreSQL."""

from __future__ import annotations

import math
import os
import shutil
import statistics
import tempfile
import time
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from pgvigil import database
from pgvigil.children import busy_cores, command
from pgvigil.embedded import EmbeddedPostgres
from pgvigil.errors import PgvigilError
from pgvigil.migrate import migrate
from pgvigil.sink import Sink
from pgvigil.top import View, plain_lines, read_snapshot

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

_ROUNDS = 3
_BASELINE_SAMPLES = 3
_PATIENCE_SECONDS = 10.0
_LINES_SHOWN = 8
_SPAN_SECONDS = 60.0

_SETUP = """
create role demo_agent login in role pgvigil_agent;
create role demo_mailer login in role pgvigil_mailer;
create role operator login in role pgvigil_operator;
insert into pgvigil.recipient (address) values ('ops@example.org');
update pgvigil.threshold set hold = '0';
update pgvigil.threshold set mode = 'off' where metric = 'cpu_usage'; -- until it is known what this machine does
update pgvigil.setting set value = '1 millisecond' where setting = 'flap_window'; -- or the rounds were one incident
"""

# When the sample was committed, not when it was inserted: track_commit_timestamp is on in the demo.
_DELAYS = """
select m.mail_id, extract(epoch from pg_xact_commit_timestamp(l.xmin))::float8 as committed_at
from pgvigil.mail as m
inner join pgvigil.alert as a on a.host_id = m.host_id and a.alert_id = m.alert_id
inner join pgvigil.cpu_log as l on l.host_id = m.host_id and l.created_at = m.sampled_at and l.cpu_name = a.resource
"""

_COUNTS = """
select 'cpu_log' as name, count(*) as rows, count(distinct created_at) as samples from pgvigil.cpu_log
union all select 'memory_log', count(*), count(distinct created_at) from pgvigil.memory_log
union all select 'disk_log', count(*), count(distinct created_at) from pgvigil.disk_log
union all select 'network_log', count(*), count(distinct created_at) from pgvigil.network_log
"""

_COMPLETE = """
select a.alert_id from pgvigil.alert as a
inner join pgvigil.mail as f on f.host_id = a.host_id and f.alert_id = a.alert_id and f.event = 'fired'
inner join pgvigil.mail as r on r.host_id = a.host_id and r.alert_id = a.alert_id and r.event = 'resolved'
where f.sent_at is not null and r.sent_at is not null
"""


class Demo:
    """The running parts, and what is told about them."""

    def __init__(self, directory: Path, seconds: float | None, stop: threading.Event) -> None:
        self.started = time.monotonic()
        self.mails = directory / "mails"
        self.directory = directory
        self.deadline = self.started + seconds if seconds else None
        self.stop = stop
        self.console = Console(highlight=False)
        self.lines: list[str] = []
        self.live: Live | None = None
        self.told = 0

    @property
    def is_over(self) -> bool:
        """Whether the time is up or somebody pressed Ctrl-C."""
        return self.stop.is_set() or (self.deadline is not None and time.monotonic() >= self.deadline)

    def say(self, text: str) -> None:
        """Tell what happens: above the live view, or as a plain line."""
        line = f"[{time.monotonic() - self.started:5.1f} s] {text}"
        self.lines.append(line)
        if self.live is None:
            print(line, flush=True)

    def show(self, connection: database.Connection) -> None:
        """Draw the view anew, or print its lines now and then where the output is no terminal."""
        snapshot = read_snapshot(connection, host_limit=1, span_seconds=_SPAN_SECONDS)
        now = datetime.now(UTC)
        if self.live is not None:
            story = Panel(Text("\n".join(self.lines[-_LINES_SHOWN:])), title="make demo", border_style="dim")
            self.live.update(Group(View(snapshot, now=now), story), refresh=True)
        elif int(time.monotonic() - self.started) // 10 > self.told:
            self.told = int(time.monotonic() - self.started) // 10
            for line in plain_lines(snapshot, now=now):
                self.say(line)


def run_demo(directory: Path, seconds: float | None, stop: threading.Event) -> None:
    """Run until the time is up or Ctrl-C, leave the mails in `directory`, and print a summary.

    Raises:
        PgvigilError: no mail of a breach, or none of its recovery, was delivered in the given time.
    """
    demo = Demo(directory, seconds, stop)
    shutil.rmtree(demo.mails, ignore_errors=True)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pgvigil-", dir="/tmp")))
        scratch.chmod(0o755)  # as root, PostgreSQL runs as nobody, who has to get to its own directory below
        demo.say("starting an embedded PostgreSQL (no port, a Unix socket of its own)")
        postgres = stack.enter_context(EmbeddedPostgres(scratch / "pg", settings={"track_commit_timestamp": "on"}))
        owner = stack.enter_context(closing(database.connect(postgres.dsn(), application_name="pgvigil-demo")))
        database.run_script(owner, "demo", "create database pgvigil")
        migrate(postgres.dsn("pgvigil"))
        owner = stack.enter_context(closing(database.connect(postgres.dsn("pgvigil"), application_name="pgvigil-demo")))
        database.run_script(owner, "demo", _SETUP)
        demo.say("schema is there: tables, rules, triggers, outbox; ops@example.org is to be mailed")

        sink = stack.enter_context(Sink(demo.mails))
        for name, dsn, options in (
            ("agent", postgres.dsn("pgvigil", "demo_agent"), ["--interval", "1s"]),
            ("mailer", postgres.dsn("pgvigil", "demo_mailer"), _smtp_options(sink.port)),
        ):
            stack.enter_context(command(name, dsn, options, demo.directory))
        demo.say("agent (a sample each second), mailer and a local SMTP server are running")
        _tell_psql(demo, postgres)

        if demo.console.is_terminal:
            demo.live = stack.enter_context(Live(console=demo.console, auto_refresh=False, screen=False))
        _play(demo, owner, sink)
        if demo.live is not None:
            demo.live.stop()
            demo.live = None
        _summarise(demo, owner, sink)


def _smtp_options(port: int) -> list[str]:
    return ["--smtp-host", "127.0.0.1", "--smtp-port", str(port), "--smtp-security", "none",
            "--smtp-sender", "pgvigil@example.org"]  # fmt: skip


def _tell_psql(demo: Demo, postgres: EmbeddedPostgres) -> None:
    psql = shutil.which("psql") or str(postgres.psql_path)
    demo.say("tune a rule yourself, in another terminal:")
    demo.say(f'  {psql} "{postgres.dsn("pgvigil", "operator")}"')
    demo.say("  update pgvigil.threshold set warning = 1 where metric = 'memory_usage';")


def _play(demo: Demo, owner: database.Connection, sink: Sink) -> None:
    """Set the rule to this machine, breach it a few times, then watch until it is over."""
    _watch(demo, owner, partial(_has_samples, owner, time.time()))
    for number in range(1, _ROUNDS + 1):
        if demo.is_over:
            return
        limit = _set_limit(demo, owner)
        demo.say(f"round {number} of {_ROUNDS}: burning CPU until the rule fires at {limit:.0f} %")
        mails = len(sink.deliveries)
        with busy_cores():
            if not _watch(demo, owner, partial(_delivered, sink, mails, "fired")):
                demo.say(f"no mail within {_PATIENCE_SECONDS:g} s; see agent.log and mailer.log in {demo.directory}")
        if not _watch(demo, owner, partial(_delivered, sink, mails, "resolved")):
            demo.say("others keep this machine busy: the rule is set anew to what it does now")
    demo.say("now it is yours: Ctrl-C ends it" if demo.deadline is None else "watching until the time is up")
    _watch(demo, owner, demo.stop.is_set, patience_seconds=math.inf)


def _has_samples(owner: database.Connection, since: float) -> bool:
    """Tell whether there are samples enough to know what this machine does by itself."""
    query = "select count(*) as samples from pgvigil.cpu_log where created_at > to_timestamp(%s)"
    return int(database.fetch(owner, query, (since,))[0]["samples"]) >= _BASELINE_SAMPLES


def _delivered(sink: Sink, seen: int, event: str) -> bool:
    return any(delivery.event == event for delivery in sink.deliveries[seen:])


def _watch(
    demo: Demo, owner: database.Connection, done: Callable[[], bool], patience_seconds: float = _PATIENCE_SECONDS
) -> bool:
    """Show the view until something is done (True), or the demo is over, or patience is (False)."""
    give_up = time.monotonic() + patience_seconds
    while not done():
        if demo.is_over or time.monotonic() > give_up:
            return False
        demo.show(owner)
        demo.stop.wait(0.25)
    return True


def _set_limit(demo: Demo, owner: database.Connection) -> float:
    """Put the limit between what this machine does now and what we can make it do."""
    query = "select cpu_usage from pgvigil.cpu_log order by created_at desc limit %s"
    idle = statistics.mean(float(row["cpu_usage"]) for row in database.fetch(owner, query, (_BASELINE_SAMPLES,)))
    room = min(100.0 * len(os.sched_getaffinity(0)) / (os.cpu_count() or 1), 100.0 - idle)
    limit, band = round(idle + 0.6 * room, 1), round(0.2 * room, 1)
    statement = (
        f"update pgvigil.threshold set mode = 'armed', warning = {limit}, critical = null,"  # noqa: S608 - numbers
        f" clear_band = {band} where metric = 'cpu_usage'"
    )
    demo.say(f"CPU usage is {idle:.0f} % here, so: {statement};")
    database.run_script(owner, "demo", statement)
    return limit


def _summarise(demo: Demo, owner: database.Connection, sink: Sink) -> None:
    """Print what happened; raise if the main thing did not."""
    print("\nSummary")
    for row in sorted(database.fetch(owner, _COUNTS), key=lambda row: str(row["name"])):
        print(f"  {row['name']:<12} {row['samples']:>5} samples, {row['rows']:>5} rows of this host")
    for event in ("fired", "resolved"):
        print(f"  {event:<12} {sum(d.event == event for d in sink.deliveries):>5} mails accepted by the SMTP server")
    committed = {row["mail_id"]: row["committed_at"] for row in database.fetch(owner, _DELAYS)}
    delays = [1000 * (d.accepted_at - committed[d.mail_id]) for d in sink.deliveries if d.mail_id in committed]
    if delays:
        print(f"  commit of the sample to acceptance of its mail: median {statistics.median(delays):.0f} ms,"
              f" worst {max(delays):.0f} ms, {len(delays)} mails")  # fmt: skip
    print(f"  mails, to open in a browser or a mail program: {demo.mails}/*.html *.eml")
    if not database.fetch(owner, _COMPLETE):
        # Somebody who ended it early knows that he did.
        if demo.stop.is_set():
            return
        message = "no incident was mailed from its breach to its recovery"
        raise PgvigilError(message, f"See {demo.directory}/agent.log and mailer.log, and give it more time: FOR=60")
