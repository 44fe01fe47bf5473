"""The agent as a real process against a real server."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import psycopg
import pytest

from pgvigil import database as db
from pgvigil.collect import Collector
from pgvigil.embedded import EmbeddedPostgres
from pgvigil.errors import DatabaseError
from pgvigil.migrate import migrate
from pgvigil.model import CpuLog, MemoryLog, Sample
from support import run_pgvigil, running_pgvigil, wait_until

LOGS = ("cpu_log", "memory_log", "disk_log", "network_log")


def value(dsn, query):
    """Return the only value of a query."""
    with psycopg.connect(dsn) as connection:
        return connection.execute(query).fetchone()[0]


def agent_login(dsn, name):
    """Make a login that may do what an agent may, and return its connection string."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"drop role if exists {name}")
        connection.execute(f"create role {name} login in role pgvigil_agent")
    return dsn.replace("user=postgres", f"user={name}")


def test_agent_fills_all_four_log_tables_and_the_inventory(database, tmp_path):
    """With the rights of an agent only, a sample of this host arrives each beat."""
    dsn = agent_login(database, "test_agent")
    with running_pgvigil(tmp_path / "log", "agent", "--interval", "200ms", PGVIGIL_DSN=dsn) as agent:
        for table in LOGS:
            wait_until(lambda table=table: value(database, f"select count(*) from pgvigil.{table}") >= 3, table)
        for table in ("cpu_info", "memory_info", "disk_info", "network_info"):
            assert value(database, f"select count(*) from pgvigil.{table} where not is_deleted") >= 1
        agent.terminate()
    assert "Traceback" not in agent.log
    assert 0 == agent.process.returncode


def test_agent_survives_a_restart_of_the_server_and_loses_nothing(directory, tmp_path):
    """It says in one line that the database is lost, in one that it is back, and fills in what it sampled meanwhile."""
    with EmbeddedPostgres(directory) as postgres:
        migrate(postgres.dsn())
        with running_pgvigil(tmp_path / "log", "agent", "--interval", "200ms", PGVIGIL_DSN=postgres.dsn()) as agent:
            wait_until(lambda: value(postgres.dsn(), "select count(*) from pgvigil.cpu_log") >= 3)
            postgres.stop()
            wait_until(lambda: "database_lost" in agent.log)
            postgres.start()
            wait_until(lambda: "database_back" in agent.log)
            wait_until(lambda: "waiting=0" in agent.log.rsplit("database_back", 1)[1] or _no_gap(postgres.dsn()))
            wait_until(lambda: _no_gap(postgres.dsn()), "the samples of the outage")
            agent.terminate()
    assert (1, 1, 0) == tuple(agent.log.count(word) for word in ("database_lost", "database_back", "Traceback"))


def _no_gap(dsn):
    longest = (
        "select max(gap) < interval '0.35 s' from ("
        "select created_at - lag(created_at) over (order by created_at) as gap from pgvigil.cpu_log) as g"
    )
    return value(dsn, longest)


def test_agent_started_before_its_server_waits_for_it(tmp_path):
    """A host that boots before the database is no reason to give up, and SIGTERM ends it long before the next beat."""
    dsn = "host=127.0.0.1 port=1 dbname=x"
    with running_pgvigil(tmp_path / "log", "agent", "--interval", "60s", PGVIGIL_DSN=dsn) as agent:
        wait_until(lambda: "database_lost" in agent.log)
        assert agent.process.poll() is None
        agent.terminate()
    assert "Traceback" not in agent.log


def test_once_prints_a_sample_without_a_database():
    """`--once` is how one looks at what would be sent."""
    result = run_pgvigil("agent", "--once", PGVIGIL_DSN="host=127.0.0.1 port=1")
    sample = json.loads(result.stdout)
    assert 0 == result.returncode
    assert {"host_name", "labels", "taken_at", "cpu", "memory", "disk", "network", "inventory"} == sample.keys()
    assert "cpu-total" == sample["cpu"][0]["cpu_name"]


def test_sample_is_stored_whole_or_not_at_all(database):
    """A row that is refused takes the rows before it along: the statements are one transaction."""
    connection = db.connect(database, application_name="test")
    host_id = db.register_host(connection, "web1", 10, "0")
    cpu = CpuLog("cpu-total", 1.0, 1.0, 0.0, 0.0, 0.0, 0.1)
    broken = Sample(datetime.now(UTC), (cpu,), (MemoryLog("memory", 250.0, 1, 1),), (), ())
    with pytest.raises(DatabaseError, match="memory_log_memory_usage_is_percent"):
        db.write_samples(connection, host_id, [broken])
    assert 0 == value(database, "select count(*) from pgvigil.cpu_log")
    connection.close()


def test_same_sample_twice_is_stored_once(database):
    """A sample whose commit was not heard of is sent again, and changes nothing."""
    collector = Collector()
    sample = collector.sample(datetime.now(UTC))
    with db.connect(database, application_name="test") as connection:
        host_id = db.register_host(connection, "web1", 10, "0")
        for _ in range(2):
            db.write_samples(connection, host_id, [sample], collector.inventory())
    assert 1 == value(database, "select count(*) from pgvigil.memory_log where memory_name = 'memory'")


def test_sample_travels_in_one_round_trip(database):
    """However many tables a sample has rows in, the agent waits for the server once."""
    collector = Collector()
    collector.prime()
    connection = db.connect(database, application_name="test")
    host_id = db.register_host(connection, "web1", 10, "0")
    db.write_samples(connection, host_id, [collector.sample(datetime.now(UTC))], collector.inventory())
    trace = collector.sample(datetime.now(UTC))
    with psycopg.connect(database, autocommit=True) as watcher:
        before = watcher.execute("select xact_commit from pg_stat_database where datname = current_database()")
        assert before.fetchone() is not None
    syncs = _count_syncs(connection, lambda: db.write_samples(connection, host_id, [trace]))
    connection.close()
    assert 1 == syncs


def _count_syncs(connection, action):
    """Count the ReadyForQuery answers in libpq's own trace of the wire."""
    import tempfile

    with tempfile.NamedTemporaryFile("r") as trace:
        with open(trace.name, "w") as stream:  # noqa: PTH123 - libpq wants a file descriptor
            connection.pgconn.trace(stream.fileno())
            action()
            connection.pgconn.untrace()
        return sum("ReadyForQuery" in line for line in trace.read().splitlines())
