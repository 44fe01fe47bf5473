"""The mailer: drains the outbox at start, at every bell and at every timeout, and keeps time for the database."""

from __future__ import annotations

import logging
import random
import threading
import time
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from pgvigil import __version__, database, outbox
from pgvigil.compose import compose as compose_mail
from pgvigil.compose import warm_up
from pgvigil.errors import DatabaseError, DatabaseUnavailableError, MailError, SchemaError
from pgvigil.smtp import SmtpClient

if TYPE_CHECKING:
    from pgvigil.config import MailerSettings
    from pgvigil.message import Letter
    from pgvigil.model import Mail
    from pgvigil.smtp import SmtpSettings
    from pgvigil.systemd import Systemd

log = logging.getLogger("pgvigil")

_BEAT_SECONDS = 0.5  # how soon SIGTERM is heard while no bell rings
_TICK_SECONDS = 5.0
_FIRST_PAUSE_SECONDS = 0.5
_SHORTEST_WAIT_SECONDS = 0.02
_PROOF_EVERY_SECONDS = 60.0
_PROOF_WITHIN_SECONDS = 3.0
_DEAF_POLL_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0


def run_mailer(settings: MailerSettings, smtp: SmtpSettings, stop: threading.Event, systemd: Systemd) -> None:
    """Send what is due until `stop` is set, and tell systemd of each beat; a lost database is tried again for ever.

    Raises:
        DatabaseError: the server refuses the very first connection.
    """
    try:
        warm_up(settings.templates)
    except MailError as error:
        log.warning("templates_ignored reason=%s", error)
    pause_seconds = 0.0
    outage = False
    failures: list[Exception] = []
    timekeeper = threading.Thread(target=_keep_time, args=(settings.dsn, stop, failures), daemon=True)
    while not stop.is_set():
        systemd.tell("WATCHDOG=1")
        try:
            with ExitStack() as stack:
                # A connection that listens must do nothing else: a bell that rings meanwhile would wait unseen.
                listener, worker = (
                    stack.enter_context(closing(database.connect(settings.dsn, application_name=name)))
                    for name in ("pgvigil-mailer listening", f"pgvigil-mailer {settings.mailer_name}")
                )
                client = stack.enter_context(SmtpClient(smtp))
                ear = Ear(listener, worker, settings.mailer_name)
                event = "database_back" if outage else "mailer_started"
                log.info("%s version=%s smtp=%s:%d", event, __version__, smtp.host, smtp.port)
                outage, pause_seconds = False, 0.0
                if not timekeeper.ident:
                    timekeeper.start()
                _serve(settings, client, stop, ear, worker, systemd=systemd)
        except (DatabaseError, SchemaError) as error:
            if not (timekeeper.ident or isinstance(error, DatabaseUnavailableError | SchemaError)):
                raise
            if not outage:
                log.warning("database_lost reason=%s", error)
            outage = True
            pause_seconds = _longer(pause_seconds)
            stop.wait(pause_seconds * random.uniform(0.5, 1.0))  # noqa: S311 - not a secret
    if failures:
        raise failures[0]
    log.info("mailer_stopped")


def _keep_time(dsn: str, stop: threading.Event, failures: list[Exception]) -> None:
    """Tick on a connection of its own: upkeep can take seconds, and no mail waits for it."""
    is_told = False
    while not stop.is_set():
        try:
            with closing(database.connect(dsn, application_name="pgvigil-mailer ticking")) as connection:
                while not stop.is_set():
                    outbox.tick(connection)
                    is_told = False
                    stop.wait(_TICK_SECONDS)
        except (DatabaseError, SchemaError) as error:
            if not is_told:
                log.warning("upkeep_stopped reason=%s", error)
            is_told = True
            stop.wait(_TICK_SECONDS)
        except Exception as error:  # noqa: BLE001 - a bug: mails without upkeep would look like peace
            failures.append(error)
            stop.set()


class Ear:
    """The connection that listens, and the proof that it hears: behind a pooler, or cut off, it is deaf unnoticed."""

    def __init__(self, listener: database.Connection, worker: database.Connection, name: str) -> None:
        """Start to listen."""
        self._listener, self._worker, self._name = listener, worker, name
        self._next_proof = time.monotonic()
        self._asked_at: float | None = None
        self.is_deaf = False
        database.listen(listener)

    def wait(self, timeout_seconds: float) -> bool:
        """Wait for a bell (True) or until the time is over (False)."""
        now = time.monotonic()
        if now >= self._next_proof:
            database.prove_bell(self._worker, self._name)
            self._asked_at, self._next_proof = now, now + _PROOF_EVERY_SECONDS
        heard = database.wait_for_bell(self._listener, timeout_seconds)
        if self._name in heard:
            if self.is_deaf:
                log.info("bell_heard")
            self._asked_at, self.is_deaf = None, False
        elif self._asked_at is not None and now - self._asked_at > _PROOF_WITHIN_SECONDS:
            if not self.is_deaf:
                log.warning(
                    "bell_not_heard polling_seconds=%g reason=LISTEN does not work on this connection. Connect to"
                    " PostgreSQL itself, or to a pooler in session mode: in transaction mode bells reach nobody",
                    _DEAF_POLL_SECONDS,
                )
            self._asked_at, self.is_deaf = None, True
        return "" in heard


def _serve(
    settings: MailerSettings,
    client: SmtpClient,
    stop: threading.Event,
    ear: Ear,
    worker: database.Connection,
    *,
    systemd: Systemd,
) -> None:
    """Drain and wait in turn: the bell only shortens the wait."""
    next_drain = not_before = time.monotonic()
    pause_seconds = 0.0
    while not stop.is_set():
        systemd.tell("WATCHDOG=1")
        now = time.monotonic()
        if now >= next_drain:
            if drain(settings, client, worker, stop, systemd):
                pause_seconds = 0.0
                due = outbox.seconds_until_next_mail(worker)
                poll = min(settings.poll_seconds, _DEAF_POLL_SECONDS) if ear.is_deaf else settings.poll_seconds
                next_drain = time.monotonic() + (poll if due is None else min(poll, max(_SHORTEST_WAIT_SECONDS, due)))
            else:
                pause_seconds = _longer(pause_seconds)
                # spread, so that mailers do not come back in step
                not_before = next_drain = time.monotonic() + pause_seconds * random.uniform(0.5, 1)  # noqa: S311
        client.rest()
        if ear.wait(max(0.0, min(next_drain, now + _BEAT_SECONDS) - time.monotonic())):
            next_drain = max(time.monotonic(), not_before)


def _longer(pause_seconds: float) -> float:
    return min(_LONGEST_PAUSE_SECONDS, max(_FIRST_PAUSE_SECONDS, pause_seconds * 2))


def drain(
    settings: MailerSettings, client: SmtpClient, worker: database.Connection, stop: threading.Event, systemd: Systemd
) -> bool:
    """Send the mails that are due, one lease at a time; False if the server is in trouble.

    What is wrong with the server is wrong for the next mail too, and each attempt may take until a timeout: that ends
    the round. What is wrong with one recipient or one mail does not.
    """
    while not stop.is_set() and (mail := outbox.claim_mail(worker, settings.mailer_name)):
        systemd.tell("WATCHDOG=1")
        try:
            letter = _compose(settings, mail)
            payload = letter.to_bytes(sender=client.sender, address=mail.address, date=datetime.now(UTC))
            reply = client.send(payload, mail.address)
        except MailError as error:
            retry_at = outbox.mark_mail_failed(worker, mail, error)
            log.warning(
                "mail_%s mail_id=%d address=%s attempt=%d retry_at=%s reason=%s",
                "given_up" if error.permanent else "delayed",
                mail.mail_id, mail.address, mail.attempts, retry_at and retry_at.isoformat(), error,
            )  # fmt: skip
            if error.about in {"server", "unanswered"}:
                return False
        else:
            outbox.mark_mail_sent(worker, mail, letter.message_id, reply)
            log.info(
                "mail_sent mail_id=%d event=%s host=%s metric=%s resource=%s address=%s reply=%s",
                mail.mail_id, mail.kind, mail.host_name, mail.metric, mail.resource, mail.address, reply,
            )  # fmt: skip
    return True


def _compose(settings: MailerSettings, mail: Mail) -> Letter:
    """Compose with the templates of the house; what is wrong with those must not keep an alert from being told."""
    compose = partial(compose_mail, mail, grafana_url=settings.grafana_url, message_domain=settings.message_domain)
    if settings.templates is None:
        return compose()
    try:
        return compose(templates=settings.templates)
    except MailError as error:
        log.warning("templates_ignored mail_id=%d reason=%s", mail.mail_id, error)
        return compose()
