"""The upgrade from the last release, on a database that is in use: nothing is lost, and agents go on."""

from __future__ import annotations

import os
import re
import subprocess
from functools import partial
from pathlib import Path

import psycopg
import pytest

from pgvigil.migrate import migrate

ROOT = Path(__file__).parents[2]


def git(*arguments):
    """Ask git about the checkout; skip the test where there is none."""
    try:
        result = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("git is not installed")
    if result.returncode and not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: the last release is not known")
    return result


def last_release():
    """Name the version to upgrade from: what is asked for, the last tag, or the oldest schema that is still ours."""
    if wanted := os.environ.get("PGVIGIL_TEST_UPGRADE_FROM"):
        return wanted
    tag = git("describe", "--tags", "--abbrev=0", "--match=v*", "HEAD^").stdout.decode().strip()
    if tag:
        return tag
    ours = {path.name: git("hash-object", path).stdout.decode().strip() for path in ROOT.glob("sql/migrations/*.sql")}
    for revision in git("rev-list", "--reverse", "HEAD", "--", "sql").stdout.decode().split():
        listed = git("ls-tree", "-r", revision, "sql/migrations/").stdout.decode()
        theirs = {Path(name).name: blob for blob, name in re.findall(r"blob (\w+)\t(\S+)", listed)}
        if theirs and theirs.items() <= ours.items():
            return revision
    return "HEAD"  # of a shallow clone: the oldest that there is


@pytest.fixture(scope="module")
def old_sql(tmp_path_factory):
    """Give sql/ as the last release had it."""
    revision = last_release()
    archive = git("archive", "--format=tar", revision, "sql")
    assert 0 == archive.returncode, f"git knows no {revision}: {archive.stderr.decode()}"
    directory = tmp_path_factory.mktemp("release")
    subprocess.run(["tar", "--extract", "--directory", directory], input=archive.stdout, check=True)
    return directory / "sql"


def store(agent, host_id, minutes_ago, cpu_usage):
    """Store what an agent of the last release would, in the columns that there were from the beginning."""
    agent.execute(
        "insert into pgvigil.cpu_log (host_id, created_at, cpu_name, cpu_usage)"
        " values (%s, date_trunc('minute', now()) - %s * interval '1 minute', 'cpu-total', %s) on conflict do nothing",
        (host_id, minutes_ago, cpu_usage),
    )


def contents(owner):
    """Return what people and agents have put in, without what is derived from it."""
    queries = {
        "samples": "select created_at, cpu_usage from pgvigil.cpu_log order by created_at",
        "rules of people": "select metric, warning, critical, note from pgvigil.threshold where managed_by = 'sql'",
        "alerts": "select metric, resource, state, severity, fired_at from pgvigil.alert order by metric",
        "mails": "select address, event, severity, value from pgvigil.mail order by mail_id",
        "recipients": "select address, language from pgvigil.recipient",
        "silences": "select host_name, note from pgvigil.silence",
        "history": "select count(*) from pgvigil.threshold_history",
    }
    return {name: owner.execute(query).fetchall() for name, query in queries.items()}


@pytest.fixture
def in_use(empty_database, old_sql):
    """Give a database of the last release: samples, an open alert and its mail, a rule, a recipient, a silence."""
    migrate(empty_database, old_sql)
    with psycopg.connect(empty_database, autocommit=True) as owner:
        owner.execute("create role upgrade_agent login in role pgvigil_agent")
        try:
            owner.execute("insert into pgvigil.recipient (address) values ('ops@example.org')")
            owner.execute("insert into pgvigil.threshold (metric, warning, hold) values ('cpu_usage', 70, '0')")
            owner.execute("select pgvigil.register_host('web2', '1 minute', '0.1.0')")
            owner.execute("select pgvigil.silence_for('1 hour', p_host_name => 'web2', p_note => 'moved')")
            agent_dsn = empty_database.replace("user=postgres", "user=upgrade_agent")
            with psycopg.connect(agent_dsn, autocommit=True) as agent:
                # As an agent does it: once, when it connects.
                host_id = agent.execute("select pgvigil.register_host('web1', '1 minute', '0.1.0')").fetchone()[0]
                for minute in (30, 29):
                    store(agent, host_id, minute, 95.0)
                yield empty_database, owner, partial(store, agent, host_id)
        finally:
            owner.execute("drop role upgrade_agent")


def test_upgrade_keeps_what_was_there(in_use):
    """Samples, the open alert, its mail, rules and silences are what they were, and a second run is idle."""
    database, owner, _ = in_use
    before = contents(owner)
    assert [("cpu_usage", "firing")] == [(row[0], row[2]) for row in before["alerts"]]
    assert [("ops@example.org", "fired")] == [row[:2] for row in before["mails"]]

    migrate(database)

    assert before == contents(owner)
    assert [] == migrate(database)


def test_old_agent_goes_on_after_the_upgrade(in_use):
    """The schema goes first: a connection that was open stores, the open alert ends, its mail is written."""
    database, owner, store_of_old_agent = in_use
    migrate(database)
    for _ in range(2):
        store_of_old_agent(28, 10.0)  # what was stored is not stored twice
    assert (3,) == owner.execute("select count(*) from pgvigil.cpu_log").fetchone()
    events = owner.execute("select event from pgvigil.mail order by mail_id").fetchall()
    assert [("fired",), ("resolved",)] == events


def test_upgraded_schema_is_that_of_a_fresh_install(in_use, postgres, template):
    """Column by column, function by function: a migration that forgot something shows here."""
    database, _, _ = in_use
    migrate(database)
    assert schema_of(postgres, postgres.dsn(template)) == schema_of(postgres, database)


def schema_of(postgres, dsn):
    """Return the parts of a schema dump, without the partitions of the day it was made on."""
    command = [
        postgres.bin_directory / "pg_dump",
        "--schema-only",
        "--exclude-schema=pgvigil_partition",
        "--dbname",
        dsn,
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    # Newer ones put a random word around the dump, against psql's own commands in what is restored.
    text = re.sub(r"(?m)^(--|\\).*\n", "", result.stdout)
    return sorted(part.strip() for part in text.split("\n\n") if part.strip())
