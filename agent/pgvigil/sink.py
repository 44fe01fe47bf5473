"""A local SMTP server that keeps what it is given, for demo and bench. The only module that imports aiosmtpd."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from aiosmtpd.controller import Controller

from pgvigil.message import read_back

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Delivery:
    """A mail that was accepted; accepted_at is Unix time, taken just before the server said 250."""

    mail_id: int
    event: str
    subject: str
    accepted_at: float
    path: Path


class Sink:
    """Accepts every mail on a free port of 127.0.0.1 and leaves it as .eml and .html in a directory."""

    def __init__(self, directory: Path, *, patience_seconds: float = 300) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self.deliveries: list[Delivery] = []
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, timeout=patience_seconds)

    def __enter__(self) -> Self:
        """Start to listen."""
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop to listen; the files stay."""
        self._controller.stop()

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Accept a mail, and keep it once the client has its answer: a mail server does not read mails either."""
        asyncio.get_running_loop().call_soon(self._keep, envelope, time.time())
        return "250 OK"

    def _keep(self, envelope: Any, accepted_at: float) -> None:
        headers, html = read_back(envelope.content)
        event = re.sub(r"[^a-z]", "", headers.get("X-Pgvigil-Event", "mail"))
        path = self._directory / f"{len(self.deliveries) + 1:02}-{event}.eml"
        path.write_bytes(envelope.content)
        path.with_suffix(".html").write_text(html, encoding="utf-8")
        mail_id = int(headers.get("X-Pgvigil-Mail-Id", "0"))
        self.deliveries.append(Delivery(mail_id, event, headers.get("Subject", ""), accepted_at, path))
