"""What people get wrong ends in one line that says what to do, and in an exit status of its own."""

from __future__ import annotations

import socket
import subprocess

import psycopg
import pytest

from pgvigil.embedded import EmbeddedPostgres
from pgvigil.migrate import migrate
from support import run_pgvigil

NOWHERE = "host=127.0.0.1 port=1 dbname=pgvigil"
SENDER = ("--smtp-sender", "pgvigil@example.org")


def check(result, exit_status, *words):
    """Expect one line on stderr with these words, and no traceback."""
    lines = result.stderr.strip().splitlines()
    assert (exit_status, 1) == (result.returncode, len(lines)), result.stderr
    for word in words:
        assert word in lines[0]


@pytest.mark.parametrize("command", [("db", "migrate"), ("db", "status"), ("top", "--once")])
def test_dsn_that_leads_nowhere(command):
    """The place, the reason and the option are named."""
    check(run_pgvigil(*command, "--dsn", NOWHERE), 3, "host=127.0.0.1 port=1", "Connection refused", "--dsn")


@pytest.mark.parametrize("command", [("agent",), ("mailer", *SENDER), ("db", "status")])
def test_dsn_that_is_none(command):
    """A connection string that cannot be read is a usage error."""
    check(run_pgvigil(*command, "--dsn", "host=a nonsense"), 2, "cannot read the connection string", "host=db1")


@pytest.fixture(scope="module")
def guarded():
    """Run a server that asks for passwords, on TCP."""
    import shutil
    import tempfile
    from pathlib import Path

    path = Path(tempfile.mkdtemp(prefix="pgvigil-", dir="/tmp"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with EmbeddedPostgres(path, tcp_port=port) as postgres:
        migrate(postgres.dsn())
        with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
            connection.execute("create role agent_web1 login password 'right' in role pgvigil_agent")
            connection.execute("create role nobody_special login password 'right'")
        yield f"host=127.0.0.1 port={port} dbname=postgres"
    shutil.rmtree(path)


@pytest.mark.parametrize("command", [("agent",), ("mailer", *SENDER), ("top", "--once"), ("db", "status")])
def test_wrong_password(guarded, command):
    """The password is not shown, and where to mend it is."""
    result = run_pgvigil(*command, "--dsn", f"{guarded} user=agent_web1 password=wrong-secret", "--log-level=error"
                         ) if command[0] in {"agent", "mailer"} else run_pgvigil(
        *command, "--dsn", f"{guarded} user=agent_web1 password=wrong-secret")  # fmt: skip
    check(result, 3, "password authentication failed", "user=agent_web1", "PGPASSFILE")
    assert "wrong-secret" not in result.stderr


def test_login_without_its_group_role(guarded):
    """A login that nobody granted anything is told what it lacks."""
    result = run_pgvigil("agent", "--dsn", f"{guarded} user=nobody_special password=right", "--log-level=error")
    check(result, 3, "permission denied", "pgvigil_agent")


def test_unknown_option():
    """Typer's own message, which is a usage error."""
    result = run_pgvigil("agent", "--intervall", "1s")
    assert 2 == result.returncode
    assert "--intervall" in result.stderr
    assert "--interval" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("agent", "--interval", "soon"), ("'soon' is no duration", "10s")),
        (("agent", "--host-name", "a b"), ("'a b' cannot be the name of a host", "--host-name")),
        (("agent", "--net-device-exclude", "("), ("no regular expression", "default")),
        (("agent", "--log-level", "loud"), ("'loud' is no log level", "debug")),
        (("mailer", "--smtp-sender", "nobody"), ("'nobody' is no address", "--smtp-sender")),
        (("mailer", *SENDER, "--smtp-security", "ssl"), ("'ssl' is no way", "starttls")),
        (("mailer", *SENDER, "--smtp-password-file", "/nothing"), ("cannot read the secret", "--smtp-password-file")),
    ],
)
def test_bad_option_value(arguments, words):
    """The value is shown, and what would be right."""
    check(run_pgvigil(*arguments), 2, *words)


def test_schema_that_is_missing(empty_database):
    """Top on a database without our schema names the command that makes it."""
    check(run_pgvigil("top", "--once", "--dsn", empty_database), 4, "pgvigil db migrate")


def make_web1(database):
    """Make a host in a group, with a disk, that is silenced."""
    disk = '{"disk": [{"disk_name": "/data", "device": "sda1", "size": 1}]}'
    with psycopg.connect(database) as connection:
        connection.execute("select pgvigil.register_host('web1', '10 seconds', '1.0', '{web}')")
        connection.execute("select pgvigil.record_inventory(host_id, %s) from pgvigil.host", (disk,))
        connection.execute("select pgvigil.silence_for('1 day', 'web1')")


def run_psql(postgres, database, statement):
    """Run a statement as somebody would who types it."""
    command = [postgres.psql_path, "-X", "-c", statement, database]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (
            "update pgvigil.threshold set critical = 1 where metric = 'cpu_usage'",
            ("critical (1) is below warning (90)", "Set critical to 90 or more"),
        ),
        (
            "insert into pgvigil.recipient (address) values ('nobody')",
            ("'nobody' is not a mail address", "One address"),
        ),
        (
            "insert into pgvigil.threshold (metric, warning, managed_by) values ('cpu_usage', 80, 'default')",
            (
                "rule 1 is for this already: warning 90, critical 98, mode armed",
                "update pgvigil.threshold set .. where threshold_id = 1;",
                "threshold_scope_is_unique",
            ),
        ),
        (
            "insert into pgvigil.recipient (address) values ('a@example.org'), ('a@example.org')",
            ("recipient 1 is this already", "where recipient_id = 1;", "recipient_is_unique"),
        ),
    ],
)
def test_bad_row_at_the_sql_prompt(database, postgres, statement, words):
    """Psql shows what is wrong with the row, and what would be right."""
    result = run_psql(postgres, database, statement)
    assert 1 == result.returncode
    for word in words:
        assert word in result.stderr


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (
            "insert into pgvigil.threshold (metric, host_group, warning) values ('cpu_usage', 'wbe', 80)",
            ("no host is in group wbe yet", "unnest(groups)"),
        ),
        (
            "insert into pgvigil.threshold (metric, resource, warning) values ('disk_usage', '/dta', 80)",
            ("nothing is called /dta there yet", "pgvigil.resource"),
        ),
        (
            "insert into pgvigil.threshold (metric, resource, warning) values ('cpu_usage', '/data', 80)",
            ("nothing is called /data there yet",),
        ),
        (
            "insert into pgvigil.silence (host_name, resource) values ('web1', '/dta')",
            ("nothing is called /dta there yet",),
        ),
        (
            "insert into pgvigil.recipient (address, host_group) values ('a@example.org', 'wbe')",
            ("no host is in group wbe yet",),
        ),
        ("select pgvigil.silence_for('2 hours')", ("nobody is mailed about anything", "set host_name = ..")),
        (
            "insert into pgvigil.silence (host_name, starts_at, ends_at) values ('web1', '2020-01-01', '2020-01-02')",
            ("this silence is over already", "set ends_at = .."),
        ),
    ],
)
def test_slip_at_the_sql_prompt_is_noticed(database, postgres, statement, words):
    """What may be meant is done, and psql shows what it comes to."""
    make_web1(database)
    result = run_psql(postgres, database, statement)
    assert 0 == result.returncode
    for word in words:
        assert word in result.stderr


@pytest.mark.parametrize(
    "statement",
    [
        "insert into pgvigil.threshold (metric, host_group, resource, warning) values ('disk_usage', 'web', '/d%', 80)",
        "insert into pgvigil.threshold (metric, host_name, resource, mode) values ('clock_skew', 'web1', 'x', 'off')",
        "insert into pgvigil.recipient (address, host_group) values ('a@example.org', 'web')",
        "select pgvigil.silence_for('2 hours', 'web1', p_resource => '/data')",
        "update pgvigil.silence set ends_at = now()",
        "update pgvigil.host set groups = '{}'; update pgvigil.threshold set resource = '/d%' where metric ~ 'disk_us'",
    ],
)
def test_what_is_right_is_not_noticed(database, postgres, statement):
    """Psql says nothing about what matches something."""
    make_web1(database)
    result = run_psql(postgres, database, statement)
    assert (0, "") == (result.returncode, result.stderr)
