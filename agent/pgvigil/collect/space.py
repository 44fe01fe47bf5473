"""Space and inodes of a file system, as df counts them."""

from __future__ import annotations

import os
from dataclasses import dataclass

from pgvigil.collect.figures import whole_bytes


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes and inodes of a file system; available is what a user other than root can still have."""

    size: int
    used: int
    available: int
    inodes: int
    inodes_free: int


def read_space(mount_point: str) -> Space | None:
    """Return the space of a file system, None where it vanished, may not be seen or has none to speak of."""
    try:
        found = os.statvfs(mount_point)
    except OSError:
        return None
    if found.f_blocks == 0:
        return None
    return Space(
        size=whole_bytes(found.f_blocks * found.f_frsize),
        used=whole_bytes((found.f_blocks - found.f_bfree) * found.f_frsize),
        available=whole_bytes(found.f_bavail * found.f_frsize),
        inodes=found.f_files,
        inodes_free=found.f_ffree,
    )
