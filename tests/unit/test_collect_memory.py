"""Memory and swap."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgvigil.collect import CollectOptions, memory
from pgvigil.collect.kernel import KernelFile
from pgvigil.collect.memory import Reading
from pgvigil.model import MemoryInfo, MemoryLog

BYTES = st.integers(0, 2**64)


def read_meminfo() -> dict[str, int]:
    """Return /proc/meminfo in bytes."""
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    return {key.rstrip(":"): int(value) * 1024 for key, value, *_ in lines}


def test_memory_is_what_cannot_be_had_and_swap_what_is_written() -> None:
    """Both have a row where the host has both."""
    rows = memory.rows(Reading(memory_total=1000, memory_available=250, swap_total=300, swap_free=200), None)

    assert (MemoryLog("memory", 75.0, 750, 250), MemoryLog("swap", 33.33, 100, 200)) == rows


def test_a_host_without_swap_has_no_swap_row() -> None:
    """Nothing is not the same as an empty swap."""
    rows = memory.rows(Reading(memory_total=8, memory_available=4, swap_total=0, swap_free=0), None)

    assert [row.memory_name for row in rows] == ["memory"]


@given(BYTES, BYTES, BYTES, BYTES)
def test_fill_stays_within_bounds_whatever_the_kernel_says(total: int, available: int, swap: int, free: int) -> None:
    """Containers have been seen with more available than total."""
    for row in memory.rows(Reading(total, available, swap, free), None):
        assert 0.0 <= row.memory_usage <= 100.0
        assert 0 <= row.used_bytes < 2**63
        assert 0 <= row.available_bytes < 2**63


def test_a_reading_agrees_with_proc_meminfo() -> None:
    """Totals are exact; what is available moves while one looks."""
    reading = memory.read(CollectOptions())
    meminfo = read_meminfo()

    assert (meminfo["MemTotal"], meminfo["SwapTotal"]) == (reading.memory_total, reading.swap_total)
    assert abs(meminfo["MemAvailable"] - reading.memory_available) < 0.05 * reading.memory_total


def test_the_inventory_lists_what_the_host_has() -> None:
    """The same condition as for the rows: no swap, no entry."""
    meminfo = read_meminfo()
    expected = [MemoryInfo("memory", meminfo["MemTotal"])]
    if meminfo["SwapTotal"]:
        expected.append(MemoryInfo("swap", meminfo["SwapTotal"]))

    assert tuple(expected) == memory.inventory(CollectOptions())


def test_swap_is_found_among_its_neighbours() -> None:
    """SwapCached is none of the four, and a kernel without swap has no lines."""
    meminfo = b"MemTotal: 4 kB\nSwapCached: 7 kB\nSwapTotal:  2048 kB\nSwapFree:   1024 kB\n"

    assert {"MemTotal": 4096, "SwapTotal": 2**21, "SwapFree": 2**20} == memory.parse_meminfo(meminfo)


def test_a_kernel_that_does_not_tell_what_is_available_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guess from free and cached would be off by what cannot be dropped."""
    (tmp_path / "meminfo").write_text("MemTotal: 4 kB\nMemFree: 1 kB\n")
    monkeypatch.setattr(memory, "_MEMINFO", KernelFile(str(tmp_path / "meminfo")))

    with pytest.raises(KeyError, match="MemAvailable"):
        memory.read(CollectOptions())
