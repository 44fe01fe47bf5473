"""The rows that travel: frozen, named after their tables, fields named after their columns. No I/O.

A field's unit is in its name: `_usage` is percent (0 to 100), `_bytes` bytes, `_per_second` a rate between
two readings. `None` means not known (for instance a rate before the second reading), never zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class CpuLog:
    """Shares of CPU time since the previous reading; `cpu-total` is the mean of all cores."""

    cpu_name: str
    cpu_usage: float
    user_usage: float
    system_usage: float
    iowait_usage: float
    steal_usage: float
    load_1m: float | None


@dataclass(frozen=True, slots=True)
class MemoryLog:
    """Fill of `memory` or `swap`; memory_usage counts what cannot be had without swapping."""

    memory_name: str
    memory_usage: float
    used_bytes: int
    available_bytes: int


@dataclass(frozen=True, slots=True)
class DiskLog:
    """Space and inodes of a file system, traffic of the device below it."""

    disk_name: str
    disk_usage: float | None
    inode_usage: float | None
    io_usage: float | None
    used_bytes: int | None
    available_bytes: int | None
    read_bytes_per_second: float | None
    write_bytes_per_second: float | None


@dataclass(frozen=True, slots=True)
class NetworkLog:
    """Traffic of one interface; errors and drops are sent and received together."""

    network_interface: str
    received_bytes_per_second: float
    sent_bytes_per_second: float
    errors_per_second: float
    drops_per_second: float
    link_usage: float | None


@dataclass(frozen=True, slots=True)
class CpuInfo:
    """What a CPU is: cpu_core counts the logical cores behind the name."""

    cpu_name: str
    cpu_core: int
    physical_cores: int | None
    model_name: str | None
    max_mhz: float | None


@dataclass(frozen=True, slots=True)
class MemoryInfo:
    """How much memory (or swap) the host has."""

    memory_name: str
    physical_memory: int


@dataclass(frozen=True, slots=True)
class DiskInfo:
    """A mounted file system under its mount point, or a bare device under its name (mounted is None)."""

    disk_name: str
    device: str
    file_system: str | None
    mounted: str | None
    size: int


@dataclass(frozen=True, slots=True)
class NetworkInfo:
    """An interface; link speed is None where the kernel does not know it."""

    network_interface: str
    link_bits_per_second: int | None
    mac_address: str | None


@dataclass(frozen=True, slots=True)
class Inventory:
    """What the host consists of, compared whole: a changed inventory is sent again."""

    cpu: tuple[CpuInfo, ...]
    memory: tuple[MemoryInfo, ...]
    disk: tuple[DiskInfo, ...]
    network: tuple[NetworkInfo, ...]
    incomplete: tuple[str, ...] = ()
    """Parts that could not be read whole: what is missing in them is not gone."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Everything measured at one beat; taken_at becomes created_at in every row."""

    taken_at: datetime
    cpu: tuple[CpuLog, ...]
    memory: tuple[MemoryLog, ...]
    disk: tuple[DiskLog, ...]
    network: tuple[NetworkLog, ...]


@dataclass(frozen=True, slots=True)
class AgentProblem:
    """What went wrong in an agent, from started_at on; occurrences count until it was over."""

    problem: str
    subject: str
    detail: str
    occurrences: int
    started_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Mail:
    """One claimed row of the outbox with all that its text needs; see pgvigil.claim_mail()."""

    mail_id: int
    host_id: int
    alert_id: int
    event: str
    severity: str
    address: str
    attempts: int
    host_name: str
    metric: str
    metric_title: str
    unit: str
    direction: str
    resource: str
    sampled_at: datetime
    value: float
    peak_value: float
    fired_at: datetime
    warning: float | None
    critical: float | None
    hold_seconds: float
    threshold_id: int | None
    threshold_scope: str
    note: str
    time_zone: str
    language: str
    history: tuple[float | None, ...]
    detail: str = ""
    companions: tuple[str, ...] = ()
    is_digest: bool = False
    items: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """What sort of mail it is: digest, weekly, or what happened to its incident."""
        return "digest" if self.is_digest else self.event
