"""What else a stolen login is good for: to become another role, and to stop what the rest of the fleet lives by."""

from __future__ import annotations

from contextlib import suppress

import psycopg
import pytest
from psycopg import errors

from pgvigil.embedded import EmbeddedPostgres, bin_directories
from pgvigil.migrate import migrate
from support import wait_until

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


def test_rule_of_the_fleet_outlives_what_one_host_does(owner, connect):
    """Errors that an agent can provoke switch no rule off, and no metric."""
    thief, twin = connect("stolen_agent"), connect("stolen_agent")
    web1 = value(thief, REGISTER, "web1", "10 seconds")
    value(owner, "select pgvigil.tick(clock_timestamp())")

    # a transaction that cannot see the alert that is open
    twin.execute(SAMPLE, (web1, "cpu0"))
    thief.execute("begin isolation level repeatable read")
    thief.execute("select from pgvigil.own_host")
    twin.execute(SAMPLE, (web1, "cpu-total"))
    with pytest.raises(errors.UniqueViolation):
        thief.execute(SAMPLE, (web1, "cpu-total"))
    thief.execute("rollback")
    # gaps that end after the end of time
    with pytest.raises(errors.CheckViolation, match="host_sample_interval_is_a_day_at_most"):
        value(thief, REGISTER, "web1", "2000000000 days")
    # names that fit into one index and not into another, and a stack that is full
    names = "select left(string_agg(md5(n::text), ''), 1400 + %s) from generate_series(1, 90) as n"
    for more in range(1200, 1400, 2):
        with suppress(errors.ProgramLimitExceeded):
            thief.execute(SAMPLE, (web1, value(thief, names, more)))
    thief.execute(
        "select pgvigil.record_agent_problems(%s, jsonb_build_array(jsonb_build_object('problem', repeat('x', 9000),"
        f" 'subject', ({names}), 'detail', 'x', 'occurrences', 1, 'started_at', now(), 'last_at', now())))",
        (web1, 1400),
    )

    owner.execute("delete from pgvigil.upkeep where task <> 'tick'")
    value(owner, "select pgvigil.tick(clock_timestamp())")
    assert 0 == value(owner, "select count(*) from pgvigil.threshold where mode = 'off'")
    assert 0 == value(owner, "select count(*) from pgvigil.metric where not is_enabled")
    assert [] == owner.execute("select task, error from pgvigil.upkeep where error is not null").fetchall()
    assert 1 == value(owner, "select count(*) from pgvigil.alert where metric = 'cpu_usage' and resource = 'cpu-total'")


def test_what_one_host_sent_is_mailed_and_ends_by_itself(owner):
    """An error that is no fault of a rule is an alert of its table, until none was seen for an hour."""
    web1 = value(owner, REGISTER, "web1", "10 seconds")
    owner.execute(
        "insert into pgvigil.rule_error (host_id, log_table, metric, resource, message)"
        " values (%s, 'cpu_log', 'cpu_usage', 'cpu-total', 'stack depth limit exceeded')",
        (web1,),
    )
    state = "select string_agg(concat_ws(' ', resource, state), ', ') from pgvigil.alert where metric = 'rule_error'"
    owner.execute("select pgvigil.handle_rule_errors(now())")
    assert "cpu_log firing" == value(owner, state)
    owner.execute("select pgvigil.handle_rule_errors(now() + interval '59 minutes')")
    assert "cpu_log firing" == value(owner, state)
    owner.execute("select pgvigil.handle_rule_errors(now() + interval '61 minutes')")
    assert "cpu_log resolved" == value(owner, state)
    owner.execute("select pgvigil.handle_rule_errors(now() + interval '31 days')")
    assert 0 == value(owner, "select count(*) from pgvigil.rule_error")


@pytest.mark.parametrize("group", ["agent", "mailer", "operator", "reader"])
def test_advisory_locks_stop_nobody(owner, connect, group):
    """Every login can take every advisory lock, and keep it; we use none but to migrate."""
    web1 = value(owner, REGISTER, "web1", "10 seconds")
    thief = connect(f"stolen_{group}")
    for name in ("gate", "judge"):
        thief.execute(f"select pg_advisory_lock(hashtext('pgvigil.{name}'))")
        thief.execute(f"select pg_advisory_lock(hashtext('pgvigil.{name}'), n) from generate_series(0, 9) as n")
    owner.execute("set lock_timeout = '5s'")
    owner.execute(SAMPLE, (web1, "cpu-total"))
    owner.execute("update pgvigil.threshold set warning = 50 where metric = 'cpu_usage'")
    value(owner, REGISTER, "web2", "10 seconds")
    assert 1 == value(owner, "select count(*) from pgvigil.mail where event = 'fired'")


def test_transaction_left_open_stops_nobody_else(owner, connect):
    """An agent keeps all the locks that it can get; ticks, rules and other hosts go on, until its time is over."""
    thief, other = connect("stolen_agent"), connect("other_agent")
    owner.execute("insert into pgvigil.threshold (metric, host_group, warning) values ('cpu_usage', 'web', 60)")
    web1 = value(thief, REGISTER, "web1", "10 seconds")
    thief.execute(SAMPLE, (web1, "cpu-total"))
    owner.execute("update pgvigil.host set created_at = now() - interval '1 hour', last_seen_at = null")
    thief.execute(
        "insert into pgvigil.memory_log (host_id, created_at, memory_name, memory_usage, used_bytes, available_bytes)"
        " values (%s, now(), 'memory', 1, 1, 1)",
        (web1,),
    )
    thief.execute("begin")
    thief.execute("select pgvigil.register_host('web1', '10 seconds', '1.1', '{web}', '{\"a\": 1}')")
    thief.execute(SAMPLE, (web1, "cpu-total"))
    owner.execute("set lock_timeout = '5s'")
    other.execute("set lock_timeout = '5s'")
    web2 = value(other, REGISTER, "web2", "10 seconds")
    owner.execute("update pgvigil.threshold set warning = 50 where host_group is null and metric = 'cpu_usage'")
    other.execute(SAMPLE, (web2, "cpu-total"))
    other.execute("select pgvigil.register_host('web2', '20 seconds', '1.1', '{web}')")
    assert value(owner, "select pgvigil.tick(clock_timestamp())")
    done = "select array_agg(task order by task) from pgvigil.upkeep where error is not null"
    assert value(owner, done) is None
    assert ["firing", "firing"] == value(owner, "select array_agg(state) from pgvigil.alert where metric = 'cpu_usage'")

    owner.execute("update pgvigil.setting set value = '1 second' where setting = 'reader_limit'")

    def is_gone():
        owner.execute("select pgvigil.tick(clock_timestamp())")
        return not value(owner, "select count(*) from pg_stat_activity where pid = %s", thief.info.backend_pid)

    wait_until(is_gone, "the transaction of the thief ended")


def test_mailer_cannot_make_time_pass(owner, connect):
    """In the far future all history is expired: only the owner may play it."""
    thief = connect("stolen_mailer")
    assert value(owner, "select pgvigil.tick(clock_timestamp())")  # after midnight it makes some
    partitions = value(owner, "select count(*) from pg_class where relnamespace = 'pgvigil_partition'::regnamespace")
    for when in ("+ interval '100 years'", "+ interval '1 hour'", "- interval '1 hour'"):
        with pytest.raises(errors.InsufficientPrivilege):
            thief.execute(f"select pgvigil.tick(clock_timestamp() {when})")
    assert value(thief, "select pgvigil.tick(clock_timestamp())")
    assert partitions == value(
        owner, "select count(*) from pg_class where relnamespace = 'pgvigil_partition'::regnamespace"
    )


@pytest.mark.parametrize("major", [major for major in bin_directories() if major >= 17])
def test_full_queue_of_notifications_costs_no_sample(directory, major):
    """Every login may listen, sleep in a transaction, and notify until the queue is full."""
    settings = {"max_notify_queue_pages": "64"}
    with EmbeddedPostgres(directory, bin_directory=bin_directories()[major], settings=settings) as server:
        migrate(server.dsn())
        with (
            psycopg.connect(server.dsn(), autocommit=True) as owner,
            psycopg.connect(server.dsn(), autocommit=True) as sleeper,
            psycopg.connect(server.dsn(), autocommit=True) as thief,
        ):
            owner.execute("insert into pgvigil.recipient (address) values ('ops@example.org')")
            owner.execute("insert into pgvigil.threshold (metric, warning) values ('cpu_usage', 60)")
            web1 = value(owner, REGISTER, "web1", "10 seconds")
            sleeper.execute("listen pgvigil_mail")
            sleeper.execute("begin; select 1")
            flood = "select pg_notify('pgvigil_mail', repeat('x', 7000) || n) from generate_series(1, 7) as n"
            with pytest.raises(errors.ProgramLimitExceeded):
                all(thief.execute(flood) for _ in range(10_000))
            owner.execute(SAMPLE, (web1, "cpu-total"))
            assert 1 == value(owner, "select count(*) from pgvigil.mail")
