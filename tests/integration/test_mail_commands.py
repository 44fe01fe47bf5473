"""mail preview, mail test and check, as a person runs them; and the bell, behind PgBouncer too."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from pgvigil.sink import Sink
from support import fetch_program, free_port, run_pgvigil, running_pgvigil, wait_until


@pytest.fixture
def sink(tmp_path):
    """Run a local SMTP server."""
    with Sink(tmp_path / "mails") as server:
        yield server


@pytest.fixture
def login(database):
    """Make a login that may do what a mailer may, on a database where somebody is to be mailed."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("drop role if exists test_checker")
        connection.execute("create role test_checker login in role pgvigil_mailer")
        connection.execute("insert into pgvigil.recipient (address) values ('ops@example.org')")
        connection.execute("select pgvigil.tick(clock_timestamp())")
    return database.replace("user=postgres", "user=test_checker")


def smtp(port):
    """Return the variables that lead to a local server."""
    return {"PGVIGIL_SMTP_HOST": "127.0.0.1", "PGVIGIL_SMTP_PORT": str(port), "PGVIGIL_SMTP_SECURITY": "none",
            "PGVIGIL_SMTP_SENDER": "vigil@example.org"}  # fmt: skip


def breach(dsn):
    """Have a host fire."""
    with psycopg.connect(dsn) as connection:
        connection.execute("update pgvigil.threshold set hold = '0'")
        connection.execute("select pgvigil.register_host('web1', '10 s', '0')")
        connection.execute(
            "insert into pgvigil.cpu_log (host_id, created_at, cpu_name, cpu_usage)"
            " select host_id, now(), 'cpu-total', 95 from pgvigil.host"
        )


def test_check_finds_all_in_order(login, sink):
    """One line each, a test mail, exit status 0; with the rights of a mailer only."""
    result = run_pgvigil("check", "--to", "ops@example.org", PGVIGIL_DSN=login, **smtp(sink.port))
    names = [line[8:21].strip() for line in result.stdout.splitlines()]
    assert (result.returncode, result.stderr) == (0, ""), result.stdout
    assert names == ["database", "schema", "privileges", "partitions", "upkeep", "outbox", "dead letters", "recipients",
                     "listener", "smtp connecti", "smtp tls", "smtp login", "smtp sender", "test mail"]  # fmt: skip
    wait_until(lambda: sink.deliveries)


@pytest.mark.parametrize(
    ("damage", "status", "expected"),
    [
        (["revoke pgvigil_mailer from test_checker"], 3, {"database": "Grant the login its group role"}),
        (
            [
                "update pgvigil.schema_migration set sha256 = 'x' where name like '0003%'",
                "drop table pgvigil_partition.cpu_log_{tomorrow}",
                "update pgvigil.upkeep set error = 'broken' where task = 'watch_disks'",
                "update pgvigil.recipient set is_enabled = false",
            ],
            4,
            {
                "schema": "pgvigil db migrate", "partitions": "ensure_partitions", "upkeep": "mend what it says",
                "recipients": "insert into pgvigil.recipient",
            },
        ),
        (["update pgvigil.upkeep set done_at = now() - interval '1 hour'"], 12, {"upkeep": "start a mailer"}),
    ],
    ids=["login", "much", "stale"],
)  # fmt: skip
def test_check_says_what_is_wrong_and_what_to_do(login, database, damage, status, expected):
    """Each failure has its remedy and the first its exit status; the rest is checked all the same."""
    with psycopg.connect(database, autocommit=True) as connection:
        tomorrow = connection.execute(
            "select to_char(now() at time zone 'UTC' + interval '1 day', 'YYYYMMDD')"
        ).fetchone()[0]
        for statement in damage:
            connection.execute(statement.format(tomorrow=tomorrow))
    result = run_pgvigil("check", PGVIGIL_DSN=login, **smtp(free_port()))
    lines = [*result.stdout.splitlines(), ""]
    found = {line.split()[1]: lines[number + 1] for number, line in enumerate(lines) if line.startswith("FAILED")}
    assert found.keys() == {*expected, "smtp"}
    assert all(remedy in found[name] for name, remedy in expected.items())
    assert result.returncode == status
    assert "Traceback" not in result.stderr


def test_check_without_servers():
    """Neither a database nor a mail server: both are said, the status is that of the first."""
    port = free_port()
    result = run_pgvigil("check", PGVIGIL_DSN=f"host=127.0.0.1 port={port} user=nobody", **smtp(port))
    assert result.returncode == 3
    assert [line.split()[:2] for line in result.stdout.splitlines()[::2]] == [
        ["FAILED", "database"],
        ["FAILED", "smtp"],
    ]


def test_preview_shows_a_past_alert_with_templates_of_ones_own(database, tmp_path):
    """As text and as HTML, in any language, though nobody was ever mailed."""
    breach(database)
    (tmp_path / "alert.txt.j2").write_text("OURS: {{ phrases.sentence }}\n")
    english = run_pgvigil("mail", "preview", PGVIGIL_DSN=database)
    korean = run_pgvigil(
        "mail", "preview", "--language", "ko", "--time-zone", "Asia/Seoul", "--html", PGVIGIL_DSN=database
    )
    ours = run_pgvigil("mail", "preview", "--templates", str(tmp_path), PGVIGIL_DSN=database)
    nothing = run_pgvigil("mail", "preview", "--alert", "999", PGVIGIL_DSN=database)
    assert english.stdout.startswith(
        "Subject: [pgvigil] web1: CPU usage cpu-total\n\nWARNING: CPU usage of cpu-total on web1"
    )
    assert "web1 cpu-total의 CPU 사용률이 95.0%\N{WORD JOINER}입니다" in korean.stdout
    assert "OURS: CPU usage of cpu-total on web1 is 95.0 %" in ours.stdout
    assert (nothing.returncode, nothing.stderr.count("\n")) == (3, 1)
    with psycopg.connect(database) as connection:
        assert connection.execute("select count(*) from pgvigil.mail").fetchone() == (0,)


def test_broken_template_keeps_no_alert_from_being_told(login, database, sink, tmp_path):
    """It is said once, and the shipped one is used."""
    templates = tmp_path / "templates"
    templates.mkdir()
    (templates / "alert.txt.j2").write_text("{{ no_such_thing }}")
    variables = {**smtp(sink.port), "PGVIGIL_TEMPLATES": str(templates)}
    with running_pgvigil(tmp_path / "log", "mailer", PGVIGIL_DSN=login, **variables) as mailer:
        wait_until(lambda: "mailer_started" in mailer.log)
        breach(database)
        wait_until(lambda: sink.deliveries)
    assert "templates_ignored" in mailer.log
    assert "no_such_thing" in mailer.log


def test_idle_mailer_hardly_wakes(login, sink, tmp_path):
    """Twice a second it looks whether it is to end; the driver's own waiting would wake ten times."""
    with running_pgvigil(tmp_path / "log", "mailer", PGVIGIL_DSN=login, **smtp(sink.port)) as mailer:
        wait_until(lambda: "mailer_started" in mailer.log)
        time.sleep(1)
        switches = Path(f"/proc/{mailer.process.pid}/status")

        def voluntary():
            return int(switches.read_text().split("\nvoluntary_ctxt_switches:")[1].split()[0])

        before = voluntary()
        time.sleep(3)
        woken = (voluntary() - before) / 3
        assert woken < 8, f"{woken:.1f} times a second"


@contextmanager
def pgbouncer(directory, dsn):
    """Run PgBouncer in transaction mode in front of a database, as an ordinary user."""
    program, libraries = shutil.which("pgbouncer"), ""
    if not program:
        program, libraries = fetch_program("pgbouncer", "pgbouncer")
    target, port = conninfo_to_dict(dsn), free_port()
    configuration = directory / "pgbouncer.ini"
    # auth_type any logs in as the user of the database's own line
    line = f"{target['dbname']} = host={target['host']} port={target['port']} user={target['user']}"
    configuration.write_text(
        f"[databases]\n{line}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        "pool_mode = transaction\nignore_startup_parameters = options,extra_float_digits\n"
        f"logfile = {directory}/pgbouncer.log\npidfile = {directory}/pgbouncer.pid\n"
    )
    user = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups") if os.geteuid() == 0 else ()
    if user:
        for path in (directory, configuration):
            shutil.chown(path, 65534, 65534)
        program = shutil.copy2(program, directory)
    if user and libraries:
        libraries = str(shutil.copytree(libraries, directory / "lib"))
    process = subprocess.Popen([*user, program, configuration], env={**os.environ, "LD_LIBRARY_PATH": libraries},
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        wait_until(lambda: "listening on 127.0.0.1" in (directory / "pgbouncer.log").read_text(), "PgBouncer")
        yield f"host=127.0.0.1 port={port} dbname={target['dbname']} user={target['user']}"
    finally:
        process.kill()
        process.wait()


def test_behind_pgbouncer_it_polls_with_one_warning(login, database, sink, directory, tmp_path):
    """In transaction mode LISTEN reaches nobody: the mailer finds out by itself, and check says so."""
    (directory / "pgbouncer.log").touch()
    if os.geteuid() == 0:
        shutil.chown(directory / "pgbouncer.log", 65534, 65534)
    with pgbouncer(directory, login) as dsn:
        result = run_pgvigil("check", PGVIGIL_DSN=dsn, **smtp(sink.port))
        assert result.returncode == 16, result.stdout
        assert "session mode" in result.stdout
        with running_pgvigil(tmp_path / "log", "mailer", PGVIGIL_DSN=dsn, **smtp(sink.port)) as mailer:
            wait_until(lambda: "bell_not_heard" in mailer.log)
            for _ in range(12):  # more than the driver would repeat before it prepares a statement
                breach(database)
            wait_until(lambda: sink.deliveries)
            time.sleep(2)
    assert mailer.log.count("bell_not_heard") == 1
    assert "database_lost" not in mailer.log
