"""`pgvigil top`: what it reads from a real database, and what it makes of a real terminal."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from contextlib import closing

import psycopg
import pytest
from rich.console import Console

from pgvigil.database import connect
from pgvigil.top import View, plain_lines, read_snapshot
from support import PATIENCE_SECONDS, run_pgvigil, running_pgvigil, wait_until

RED = "[red]web1[/red]"


@pytest.fixture
def owner(database):
    """Give a connection that may write everything; rules fire at once."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("update pgvigil.threshold set hold = '0' where metric <> 'iowait_usage'")
        yield connection


def register(owner, name):
    """Register a host that samples every ten seconds."""
    return owner.execute("select pgvigil.register_host(%s, '10 s', '0.1.0')", (name,)).fetchone()[0]


def add_sample(owner, host_id, *, cpu=10.0, memory=10.0, disks=(("/", 10.0),), iowait=0.0, age=0):
    """Store one sample of a host, taken and stored so many seconds ago, by statements of its agent's form."""
    with owner.transaction():
        at = owner.execute("select now() - make_interval(secs => %s)", (age,)).fetchone()[0]
        owner.execute(
            "insert into pgvigil.cpu_log (host_id, created_at, updated_at, cpu_name, cpu_usage, iowait_usage)"
            " values (%s, %s, %s, 'cpu-total', %s, %s)",
            (host_id, at, at, cpu, iowait),
        )
        owner.execute(
            "insert into pgvigil.memory_log (host_id, created_at, memory_name, memory_usage, used_bytes,"
            " available_bytes) values (%s, %s, 'memory', %s, 1, 1)",
            (host_id, at, memory),
        )
        for name, usage in disks:
            owner.execute(
                "insert into pgvigil.disk_log (host_id, created_at, disk_name, disk_usage) values (%s, %s, %s, %s)",
                (host_id, at, name, usage),
            )
        for interface in ("eth0", "eth1"):
            owner.execute(
                "insert into pgvigil.network_log (host_id, created_at, network_interface, received_bytes_per_second,"
                " sent_bytes_per_second, errors_per_second, drops_per_second) values (%s, %s, %s, 1024, 512, 0, 0)",
                (host_id, at, interface),
            )


def look(dsn, **options):
    """Read a snapshot as `pgvigil top` does."""
    with closing(connect(dsn, application_name="test")) as connection:
        return read_snapshot(connection, **{"host_limit": 100, **options})


def draw(snapshot, width=140, height=40, **options):
    """Return the lines of the view on a terminal of this size, without colours."""
    console = Console(width=width, height=height, color_system=None, force_terminal=True)
    with console.capture() as capture:
        console.print(View(snapshot, now=snapshot.taken_at, height=height, **options))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_host_is_shown_as_of_its_newest_sample(owner, database):
    """A row has the newest values, the fullest disk, and the traffic of all interfaces together."""
    host_id = register(owner, "web1")
    add_sample(owner, host_id, cpu=80, age=60)
    add_sample(owner, host_id, cpu=20, memory=30, disks=(("/", 40), ("/var", 50)))
    (row,) = look(database).hosts
    assert ("web1", "ok") == (row.host_name, row.status)
    assert (20, 30, "/var", 50) == (row.cpu_usage, row.memory_usage, row.disk_name, row.disk_usage)
    assert (2048, 1024) == (row.received_bytes_per_second, row.sent_bytes_per_second)


def test_hosts_come_worst_first(owner, database):
    """Critical, silent, warning, then by the highest usage; one that never sampled is silent."""
    for name, sample in {
        "calm": {"cpu": 10},
        "busy": {"cpu": 80},
        "warning": {"cpu": 92},
        "gone": {"age": 31},
        "critical": {"cpu": 99},
    }.items():
        add_sample(owner, register(owner, name), **sample)
    register(owner, "new")
    snapshot = look(database)
    assert ["critical", "gone", "new", "warning", "busy", "calm"] == [row.host_name for row in snapshot.hosts]
    assert ["critical", "silent", "silent", "warning", "ok", "ok"] == [row.status for row in snapshot.hosts]
    totals = snapshot.totals
    assert (6, 1, 1, 2, 2) == (totals.hosts, totals.critical, totals.warning, totals.silent, totals.firing)


def test_host_is_silent_after_three_intervals_by_the_servers_clock(owner, database):
    """A host whose clock is wrong is not silent: what counts is when its sample was stored."""
    host_id = register(owner, "skewed")
    add_sample(owner, host_id, age=3000)
    owner.execute("update pgvigil.cpu_log set updated_at = now()")
    assert "ok" == look(database).hosts[0].status
    owner.execute("update pgvigil.cpu_log set updated_at = now() - interval '31 seconds'")
    assert "silent" == look(database).hosts[0].status


def test_critical_host_that_fell_silent_stays_first(owner, database):
    """It is shown as silent, for nobody knows how it went on; its alert is still listed."""
    add_sample(owner, register(owner, "a"), cpu=99)
    add_sample(owner, register(owner, "b"), age=300)
    add_sample(owner, register(owner, "z"), cpu=99, age=300)
    snapshot = look(database)
    assert [("a", "critical"), ("z", "silent"), ("b", "silent")] == [
        (row.host_name, row.status) for row in snapshot.hosts
    ]
    view = draw(snapshot)
    assert any(line.startswith("silent   z") and "5m" in line for line in view)
    assert any(line.startswith("critical z") for line in view)
    assert " 1 critical    2 silent " in view[0]


def test_sparkline_ends_now_and_keeps_its_gaps(owner, database):
    """The newest value stands at the right end; where there was no sample, there is a gap."""
    host_id = register(owner, "web1")
    add_sample(owner, host_id, cpu=70, age=1500)
    add_sample(owner, host_id, cpu=30)
    history = look(database, span_seconds=1800).hosts[0].cpu_history
    assert 24 == len(history)
    assert 30 == history[-1]
    assert 70 in history[:6]
    assert 22 == history.count(None)


def test_sparkline_of_a_short_span_has_no_empty_columns(owner, database):
    """A column spans two samples at least: three columns for a minute of samples every ten seconds."""
    host_id = register(owner, "web1")
    for age in range(0, 80, 10):
        add_sample(owner, host_id, age=age)
    assert [10.0, 10.0, 10.0] == look(database, span_seconds=60).hosts[0].cpu_history


def test_snapshot_without_a_span_has_no_sparklines(owner, database):
    """All hosts can be listed fast."""
    add_sample(owner, register(owner, "web1"))
    (row,) = look(database, span_seconds=0).hosts
    assert 10 == row.cpu_usage
    assert not hasattr(row, "cpu_history")


def test_alerts_come_firing_first_with_the_limit_of_their_severity(owner, database):
    """A pending alert is last, however new; a critical one is measured by the critical limit."""
    add_sample(owner, register(owner, "a"), cpu=92)
    add_sample(owner, register(owner, "b"), cpu=99)
    add_sample(owner, register(owner, "c"), iowait=50)
    alerts = look(database).alerts
    assert ["b", "a", "c"] == [row.host_name for row in alerts]
    assert ["firing", "firing", "pending"] == [row.state for row in alerts]
    assert [98, 90, 40] == [row.limit_value for row in alerts]
    lines = draw(look(database))
    assert any(line.startswith("critical b") and "limit 98" in line and "peak 99.0" in line for line in lines)
    assert any(line.startswith("pending") and " c " in line for line in lines)


def test_mail_says_what_became_of_it(owner, database):
    """Sent, waiting for another attempt, or failed; the last two with the reason."""
    for address in ("sent@example.org", "waiting@example.org", "failed@example.org"):
        owner.execute("insert into pgvigil.recipient (address) values (%s)", (address,))
    add_sample(owner, register(owner, "web1"), cpu=99)
    owner.execute("update pgvigil.mail set attempts = 1")
    owner.execute("update pgvigil.mail set sent_at = now() where address = 'sent@example.org'")
    owner.execute("update pgvigil.mail set failed_at = now(), last_error = 'no such user' where address ~ '^failed'")
    owner.execute(
        "update pgvigil.mail set due_at = now() + interval '1 minute', last_error = 'timed out' where address ~ '^w'"
    )
    snapshot = look(database)
    assert {row.state for row in snapshot.mails} == {"sent", "waiting", "failed"}
    view, lines = "\n".join(draw(snapshot)), "\n".join(plain_lines(snapshot, now=snapshot.taken_at))
    assert "attempt 2 in 60 s: timed out" in view
    assert "no such user" in view
    assert "to=failed@example.org state=failed" in lines
    assert 'reason="timed out"' in lines


def test_reader_needs_nothing_but_the_dashboard(owner, database):
    """A login with only pgvigil_reader sees the whole snapshot, and none of the tables."""
    add_sample(owner, register(owner, "web1"), cpu=99)
    owner.execute("create role test_top_reader login in role pgvigil_reader")
    try:
        snapshot = look(f"{database} user=test_top_reader")
    finally:
        owner.execute("drop role test_top_reader")
    assert (1, 1) == (len(snapshot.hosts), len(snapshot.alerts))
    assert 99 == snapshot.hosts[0].cpu_history[-1]


def test_hostile_names_are_only_text(owner, database):
    """Markup is shown as it is, control characters reach neither the view nor the lines."""
    owner.execute("insert into pgvigil.recipient (address) values ('a@example.org')")
    add_sample(owner, register(owner, RED), cpu=99, disks=(("/\x1b[31m\u202e\r\nfleet hosts=0", 99),))
    owner.execute("update pgvigil.mail set failed_at = now(), last_error = E'550\\x1b[2J[bold]no\\r\\n'")
    snapshot = look(database)
    view = draw(snapshot)
    lines = plain_lines(snapshot, now=snapshot.taken_at)
    assert any(RED in line for line in view)
    assert any(f"host={RED} " in line for line in lines)
    for text in (*view, *lines):
        assert not any(sign < " " or sign in "\x1b\x9b\u202e" for sign in text)
    assert 1 == sum(line.startswith("fleet") for line in lines)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (140, 40), (40, 10), (250, 60)])
@pytest.mark.parametrize("hosts", [0, 1, 12, 2000])
def test_view_fits_every_terminal(owner, database, width, height, hosts):
    """No line is too long, no line too many; what does not fit is counted."""
    owner.execute("insert into pgvigil.recipient (address) select i || '@example.org' from generate_series(1, 20) as i")
    owner.execute(
        "select pgvigil.register_host('host-' || i || '.a-rather-long-domain.example.org', '10 s', '0.1.0')"
        " from generate_series(1, %s) as i", (hosts,),
    )  # fmt: skip
    if hosts:
        add_sample(owner, register(owner, "호스트"), cpu=99, memory=99, disks=(("/a/long/mount/point", 99),))
    snapshot = look(database, host_limit=height)
    console = Console(width=width, height=height, color_system=None, force_terminal=True)
    lines = console.render_lines(View(snapshot, now=snapshot.taken_at, notice="database lost", height=height))
    assert len(lines) <= height
    assert {width} == {sum(segment.cell_length for segment in line) for line in lines}
    text = "\n".join("".join(segment.text for segment in line) for line in lines)
    assert ("2,001 hosts" in text) == (hosts == 2000)
    assert ("shown" in lines[0][0].text + text.split("\n", maxsplit=1)[0]) == (hosts == 2000 and width > 40)


def test_view_leaves_room_for_what_is_printed_below_it(owner, database):
    """Without a height the view takes half of the terminal: the demo tells its story below."""
    owner.execute("select pgvigil.register_host('host-' || i, '10 s', '0.1.0') from generate_series(1, 100) as i")
    snapshot = look(database)
    console = Console(width=80, height=30, color_system=None, force_terminal=True)
    assert 15 == len(console.render_lines(View(snapshot, now=snapshot.taken_at), pad=False))


def test_lines_are_keys_and_values(owner, database):
    """One line for the fleet, one per host, alert and mail, each in a form that grep and awk can take apart."""
    owner.execute("insert into pgvigil.recipient (address) values ('a@example.org')")
    add_sample(owner, register(owner, "web1"), cpu=99, disks=(("/my disk", 20.5),))
    result = run_pgvigil("top", "--once", "--dsn", database)
    assert (0, "") == (result.returncode, result.stderr)
    fleet, host, alert, mail = result.stdout.splitlines()
    assert fleet.endswith("hosts=1 shown=1 critical=1 warning=0 silent=0 firing=1 pending=0")
    assert host.startswith("host host=web1 status=critical age_seconds=")
    assert host.endswith(
        'cpu_percent=99 memory_percent=10 disk_percent=20.5 disk="/my disk"'
        " received_bytes_per_second=2048 sent_bytes_per_second=1024 open_alerts=1"
    )
    assert alert.startswith("alert host=web1 metric=cpu_usage resource=cpu-total state=firing severity=critical")
    assert alert.endswith("value=99 limit=98 peak=99 unit=percent shadow=false")
    assert mail.startswith('mail host=web1 event=fired severity=critical title="CPU usage" resource=cpu-total to=')


def test_lost_database_is_told_and_found_again(owner, database, tmp_path):
    """A broken connection costs one line, not the command."""
    add_sample(owner, register(owner, "web1"))
    with running_pgvigil(tmp_path / "log", "top", "--refresh", "200ms", "--dsn", database) as top:
        wait_until(lambda: "host=web1" in top.log, "first look")
        owner.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pgvigil-top'")
        wait_until(lambda: "database state=lost reason=" in top.log, "the loss")
        wait_until(lambda: "fleet" in top.log.rpartition("state=lost")[2], "the next look")
        top.terminate()
        assert 0 == top.process.returncode


def test_first_look_must_succeed():
    """A wrong dsn ends the command with the database's exit status instead of being tried for ever."""
    result = run_pgvigil("top", "--dsn", "host=/nonexistent dbname=x")
    assert 3 == result.returncode
    assert "cannot connect to PostgreSQL" in result.stderr


class Terminal:
    """A pseudo terminal with `pgvigil top` in it."""

    def __init__(self, *arguments):
        self._ours, theirs = pty.openpty()
        self.screen = ""
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pgvigil", "top", *arguments],
            stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)

    def read_until(self, text):
        """Read what it writes until a text appears."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while text not in self.screen:
            assert time.monotonic() < deadline, f"no {text!r} in {self.screen!r}"
            if select.select([self._ours], [], [], 0.1)[0]:
                self.screen += os.read(self._ours, 65536).decode(errors="replace")

    def type(self, keys):
        """Press keys."""
        os.write(self._ours, keys)

    def close(self):
        """End it, if it still runs."""
        self.process.kill()
        self.process.wait()
        os.close(self._ours)


@pytest.mark.parametrize("how", ["q", "signal"])
def test_terminal_is_left_as_it_was(owner, database, how):
    """Ctrl-C, or q, ends with status 0, the former screen and a cursor."""
    add_sample(owner, register(owner, "web1"))
    with closing(Terminal("--dsn", database)) as terminal:
        terminal.read_until("web1")
        assert "\x1b[?1049h" in terminal.screen
        if how == "q":
            terminal.type(b"q")
        else:
            terminal.process.send_signal(2)
        terminal.read_until("\x1b[?1049l")
        terminal.read_until("\x1b[?25h")
        assert 0 == terminal.process.wait(PATIENCE_SECONDS)


def test_view_tells_of_a_lost_database_and_goes_on(owner, database):
    """The last look stays on the screen with a line above it, until the database is back."""
    add_sample(owner, register(owner, "web1"))
    with closing(Terminal("--refresh", "1s", "--dsn", database)) as terminal:
        terminal.read_until("web1")
        name = owner.info.dbname
        with psycopg.connect(f"{database} dbname=postgres", autocommit=True) as other:
            other.execute(f"alter database {name} allow_connections false")
            other.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pgvigil-top'"
            )
            terminal.read_until("database lost")
            other.execute(f"alter database {name} allow_connections true")
        add_sample(owner, register(owner, "web2"))
        terminal.read_until("web2")
        assert terminal.process.poll() is None
