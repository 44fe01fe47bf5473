"""What keeps the way to Citus open: see docs/decisions/0004-generated-triggers-and-a-gate.md."""

from __future__ import annotations

import psycopg
import pytest

from pgvigil.rows import INSERTS

TABLES = ("cpu_log", "memory_log", "disk_log", "network_log")


@pytest.fixture
def connection(database):
    """Give a connection to a database whose triggers copy the transition table."""
    with psycopg.connect(database, autocommit=True) as connected:
        connected.execute("update pgvigil.setting set value = 'on' where setting = 'copy_transition_table'")
        yield connected


@pytest.mark.parametrize("table", TABLES)
def test_transition_table_is_copied_before_any_other_table_is_read(connection, table):
    """With the setting on, its name occurs once in the trigger: in the first statement, into an array."""
    source = connection.execute(f"select prosrc from pg_proc where proname = 'tg_{table}__judge'").fetchone()[0]
    body = source.partition("begin")[2]
    assert 1 == source.count("new_rows")
    assert body.lstrip().startswith("v_rows := array(select n from new_rows as n);")


def test_copy_judges_as_the_table_itself_does(connection):
    """A breach and its end, with two rows in the statement."""
    connection.execute("update pgvigil.threshold set hold = '0'")
    host_id = connection.execute("select pgvigil.register_host('web1', '10 s', '0')").fetchone()[0]
    for seconds, usage in ((20, 95), (10, 10)):
        connection.execute(
            "insert into pgvigil.cpu_log (host_id, created_at, cpu_name, cpu_usage)"
            " select %s, now() - %s * interval '1 s', name, usage"
            " from (values ('cpu-total', %s), ('cpu0', 5)) as v (name, usage)",
            (host_id, seconds, usage),
        )
    events = connection.execute("select event from pgvigil.alert_event order by event_id").fetchall()
    assert [("fired",), ("resolved",)] == events


def test_state_is_kept_by_host(database):
    """Every table that a sample's transaction writes has host_id in its primary key."""
    query = (
        "select t.name from unnest(%s::text[]) as t (name) where not exists ("
        "select from pg_constraint as c"
        " inner join pg_attribute as a on a.attrelid = c.conrelid and a.attnum = any(c.conkey)"
        " where c.conrelid = ('pgvigil.' || t.name)::regclass and c.contype = 'p' and a.attname = 'host_id')"
    )
    with psycopg.connect(database) as connected:
        state = [*TABLES, "alert", "alert_event", "mail", "gate"]
        assert [] == connected.execute(query, (state,)).fetchall()


@pytest.mark.parametrize("table", INSERTS)
def test_statement_of_an_agent_inserts_rows_of_one_host(table):
    """The host is one value of the statement, and no column of the rows that are unpacked."""
    statement, _ = INSERTS[table]
    assert f"insert into pgvigil.{table}_log (host_id, created_at, " in statement
    assert "select $1::integer, $2::timestamptz, * from unnest(" in statement
    assert 1 == statement.count("host_id")
