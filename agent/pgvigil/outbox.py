"""What mailers ask of the database, each a function of schema pgvigil; policy is there, nothing is decided here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pgvigil.database import fetch
from pgvigil.model import Mail

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pgvigil.database import Connection
    from pgvigil.errors import MailError


def claim_mail(connection: Connection, mailer: str) -> Mail | None:
    """Take the next due mail in hand; the lease is over after the setting mail_lease."""
    rows = fetch(connection, "select * from pgvigil.claim_mail(%s, 1, clock_timestamp())", (mailer,))
    return Mail(**rows[0]) if rows else None


def preview_mail(connection: Connection, alert_id: int | None, event: str | None, language: str, zone: str) -> Mail:
    """Return the contents of the mail that an incident was worth; the newest one unless told."""
    rows = fetch(connection, "select * from pgvigil.preview_mail(%s, %s, %s, %s)", (alert_id, event, language, zone))
    return Mail(**rows[0])


def mark_mail_sent(connection: Connection, mail: Mail, message_id: str, server_reply: str) -> None:
    """Note that the SMTP server accepted the mail."""
    query = "select pgvigil.mark_mail_sent(%s, %s, %s, %s, clock_timestamp())"
    fetch(connection, query, (mail.host_id, mail.mail_id, message_id, server_reply))


def mark_mail_failed(connection: Connection, mail: Mail, error: MailError) -> datetime | None:
    """Note why the mail was not accepted; return when it is tried again, None if it is given up."""
    query = "select pgvigil.mark_mail_failed(%s, %s, %s, %s, %s, clock_timestamp())"
    parameters = (mail.host_id, mail.mail_id, str(error), error.about, error.permanent)
    return _value(connection, query, parameters)  # type: ignore[no-any-return]


def seconds_until_next_mail(connection: Connection) -> float | None:
    """Return how long no mail is due, None if none waits."""
    seconds = _value(connection, "select pgvigil.next_mail_due(clock_timestamp())")
    return None if seconds is None else float(seconds)


def tick(connection: Connection) -> bool:
    """Have the upkeep done that is due; False if another mailer is at it."""
    return bool(_value(connection, "select pgvigil.tick(clock_timestamp())"))


def check_health(connection: Connection, migrations: Mapping[str, str]) -> list[dict[str, Any]]:
    """Ask what must be right for mails to go out: name, is_ok, detail, remedy of each."""
    return fetch(connection, "select * from pgvigil.check_health(%s, clock_timestamp())", (json.dumps(migrations),))


def _value(connection: Connection, query: str, parameters: tuple[Any, ...] = ()) -> Any:
    (row,) = fetch(connection, query, parameters)
    (value,) = row.values()
    return value
