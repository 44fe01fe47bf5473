"""The rows of a sample in the two forms in which they travel: arrays for PostgreSQL, JSON for the spool."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from pgvigil.model import CpuLog, DiskLog, MemoryLog, NetworkLog, Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_ROWS: dict[str, Any] = {"cpu": CpuLog, "memory": MemoryLog, "disk": DiskLog, "network": NetworkLog}
_NAMES = {table: tuple(field.name for field in fields(row)) for table, row in _ROWS.items()}
_SQL_TYPES = {"str": "text", "float": "real", "int": "bigint"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _insert_statement(table: str, row: type) -> str:
    """Write the INSERT of a log table: one array per column, so that the text and its plan stay the same."""
    types = (_SQL_TYPES[str(field.type).split(" ")[0]] for field in fields(row))
    arrays = [f"${number}::{type_}[]" for number, type_ in enumerate(types, 3)]
    return (
        f"insert into pgvigil.{table}_log (host_id, created_at, {', '.join(_NAMES[table])}) "  # noqa: S608 - ours
        f"select $1::integer, $2::timestamptz, * from unnest({', '.join(arrays)}) on conflict do nothing"
    )


INSERTS: dict[str, tuple[str, Callable[[Any], tuple[Any, ...]]]] = {
    table: (_insert_statement(table, row), attrgetter(*_NAMES[table])) for table, row in _ROWS.items()
}
"""Of each part of a sample the statement, and the function that takes the values of a row."""


def array(values: Sequence[Any]) -> str:
    """Write an array as PostgreSQL reads it: at twelve rows a beat the driver's own way costs more than the rest."""
    if isinstance(values[0], str):
        values = ['"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values]
    return "{" + ",".join("null" if value is None else str(value) for value in values) + "}"


def texts(*values: object) -> list[bytes | None]:
    """Write values as parameters of a statement."""
    return [None if value is None else str(value).encode() for value in values]


def parameters(host_id: int, sample: Sample) -> Iterator[tuple[bytes, list[bytes | None]]]:
    """Return for each part of a sample that has rows its name and the parameters of its statement."""
    for table, (_, values_of) in INSERTS.items():
        if rows := getattr(sample, table):
            arrays = map(array, zip(*map(values_of, rows), strict=True))
            yield table.encode(), texts(host_id, sample.taken_at, *arrays)


def key_of(sample: Sample) -> int:
    """Return when the sample was taken, in microseconds since 1970."""
    return (sample.taken_at - _EPOCH) // timedelta(microseconds=1)


def to_json(sample: Sample) -> str:
    """Write the values column by column, each under its name: a later version may have other columns."""
    tables = {
        table: dict(zip(_NAMES[table], zip(*map(values_of, rows), strict=True), strict=True))
        for table, (_, values_of) in INSERTS.items()
        if (rows := getattr(sample, table))
    }
    return json.dumps(tables, ensure_ascii=False, separators=(",", ":"))


def from_json(key: int, body: str) -> Sample:
    """Read a sample back; what it does not have is not known."""
    tables: dict[str, tuple[Any, ...]] = dict.fromkeys(_ROWS, ())
    for table, columns in json.loads(body).items():
        if table in _ROWS:
            unknown = (None,) * max(map(len, columns.values()))
            values = zip(*(columns.get(name, unknown) for name in _NAMES[table]), strict=True)
            tables[table] = tuple(_ROWS[table](*row) for row in values)
    return Sample(_EPOCH + timedelta(microseconds=key), **tables)
