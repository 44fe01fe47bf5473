"""What history costs: bytes per value, rolling up and packing, and the time of each dashboard query over all of it."""

from __future__ import annotations

import random
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from figures import Context, Figure, connect, of_events, of_rounds, one

if TYPE_CHECKING:
    from figures import Connection

NAME = "history"
TITLE = "History: a day of samples, a week packed, 30 days of five-minute and a year of hourly rollups"

_MODULES = ("cpu", "memory", "disk", "network")
_MODELS = 4  # hosts whose samples are made one by one; the packed days of the others are copies of theirs
_RESOURCES = {
    "cpu": ["cpu-total"],
    "memory": ["memory", "swap"],
    "disk": ["/", "/boot", "/home", "/var/lib/postgresql"],
    "network": ["eno1", "eno2", "bond0", "bond0.7", "wg0"],
}
# Numbers as the agent rounds them. Busy: percentages and traffic that never stand still; all but one disk are idle.
_SAMPLES = {
    "cpu": (
        "cpu_usage, user_usage, system_usage, iowait_usage, steal_usage, load_1m",
        """
        v.p, round((v.p * 0.7)::numeric, 2), round((v.p * 0.3)::numeric, 2), round((v.q / 50)::numeric, 2), 0,
        round((v.p / 20)::numeric, 2)
        """,
    ),
    "memory": (
        "memory_usage, used_bytes, available_bytes",
        """
        case x.nr when 1 then v.q else 2.1 end, case x.nr when 1 then (v.q * 1e6)::bigint * 4096 else 45100000 end,
        case x.nr when 1 then ((100 - v.q) * 1e6)::bigint * 4096 else 2102300000 end
        """,
    ),
    "disk": (
        "disk_usage, inode_usage, io_usage, used_bytes, available_bytes, read_bytes_per_second, write_bytes_per_second",
        """
        43.2, 12.3, case x.nr when 1 then v.p else 0 end, 43210987008 + case x.nr when 1 then v.n * 40960 else 0 end,
        56789012480 - case x.nr when 1 then v.n * 40960 else 0 end,
        case x.nr when 1 then round((v.q * 1e4)::numeric, 1) else 0 end,
        case x.nr when 1 then round((v.p * 1e4)::numeric, 1) else 0 end
        """,
    ),
    "network": (
        "received_bytes_per_second, sent_bytes_per_second, errors_per_second, drops_per_second, link_usage",
        """
        round((v.p * 1e4 / x.nr)::numeric, 1), round((v.q * 2e4 / x.nr)::numeric, 1), 0, 0,
        round((v.q / 8)::numeric, 2)
        """,
    ),
}
_MAKE_SAMPLES = """
insert into pgvigil.{module}_log (created_at, updated_at, host_id, {resource}, {columns})
select v.at, v.at + (3 + random() * 8) * interval '1 millisecond', v.host_id, x.name, {values}
from (
    select
        w.*,
        round(least(100, greatest(0, 40 + 30 * sin(w.n / 500.0) + 20 * random()))::numeric, 2)::float8 as p,
        round(least(100, greatest(0, 50 + 20 * cos(w.n / 900.0) + 5 * random()))::numeric, 2)::float8 as q
    from (
        select h as host_id, n, %(begin)s + n * interval '10 seconds' + random() * interval '1 millisecond' as at
        from generate_series(0, 8639) as n, generate_series(1, %(hosts)s) as h
    ) as w
) as v
cross join unnest(%(names)s::text []) with ordinality as x (name, nr)
order by v.n, v.host_id
"""
_MAKE_ROLLUPS = """
insert into pgvigil.{module}_rollup_{suffix} (bucket_at, host_id, samples, resource, {columns})
select date_bin(%(width)s::interval, now(), '2000-01-01') - n * %(width)s::interval, h, 30, x, {values}
from
    generate_series(%(count)s::integer, 1, -1) as n, generate_series(1, %(hosts)s::integer) as h,
    unnest(%(names)s::text []) as x
"""
_MAKE_FLEET = """
insert into pgvigil.fleet_rollup (width, bucket_at, metric, value, value_max)
select
    %(suffix)s, date_bin(%(width)s::interval, now(), '2000-01-01') - n * %(width)s::interval, m.metric, random(),
    random()
from pgvigil.metric as m, generate_series(%(count)s::integer, 1, -1) as n
where m.log_table = %(log_table)s
"""
_COPY_PACKED = """
insert into pgvigil_partition.{to} (hour_at, host_id, {columns})
select p.hour_at + %(days)s::integer * interval '1 day', h, {columns}
from generate_series(1, %(hosts)s::integer) as h
inner join pgvigil_partition.{model} as p on p.host_id = 1 + h %% %(models)s::integer
on conflict do nothing
"""
_SPANS = {"an hour": "1 hour", "a day": "1 day", "a week": "7 days", "30 days": "30 days", "a year": "365 days"}


def run(context: Context) -> list[Figure]:
    """Fill a server, weigh it, and ask it what Grafana asks."""
    hosts = 1000 if context.full else 8 if context.quick else 40
    settings = {"shared_buffers": "2GB" if context.full else "512MB", "max_wal_size": "8GB", "fsync": "off"}
    with context.server(**settings) as (postgres, _), connect(postgres.dsn("pgvigil")) as owner:
        owner.execute("set timezone = 'UTC'; set session_replication_role = replica; set synchronous_commit = off")
        owner.execute("set jit = off; set work_mem = '64MB'")
        started = time.monotonic()
        figures = _packing(context, owner)
        context.say(f"{hosts} hosts: samples of today, packed days, rollups")
        _fill(owner, hosts)
        size = one(owner, "select pg_database_size(current_database())::float8 / 1e9")
        context.say(f"filled with {size:.1f} GB after {time.monotonic() - started:.0f} s")
        figures += [of_rounds(f"database of {hosts} hosts", "GB", [size])]
        figures += _rolling_up(owner, hosts)
        return figures + _queries(context, owner, hosts)


def _bytes(owner: Connection, kind: str) -> dict[str, float]:
    """Return the size of all partitions of a kind by module, indexes and TOAST included."""
    query = (
        "select split_part(c.relname, '_', 1), sum(pg_total_relation_size(c.oid))::float8 from pg_class as c"
        " where c.relkind = 'r' and c.relnamespace = 'pgvigil_partition'::regnamespace and c.relname ~ %s"
        " and pg_relation_size(c.oid) > 0 group by 1"
    )
    return dict(owner.execute(query, (f"^[a-z]+_{kind}_",)).fetchall())


def _make_samples(owner: Connection, module: str, begin: str, hosts: int) -> None:
    resource = one(owner, "select resource_column from pgvigil.log_table where log_table = %s", f"{module}_log")
    columns, values = _SAMPLES[module]
    statement = _MAKE_SAMPLES.format(module=module, resource=resource, columns=columns, values=values)
    owner.execute(statement.encode(), {"begin": begin, "hosts": hosts, "names": _RESOURCES[module]})


def _packing(context: Context, owner: Connection) -> list[Figure]:
    """Weigh a day of some hosts before and after it is packed."""
    begin = one(owner, "select date_trunc('day', now()) - interval '3 days'")
    owner.execute("select pgvigil.ensure_partitions(%s)", (begin,))
    owner.execute(
        "insert into pgvigil.host (host_name) select 'host' || n from generate_series(1, %s::integer) as n", (_MODELS,)
    )
    for module in _MODULES:
        _make_samples(owner, module, begin, _MODELS)
    owner.execute("vacuum analyze")
    samples = 8640 * _MODELS
    values = {module: samples * len(_RESOURCES[module]) * len(_SAMPLES[module][0].split(",")) for module in _MODULES}
    raw = _bytes(owner, "log")
    context.say("packing")
    spent = []
    for _ in range(1000):
        began = time.monotonic()
        owner.execute("select pgvigil.advance_horizon(clock_timestamp() + interval '10 minutes')")
        owner.execute("select pgvigil.pack_history(now())")
        spent.append(time.monotonic() - began)
        if not one(owner, "select exists (select from pgvigil.packed_day where not is_done)"):
            break
    owner.execute("vacuum analyze")
    packed = _bytes(owner, "packed")
    per_row = "a row of samples, its index included"
    figures = [
        of_rounds(
            f"{module}, packed",
            "bytes per value",
            [packed[module] / values[module]],
            per_row,
            [raw[module] / values[module]],
        )
        for module in _MODULES
    ]
    total = sum(values.values())
    return [
        of_rounds("samples as rows", "bytes per value", [sum(raw.values()) / total]),
        of_rounds("packed history, all modules", "bytes per value", [sum(packed.values()) / total], per_row,
                  [sum(raw.values()) / total]),
        *figures,
        of_rounds("packing a day of a host", "ms", [1000 * sum(spent) / _MODELS]),
    ]  # fmt: skip


def _fill(owner: Connection, hosts: int) -> None:
    """Make the other hosts, a day of samples of all of them, and their past."""
    owner.execute(
        "insert into pgvigil.host (host_name) select 'host' || n from generate_series(%s::integer, %s::integer) as n",
        (_MODELS + 1, hosts),
    )
    owner.execute("select pgvigil.ensure_partitions(now() - n * interval '7 days') from generate_series(0, 53) as n")
    while one(owner, "select pgvigil.drop_expired_partitions(now())"):  # those of samples that would be gone
        pass
    begin = one(owner, "select date_bin('10 seconds', now(), '2000-01-01') - interval '1 day'")
    for module in _MODULES:
        _make_samples(owner, module, begin, hosts)
        _copy_packed_days(owner, module, hosts)
        for suffix, width, count in (("5m", "5 minutes", 30 * 288), ("1h", "1 hour", 365 * 24)):
            columns = _columns_of(owner, f"{module}_rollup_{suffix}", ("bucket_at", "host_id", "samples", "resource"))
            values = {"width": width, "count": count, "hosts": hosts, "names": _RESOURCES[module]}
            values |= {"suffix": suffix, "log_table": f"{module}_log"}
            statement = _MAKE_ROLLUPS.format(
                module=module,
                suffix=suffix,
                columns=", ".join(columns),
                values=", ".join(["random() * 100"] * len(columns)),
            )
            owner.execute(statement.encode(), values)
            owner.execute(_MAKE_FLEET, values)
    owner.execute(
        "insert into pgvigil.rollup_progress select host_id, date_bin('1 hour', now(), '2000-01-01') from pgvigil.host"
    )
    owner.execute("vacuum analyze")


def _columns_of(owner: Connection, table: str, others: tuple[str, ...]) -> list[str]:
    rows = owner.execute(
        "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attname = any(%s)"
        " order by attnum",
        (f"pgvigil.{table}", list(others)),
    )
    return [row[0] for row in rows]


def _copy_packed_days(owner: Connection, module: str, hosts: int) -> None:
    """Give each host the packed day of one of the models, on each of seven days."""
    columns = ", ".join(_columns_of(owner, f"{module}_packed", ("hour_at", "host_id")))
    today = one(owner, "select current_date")
    model = f"{module}_packed_{today - timedelta(days=3):%Y%m%d}"
    for back in range(2, 9):
        day = today - timedelta(days=back)
        to = f"{module}_packed_{day:%Y%m%d}"
        if not one(owner, "select to_regclass('pgvigil_partition.' || %s) is not null", to):
            like = f"(like pgvigil.{module}_packed including all) with (toast_tuple_target = 512)"
            bounds = f"for values from ('{day}') to ('{day + timedelta(days=1)}')"
            owner.execute(f"create table pgvigil_partition.{to} {like}".encode())
            owner.execute(
                f"alter table pgvigil.{module}_packed attach partition pgvigil_partition.{to} {bounds}".encode()
            )
        statement = _COPY_PACKED.format(to=to, model=model, columns=columns)
        owner.execute(statement.encode(), {"days": 3 - back, "hosts": hosts, "models": _MODELS})


def _rolling_up(owner: Connection, hosts: int) -> list[Figure]:
    """Time what tick() does for each host, again and again on what is there."""
    some = list(range(1, min(hosts, 50) + 1))
    figures = []
    for what, width, span in (("five minutes", "5m", "5 minutes"), ("an hour", "1h", "1 hour")):
        spent = []
        for back in range(2, 7):
            began = time.monotonic()
            owner.execute(
                "select pgvigil.roll_up(%s, date_bin(%s::interval, now(), '2000-01-01') - %s::integer * %s::interval,"
                " date_bin(%s::interval, now(), '2000-01-01') - %s::integer * %s::interval, %s)",
                (some, span, back, span, span, back - 1, span, width),
            )
            spent.append(1000 * (time.monotonic() - began) / len(some))
        figures.append(of_rounds(f"rolling up {what} of a host, 12 series", "ms", spent))
    return figures


def _queries(context: Context, owner: Connection, hosts: int) -> list[Figure]:
    """Ask as Grafana does, of hosts at random, some in parallel to nothing else."""
    owner.execute("set session_replication_role = origin; set role pgvigil_reader")
    asked: dict[str, tuple[str, dict[str, str]]] = {
        name: (f"select * from dashboard.{name}", {}) for name in ("host_now", "open_alert", "recent_mail")
    }
    for words, span in _SPANS.items():
        for module in _MODULES:
            query = f"select * from dashboard.{module}_series(%(host)s, now() - %(span)s::interval, now(), 1000)"
            asked[f"{module}_series, {words}"] = (query, {"span": span})
        query = "select * from dashboard.fleet_series('cpu_usage', now() - %(span)s::interval, now(), 1000)"
        asked[f"fleet_series, {words}"] = (query, {"span": span})
    figures = []
    for name, (query, values) in asked.items():
        context.say(name)
        spent = []
        for _ in range(5 if context.quick else 40):
            host = f"host{random.randint(1, hosts)}"  # noqa: S311 - not a secret
            began = time.monotonic()
            owner.execute(query.encode(), {**values, "host": host})  # received, not parsed
            spent.append(1000 * (time.monotonic() - began))
        figures.append(of_events(name, "ms", spent, 95)[1])
    return figures
