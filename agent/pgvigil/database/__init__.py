"""The only package that imports psycopg: connections, and one function for each thing asked of the database."""

from __future__ import annotations

import json
import logging
import select
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from pgvigil.database.line import exchange
from pgvigil.errors import ConfigError, DatabaseError, DatabaseUnavailableError, SchemaError
from pgvigil.rows import INSERTS, array, parameters, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pgvigil.model import AgentProblem, Inventory, Sample

Connection = psycopg.Connection[Any]
_PREPARED: WeakSet[Connection] = WeakSet()  # knows the statements of a sample
log = logging.getLogger("pgvigil")
logging.getLogger("psycopg").setLevel(logging.ERROR)  # that a broken pipeline could not be ended in order is no news

# Nothing waits for ever: a server that hangs or a cable that was cut is noticed within seconds.
_TIMEOUTS = {"connect_timeout": "5", "tcp_user_timeout": "15000"}
_TIMEOUTS |= {"keepalives_idle": "10", "keepalives_interval": "5", "keepalives_count": "3"}
# 42P01, 42703, 42883, 3F000: the database is older than this program, or has no schema yet.
_OLD_SCHEMA = tuple(psycopg.errors.lookup(state) for state in ("42P01", "42703", "42883", "3F000"))


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn the driver's errors into ours: the message PostgreSQL gave, and what to do."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        hint = error.diag.message_hint or "Grant the login its group role, e.g. pgvigil_agent"
        raise DatabaseError(_text(error), hint) from error
    except _OLD_SCHEMA as error:
        raise SchemaError(_text(error), "Bring the schema up to date: pgvigil db migrate") from error
    except (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction) as error:
        # read-only: a standby, or a server that was one a moment ago
        raise DatabaseUnavailableError(_text(error), error.diag.message_hint or "Is PostgreSQL running?") from error
    except psycopg.errors.CheckViolation as error:
        if error.diag.constraint_name is not None:
            raise DatabaseError(_text(error), error.diag.message_hint or "") from error
        # No partition: PostgreSQL names neither the time nor a reason, and who may not read is told no detail.
        message = "the server keeps no samples of that time: it is too far in the past or in the future"
        raise DatabaseError(message, "Is the clock of this host right? Compare: timedatectl") from error
    except psycopg.Error as error:
        raise DatabaseError(_text(error), error.diag.message_hint or "") from error


def _text(error: psycopg.Error) -> str:
    """Return the first line of what PostgreSQL said, without the driver's decoration."""
    return error.diag.message_primary or str(error).strip().split("\n", maxsplit=1)[0]


def read_dsn(dsn: str) -> dict[str, Any]:
    """Return the parts of a connection string.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return conninfo_to_dict(dsn)
    except psycopg.ProgrammingError as error:
        message = f"cannot read the connection string: {str(error).strip()}"
        hint = "Use host=db1 dbname=pgvigil user=agent, or postgresql://agent@db1/pgvigil"
        raise ConfigError(message, hint) from error


def connect(dsn: str, *, application_name: str, statement_timeout_seconds: float = 0) -> Connection:
    """Connect in autocommit mode; what the dsn leaves open comes from libpq's own variables.

    Raises:
        ConfigError: the dsn cannot be read.
        DatabaseUnavailableError: nobody answers, or the server is starting or stopping.
        DatabaseError: the server refuses this login or database.
    """
    given = read_dsn(dsn)
    options: dict[str, Any] = {"application_name": application_name, **_TIMEOUTS, **given, "client_encoding": "utf8"}
    # Compiling a query that runs for milliseconds takes longer than the query.
    timeout = f"-c jit=off -c statement_timeout={round(statement_timeout_seconds * 1000)}"
    options["options"] = f"{given.get('options') or ''} {timeout}".strip()
    try:
        connection = psycopg.connect("", autocommit=True, **options)
    except psycopg.Error as error:
        raise _connection_error(error, given) from error
    connection.add_notice_handler(_log_warning)
    return connection


def _log_warning(notice: psycopg.errors.Diagnostic) -> None:
    """Pass on what our functions warn of, such as upkeep that failed; NOTICEs are for people at a prompt."""
    if notice.severity_nonlocalized == "WARNING":
        log.warning("database_warning reason=%s", notice.message_primary)


def _connection_error(error: psycopg.Error, given: dict[str, Any]) -> DatabaseError:
    """Say where the connection was to lead, why it failed, and what to check."""
    # The first line has the reason, behind where libpq tried; the others are its own hints.
    reason = str(error).strip().split("\n", maxsplit=1)[0].rpartition("failed: ")[2].removeprefix("FATAL:").strip()
    where = " ".join(f"{key}={given[key]}" for key in ("host", "port", "dbname", "user") if given.get(key))
    message = f"cannot connect to PostgreSQL at {where or 'the default place'!r}: {reason}"
    if "password" in reason or "authentication" in reason:
        return DatabaseError(message, "Check the user, and the password in PGPASSFILE or ~/.pgpass")
    if "does not exist" in reason:
        return DatabaseError(message, "Check --dsn (PGVIGIL_DSN), or create what is missing")
    return DatabaseUnavailableError(message, "Check --dsn (PGVIGIL_DSN), and that the server runs and can be reached")


def register_host(
    connection: Connection,
    host_name: str,
    interval_seconds: float,
    version: str,
    *,
    groups: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
) -> int:
    """Make this host known and return its host_id; without groups or labels it keeps those it has."""
    call = b"select pgvigil.register_host($1, make_interval(secs => $2), $3, $4, $5)"
    lists = array(groups) if groups else None, json.dumps(labels) if labels else None
    with translated_errors():
        values = texts(host_name, interval_seconds, version, *lists)
        answers = exchange(connection, [(connection.pgconn.send_query_params, call, values)])
    return int(answers[0].get_value(0, 0) or 0)


def write_samples(
    connection: Connection,
    host_id: int,
    samples: Sequence[Sample],
    inventory: Inventory | None = None,
    problems: Sequence[AgentProblem] = (),
    *,
    when_slow: Callable[[], object] = int,
) -> None:
    """Store samples, and the inventory and problems if there are any; a sample that is there already changes nothing.

    One transaction, one round trip: the statements were prepared by the first call.
    """
    line = connection.pgconn
    questions: list[tuple[Any, ...]] = []
    if inventory is not None:
        unknown = {"incomplete", *inventory.incomplete}
        known = json.dumps({part: rows for part, rows in asdict(inventory).items() if part not in unknown})
        questions += [(line.send_query_params, b"select pgvigil.record_inventory($1, $2)", texts(host_id, known))]
    if problems:
        found = json.dumps([asdict(problem) for problem in problems], default=str)
        questions += [(line.send_query_params, b"select pgvigil.record_agent_problems($1, $2)", texts(host_id, found))]
    for sample in samples:
        questions += [(line.send_query_prepared, *each) for each in parameters(host_id, sample)]
    with translated_errors():
        if connection not in _PREPARED:
            statements = [(line.send_prepare, name.encode(), text.encode()) for name, (text, _) in INSERTS.items()]
            exchange(connection, statements)
            _PREPARED.add(connection)
        exchange(connection, questions, when_slow)


def listen(connection: Connection) -> None:
    """Ask to be woken when mails are written, or by prove_bell(). The connection serves this purpose only."""
    with translated_errors():
        connection.execute("listen pgvigil_mail")
        connection.execute("listen pgvigil_proof")


def prove_bell(connection: Connection, token: str) -> None:
    """Ring for oneself, on another connection than the one that listens: whoever hears it hears all bells."""
    with translated_errors():
        connection.execute("select pg_notify('pgvigil_proof', %s)", (token,))


def wait_for_bell(connection: Connection, timeout_seconds: float) -> set[str]:
    """Wait for bells until the time is over: return the tokens heard, "" for new mails.

    The driver's own waiting would look ten times a second whether a signal came.
    """
    with translated_errors():
        select.select([connection], [], [], timeout_seconds)
        return {notify.payload for notify in connection.notifies(timeout=0)}


def describe(connection: Connection) -> tuple[str, str]:
    """Return the version of the server, and who we are there."""
    return connection.info.parameter_status("server_version") or "?", connection.info.user


def fetch(connection: Connection, query: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
    """Run a query of a view and return its rows as dicts."""
    with translated_errors(), connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.encode(), parameters or None).fetchall()


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Run the body in one transaction."""
    with translated_errors(), connection.transaction():
        yield


def run_script(connection: Connection, name: str, script: str) -> None:
    """Run a whole SQL file; an error names the file and the line.

    Raises:
        SchemaError: the file does not run.
    """
    try:
        connection.execute(script.encode())
    except (psycopg.OperationalError, psycopg.InterfaceError):
        raise
    except psycopg.Error as error:
        position = int(error.diag.statement_position or 0)
        line = script.count("\n", 0, position) + 1 if position else None
        where = f"{name}:{line}" if line else name
        message = f"{where}: {_text(error)}"
        raise SchemaError(message, error.diag.message_hint or "Nothing was changed") from error
