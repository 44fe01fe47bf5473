"""Traffic, errors and drops of network interfaces."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

import psutil

from pgvigil.collect.figures import per_second, percent, printable
from pgvigil.collect.kernel import KernelFile
from pgvigil.collect.options import excluded
from pgvigil.model import NetworkInfo, NetworkLog

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pgvigil.collect.options import CollectOptions

NAME = "network"
_LINKS_MAX_AGE_SECONDS = 60.0
_MAC_LENGTH = len("00:00:00:00:00:00")
_DEV = KernelFile("/proc/net/dev")


class Counters(NamedTuple):
    """What an interface counts; errors and drops are those of both directions."""

    received_bytes: int
    sent_bytes: int
    errors_in: int
    errors_out: int
    drops_in: int
    drops_out: int


@dataclass(frozen=True, slots=True)
class Links:
    """Link speeds in bits per second, as they were at one moment."""

    at: float
    interfaces: frozenset[str]
    speeds: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Reading:
    """The counters of all interfaces at one moment."""

    at: float
    counters: Mapping[str, Counters]
    links: Links
    indexes: Mapping[str, int] = field(default_factory=dict)
    """The kernel's numbers: an interface made anew has another, though its name is the same."""


def read(options: CollectOptions, previous: Reading | None = None) -> Reading:
    """Read the counters each time, the link speeds once a minute or when an interface comes or goes."""
    counters = parse_dev(_DEV.read(), options.net_device_exclude)
    at = monotonic()
    indexes = {name: _read_index(name) for name in counters}
    interfaces = frozenset(counters)
    # Three ioctl per interface, more than the whole rest of a beat, and some drivers ask the card itself.
    if previous is None or previous.links.interfaces != interfaces or at - previous.links.at > _LINKS_MAX_AGE_SECONDS:
        return Reading(at, counters, Links(at, interfaces, _read_speeds()), indexes)
    return Reading(at, counters, previous.links, indexes)


def rows(reading: Reading, previous: Reading | None) -> tuple[NetworkLog, ...]:
    """Return the rates between two readings; an interface new or made anew waits for the next beat."""
    if previous is None:
        return ()
    elapsed = reading.at - previous.at
    rates = (
        _row(name, now, previous.counters[name], elapsed, reading.links.speeds.get(name))
        for name, now in reading.counters.items()
        if name in previous.counters and reading.indexes.get(name) == previous.indexes.get(name)
    )
    return tuple(row for row in rates if row is not None)


def inventory(options: CollectOptions) -> tuple[NetworkInfo, ...]:
    """Return the interfaces, also those without an address, with their speed and MAC."""
    reading = read(options)
    macs = {
        name: address.address
        for name, addresses in psutil.net_if_addrs().items()
        for address in addresses
        if address.family == psutil.AF_LINK
    }
    return tuple(
        NetworkInfo(printable(name), reading.links.speeds.get(name), mac_address(macs.get(name, "")))
        for name in sorted(reading.counters)
    )


def parse_dev(table: bytes, exclude: str = "") -> dict[str, Counters]:
    """Return the counters of each interface, which stands before the last colon of its line."""
    counters = {}
    for line in table.split(b"\n")[2:]:
        device, colon, values = line.rpartition(b":")
        if colon and not excluded(exclude, name := os.fsdecode(device.strip())):
            numbers = values.split()
            counters[name] = Counters(*(int(numbers[column]) for column in (0, 8, 2, 10, 3, 11)))
    return counters


def mac_address(address: str) -> str | None:
    """Return a real MAC address; tunnels and InfiniBand put other things in its place."""
    is_mac = len(address) == _MAC_LENGTH and address.strip("0:") != ""
    return address if is_mac else None


def _row(name: str, now: Counters, before: Counters, elapsed: float, speed: int | None) -> NetworkLog | None:
    deltas = Counters(*(new - old for new, old in zip(now, before, strict=True)))
    if min(deltas) < 0:
        return None
    received = per_second(deltas.received_bytes, elapsed)
    sent = per_second(deltas.sent_bytes, elapsed)
    errors = per_second(deltas.errors_in + deltas.errors_out, elapsed)
    drops = per_second(deltas.drops_in + deltas.drops_out, elapsed)
    if received is None or sent is None or errors is None or drops is None:
        return None
    usage = None if speed is None else percent(8 * max(received, sent), speed)
    return NetworkLog(printable(name), received, sent, errors, drops, usage)


def _read_index(name: str) -> int:
    try:
        return socket.if_nametoindex(name)
    except OSError:  # gone since its counters were read, or its name has bytes that are no UTF-8
        return 0


def _read_speeds() -> dict[str, int]:
    try:
        stats = psutil.net_if_stats()
    except OSError:  # the speed is a garnish: the counters are right without it
        return {}
    return {name: nic.speed * 1_000_000 for name, nic in stats.items() if nic.speed > 0 and not _is_tun(name)}


def _is_tun(name: str) -> bool:
    # The tun driver claims 10 Mbit/s, which a VPN exceeds all day long.
    return Path("/sys/class/net", name, "tun_flags").exists()
