"""Mailers killed at every step, against an SMTP server that misbehaves: every due mail arrives, and copies are copies.

PGVIGIL_TEST_KILLS sets how many kills there are, by one, two and five mailers; pytest -s prints the figures.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default

import psutil
import psycopg
import pytest
from aiosmtpd.controller import Controller

from support import free_port

KILLS = int(os.environ.get("PGVIGIL_TEST_KILLS", "6"))
MAILERS = (1, 2, 5) if "PGVIGIL_TEST_KILLS" in os.environ else (2,)
TIMEOUT_SECONDS = 0.5
ADDRESSES = ("a@example.org", "b@example.org", "c@example.org")
GONE = "gone@example.org"
KILLED_AT = ("ehlo", "mail", "rcpt", "data", "accepted", "replied")
FAULTS = ("rcpt 450", "data 451", "421", "hang", "hang accepted", "drop", "drop accepted")
SETTINGS = {
    "mail_lease": "1500 milliseconds", "mail_retry_first": "100 milliseconds", "mail_retry_longest": "500 milliseconds",
    "digest_wait": "100 milliseconds", "mail_spacing": "200 milliseconds",
}  # fmt: skip


class Rogue:
    """Keeps what it accepted, now and then kills its client or breaks the protocol; the names are aiosmtpd's (N802)."""

    def __init__(self) -> None:
        self.accepted = []
        self.counts = Counter()
        self.kills_left = KILLS
        self.random = random.Random(8)  # noqa: S311 - the same at each run
        self.plan = None
        self.plans = []

    def next_plan(self):
        """Decide what is to go wrong next: each in turn, with respites; in the end nothing."""
        if self.kills_left <= 0:
            return None
        if not self.plans:
            self.plans = [*KILLED_AT, *FAULTS, *KILLED_AT, *[None] * 12]
            self.random.shuffle(self.plans)
        return self.plans.pop()

    async def at(self, step, session):
        """Kill whoever is connected, if it is to die at this step."""
        if self.plan == step and self.kills_left > 0:
            self.plan = None
            if kill_owner(session.peer):
                self.kills_left -= 1
                self.counts[f"killed at {step}"] += 1
            await asyncio.sleep(0.05)

    def fails(self, plan):
        """Tell whether this is what is to happen now."""
        if self.plan != plan:
            return False
        self.plan = None
        self.counts[plan] += 1
        return True

    async def handle_EHLO(self, _server, session, _envelope, hostname, responses):  # noqa: N802
        """The client has claimed a mail and connected."""
        self.plan = self.plan or self.next_plan()
        session.host_name = hostname
        await self.at("ehlo", session)
        return responses

    async def handle_MAIL(self, _server, session, envelope, address, options):  # noqa: N802
        """The sender."""
        self.plan = self.plan or self.next_plan()
        if self.plan == "ehlo":  # a connection that is kept greets once
            self.counts["421 to a kept connection"] += 1
            return "421 4.4.2 timed out"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        await self.at("mail", session)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, _options):  # noqa: N802
        """The recipient."""
        await self.at("rcpt", session)
        if address == GONE:
            return "550 5.1.1 no such user"
        if self.fails("rcpt 450"):
            return "450 4.2.0 greylisted"
        if self.fails("421"):
            server.transport.close()
            return "421 4.3.2 going down"
        if self.fails("hang"):
            await asyncio.sleep(TIMEOUT_SECONDS * 2)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        """The mail itself."""
        await self.at("data", session)
        if self.fails("data 451"):
            return "451 4.3.0 try later"
        if self.fails("drop"):
            server.transport.abort()
            return "250 never heard"
        message = message_from_bytes(envelope.content, policy=default)
        self.accepted.append((envelope.rcpt_tos[0], int(message["X-Pgvigil-Mail-Id"]), message["Message-ID"]))
        await self.at("accepted", session)
        if self.fails("hang accepted"):
            await asyncio.sleep(TIMEOUT_SECONDS * 8)
        if self.fails("drop accepted"):
            server.transport.abort()
        if self.plan == "replied" and self.kills_left > 0:
            self.plan = None
            asyncio.get_running_loop().call_later(self.random.uniform(0, 0.004), self.kill_later, session.peer)
        return "250 2.0.0 queued"

    def kill_later(self, peer):
        """Kill while the client marks the mail, or just before or after."""
        if kill_owner(peer):
            self.kills_left -= 1
            self.counts["killed at replied"] += 1


def kill_owner(peer):
    """SIGKILL the process of ours at the other end of a connection."""
    for connection in psutil.net_connections("tcp4"):
        if connection.laddr == peer and connection.pid and connection.pid != os.getpid():
            with suppress(psutil.NoSuchProcess):
                psutil.Process(connection.pid).kill()
                return True
    return False


class Mailers:
    """So many mailers, each started again when it was killed, as systemd does."""

    def __init__(self, count, dsn, port, log):
        self.log = log.open("ab")
        self.command = [
            sys.executable, "-m", "pgvigil", "mailer", "--dsn", dsn, "--smtp-host", "127.0.0.1",
            "--smtp-port", str(port), "--smtp-security", "none",
            "--smtp-sender", "pgvigil@example.org", "--poll-interval", "200ms",
            "--smtp-timeout", f"{TIMEOUT_SECONDS}s",
        ]  # fmt: skip
        self.running = [self.start() for _ in range(count)]

    def start(self):
        """Start one."""
        return subprocess.Popen(self.command, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)

    def supervise(self):
        """Start again whoever died."""
        self.running = [self.start() if one.poll() is not None else one for one in self.running]

    def stop(self):
        """End all."""
        for one in self.running:
            one.kill()
            one.wait()
        self.log.close()


def breach(connection, number):
    """Have a new host fire, and one in three end at once."""
    host_id = connection.execute("select pgvigil.register_host(%s, '10 s', '0')", (f"web{number}",)).fetchone()[0]
    at = datetime.now(UTC) - timedelta(minutes=5)
    for seconds, usage in ((0, 95), (10, 10))[: 1 + (number % 3 == 0)]:
        connection.execute(
            "insert into pgvigil.cpu_log (host_id, created_at, cpu_name, cpu_usage) values (%s, %s, 'cpu-total', %s)",
            (host_id, at + timedelta(seconds=seconds), usage),
        )


@pytest.mark.parametrize("count", MAILERS)
def test_no_mail_is_lost_and_copies_share_their_message_id(count, database, tmp_path):
    """Claim, connection, sender, recipient, data, reply, mark: a mailer may die at each of them."""
    rogue = Rogue()
    controller = Controller(rogue, hostname="127.0.0.1", port=free_port())
    controller.start()
    mailers = Mailers(count, database, controller.port, tmp_path / "mailers.log")
    try:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("update pgvigil.threshold set hold = '0'")
            for name, value in SETTINGS.items():
                connection.execute("update pgvigil.setting set value = %s where setting = %s", (value, name))
            for address in (*ADDRESSES, GONE):
                connection.execute("insert into pgvigil.recipient (address, weekly) values (%s, false)", (address,))
            waiting = "select count(*) from pgvigil.mail where sent_at is null and failed_at is null"
            number = 0
            deadline = time.monotonic() + 60 + 3 * KILLS
            while rogue.kills_left > 0 or connection.execute(waiting).fetchone()[0] > 0:
                assert time.monotonic() < deadline, f"{rogue.counts}, {(tmp_path / 'mailers.log').read_text()[-3000:]}"
                if rogue.kills_left > 0 and connection.execute(waiting).fetchone()[0] < 12:
                    number += 1
                    breach(connection, number)
                mailers.supervise()
                time.sleep(0.05)
            rows = connection.execute(
                "select address, mail_id, coalesce(covered_by, mail_id), message_id, sent_at, failed_at, metric"
                " from pgvigil.mail inner join pgvigil.alert using (host_id, alert_id)"
            ).fetchall()
    finally:
        mailers.stop()
        controller.stop()

    told = {}
    for address, mail_id, message_id in rogue.accepted:
        told.setdefault((address, mail_id), set()).add(message_id)
    for address, mail_id, told_in, message_id, sent_at, failed_at, _ in rows:
        if address == GONE:
            assert failed_at is not None, f"mail {mail_id} was refused for good"
            continue
        assert sent_at is not None, f"mail {mail_id} is lost"
        assert told[address, told_in] == {message_id}, f"mail {mail_id} to {address}"
        # what went out by itself is in no digest
        assert told.get((address, mail_id), {message_id}) == {message_id}, f"mail {mail_id} to {address} told twice"
    assert {address for address, *_, metric in rows if metric == "mail_undeliverable"} == set(ADDRESSES)
    assert "Traceback" not in (tmp_path / "mailers.log").read_text()
    due = sum(row[0] != GONE for row in rows)
    sent = len({row[3] for row in rows if row[0] != GONE and row[3]})
    print(  # noqa: T201 - figures for people
        f"\n{count} mailers, {KILLS} kills: {due} due mails told in {len(told)} mails ({sent} Message-IDs),"
        f" {len(rogue.accepted)} copies accepted, {len(rogue.accepted) - len(told)} extra; none lost."
        f"\n{dict(sorted(rogue.counts.items()))}"
    )
