"""The migration runner against real databases."""

from __future__ import annotations

import shutil
import threading

import psycopg
import pytest

from pgvigil.errors import SchemaError
from pgvigil.migrate import migrate, sql_directory, status
from support import run_pgvigil


@pytest.fixture
def sql(tmp_path):
    """Give a copy of sql/ that a test may change."""
    return shutil.copytree(sql_directory(), tmp_path / "sql")


def test_second_run_has_nothing_to_do(empty_database):
    """A migration runs once; code runs again only when it changed."""
    assert "0001_hosts_and_samples.sql" in migrate(empty_database)
    assert [] == migrate(empty_database)
    assert {"applied"} == {step.state for step in status(empty_database)}


def test_two_runners_at_once_are_safe(empty_database):
    """Eight runners started together apply each step once, and none of them fails."""
    results, errors = [], []

    def run():
        try:
            results.append(migrate(empty_database))
        except Exception as error:  # noqa: BLE001 - any error is one too many
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == errors
    assert [True] + [False] * 7 == sorted((bool(result) for result in results), reverse=True)


def test_edited_migration_is_refused_by_name(empty_database, sql):
    """History that was rewritten is not guessed at."""
    migrate(empty_database, sql)
    path = sql / "migrations" / "0001_hosts_and_samples.sql"
    path.write_text(path.read_text() + "-- edited\n")
    with pytest.raises(SchemaError, match=r"0001_hosts_and_samples\.sql was edited"):
        migrate(empty_database, sql)


def test_failing_file_is_named_with_its_line_and_changes_nothing(empty_database, sql):
    """All is one transaction: a mistake in the last file leaves the database as it was."""
    (sql / "code" / "99_broken.sql").write_text("select 1;\n\nselect broken;\n")
    with pytest.raises(SchemaError, match=r"code/99_broken\.sql:3: column"):
        migrate(empty_database, sql)
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("select to_regnamespace('pgvigil') is null").fetchone()[0]


def test_newer_schema_is_refused(empty_database, sql):
    """An old program does not touch a schema that it does not know."""
    (sql / "migrations" / "9999_future.sql").write_text("create table pgvigil.future ();\n")
    migrate(empty_database, sql)
    with pytest.raises(SchemaError, match=r"newer than pgvigil .* 9999_future\.sql"):
        migrate(empty_database)


def test_changed_code_is_run_again(empty_database, sql):
    """Functions are re-created; tables are left alone."""
    migrate(empty_database, sql)
    path = sql / "code" / "65_tick.sql"
    path.write_text(path.read_text().replace("Everything that time makes due", "All that time makes due"))
    assert ["code"] == migrate(empty_database, sql)
    with psycopg.connect(empty_database) as connection:
        comment = connection.execute("select obj_description('pgvigil.tick(timestamptz)'::regprocedure)").fetchone()[0]
    assert comment.startswith("All that time")


def test_status_shows_what_is_pending_and_says_so_by_its_exit_status(empty_database):
    """`pgvigil db status` is fit for scripts."""
    before = run_pgvigil("db", "status", "--dsn", empty_database)
    applied = run_pgvigil("db", "migrate", "--dsn", empty_database)
    after = run_pgvigil("db", "status", "--dsn", empty_database)
    assert (4, 0, 0) == (before.returncode, applied.returncode, after.returncode)
    assert "0001_hosts_and_samples.sql: pending" in before.stdout
    assert "0001_hosts_and_samples.sql: applied" in after.stdout
