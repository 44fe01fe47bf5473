"""Files that are read at every beat. Those of /proc stay open: to open one costs three times as much as to read it."""

from __future__ import annotations

import os
import select
from contextlib import suppress

_CHUNK_BYTES = 2**16


class KernelFile:
    """One file; of a mount table the kernel also tells when it changed, and until then it is not read again."""

    def __init__(self, path: str, *, tells_changes: bool = False) -> None:
        """Take the path; it is opened when it is first read."""
        self._path = path
        self._stays_open = path.startswith("/proc/")  # any other file can be replaced
        self._tells_changes = tells_changes and self._stays_open
        self._changes = select.poll()
        self._descriptor = -1
        self._content = b""

    def __del__(self) -> None:
        """Let go of the file."""
        with suppress(OSError):
            os.close(self._descriptor)

    def read(self) -> bytes:
        """Return the content as it is now."""
        if self._descriptor < 0:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            self._changes.register(self._descriptor, select.POLLPRI)
        elif self._tells_changes and self._content and not self._changes.poll(0):
            return self._content
        content = os.pread(self._descriptor, _CHUNK_BYTES, 0)
        while chunk := os.pread(self._descriptor, _CHUNK_BYTES, len(content)):  # a page at a time, some of them
            content += chunk
        self._content = content
        if not self._stays_open:
            os.close(self._descriptor)
            self._descriptor = -1
        return content
