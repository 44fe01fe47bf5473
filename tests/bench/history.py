"""What history costs: bytes per value, rolling up and packing, and the time of each dashboard query over all of it."""

from __future__ import annotations

import random
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import past
import psycopg
from figures import Context, Figure, connect, of_events, of_rounds, one
from past import MODELS, RESOURCES

sys.path.insert(0, str(Path(__file__).parents[1]))
import dashboards

if TYPE_CHECKING:
    from figures import Connection

NAME = "history"
TITLE = "History: a day of samples, a week packed, 30 days of five-minute and a year of hourly rollups"

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
_SPANS = {
    "15 minutes": timedelta(minutes=15), "24 hours": timedelta(days=1), "30 days": timedelta(days=30),
    "a year": timedelta(days=365),
}  # fmt: skip


def run(context: Context) -> list[Figure]:
    """Fill a server, weigh it, and ask it what Grafana asks."""
    hosts = [*context.hosts, 1000 if context.full else 8 if context.quick else 40][0]
    memory = {"shared_buffers": "2GB" if context.full else "512MB"}
    with context.server(context.keep, **past.SETTINGS, **memory) as (postgres, _):
        dsn = postgres.dsn("pgvigil")
        with connect(dsn) as owner:
            owner.execute(past.SESSION)
            figures = []
            if not one(owner, "select exists (select from pgvigil.rollup_progress)"):
                started = time.monotonic()
                figures = _packing(context, owner)
                context.say(f"{hosts} hosts: samples of today, packed days, rollups, incidents")
                days = past.fill(dsn, hosts, postgres.socket_directory)
                size = one(owner, "select pg_database_size(current_database())::float8 / 1e9")
                spent = time.monotonic() - started
                context.say(f"filled with {size:.1f} GB after {spent:.0f} s, {days} days of it packed")
                figures += [of_rounds(f"database of {hosts} hosts", "GB", [size])]
                figures += _rolling_up(owner, hosts)
            if not one(owner, "select exists (select from pg_roles where rolname = 'bench_reader')"):
                owner.execute("create role bench_reader login in role pgvigil_reader")
        return figures + _queries(context, postgres.dsn("pgvigil", "bench_reader"))


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
    owner.execute(statement.encode(), {"begin": begin, "hosts": hosts, "names": RESOURCES[module]})


def _packing(context: Context, owner: Connection) -> list[Figure]:
    """Weigh a day of some hosts before and after it is packed."""
    begin = one(owner, "select date_trunc('day', now()) - interval '3 days'")
    owner.execute("select pgvigil.ensure_partitions(%s)", (begin,))
    owner.execute(
        "insert into pgvigil.host (host_name) select 'host' || n from generate_series(1, %s::integer) as n", (MODELS,)
    )
    for module in RESOURCES:
        _make_samples(owner, module, begin, MODELS)
    owner.execute("vacuum analyze")
    samples = 8640 * MODELS
    values = {module: samples * len(RESOURCES[module]) * len(_SAMPLES[module][0].split(",")) for module in RESOURCES}
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
        for module in RESOURCES
    ]
    total = sum(values.values())
    return [
        of_rounds("samples as rows", "bytes per value", [sum(raw.values()) / total]),
        of_rounds("packed history, all modules", "bytes per value", [sum(packed.values()) / total], per_row,
                  [sum(raw.values()) / total]),
        *figures,
        of_rounds("packing a day of a host", "ms", [1000 * sum(spent) / MODELS]),
    ]  # fmt: skip


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


def _queries(context: Context, dsn: str) -> list[Figure]:
    """Ask each query of each dashboard as Grafana does, of hosts at random, nothing else of ours at work."""
    spent: dict[str, list[tuple[float, float]]] = {}
    # as Grafana: the simple protocol, nothing prepared
    with psycopg.connect(dsn, autocommit=True, cursor_factory=psycopg.ClientCursor) as reader:
        scheduler = Path(f"/proc/{reader.info.backend_pid}/schedstat")  # on a core, waiting for one (ns), slices
        end = one(reader, "select max(sampled_at) from dashboard.host_now")
        names = [name for (name,) in reader.execute("select host_name from dashboard.host_now").fetchall()]
        for sql, place in _asked().items():
            for words, span in _SPANS.items() if "$__time" in sql else (("any time", timedelta()),):
                name = f"{place}, {words}"
                for _ in range(5 if context.quick else 40):
                    host = random.choice(names)  # noqa: S311 - no secret
                    values = {"host": host, "disk": RESOURCES["disk"], "interface": RESOURCES["network"]}
                    statement = dashboards.with_macros(dashboards.with_variables(sql, values), end - span, end)
                    began, waited = time.monotonic(), int(scheduler.read_text().split()[1])
                    reader.execute(statement.encode())  # received, not parsed
                    took = 1000 * (time.monotonic() - began)
                    waited = int(scheduler.read_text().split()[1]) - waited
                    spent.setdefault(name, []).append((took, took - waited / 1e6))
                figure = _p95(name, spent[name])
                context.say(f"{name}: {figure.value:.0f} ms, {figure.compared_with}")
    figures = [_p95(name, times) for name, times in spent.items()]
    return sorted(figures, key=lambda figure: -figure.value)


def _p95(name: str, spent: list[tuple[float, float]]) -> Figure:
    """Return the time of a query, compared with what is left of it without the wait for a core that others have."""
    wall, alone = (of_events(name, "ms", times, 95)[1] for times in zip(*spent, strict=True))
    return replace(wall, compared_with=f"{alone.value:.0f} ms with a core of its own", ratio=wall.value / alone.value)


def _asked() -> dict[str, str]:
    """Return the queries of panels, annotations and variables, each once, and where it first stands."""
    asked: dict[str, str] = {}
    for path in dashboards.FILES:
        dashboard = dashboards.load(path)
        variables = [query for query, _ in dashboards.variables_of(dashboard).values()]
        for query in [*variables, *dashboards.queries_of(dashboard)]:
            asked.setdefault(query.sql, query.place)
    return asked
