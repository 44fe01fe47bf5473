"""What tells a container from a host, on tables as kernels write them; test_collect_host.py has real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgvigil.collect import check_view
from pgvigil.collect.container import MountPoint, find_mount_point
from pgvigil.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

HOST = "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw"
HOST_PRIVATE = "22 1 254:0 / / rw,relatime - ext4 /dev/vda1 rw"
BTRFS = "22 1 0:30 /@ / rw shared:1 - btrfs /dev/vda1 rw,subvol=/@"
OVERLAY = "250 183 0:94 / / ro,relatime master:114 - overlay overlay rw,lowerdir=/x - y"
BIND = "289 250 254:0 / /host ro,relatime master:1 - ext4 /dev/vda1 rw"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """Make the files that the check reads; in them both processes are in one network, and pid 1 is systemd."""
    for name in ("1", "self"):
        (tmp_path / name / "net").mkdir(parents=True)
        (tmp_path / name / "ns").mkdir()
    (tmp_path / "1/comm").write_text("systemd\n")
    (tmp_path / "1/net/dev").touch()
    (tmp_path / "self/net/dev").hardlink_to(tmp_path / "1/net/dev")
    (tmp_path / "self/ns/pid").touch()  # with an inode that is not that of the first name space
    return tmp_path


def write(proc: Path, of_init: tuple[str, ...], own: tuple[str, ...]) -> None:
    """Write both tables."""
    (proc / "1/mountinfo").write_text("".join(f"{line}\n" for line in of_init))
    (proc / "self/mountinfo").write_text("".join(f"{line}\n" for line in own))


@pytest.mark.parametrize(
    ("of_init", "own"),
    [
        (HOST, (OVERLAY, BIND)),
        (HOST_PRIVATE, (OVERLAY, BIND.replace("master:1 ", ""))),  # nothing can be told on
        (BTRFS, (OVERLAY, "289 250 0:30 /@ /host ro master:1 - btrfs /dev/vda1 rw")),
        (HOST, (OVERLAY, BIND.replace("master:1", "shared:1"))),
        (HOST, (OVERLAY, "288 250 0:5 / /host rw - tmpfs tmpfs rw", BIND)),  # the topmost counts
    ],
)
def test_a_view_of_the_host_is_accepted(proc: Path, of_init: str, own: tuple[str, ...]) -> None:
    """Be the root a whole file system, a subvolume, shared or private."""
    write(proc, (of_init,), own)

    check_view("/host", proc)
    check_view("/host/", proc)


@pytest.mark.parametrize(
    ("of_init", "own", "flags"),
    [
        (OVERLAY, (OVERLAY, BIND), "--pid=host"),
        (OVERLAY, (OVERLAY,), "--pid=host --volume=/:/host:ro,rslave"),
        (HOST, (OVERLAY,), "--volume=/:/host:ro,rslave"),
        (HOST, (OVERLAY, BIND.replace(" master:1", "")), "--volume=/:/host:ro,rslave"),
        (HOST, (OVERLAY, BIND.replace("master:1", "master:2")), "--volume=/:/host:ro,rslave"),
        (HOST, (OVERLAY, BIND.replace("ro,", "rw,")), "--volume=/:/host:ro,rslave"),
        (HOST, (OVERLAY, BIND.replace(" / /host", " /home /host")), "--volume=/:/host:ro,rslave"),
        (HOST, (OVERLAY, BIND.replace("254:0", "254:1")), "--volume=/:/host:ro,rslave"),
    ],
)
def test_what_is_missing_is_named(proc: Path, of_init: str, own: tuple[str, ...], flags: str) -> None:
    """Exactly that, and all of it at once."""
    write(proc, (of_init,), own)

    with pytest.raises(ConfigError) as refused:
        check_view("/host", proc)
    assert f"Run the container with {flags}" == refused.value.hint


def test_another_network_is_told_by_its_files(proc: Path) -> None:
    """Whatever is in them: two networks may have the same interfaces."""
    write(proc, (HOST,), (OVERLAY, BIND))
    (proc / "self/net/dev").unlink()
    (proc / "self/net/dev").touch()

    with pytest.raises(ConfigError, match=r"the network is not the host's \(--network=host\)"):
        check_view("/host", proc)


def test_without_any_table_nothing_is_proven(proc: Path) -> None:
    """It is refused, not believed."""
    with pytest.raises(ConfigError, match="pid 1 is not the host's"):
        check_view("/host", proc)


@pytest.mark.parametrize(
    ("of_init", "own", "init", "is_container"),
    [
        (HOST, HOST, "systemd", False),  # LXC, nspawn: a host of its own
        (HOST, HOST.replace("22 1", "90 1"), "init", False),  # a sandboxed service
        (OVERLAY, OVERLAY, "sh", True),
        (OVERLAY, OVERLAY, "docker-init", True),
        (HOST, OVERLAY, "systemd", True),  # --pid=host
    ],
)
def test_without_options_a_container_is_recognised(
    proc: Path, of_init: str, own: str, init: str, *, is_container: bool
) -> None:
    """And `/` says that it is wanted all the same."""
    write(proc, (of_init,), (own,))
    (proc / "1/comm").write_text(f"{init}\n")

    check_view("/", proc)
    if is_container:
        with pytest.raises(ConfigError, match="--pid=host --network=host --volume=/:/host:ro,rslave and --host-root"):
            check_view("", proc)
    else:
        check_view("", proc)


def test_a_line_of_mountinfo_is_read_with_its_escapes_and_tags() -> None:
    """Tags are any number, before the dash."""
    line = rb"36 35 98:0 /a\040b /mnt\0401 rw,noatime shared:3 master:1 unbindable - ext3 /dev/root rw,errors=continue"

    expected = MountPoint("36", "98:0", "/a b", frozenset({"rw", "noatime"}), shared="3", master="1")
    assert expected == find_mount_point(b"garbage\n" + line + b"\n", "/mnt 1")


@given(st.binary(), st.binary())
def test_any_mountinfo_can_be_read(before: bytes, after: bytes) -> None:
    """Garbage beside a line does not hide it, and is none itself."""
    found = find_mount_point(before + b"\n" + HOST.encode() + b"\n" + after, "/nowhere-at-all")

    assert found is None or isinstance(found, MountPoint)
