"""What a subject of the bench is given, and what it returns."""

from __future__ import annotations

import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import psycopg

from pgvigil.embedded import EmbeddedPostgres, bin_directories
from pgvigil.migrate import migrate
from pgvigil.model import CpuLog, DiskLog, MemoryLog, NetworkLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Connection = psycopg.Connection[Any]

_PATIENCE_SECONDS = 30.0

# A usual host that is well: 12 rows, as the agent of such a host sends them at each beat.
CALM_ROWS: dict[str, tuple[Any, ...]] = {
    "cpu": (CpuLog("cpu-total", 23.4, 15.6, 7.8, 0.3, 0.0, 0.71),),
    "memory": (MemoryLog("memory", 45.6, 7654321000, 9123456000), MemoryLog("swap", 2.1, 45100000, 2102300000)),
    "disk": tuple(
        DiskLog(name, 43.2, 12.3, 4.5, 43210987000, 56789012000, 123456.7, 765432.1)
        for name in ("/", "/boot", "/home", "/var/lib/postgresql")
    ),
    "network": tuple(
        NetworkLog(name, 234567.8, 876543.2, 0.0, 0.0, 7.1) for name in ("eno1", "eno2", "bond0", "bond0.7", "wg0")
    ),
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure: of `count` rounds or events the median (or what the name says), and the spread."""

    name: str
    unit: str
    value: float
    low: float
    high: float
    count: int
    compared_with: str = ""
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None


def of_rounds(
    name: str, unit: str, values: Sequence[float], compared_with: str = "", others: Sequence[float] = ()
) -> Figure:
    """Return the median of rounds; ratios are taken within each round, so that what slows both down cancels out."""
    figure = Figure(name, unit, median(values), min(values), max(values), len(values), compared_with)
    if not others:
        return figure
    ratios = [value / other for value, other in zip(values, others, strict=True)]
    return replace(figure, ratio=median(ratios), ratio_low=min(ratios), ratio_high=max(ratios))


def of_events(name: str, unit: str, values: Sequence[float], percent: int) -> list[Figure]:
    """Return median, a percentile (the nearest rank above) and the worst of single events."""
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    picks = {"median": median(ordered), f"p{percent}": ordered[rank - 1], "worst": ordered[-1]}
    return [
        Figure(f"{name}, {pick}", unit, value, ordered[0], ordered[-1], len(ordered)) for pick, value in picks.items()
    ]


@dataclass(frozen=True, slots=True)
class Context:
    """What a subject may use.

    `quick` is for those who only want to see that it runs, `full` takes an hour, `hosts` are the sizes of the fleet, in
    `keep` the server of the history stays, to be asked again.
    """

    quick: bool
    say: Callable[[str], None]
    full: bool = False
    hosts: Sequence[int] = ()
    keep: Path | None = None

    @property
    def rounds(self) -> int:
        """How often everything is measured, in turns."""
        return 1 if self.quick else 3

    @contextmanager
    def server(self, keep: Path | None = None, **settings: str) -> Iterator[tuple[EmbeddedPostgres, Path]]:
        """Run PostgreSQL 18 with a migrated database `pgvigil` and, beside it, a directory for logs.

        With `keep` all of it stays in that directory, and the next time it is there already.
        """
        with tempfile.TemporaryDirectory(prefix="pgvigil-", dir="/tmp") as name:
            scratch = Path(name)
            scratch.chmod(0o755)  # as root, PostgreSQL runs as nobody
            directory = keep or scratch / "pg"
            with EmbeddedPostgres(directory, bin_directory=bin_directories()[18], settings=settings) as postgres:
                with connect(postgres.dsn()) as connection:
                    if not one(connection, "select exists (select from pg_database where datname = 'pgvigil')"):
                        connection.execute("create database pgvigil")
                migrate(postgres.dsn("pgvigil"))
                yield postgres, scratch


def connect(dsn: str) -> Connection:
    """Connect in autocommit mode."""
    return psycopg.connect(dsn, autocommit=True)


def one(connection: Connection, query: str, *parameters: object) -> Any:
    """Return the first column of the first row."""
    row = connection.execute(query.encode(), parameters or None).fetchone()
    return row[0] if row else None


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: it does not.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            message = f"no {what} within {_PATIENCE_SECONDS:g} s"
            raise TimeoutError(message)
        time.sleep(0.01)
