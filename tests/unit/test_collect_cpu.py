"""CPU shares: deltas over deltas, resets, names."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgvigil.collect import CollectOptions, cpu
from pgvigil.collect.cpu import CpuTimes, Reading

ZERO = CpuTimes(0, 0, 0, 0, 0, 0, 0, 0)
TIMES = st.builds(CpuTimes, *([st.integers(0, 2**64)] * 8))


def reading(total: CpuTimes, load_1m: float = 0.0, **cores: CpuTimes) -> Reading:
    """Build a reading from counters."""
    return Reading(load_1m=load_1m, times={"cpu-total": total} | cores)


def test_a_row_is_what_each_kind_of_time_took_of_the_total() -> None:
    """Nice counts as user, interrupts as system, steal as busy, waiting for I/O as idle."""
    now = CpuTimes(user=10, nice=5, system=6, idle=50, iowait=8, irq=3, softirq=1, steal=17)

    (row,) = cpu.rows(reading(now, load_1m=1.234), reading(ZERO))

    assert (
        row.cpu_name,
        row.cpu_usage,
        row.user_usage,
        row.system_usage,
        row.iowait_usage,
        row.steal_usage,
        row.load_1m,
    ) == ("cpu-total", 42.0, 15.0, 10.0, 8.0, 17.0, 1.23)


def test_the_first_reading_has_no_rows() -> None:
    """There is no share of time without a second reading."""
    assert cpu.rows(reading(ZERO), None) == ()


def test_a_reset_has_no_row() -> None:
    """Counters that start anew say nothing about the time in between."""
    assert cpu.rows(reading(ZERO), reading(ZERO._replace(idle=100, user=5))) == ()


def test_iowait_that_steps_back_counts_as_zero() -> None:
    """The kernel's iowait is not monotonic; that is no reset."""
    before = ZERO._replace(iowait=50)
    now = ZERO._replace(iowait=49, user=10, idle=30)

    (row,) = cpu.rows(reading(now), reading(before))

    assert (row.iowait_usage, row.cpu_usage) == (0.0, 25.0)


def test_a_core_that_came_online_waits_for_the_next_beat() -> None:
    """The others have their rows, and only the total carries the load."""
    busy = ZERO._replace(user=1)

    rows = cpu.rows(reading(busy, 2.0, cpu0=busy, cpu1=busy), reading(ZERO, cpu0=ZERO))

    assert [(row.cpu_name, row.load_1m) for row in rows] == [("cpu-total", 2.0), ("cpu0", None)]


@given(TIMES, TIMES)
def test_shares_stay_within_bounds_whatever_the_counters_do(before: CpuTimes, now: CpuTimes) -> None:
    """No NaN, no infinity, nothing below 0 or above 100, and the parts never exceed the whole."""
    for row in cpu.rows(reading(now), reading(before)):
        shares = (row.user_usage, row.system_usage, row.iowait_usage, row.steal_usage)
        assert all(0.0 <= share <= 100.0 for share in (row.cpu_usage, *shares))
        assert row.user_usage + row.system_usage + row.steal_usage <= row.cpu_usage + 0.02


def read_proc_stat() -> dict[str, list[int]]:
    """Return the ticks of each CPU line of /proc/stat."""
    lines = (line.split() for line in Path("/proc/stat").read_text().splitlines() if line.startswith("cpu"))
    return {"cpu-total" if name == "cpu" else name: list(map(int, values)) for name, *values in lines}


def test_a_reading_agrees_with_proc_stat() -> None:
    """User and system time lie between two readings of /proc/stat, for the host and for every core."""
    before = read_proc_stat()
    times = cpu.read(CollectOptions(per_core=True)).times
    after = read_proc_stat()

    assert sorted(before) == sorted(times)
    for name, time in times.items():
        assert before[name][0] <= time.user <= after[name][0]
        assert before[name][2] <= time.system <= after[name][2]


def test_a_reading_of_the_whole_host_leaves_the_cores_out() -> None:
    """Cores are read only if asked for."""
    assert list(cpu.read(CollectOptions()).times) == ["cpu-total"]


def test_the_inventory_counts_cores() -> None:
    """The total has all of them, each core one."""
    total, *cores = cpu.inventory(CollectOptions(per_core=True))

    assert ("cpu-total", psutil.cpu_count()) == (total.cpu_name, total.cpu_core)
    assert [(core.cpu_name, core.cpu_core) for core in cores] == [
        (name, 1) for name in sorted(read_proc_stat(), key=lambda name: (len(name), name)) if name != "cpu-total"
    ]


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        ("processor\t: 0\nmodel\t\t: 17\nmodel name\t: AMD EPYC\n\nmodel name\t: other\n", "AMD EPYC"),
        (
            "processor\t: 0\nCPU part\t: 0xd08\n\nHardware\t: BCM2711\nModel\t\t: Raspberry Pi 4\n",
            "Raspberry Pi 4",
        ),
        ("Hardware\t: Allwinner\n", "Allwinner"),
        ("processor\t: 0\nmodel\t\t: 17\nmodel name\t:\n", None),
        ("", None),
    ],
)
def test_the_model_is_named_by_the_best_line_there_is(cpuinfo: str, expected: str | None) -> None:
    """ARM names the board, if anything."""
    assert expected == cpu.parse_model_name(cpuinfo.splitlines())


def test_each_core_keeps_its_own_number() -> None:
    """With cpu1 offline the second line is that of cpu2; guest time is in user time already."""
    stat = b"cpu 9 8 7 6 5 4 3 2 1 0\ncpu0 1 1 1 1 1 1 1 1 1 1\ncpu2 8 7 6 5 4 3 2 1 0 0\nintr 5\nctxt 7\n"

    assert {
        "cpu-total": CpuTimes(9, 8, 7, 6, 5, 4, 3, 2),
        "cpu0": CpuTimes(*[1] * 8),
        "cpu2": CpuTimes(8, 7, 6, 5, 4, 3, 2, 1),
    } == cpu.parse_stat(stat)


def test_without_the_line_of_all_cpus_the_first_core_is_not_the_host() -> None:
    """It is an error instead."""
    with pytest.raises(KeyError):
        cpu.parse_stat(b"cpu0 1 1 1 1 1 1 1 1 1 1\n")
