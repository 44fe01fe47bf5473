"""Fill of memory and of swap."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from pgvigil.collect.figures import percent, whole_bytes
from pgvigil.model import MemoryInfo, MemoryLog

if TYPE_CHECKING:
    from pgvigil.collect.options import CollectOptions

NAME = "memory"


@dataclass(frozen=True, slots=True)
class Reading:
    """Bytes at one moment."""

    memory_total: int
    memory_available: int
    swap_total: int
    swap_free: int


def read(_options: CollectOptions, _previous: Reading | None = None) -> Reading:
    """Read memory through psutil, which knows kernels without MemAvailable, and swap from its two lines."""
    memory = psutil.virtual_memory()
    swap_total, swap_free = parse_swap(Path("/proc/meminfo").read_bytes())
    return Reading(memory.total, memory.available, swap_total, swap_free)


def rows(reading: Reading, _previous: Reading | None) -> tuple[MemoryLog, ...]:
    """Return memory, and swap where the host has any."""
    memory = _row("memory", reading.memory_total, reading.memory_available)
    swap = _row("swap", reading.swap_total, reading.swap_free)
    return tuple(row for row in (memory, swap) if row is not None)


def inventory(options: CollectOptions) -> tuple[MemoryInfo, ...]:
    """Return how much memory and swap there is."""
    reading = read(options)
    sizes = (MemoryInfo("memory", reading.memory_total), MemoryInfo("swap", reading.swap_total))
    return tuple(size for size in sizes if size.physical_memory > 0)


def parse_swap(meminfo: bytes) -> tuple[int, int]:
    """Return total and free swap in bytes; psutil.swap_memory() reads /proc/vmstat as well, or warns."""
    found = {b"SwapTotal:": 0, b"SwapFree:": 0}
    for line in meminfo.splitlines():
        if line.startswith(b"Swap"):
            key, value, *_unit = line.split()
            found[key] = int(value) * 1024
    return found[b"SwapTotal:"], found[b"SwapFree:"]


def _row(name: str, total: int, available: int) -> MemoryLog | None:
    used = total - available
    usage = percent(used, total)
    if usage is None:
        return None
    return MemoryLog(name, usage, whole_bytes(used), whole_bytes(available))
