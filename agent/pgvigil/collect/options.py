"""What to measure and what to leave out; the defaults name what no administrator calls a disk or a link."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from functools import lru_cache

from pgvigil.errors import ConfigError

# ".+" and not "$" behind container directories: /var/lib/docker itself is often a disk of its own.
_MOUNT_POINTS = (
    r"^/(dev|proc|sys"
    r"|run/(credentials|user|netns|docker/netns|snapd/ns|containerd/.+|containers/.+)"
    r"|snap/.+|var/lib/(docker|containers|containerd|kubelet|rancher|lxcfs|snapd/snap)/.+)($|/)"
)

# Kernel interfaces, memory, read-only images (full by design), layers over other file systems; and the
# network ones, because statvfs() on a dead server never returns.
_FS_TYPES = (
    r"^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|efivarfs|fusectl|hugetlbfs|mqueue|nsfs"
    r"|proc|pstore|rpc_pipefs|securityfs|selinuxfs|sysfs|tracefs|ramfs|rootfs|tmpfs"
    r"|cramfs|erofs|iso9660|squashfs|udf|aufs|ecryptfs|overlay"
    r"|9p|afs|beegfs|ceph|cifs|coda|fuse|fuse\..+|glusterfs|gpfs|lustre|ncpfs|nfs.*|orangefs|smb.*)$"
)

# nvme0c0n1 is one path of a multipath nvme0n1, mmcblk0boot0 is firmware.
_DISK_DEVICES = r"^(fd|loop|mtdblock|nbd|ram|sr|zram)\d+$|^nvme\d+c\d+n\d+$|^mmcblk\d+(boot\d+|gp\d+|rpmb)$"

# Interfaces that container engines, virtual machines and tunnels make and drop by the dozen.
_NET_DEVICES = (
    r"^(lo|(veth|br-|virbr|lxcbr|lxdbr|incusbr|cni|flannel|cali|cilium|lxc|fwbr|fwln|fwpr).*"
    r"|(docker|podman|docker_gwbridge|vnet|ifb|dummy|sit|tunl|gre|gretap|erspan|ip6tnl|ip6gre|ip_vti|ip6_vti)\d*"
    r"|tap\d+i\d+|kube-ipvs\d+|nodelocaldns|teql\d+|bonding_masters)$"
)


@dataclass(frozen=True, slots=True)
class CollectOptions:
    """Filters are regular expressions searched for in a name; an empty one leaves nothing out."""

    per_core: bool = False
    mount_points_exclude: str = _MOUNT_POINTS
    fs_types_exclude: str = _FS_TYPES
    disk_device_exclude: str = _DISK_DEVICES
    """Whole disks without a mount. What is mounted is chosen by its mount point and its type."""
    net_device_exclude: str = _NET_DEVICES
    host_root: str = ""
    """In a container, where the host's root is mounted; names and filters are those of the host."""
    mounts_file: str = ""

    @property
    def prefix(self) -> str:
        """What stands before each path of the host."""
        return self.host_root.rstrip("/")

    @property
    def mount_table(self) -> str:
        """Where the host's mounts are listed: a container's own are not those of its host."""
        return self.mounts_file or ("/proc/1/mounts" if self.prefix else "/proc/self/mounts")

    def __post_init__(self) -> None:
        """Refuse what could only fail at the first beat."""
        if self.host_root and not self.host_root.startswith("/"):
            message = f"host_root={self.host_root!r} is no absolute path"
            raise ConfigError(message, "Give --host-root (PGVIGIL_HOST_ROOT) like /host, or leave it out")
        for name in (field.name for field in fields(self) if field.name.endswith("_exclude")):
            pattern = getattr(self, name)
            try:
                re.compile(pattern)
            except re.error as exc:
                message = f"{name}={pattern!r} is no regular expression: {exc}"
                raise ConfigError(message, "Mend the pattern, or leave the option out for the default") from exc


@lru_cache(maxsize=1024)
def excluded(pattern: str, name: str) -> bool:
    """Tell whether the filter leaves this name out."""
    return bool(pattern) and re.search(pattern, name) is not None
