"""The collector as a whole, on the real host."""

from __future__ import annotations

import logging
import socket
import time
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from pgvigil.collect import COLLECTORS, CollectOptions, Collector, disk, host_name, machine_id, network
from pgvigil.collect.figures import per_second, percent, printable, whole_bytes
from pgvigil.errors import CollectError, ConfigError

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def work_until_the_clock_ticks() -> None:
    """Keep a core busy for some of the kernel's ticks."""
    end = time.monotonic() + 0.05
    while time.monotonic() < end:
        pass


def test_the_first_sample_fakes_no_rate() -> None:
    """Memory and space are known at once."""
    sample = Collector().sample(NOON)

    assert (sample.taken_at, sample.cpu, sample.network) == (NOON, (), ())
    assert sample.memory
    assert {None} == {row.io_usage for row in sample.disk}


def test_a_primed_collector_has_every_rate_at_its_first_sample() -> None:
    """All CPUs of the host are there, and all interfaces asked for."""
    collector = Collector(CollectOptions(per_core=True, net_device_exclude=""))
    collector.prime()
    work_until_the_clock_ticks()

    sample = collector.sample(NOON)

    assert "cpu-total" in [row.cpu_name for row in sample.cpu]
    assert "lo" in [row.network_interface for row in sample.network]


def test_a_sample_speaks_only_of_what_the_inventory_knows() -> None:
    """Rows of the log refer to rows of the inventory by name."""
    collector = Collector(CollectOptions(per_core=True, net_device_exclude=""))
    collector.prime()
    work_until_the_clock_ticks()
    sample, inventory = collector.sample(NOON), collector.inventory()

    assert {row.cpu_name for row in sample.cpu} <= {info.cpu_name for info in inventory.cpu}
    assert {row.memory_name for row in sample.memory} == {info.memory_name for info in inventory.memory}
    assert {row.disk_name for row in sample.disk} == {info.disk_name for info in inventory.disk}
    assert {row.network_interface for row in sample.network} == {info.network_interface for info in inventory.network}


def test_a_clock_that_is_set_changes_no_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a day in either direction: rates are taken over the time that the machine was awake."""
    collector = Collector(CollectOptions(net_device_exclude=""))
    clock = 1000.0
    for module in (disk, network):
        monkeypatch.setattr(module, "monotonic", lambda: clock)
    collector.prime()
    counted = network.read(CollectOptions(net_device_exclude="")).counters["lo"].sent_bytes
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.sendto(bytes(1000), ("127.0.0.1", 9))

    for day, seconds in ((NOON, 10.0), (NOON - timedelta(days=1), 10.0), (NOON + timedelta(days=1), 10.0)):
        clock += seconds
        sample = collector.sample(day)
        (lo,) = (row for row in sample.network if row.network_interface == "lo")
        now = network.read(CollectOptions(net_device_exclude="")).counters["lo"].sent_bytes
        assert sample.taken_at == day
        assert 0 <= lo.sent_bytes_per_second <= round((now - counted) / seconds, 1)
        assert all(row.io_usage is None or row.io_usage <= 100.0 for row in sample.disk)


def test_the_same_moment_twice_has_no_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that stood still, or went back: nothing can be said, so nothing is."""
    collector = Collector(CollectOptions(net_device_exclude=""))
    for moment in (1000.0, 1000.0, 999.0):
        for module in (disk, network):
            monkeypatch.setattr(module, "monotonic", lambda now=moment: now)
        sample = collector.sample(NOON)
        assert sample.network == ()
        assert {None} == {row.write_bytes_per_second for row in sample.disk}


def test_an_unchanged_host_has_an_equal_inventory() -> None:
    """It is compared whole to tell whether to send it again."""
    collector = Collector()

    assert collector.inventory() == collector.inventory()


def test_a_failing_collector_is_logged_once_and_does_not_stop_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A mount table that is not there fails the disks, and only them."""
    collector = Collector(CollectOptions(mounts_file=str(tmp_path / "missing")))
    caplog.set_level(logging.INFO, "pgvigil")

    samples = [collector.sample(NOON) for _ in range(3)]

    assert [sample.disk for sample in samples] == [()] * 3
    assert all(sample.memory for sample in samples)
    (line,) = caplog.messages
    assert line.startswith('collector_failed subject=disk reason="FileNotFoundError: ')


def test_a_failure_that_comes_back_is_logged_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """In between it was mended, so it is news."""
    table = tmp_path / "mounts"
    collector = Collector(CollectOptions(mounts_file=str(table)))
    caplog.set_level(logging.INFO, "pgvigil")

    collector.prime()
    table.touch()
    collector.prime()
    table.unlink()
    collector.prime()

    assert len(caplog.messages) == 2


def test_a_failing_collector_keeps_its_last_inventory(tmp_path: Path) -> None:
    """An empty one would tell the database that the disks are gone; why it may be old goes with it."""
    table = tmp_path / "mounts"
    table.write_text("/dev/x / ext4 rw 0 0\n")
    collector = Collector(CollectOptions(mounts_file=str(table)))
    before = collector.inventory()
    table.unlink()

    after = collector.inventory()

    assert before.disk
    assert before.disk == after.disk
    assert (before.incomplete, after.incomplete) == ((), ("disk",))


def test_each_collector_has_its_place_in_a_sample() -> None:
    """The names in the log are those of the sample's fields."""
    assert [subject.NAME for subject in COLLECTORS] == ["cpu", "memory", "disk", "network"]


@pytest.mark.parametrize("name", [f.name for f in fields(CollectOptions) if f.name.endswith("_exclude")])
def test_a_filter_that_is_no_pattern_is_refused_at_once(name: str) -> None:
    """The message names the option and the value."""
    broken: dict[str, Any] = {name: "("}

    with pytest.raises(ConfigError, match=rf"{name}='\(' is no regular expression"):
        CollectOptions(**broken)


def test_the_host_is_called_what_the_kernel_calls_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """No resolver is asked, nothing is cut off; a host without a name is refused."""
    assert socket.gethostname() == host_name()

    monkeypatch.setattr(socket, "gethostname", lambda: "(none)")
    with pytest.raises(CollectError, match="hostnamectl"):
        host_name()


@pytest.mark.parametrize(
    ("hostname", "expected"),
    [("# made by us\n\n  db1.north \n", "db1.north"), (None, None), ("\n", None), ("localhost.localdomain\n", None)],
)
def test_in_a_container_the_hosts_file_tells_its_name(
    tmp_path: Path, hostname: str | None, expected: str | None
) -> None:
    """The container's own name is another; one that every machine has is none."""
    (tmp_path / "etc").mkdir()
    if hostname is not None:
        (tmp_path / "etc/hostname").write_text(hostname)
    if expected is not None:
        assert expected == host_name(str(tmp_path))
        return
    with pytest.raises(CollectError, match=f"no name in {tmp_path}/etc/hostname.*--host-name"):
        host_name(str(tmp_path))


@pytest.mark.parametrize(("content", "expected"), [("abc\n", {"machine_id": "abc"}), ("uninitialized\n", {}), ("", {})])
def test_the_machine_id_is_a_label(tmp_path: Path, content: str, expected: dict[str, str]) -> None:
    """Before the first boot there is none."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/machine-id").write_text(content)

    assert expected == machine_id(str(tmp_path))
    assert {} == machine_id(str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("host_root", "prefix", "table"),
    [
        ("", "", "/proc/self/mounts"),
        ("/", "", "/proc/self/mounts"),
        ("/host/", "/host", "/proc/1/mounts"),
    ],
)
def test_a_container_reads_the_mounts_of_pid_1(host_root: str, prefix: str, table: str) -> None:
    """`/` says that the container itself is wanted."""
    options = CollectOptions(host_root=host_root)

    assert (prefix, table) == (options.prefix, options.mount_table)


def test_a_host_root_that_is_relative_is_refused() -> None:
    """It would depend on where the agent was started."""
    with pytest.raises(ConfigError, match="host_root='host' is no absolute path"):
        CollectOptions(host_root="host")


def test_figures_are_what_postgres_takes() -> None:
    """Shares end at 0 and 100, nothing over nothing is unknown, sizes fit, names are UTF-8."""
    nan, inf = float("nan"), float("inf")

    assert [
        percent(1, 3),
        percent(inf, 1),
        percent(-1, 3),
        percent(1, 0),
        percent(nan, 1),
        percent(1, nan),
    ] == [33.33, 100.0, 0.0, None, None, None]
    assert [
        per_second(1, 3),
        per_second(-1, 3),
        per_second(1, 0),
        per_second(1e300, 1e-300),
        per_second(nan, 1),
        per_second(10**39, 1),
    ] == [0.3, None, None, None, None, None]
    assert [whole_bytes(size) for size in (-1, 7, 2**64)] == [0, 7, 2**63 - 1]
    assert printable("a\udcff") == "a\N{REPLACEMENT CHARACTER}"
