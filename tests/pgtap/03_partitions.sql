-- One partition per day and log table: made ahead, refused beyond, dropped when expired. Days are days of UTC.
begin;
select plan(24);

create function pg_temp.days(p_table text, p_like text default '2031') returns text language sql stable as $$
    select string_agg(to_char(to_date(right(c.relname, 8), 'YYYYMMDD'), 'MM-DD'), ' ' order by c.relname)
    from pg_inherits as i
    inner join pg_class as c on c.oid = i.inhrelid
    where i.inhparent = format('pgvigil.%I', p_table)::regclass and c.relname ~ (p_table || '_' || p_like)
$$;
-- Europe changes its clocks on 2031-03-30, and a day there is not a day of UTC: it must not matter.
set local timezone = 'Europe/Berlin';

select is(pgvigil.ensure_partitions('2031-03-30 12:00+00'), 4 * (9 + 2 + 1 + 3), 'yesterday, today and a week ahead, for each log table, and what covers that of rollups; days of all the hours');
select is(
    pg_temp.days(t), '03-29 03-30 03-31 04-01 04-02 04-03 04-04 04-05 04-06', format('%s has exactly these days', t)
)
from unnest(array['cpu_log', 'memory_log', 'disk_log', 'network_log']) as t;
select is(pgvigil.ensure_partitions('2031-03-30 23:59:59+00'), 0, 'later on the same day there is nothing to make');
select is(pgvigil.ensure_partitions('2031-03-31 00:00+00'), 4, 'at midnight of UTC one day more is made');
set local timezone = 'UTC';
select is(
    (select pg_get_expr(c.relpartbound, c.oid) from pg_class as c where c.oid = 'pgvigil_partition.cpu_log_20310330'::regclass),
    'FOR VALUES FROM (''2031-03-30 00:00:00+00'') TO (''2031-03-31 00:00:00+00'')',
    'a day is a day of UTC'
);
-- 'IST' is Israel for PostgreSQL, and India for its output in this style.
set local timezone = 'Asia/Kolkata';
set local datestyle = 'SQL, DMY';
select is(pgvigil.ensure_partitions('2032-03-30 12:00+00'), 4 * (9 + 2 + 1 + 1), 'partitions are made in any date style');
set local timezone = 'UTC';
set local datestyle = 'ISO, MDY';
select is(
    (select pg_get_expr(c.relpartbound, c.oid) from pg_class as c where c.oid = 'pgvigil_partition.cpu_log_20320330'::regclass),
    'FOR VALUES FROM (''2032-03-30 00:00:00+00'') TO (''2032-03-31 00:00:00+00'')',
    'a day is a day of UTC in any date style'
);

select lives_ok(
    $$insert into pgvigil.cpu_log (created_at, host_id, cpu_name, cpu_usage) values
    ('2031-03-29 00:00:00+00', 1, 'cpu-total', 1), ('2031-04-07 23:59:59.999999+00', 1, 'cpu-total', 1)$$,
    'the first and the last microsecond have a partition'
);
select throws_ok(
    $$insert into pgvigil.cpu_log (created_at, host_id, cpu_name, cpu_usage) values ('2031-03-28 23:59:59.999999+00', 1, 'cpu-total', 1)$$,
    '23514', 'no partition of relation "cpu_log" found for row', 'a sample from before the first day is refused'
);
select throws_ok(
    $$insert into pgvigil.cpu_log (created_at, host_id, cpu_name, cpu_usage) values ('2031-04-08 00:00:00+00', 1, 'cpu-total', 1)$$,
    '23514', 'no partition of relation "cpu_log" found for row', 'a sample from after the last day is refused'
);

-- Only 2031 and 2032 are left: what the template made for today goes first.
select pgvigil.drop_expired_partitions('2031-03-29 00:00+00');
update pgvigil.log_table set retention = '3 days' where log_table = 'cpu_log';
select is(
    pgvigil.drop_expired_partitions('2031-04-01 23:59:59.999999+00'), 0,
    'a day stays as long as its last moment is younger than the retention'
);
select is(pgvigil.drop_expired_partitions('2031-04-02 00:00:00+00'), 1, 'then it is dropped');
select is(pg_temp.days('cpu_log'), '03-30 03-31 04-01 04-02 04-03 04-04 04-05 04-06 04-07', 'it was the oldest day');
select is(
    pg_temp.days('disk_log'), '03-29 03-30 03-31 04-01 04-02 04-03 04-04 04-05 04-06 04-07',
    'each table has a retention of its own'
);

select ok(pgvigil.tick('2031-04-03 00:00+00'), 'a tick does what is due');
select is(pg_temp.days('cpu_log'), '03-31 04-01 04-02 04-03 04-04 04-05 04-06 04-07 04-08 04-09 04-10', 'it drops a day and makes days');

-- Upkeep is two jobs: one that fails must not undo the other.
create view pg_temp.holds_on as select * from pgvigil_partition.disk_log_20310329;
select lives_ok($$select pgvigil.tick('2031-05-01 00:00+00')$$, 'a partition that cannot be dropped does not stop the tick');
select is(pg_temp.days('disk_log', '203105'), '05-01 05-02 05-03 05-04 05-05 05-06 05-07 05-08', 'the days ahead are made all the same');

-- Samples stay until the rollups have them, however old.
create function pg_temp.dropped() returns text language plpgsql as $$
begin
    while pgvigil.drop_expired_partitions('2033-03-30') > 0 loop null; end loop;
    return pg_temp.days('cpu_log', '2032');
end
$$;
insert into pgvigil.host (host_name) values ('behind1');
insert into pgvigil.rollup_progress (host_id, rolled_until) select h.host_id, '2032-04-02 06:00+00' from pgvigil.host as h;
select is(pg_temp.dropped(), '04-02 04-03 04-04 04-05 04-06', 'samples that are not rolled up yet are not dropped');
update pgvigil.rollup_progress set rolled_until = '2032-06-01';
insert into pgvigil.late_hour (host_id, hour_at, transaction_id) select h.host_id, '2032-04-05 23:00+00', '1' from pgvigil.host as h;
select is(pg_temp.dropped(), '04-05', 'nor those of an hour that is to be rolled up again');
delete from pgvigil.late_hour;
select is(pg_temp.dropped(), null, 'then they are');

select * from finish();
rollback;
