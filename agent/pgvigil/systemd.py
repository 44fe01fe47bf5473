"""What systemd is told of a service with Type=notify and WatchdogSec=; see sd_notify(3)."""

from __future__ import annotations

import socket
from contextlib import suppress


class Systemd:
    """The socket of NOTIFY_SOCKET; without one, and where nobody reads it, nothing happens."""

    def __init__(self, address: str | None) -> None:
        self._address = address and address.replace("@", "\0", 1) if (address or "").startswith("@") else address

    def tell(self, *states: str) -> None:
        """Send states such as READY=1, WATCHDOG=1, STATUS=..; never waits."""
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as link:
            link.sendto("\n".join(states).encode(), self._address)
