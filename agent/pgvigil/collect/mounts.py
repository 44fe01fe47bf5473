"""What is mounted where, its space, and which block devices are below it: the mount table and /sys, no psutil."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pgvigil.collect.figures import whole_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

SYSFS = Path("/sys")
_SECTOR_BYTES = 512  # the unit of /sys/block/*/size, whatever the device's own sectors are
_OCTAL_ESCAPE = re.compile(rb"\\([0-3][0-7]{2})")


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of the mount table; bytes that are no UTF-8 stay as surrogates, for the system calls."""

    source: str
    mount_point: str
    fs_type: str

    @property
    def can_hang(self) -> bool:
        """Whether a server or a process answers for it: what a device holds the kernel tells from memory."""
        return not self.source.startswith("/dev/") or self.fs_type.startswith("fuse")


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes and inodes of a file system; available is what a user other than root can still have."""

    size: int
    used: int
    available: int
    inodes: int
    inodes_free: int


def read_space(mount_point: str) -> Space | None:
    """Return the space of a file system, None where it vanished, may not be seen or has none to speak of."""
    try:
        found = os.statvfs(mount_point)
    except OSError:
        return None
    if found.f_blocks == 0:
        return None
    return Space(
        size=whole_bytes(found.f_blocks * found.f_frsize),
        used=whole_bytes((found.f_blocks - found.f_bfree) * found.f_frsize),
        available=whole_bytes(found.f_bavail * found.f_frsize),
        inodes=found.f_files,
        inodes_free=found.f_ffree,
    )


def parse_mounts(table: bytes) -> tuple[Mount, ...]:
    """Return the visible mounts: of several at one mount point the last lies on top."""
    mounts: dict[str, Mount] = {}
    for line in table.split(b"\n"):  # not splitlines(): the kernel does not escape a carriage return
        if line.count(b" ") >= 2:  # noqa: PLR2004 - source, mount point, type
            source, mount_point, fs_type = map(unescape, line.split(b" ")[:3])
            mounts[mount_point] = Mount(source, mount_point, fs_type)
    return tuple(mounts.values())


def find_kernel_name(st_dev: int, source: str, sysfs: Path = SYSFS, prefix: str = "") -> str | None:
    """Return the block device below a mount point, None where there is none.

    The device number is right where names are not (/dev/root, /dev/mapper, no /dev at all). Those of btrfs
    and zfs are anonymous, with major 0, so there the source has to tell.
    """
    if os.major(st_dev):
        with suppress(OSError):
            return (sysfs / f"dev/block/{os.major(st_dev)}:{os.minor(st_dev)}").readlink().name
    name = _source_name(source, prefix)
    return name if name and (sysfs / "class/block" / name).exists() else None


def read_label(kernel_name: str, sysfs: Path = SYSFS) -> str:
    """Return the name people use: `vg0-root` for `dm-0`, any other as it is."""
    try:
        return (sysfs / "class/block" / kernel_name / "dm/name").read_text().strip() or kernel_name
    except OSError:
        return kernel_name


def read_identity(kernel_name: str, sysfs: Path = SYSFS) -> int | None:
    """Return a number that a device has as long as it is there, and that no later one of its name has."""
    try:
        return os.stat(f"{sysfs}/class/block/{kernel_name}").st_ino  # noqa: PTH116 - at every beat: half the price
    except OSError:
        return None


def find_bare_disks(
    mounts: Iterable[Mount], mounted: Iterable[str], sysfs: Path = SYSFS, prefix: str = ""
) -> dict[str, int]:
    """Return whole disks, with their bytes, from which nothing is mounted at any height.

    `mounted` are kernel names known already. What has slaves (LVM, RAID, LUKS) is no disk, those are.
    """
    below: set[str] = set()
    for name in {*mounted, *(_source_name(mount.source, prefix) for mount in mounts)} - {""}:
        _add_with_devices_below(name, below, sysfs)
    disks = {}
    for name in sorted(_list(sysfs / "block")):
        if name not in below and not _list(sysfs / "block" / name / "slaves"):
            size = _read_size(sysfs / "block" / name)
            if size > 0:  # an empty card reader, an unused nbd
                disks[name] = size
    return disks


def unescape(field: bytes) -> str:
    """Decode what the kernel escapes in its tables: blanks, tabs, line feeds, backslashes."""
    if b"\\" in field:
        field = _OCTAL_ESCAPE.sub(lambda escape: bytes((int(escape[1], 8),)), field)
    return os.fsdecode(field)


def _source_name(source: str, prefix: str) -> str:
    # udev's links are relative, so below a prefix they lead to where they should.
    return os.path.realpath(prefix + source).rpartition("/")[2] if source.startswith("/dev/") else ""


def _add_with_devices_below(name: str, found: set[str], sysfs: Path) -> None:
    if name in found:
        return
    found.add(name)
    device = sysfs / "class/block" / name
    if (device / "partition").exists():
        _add_with_devices_below(device.resolve().parent.name, found, sysfs)
    for slave in _list(device / "slaves"):
        _add_with_devices_below(slave, found, sysfs)


def _list(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - names are wanted, not paths
    except OSError:
        return []


def _read_size(device: Path) -> int:
    try:
        return int((device / "size").read_text()) * _SECTOR_BYTES
    except (OSError, ValueError):
        return 0
