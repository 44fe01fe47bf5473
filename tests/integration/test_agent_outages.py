"""What an agent does when not all is well: replays, refusals, hung mounts, and the service manager that watches it."""

from __future__ import annotations

import ctypes
import os
import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from pgvigil import database as db
from pgvigil.collect import CollectOptions, Collector
from pgvigil.model import MemoryLog, Sample
from pgvigil.problems import Problems
from pgvigil.sink import Sink
from pgvigil.spool import Spool
from support import need_mount_namespace, running_pgvigil, wait_until

BEAT = ("--interval", "200ms")
DAY = 86400.0


def fetch(dsn, query):
    """Return the rows of a query."""
    with psycopg.connect(dsn) as connection:
        return connection.execute(query).fetchall()


def leave_behind(directory, usages):
    """Leave samples of the last seconds in a spool, as an agent does that was killed in an outage."""
    spool = Spool(directory, max_bytes=2**20, max_age_seconds=DAY)
    now = datetime.now(UTC)
    for number, usage in enumerate(usages):
        taken_at = now - timedelta(seconds=len(usages) - number)
        spool.add([Sample(taken_at, (), (MemoryLog("memory", usage, 1, 1),), (), ())])
    spool.close()


def test_replay_opens_no_alert_for_what_is_over(database, tmp_path):
    """The memory was full during the outage and is not now: the graph shows it, nobody is woken."""
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(
            "update pgvigil.threshold set hold = '0', warning = 99.9, critical = 99.95 where metric = 'memory_usage'"
        )
    leave_behind(tmp_path / "log-spool", [100.0] * 50)
    with running_pgvigil(tmp_path / "log", "agent", *BEAT, PGVIGIL_DSN=database):
        full = "select count(*) from pgvigil.memory_log where memory_usage = 100 and memory_name = 'memory'"
        wait_until(lambda: [(50,)] == fetch(database, full), "the replay")
    assert [] == fetch(database, "select metric from pgvigil.alert where metric = 'memory_usage'")


def test_refused_sample_is_told_once_kept_and_holds_up_nothing(database, tmp_path):
    """Two of a batch are more than full: the others arrive, and those two stay in the spool."""
    spool = tmp_path / "log-spool"
    leave_behind(spool, [1.5] * 10 + [250.0] + [1.5] * 10 + [250.0] + [1.5] * 10)
    with running_pgvigil(tmp_path / "log", "agent", *BEAT, PGVIGIL_DSN=database) as agent:
        wait_until(
            lambda: [(30,)] == fetch(database, "select count(*) from pgvigil.memory_log where memory_usage = 1.5")
        )
        problem = "select problem, detail like '%memory_usage_is_percent%', occurrences from pgvigil.agent_problem"
        wait_until(lambda: [("sample_refused", True, 2)] == fetch(database, problem), "the report")
        agent.terminate()
    assert 1 == agent.log.count("sample_refused")
    with closing(sqlite3.connect(spool / "spool.sqlite3")) as kept_on_disk:
        kept = kept_on_disk.execute("select sum(is_refused) from sample").fetchone()
    assert (2,) == kept


def test_what_was_refused_for_want_of_a_right_arrives_when_it_is_granted(database, tmp_path):
    """The server, not the sample, was to blame."""
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("drop role if exists test_refused")
        owner.execute("create role test_refused login")
        owner.execute("grant usage on schema pgvigil to test_refused")
        owner.execute("grant execute on all functions in schema pgvigil to test_refused")
        dsn = database.replace("user=postgres", "user=test_refused")
        with running_pgvigil(tmp_path / "log", "agent", *BEAT, "--log-level", "debug", PGVIGIL_DSN=dsn) as agent:
            wait_until(lambda: agent.log.count("sample_taken") > 5)
            owner.execute("grant pgvigil_agent to test_refused")
            taken = "select count(distinct created_at) from pgvigil.memory_log"
            wait_until(lambda: agent.log.count("sample_taken") - fetch(database, taken)[0][0] <= 1, "all of them")
        owner.execute("drop owned by test_refused")
        owner.execute("drop role test_refused")
    assert 1 == agent.log.count("sample_refused")


def test_loss_is_stored(database, tmp_path):
    """The spool was full: how many samples were dropped is in the database, counted once."""
    spool = Spool(tmp_path / "log-spool", max_bytes=2**16, max_age_seconds=DAY)
    now = datetime.now(UTC)
    for second in range(-2000, 0, 50):
        row = MemoryLog("memory", 1.5, 1, 1)
        spool.add([Sample(now + timedelta(seconds=second + each), (), (row,), (), ()) for each in range(50)])
    lost = spool.losses()[0]
    spool.close()
    assert lost > 0
    with running_pgvigil(tmp_path / "log", "agent", *BEAT, PGVIGIL_DSN=database):
        stored = "select occurrences from pgvigil.agent_problem where problem = 'samples_dropped'"
        wait_until(lambda: [(lost,)] == fetch(database, stored), "the report")
        kept = "select count(*) from pgvigil.memory_log where memory_usage = 1.5"
        wait_until(lambda: [(2000 - lost,)] == fetch(database, kept), "the replay")


def test_failure_of_a_collector_is_stored_and_counts_up(database, tmp_path):
    """The other collectors deliver, and the same report twice changes nothing."""
    problems = Problems()
    collector = Collector(CollectOptions(mounts_file=str(tmp_path / "missing")), problems)
    collector.prime()
    with db.connect(database, application_name="test") as connection:
        host_id = db.register_host(connection, "web1", 10, "0")
        for _ in range(2):
            sample = collector.sample(datetime.now(UTC))
            reports = problems.unsent()
            for _ in range(2):
                db.write_samples(connection, host_id, [sample], collector.inventory(), reports)
            problems.sent(reports)
    assert [("disk", 3, True)] == fetch(
        database,
        "select subject, occurrences, detail like 'FileNotFoundError%' from pgvigil.agent_problem"
        " where problem = 'collector_failed'",
    )
    assert [(2,)] == fetch(database, "select count(distinct created_at) from pgvigil.memory_log")
    assert [(0,)] == fetch(database, "select count(*) from pgvigil.disk_info")


def test_collector_that_fails_is_mailed_and_so_is_that_it_works_again(database, tmp_path):
    """The kernel's file of one collector is garbled: its report, the alert and the mail; mended, the second mail."""
    need_mount_namespace()
    garbled = tmp_path / "diskstats"
    garbled.write_text("   8       0 sda 12 garbled\n")
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("update pgvigil.threshold set hold = '0' where metric = 'agent_problem'")
        owner.execute("update pgvigil.setting set value = '100 ms' where setting in ('digest_wait', 'mail_spacing')")
        owner.execute("insert into pgvigil.recipient (address) values ('ops@example.org')")
    mailer_options = ["--smtp-host", "127.0.0.1", "--smtp-security", "none", "--smtp-sender", "pgvigil@example.org"]
    script = 'mount --bind "$0" /proc/diskstats && exec "$@"'
    command = [sys.executable, "-m", "pgvigil", "agent", *BEAT, "--host-name", "web1", "--dsn", database]
    command += ["--spool-directory", str(tmp_path / "spool")]
    reported = "select problem, subject, detail like 'IndexError%' from pgvigil.agent_problem"
    with (
        Sink(tmp_path / "mails") as sink,
        subprocess.Popen(["unshare", "--mount", "sh", "-c", script, garbled, *command]) as agent,
        ExitStack() as running,
    ):
        running.callback(agent.terminate)
        # The mailer's first tick looks at what agents report, the next that does so comes a minute later.
        wait_until(lambda: [("collector_failed", "disk traffic", True)] == fetch(database, reported), "the report")
        mailer_options += ["--smtp-port", str(sink.port), "--poll-interval", "1s"]
        running.enter_context(running_pgvigil(tmp_path / "log", "mailer", *mailer_options, PGVIGIL_DSN=database))
        wait_until(lambda: len(sink.deliveries) == 1, "the mail")
        alert = "select resource, state::text from pgvigil.alert where metric = 'agent_problem'"
        assert [("collector_failed disk traffic", "firing")] == fetch(database, alert)
        assert [(True,)] == fetch(database, "select count(*) > 0 and count(io_usage) = 0 from pgvigil.disk_log")
        garbled.write_bytes(Path("/proc/diskstats").read_bytes())
        with psycopg.connect(database, autocommit=True) as owner:  # tick() looks once a minute

            def is_over():
                owner.execute("select pgvigil.watch_agent_problems(clock_timestamp())")
                return [("collector_failed disk traffic", "resolved")] == fetch(database, alert)

            wait_until(is_over, "the end of the alert")
        wait_until(lambda: len(sink.deliveries) == 2, "the second mail")
    assert ["fired", "resolved"] == [delivery.event for delivery in sink.deliveries]
    text = sink.deliveries[0].path.read_text()
    assert "web1" in text
    assert "collector_failed disk traffic" in text


@pytest.fixture
def hung_mount(tmp_path):
    """Mount a FUSE file system whose process never answers."""
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() or not os.path.exists("/dev/fuse"):  # noqa: PTH110
        pytest.skip("only root can mount, and FUSE has to be there")
    point = tmp_path / "hung"
    point.mkdir()
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
    if libc.mount(b"dead-server", os.fsencode(point), b"fuse.dead", 0, options):
        os.close(device)
        pytest.skip(f"cannot mount FUSE: {os.strerror(ctypes.get_errno())}")
    yield point
    os.close(device)  # whoever waits gets an error now
    subprocess.run(["umount", "--lazy", point], check=False)


def test_mount_that_hangs_stops_nothing_and_is_stored(database, tmp_path, hung_mount):
    """The grid holds, the other disks are there, the report names the mount, and SIGTERM still ends it."""
    options = [
        "--fs-types-exclude",
        "^(proc|sysfs|tmpfs|overlay|cgroup.*)$",
        "--mount-points-exclude",
        "^/(dev|proc|sys)",
    ]
    with running_pgvigil(tmp_path / "log", "agent", *BEAT, *options, PGVIGIL_DSN=database) as agent:
        stored = "select subject from pgvigil.agent_problem where problem = 'mount_hangs'"
        wait_until(lambda: [(str(hung_mount),)] == fetch(database, stored), "the report")
        disks = "select count(distinct created_at) from pgvigil.disk_log"
        before = fetch(database, disks)[0][0]
        wait_until(lambda: fetch(database, disks)[0][0] >= before + 10, "ten beats")
        agent.terminate()
    assert 1 == agent.log.count("mount_hangs")
    assert "Traceback" not in agent.log
