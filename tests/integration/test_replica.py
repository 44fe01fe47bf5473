"""What docs/scale.md says of a replica: Grafana may read there, and finds what it finds on the primary."""

from __future__ import annotations

import subprocess

import psycopg
import pytest

from pgvigil.embedded import EmbeddedPostgres
from support import wait_until


@pytest.fixture
def standby(postgres, database, directory):
    """Give the conninfo of the same database on a hot standby, with a login that only reads."""
    with (postgres.socket_directory.parent / "data" / "pg_hba.conf").open("a") as file:
        file.write("local replication postgres trust\n")
    (directory / "socket").mkdir()  # by this the server knows the directory for its own
    command = [postgres.bin_directory / "pg_basebackup", "--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
    command += ["--pgdata", directory / "data", "--dbname", postgres.dsn()]
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("select pg_reload_conf()")
        owner.execute("create role replica_reader login in role pgvigil_reader")
        try:
            subprocess.run(command, check=True, capture_output=True)
            with EmbeddedPostgres(directory, bin_directory=postgres.bin_directory, settings={"fsync": "off"}) as server:
                yield server.dsn(owner.info.dbname, "replica_reader")
        finally:
            owner.execute("drop role replica_reader")


def test_every_view_of_the_dashboards_works_on_a_replica(database, standby):
    """A sample and its alert arrive there; nothing in schema dashboard tries to write."""
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("update pgvigil.threshold set hold = '0'")
        owner.execute(
            "insert into pgvigil.cpu_log (host_id, created_at, cpu_name, cpu_usage)"
            " values (pgvigil.register_host('web1', '10 s', '0'), now(), 'cpu-total', 99)"
        )
        views = owner.execute("select viewname from pg_views where schemaname = 'dashboard'").fetchall()
    assert views
    with psycopg.connect(standby, autocommit=True) as reader:
        wait_until(lambda: reader.execute("select from dashboard.open_alert").fetchall(), "the alert on the replica")
        for (view,) in views:
            reader.execute(f"select * from dashboard.{view}").fetchall()
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            reader.execute("create temporary table scratch ()")
