"""How punctual the agent is: its beats against the even grid through the earliest of them."""

from __future__ import annotations

import time

from figures import Context, Figure, connect, of_events, one, wait_until

from pgvigil.children import command

NAME = "grid"
TITLE = "Punctuality of the agent: a sample every second, idle system"

_LATENESS = """
with
beat as (select extract(epoch from created_at)::float8 as at from pgvigil.cpu_log),
-- between -0.5 and 0.5, so that a grid near a full second does not fall apart
shift as (select at - (select min(at) from beat) - round(at - (select min(at) from beat)) as by from beat)
select by - min(by) over () from shift
"""


def run(context: Context) -> list[Figure]:
    """Watch one agent."""
    seconds = 6 if context.quick else 31
    with context.server() as (postgres, scratch), connect(postgres.dsn("pgvigil")) as owner:
        owner.execute("create role bench_agent login in role pgvigil_agent")
        with command("agent", postgres.dsn("pgvigil", "bench_agent"), ["--interval", "1s"], scratch):
            wait_until(lambda: one(owner, "select count(*) from pgvigil.cpu_log"), "first sample")
            context.say(f"{seconds} seconds of an agent at 1 s")
            time.sleep(seconds)
        delays = [1000 * row[0] for row in owner.execute(_LATENESS)]
    return of_events("beat behind the grid", "ms", delays, 99)
