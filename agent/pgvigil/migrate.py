"""Applies sql/: migrations once and in order, code anew whenever it changed, all in one transaction."""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pgvigil import __version__
from pgvigil.database import Connection, connect, fetch, run_script, transaction
from pgvigil.errors import SchemaError

_CODE = "code"


@dataclass(frozen=True, slots=True)
class Step:
    """A migration, or all of sql/code as one step; state is applied, pending or edited."""

    name: str
    state: str
    applied_at: str = ""


def sql_directory() -> Path:
    """Return where the SQL files are: inside the wheel, or at the top of a checkout."""
    installed = Path(__file__).with_name("sql")
    return installed if installed.is_dir() else Path(__file__).parents[2] / "sql"


def _read_files(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(directory.glob("*.sql"))}


def _hash(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def _wanted(directory: Path) -> dict[str, str]:
    """Return the name and hash of every step, in order."""
    wanted = {name: _hash(text) for name, text in _read_files(directory / "migrations").items()}
    code = _read_files(directory / "code")
    return {**wanted, _CODE: _hash(*code.keys(), *code.values())}


def shipped() -> dict[str, str]:
    """Return the name and hash of every step that this program knows."""
    return _wanted(sql_directory())


def _applied(connection: Connection) -> dict[str, dict[str, str]]:
    exists = fetch(connection, "select to_regclass('pgvigil.schema_migration') is not null as yes")[0]["yes"]
    if not exists:
        return {}
    rows = fetch(connection, "select name, sha256, applied_at::text from pgvigil.schema_migration")
    return {row["name"]: row for row in rows}


def _compare(wanted: dict[str, str], applied: dict[str, dict[str, str]]) -> list[Step]:
    """Say of each step what became of it.

    Raises:
        SchemaError: the database knows migrations that this program does not.
    """
    unknown = sorted(applied.keys() - wanted.keys())
    if unknown:
        message = f"the schema is newer than pgvigil {__version__}: it has {', '.join(unknown)}"
        raise SchemaError(message, "Install the version of pgvigil that made it, or a newer one")
    steps = []
    for name, sha256 in wanted.items():
        row = applied.get(name)
        if row is None:
            steps.append(Step(name, "pending"))
        elif row["sha256"] == sha256:
            steps.append(Step(name, "applied", row["applied_at"]))
        else:
            # Changed code is run again; a changed migration was applied in another form.
            steps.append(Step(name, "pending" if name == _CODE else "edited", row["applied_at"]))
    return steps


def status(dsn: str) -> list[Step]:
    """Compare the database with sql/, without changing anything."""
    with closing(connect(dsn, application_name="pgvigil-migrate")) as connection:
        return _compare(_wanted(sql_directory()), _applied(connection))


def migrate(dsn: str, directory: Path | None = None) -> list[str]:
    """Apply what is pending and return its names; two runners at once are safe.

    Raises:
        SchemaError: an applied migration was edited, a file fails, or the schema is newer.
    """
    directory = directory or sql_directory()
    wanted = _wanted(directory)
    migrations = _read_files(directory / "migrations")
    with closing(connect(dsn, application_name="pgvigil-migrate")) as connection, transaction(connection):
        fetch(connection, "select pg_advisory_xact_lock(hashtext('pgvigil.migrate')) is null as locked")
        steps = _compare(wanted, _applied(connection))
        edited = [step.name for step in steps if step.state == "edited"]
        if edited:
            message = f"{', '.join(edited)} was edited after it had been applied"
            raise SchemaError(message, "Restore the file, and put the change into a new migration")
        pending = [step.name for step in steps if step.state == "pending"]
        if not pending:
            return []
        run_script(connection, "bootstrap.sql", (directory / "bootstrap.sql").read_text(encoding="utf-8"))
        for name in pending:
            if name != _CODE:
                run_script(connection, f"migrations/{name}", migrations[name])
        # Code stands on the newest tables, and some tables (grants) on the newest code: always run it whole.
        for name, text in _read_files(directory / "code").items():
            run_script(connection, f"code/{name}", text)
        fetch(connection, "select pgvigil.ensure_partitions(now())")
        for name in {*pending, _CODE}:
            fetch(
                connection,
                "insert into pgvigil.schema_migration (name, sha256, applied_by) values (%s, %s, %s)"
                " on conflict (name) do update set sha256 = excluded.sha256, applied_by = excluded.applied_by,"
                " applied_at = excluded.applied_at returning name",
                (name, wanted[name], __version__),
            )
        return pending
