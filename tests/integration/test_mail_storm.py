"""Five hundred hosts at once: one mail and one digest for each recipient, and a server that restarts in the middle."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from statistics import median

import psycopg

from pgvigil.embedded import EmbeddedPostgres
from pgvigil.migrate import migrate
from pgvigil.sink import Sink
from support import running_pgvigil, wait_until

HOSTS = 500
ADDRESSES = ("a@example.org", "b@example.org", "c@example.org")
SETTINGS = {"fsync": "off", "track_commit_timestamp": "on"}
COMMITS = """
select m.address, coalesce(m.covered_by, m.mail_id), m.event,
    extract(epoch from pg_xact_commit_timestamp(l.xmin))::float8
from pgvigil.mail as m
inner join pgvigil.cpu_log as l on l.host_id = m.host_id and l.created_at = m.sampled_at
"""


class Fleet:
    """Hosts that are all in the same trouble."""

    def __init__(self, postgres):
        self.postgres, self.at = postgres, datetime.now(UTC) - timedelta(minutes=5)
        with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
            connection.execute("update pgvigil.threshold set hold = '0'")
            # not a flapping storm, but a second one
            connection.execute("update pgvigil.setting set value = '1 millisecond' where setting = 'flap_window'")
            connection.execute(
                "insert into pgvigil.host (host_name, expected)"
                " select 'web' || n, false from generate_series(1, %s) as n",
                (HOSTS,),
            )
            for address in ADDRESSES:
                connection.execute("insert into pgvigil.recipient (address, weekly) values (%s, false)", (address,))
            # the first sample of a host plans what the others use, and would take as long as a hundred of them
            self.sample(connection, 1, 1)

    def sample(self, connection, host_id, usage):
        """Store a sample of one host."""
        connection.execute(
            "insert into pgvigil.cpu_log (host_id, created_at, cpu_name, cpu_usage) values (%s, %s, 'cpu-total', %s)"
            " on conflict do nothing",
            (host_id, self.at, usage),
        )

    def storm(self, usage, restart_at=None):
        """Store a sample of each host, one transaction each, again if the server was away; return how long it took."""
        self.at += timedelta(seconds=10)
        started = time.monotonic()
        done = 0
        while done < HOSTS:
            try:
                with psycopg.connect(self.postgres.dsn(), autocommit=True) as connection:
                    while done < HOSTS:
                        if done == restart_at:
                            restart_at = None
                            self.postgres.stop()
                            self.postgres.start()
                        self.sample(connection, done + 1, usage)
                        done += 1
            except psycopg.OperationalError:
                time.sleep(0.1)
        return time.monotonic() - started


def unsent(postgres):
    """Count the mails that wait."""
    with psycopg.connect(postgres.dsn()) as connection:
        return connection.execute("select count(*) from pgvigil.mail where sent_at is null").fetchone()[0]


def delays(postgres, sink, event):
    """Return the seconds from commit to acceptance, and how many mails told it to each address."""
    accepted = {}
    for delivery in sink.deliveries:
        accepted.setdefault(delivery.mail_id, delivery.accepted_at)
    with psycopg.connect(postgres.dsn()) as connection:
        rows = [row for row in connection.execute(COMMITS).fetchall() if row[2] == event]
    assert len(rows) == HOSTS * len(ADDRESSES)
    told = {address: {row[1] for row in rows if row[0] == address} for address in ADDRESSES}
    return [accepted[told_in] - at for _, told_in, _, at in rows], {name: len(mails) for name, mails in told.items()}


def test_storm_is_one_mail_and_one_digest_for_each_recipient(directory, tmp_path):
    """Then all of it ends while PostgreSQL restarts: nothing is lost."""
    with EmbeddedPostgres(directory, settings=SETTINGS) as postgres, Sink(tmp_path / "mails") as sink:
        migrate(postgres.dsn())
        fleet = Fleet(postgres)
        options = ("--smtp-host", "127.0.0.1", "--smtp-port", str(sink.port), "--smtp-security", "none",
                   "--smtp-sender", "pgvigil@example.org")  # fmt: skip
        with running_pgvigil(tmp_path / "log", "mailer", *options, PGVIGIL_DSN=postgres.dsn()) as mailer:
            wait_until(lambda: "mailer_started" in mailer.log)
            took = fleet.storm(95)
            wait_until(lambda: not unsent(postgres))
            seconds, mails = delays(postgres, sink, "fired")
            print(  # noqa: T201 - figures for people
                f"\n{HOSTS} hosts in {took:.1f} s, {len(ADDRESSES)} recipients: {len(sink.deliveries)} mails,"
                f" commit to acceptance median {median(seconds):.2f} s, worst {max(seconds):.2f} s,"
                f" first {min(seconds):.3f} s"
            )
            # a machine too busy for two seconds: digests leave 5, 14 and 26 s after the first mail (digest_wait, crowd)
            allowed = 2 + sum(took > wait for wait in (5, 14, 26))
            assert all(2 <= count <= allowed for count in mails.values()), (took, mails)

            fleet.storm(5, restart_at=HOSTS // 2)
            wait_until(lambda: not unsent(postgres))
            seconds, mails = delays(postgres, sink, "resolved")
            print(  # noqa: T201 - figures for people
                f"the same, ending while PostgreSQL restarts: {mails} mails,"
                f" median {median(seconds):.2f} s, worst {max(seconds):.2f} s"
            )
            mailer.terminate()
    assert "Traceback" not in mailer.log
