"""The mailer: drains the outbox at start, at every bell and at every timeout, and keeps time for the database."""

from __future__ import annotations

import logging
import random
import time
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pgvigil import __version__, database
from pgvigil.compose import compose
from pgvigil.errors import DatabaseError, DatabaseUnavailableError, MailError, SchemaError
from pgvigil.message import build_message
from pgvigil.smtp import SmtpClient, SmtpSettings

if TYPE_CHECKING:
    import threading

    from pgvigil.config import MailerSettings
    from pgvigil.model import Mail

log = logging.getLogger("pgvigil")

_BEAT_SECONDS = 0.5  # how soon SIGTERM is heard while no bell rings
_TICK_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 30.0


def run_mailer(settings: MailerSettings, smtp: SmtpSettings, stop: threading.Event) -> None:
    """Send what is due until `stop` is set; a lost database is tried again for ever.

    Raises:
        DatabaseError: the server refuses the very first connection.
    """
    pause_seconds = 0.0
    was_connected = False
    outage = False
    while not stop.is_set():
        try:
            with ExitStack() as stack:
                # A connection that listens must do nothing else: a bell that rings meanwhile would wait unseen.
                listener, worker = (
                    stack.enter_context(closing(database.connect(settings.dsn, application_name=name)))
                    for name in ("pgvigil-mailer listening", f"pgvigil-mailer {settings.mailer_name}")
                )
                database.listen(listener)
                event = "database_back" if outage else "mailer_started"
                log.info("%s version=%s smtp=%s:%d", event, __version__, smtp.host, smtp.port)
                was_connected, outage, pause_seconds = True, False, 0.0
                _serve(settings, smtp, stop, listener, worker)
        except (DatabaseError, SchemaError) as error:
            if not (was_connected or isinstance(error, DatabaseUnavailableError | SchemaError)):
                raise
            if not outage:
                log.warning("database_lost reason=%s", error)
            outage = True
            pause_seconds = min(_LONGEST_PAUSE_SECONDS, max(0.5, pause_seconds * 2))
            stop.wait(pause_seconds * random.uniform(0.5, 1.0))  # noqa: S311 - not a secret
    log.info("mailer_stopped")


def _serve(
    settings: MailerSettings,
    smtp: SmtpSettings,
    stop: threading.Event,
    listener: database.Connection,
    worker: database.Connection,
) -> None:
    """Drain, tick and wait in turn: the bell only shortens the wait."""
    next_tick = next_drain = time.monotonic()
    while not stop.is_set():
        now = time.monotonic()
        if now >= next_tick:
            database.tick(worker)
            next_tick = now + _TICK_SECONDS
        if now >= next_drain:
            drain(settings, smtp, worker, stop)
            due = database.seconds_until_next_mail(worker)
            wait = settings.poll_seconds if due is None else min(settings.poll_seconds, max(0.05, due))
            next_drain = time.monotonic() + wait
        if database.wait_for_bell(
            listener, max(0.0, min(next_drain, next_tick, now + _BEAT_SECONDS) - time.monotonic())
        ):
            next_drain = time.monotonic()


def drain(settings: MailerSettings, smtp: SmtpSettings, worker: database.Connection, stop: threading.Event) -> int:
    """Send the mails that are due, one lease at a time, and return how many were accepted.

    One that the server would not take for now ends the round: what is wrong with the server is wrong for the next
    mail too, and each attempt may take until a timeout.
    """
    accepted = 0
    with SmtpClient(smtp) as client:
        while not stop.is_set():
            mails = database.claim_mails(worker, settings.mailer_name, limit=1)
            if not mails:
                break
            for mail in mails:
                try:
                    message_id = _send(settings, smtp, client, mail)
                except MailError as error:
                    retry_at = database.mark_mail_failed(worker, mail, str(error), permanent=error.permanent)
                    log.warning(
                        "mail_%s mail_id=%d address=%s attempt=%d retry_at=%s reason=%s",
                        "given_up" if error.permanent else "delayed",
                        mail.mail_id, mail.address, mail.attempts, retry_at and retry_at.isoformat(), error,
                    )  # fmt: skip
                    if not error.permanent:
                        return accepted
                else:
                    database.mark_mail_sent(worker, mail, message_id)
                    accepted += 1
                    log.info(
                        "mail_sent mail_id=%d event=%s host=%s metric=%s resource=%s address=%s",
                        mail.mail_id, mail.event, mail.host_name, mail.metric, mail.resource, mail.address,
                    )  # fmt: skip
    return accepted


def _send(settings: MailerSettings, smtp: SmtpSettings, client: SmtpClient, mail: Mail) -> str:
    """Compose and send one mail; return its Message-ID.

    Raises:
        MailError: the server would not take it, or no text could be made of it.
    """
    composed = compose(mail, grafana_url=settings.grafana_url, message_domain=settings.message_domain)
    message = build_message(
        sender=smtp.sender,
        address=mail.address,
        subject=composed.subject,
        text=composed.text,
        html=composed.html,
        headers=composed.headers,
        message_id=composed.message_id,
        date=datetime.now(UTC),
    )
    client.send(message, mail.address)
    return composed.message_id
