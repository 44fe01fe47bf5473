"""Settings of the running parts, checked. The only module that reads the environment or a file of secrets."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

from pgvigil.errors import ConfigError

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """What the agent needs to know besides what to measure."""

    dsn: str = field(repr=False)
    host_name: str
    interval_seconds: float = 10.0
    groups: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    spool_directory: str | None = None  # None: in memory only
    spool_max_bytes: int = 128 * 2**20
    spool_max_age_seconds: float = 7 * 86400.0  # at ten seconds about 80 MB
    notify_socket: str | None = None
    watchdog_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class MailerSettings:
    """What the mailer needs to know besides its SMTP server."""

    dsn: str = field(repr=False)
    mailer_name: str
    message_domain: str
    grafana_url: str | None = None
    templates: Path | None = None
    poll_seconds: float = 5.0


def parse_duration(text: str) -> float:
    """Return the seconds of a duration such as `500ms`, `10s`, `5m`, `1h`, `1d`, or of a bare number.

    Raises:
        ConfigError: it is no duration, or not positive.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*", text)
    seconds = float(match[1]) * _UNITS[match[2] or "s"] if match else 0.0
    if not seconds:
        message = f"{text!r} is no duration"
        raise ConfigError(message, "Give a number with a unit: 500ms, 10s, 5m, 1h, 1d")
    return seconds


def parse_groups(text: str) -> tuple[str, ...]:
    """Return the groups in a list such as `web,asia`.

    Raises:
        ConfigError: one is empty, or is there twice.
    """
    groups = tuple(part.strip() for part in text.split(",")) if text.strip() else ()
    if "" in groups or len(set(groups)) < len(groups):
        message = f"{text!r} is no list of groups"
        raise ConfigError(message, "Give --groups (PGVIGIL_GROUPS) like web,asia")
    return groups


def parse_labels(text: str) -> dict[str, str]:
    """Return the labels in a list such as `site=eu,rack=7`.

    Raises:
        ConfigError: one has no name or no value, or is there twice.
    """
    pairs = [[side.strip() for side in part.split("=", 1)] for part in text.split(",")] if text.strip() else []
    labels = {pair[0]: pair[-1] for pair in pairs if len(pair) > 1 and all(pair)}
    if len(labels) < len(pairs):
        message = f"{text!r} is no list of labels"
        raise ConfigError(message, "Give --labels (PGVIGIL_LABELS) like site=eu,rack=7")
    return labels


def read_secret(path: Path | None, option: str) -> str | None:
    """Return the first line of a file of secrets, None if no file is given.

    Raises:
        ConfigError: it cannot be read, or is empty.
    """
    if path is None:
        return None
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot read the secret in {str(path)!r}: {error}"
        raise ConfigError(message, f"Check {option}, and the owner and mode (0640) of the file") from error
    if not lines or not lines[0]:
        message = f"the secret in {str(path)!r} is empty"
        raise ConfigError(message, f"Write it into the first line of the file, or leave {option} out")
    return lines[0]


def check_host_name(name: str) -> str:
    """Return the name if it can name a host.

    Raises:
        ConfigError: it is empty, too long, or has blanks or control characters.
    """
    if not re.fullmatch(r"[^\s\x00-\x1f\x7f-\x9f]{1,253}", name):
        message = f"{name!r} cannot be the name of a host"
        raise ConfigError(message, "1 to 253 printable characters without blanks; see --host-name (PGVIGIL_HOST_NAME)")
    return name


def find_spool_directory(given: Path | None) -> str | None:
    """Return the directory that was given, else the first that this user may write to, None if there is none."""
    if given is not None:
        return str(given.absolute())
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")  # noqa: PTH111 - it never fails
    for directory in (os.environ.get("STATE_DIRECTORY"), "/var/lib/pgvigil", f"{state}/pgvigil"):
        if directory and directory.startswith("/"):
            try:
                Path(directory).mkdir(mode=0o750, parents=True, exist_ok=True)
            except OSError:
                continue
            if os.access(directory, os.W_OK):
                return directory
    return None


def watchdog_seconds() -> float | None:
    """Return how often systemd wants to hear that this service lives, if it does."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 1e6 if microseconds.isdigit() else None


def lean_environment() -> dict[str, str]:
    """Return the environment of the running agent: threads that hardly ever allocate share one arena."""
    return {"MALLOC_ARENA_MAX": "1", **os.environ}


def notify_socket() -> str | None:
    """Return the address at which systemd wants to hear of this service, if it does."""
    return os.environ.get("NOTIFY_SOCKET")


def stderr_is_the_journal() -> bool:
    """Tell whether what is written to stderr goes straight into the journal; see systemd.exec(5)."""
    status = os.fstat(sys.stderr.fileno())
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
