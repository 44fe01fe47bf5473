"""Applies sql/: migrations once and in order, code anew whenever it changed, all in one transaction."""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pgvigil import __version__
from pgvigil.database import Connection, connect, fetch, run_script, transaction
from pgvigil.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def shipped(directory: Path | None = None) -> dict[str, str]:
    """Return the name and hash of every step that this program knows, in order."""
    directory = directory or sql_directory()
    texts: dict[str, Sequence[str]] = {name: [text] for name, text in _read_files(directory / "migrations").items()}
    code = _read_files(directory / "code")
    texts[_CODE] = [*code.keys(), *code.values()]
    return {name: hashlib.sha256("\0".join(parts).encode()).hexdigest() for name, parts in texts.items()}


def _compare(connection: Connection, wanted: dict[str, str]) -> list[Step]:
    """Say of each step what became of it.

    Raises:
        SchemaError: the database knows migrations that this program does not.
    """
    exists = fetch(connection, "select to_regclass('pgvigil.schema_migration') is not null as yes")[0]["yes"]
    query = "select name, sha256, applied_at::text from pgvigil.schema_migration"
    applied = {row["name"]: row for row in fetch(connection, query)} if exists else {}
    unknown = sorted(applied.keys() - wanted.keys())
    if unknown:
        message = f"the schema is newer than pgvigil {__version__}: it has {', '.join(unknown)}"
        raise SchemaError(message, "Install the version of pgvigil that made it, or a newer one")
    steps = []
    for name, sha256 in wanted.items():
        row = applied.get(name, {"sha256": None, "applied_at": ""})
        # Changed code is run again; a changed migration was applied in another form.
        changed = "edited" if row["sha256"] and name != _CODE else "pending"
        steps.append(Step(name, "applied" if row["sha256"] == sha256 else changed, row["applied_at"]))
    return steps


def status(dsn: str) -> list[Step]:
    """Compare the database with sql/, without changing anything."""
    with closing(connect(dsn, application_name="pgvigil-migrate")) as connection:
        return _compare(connection, shipped())


def migrate(dsn: str, directory: Path | None = None) -> list[str]:
    """Apply what is pending and return its names; two runners at once are safe.

    Raises:
        SchemaError: an applied migration was edited, a file fails, or the schema is newer.
    """
    directory = directory or sql_directory()
    wanted = shipped(directory)
    with closing(connect(dsn, application_name="pgvigil-migrate")) as connection, transaction(connection):
        fetch(connection, "select pg_advisory_xact_lock(hashtext('pgvigil.migrate')) is null as locked")
        steps = _compare(connection, wanted)
        if edited := [step.name for step in steps if step.state == "edited"]:
            message = f"{', '.join(edited)} was edited after it had been applied"
            raise SchemaError(message, "Restore the file, and put the change into a new migration")
        pending = [step.name for step in steps if step.state == "pending"]
        if not pending:  # but a dump that was restored may be older than the days that were made ahead
            fetch(connection, "select pgvigil.ensure_partitions(now())")
            return []
        migrations = [f"migrations/{name}" for name in pending if name != _CODE]
        # Code stands on the newest tables, and some tables (grants) on the newest code: always run it whole.
        code = [f"code/{name}" for name in _read_files(directory / "code")]
        for name in ("bootstrap.sql", *migrations, *code):
            run_script(connection, name, (directory / name).read_text(encoding="utf-8"))
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
