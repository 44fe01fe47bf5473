"""Disks: mount tables, devices below, space as df counts it, I/O rates."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgvigil.collect import CollectOptions, disk
from pgvigil.collect.disk import Counters, Disk, Layout, Reading, Space
from pgvigil.collect.mounts import Mount, find_bare_disks, find_kernel_name, parse_mounts, read_identity, read_label
from pgvigil.collect.options import excluded
from pgvigil.model import DiskLog
from support import need_mount_namespace

ROOT = Disk("/", "sda1", "sda1", Mount("/dev/sda1", "/", "ext4"))
BARE = Disk("sdb", "sdb", "sdb", None, 4096)
SPACE = Space(size=1000, used=300, available=600, inodes=200, inodes_free=150)
COUNTERS = st.builds(Counters, *([st.integers(0, 2**64)] * 3))
COUNT = st.integers(0, 2**64)


def reading(
    at: float = 0.0,
    disks: tuple[Disk, ...] = (ROOT,),
    space: dict[str, Space] | None = None,
    **counters: Counters,
) -> Reading:
    """Build a reading of one healthy root and some counters."""
    layout = Layout(at, b"", frozenset(counters), disks)
    return Reading(at, layout, {"/": SPACE} if space is None else space, counters)


def test_a_row_has_the_space_df_shows_and_the_traffic_of_the_device_below() -> None:
    """The 100 bytes reserved for root are neither used nor to be had."""
    now = reading(10.0, sda1=Counters(5000, 100, 2500))
    before = reading(0.0, sda1=Counters(0, 0, 0))

    expected = DiskLog("/", 33.33, 25.0, 25.0, 300, 600, 500.0, 10.0)

    assert (expected,) == disk.rows(now, before)


def test_the_first_reading_has_space_and_no_rates() -> None:
    """Unknown is None, never zero."""
    (row,) = disk.rows(reading(sda1=Counters(1, 1, 1)), None)

    assert (
        row.disk_usage,
        row.read_bytes_per_second,
        row.write_bytes_per_second,
        row.io_usage,
    ) == (33.33, None, None, None)


@pytest.mark.parametrize("counter", Counters._fields)
def test_any_counter_that_decreased_means_reset(counter: str) -> None:
    """All rates of that beat are unknown, the space is not."""
    before = reading(0.0, sda1=Counters(0, 0, 0)._replace(**{counter: 1}))
    now = reading(1.0, sda1=Counters(9, 9, 9)._replace(**{counter: 0}))

    (row,) = disk.rows(now, before)

    assert (
        row.disk_usage,
        row.read_bytes_per_second,
        row.write_bytes_per_second,
        row.io_usage,
    ) == (33.33, None, None, None)


def test_another_device_of_the_same_name_has_no_rates_yet() -> None:
    """Pulled out and plugged in between two beats: that it has counted more already is no traffic of these seconds."""
    before = replace(reading(0.0, sda1=Counters(1, 1, 1)), identities={"sda1": 10})
    now = replace(reading(1.0, sda1=Counters(9, 9, 9)), identities={"sda1": 11})

    (row,) = disk.rows(now, before)

    assert (row.read_bytes_per_second, row.write_bytes_per_second, row.io_usage) == (None, None, None)


def test_a_device_keeps_its_identity_and_another_has_another() -> None:
    """Partitions, loops and mapped devices too."""
    names = os.listdir("/sys/class/block")  # noqa: PTH208 - names are wanted, not paths
    first = {name: read_identity(name) for name in names}

    assert {name: read_identity(name) for name in names} == first
    assert len(set(first.values())) == len(names)
    assert read_identity("no-such-device") is None


def test_a_device_plugged_in_has_no_rates_yet() -> None:
    """A bare device has nothing but its traffic."""
    now = reading(1.0, disks=(ROOT, BARE), sda1=Counters(0, 0, 0), sdb=Counters(7, 7, 7))

    _, row = disk.rows(now, reading(0.0, sda1=Counters(0, 0, 0)))

    assert DiskLog("sdb", None, None, None, None, None, None, None) == row


def test_a_file_system_without_inodes_or_a_device_has_neither_figure() -> None:
    """Btrfs makes inodes as it goes; an overlay has no device of its own."""
    overlay = Disk("/", "overlay", None, Mount("overlay", "/", "overlay"))
    space = Space(size=100, used=10, available=30, inodes=0, inodes_free=0)

    rows = disk.rows(reading(1.0, (overlay,), {"/": space}), reading(0.0, (overlay,), {"/": space}))

    assert (DiskLog("/", 25.0, None, None, 10, 30, None, None),) == rows


def test_a_file_system_that_vanished_has_no_row() -> None:
    """It was listed, then unmounted before it was asked for its space."""
    assert disk.rows(reading(space={}), None) == ()


@given(COUNTERS, COUNTERS, st.floats(-10, 1e6), st.builds(Space, COUNT, COUNT, COUNT, COUNT, COUNT))
def test_figures_stay_sound_whatever_the_counters_do(
    before: Counters, now: Counters, elapsed: float, space: Space
) -> None:
    """No NaN, no infinity, nothing negative, no share above 100."""
    (row,) = disk.rows(reading(elapsed, space={"/": space}, sda1=now), reading(0.0, space={"/": space}, sda1=before))

    shares = (row.disk_usage, row.inode_usage, row.io_usage)
    assert all(share is None or 0.0 <= share <= 100.0 for share in shares)
    rates = (row.read_bytes_per_second, row.write_bytes_per_second)
    assert all(rate is None or (math.isfinite(rate) and rate >= 0.0) for rate in rates)


def test_space_agrees_with_statvfs() -> None:
    """Sizes are exact; what is used moves while one looks."""
    space = disk.read_space("/")
    found = os.statvfs("/")

    assert space is not None
    assert (found.f_blocks * found.f_frsize, found.f_files) == (space.size, space.inodes)
    assert abs((found.f_blocks - found.f_bfree) * found.f_frsize - space.used) < 0.01 * space.size
    assert abs(found.f_bavail * found.f_frsize - space.available) < 0.01 * space.size


def test_counters_agree_with_proc_diskstats() -> None:
    """Bytes and busy time lie between two readings of the kernel's table."""
    before = read_diskstats()
    counters = disk.read(CollectOptions()).counters
    after = read_diskstats()

    assert sorted(before) == sorted(counters)
    for name, counter in counters.items():
        assert before[name][0] <= counter.read_bytes <= after[name][0]
        assert before[name][1] <= counter.write_bytes <= after[name][1]
        assert before[name][2] <= counter.busy_milliseconds <= after[name][2]


def read_diskstats() -> dict[str, tuple[int, int, int]]:
    """Return bytes read, bytes written and busy time of each device."""
    lines = (line.split() for line in Path("/proc/diskstats").read_text().splitlines())
    return {line[2]: (int(line[5]) * 512, int(line[9]) * 512, int(line[12])) for line in lines}


def write_table(tmp_path: Path, *lines: str) -> CollectOptions:
    """Return options that read this mount table, and leave out nothing by name."""
    table = tmp_path / "mounts"
    table.write_text("".join(f"{line} rw 0 0\n" for line in lines))
    return CollectOptions(mounts_file=str(table), mount_points_exclude="", disk_device_exclude=".")


def test_a_device_mounted_twice_counts_once_at_its_shortest_mount_point(tmp_path: Path) -> None:
    """Bind mounts and subvolumes show the same space again."""
    (tmp_path / "b").mkdir()
    (tmp_path / "bind").mkdir()
    options = write_table(tmp_path, f"/dev/x {tmp_path}/bind ext4", f"/dev/x {tmp_path}/b ext4")

    rows = disk.rows(disk.read(options), None)

    assert [f"{tmp_path}/b"] == [row.disk_name for row in rows]


def test_a_mount_point_that_is_a_file_is_no_disk(tmp_path: Path) -> None:
    """Containers have their /etc/resolv.conf bound from the host's disk."""
    options = write_table(tmp_path, f"/dev/x {tmp_path}/mounts ext4")

    assert disk.rows(disk.read(options), None) == ()


def test_a_mount_point_that_vanished_is_skipped(tmp_path: Path) -> None:
    """Be it before the layout was made or after."""
    (tmp_path / "usb").mkdir()
    options = write_table(tmp_path, f"/dev/x {tmp_path}/usb ext4", f"/dev/y {tmp_path}/never ext4")
    first = disk.read(options)
    (tmp_path / "usb").rmdir()

    second = disk.read(options, first)

    assert first.layout is second.layout
    assert (len(disk.rows(first, None)), len(disk.rows(second, first))) == (1, 0)


def test_the_layout_follows_the_mount_table(tmp_path: Path) -> None:
    """What is mounted later is there at the next beat."""
    (tmp_path / "usb").mkdir()
    first = disk.read(write_table(tmp_path))
    second = disk.read(write_table(tmp_path, f"/dev/x {tmp_path}/usb ext4"), first)

    assert ((), (f"{tmp_path}/usb",)) == (
        tuple(row.disk_name for row in disk.rows(first, None)),
        tuple(row.disk_name for row in disk.rows(second, first)),
    )


def test_the_layout_is_made_anew_after_a_minute(tmp_path: Path) -> None:
    """Not every change shows in the mount table."""
    options = write_table(tmp_path)
    first = disk.read(options)
    old = Layout(first.at - 61, first.layout.table, first.layout.devices, first.layout.disks)

    assert disk.read(options, Reading(first.at, old, first.space, first.counters)).layout is not old


def test_an_overlay_counts_only_as_root(tmp_path: Path) -> None:
    """Otherwise a container would have no disk, or the host one for each container."""
    (tmp_path / "merged").mkdir()
    options = write_table(tmp_path, "overlay / overlay", f"overlay {tmp_path}/merged overlay")

    assert [(info.disk_name, info.file_system) for info in disk.inventory(options)] == [("/", "overlay")]


def test_a_name_with_any_bytes_becomes_one_that_postgres_takes(tmp_path: Path) -> None:
    """The kernel escapes a space; bytes that are no UTF-8 are replaced in the name, not in the path."""
    os.mkdir(os.fsencode(tmp_path) + b"/my disk\xff")  # noqa: PTH102 - a path of bytes
    table = tmp_path / "mounts"
    table.write_bytes(b"/dev/x " + os.fsencode(tmp_path) + b"/my\\040disk\xff ext4 rw 0 0\n")

    rows = disk.rows(disk.read(CollectOptions(mounts_file=str(table), disk_device_exclude=".")), None)

    assert [f"{tmp_path}/my disk\N{REPLACEMENT CHARACTER}"] == [row.disk_name for row in rows]


def test_of_several_mounts_at_one_place_the_last_is_seen() -> None:
    """Short lines are skipped, escapes decoded."""
    table = b"rootfs / rootfs rw 0 0\n/dev/sda1 / ext4 rw 0 0\n/dev/sdb /a\\011b\\134c xfs rw 0 0\n\nbroken\n"

    assert (Mount("/dev/sda1", "/", "ext4"), Mount("/dev/sdb", "/a\tb\\c", "xfs")) == parse_mounts(table)


@given(st.binary())
def test_any_mount_table_can_be_parsed(table: bytes) -> None:
    """Garbage gives fewer mounts, never an error."""
    assert all(isinstance(mount.mount_point, str) for mount in parse_mounts(table))


@pytest.fixture
def sysfs(tmp_path: Path) -> Path:
    """Build /sys of a host with LVM on a partition, a RAID, an empty reader and a spare disk.

    sda: sda1, sda2 below dm-0 (vg0-root). sdb and sdc: below md0. sdd: nothing. sde: no medium. nvme0n1: p1.
    """
    sys = tmp_path / "sys"
    parents = {"sda1": "sda", "sda2": "sda", "nvme0n1p1": "nvme0n1"}
    slaves = {"dm-0": ("sda2",), "md0": ("sdb", "sdc")}
    disks = ("sda", "sdb", "sdc", "sdd", "sde", "nvme0n1", "dm-0", "md0")
    (sys / "class/block").mkdir(parents=True)
    (sys / "block").mkdir()
    (sys / "dev/block").mkdir(parents=True)
    for number, name in enumerate((*disks, *parents)):
        device = sys / "devices" / parents.get(name, "") / name
        (device / "slaves").mkdir(parents=True)
        (device / "size").write_text("0\n" if name == "sde" else "8\n")
        (sys / "class/block" / name).symlink_to(device)
        (sys / "dev/block" / f"8:{number}").symlink_to(device)
        if name in parents:
            (device / "partition").write_text("1\n")
        else:
            (sys / "block" / name).symlink_to(device)
        for slave in slaves.get(name, ()):
            (device / "slaves" / slave).symlink_to(sys / "devices")
    (sys / "devices/dm-0/dm").mkdir()
    (sys / "devices/dm-0/dm/name").write_text("vg0-root\n")
    return sys


@pytest.mark.parametrize(
    ("mounted", "expected"),
    [
        ((), {"nvme0n1", "sda", "sdb", "sdc", "sdd"}),
        (("dm-0",), {"nvme0n1", "sdb", "sdc", "sdd"}),
        (("sda1", "nvme0n1p1"), {"sdb", "sdc", "sdd"}),
        (("md0", "sdd"), {"nvme0n1", "sda"}),
    ],
)
def test_a_disk_is_bare_while_nothing_is_mounted_from_it_at_any_height(
    sysfs: Path, mounted: tuple[str, ...], expected: set[str]
) -> None:
    """Partitions, LVM and RAID lead down to the disks; an empty reader is no disk."""
    assert dict.fromkeys(expected, 4096) == find_bare_disks((), mounted, sysfs)


def test_a_disk_is_not_bare_when_the_mount_table_names_it(sysfs: Path) -> None:
    """A mount point that was filtered out, or may not be seen, still uses its disk."""
    mounts = (Mount("/dev/sdd", "/root/secret", "ext4"), Mount("tmpfs", "/tmp", "tmpfs"))  # noqa: S108

    assert "sdd" not in find_bare_disks(mounts, (), sysfs)


def test_the_device_below_is_found_by_number_and_then_by_name(sysfs: Path) -> None:
    """The number is right for /dev/root; btrfs has none; what is no device has neither."""
    expected = ("sda", "sdb", "sdc", None, None)

    assert expected == (
        find_kernel_name(os.makedev(8, 0), "/dev/root", sysfs),
        find_kernel_name(os.makedev(0, 42), "/dev/sdb", sysfs),
        find_kernel_name(os.makedev(99, 99), "/dev/sdc", sysfs),
        find_kernel_name(os.makedev(0, 43), "tank/data", sysfs),
        find_kernel_name(os.makedev(0, 44), "/dev/nothing", sysfs),
    )


def test_a_mapped_device_is_called_by_its_own_name(sysfs: Path) -> None:
    """Nobody knows which volume dm-0 is."""
    assert (read_label("dm-0", sysfs), read_label("sda1", sysfs)) == ("vg0-root", "sda1")


@pytest.mark.parametrize(
    ("mount_point", "expected"),
    [
        ("/", False),
        ("/home", False),
        ("/devel", False),
        ("/var/lib/docker", False),
        ("/var/lib/docker/overlay2/1a/merged", True),
        ("/var/lib/containers/storage/overlay/1a/merged", True),
        ("/var/lib/kubelet/pods/1a/volumes/x", True),
        ("/dev", True),
        ("/dev/shm", True),  # noqa: S108
        ("/proc/sys/fs/binfmt_misc", True),
        ("/run/user/1000", True),
        ("/run/credentials/systemd-sysusers.service", True),
        ("/run/docker/netns/default", True),
        ("/run/media/ann/usb", False),
        ("/snap/core20/1974", True),
    ],
)
def test_the_default_filter_leaves_out_mount_points_of_the_system(mount_point: str, *, expected: bool) -> None:
    """What an administrator mounted stays."""
    assert expected == excluded(CollectOptions().mount_points_exclude, mount_point)


@pytest.mark.parametrize(
    ("fs_type", "expected"),
    [
        *((kept, False) for kept in ("ext4", "xfs", "btrfs", "zfs", "vfat", "fuseblk", "f2fs", "virtiofs")),
        *((left, True) for left in ("tmpfs", "proc", "squashfs", "overlay", "cgroup2", "devtmpfs", "autofs")),
        *((left, True) for left in ("nfs", "nfs4", "cifs", "smb3", "ceph", "9p", "fuse.sshfs", "fuse.s3fs")),
    ],
)
def test_the_default_filter_leaves_out_types_without_a_disk_of_this_host(fs_type: str, *, expected: bool) -> None:
    """A dead network file system would block for ever."""
    assert expected == excluded(CollectOptions().fs_types_exclude, fs_type)


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        *((kept, False) for kept in ("sda", "vda", "xvdf", "nvme0n1", "mmcblk0", "drbd0")),
        *((left, True) for left in ("loop0", "ram1", "fd0", "sr0", "zram0", "nvme0c1n1", "mmcblk0boot0")),
    ],
)
def test_the_default_filter_leaves_out_devices_that_are_no_disks(device: str, *, expected: bool) -> None:
    """Paths and firmware of a disk count with the disk."""
    assert expected == excluded(CollectOptions().disk_device_exclude, device)


def test_mount_table_is_read_again_when_it_changed(tmp_path: Path) -> None:
    """In between the kernel is only asked whether it did."""
    need_mount_namespace()
    script = (
        "import sys, subprocess\n"
        "from pgvigil.collect.kernel import KernelFile\n"
        "table = KernelFile('/proc/self/mounts', tells_changes=True)\n"
        "before = table.read()\n"
        "assert table.read() is before\n"
        "for _ in range(2):\n"
        "    subprocess.run(['mount', '-t', 'tmpfs', 'none', sys.argv[1]], check=True)\n"
        "    assert table.read() == open('/proc/self/mounts', 'rb').read() != before\n"
        "    before = table.read()\n"
    )
    subprocess.run(["unshare", "--mount", sys.executable, "-c", script, tmp_path], check=True)
