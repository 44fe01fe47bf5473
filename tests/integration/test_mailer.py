"""The mailer as a real process: a real server, a real SMTP server, breaches by real inserts."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from pgvigil.embedded import EmbeddedPostgres
from pgvigil.migrate import migrate
from pgvigil.sink import Sink
from support import running_pgvigil, wait_until


@pytest.fixture
def sink(tmp_path):
    """Run a local SMTP server."""
    with Sink(tmp_path / "mails") as server:
        yield server


class Breach:
    """One host whose CPU rule holds for no time, so that each insert is judged at once."""

    def __init__(self, dsn, addresses=("ops@example.org",), host="web1"):
        self.dsn, self.at = dsn, datetime.now(UTC) - timedelta(minutes=10)
        with psycopg.connect(dsn) as connection:
            self.host_id = connection.execute("select pgvigil.register_host(%s, '10 s', '0')", (host,)).fetchone()[0]
            connection.execute("update pgvigil.threshold set hold = '0'")
            for address in addresses:
                connection.execute("insert into pgvigil.recipient (address) values (%s)", (address,))

    def sample(self, usage):
        """Insert a sample ten seconds after the one before."""
        self.at += timedelta(seconds=10)
        with psycopg.connect(self.dsn) as connection:
            connection.execute(
                "insert into pgvigil.cpu_log (host_id, created_at, cpu_name, cpu_usage)"
                " values (%s, %s, 'cpu-total', %s)",
                (self.host_id, self.at, usage),
            )


def mails(dsn, columns="*"):
    """Return the outbox."""
    with psycopg.connect(dsn) as connection:
        return connection.execute(f"select {columns} from pgvigil.mail order by mail_id").fetchall()


def mailer_login(dsn):
    """Make a login that may do what a mailer may."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("drop role if exists test_mailer")
        connection.execute("create role test_mailer login in role pgvigil_mailer")
    return dsn.replace("user=postgres", "user=test_mailer")


def options(port):
    """Return the options that lead to a local server."""
    return ("--smtp-host", "127.0.0.1", "--smtp-port", str(port), "--smtp-security", "none",
            "--smtp-sender", "pgvigil@example.org", "--poll-interval", "1s")  # fmt: skip


def test_breach_and_recovery_arrive_as_one_thread(database, sink, tmp_path):
    """With the rights of a mailer only: fired and resolved, the second a reply to the first."""
    breach = Breach(database)
    with running_pgvigil(tmp_path / "log", "mailer", *options(sink.port), PGVIGIL_DSN=mailer_login(database)) as mailer:
        wait_until(lambda: "mailer_started" in mailer.log)
        breach.sample(95)
        wait_until(lambda: len(sink.deliveries) == 1)
        breach.sample(10)
        wait_until(lambda: len(sink.deliveries) == 2)
        mailer.terminate()
    assert ["fired", "resolved"] == [delivery.event for delivery in sink.deliveries]
    first, second = (delivery.path.read_text() for delivery in sink.deliveries)
    message_id = first.split("Message-ID: ")[1].split()[0]
    assert f"In-Reply-To: {message_id}" in second
    assert [(True,), (True,)] == mails(database, "sent_at is not null")
    assert "Traceback" not in mailer.log


def test_mail_written_while_no_mailer_ran_is_sent_at_start(database, sink, tmp_path):
    """A lost bell costs seconds, never a mail."""
    Breach(database).sample(95)
    with running_pgvigil(tmp_path / "log", "mailer", *options(sink.port), PGVIGIL_DSN=database):
        wait_until(lambda: sink.deliveries)


def test_mail_is_found_without_a_bell(database, sink, tmp_path):
    """With the doorbell off the mailer polls."""
    breach = Breach(database)
    with psycopg.connect(database) as connection:
        connection.execute("update pgvigil.setting set value = 'off' where setting = 'doorbell'")
    with running_pgvigil(tmp_path / "log", "mailer", *options(sink.port), PGVIGIL_DSN=database) as mailer:
        wait_until(lambda: "mailer_started" in mailer.log)
        breach.sample(95)
        wait_until(lambda: sink.deliveries)


def test_mail_goes_out_while_a_tick_takes_long(database, sink, tmp_path):
    """Upkeep has a connection of its own; neither a mail nor the end of the mailer waits for it."""
    breach = Breach(database)
    with psycopg.connect(database) as connection:
        connection.execute(
            "create or replace function pgvigil.sweep_gate(p_as_of timestamptz) returns void language sql"
            " as 'select pg_sleep(60)'"
        )
    ticking = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'"
    with running_pgvigil(tmp_path / "log", "mailer", *options(sink.port), PGVIGIL_DSN=database) as mailer:
        with psycopg.connect(database, autocommit=True) as connection:
            wait_until(lambda: connection.execute(ticking).fetchone()[0])
            breach.sample(95)
            wait_until(lambda: sink.deliveries)
            assert connection.execute(ticking).fetchone()[0]
        mailer.terminate()
    assert "Traceback" not in mailer.log


def test_three_mailers_send_each_mail_once(database, sink, tmp_path):
    """Mailers share the outbox: nothing is sent twice, nothing is left."""
    addresses = [f"ops{number}@example.org" for number in range(20)]
    breach = Breach(database, addresses)
    with (
        running_pgvigil(tmp_path / "a", "mailer", *options(sink.port), PGVIGIL_DSN=database) as one,
        running_pgvigil(tmp_path / "b", "mailer", *options(sink.port), PGVIGIL_DSN=database) as two,
        running_pgvigil(tmp_path / "c", "mailer", *options(sink.port), PGVIGIL_DSN=database) as three,
    ):
        wait_until(lambda: all("mailer_started" in each.log for each in (one, two, three)))
        breach.sample(95)
        breach.sample(10)
        wait_until(lambda: all(sent for (sent,) in mails(database, "sent_at is not null")))
    assert sorted(range(1, 41)) == sorted(delivery.mail_id for delivery in sink.deliveries)
    assert [(1,)] * 40 == mails(database, "attempts")


def test_refusing_smtp_server_delays_the_mail_and_says_what_to_do(database, tmp_path):
    """One line for each attempt, the mail stays due, and it goes out when the server is back."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    Breach(database).sample(95)
    with psycopg.connect(database) as connection:
        connection.execute("update pgvigil.setting set value = '1 second' where setting = 'mail_retry_first'")
    with running_pgvigil(tmp_path / "log", "mailer", *options(port), PGVIGIL_DSN=database) as mailer:
        wait_until(lambda: "mail_delayed" in mailer.log)
        line = next(line for line in mailer.log.splitlines() if "mail_delayed" in line)
        assert f"cannot reach 127.0.0.1:{port}: Connection refused" in line
        assert "--smtp-host" in line
        sink = Sink(tmp_path / "mails")
        sink._controller.port = port  # noqa: SLF001 - the server comes back at the same place
        with sink:
            wait_until(lambda: sink.deliveries)
        wait_until(
            lambda: mails(database, "sent_at is not null, failed_at is null, last_error is null") == [(True,) * 3]
        )
    assert "Traceback" not in mailer.log


def test_mailer_survives_a_restart_of_the_server(directory, sink, tmp_path):
    """It says once that the database is lost, once that it is back, and goes on."""
    with EmbeddedPostgres(directory) as postgres:
        migrate(postgres.dsn())
        breach = Breach(postgres.dsn())
        with running_pgvigil(tmp_path / "log", "mailer", *options(sink.port), PGVIGIL_DSN=postgres.dsn()) as mailer:
            wait_until(lambda: "mailer_started" in mailer.log)
            postgres.stop()
            wait_until(lambda: "database_lost" in mailer.log)
            postgres.start()
            breach.sample(95)
            wait_until(lambda: sink.deliveries)
            mailer.terminate()
    assert (1, 1, 0) == tuple(mailer.log.count(word) for word in ("database_lost", "database_back", "Traceback"))
