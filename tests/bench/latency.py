"""How soon a mail is out: from the commit of the sample that breaches to its acceptance by the SMTP server."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from figures import Context, Figure, connect, of_events, wait_until

from pgvigil.children import command
from pgvigil.sink import Sink

if TYPE_CHECKING:
    from figures import Connection

NAME = "latency"
TITLE = "Alert latency: commit of the sample to acceptance of its mail, idle system"

_SETUP = """
create role bench_mailer login in role pgvigil_mailer;
insert into pgvigil.host (host_name) select 'host' || n from generate_series(1, 50) as n;
insert into pgvigil.recipient (address) values ('ops@example.org');
update pgvigil.threshold set hold = '0';
"""
# The commit has its time from just before its WAL is flushed: the flush counts too.
_COMMITS = """
select m.mail_id, m.event, extract(epoch from pg_xact_commit_timestamp(l.xmin))::float8
from pgvigil.mail as m
inner join pgvigil.cpu_log as l on l.host_id = m.host_id and l.created_at = m.sampled_at
"""


def run(context: Context) -> list[Figure]:
    """Let the CPU of one host after the other be busy, then idle again."""
    hosts = 5 if context.quick else 50
    with context.server(track_commit_timestamp="on") as (postgres, scratch), Sink(scratch / "mails") as sink:
        options = ["--smtp-host", "127.0.0.1", "--smtp-port", str(sink.port), "--smtp-security", "none"]
        options += ["--smtp-sender", "pgvigil@example.org"]
        dsn = postgres.dsn("pgvigil")
        with connect(dsn) as owner:
            owner.execute(_SETUP)
            with command("mailer", postgres.dsn("pgvigil", "bench_mailer"), options, scratch):
                log = scratch / "mailer.log"
                wait_until(lambda: "mailer_started" in log.read_text(), "mailer")
                for event, usage in (("fired", 95.0), ("resolved", 5.0)):
                    context.say(f"{hosts} samples, one by one, for {hosts} mails '{event}'")
                    for host_id in range(1, hosts + 1):
                        _sample(owner, host_id, usage)
                        count = len(sink.deliveries) + 1
                        wait_until(lambda count=count: len(sink.deliveries) >= count, "mail")  # type: ignore[misc]
            accepted = {delivery.mail_id: delivery.accepted_at for delivery in sink.deliveries}
            commits = owner.execute(_COMMITS).fetchall()
    figures = []
    for event in ("fired", "resolved"):
        delays = [1000 * (accepted[mail_id] - at) for mail_id, its_event, at in commits if its_event == event]
        figures += of_events(event, "ms", delays, 95)
    return figures


def _sample(owner: Connection, host_id: int, usage: float) -> None:
    # At any moment between two beats of the mailer, which are half a second apart.
    time.sleep(random.uniform(0.1, 0.6))  # noqa: S311 - not a secret
    owner.execute(
        "insert into pgvigil.cpu_log (host_id, created_at, cpu_name, cpu_usage) values (%s, %s, 'cpu-total', %s)",
        (host_id, datetime.now(UTC), usage),
    )
