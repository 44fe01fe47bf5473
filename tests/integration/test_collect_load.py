"""Real load, and the host's own tools over the same window: each figure lies between what they say before and after.

Both columns are printed with -s. PGVIGIL_TEST_SECONDS makes the window longer. mpstat and iostat (package sysstat) are
asked too where they are installed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pgvigil.collect import CollectOptions, Collector

SECONDS = float(os.environ.get("PGVIGIL_TEST_SECONDS", "3"))
MEMORY_BYTES = 256 * 2**20
SECTOR_BYTES = 512

BURN = "while True: pass"
HOLD = f"import time; held = bytearray(b'x') * {MEMORY_BYTES}; print('ready', flush=True); time.sleep(600)"
WRITE = """
import os, sys, time
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
block = os.urandom(2**20)
print("ready", flush=True)
while True:
    os.pwrite(file, block, 0)
    os.fdatasync(file)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    os.pread(file, 2**20, 0)
    time.sleep(0.02)
"""
SEND = """
import socket, time
taker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
taker.bind(("127.0.0.1", 0))
giver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print("ready", flush=True)
while True:
    for _ in range(20):
        giver.sendto(bytes(1400), taker.getsockname())
    taker.recv(2000)
    time.sleep(0.002)
"""


@contextmanager
def load(script, *arguments):
    """Run a script that says when it is ready, and kill it at the end."""
    process = subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE)
    try:
        if "ready" in script:
            assert b"ready\n" == process.stdout.readline()
        yield
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def run(*command):
    """Return what a tool prints."""
    environment = os.environ | {"LC_ALL": "C"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=30).stdout


def read_tools():
    """Return cumulative figures by name, and when they were read: (before, figures, after)."""
    before = time.monotonic()
    figures = {}
    names = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
    ticks = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    figures |= {f"cpu {name}": int(value) for name, value in zip(names, ticks, strict=True)}
    for line in Path("/proc/diskstats").read_text().splitlines():
        name, fields = line.split()[2], line.split()
        figures[f"{name} read"] = int(fields[5]) * SECTOR_BYTES
        figures[f"{name} write"] = int(fields[9]) * SECTOR_BYTES
        figures[f"{name} busy"] = int(fields[12])
    if shutil.which("ip"):
        for link in json.loads(run("ip", "-s", "-j", "link")):
            for way in ("rx", "tx"):
                counts = link["stats64"][way]
                figures[f"{link['ifname']} {way}"] = counts["bytes"]
    return before, figures, time.monotonic()


def read_gauges():
    """Return what is not counted but measured, by the kernel and `df`."""
    memory = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    kibibytes = {name: int(memory[f"Mem{name.title()}"].split()[0]) for name in ("total", "available")}
    figures = {f"memory {name}": 1024 * size for name, size in kibibytes.items()}
    for line in run("df", "-B1", "--output=size,used,avail,iused,itotal,target").splitlines()[1:]:
        size, used, available, inodes_used, inodes, target = line.split(maxsplit=5)
        figures[f"{target} size"] = int(size)
        figures[f"{target} used"] = int(used)
        figures[f"{target} available"] = int(available)
        figures[f"{target} inodes"] = 100 * int(inodes_used) / int(inodes) if inodes.isdigit() and int(inodes) else 0.0
    return figures


class Bounds:
    """What a rate can be at least and at most, from readings before and after both of ours."""

    def __init__(self, first, second):
        (self._a0, self._a1), (self._b0, self._b1) = first, second

    def delta(self, *names):
        """The least and the most that counters can have grown between our two readings."""
        least = sum(max(0, self._b0[1][name] - self._a1[1][name]) for name in names)
        most = sum(max(0, self._b1[1][name] - self._a0[1][name]) for name in names)
        return least, most

    def rate(self, *names):
        """The same per second."""
        least, most = self.delta(*names)
        return least / (self._b1[2] - self._a0[0]), most / (self._b0[0] - self._a1[2])

    def share(self, names, of):
        """The same in percent of the growth of others."""
        (least, most), (whole_least, whole_most) = self.delta(*names), self.delta(*of)
        return 100 * least / whole_most, min(100.0, 100 * most / whole_least)


@pytest.fixture
def table():
    """Collect lines of the comparison; print them, and fail if one is out of bounds."""
    lines = []

    def compare(name, ours, least, most, slack=0.0):
        middle = (least + most) / 2
        lines.append((name, ours, middle, ours - middle, least - slack <= ours <= most + slack))

    yield compare
    print(f"\n{'':46}{'pgvigil':>18}{'host':>18}{'difference':>16}")  # noqa: T201 - this is what it is for
    for name, ours, middle, difference, is_right in lines:
        print(f"{name:46}{ours:18.2f}{middle:18.2f}{difference:16.2f}{'' if is_right else '  WRONG'}")  # noqa: T201
    assert len(lines) > 10
    assert [] == [name for name, *_, is_right in lines if not is_right]


def test_under_load_each_figure_is_what_the_tools_of_the_host_say(tmp_path, table):
    """CPU, memory, disk and loopback at once."""
    collector = Collector(CollectOptions(net_device_exclude="^(?!lo$)"))
    with ExitStack() as stack:
        for script in (BURN, HOLD, SEND):
            stack.enter_context(load(script))
        stack.enter_context(load(WRITE, str(tmp_path / "file")))
        first = read_tools(), collector.prime(), read_tools()
        tools = {name: start_tool(*command) for name, command in sysstat().items()}
        time.sleep(SECONDS)
        gauges = [read_gauges()]
        before = read_tools()
        sample = collector.sample(datetime.now(UTC))
        after = read_tools()
        gauges.append(read_gauges())
        said = {name: json.loads(tool.communicate(timeout=30)[0]) for name, tool in tools.items()}
    bounds = Bounds((first[0], first[2]), (before, after))
    devices = {info.disk_name: info for info in collector.inventory().disk}

    compare_cpu(table, sample, bounds)
    compare_memory(table, sample, gauges)
    for row in sample.disk:
        compare_space(table, row, devices[row.disk_name], gauges)
        compare_traffic(table, row, devices[row.disk_name].device, bounds)
    compare_network(table, sample, bounds)
    compare_sysstat(table, sample, devices, said)


def compare_cpu(table, sample, bounds):
    """With a slack, as the idle time of a CPU is counted when it wakes up."""
    (cpu,) = sample.cpu
    busy = [f"cpu {name}" for name in ("user", "nice", "system", "irq", "softirq", "steal")]
    for field, names in {
        "cpu_usage": busy,
        "user_usage": ["cpu user", "cpu nice"],
        "system_usage": ["cpu system", "cpu irq", "cpu softirq"],
        "iowait_usage": ["cpu iowait"],
        "steal_usage": ["cpu steal"],
    }.items():
        least, most = bounds.share(names, [*busy, "cpu idle", "cpu iowait"])
        table(f"cpu-total {field}, /proc/stat", getattr(cpu, field), least, most, slack=1.0)


def compare_memory(table, sample, gauges):
    """The total is exact, the rest moves."""
    ours = {row.memory_name: row for row in sample.memory}["memory"]
    total = gauges[0]["memory total"]
    table("memory used_bytes + available_bytes, /proc/meminfo", ours.used_bytes + ours.available_bytes, total, total)
    available = sorted(gauge["memory available"] for gauge in gauges)
    table("memory available_bytes, /proc/meminfo", ours.available_bytes, *available, slack=0.02 * total)
    assert ours.used_bytes > MEMORY_BYTES


def compare_space(table, row, info, gauges):
    """A bare device has none."""
    if info.mounted is None:
        return
    size = gauges[0][f"{info.mounted} size"]
    table(f"{row.disk_name} size, df", info.size, size, size)
    for field in ("used", "available"):
        found = sorted(gauge[f"{info.mounted} {field}"] for gauge in gauges)
        table(f"{row.disk_name} {field}_bytes, df", getattr(row, f"{field}_bytes"), *found, slack=0.01 * size)
    if row.inode_usage is not None:
        found = sorted(gauge[f"{info.mounted} inodes"] for gauge in gauges)
        table(f"{row.disk_name} inode_usage, df", row.inode_usage, *found, slack=1.0)


def compare_traffic(table, row, device, bounds):
    """An overlay has none."""
    if row.read_bytes_per_second is None:
        return
    mapped = Path("/dev/mapper", device)
    device = mapped.resolve().name if mapped.exists() else device
    for field in ("read", "write"):
        name = f"{row.disk_name} {field}_bytes_per_second, diskstats"
        table(name, getattr(row, f"{field}_bytes_per_second"), *bounds.rate(f"{device} {field}"), slack=0.1)
    least, most = bounds.rate(f"{device} busy")  # milliseconds per second
    table(f"{row.disk_name} io_usage, diskstats", row.io_usage, least / 10, min(100, most / 10), slack=0.1)


def compare_network(table, sample, bounds):
    """What the loopback sends it receives."""
    (lo,) = sample.network
    assert lo.sent_bytes_per_second > 10_000
    if shutil.which("ip"):
        table(
            "lo received_bytes_per_second, ip -s link", lo.received_bytes_per_second, *bounds.rate("lo rx"), slack=0.1
        )
        table("lo sent_bytes_per_second, ip -s link", lo.sent_bytes_per_second, *bounds.rate("lo tx"), slack=0.1)


def compare_sysstat(table, sample, devices, said):
    """These have a window of their own, close to ours."""
    if "mpstat" in said:
        (all_cores,) = said["mpstat"]["sysstat"]["hosts"][0]["statistics"][0]["cpu-load"]
        for field, names in {"user_usage": ("usr", "nice"), "system_usage": ("sys", "irq", "soft")}.items():
            share = sum(all_cores[name] for name in names)
            table(f"cpu-total {field}, mpstat", getattr(sample.cpu[0], field), share, share, slack=10.0)
    found = {}
    if "iostat" in said:
        (statistics,) = said["iostat"]["sysstat"]["hosts"][0]["statistics"]
        found = {disk["disk_device"]: disk for disk in statistics["disk"]}
    for row in sample.disk:
        device = found.get(devices[row.disk_name].device)
        if device and row.write_bytes_per_second is not None:
            written = 1024 * device["wkB/s"]
            name = f"{row.disk_name} write_bytes_per_second, iostat"
            table(name, row.write_bytes_per_second, written, written, slack=0.5 * written + 2**20)
            table(f"{row.disk_name} io_usage, iostat", row.io_usage, device["util"], device["util"], slack=20.0)


def sysstat():
    """Return the commands of those tools that are here."""
    seconds = str(max(1, round(SECONDS)))
    commands = {
        "mpstat": ("mpstat", "-o", "JSON", seconds, "1"),
        "iostat": ("iostat", "-dxky", "-o", "JSON", seconds, "1"),
    }
    return {name: command for name, command in commands.items() if shutil.which(name)}


def start_tool(*command):
    """Start one in the background."""
    return subprocess.Popen(command, env=os.environ | {"LC_ALL": "C"}, stdout=subprocess.PIPE)
