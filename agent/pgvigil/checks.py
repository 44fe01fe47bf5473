"""What must be right for an alert to become a mail, checked step by step; each failure says what to do."""

from __future__ import annotations

import socket
import uuid
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pgvigil import database, outbox
from pgvigil.compose import compose_test
from pgvigil.errors import DatabaseError, MailError, PgvigilError, SchemaError
from pgvigil.migrate import shipped
from pgvigil.smtp import SmtpClient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pgvigil.smtp import SmtpSettings

_PATIENCE_SECONDS = 3.0
_EXIT_STATUS = {
    "schema": SchemaError.exit_status,
    "privileges": 10,
    "partitions": 11,
    "upkeep": 12,
    "outbox": 13,
    "dead letters": 14,
    "recipients": 15,
    "listener": 16,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    name: str
    is_ok: bool
    detail: str
    remedy: str = ""
    exit_status: int = 0


def check_database(dsn: str) -> Iterator[Finding]:
    """Check all that PostgreSQL must offer, with the login of the mailer."""
    try:
        with closing(database.connect(dsn, application_name="pgvigil-check")) as worker:
            version, login = database.describe(worker)
            yield Finding("database", is_ok=True, detail=f"PostgreSQL {version} as {login}")
            for row in outbox.check_health(worker, shipped()):
                yield Finding(row["name"], row["is_ok"], row["detail"], row["remedy"], _EXIT_STATUS[row["name"]])
            yield _check_bell(dsn, worker)
    except (DatabaseError, SchemaError) as error:
        yield _failure("schema" if isinstance(error, SchemaError) else "database", error)


def _check_bell(dsn: str, worker: database.Connection) -> Finding:
    token = str(uuid.uuid4())
    with closing(database.connect(dsn, application_name="pgvigil-check listening")) as listener:
        database.listen(listener)
        database.prove_bell(worker, token)
        if token in database.wait_for_bell(listener, _PATIENCE_SECONDS):
            return Finding("listener", is_ok=True, detail="hears its own bell")
    return Finding(
        "listener",
        is_ok=False,
        detail=f"did not hear its own bell within {_PATIENCE_SECONDS:g} s: mails wait until the mailer polls",
        remedy="connect to PostgreSQL itself, or to a pooler in session mode",
        exit_status=_EXIT_STATUS["listener"],
    )


def check_smtp(
    smtp: SmtpSettings, address: str | None, *, language: str = "en", templates: Path | None = None
) -> Iterator[Finding]:
    """Check connection, TLS, login and sender, and send one mail if there is an address for it."""
    with SmtpClient(smtp) as client:
        found: dict[str, str] = {}
        try:
            for name, detail in client.probe():
                found[name] = detail
                yield Finding(f"smtp {name}", is_ok=True, detail=detail)
            if address is None:
                return
            facts = {
                "sender": smtp.sender,
                "server": f"{smtp.host}:{smtp.port}",
                "tls": found["tls"],
                "sent_at": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}",
                "zone": "UTC",
                "machine": socket.gethostname(),
            }
            letter = compose_test(
                address, language=language, message_domain=smtp.domain, templates=templates, facts=facts
            )
            payload = letter.to_bytes(sender=smtp.sender, address=address, date=datetime.now(UTC))
            yield Finding("test mail", is_ok=True, detail=f"{address}: {client.send(payload, address)}")
        except MailError as error:
            yield _failure("smtp", error)


def _failure(name: str, error: PgvigilError) -> Finding:
    return Finding(name, is_ok=False, detail=error.message, remedy=error.hint, exit_status=error.exit_status)
