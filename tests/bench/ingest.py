"""What judging costs: the agent's transaction with the triggers, without them, and with some hosts in breach."""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import closing, suppress
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from figures import CALM_ROWS, Context, Figure, connect, of_rounds, wait_until

from pgvigil.rows import INSERTS

if TYPE_CHECKING:
    from pgvigil.embedded import EmbeddedPostgres

NAME = "ingest"
TITLE = "Ingest: 2,000 hosts, 100 rules, 12 rows per transaction, fsync on"

_SETUP = """
create role bench_agent login in role pgvigil_agent;
insert into pgvigil.host (host_name, groups)
select 'host' || n, array['group' || n % 10] from generate_series(1, 2000) as n;
insert into pgvigil.threshold (metric, host_group, host_name, resource, warning, hold)
select m, 'group' || n, null, null, 80 + n, interval '0'
from generate_series(0, 9) as n, unnest(array['cpu_usage', 'disk_usage', 'link_usage']) as m
union all
select 'memory_usage', null, 'host' || n * 50, null, 92, '1 minute' from generate_series(1, 40) as n
union all
select 'disk_usage', null, null, '/srv/' || n || '%', 90, '1 minute' from generate_series(1, 19) as n;
insert into pgvigil.recipient (address) values ('ops@example.org');
vacuum analyze;
"""
_BARE, _WITHOUT = "bare tables", "no triggers"
_CALM, _BREACH = "triggers, all calm", "triggers, 2 % of hosts in open alert"
_NO_TRIGGERS = "".join(
    f"drop trigger {trigger} on pgvigil.{name}_log;" for name in INSERTS for trigger in ("_500_judge", "_700_mark_late")
)
_PREPARE = {
    _BARE: _NO_TRIGGERS + "".join(f"alter table pgvigil.{name}_log disable row level security;" for name in INSERTS),
    _WITHOUT: _NO_TRIGGERS,
    _CALM: "",
    _BREACH: "insert into pgvigil.cpu_log (host_id, created_at, cpu_name, cpu_usage)"
    " select n, clock_timestamp(), 'cpu-total', 95 from generate_series(50, 2000, 50) as n;",
}
_COMPARED_WITH = {_BARE: "", _WITHOUT: _BARE, _CALM: _WITHOUT, _BREACH: _WITHOUT}


def run(context: Context) -> list[Figure]:
    """Measure each variant in turns, each time in a fresh copy of the database."""
    results: dict[tuple[str, int], list[tuple[float, float]]] = {}
    with context.server() as (postgres, scratch):
        with connect(postgres.dsn("pgvigil")) as connection:
            for statement in _SETUP.strip().split(";\n"):
                connection.execute(statement.encode())
        path = scratch / "transaction.sql"
        path.write_text(script())
        context.say("warming up: the first WAL files have to be made, later ones are used again")
        _measure(postgres, path, _CALM, clients=8, seconds=2 if context.quick else 10)
        for number in range(1, context.rounds + 1):
            for clients in (1, 8, 16):
                for variant in _PREPARE:
                    tps, cpu = _measure(postgres, path, variant, clients, seconds=2 if context.quick else 10)
                    results.setdefault((variant, clients), []).append((tps, cpu))
                    context.say(f"round {number}, {clients} connections, {variant}: {tps:.0f}/s, {cpu:.2f} ms CPU")
    figures = []
    for place, (what, unit) in enumerate((("transactions", "1/s"), ("server CPU per transaction", "ms"))):
        for (variant, clients), rounds in results.items():
            base = [each[place] for each in results.get((_COMPARED_WITH[variant], clients), ())]
            name = f"{what}, {clients} connection{'s' * (clients > 1)}, {variant}"
            figures.append(of_rounds(name, unit, [each[place] for each in rounds], _COMPARED_WITH[variant], base))
    return figures


def script() -> str:
    """Write the agent's own statements for pgbench, which passes each variable as a parameter."""
    lines = [
        r"\set host random(1, 2000)",
        r"\set usage case when :breach = 1 and :host % 50 = 0 then 95 else random(10, 60) end",
        r"\startpipeline",  # one round trip and one implicit transaction, as in write_samples()
    ]
    for table, (statement, _) in INSERTS.items():
        columns = [f":{table}_{field.name}" for field in fields(CALM_ROWS[table][0])]
        values = [":host::integer", "clock_timestamp()", *columns]
        line = re.sub(r"\$\d+", "{}", statement).format(*values)
        lines.append(line.replace(":cpu_cpu_usage", "array[:usage]") + ";")
    return "\n".join([*lines, r"\endpipeline", ""])


def variables() -> list[str]:
    """Return pgbench's options for the columns, as arrays."""
    options = []
    for table, rows in CALM_ROWS.items():
        for field in fields(rows[0]):
            array = ",".join(str(getattr(row, field.name)) for row in rows)
            options += ["-D", f"{table}_{field.name}={{{array}}}"]
    return options


def _measure(postgres: EmbeddedPostgres, script: Path, variant: str, clients: int, seconds: int) -> tuple[float, float]:
    """Return transactions per second, and the milliseconds of CPU that their backends took for each."""
    with closing(connect(postgres.dsn())) as owner:
        owner.execute("create database round template pgvigil")
        with connect(postgres.dsn("round")) as connection:
            connection.execute(_PREPARE[variant].encode())
        owner.execute("checkpoint")
        server = psutil.Process(int(Path(postgres.socket_directory, "../data/postmaster.pid").read_text().split()[0]))

        wait_until(lambda: not _backends(server), "end of the backends")
        before = server.cpu_times()
        command = [str(postgres.bin_directory / "pgbench"), "-n", "-M", "prepared", "-c", str(clients)]
        command += ["-j", str(min(clients, os.cpu_count() or 1)), "-T", str(seconds), "-f", str(script)]
        command += ["-D", f"breach={int(variant == _BREACH)}", *variables(), postgres.dsn("round", "bench_agent")]
        result = subprocess.run(command, check=False, capture_output=True, text=True)
        if result.returncode:
            raise RuntimeError(result.stderr)
        wait_until(lambda: not _backends(server), "end of the backends")
        after = server.cpu_times()
        owner.execute("drop database round with (force)")
    count = int(re.findall(r"actually processed: (\d+)", result.stdout)[0])
    # What a postmaster has waited for is what its backends took, once they have ended.
    spent = sum(after[2:4]) - sum(before[2:4])
    return float(re.findall(r"tps = ([\d.]+)", result.stdout)[0]), 1000 * spent / count


def _backends(server: psutil.Process) -> list[str]:
    """Return the titles of the backends of the round that still run, or are still to be waited for."""
    titles = []
    for child in server.children():
        title = ""  # as of one that has ended and that the postmaster has not heard of yet
        with suppress(psutil.Error):
            title = " ".join(child.cmdline())
        titles.append(title)
    return [title for title in titles if not title or " round " in title]
