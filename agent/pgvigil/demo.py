"""`make demo`: the whole way of a sample on this machine, with real processes and an embedded PostgreSQL."""

from __future__ import annotations

import math
import os
import shutil
import statistics
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, closing
from datetime import UTC, datetime
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
    from collections.abc import Callable
    from threading import Event

_ROUNDS = 3
_BASELINE_SAMPLES = 3
_PATIENCE_SECONDS = 10.0
_LINES_SHOWN = 8
_ROOM_PERCENT = 10.0
_SPAN_SECONDS = 60.0

_SETUP = """
create role demo_agent login in role pgvigil_agent;
create role demo_mailer login in role pgvigil_mailer;
create role operator login in role pgvigil_operator;
insert into pgvigil.recipient (address) values ('ops@example.org');
update pgvigil.threshold set hold = '0';
update pgvigil.threshold set mode = 'off' where metric = 'cpu_usage'; -- until it is known what this machine does
-- So soon after each other the rounds were one incident, and its mails would wait for each other.
update pgvigil.setting set value = '1 millisecond' where setting in ('flap_window', 'digest_wait');
"""

# When the sample was committed, not when it was inserted: track_commit_timestamp is on in the demo.
_DELAYS = """
select m.mail_id, extract(epoch from pg_xact_commit_timestamp(l.xmin))::float8 as committed_at
from pgvigil.mail as m
inner join pgvigil.alert as a on a.host_id = m.host_id and a.alert_id = m.alert_id
inner join pgvigil.cpu_log as l on l.host_id = m.host_id and l.created_at = m.sampled_at and l.cpu_name = a.resource
"""

_COUNTS = "select count(*) as rows, count(distinct created_at) as samples from pgvigil.{}"
_COMPLETE = """
select from pgvigil.mail
where event in ('fired', 'resolved') and sent_at is not null
group by host_id, alert_id
having count(distinct event) = 2
"""


class Demo:
    """The running parts, and what is told about them."""

    owner: database.Connection
    sink: Sink

    def __init__(self, directory: Path, seconds: float | None, stop: Event) -> None:
        self.directory, self.mails, self.stop = directory, directory / "mails", stop
        self.started = time.monotonic()
        self.deadline = self.started + (seconds or math.inf)
        self.console = Console(highlight=False)
        self.lines: list[str] = []
        self.live: Live | None = None
        self.told = 0
        self.room_percent = 100.0

    @property
    def is_over(self) -> bool:
        """Whether the time is up or somebody pressed Ctrl-C."""
        return self.stop.is_set() or time.monotonic() >= self.deadline

    def say(self, text: str) -> None:
        """Tell what happens: above the live view, or as a plain line."""
        self.lines.append(f"[{time.monotonic() - self.started:5.1f} s] {text}")
        if self.live is None:
            print(self.lines[-1], flush=True)

    def run(self, statement: str) -> None:
        """Run a statement as the owner."""
        database.run_script(self.owner, "demo", statement)

    def show(self) -> None:
        """Draw the view anew, or print its lines now and then where the output is no terminal."""
        snapshot = read_snapshot(self.owner, host_limit=1, span_seconds=_SPAN_SECONDS)
        now = datetime.now(UTC)
        if self.live is not None:
            story = Panel(Text("\n".join(self.lines[-_LINES_SHOWN:])), title="make demo", border_style="dim")
            self.live.update(Group(View(snapshot, now=now), story), refresh=True)
        elif (tens := int(time.monotonic() - self.started) // 10) > self.told:
            self.told = tens
            for line in plain_lines(snapshot, now=now):
                self.say(line)

    def watch(self, done: Callable[[], bool], patience_seconds: float = _PATIENCE_SECONDS) -> bool:
        """Show the view until something is done (True), or the demo is over, or patience is (False)."""
        give_up = time.monotonic() + patience_seconds
        while not done():
            if self.is_over or time.monotonic() > give_up:
                return False
            self.show()
            self.stop.wait(0.25)
        return True

    def play(self) -> None:
        """Set the rule to this machine, breach it a few times, then watch until it is over."""
        # Until there are samples enough to know what this machine does by itself.
        query, since = "select from pgvigil.cpu_log where created_at > to_timestamp(%s)", time.time()
        self.watch(lambda: len(database.fetch(self.owner, query, (since,))) >= _BASELINE_SAMPLES)
        for number in range(1, _ROUNDS + 1):
            if self.is_over:
                return
            limit, mails = self.set_limit(), len(self.sink.deliveries)

            def is_told(event: str, mails: int = mails) -> bool:
                return any(delivery.event == event for delivery in self.sink.deliveries[mails:])

            self.say(f"round {number} of {_ROUNDS}: burning CPU until the rule fires at {limit:.0f} %")
            with busy_cores():
                if not self.watch(lambda: is_told("fired")):
                    self.say(
                        f"no mail within {_PATIENCE_SECONDS:g} s; see agent.log and mailer.log in {self.directory}"
                    )
            if not self.watch(lambda: is_told("resolved")):
                self.say("others keep this machine busy: the rule is set anew to what it does now")
        self.say("now it is yours: Ctrl-C ends it" if math.isinf(self.deadline) else "watching until the time is up")
        self.watch(self.stop.is_set, patience_seconds=math.inf)

    def set_limit(self) -> float:
        """Put the limit between what this machine does now and what we can make it do."""
        query = "select cpu_usage from pgvigil.cpu_log order by created_at desc limit %s"
        rows = database.fetch(self.owner, query, (_BASELINE_SAMPLES,))
        idle = statistics.mean(float(row["cpu_usage"]) for row in rows)
        self.room_percent = room = min(100.0 * len(os.sched_getaffinity(0)) / (os.cpu_count() or 1), 100.0 - idle)
        limit = round(idle + 0.6 * room, 1)
        statement = (
            f"update pgvigil.threshold set mode = 'armed', warning = {limit}, critical = null,"  # noqa: S608 - numbers
            f" clear_band = {round(0.2 * room, 1)} where metric = 'cpu_usage'"
        )
        if room < _ROOM_PERCENT:
            self.say(f"this machine is busy already: there may be too little CPU left ({room:.0f} %) to show a breach")
        self.say(f"CPU usage is {idle:.0f} % here, so: {statement};")
        self.run(statement)
        return limit

    def summarise(self) -> None:
        """Print what happened; raise if the main thing did not, unless somebody ended it early."""
        print("\nSummary")
        for table in ("cpu_log", "disk_log", "memory_log", "network_log"):
            row = database.fetch(self.owner, _COUNTS.format(table))[0]
            print(f"  {table:<12} {row['samples']:>5} samples, {row['rows']:>5} rows of this host")
        sent = self.sink.deliveries
        for event, count in ({"fired": 0, "resolved": 0} | Counter(d.event for d in sent)).items():
            print(f"  {event:<12} {count:>5} mail{'s' * (count != 1)} accepted by the SMTP server")
        committed = {row["mail_id"]: row["committed_at"] for row in database.fetch(self.owner, _DELAYS)}
        delays = [1000 * (d.accepted_at - committed[d.mail_id]) for d in sent if d.mail_id in committed]
        if delays:
            print(f"  commit of the sample to acceptance of its mail: median {statistics.median(delays):.0f} ms,"
                  f" worst {max(delays):.0f} ms, {len(delays)} mail{'s' * (len(delays) != 1)}")  # fmt: skip
        print(f"  mails, to open in a browser or a mail program: {self.mails}/*.html *.eml")
        if not database.fetch(self.owner, _COMPLETE) and not self.stop.is_set():
            message = "no incident was mailed from its breach to its recovery"
            advice = f"See {self.directory}/agent.log and mailer.log, and give it more time: FOR=60"
            if self.room_percent < _ROOM_PERCENT:
                message += f": others left {self.room_percent:.0f} % of this machine's CPU to show a breach with"
                advice = "Run it again when they are done"
            raise PgvigilError(message, advice)


def run_demo(directory: Path, seconds: float | None, stop: Event) -> None:
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
        with closing(database.connect(postgres.dsn(), application_name="pgvigil-demo")) as connection:
            database.run_script(connection, "demo", "create database pgvigil")
        migrate(postgres.dsn("pgvigil"))
        connection = database.connect(postgres.dsn("pgvigil"), application_name="pgvigil-demo")
        demo.owner = stack.enter_context(closing(connection))
        demo.run(_SETUP)
        demo.say("schema is there: tables, rules, triggers, outbox; ops@example.org is to be mailed")

        demo.sink = stack.enter_context(Sink(demo.mails))
        smtp = ["--smtp-host", "127.0.0.1", "--smtp-port", str(demo.sink.port), "--smtp-security", "none",
                "--smtp-sender", "pgvigil@example.org"]  # fmt: skip
        for name, options in (("agent", ["--interval", "1s"]), ("mailer", smtp)):
            stack.enter_context(command(name, postgres.dsn("pgvigil", f"demo_{name}"), options, directory))
        demo.say("agent (a sample each second), mailer and a local SMTP server are running")
        demo.say("tune a rule yourself, in another terminal:")
        demo.say(f'  {shutil.which("psql") or postgres.psql_path} "{postgres.dsn("pgvigil", "operator")}"')
        demo.say("  update pgvigil.threshold set warning = 1 where metric = 'memory_usage' and resource = 'memory';")

        if demo.console.is_terminal:
            with Live(console=demo.console, auto_refresh=False) as demo.live:
                demo.play()
            demo.live = None
        else:
            demo.play()
        demo.summarise()
