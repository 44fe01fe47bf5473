"""What this host is called, and which it is."""

from __future__ import annotations

import socket
from pathlib import Path

from pgvigil.errors import CollectError

_NO_NAMES = {"", "(none)", "localhost", "localhost.localdomain"}


def host_name(host_root: str = "") -> str:
    """Return the kernel's host name unchanged: no DNS, and db1.north stays another host than db1.south.

    A container may have a name of its own, so there the host's file tells.
    """
    in_container = host_root not in {"", "/"}
    name = _first_line(Path(host_root, "etc/hostname")) if in_container else socket.gethostname()
    if name in (_NO_NAMES if in_container else {"", "(none)"}):
        where = f" in {host_root}/etc/hostname" if in_container else ""
        message = f"this host has no name{where}"
        raise CollectError(message, "Give it one with hostnamectl set-hostname, or with --host-name")
    return name


def machine_id(host_root: str = "") -> dict[str, str]:
    """Return the label that tells this machine from another of the same name; none before systemd has made it."""
    found = _first_line(Path(host_root or "/", "etc/machine-id"))
    return {"machine_id": found} if found not in {"", "uninitialized"} else {}


def _first_line(file: Path) -> str:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in lines if line.strip() and not line.startswith("#")), "")
