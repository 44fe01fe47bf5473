"""What systemd tells a service by signals, and is told with Type=notify and WatchdogSec=; see sd_notify(3)."""

from __future__ import annotations

import signal
import socket
import threading
from contextlib import suppress

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Systemd:
    """The socket of NOTIFY_SOCKET; without one, and where nobody reads it, nothing happens."""

    def __init__(self, address: str | None, watchdog_seconds: float | None = None) -> None:
        self.patience_seconds = watchdog_seconds / 2 if watchdog_seconds else float("inf")
        self._address = f"\0{address[1:]}" if address and address.startswith("@") else address
        self._link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) if address else None

    def tell(self, *states: str) -> None:
        """Send states such as READY=1, WATCHDOG=1, STATUS=..; never waits."""
        if self._link and self._address:
            with suppress(OSError):
                self._link.sendto("\n".join(states).encode(), self._address)


def stop_on_signal() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set: every loop ends by it, in its own order."""
    stop = threading.Event()
    for number in SIGNALS:
        signal.signal(number, lambda *_: stop.set())
    return stop
