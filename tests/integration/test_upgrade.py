"""The schema on its way: from each earlier state, under load; compared with what is expected; dumped and restored."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from pgvigil.embedded import EmbeddedPostgres, bin_directories
from pgvigil.migrate import migrate, sql_directory

BACKUP = Path(__file__).parents[2] / "docs" / "backup.md"
DUMPED_BY = 18
EXPECTED = sql_directory() / "schema.expected.sql"
MIGRATIONS = sorted((sql_directory() / "migrations").glob("*.sql"))
TABLES = {
    "cpu_log": ("cpu_name", ("cpu_usage",)),
    "memory_log": ("memory_name", ("memory_usage", "used_bytes", "available_bytes")),
    "disk_log": ("disk_name", ("disk_usage",)),
    "network_log": (
        "network_interface",
        ("received_bytes_per_second", "sent_bytes_per_second", "errors_per_second", "drops_per_second"),
    ),
}
DAY = "create table pgvigil_partition.{0}_{1:%Y%m%d} partition of pgvigil.{0} for values from ('{1:%F}') to ('{2:%F}')"


def install(connection, migrations):
    """Bring a database to an earlier state of the tables, as the runner would have."""
    connection.execute("set timezone = 'UTC'")
    connection.execute((sql_directory() / "bootstrap.sql").read_bytes())
    for path in migrations:
        connection.execute(path.read_bytes())
        connection.execute(
            "insert into pgvigil.schema_migration (name, sha256, applied_by) values (%s, %s, '0.0')",
            (path.name, hashlib.sha256(path.read_bytes()).hexdigest()),
        )
    for table in TABLES:
        for first, last in connection.execute(
            "select d::date, d::date + 1"
            " from generate_series(now() - interval '3 days', now() + interval '2 days', '1 day') as d"
        ).fetchall():
            connection.execute(DAY.format(table, first, last))
    connection.execute("insert into pgvigil.host (host_name) select 'web' || n from generate_series(1, 4) as n")


def insert(connection, table, host_id, at):
    """Store a row as an agent of any version does: it names its columns."""
    resource, columns = TABLES[table]
    connection.execute(
        f"insert into pgvigil.{table} (host_id, created_at, {resource}, {', '.join(columns)})"
        f" values (%s, {at}, 'x', {', '.join('1' for _ in columns)}) on conflict do nothing",
        (host_id,),
    )


@contextmanager
def agents(dsn):
    """Let four agents insert, who know nothing of an upgrade; give what they stored and what went wrong."""
    stop, stored, troubles = threading.Event(), dict.fromkeys(TABLES, 0), []
    lock = threading.Lock()

    def work(host_id):
        try:
            with psycopg.connect(dsn, autocommit=True) as connection:
                while not stop.is_set():
                    for table in TABLES:
                        insert(connection, table, host_id, "clock_timestamp()")
                        with lock:
                            stored[table] += 1
        except psycopg.Error as error:
            troubles.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    try:
        yield stored, troubles
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("count", range(1, len(MIGRATIONS)), ids=lambda count: MIGRATIONS[count - 1].stem)
def test_upgrade_under_load_loses_no_row_and_refuses_none(empty_database, count):
    """From the tables of each earlier migration; the agents are the old ones, before, meanwhile and after."""
    with psycopg.connect(empty_database, autocommit=True) as owner:
        install(owner, MIGRATIONS[:count])
        owner.execute((sql_directory() / "code" / "00_roles.sql").read_bytes())
        owner.execute("create role upgrade_agent login in role pgvigil_agent")
        try:
            owner.execute("grant usage on schema pgvigil to pgvigil_agent")
            for table in TABLES:
                owner.execute(f"grant insert on pgvigil.{table} to pgvigil_agent")
                for days in (1, 2):
                    insert(owner, table, 1, f"now() - interval '{days} days'")
            with agents(empty_database.replace("user=postgres", "user=upgrade_agent")) as (stored, troubles):
                names = migrate(empty_database)
                for number in range(3):
                    owner.execute("select pgvigil.tick(clock_timestamp() + %s * interval '10 minutes')", (number,))
        finally:
            owner.execute("drop role upgrade_agent")
        assert [path.name for path in MIGRATIONS[count:]] == [name for name in names if name != "code"]
        assert [] == [str(error) for error in troubles]
        for table in TABLES:
            samples = f"pgvigil.{table.replace('_log', '_samples')}(n, '-infinity', 'infinity')"
            (rows,) = owner.execute(f"select count(*) from generate_series(1, 4) as n, {samples}").fetchone()
            assert 2 + stored[table] == rows
        assert [] == owner.execute("select task, error from pgvigil.upkeep where error is not null").fetchall()
        assert (2,) == owner.execute(
            "select count(cpu_usage)"
            " from dashboard.cpu_series('web1', now() - interval '3 days', now() - interval '20 hours')"
        ).fetchone()
        # Who had hosts before logins were kept goes on with one login for all of them.
        shared = "*" if count < [path.stem for path in MIGRATIONS].index("0006_history") + 1 else ""
        assert (shared,) == owner.execute(
            "select value from pgvigil.setting where setting = 'shared_logins'"
        ).fetchone()


def normalised_schema(server, dsn):
    """Return the definitions in an order and a form that depend on nothing but themselves; functions by signature."""
    schemas = ("--schema=pgvigil", "--schema=dashboard")
    dump = subprocess.run(
        [server.bin_directory / "pg_dump", "--schema-only", "--no-owner", "--no-comments", *schemas, "-d", dsn],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    dump = re.sub(r"^(--.*|SET .*|SELECT pg_catalog\.set_config.*|\\(un)?restrict .*)\n", "", dump, flags=re.MULTILINE)
    # Their bodies are in sql/code, word for word.
    dump = re.sub(r"(?s)(\n    AS (\$\w*\$)).*?\n?\2;", r"\1..\2;", dump)
    statements = [text.strip() for text in re.split(r";\n", dump) if text.strip() and " SET COMPRESSION " not in text]
    return "-- Written by PGVIGIL_TEST_UPDATE_DOCS=1 pytest tests/integration/test_upgrade.py; read the diff.\n\n" + (
        ";\n\n".join(sorted(statements)) + ";\n"
    )


def test_schema_is_the_expected_one(server_of, template_of, clone):
    """What the files make is seen in one place, and a change of it in a review."""
    if DUMPED_BY not in bin_directories():
        pytest.skip(f"the expected schema is a dump of PostgreSQL {DUMPED_BY}, which this machine has not")
    server = server_of(DUMPED_BY)
    with clone(server, template_of(DUMPED_BY)) as dsn:
        schema = normalised_schema(server, dsn)
    if "PGVIGIL_TEST_UPDATE_DOCS" in os.environ:
        EXPECTED.write_text(schema)
    assert EXPECTED.read_text() == schema, "Look at the change, then run this test with PGVIGIL_TEST_UPDATE_DOCS=1"


FILL = """
create role backup_web1 login password 'secret' in role pgvigil_agent;
select pgvigil.register_host('web1', '10 seconds', '1.0');
update pgvigil.host set login_role = 'backup_web1';
insert into pgvigil.recipient (address) values ('ops@example.org');
insert into pgvigil.threshold (metric, host_name, warning, hold) values ('cpu_usage', 'web1', 50, '0');
select pgvigil.silence_for('1 day', p_metric => 'disk_usage');
select pgvigil.ensure_partitions(now() - interval '3 days');
insert into pgvigil.cpu_log (host_id, created_at, cpu_name, cpu_usage)
select 1, t, 'cpu-total', 10
from generate_series(now() - interval '3 days', now() - interval '1 minute', '5 minutes') as t;
insert into pgvigil.cpu_log (host_id, created_at, cpu_name, cpu_usage) values (1, now(), 'cpu-total', 99);
"""
KEPT = """
select 'samples', count(*), sum(cpu_usage)::text from pgvigil.cpu_samples(1, '-infinity', 'infinity')
union all select 'packed', count(*), max(hour_at)::text from pgvigil.cpu_packed
union all select 'rollups', sum(samples), max(bucket_at)::text from pgvigil.cpu_rollup_1h
union all select 'rules', count(*), max(warning)::text from pgvigil.threshold where managed_by = 'sql'
union all select 'silences', count(*), max(metric) from pgvigil.silence
union all select 'mails', count(*), max(event) from pgvigil.mail where sent_at is null
union all select 'history', count(*), max(operation) from pgvigil.threshold_history
union all select 'partitions', count(*), max(c.relname) from pg_class as c
where c.relnamespace = 'pgvigil_partition'::regnamespace
"""


def test_dump_and_restore_as_the_page_says(directory):
    """On another server: data, rules, silences, and the mail that was not sent is sent from there; upkeep goes on."""
    blocks = re.findall(r"```sh\n(.*?)```", BACKUP.read_text(), re.DOTALL)
    assert 4 == len(blocks)
    directory.chmod(0o755)  # as root, PostgreSQL runs as nobody
    with (
        EmbeddedPostgres(directory / "old", settings={"fsync": "off"}) as old,
        EmbeddedPostgres(directory / "new", settings={"fsync": "off"}) as new,
    ):

        def shell(script, server):
            place = conninfo_to_dict(server.dsn("pgvigil"))
            environment = {
                "PATH": f"{server.bin_directory}:{Path(sys.executable).parent}:{os.environ['PATH']}",
                "PGHOST": place["host"], "PGPORT": place["port"], "PGUSER": place["user"],
                "PGVIGIL_DSN": server.dsn("pgvigil"),
            }  # fmt: skip
            subprocess.run(["sh", "-ec", script], check=True, cwd=directory, env=environment, capture_output=True)

        shell("createdb pgvigil; pgvigil db migrate", old)
        with psycopg.connect(old.dsn("pgvigil"), autocommit=True) as owner:
            owner.execute(FILL)
            for number in range(400):
                owner.execute("select pgvigil.tick(clock_timestamp() + %s * interval '5 seconds')", (number,))
                if owner.execute("select count(*) > 0 and bool_and(is_done) from pgvigil.packed_day").fetchone()[0]:
                    break
            kept = owner.execute(KEPT).fetchall()
        assert all(count for _, count, _ in kept)
        shell(blocks[0] + blocks[1], old)
        shell(blocks[2] + blocks[3], new)
        assert (directory / "pgvigil-rules.dump").stat().st_size < (directory / "pgvigil.dump").stat().st_size
        with psycopg.connect(new.dsn("pgvigil"), autocommit=True) as owner:
            assert kept == owner.execute(KEPT).fetchall()
            (mail,) = owner.execute(
                "select event, address from pgvigil.claim_mail('m', 9, clock_timestamp())"
            ).fetchall()
            assert ("fired", "ops@example.org") == mail
            assert owner.execute("select pgvigil.tick(clock_timestamp() + interval '1 hour')").fetchone()[0]
            assert [] == owner.execute("select task, error from pgvigil.upkeep where error is not null").fetchall()
        with psycopg.connect(new.dsn("pgvigil", "backup_web1"), autocommit=True) as agent:
            agent.execute(
                "insert into pgvigil.cpu_log (host_id, created_at, cpu_name, cpu_usage)"
                " values (1, now(), 'cpu-total', 1)"
            )
