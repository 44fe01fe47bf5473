"""Fill of memory and of swap."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pgvigil.collect.figures import percent, whole_bytes
from pgvigil.collect.kernel import KernelFile
from pgvigil.model import MemoryInfo, MemoryLog

if TYPE_CHECKING:
    from pgvigil.collect.options import CollectOptions

NAME = "memory"
_MEMINFO = KernelFile("/proc/meminfo")
_WANTED = re.compile(rb"^(MemTotal|MemAvailable|SwapTotal|SwapFree):(.*?)(?: kB)?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Reading:
    """Bytes at one moment."""

    memory_total: int
    memory_available: int
    swap_total: int
    swap_free: int


def read(_options: CollectOptions, _previous: Reading | None = None) -> Reading:
    """Read four lines of one file."""
    meminfo = parse_meminfo(_MEMINFO.read())
    swap_total = meminfo.get("SwapTotal", 0)
    return Reading(
        memory_total=meminfo["MemTotal"],
        memory_available=meminfo["MemAvailable"],
        swap_total=swap_total,
        swap_free=meminfo["SwapFree"] if swap_total else 0,
    )


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


def parse_meminfo(meminfo: bytes) -> dict[str, int]:
    """Return what is there of the four figures wanted, in bytes."""
    return {key.decode(): 1024 * int(value) for key, value in _WANTED.findall(meminfo)}


def _row(name: str, total: int, available: int) -> MemoryLog | None:
    used = total - available
    usage = percent(used, total)
    if usage is None:
        return None
    return MemoryLog(name, usage, whole_bytes(used), whole_bytes(available))
