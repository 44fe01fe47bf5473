"""Broken contents of /proc: no traceback, and whatever is reported is what a strict reader finds in the files too."""

from __future__ import annotations

import math
import os
import re
from contextlib import suppress
from dataclasses import astuple
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pgvigil.collect import CollectOptions, Collector, cpu, disk, memory, network
from pgvigil.collect.kernel import KernelFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pgvigil.model import Sample

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
SECONDS = 10.0
EXAMPLES = int(os.environ.get("PGVIGIL_TEST_EXAMPLES", "100"))
FILES = ("stat", "meminfo", "diskstats", "net/dev", "mounts")
NUMBERS = st.sampled_from(
    [b"0", b"1", b"-1", b"18446744073709551615", b"18446744073709551616", b"9" * 40, b"nan", b"0x1f", b"", b"\xd9\xa3"]
)  # fmt: skip
DAMAGE = st.one_of(
    st.tuples(st.just("number"), st.integers(0, 10**6), NUMBERS),
    st.tuples(st.just("grow"), st.integers(0, 10**6), st.integers(0, 2**40)),
    st.tuples(st.just("drop"), st.integers(0, 10**6)),
    st.tuples(st.just("repeat"), st.integers(0, 10**6)),
    st.tuples(st.just("cut"), st.integers(0, 10**6)),
    st.tuples(st.just("insert"), st.integers(0, 10**6), st.binary(max_size=40)),
)
DAMAGES = st.lists(st.tuples(st.sampled_from(FILES), DAMAGE), max_size=6)


def damage(content: bytes, how: str, place: int, what: bytes | int = b"") -> bytes:
    """Change a file in one place."""
    lines = content.split(b"\n")
    at = place % len(lines)
    numbers = [match.span() for match in re.finditer(rb"\b\d+\b", content)]
    if how in {"number", "grow"} and numbers:
        start, end = numbers[place % len(numbers)]
        new = what if isinstance(what, bytes) else str(int(content[start:end]) + what).encode()
        return content[:start] + new + content[end:]
    if how == "drop":
        return b"\n".join(lines[:at] + lines[at + 1 :])
    if how == "repeat":
        return b"\n".join([*lines[: at + 1], *lines[at:]])
    if how == "cut":
        return content[: place % (len(content) + 1)]
    if how == "insert" and isinstance(what, bytes):
        spot = place % (len(content) + 1)
        return content[:spot] + what + content[spot:]
    return content


@pytest.fixture(scope="module")
def proc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give a /proc of our own that the collectors read."""
    folder = tmp_path_factory.mktemp("proc")
    (folder / "net").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for module, file, name in (
            (cpu, "_STAT", "stat"),
            (memory, "_MEMINFO", "meminfo"),
            (disk, "_DISKSTATS", "diskstats"),
            (network, "_DEV", "net/dev"),
        ):
            patch.setattr(module, file, KernelFile(str(folder / name)))
        yield folder


REAL = {name: Path("/proc/self" if name == "mounts" else "/proc", name).read_bytes() for name in FILES}


def read_table(content: bytes, key: int, columns: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Read a table of counters, leaving out what is not exactly as the kernel writes it; the last of a name counts."""
    found = {}
    for line in content.split(b"\n"):
        before, _, behind = line.rpartition(b":")  # only names of interfaces stand before one
        fields = [before.strip(), *behind.split()] if before else line.split()
        with suppress(IndexError, ValueError):
            name = fields[key].decode("utf-8", "replace")  # as PostgreSQL gets it
            found[name] = tuple(int(fields[column]) for column in columns)
    return found


def rates(before: tuple[int, ...], now: tuple[int, ...]) -> tuple[float, ...]:
    """Return what grew, per second."""
    return tuple(round((new - old) / SECONDS, 1) for old, new in zip(before, now, strict=True))


def check(sample: Sample, first: dict[str, bytes], second: dict[str, bytes], options: CollectOptions) -> None:
    """Compare each figure with the files; what is not reported is not wrong."""
    for rows in (sample.cpu, sample.memory, sample.disk, sample.network):
        for row in rows:
            figures = [figure for figure in astuple(row) if isinstance(figure, (int, float))]
            assert all(math.isfinite(figure) and 0 <= figure < 2**64 for figure in figures)
            assert str(row).encode()  # nothing that is no UTF-8
    for row in sample.cpu:
        ticks = [
            [int(field) for field in re.findall(rb"(?m)^cpu ([^\n]*)", content["stat"])[0].split()[:8]]
            for content in (first, second)
        ]
        spent = [max(0, new - old) for old, new in zip(*ticks, strict=True)]
        assert abs(row.cpu_usage - 100 * (sum(spent) - spent[3] - spent[4]) / sum(spent)) < 0.02
    meminfo = dict(re.findall(rb"(?m)^(\w+):\s*([^\n]*?)(?: kB)?$", second["meminfo"]))
    for row in sample.memory:
        available = b"MemAvailable" if row.memory_name == "memory" else b"SwapFree"
        assert row.available_bytes == min(2**63 - 1, 1024 * max(0, int(meminfo[available])))
    tables = [read_table(content["net/dev"], 0, (1, 9)) for content in (first, second)]
    for row in sample.network:
        name = row.network_interface
        assert rates(tables[0][name], tables[1][name]) == (row.received_bytes_per_second, row.sent_bytes_per_second)
    tables = [read_table(content["diskstats"], 2, (5, 9)) for content in (first, second)]
    kernel_names = {found.disk_name: found.kernel_name for found in disk.read(options).layout.disks}
    for row in sample.disk:
        if row.read_bytes_per_second is not None:
            name = kernel_names[row.disk_name]
            bytes_read = (tuple(512 * sectors for sectors in table[name]) for table in tables)
            assert rates(*bytes_read) == (row.read_bytes_per_second, row.write_bytes_per_second)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(DAMAGES, DAMAGES)
@example([], [])
@example([], [("net/dev", ("cut", 250))])
@example([("net/dev", ("insert", 200, b"\x80"))], [("net/dev", ("insert", 200, b"\x80"))])
@example([("diskstats", ("insert", 30, b" x"))], [])
@example([("meminfo", ("drop", 2))], [])
def test_what_is_reported_is_what_the_files_say(
    proc: Path,
    monkeypatch: pytest.MonkeyPatch,
    before: list[tuple[str, tuple[str, int, bytes]]],
    after: list[tuple[str, tuple[str, int, bytes]]],
) -> None:
    """The files are damaged twice, each time anew, ten seconds apart."""
    options = CollectOptions(net_device_exclude="", mounts_file=str(proc / "mounts"))
    collector = Collector(options)
    clock = 100.0
    states = []
    for damages in (before, after):
        files = dict(REAL)
        for name, how in damages:
            files[name] = damage(files[name], *how)
        for name, content in files.items():
            (proc / name).write_bytes(content)
        for module in (disk, network):
            monkeypatch.setattr(module, "monotonic", lambda now=clock: now)
        sample = collector.sample(NOON)
        collector.inventory()
        states.append(files)
        clock += SECONDS

    check(sample, states[0], states[1], options)
