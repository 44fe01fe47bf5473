"""The past of a fleet, as fast as PostgreSQL takes it: a day of samples, a week packed, rollups, a year of incidents.

Rows that are as wide as real ones are made once for all hosts, in COPY's binary form, and copied again for each beat
with another time; indexes are built afterwards. WAL is spared by wal_level = minimal, VACUUM by COPY's FREEZE.
"""

from __future__ import annotations

import random
import shutil
import struct
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from figures import connect, one

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from figures import Connection

RESOURCES = {  # the largest first: two connections share them
    "network": ["eno1", "eno2", "bond0", "bond0.7", "wg0"],
    "disk": ["/", "/boot", "/home", "/var/lib/postgresql"],
    "memory": ["memory", "swap"],
    "cpu": ["cpu-total"],
}
MODELS = 4  # hosts whose samples are made one by one; the packed days of the others are copies of theirs
SETTINGS = {"wal_level": "minimal", "max_wal_senders": "0", "max_wal_size": "2GB", "fsync": "off", "autovacuum": "off"}
SESSION = (
    "set timezone = 'UTC'; set session_replication_role = replica; set synchronous_commit = off; set jit = off;"
    " set work_mem = '64MB'; set maintenance_work_mem = '1GB'; set max_parallel_maintenance_workers = 0"
)

_PACKED_DAYS = 7
_LEFT_FREE_BYTES = 17e9
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_AT, _STORED_AT = b"\xfeat\x00mark", b"\xfest\x00mark"  # where the two times of a row go
_GROUPS = 20  # hosts that sample at the same moment: a twentieth
_VARIANTS = 3
_FLEET = """
insert into pgvigil.fleet_rollup (width, bucket_at, metric, value, value_max)
select w.suffix, date_bin(w.width, %(now)s, '2000-01-01') - n * w.width, m.metric, random(), random()
from
    (values ('5m', interval '5 minutes', 8640), ('1h', '1 hour', 8760)) as w (suffix, width, count),
    generate_series(w.count, 1, -1) as n, pgvigil.metric as m
where m.log_table is not null
"""
_COPY_PACKED = """
insert into pgvigil_partition.{to} (hour_at, host_id, {columns})
select p.hour_at + %(days)s::integer * interval '1 day', h, {columns}
from generate_series(1, %(hosts)s::integer) as h
inner join pgvigil_partition.{model} as p on p.host_id = 1 + h %% %(models)s::integer
on conflict do nothing
"""
_PARTITIONS = """
select c.relname, b.bounds[1]::timestamptz, b.bounds[2]::timestamptz
from pg_inherits as i
inner join pg_class as c on c.oid = i.inhrelid
cross join lateral regexp_match(
    pg_get_expr(c.relpartbound, c.oid), $$FROM \\('([^']+)'\\) TO \\('([^']+)'\\)$$
) as b (bounds)
where i.inhparent = %s::regclass
order by 2
"""


def fill(dsn: str, hosts: int, directory: Path) -> int:
    """Make the other hosts, a day of samples of all of them, and their past; return how many days of it are packed.

    That is a week, or less if other programs would be left without room on the disk of the directory.
    """
    with connect(dsn) as owner:
        owner.execute(SESSION)
        for statement in Path(__file__).with_name("past.sql").read_text().split(";\n\n"):
            owner.execute(statement.encode(), {"hosts": hosts})
        while one(owner, "select pgvigil.drop_expired_partitions(now())"):  # those of samples that would be gone
            pass
        now = one(owner, "select date_bin('10 seconds', now(), '2000-01-01')")
        owner.execute(_FLEET.encode(), {"now": now})
        with ThreadPoolExecutor(2) as workers:
            list(workers.map(lambda module: _fill_module(dsn, module, hosts, now), RESOURCES))
            days = 0
            while days < _PACKED_DAYS and shutil.disk_usage(directory).free > _LEFT_FREE_BYTES:
                list(workers.map(lambda module: _copy_packed_day(dsn, module, hosts, days + 2), RESOURCES))  # noqa: B023
                days += 1
        leaves = one(
            owner, "select string_agg(oid::regclass::text, ', ') from pg_class where relkind = 'r' and"
            " relnamespace in ('pgvigil'::regnamespace, 'pgvigil_partition'::regnamespace)",
        )  # fmt: skip
        owner.execute(f"vacuum (analyze, process_toast false) {leaves}".encode())
        # The last, as it says that all of it is there.
        owner.execute(
            "insert into pgvigil.rollup_progress (host_id, rolled_until, daily_until)"
            " select host_id, %s, date_trunc('day', %s) from pgvigil.host", 2 * (_rolled_until(now),),
        )  # fmt: skip
    return days


def _fill_module(dsn: str, module: str, hosts: int, now: datetime) -> None:
    day, rolled = timedelta(days=1), _rolled_until(now)
    with connect(dsn) as connection:
        connection.execute(SESSION)
        _copy(connection, f"{module}_log", hosts, (now - day, now, timedelta(seconds=10)))
        _copy(connection, f"{module}_rollup_5m", hosts, (rolled - 30 * day, rolled, timedelta(minutes=5)))
        rolled = rolled.replace(minute=0)
        _copy(connection, f"{module}_rollup_1h", hosts, (rolled - 365 * day, rolled, timedelta(hours=1)))
        rolled = rolled.replace(hour=0)
        _copy(connection, f"{module}_rollup_1d", hosts, (rolled - 365 * day, rolled, day))


def _rolled_until(now: datetime) -> datetime:
    """Return how far the upkeep would have come."""
    return now.replace(minute=now.minute // 5 * 5, second=0) - timedelta(minutes=5)


def _copy(connection: Connection, table: str, hosts: int, span: tuple[datetime, datetime, timedelta]) -> None:
    """Fill the partitions of a table with a row of each resource of each host, from begin to end at each step."""
    begin, end, step = span
    blocks = [
        [b"".join(_rows(connection, table, range(1 + group, hosts + 1, _GROUPS))) for group in range(_GROUPS)]
        for _ in range(_VARIANTS)
    ]
    spread = timedelta(seconds=0.5) if table.endswith("_log") else timedelta()
    key = one(connection, "select pg_get_constraintdef(oid) from pg_constraint where conname = %s"
              " and conrelid = %s::regclass", f"{table}_pkey", f"pgvigil.{table}")  # fmt: skip
    connection.execute(f"alter table pgvigil.{table} drop constraint {table}_pkey".encode())
    names = ", ".join(name for name, _ in _columns(connection, table))
    for partition, first, last in connection.execute(_PARTITIONS, (f"pgvigil.{table}",)).fetchall():
        with connection.transaction():
            connection.execute(f"truncate pgvigil_partition.{partition}".encode())
            copy = f"copy pgvigil_partition.{partition} ({names}) from stdin (format binary, freeze)"
            with connection.cursor().copy(copy.encode()) as target:
                target.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
                for number in range(-(-max(timedelta(), first - begin) // step), -(-(min(last, end) - begin) // step)):
                    for group, block in enumerate(blocks[number % _VARIANTS]):
                        at = begin + number * step + group * spread
                        if at < last:
                            stored_at = at + timedelta(milliseconds=random.uniform(3, 11))  # noqa: S311 - no secret
                            target.write(block.replace(_AT, _time(at)).replace(_STORED_AT, _time(stored_at)))
                target.write(b"\xff\xff")
    connection.execute(f"alter table pgvigil.{table} add constraint {table}_pkey {key}".encode())


def _columns(connection: Connection, table: str) -> list[tuple[str, str]]:
    """Return names and types of the columns of a table in their order."""
    return connection.execute(
        "select attname, atttypid::regtype::text from pg_attribute where attrelid = %s::regclass and attnum > 0"
        " and not attisdropped order by attnum", (f"pgvigil.{table}",),
    ).fetchall()  # fmt: skip


def _rows(connection: Connection, table: str, hosts: range) -> Iterator[bytes]:
    """Return a row of each resource of some hosts, in COPY's binary form, with marks in place of the times."""
    columns = _columns(connection, table)
    for host in hosts:
        for resource in RESOURCES[table.partition("_")[0]]:
            fields = [_field(name, kind, host, resource) for name, kind in columns]
            yield struct.pack(">h", len(fields)) + b"".join(struct.pack(">i", len(data)) + data for data in fields)


def _field(name: str, kind: str, host: int, resource: str) -> bytes:
    value = 100 * random.random()  # noqa: S311 - no secret
    match kind:
        case "text":
            return resource.encode()
        case "integer":
            return struct.pack(">i", host if name == "host_id" else 30)
        case "real" | "double precision":
            return struct.pack(">f" if kind == "real" else ">d", value)
        case "bigint":
            return struct.pack(">q", int(1e9 * value))
        case "boolean":
            return b"\0"
    return _STORED_AT if name == "updated_at" else _AT


def _time(at: datetime) -> bytes:
    return struct.pack(">q", (at - _EPOCH) // timedelta(microseconds=1))


def _copy_packed_day(dsn: str, module: str, hosts: int, back: int) -> None:
    """Give each host the packed day of one of the models."""
    with connect(dsn) as connection:
        connection.execute(SESSION)
        columns = ", ".join(
            name for name, _ in _columns(connection, f"{module}_packed") if name not in {"hour_at", "host_id"}
        )
        today: date = one(connection, "select current_date")
        model, to = (f"{module}_packed_{today - timedelta(days=days):%Y%m%d}" for days in (3, back))
        with connection.transaction():
            if not one(connection, "select to_regclass('pgvigil_partition.' || %s) is not null", to):
                like = f"(like pgvigil.{module}_packed including all) with (toast_tuple_target = 512)"
                first, last = today - timedelta(days=back), today - timedelta(days=back - 1)
                connection.execute(f"create table pgvigil_partition.{to} {like}".encode())
                attach = f"attach partition pgvigil_partition.{to} for values from ('{first}') to ('{last}')"
                connection.execute(f"alter table pgvigil.{module}_packed {attach}".encode())
            statement = _COPY_PACKED.format(to=to, model=model, columns=columns)
            connection.execute(statement.encode(), {"days": 3 - back, "hosts": hosts, "models": MODELS})
