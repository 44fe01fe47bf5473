"""What this host is called."""

from __future__ import annotations

import socket

from pgvigil.errors import CollectError


def host_name() -> str:
    """Return the kernel's host name unchanged: no DNS, and db1.north stays another host than db1.south."""
    name = socket.gethostname()
    if name in {"", "(none)"}:
        message = "this host has no name"
        raise CollectError(message, "Give it one with hostnamectl set-hostname")
    return name
