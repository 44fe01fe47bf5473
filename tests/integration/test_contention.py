"""Everything at once: agents, an operator, ticks and mailers; nothing fails, no transition and no mail is lost.

The suite runs this for 10 seconds; PGVIGIL_TEST_SECONDS=120 is the full run.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import psycopg
from psycopg.types.json import Jsonb

SECONDS = float(os.environ.get("PGVIGIL_TEST_SECONDS", "10"))
WRITERS = 16
HOSTS = 200
UNTOUCHED = 50  # the operator leaves the rules of these alone
INTERVAL = timedelta(seconds=1)
START = datetime.now(UTC) - timedelta(minutes=5)
SERIES = (("cpu_usage", "cpu-total"), ("memory_usage", "memory"), ("disk_usage", "/"), ("link_usage", "eth0"))
INSERTS = (
    "insert into pgvigil.cpu_log (host_id, created_at, cpu_name, cpu_usage) values (%s, %s, 'cpu-total', %s)",
    """
    insert into pgvigil.memory_log (host_id, created_at, memory_name, memory_usage, used_bytes, available_bytes)
    values (%s, %s, 'memory', %s, 1, 1)
    """,
    "insert into pgvigil.disk_log (host_id, created_at, disk_name, disk_usage) values (%s, %s, '/', %s)",
    """
    insert into pgvigil.network_log (
        host_id, created_at, network_interface, link_usage, received_bytes_per_second, sent_bytes_per_second,
        errors_per_second, drops_per_second
    )
    values (%s, %s, 'eth0', %s, 1, 1, 0, 0)
    """,
)
CHANGES = (
    """
    update pgvigil.threshold set warning = %(limit)s, critical = %(limit)s + 15
    where metric = %(metric)s and host_name is null
    """,
    """
    update pgvigil.threshold set mode = case mode when 'off' then 'armed' else 'off' end
    where metric = %(metric)s and host_name is null
    """,
    """
    update pgvigil.threshold set mode = case mode when 'shadow' then 'armed' else 'shadow' end
    where metric = %(metric)s and host_name is null
    """,
    """
    insert into pgvigil.threshold (metric, host_name, resource, warning)
    values (%(metric)s, %(host)s, %(resource)s, %(limit)s) on conflict do nothing
    """,
    """
    insert into pgvigil.threshold (metric, host_name, warning, hold)
    values (%(metric)s, %(host)s, %(limit)s, '1 second') on conflict do nothing
    """,
    "delete from pgvigil.threshold where metric = %(metric)s and host_name = any(%(hosts)s)",
    """
    update pgvigil.host set groups = case when groups = '{}' then '{web}'::text[] else '{}' end
    where host_name = %(host)s
    """,
    "select pgvigil.silence_for('1 second', p_host_name => %(host)s)",
    "delete from pgvigil.silence where ends_at < statement_timestamp()",
    """
    select pgvigil.acknowledge(a.host_name) from dashboard.open_alert as a
    where a.state = 'firing' and a.host_name = any(%(hosts)s) limit 1
    """,
    "update pgvigil.recipient set is_enabled = not is_enabled where min_severity = 'critical'",
)
RANDOM = random.Random()  # noqa: S311 guards no secret
# What is worth a mail at night is worth one every few seconds here, so that the ticks have something to do.
PREPARE = """
update pgvigil.setting set value = '3 seconds' where setting = 'flap_window';
update pgvigil.setting set value = '2 seconds' where setting = 'forecast_every';
update pgvigil.threshold set critical = 2, remind_every = '2 seconds' where metric = 'host_silence';
update pgvigil.threshold set hold = '0', remind_every = '2 seconds' where metric <> 'host_silence';
insert into pgvigil.recipient (address) values ('all@example.org');
insert into pgvigil.recipient (address, min_severity) values ('worst@example.org', 'critical');
insert into pgvigil.threshold (metric, host_name, resource, warning, critical, clear_band, hold, remind_every)
select s.metric, h.host_name, s.resource, 60, 80, 10, n.hold, '2 seconds'
from (
    select x.*, row_number() over (order by x.host_id) as number from pgvigil.host as x
) as h
cross join (
    values ('cpu_usage', 'cpu-total'), ('memory_usage', 'memory'), ('disk_usage', '/'), ('link_usage', 'eth0')
) as s (metric, resource)
cross join lateral (values (case when h.number % 2 = 0 then interval '0' else interval '2 seconds' end)) as n (hold)
where h.number <= %(untouched)s
"""
DIFFERENCES = """
with host as (
    select x.host_id, x.host_name from pgvigil.host as x order by x.host_id limit %(untouched)s
),
played as (
    select h.host_id, s.metric, s.resource, p.at, p.event, p.severity, p.value
    from host as h
    cross join unnest(%(metrics)s::text [], %(resources)s::text []) as s (metric, resource)
    cross join lateral pgvigil.rank_thresholds(h.host_id, s.metric, s.resource) as r
    cross join lateral pgvigil.play(h.host_name, s.metric, s.resource, r.alert_limit, %(since)s, 'infinity') as p
    where r.rank = 1 and p.event is not null
),
live as (
    select e.host_id, a.metric, a.resource, e.at, e.event, e.severity, e.value
    from pgvigil.alert_event as e
    inner join pgvigil.alert as a using (host_id, alert_id)
    inner join host using (host_id)
    where a.log_table is not null and e.event not in ('reminder', 'acknowledged')
)
select 'lost' as what, l.* from (table played except all table live) as l
union all
select 'invented', l.* from (table live except all table played) as l
order by host_id, metric, at
"""


class Crowd:
    """Threads that work until the time is up, what they counted, and what went wrong."""

    def __init__(self, dsn):
        self.dsn = dsn
        self.counts = Counter()
        self.claims = Counter()
        self.troubles = []
        self.slowest = Counter()
        self._deadline = time.monotonic() + SECONDS
        self._threads = []

    def add(self, work, *arguments):
        """Call work(connection, ..) again and again, in a thread of its own."""
        thread = threading.Thread(target=self._run, args=(work, *arguments), name=work.__name__)
        self._threads.append(thread)

    def run(self):
        """Let all of them work until the time is up."""
        for thread in self._threads:
            thread.start()
        for thread in self._threads:
            thread.join()

    def _run(self, work, *arguments):
        try:
            with psycopg.connect(self.dsn, autocommit=True) as connection:
                connection.add_notice_handler(lambda notice: self.troubles.append(f"notice: {notice.message_primary}"))
                connection.execute("set client_min_messages = warning")
                while time.monotonic() < self._deadline and not self.troubles:
                    started = time.monotonic()
                    work(self, connection, *arguments)
                    self.counts[work.__name__] += 1
                    self.slowest[work.__name__] = max(self.slowest[work.__name__], time.monotonic() - started)
        except psycopg.Error as error:
            self.troubles.append(f"{work.__name__}: {error!r} {error.diag.message_detail} {error.diag.context}")


def agent(_, connection, hosts):
    """Send a sample of a host, now and then with an inventory in which a disk comes or goes."""
    # Each host once before any at random: a slow machine gets round only a few times.
    host = next((host for host in hosts if not host["beat"]), None) or RANDOM.choice(hosts)
    host["beat"] += 1
    at = START + host["beat"] * INTERVAL
    with connection.pipeline():
        for insert in INSERTS:
            connection.execute(insert, (host["host_id"], at, RANDOM.choice((10, 45, 55, 65, 75, 90))))
    if host["beat"] % 10 == 0:
        disks = [{"disk_name": name, "device": name, "size": 1} for name in RANDOM.choice((["/"], ["/", "/data"]))]
        connection.execute("select pgvigil.record_inventory(%s, %s)", (host["host_id"], Jsonb({"disk": disks})))


def tick(_, connection):
    """Do what the time makes due."""
    connection.execute("select pgvigil.tick(clock_timestamp())")
    time.sleep(0.1)


def mailer(crowd, connection, name):
    """Claim mails and mark them as sent."""
    claimed = connection.execute(
        "select host_id, mail_id from pgvigil.claim_mail(%s, 20, clock_timestamp())", (name,)
    ).fetchall()
    for host_id, mail_id in claimed:
        crowd.claims[mail_id] += 1
        query = "select pgvigil.mark_mail_sent(%s, %s, 'id', '250 OK', clock_timestamp())"
        connection.execute(query, (host_id, mail_id))
    if not claimed:
        time.sleep(0.02)


def operator(_, connection, hosts):
    """Change rules, silences, recipients and groups, one statement at a time."""
    host_name = RANDOM.choice(hosts)["host_name"]
    metric, resource = RANDOM.choice(SERIES)
    values = {
        "metric": metric, "resource": resource, "host": host_name, "limit": RANDOM.choice((50, 60, 70)),
        "hosts": [host["host_name"] for host in hosts],
    }  # fmt: skip
    try:
        connection.execute(RANDOM.choice(CHANGES), values)
    except psycopg.errors.RaiseException as error:
        if "nothing is firing" not in str(error):  # it ended in between
            raise
    time.sleep(0.02)


def test_everything_at_once(database, capsys):
    """What is left in the tables is what the samples and the rules say."""
    with psycopg.connect(database, autocommit=True) as connection:
        hosts = []
        for number in range(HOSTS):
            name = f"web{number}"
            host_id = connection.execute("select pgvigil.register_host(%s, %s, '1.0')", (name, INTERVAL)).fetchone()[0]
            hosts.append({"host_id": host_id, "host_name": name, "beat": 0})
        connection.execute(PREPARE.replace("%(untouched)s", str(UNTOUCHED)))

        crowd = Crowd(database)
        for number in range(WRITERS):
            crowd.add(agent, hosts[number::WRITERS])  # a host has one agent, and that has one connection
        for name in ("mailer1", "mailer2"):
            crowd.add(mailer, name)
        crowd.add(operator, hosts[UNTOUCHED:])
        crowd.add(tick)
        crowd.run()
        figures = connection.execute(
            "select (select deadlocks from pg_stat_database where datname = current_database()) as deadlocks,"
            " (select count(*) from pgvigil.alert_event) as events, (select count(*) from pgvigil.mail) as mails"
        ).fetchone()
        with capsys.disabled():
            slowest = {name: f"{seconds:.2f} s" for name, seconds in sorted(crowd.slowest.items())}
            sys.stdout.write(
                f"\n{SECONDS:g} s: {dict(crowd.counts)}, deadlocks {figures[0]}, events {figures[1]},"
                f" mails {figures[2]}, slowest {slowest}\n" + "\n".join(crowd.troubles)
            )

        assert [] == crowd.troubles
        check(connection, crowd)


def check(connection, crowd):
    """Expect the tables to be consistent, and the untouched series to be what the backtest says."""

    def query(statement, **values):
        return connection.execute(statement, values).fetchall()

    assert [(0,)] == query("select deadlocks from pg_stat_database where datname = current_database()")
    assert [] == query("select * from pgvigil.rule_error")
    assert [] == query("select task, error from pgvigil.upkeep where error is not null")
    assert {1} >= set(crowd.claims.values())
    metrics, resources = map(list, zip(*SERIES, strict=True))
    values = {"untouched": UNTOUCHED, "metrics": metrics, "resources": resources, "since": START - INTERVAL}
    assert [] == query(DIFFERENCES, **values)
    assert [] == query(
        "select host_id, metric, resource, count(*) from pgvigil.alert where resolved_at is null"
        " group by host_id, metric, resource having count(*) > 1"
    )
    # Whatever the operator did, an incident begins, ends and begins again in turn.
    assert [] == query(
        "select * from (select a.host_id, a.alert_id, a.state, count(*) filter (where e.event = 'fired')"
        " - count(*) filter (where e.event in ('resolved', 'cancelled')) as open"
        " from pgvigil.alert as a left join pgvigil.alert_event as e using (host_id, alert_id)"
        " group by a.host_id, a.alert_id) as n where n.open <> (n.state = 'firing')::integer"
    )
    assert [] == query(
        "select host_id, alert_id, event, sampled_at, address from pgvigil.mail where event not in ('reminder')"
        " group by host_id, alert_id, event, sampled_at, address having count(*) > 1"
    )
