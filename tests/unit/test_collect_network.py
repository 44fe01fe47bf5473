"""Network rates: hot-plug, re-created interfaces, link speed."""

from __future__ import annotations

import math
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgvigil.collect import CollectOptions, network
from pgvigil.collect.network import Counters, Links, Reading
from pgvigil.collect.options import excluded
from pgvigil.model import NetworkLog

if TYPE_CHECKING:
    from collections.abc import Mapping

EVERYTHING = CollectOptions(net_device_exclude="")
ZERO = Counters(0, 0, 0, 0, 0, 0)
COUNTERS = st.builds(Counters, *([st.integers(0, 2**64)] * 6))


def reading(at: float, counters: Mapping[str, Counters], speeds: Mapping[str, int] | None = None) -> Reading:
    """Build a reading from counters."""
    return Reading(at, counters, Links(at, frozenset(counters), speeds or {}))


def test_rates_are_per_second_and_the_fuller_direction_fills_the_link() -> None:
    """800 bytes in each second are 6400 bits, errors and drops are those of both directions."""
    now = Counters(received_bytes=8000, sent_bytes=500, errors_in=10, errors_out=20, drops_in=5, drops_out=0)

    rows = network.rows(reading(11.0, {"eth0": now}, {"eth0": 64_000}), reading(1.0, {"eth0": ZERO}))

    assert (NetworkLog("eth0", 800.0, 50.0, 3.0, 0.5, 10.0),) == rows


def test_an_unknown_speed_leaves_the_usage_open() -> None:
    """None is not zero."""
    (row,) = network.rows(reading(2.0, {"eth0": ZERO}), reading(1.0, {"eth0": ZERO}))

    assert row.link_usage is None


def test_the_first_reading_has_no_rows() -> None:
    """There is no rate without a second reading."""
    assert network.rows(reading(1.0, {"eth0": ZERO}), None) == ()


def test_an_interface_plugged_in_waits_for_the_next_beat_and_one_pulled_out_is_gone() -> None:
    """Only what was there both times has a rate."""
    rows = network.rows(reading(2.0, {"eth0": ZERO, "new": ZERO}), reading(1.0, {"eth0": ZERO, "pulled": ZERO}))

    assert [row.network_interface for row in rows] == ["eth0"]


@pytest.mark.parametrize("counter", Counters._fields)
def test_any_counter_that_decreased_means_made_anew(counter: str) -> None:
    """Even if the others grew in the meantime."""
    before = ZERO._replace(**{counter: 1})
    now = Counters(9, 9, 9, 9, 9, 9)._replace(**{counter: 0})

    assert network.rows(reading(2.0, {"eth0": now}), reading(1.0, {"eth0": before})) == ()


def test_an_interface_made_anew_waits_even_if_it_counts_more_than_the_one_before() -> None:
    """Its index tells: a VPN that comes back and moves more at once than it had in all its life before."""
    before = Reading(1.0, {"tun0": ZERO, "eth0": ZERO}, Links(1.0, frozenset(), {}), {"tun0": 7, "eth0": 2})
    now = Reading(2.0, {"tun0": ZERO._replace(received_bytes=9), "eth0": ZERO}, before.links, {"tun0": 8, "eth0": 2})

    assert [row.network_interface for row in network.rows(now, before)] == ["eth0"]


def test_indexes_are_those_of_the_kernel() -> None:
    """One for each interface that is measured."""
    found = network.read(EVERYTHING).indexes

    assert {name: index for index, name in socket.if_nameindex() if name in found} == found


@given(COUNTERS, COUNTERS, st.floats(-10, 1e6), st.integers(1, 10**12))
def test_rates_stay_sound_whatever_the_counters_do(before: Counters, now: Counters, elapsed: float, speed: int) -> None:
    """No NaN, no infinity, nothing negative."""
    rows = network.rows(reading(elapsed, {"eth0": now}, {"eth0": speed}), reading(0.0, {"eth0": before}))
    for row in rows:
        rates = (
            row.received_bytes_per_second,
            row.sent_bytes_per_second,
            row.errors_per_second,
            row.drops_per_second,
        )
        assert all(math.isfinite(rate) and rate >= 0.0 for rate in rates)
        assert row.link_usage is not None
        assert 0.0 <= row.link_usage <= 100.0


def read_proc_net_dev() -> dict[str, tuple[int, int]]:
    """Return received and sent bytes of each interface."""
    lines = (line.partition(":") for line in Path("/proc/net/dev").read_text().splitlines()[2:])
    return {name.strip(): (int(rest.split()[0]), int(rest.split()[8])) for name, _, rest in lines}


def test_a_reading_agrees_with_proc_net_dev() -> None:
    """Each counter lies between two readings of /proc/net/dev."""
    before = read_proc_net_dev()
    counters = network.read(EVERYTHING).counters
    after = read_proc_net_dev()

    assert sorted(before) == sorted(counters)
    for name, counter in counters.items():
        assert before[name][0] <= counter.received_bytes <= after[name][0]
        assert before[name][1] <= counter.sent_bytes <= after[name][1]


def test_link_speeds_are_kept_while_the_interfaces_stay() -> None:
    """The second reading takes over what the first asked the drivers."""
    first = network.read(EVERYTHING)

    assert network.read(EVERYTHING, first).links is first.links


def test_link_speeds_are_read_again_when_an_interface_came() -> None:
    """What was read before did not know it."""
    first = network.read(CollectOptions(net_device_exclude="^lo$"))

    assert network.read(EVERYTHING, first).links is not first.links


def test_link_speeds_are_read_again_after_a_minute() -> None:
    """A link renegotiates without an interface coming or going."""
    first = network.read(EVERYTHING)
    old = Reading(first.at, first.counters, Links(first.at - 61, first.links.interfaces, {}))

    assert network.read(EVERYTHING, old).links is not old.links


def test_the_inventory_lists_interfaces_in_order_and_no_address_of_zeros() -> None:
    """The loopback interface is there if asked for, with neither speed nor address."""
    infos = {info.network_interface: info for info in network.inventory(EVERYTHING)}

    assert sorted(read_proc_net_dev()) == list(infos)
    assert (infos["lo"].link_bits_per_second, infos["lo"].mac_address) == (None, None)


def test_the_inventory_tells_the_address_the_kernel_tells() -> None:
    """Whatever else the interface is called by."""
    for info in network.inventory(EVERYTHING):
        address = Path("/sys/class/net", info.network_interface, "address")
        if info.mac_address is not None and address.exists():
            assert address.read_text().strip() == info.mac_address


@pytest.mark.parametrize("address", ["", "00:00:00:00:00:00", "10.0.0.1", "80:00:02:08:fe:80:00:00:00:00"])
def test_what_is_no_mac_address_is_none(address: str) -> None:
    """Tunnels put an IP address in its place, InfiniBand 20 bytes."""
    assert network.mac_address(address) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lo", True),
        ("veth12ab", True),
        ("br-0123456789ab", True),
        ("docker0", True),
        ("virbr0-nic", True),
        ("cali123", True),
        ("flannel.1", True),
        ("eth0", False),
        ("enp3s0f1np1", False),
        ("eno1.100", False),
        ("bond0", False),
        ("br0", False),
        ("wlan0", False),
        ("wg0", False),
        ("tun0", False),
        ("grenoble", False),
        ("lom1", False),
    ],
)
def test_the_default_filter_leaves_out_what_engines_make(name: str, *, expected: bool) -> None:
    """Links of the host stay, also bridges and tunnels that a person set up."""
    assert expected == excluded(CollectOptions().net_device_exclude, name)
