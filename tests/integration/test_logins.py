"""What a stolen login is good for: tried by real connections, one login per host."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg import IsolationLevel, errors

from pgvigil.database import write_samples
from pgvigil.errors import DatabaseError
from pgvigil.migrate import sql_directory
from pgvigil.model import CpuLog, Sample

LOGINS = {"login_web1": "pgvigil_agent", "login_web2": "pgvigil_agent", "login_graph": "pgvigil_reader"}
INSERT = (
    "insert into pgvigil.cpu_log (host_id, created_at, cpu_name, cpu_usage)"
    " values (%s, clock_timestamp(), 'cpu-total', 1) on conflict do nothing"
)
REGISTER = "select pgvigil.register_host(%s, '10 seconds', '1.0')"


@pytest.fixture
def logins(database):
    """Give a function that connects as one of the logins."""
    connections = []

    def connect(name):
        dsn = database.replace("user=postgres", f"user={name}")
        connections.append(psycopg.connect(dsn, autocommit=True))
        return connections[-1]

    with psycopg.connect(database, autocommit=True) as owner:
        for name, group in LOGINS.items():
            owner.execute(f"create role {name} login in role {group}")
        try:
            yield connect
        finally:
            for connection in connections:
                connection.close()
            for name in LOGINS:
                owner.execute(f"drop role {name}")


@pytest.fixture
def owner(database):
    """Give the owner's connection."""
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def register(connection, host_name):
    """Register a host and return its host_id."""
    return connection.execute(REGISTER, (host_name,)).fetchone()[0]


def test_host_belongs_to_the_login_that_registered_it(logins, owner):
    """Another login can neither take the name, nor write its samples, nor its inventory."""
    web1, web2 = logins("login_web1"), logins("login_web2")
    first, second = register(web1, "web1"), register(web2, "web2")
    web1.execute(INSERT, (first,))
    with pytest.raises(errors.InsufficientPrivilege, match="web1 belongs to the login login_web1") as refusal:
        register(web2, "web1")
    assert "update pgvigil.host set login_role = 'login_web2'" in refusal.value.diag.message_hint
    with pytest.raises(errors.InsufficientPrivilege, match="row-level security"):
        web2.execute(INSERT, (first,))
    with pytest.raises(errors.InsufficientPrivilege, match="does not belong to the login login_web2"):
        web2.execute("select pgvigil.record_inventory(%s, '{}')", (first,))
    web2.execute("set role pgvigil_agent")
    with pytest.raises(errors.InsufficientPrivilege, match="row-level security"):
        web2.execute(INSERT, (first,))
    assert [(first,)] == owner.execute("select distinct host_id from pgvigil.cpu_log").fetchall()
    assert [(second,)] == web2.execute("select host_id from pgvigil.own_host").fetchall()


def test_rows_of_two_hosts_in_one_statement_are_refused_whole(logins, owner):
    """One row of another host spoils the statement, and nothing of it is stored."""
    web1, web2 = logins("login_web1"), logins("login_web2")
    hosts = [register(web1, "web1"), register(web2, "web2")]
    with pytest.raises(errors.InsufficientPrivilege, match="row-level security"):
        web1.execute(
            "insert into pgvigil.cpu_log (host_id, created_at, cpu_name, cpu_usage)"
            " select h, clock_timestamp(), 'cpu-total', 1 from unnest(%s::integer[]) as h",
            (hosts,),
        )
    assert (0,) == owner.execute("select count(*) from pgvigil.cpu_log").fetchone()


def test_login_of_a_host_invents_no_second_one(logins, owner):
    """Unless an operator says that this login may serve many."""
    web1 = logins("login_web1")
    register(web1, "web1")
    with pytest.raises(errors.InsufficientPrivilege, match="login_web1 belongs to host web1 already"):
        register(web1, "invented")
    owner.execute("update pgvigil.setting set value = 'other, login_web1' where setting = 'shared_logins'")
    web1.execute(INSERT, (register(web1, "web3"),))


@pytest.mark.parametrize(
    ("isolation", "refusal"),
    [
        (IsolationLevel.READ_COMMITTED, errors.InsufficientPrivilege),
        (IsolationLevel.REPEATABLE_READ, errors.UniqueViolation),
    ],
)
def test_two_registrations_at_the_same_moment_leave_one_host(logins, owner, isolation, refusal):
    """The second one waits for the first, although it has seen no other host of its login."""
    first, second = logins("login_web1"), logins("login_web1")
    second.isolation_level = isolation
    refusals = []

    def invent():
        with second.transaction():
            second.execute("select host_id from pgvigil.own_host")
            seen.set()
            try:
                register(second, "invented")
            except psycopg.Error as error:
                refusals.append(error)
                raise psycopg.Rollback from error

    seen = threading.Event()
    thread = threading.Thread(target=invent)
    with first.transaction():
        register(first, "web1")
        thread.start()
        assert seen.wait(20)
        deadline = time.monotonic() + 20
        while not owner.execute("select from pg_locks where not granted").fetchall():
            assert time.monotonic() < deadline, "the second registration does not wait"
    thread.join()
    assert [("web1",)] == owner.execute("select host_name from pgvigil.host").fetchall()
    assert isinstance(refusals[0], refusal)


def test_login_that_was_shared_goes_on_with_its_hosts(logins, owner):
    """Taken out of the setting, it gets no further host."""
    owner.execute("update pgvigil.setting set value = '*' where setting = 'shared_logins'")
    web1 = logins("login_web1")
    hosts = [register(web1, name) for name in ("web1", "web2")]
    owner.execute("update pgvigil.setting set value = '' where setting = 'shared_logins'")
    for host_id, name in zip(hosts, ("web1", "web2"), strict=True):
        assert host_id == web1.execute("select pgvigil.register_host(%s, '20 seconds', '1.1')", (name,)).fetchone()[0]
        web1.execute(INSERT, (host_id,))
    with pytest.raises(errors.InsufficientPrivilege, match="login_web1 belongs to host web1 already"):
        register(web1, "web3")


def test_host_that_was_removed_does_not_come_back_beside_its_successor(logins, owner):
    """Its login serves another host by now."""
    web1 = logins("login_web1")
    register(web1, "web1")
    owner.execute("update pgvigil.host set is_deleted = true")
    register(web1, "web1-new")
    with pytest.raises(errors.InsufficientPrivilege, match="login_web1 belongs to host web1-new already"):
        register(web1, "web1")


def test_host_without_a_login_goes_to_the_first_that_registers(logins, owner):
    """As in a schema from before logins were kept; and an operator can hand a host over."""
    owner.execute("insert into pgvigil.host (host_name) values ('web1')")
    host_id = register(logins("login_web1"), "web1")
    assert ("login_web1",) == owner.execute("select login_role from pgvigil.host").fetchone()
    owner.execute("set role pgvigil_operator; update pgvigil.host set login_role = 'login_web2'; reset role")
    logins("login_web2").execute(INSERT, (host_id,))
    with pytest.raises(errors.InsufficientPrivilege):
        logins("login_web1").execute(INSERT, (host_id,))


def test_agent_reads_nothing(logins, owner):
    """Neither samples, its own included, nor rules, nor other hosts."""
    web1 = logins("login_web1")
    web1.execute(INSERT, (register(web1, "web1"),))
    relations = owner.execute(
        "select c.oid::regclass::text from pg_class as c where c.relkind in ('r', 'p', 'v')"
        " and c.relnamespace in ('pgvigil'::regnamespace, 'pgvigil_partition'::regnamespace, 'dashboard'::regnamespace)"
        " and c.relname <> 'own_host'"
    ).fetchall()
    assert len(relations) > 60
    for (name,) in relations:
        with pytest.raises(errors.InsufficientPrivilege):
            web1.execute(f"select from {name}")
    with pytest.raises(errors.InsufficientPrivilege):
        web1.execute(INSERT + " returning cpu_usage", (1,))


@pytest.mark.parametrize("year", [1970, 2038])
def test_sample_of_a_clock_that_lies_is_refused_with_a_reason(logins, owner, year):
    """It has no partition; the message names the clock, and nothing of the sample is stored."""
    web1 = logins("login_web1")
    host_id = register(web1, "web1")
    sample = Sample(
        datetime(year, 1, 19, 3, 14, 7, tzinfo=UTC),
        cpu=(CpuLog("cpu-total", 1.0, 1.0, 1.0, 1.0, 1.0, 1.0),),
        memory=(), disk=(), network=(),
    )  # fmt: skip
    with pytest.raises(DatabaseError, match="keeps no samples of that time") as refusal:
        write_samples(web1, host_id, [sample])
    assert "clock" in refusal.value.hint
    assert (0,) == owner.execute("select count(*) from pgvigil.cpu_log").fetchone()


@pytest.mark.parametrize(
    "statement",
    [
        "insert into pgvigil.threshold (metric, warning) values ('cpu_usage', 1)",
        "delete from dashboard.open_alert",
        "update dashboard.recent_mail set address = 'x@example.org'",
        "select pgvigil.tick(now())",
        "select pgvigil.register_host('web1', '1 s', '1')",
        "create table public.mine ()",
        "select * from pgvigil.recipient",
        "select * from pgvigil.setting",
        "select * from pg_authid",
        "copy dashboard.host_now to '/tmp/pgvigil-stolen'",
        "select pg_read_file('/etc/passwd')",
        "set role pgvigil_operator",
    ],
)
def test_reader_can_only_look_at_dashboards(logins, statement):
    """Whatever else is refused by the server."""
    reader = logins("login_graph")
    reader.execute("select * from dashboard.host_now")
    reader.execute("select * from dashboard.cpu_series('web1', now() - interval '1 hour', now())")
    with pytest.raises((errors.InsufficientPrivilege, errors.ObjectNotInPrerequisiteState)):
        reader.execute(statement)


def test_temporary_tables_are_for_operators(logins, owner):
    """The rules of an inventory take one; a login of a dashboard could fill the disk with them."""
    # a database that is cloned, as those of tests are, has not the rights of its template
    owner.execute((sql_directory() / "code" / "90_grants.sql").read_bytes())
    for name in ("login_graph", "login_web1"):
        with pytest.raises(errors.InsufficientPrivilege, match="temporary tables"):
            logins(name).execute("create temporary table mine ()")
    owner.execute("set role pgvigil_operator")
    assert (0, 0, 0) == owner.execute("select * from pgvigil.sync_thresholds('[]')").fetchone()


def test_reader_cannot_run_long(logins, owner):
    """Whatever it sets for itself: tick() ends what runs longer than reader_limit."""
    reader, outcome = logins("login_graph"), []
    owner.execute("update pgvigil.setting set value = '1 second' where setting = 'reader_limit'")
    reader.execute("set statement_timeout = 0")

    def run():
        try:
            reader.execute("select pg_sleep(30)")
        except psycopg.Error as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    deadline = time.monotonic() + 20
    while not outcome and time.monotonic() < deadline:
        owner.execute("select pgvigil.tick(clock_timestamp())")
        time.sleep(0.2)
    thread.join()
    assert isinstance(outcome[0], errors.QueryCanceled | psycopg.OperationalError)
