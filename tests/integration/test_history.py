"""What is kept of the past: rollups, packed days, retention. Time is an argument, so months pass in seconds.

The suite plays 6 days; PGVIGIL_TEST_DAYS=365 is the full run.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

DAYS = int(os.environ.get("PGVIGIL_TEST_DAYS", "6"))
START = datetime(2031, 3, 1, tzinfo=UTC)
STEP = timedelta(hours=6)
BEAT = timedelta(seconds=100)
RANDOM = random.Random()  # noqa: S311 guards no secret
HOSTS = (1, 2)

PREPARE = """
create table public.truth (like pgvigil.cpu_log including defaults);
alter table public.truth add primary key (host_id, created_at, cpu_name);
update pgvigil.log_table set retention = '4 days', five_minute_retention = '7 days', hourly_retention = '28 days';
delete from pgvigil.threshold;
select pgvigil.ensure_partitions('2031-03-01');
insert into pgvigil.host (host_name, created_at) values ('web1', '2031-03-01'), ('web2', '2031-03-01');
insert into pgvigil.upkeep (task, done_at, since) values ('watch_silence', '2031-03-01', '2031-03-01');
"""
STORE = """
with sample as (
    select *
    from unnest(%(at)s::timestamptz [], %(host)s::integer [], %(usage)s::real [], %(load)s::real []) as x (
        created_at, host_id, cpu_usage, load_1m
    )
),
told as (
    insert into public.truth (created_at, updated_at, host_id, cpu_name, cpu_usage, load_1m)
    select s.created_at, %(now)s, s.host_id, 'cpu-total', s.cpu_usage, s.load_1m from sample as s
    on conflict do nothing
)
insert into pgvigil.cpu_log (created_at, updated_at, host_id, cpu_name, cpu_usage, load_1m)
select s.created_at, %(now)s, s.host_id, 'cpu-total', s.cpu_usage, s.load_1m from sample as s
on conflict do nothing
"""
# Whatever is in one and not in the other, of the time that is still kept.
SAMPLES_DIFFER = """
with
kept as (select min(created_at) as since from pgvigil.cpu_samples(1, '-infinity', 'infinity')),
stored as (
    select s.host_id, s.created_at, s.cpu_usage, s.load_1m
    from generate_series(1, 2) as h cross join lateral pgvigil.cpu_samples(h, '-infinity', 'infinity') as s
),
told as (
    select t.host_id, t.created_at, t.cpu_usage, t.load_1m from public.truth as t, kept
    where t.created_at >= date_trunc('day', kept.since, 'UTC')
)
select 'lost' as what, l.* from (table told except all table stored) as l
union all
select 'invented', l.* from (table stored except all table told) as l
limit 5
"""
ROLLUPS_DIFFER = """
with told as (
    select
        date_bin(%(width)s, t.created_at, '2000-01-01 00:00+00') as bucket_at, t.host_id, count(*)::integer as samples,
        sum(t.cpu_usage::float8) as total, max(t.cpu_usage) as highest, avg(t.load_1m)::real as load
    from public.truth as t
    group by 1, 2
),
kept as (select min(bucket_at) as since from pgvigil.{table})
select t.bucket_at, r.bucket_at, t.host_id, r.host_id, t.samples, r.samples, t.highest, r.cpu_usage_max
from (select told.* from told, kept where told.bucket_at >= kept.since and told.bucket_at < %(until)s) as t
full join (select * from pgvigil.{table} where bucket_at < %(until)s) as r
on r.bucket_at = t.bucket_at and r.host_id = t.host_id
where
    r.samples is distinct from t.samples
    or r.cpu_usage_max is distinct from t.highest
    or abs(r.cpu_usage * r.samples - t.total) > 1e-5 * t.total
    -- days are made of hours, whose weight is all of their samples, those without this value included
    or abs(r.load_1m - t.load) > case %(width)s when '1 day' then 0.2 else 1e-5 end
    or (r.load_1m is null) <> (t.load is null)
limit 5
"""


@pytest.fixture
def owner(database):
    """Give the owner's connection to a database that is prepared."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(PREPARE)
        yield connection


def one(connection, query, *parameters):
    """Return the first value of the first row."""
    return connection.execute(query, parameters).fetchone()[0]


def store(connection, moments, now):
    """Store a sample of each (moment, host), as if the server's clock said `now`."""
    values = [(at, host, round(RANDOM.uniform(0, 100), 2), RANDOM.choice((None, 1.5, 2.25))) for at, host in moments]
    columns = dict(zip(("at", "host", "usage", "load"), map(list, zip(*values, strict=True)), strict=True))
    connection.execute(STORE, columns | {"now": now})


def catch_up(connection, now):
    """Tick until there is nothing left to roll up, to repair or to pack."""
    for _ in range(2000):
        now += timedelta(seconds=5)
        assert one(connection, "select pgvigil.tick(%s)", now)
        assert [] == connection.execute("select task, error from pgvigil.upkeep where error is not null").fetchall()
        if one(
            connection,
            "select not exists (select from pgvigil.late_hour where host_id > 0)"
            " and (select min(rolled_until) from pgvigil.rollup_progress) >= %s"
            " and not exists (select from pgvigil.rollup_progress"
            " where daily_until < date_bin('1 day', rolled_until, '2000-01-01 00:00+00'))"
            " and not exists (select from pgvigil.packed_day where not is_done)",
            now - timedelta(minutes=12),
        ):
            return
    pytest.fail("the upkeep never comes to an end")


def killed_tick(connection, dsn, now):
    """Begin a tick and end its backend somewhere in the middle."""
    victim = psycopg.connect(dsn, autocommit=True)
    pid = victim.info.backend_pid

    def work():
        with suppress(psycopg.OperationalError):
            victim.execute("select pgvigil.tick(%s)", (now,))

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(RANDOM.uniform(0, 0.06))
    connection.execute("select pg_terminate_backend(%s)", (pid,))
    thread.join()
    victim.close()


def check(connection, now):
    """Compare samples and rollups with what was told."""
    assert [] == connection.execute(SAMPLES_DIFFER).fetchall()
    for table, width, until in (
        ("cpu_rollup_5m", "5 minutes", now - timedelta(minutes=10)),
        ("cpu_rollup_1h", "1 hour", (now - timedelta(minutes=10)).replace(minute=0, second=0) - timedelta(hours=1)),
        ("cpu_rollup_1d", "1 day", now.replace(hour=0, minute=0, second=0) - timedelta(days=1)),
    ):
        rows = connection.execute(ROLLUPS_DIFFER.format(table=table), {"width": width, "until": until}).fetchall()
        assert [] == rows, table


def test_rollups_and_packed_days_hold_what_was_stored(owner, database, capsys):
    """Samples late by minutes and days, replays, and kills in the middle: no gap, no double."""
    late, now, kills = [], START, 0
    while now < START + timedelta(days=DAYS):
        beats = [
            now + number * BEAT + timedelta(microseconds=RANDOM.randrange(999)) for number in range(int(STEP / BEAT))
        ]
        now += STEP
        moments = [(at, host) for at in beats for host in HOSTS]
        RANDOM.shuffle(moments)
        missed, moments = moments[:12], moments[12:]
        late += missed
        store(owner, moments, now)
        back = [sample for sample in late if RANDOM.random() < 0.3 and now - sample[0] < timedelta(days=3)]
        late = [sample for sample in late if sample not in back and now - sample[0] < timedelta(days=3)]
        if back:
            store(owner, back, now)
            owner.execute(  # and an agent that did not hear that they were stored
                "insert into pgvigil.cpu_log (created_at, updated_at, host_id, cpu_name, cpu_usage, load_1m)"
                " select created_at, %s, host_id, cpu_name, cpu_usage, load_1m from public.truth"
                " where created_at >= %s order by random() limit 10 on conflict do nothing",
                (now, now - timedelta(days=2, hours=20)),
            )
        if RANDOM.random() < 0.2:
            kills += 1
            killed_tick(owner, database, now)
        catch_up(owner, now)
        if RANDOM.random() < 0.05:
            check(owner, now)
    check(owner, now)
    assert one(owner, "select count(*) from pgvigil.cpu_packed") > 0
    assert one(owner, "select count(*) from pgvigil.cpu_rollup_1d") >= 2 * (DAYS - 2)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{DAYS} days: {one(owner, 'select count(*) from public.truth')} samples, {kills} kills,"
            f" {one(owner, 'select count(*) from pgvigil.cpu_rollup_5m')} + "
            f"{one(owner, 'select count(*) from pgvigil.cpu_rollup_1h')} + "
            f"{one(owner, 'select count(*) from pgvigil.cpu_rollup_1d')} buckets kept\n"
        )


def test_upkeep_waits_for_a_transaction_that_still_writes(owner, database):
    """A sample that was inserted in time and is committed late is in its bucket all the same."""
    with psycopg.connect(database) as slow:
        store(slow, [(START + timedelta(minutes=1), 1)], START + timedelta(minutes=1))
        for minute in range(2, 30):
            owner.execute("select pgvigil.tick(%s)", (START + timedelta(minutes=minute),))
        assert START >= one(owner, "select min(rolled_until) from pgvigil.rollup_progress")
        slow.commit()
    catch_up(owner, START + timedelta(hours=1))
    assert 1 == one(owner, "select sum(samples) from pgvigil.cpu_rollup_5m")


def test_graph_of_packed_days_is_that_of_the_samples(owner):
    """The same points with the same values, before and after; the level is chosen by the span."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    begin = (now - timedelta(days=3)).replace(hour=0)
    owner.execute("update pgvigil.log_table set retention = '14 days', pack_after = null")
    owner.execute("select pgvigil.ensure_partitions(d) from generate_series(%s, now(), '1 day') as d", (begin,))
    beats = [begin + number * timedelta(seconds=30) for number in range(2880)]
    store(owner, [(at, 1) for at in beats], now)

    def graphs():
        spans = ((1, 1000), (24, 1000), (24, 100), (96, 10))
        return [
            owner.execute(
                "select * from dashboard.cpu_series('web1', %s, %s, %s)",
                (begin, begin + timedelta(hours=hours), points),
            ).fetchall()
            for hours, points in spans
        ]

    catch_up(owner, datetime.now(UTC))
    assert len(beats) == one(owner, "select count(*) from pgvigil.cpu_log")  # null: never packed
    before = graphs()
    assert [120, 288, 96, 1] == [len(graph) for graph in before]
    owner.execute("update pgvigil.log_table set pack_after = '1 day'")
    catch_up(owner, datetime.now(UTC) + timedelta(minutes=1))
    assert 0 == one(owner, "select count(*) from pgvigil.cpu_log where created_at < %s", begin + timedelta(days=1))
    assert before == graphs()


def test_sample_of_a_packed_day_is_packed_too_and_once(owner):
    """A host that was cut off for days sends what it kept, some of it for the second time."""
    noon = START + timedelta(hours=12)
    beats = [(noon + number * BEAT, 1) for number in range(30)]
    store(owner, beats[:20], noon + timedelta(hours=1))
    catch_up(owner, START + timedelta(days=2, hours=1))
    assert one(owner, "select is_done from pgvigil.packed_day where log_table = 'cpu_log' and day = '2031-03-01'")
    store(owner, beats[10:], START + timedelta(days=2, hours=2))
    catch_up(owner, START + timedelta(days=2, hours=3))
    assert 30 == one(owner, "select count(*) from pgvigil.cpu_samples(1, '-infinity', 'infinity')")
    assert 0 == one(owner, "select count(*) from pgvigil.cpu_log")
    check(owner, START + timedelta(days=2, hours=3))


def test_drop_and_packing_never_hold_up_an_insert(owner, database, capsys):
    """A reader holds the parent for long; writers go on, and the drop comes later by itself."""
    seconds = float(os.environ.get("PGVIGIL_TEST_SECONDS", "4"))
    now = datetime.now(UTC)
    owner.execute(
        "select pgvigil.ensure_partitions(now() - d * interval '1 day') from unnest(array[2, 12]) as d (d);"
        "update pgvigil.log_table set retention = '14 days'"
    )
    store(owner, [(now - timedelta(days=2), 1), (now - timedelta(days=12), 1)], now)
    old = f"cpu_log_{now - timedelta(days=12):%Y%m%d}"
    owner.execute("update pgvigil.log_table set retention = '4 days', pack_after = '1 day'")
    stop, slowest, counts, ticks = threading.Event(), [], [], []

    def write(number):
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("set lock_timeout = '1s'")  # who waits longer fails
            worst, count = 0.0, 0
            while not stop.is_set():
                began = time.monotonic()
                connection.execute(
                    "insert into pgvigil.cpu_log (host_id, created_at, cpu_name, cpu_usage)"
                    " values (1, clock_timestamp(), %s, 1)",
                    (f"cpu{number}",),
                )
                worst, count = max(worst, time.monotonic() - began), count + 1
                time.sleep(0.01)
            slowest.append(worst)
            counts.append(count)

    def tick():
        with psycopg.connect(database, autocommit=True) as connection:
            while not stop.is_set():  # a minute each, so that the drop is tried each time
                ticks.append(now + len(ticks) * timedelta(minutes=1))
                connection.execute("select pgvigil.tick(%s)", (ticks[-1],))
                time.sleep(0.1)

    def exists():
        return one(owner, "select to_regclass('pgvigil_partition.' || %s) is not null", old)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)] + [threading.Thread(target=tick)]
    with psycopg.connect(database) as reader:
        assert 2 == one(reader, "select count(*) from pgvigil.cpu_log")
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline or len(ticks) < 3:
            time.sleep(0.1)
        tried = len(ticks)
        assert exists()
    deadline = time.monotonic() + 20
    while exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    gone = not exists()
    stop.set()
    for thread in threads:
        thread.join()
    with capsys.disabled():
        sys.stdout.write(
            f"\nreader for {seconds:g} s, {tried} ticks meanwhile,"
            f" {sum(counts)} inserts, the slowest {max(slowest):.3f} s\n"
        )
    assert gone
    assert len(slowest) == 8, "a writer failed: see its thread"
    assert [] == owner.execute("select task, error from pgvigil.upkeep where error is not null").fetchall()
