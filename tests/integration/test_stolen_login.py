"""What else a stolen login is good for: to become another role, and to stop what the rest of the fleet lives by."""

from __future__ import annotations

import psycopg
import pytest

REGISTER = "select pgvigil.register_host(%s, %s, '1.0')"
SAMPLE = (
    "insert into pgvigil.cpu_log (host_id, created_at, cpu_name, cpu_usage)"
    " values (%s, clock_timestamp(), %s, 99) on conflict do nothing"
)


@pytest.fixture
def owner(database):
    """Give the owner's connection."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("delete from pgvigil.threshold where metric = 'cpu_usage'")
        connection.execute("insert into pgvigil.threshold (metric, warning) values ('cpu_usage', 90)")
        connection.execute("insert into pgvigil.recipient (address) values ('ops@example.org')")
        yield connection


@pytest.fixture
def connect(database, owner):
    """Give a function that connects as a login of its own: stolen_agent, other_agent, .."""
    connections, names = [], []

    def as_login(name):
        if name not in names:
            owner.execute(f"create role {name} login in role pgvigil_{name.split('_')[1]}")
            names.append(name)
        connections.append(psycopg.connect(database.replace("user=postgres", f"user={name}"), autocommit=True))
        return connections[-1]

    yield as_login
    for connection in connections:
        connection.close()
    for name in names:
        owner.execute(f"drop owned by {name}; drop role {name}")


def value(connection, statement, *values):
    """Run a statement and return the first value of its first row."""
    return connection.execute(statement, values).fetchone()[0]


CALLS = {
    "agent": (
        "select pgvigil.register_host('web2', '10 seconds', '1.0', '{web}', '{}')",
        SAMPLE % ("(select max(host_id) from pgvigil.own_host)", "'cpu-total'"),
        "select pgvigil.record_inventory(max(host_id), '{\"disk\": []}') from pgvigil.own_host",
        "select pgvigil.record_agent_problems(max(host_id), '[]') from pgvigil.own_host",
    ),
    "mailer": (
        "select pgvigil.tick(clock_timestamp())",
        "select pgvigil.claim_mail('m', 9, clock_timestamp())",
        "select pgvigil.check_health('{}', clock_timestamp())",
        "select pgvigil.preview_mail(null, 'fired', 'en', 'UTC')",
    ),
    "operator": (
        "insert into pgvigil.threshold (metric, warning) values ('load_1m', 9)",
        "update pgvigil.threshold set warning = 8 where managed_by = 'sql'",
        "update pgvigil.metric set is_enabled = true where metric = 'load_1m'",
        "update pgvigil.host set groups = '{db}'",
        "select pgvigil.acknowledge('web1')",
    ),
    "reader": (
        "select * from dashboard.effective_threshold('web1')",
        "select * from dashboard.cpu_series('web1', now() - interval '1 hour', now())",
        "select * from dashboard.fleet_series('cpu_usage', now() - interval '1 hour', now(), 10)",
    ),
}


@pytest.mark.parametrize("group", CALLS)
def test_type_of_its_own_runs_nothing_with_other_rights(owner, connect, group):
    """A domain in pg_temp with the name of a type runs its check as whoever uses it: no function of ours does."""
    web1 = value(owner, REGISTER, "web1", "10 seconds")
    # some functions are written anew while the database is in use
    owner.execute("update pgvigil.metric set is_enabled = false where metric = 'load_1m'")
    owner.execute(SAMPLE, (web1, "cpu-total"))
    thief = connect(f"stolen_{group}")
    thief.execute("create temporary table ran as select current_user as role")
    thief.execute(
        "create function pg_temp.run() returns boolean language plpgsql as"
        " $$ begin insert into pg_temp.ran values (current_user); return true; end $$"
    )
    for name in ("text", "timestamptz", "jsonb", "name", "float8"):
        thief.execute(f"create domain pg_temp.{name} as pg_catalog.{name} check (pg_temp.run())")
    thief.execute("select '1'::pg_temp.text")
    for call in CALLS[group]:
        thief.execute(call)
    assert [(f"stolen_{group}", 2)] == thief.execute("select role, count(*) from ran group by role").fetchall()
