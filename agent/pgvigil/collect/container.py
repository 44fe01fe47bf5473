"""What this host is called, and proof that it is the host: figures of a container would look just as good."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from pgvigil.collect.mounts import unescape
from pgvigil.errors import CollectError, ConfigError

_FIRST_PID_NAMESPACE = 0xEFFFFFFC  # the kernel's PROC_PID_INIT_INO, the same since 3.8
_NO_NAMES = {"", "(none)", "localhost", "localhost.localdomain"}
_INITS = {b"init", b"systemd"}
_BIND = "--volume=/:{}:ro,rslave"


@dataclass(frozen=True, slots=True)
class MountPoint:
    """What mountinfo tells of a mount and the mount table does not."""

    mount_id: str
    device: str
    directory: str
    """Of the file system, what is mounted: `/` unless it is a bind or a subvolume."""
    options: frozenset[str]
    shared: str
    master: str
    """Peer groups: what is mounted below a shared mount shows below those that have its group as their master."""

    @property
    def what(self) -> tuple[str, str]:
        """What is mounted, wherever."""
        return self.device, self.directory


def find_mount_point(mountinfo: bytes, mount_point: str) -> MountPoint | None:
    """Return the topmost mount at a mount point."""
    found = None
    for line in mountinfo.split(b"\n"):
        first, _, _ = line.partition(b" - ")
        fields = [unescape(field) for field in first.split(b" ")]
        if len(fields) > 5 and fields[4] == mount_point:  # noqa: PLR2004 - five fields and the options
            mount_id, _, device, directory, _, options, *tags = fields
            groups = dict(tag.split(":", 1) for tag in tags if ":" in tag)
            found = MountPoint(
                mount_id,
                device,
                directory,
                frozenset(options.split(",")),
                groups.get("shared", ""),
                groups.get("master", ""),
            )
    return found


def check_view(host_root: str, proc: Path = Path("/proc")) -> None:
    """Check that the host is seen: in a container by way of host_root, elsewhere with none. `/` is not checked.

    Raises:
        ConfigError: it is not; names what the container was not given.
    """
    host_root = host_root.rstrip("/") or host_root
    if not host_root:
        if _is_container(proc):
            message = "this is a container, and all that could be measured is the container itself"
            raise ConfigError(
                message,
                f"Run it with --pid=host --network=host {_BIND.format('/host')} and --host-root /host"
                " (PGVIGIL_HOST_ROOT); or with --host-root / if the container is what you want to watch",
            )
    elif host_root != "/" and (missing := _find_missing(host_root, proc)):
        reasons = "; ".join(f"{reason} ({flag})" for flag, reason in missing.items())
        message = f"the host cannot be seen from this container: {reasons}"
        raise ConfigError(message, f"Run the container with {' '.join(missing)}")


def _find_missing(host_root: str, proc: Path) -> dict[str, str]:
    """Return the flags of `docker run` that are missing, and how that shows. No check needs a privilege."""
    missing = {}
    own = _read(proc / "self/mountinfo")
    of_init = _read(proc / "1/mountinfo")
    own_root, root = find_mount_point(own, "/"), find_mount_point(of_init, "/")
    if root is None or (own_root and own_root.mount_id == root.mount_id):
        # A mount has one number in all the system: pid 1 lives in this container.
        missing["--pid=host"] = "pid 1 is not the host's"
        root = None
    elif _inode(proc / "1/net/dev") != _inode(proc / "self/net/dev"):
        # Each network namespace has files of its own.
        missing["--network=host"] = "the network is not the host's"
    bind, flag = find_mount_point(own, host_root), _BIND.format(host_root)
    if bind is None:
        missing[flag] = f"nothing is mounted at {host_root}"
    elif root and bind.what != root.what:
        missing[flag] = f"what is mounted at {host_root} is not the root that pid 1 has"
    elif "ro" not in bind.options:
        missing[flag] = f"{host_root} can be written to"
    elif root and root.shared and root.shared not in {bind.master, bind.shared}:
        missing[flag] = f"what the host mounts later would not show in {host_root}"
    return missing


def _is_container(proc: Path) -> bool:
    """Tell whether this is the container of an application: one with an init of its own (LXC, nspawn) is a host.

    Files such as /.dockerenv tell nothing: a virtual machine made from an image has them too.
    """
    root, init_root = (find_mount_point(_read(proc / name / "mountinfo"), "/") for name in ("self", "1"))
    # Not by mount_id: systemd gives a sandboxed service mounts of its own.
    if root and init_root and root.what != init_root.what:
        return True
    try:
        is_first_namespace = (proc / "self/ns/pid").stat().st_ino == _FIRST_PID_NAMESPACE
    except OSError:
        is_first_namespace = True
    return not is_first_namespace and _read(proc / "1/comm").strip() not in _INITS


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def _inode(file: Path) -> int:
    try:
        return file.stat().st_ino
    except OSError:
        return 0


def host_name(host_root: str = "") -> str:
    """Return the kernel's host name unchanged: no DNS, and db1.north stays another host than db1.south.

    A container may have a name of its own, so there the host's file tells.
    """
    in_container = host_root not in {"", "/"}
    name = _first_line(Path(host_root, "etc/hostname")) if in_container else socket.gethostname()
    if name in (_NO_NAMES if in_container else {"", "(none)"}):
        where = f" in {host_root}/etc/hostname" if in_container else ""
        message = f"this host has no name{where}"
        raise CollectError(message, "Give it one with hostnamectl set-hostname, or with --host-name")
    return name


def machine_id(host_root: str = "") -> dict[str, str]:
    """Return the label that tells this machine from another of the same name; none before systemd has made it."""
    found = _first_line(Path(host_root or "/", "etc/machine-id"))
    return {"machine_id": found} if found not in {"", "uninitialized"} else {}


def _first_line(file: Path) -> str:
    lines = _read(file).decode(errors="replace").split("\n")
    return next((line.strip() for line in lines if line.strip() and not line.startswith("#")), "")
