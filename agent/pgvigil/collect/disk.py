"""Space and inodes of file systems, traffic of the devices below them and of disks without a mount."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from pgvigil.collect.figures import per_second, percent, printable
from pgvigil.collect.kernel import KernelFile
from pgvigil.collect.mounts import (
    Mount,
    Space,
    find_bare_disks,
    find_kernel_name,
    parse_mounts,
    read_identity,
    read_label,
    read_space,
)
from pgvigil.collect.options import excluded
from pgvigil.collect.patience import Patience
from pgvigil.model import DiskInfo, DiskLog

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pgvigil.collect.options import CollectOptions

NAME = "disk"
_DISKSTATS = KernelFile("/proc/diskstats")
_SECTOR_BYTES = 512  # the unit of /proc/diskstats, whatever the device's own sectors are
_LAYOUT_MAX_AGE_SECONDS = 60.0
_CONTAINER_ROOTS = {"aufs", "fuse.fuse-overlayfs", "overlay"}
_PATIENCE = Patience(seconds=0.5)  # one for the process: whoever reads next must not hang where this one did


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system at its mount point, or (mount is None) a bare device of so many bytes."""

    disk_name: str
    device: str
    kernel_name: str | None
    mount: Mount | None
    size: int = 0


@dataclass(frozen=True, slots=True)
class Layout:
    """Which disks there are, and what that was concluded from."""

    at: float
    table: bytes
    devices: frozenset[str]
    disks: tuple[Disk, ...]
    stuck: tuple[str, ...] = ()


class Counters(NamedTuple):
    """What a block device counts; busy is the time with at least one request in flight."""

    read_bytes: int
    write_bytes: int
    busy_milliseconds: int


@dataclass(frozen=True, slots=True)
class Reading:
    """All disks at one moment: space by disk name, counters by the device's kernel name."""

    at: float
    layout: Layout
    space: Mapping[str, Space]
    counters: Mapping[str, Counters]
    identities: Mapping[str, int | None] = field(default_factory=dict)
    failures: Mapping[tuple[str, str], str] = field(default_factory=dict)
    mounts: KernelFile | None = None


def read(options: CollectOptions, previous: Reading | None = None) -> Reading:
    """Read space and counters; the layout once a minute or when the mount table or the devices changed."""
    mounts = (previous and previous.mounts) or KernelFile(options.mount_table, tells_changes=True)
    table = mounts.read()
    counters, failures = _read_counters()
    at = monotonic()
    layout = previous.layout if previous else None
    if (
        layout is None
        or layout.table != table
        or layout.devices != counters.keys()
        or layout.stuck
        or at - layout.at > _LAYOUT_MAX_AGE_SECONDS
    ):
        layout = _read_layout(options, at, table, frozenset(counters))
    space: dict[str, Space | None] = {}
    doubtful = {}
    for disk in layout.disks:
        if disk.mount and disk.mount.can_hang:
            doubtful[options.prefix + disk.mount.mount_point] = disk.disk_name
        elif disk.mount:
            space[disk.disk_name] = read_space(options.prefix + disk.mount.mount_point)
    # A thread costs more than the whole reading, so only where it may be needed.
    answers, stuck = _PATIENCE.ask(read_space, doubtful) if doubtful else ({}, ())
    for path in layout.stuck + stuck:
        failures["mount_hangs", printable(path.removeprefix(options.prefix))] = "statvfs() does not return"
    space |= {doubtful[path]: answer for path, answer in answers.items()}
    return Reading(
        at=at,
        layout=layout,
        space={name: found for name, found in space.items() if found},
        mounts=mounts,
        counters=counters,
        identities={disk.kernel_name: read_identity(disk.kernel_name) for disk in layout.disks if disk.kernel_name},
        failures=failures,
    )


def rows(reading: Reading, previous: Reading | None) -> tuple[DiskLog, ...]:
    """Return every disk with its rates since the previous reading; one that vanished has no row."""
    return tuple(
        _row(disk, reading.space.get(disk.disk_name), _rates(disk.kernel_name, reading, previous))
        for disk in reading.layout.disks
        if disk.mount is None or disk.disk_name in reading.space
    )


def inventory(options: CollectOptions) -> tuple[DiskInfo, ...]:
    """Return file systems and bare devices with their size."""
    reading = read(options)
    infos = (
        DiskInfo(
            disk_name=disk.disk_name,
            device=disk.device,
            file_system=disk.mount.fs_type if disk.mount else None,
            mounted=disk.disk_name if disk.mount else None,
            size=reading.space[disk.disk_name].size if disk.mount else disk.size,
        )
        for disk in reading.layout.disks
        if disk.mount is None or disk.disk_name in reading.space
    )
    return tuple(sorted(infos, key=lambda info: info.disk_name))


def _row(disk: Disk, space: Space | None, rates: tuple[float | None, float | None, float | None]) -> DiskLog:
    read_rate, write_rate, io_usage = rates
    if space is None:
        return DiskLog(disk.disk_name, None, None, io_usage, None, None, read_rate, write_rate)
    # Not of the size: what is reserved for root belongs to nobody, so df leaves it out too.
    disk_usage = percent(space.used, space.used + space.available)
    inode_usage = percent(space.inodes - space.inodes_free, space.inodes)
    return DiskLog(
        disk.disk_name, disk_usage, inode_usage, io_usage, space.used, space.available, read_rate, write_rate
    )


def _rates(
    kernel_name: str | None, reading: Reading, previous: Reading | None
) -> tuple[float | None, float | None, float | None]:
    """Return bytes read and written per second and percent of time busy, all None after a reset."""
    name = kernel_name or ""
    now = reading.counters.get(name)
    before = previous.counters.get(name) if previous else None
    if previous is None or now is None or before is None:
        return None, None, None
    if reading.identities.get(name) != previous.identities.get(name):  # another device under the same name
        return None, None, None
    elapsed = reading.at - previous.at
    deltas = Counters(*(new - old for new, old in zip(now, before, strict=True)))
    if min(deltas) < 0:
        return None, None, None
    return (
        per_second(deltas.read_bytes, elapsed),
        per_second(deltas.write_bytes, elapsed),
        percent(deltas.busy_milliseconds, 1000.0 * elapsed),
    )


def _read_counters() -> tuple[dict[str, Counters], dict[tuple[str, str], str]]:
    try:
        return parse_diskstats(_DISKSTATS.read()), {}
    except FileNotFoundError:  # so in some sandboxes
        return {}, {}
    except (OSError, ValueError, IndexError) as exc:  # space is still worth having
        return {}, {("collector_failed", "disk traffic"): f"{type(exc).__name__}: {exc}"}


def parse_diskstats(table: bytes) -> dict[str, Counters]:
    """Return the counters of each device."""
    lines = (line.split() for line in table.split(b"\n") if line)
    return {
        os.fsdecode(line[2]): Counters(int(line[5]) * _SECTOR_BYTES, int(line[9]) * _SECTOR_BYTES, int(line[12]))
        for line in lines
    }


def _read_layout(options: CollectOptions, at: float, table: bytes, devices: frozenset[str]) -> Layout:
    mounts = parse_mounts(table)
    wanted = {options.prefix + mount.mount_point: mount for mount in mounts if _is_wanted(options, mount)}
    found, stuck = _PATIENCE.ask(_read_stat, wanted)
    mounted = _find_mounted([(wanted[path], status) for path, status in found.items()], options.prefix)
    bare = find_bare_disks(mounts, (disk.kernel_name for disk in mounted if disk.kernel_name), prefix=options.prefix)
    disks = mounted + tuple(
        Disk(name, name, name, None, size)
        for name, size in bare.items()
        if name in devices and not excluded(options.disk_device_exclude, name)
    )
    return Layout(at, table, devices, disks, stuck)


def _find_mounted(mounts: Iterable[tuple[Mount, os.stat_result]], prefix: str) -> tuple[Disk, ...]:
    """Return one disk per device: bind mounts and subvolumes count once, at the shortest mount point."""
    disks: dict[object, Disk] = {}
    for mount, found in sorted(mounts, key=lambda item: (len(item[0].mount_point), item[0].mount_point)):
        if not stat.S_ISDIR(found.st_mode):  # containers bind files such as /etc/resolv.conf
            continue
        kernel_name = find_kernel_name(found.st_dev, mount.source, prefix=prefix)
        device = read_label(kernel_name) if kernel_name else mount.source.removeprefix("/dev/")
        disk = Disk(printable(mount.mount_point), printable(device), kernel_name, mount)
        disks.setdefault(kernel_name or (mount.source, found.st_dev), disk)
    return tuple(disks.values())


def _read_stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116 - one call for both answers, many times
    except OSError:
        return None


def _is_wanted(options: CollectOptions, mount: Mount) -> bool:
    if excluded(options.mount_points_exclude, mount.mount_point):
        return False
    # The root of a container is an overlay; without it a container would have no disk at all.
    is_container_root = mount.mount_point == "/" and mount.fs_type in _CONTAINER_ROOTS
    return is_container_root or not excluded(options.fs_types_exclude, mount.fs_type)
