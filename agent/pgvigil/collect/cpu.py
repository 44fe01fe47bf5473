"""Shares of CPU time: psutil's percentages start with a false 0, its counters are those of whatever line is first."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil

from pgvigil.collect.figures import percent
from pgvigil.collect.kernel import KernelFile
from pgvigil.model import CpuInfo, CpuLog

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pgvigil.collect.options import CollectOptions

NAME = "cpu"
TOTAL = "cpu-total"
_STAT = KernelFile("/proc/stat")
_SYS_CPU = Path("/sys/devices/system/cpu")


class CpuTimes(NamedTuple):
    """Ticks since boot. Guest time is not here: the kernel counts it in user and nice already."""

    user: int
    nice: int
    system: int
    idle: int
    iowait: int
    irq: int
    softirq: int
    steal: int


@dataclass(frozen=True, slots=True)
class Reading:
    """The counters of all CPUs at one moment; shares need no clock, as the total is one."""

    load_1m: float
    times: Mapping[str, CpuTimes]


def read(options: CollectOptions, _previous: Reading | None = None) -> Reading:
    """Read the counters of the whole host and, if asked for, of every core."""
    stat = _STAT.read()
    return Reading(os.getloadavg()[0], parse_stat(stat if options.per_core else stat.partition(b"\n")[0]))


def rows(reading: Reading, previous: Reading | None) -> tuple[CpuLog, ...]:
    """Return the shares between two readings; a CPU that is new or was reset waits for the next beat."""
    if previous is None:
        return ()
    shares = (
        _row(name, now, previous.times[name], round(reading.load_1m, 2) if name == TOTAL else None)
        for name, now in reading.times.items()
        if name in previous.times
    )
    return tuple(row for row in shares if row is not None)


def inventory(options: CollectOptions) -> tuple[CpuInfo, ...]:
    """Return what the host computes with."""
    count = psutil.cpu_count() or 1
    model_name = _read_model_name()
    max_mhz = _read_max_mhz()
    total = CpuInfo(
        cpu_name=TOTAL,
        cpu_core=count,
        physical_cores=psutil.cpu_count(logical=False),
        model_name=model_name,
        max_mhz=max_mhz,
    )
    names = (name for name in read(options).times if name != TOTAL)
    return (total, *(CpuInfo(name, 1, None, model_name, max_mhz) for name in names))


def parse_stat(stat: bytes) -> dict[str, CpuTimes]:
    """Return the counters of the host and of each core that is online, under its own number."""
    lines = (line.split() for line in stat.split(b"\n") if line.startswith(b"cpu"))
    times = {name.decode(): CpuTimes(*map(int, ticks[:8])) for name, *ticks in lines}
    return {TOTAL: times.pop("cpu"), **times}


def parse_model_name(cpuinfo: Iterable[str]) -> str | None:
    """Return the processor's name, or on ARM the board's where the processor has none."""
    found: dict[str, str] = {}
    for line in cpuinfo:
        key, _, value = (part.strip() for part in line.partition(":"))
        if value:
            found.setdefault(key, value)
        if "model name" in found:  # one block is enough: the kernel asks every core for its MHz
            break
    names = (found.get(key) for key in ("model name", "Model", "Hardware"))
    return next((name for name in names if name), None)


def _row(name: str, now: CpuTimes, before: CpuTimes, load_1m: float | None) -> CpuLog | None:
    if not sum(now) > sum(before):
        return None
    # iowait and idle step back by a tick now and then, which is no reset.
    spent = CpuTimes(*(max(0, new - old) for new, old in zip(now, before, strict=True)))
    total = sum(spent)
    return CpuLog(
        cpu_name=name,
        cpu_usage=percent(total - spent.idle - spent.iowait, total) or 0.0,
        user_usage=percent(spent.user + spent.nice, total) or 0.0,
        system_usage=percent(spent.system + spent.irq + spent.softirq, total) or 0.0,
        iowait_usage=percent(spent.iowait, total) or 0.0,
        steal_usage=percent(spent.steal, total) or 0.0,
        load_1m=load_1m,
    )


def _read_model_name() -> str | None:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as cpuinfo:
            return parse_model_name(cpuinfo)
    except OSError:
        return None


def _read_max_mhz() -> float | None:
    # psutil.cpu_freq() asks every core for its present clock to tell the highest; these files just say it.
    try:
        files = tuple(_SYS_CPU.glob("cpufreq/policy*/cpuinfo_max_freq"))
        return max((int(file.read_text()) / 1000 for file in files), default=None)
    except (OSError, ValueError):
        return None
