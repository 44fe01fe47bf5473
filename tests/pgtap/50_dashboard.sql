-- What people look at says what the tables hold.
begin;
select plan(28);

select pgvigil.ensure_partitions('2031-03-30 12:00+00');
delete from pgvigil.threshold;
delete from pgvigil.recipient;
insert into pgvigil.recipient (address) values ('ops@example.org');
select pgvigil.register_host(h, '10 seconds', '1.0') from unnest(array['web1', 'web2', 'empty1']) as h;
create function pg_temp.at(p_second numeric) returns timestamptz language sql as $$
    select '2031-03-30 12:00+00'::timestamptz + p_second * interval '1 second'
$$;
create function pg_temp.host(p_name text default 'web1') returns integer language sql as $$
    select h.host_id from pgvigil.host as h where h.host_name = p_name
$$;
create function pg_temp.cpu(p_second numeric, p_usage real, p_name text default 'cpu-total', p_host text default 'web1') returns void language sql as $$
    insert into pgvigil.cpu_log (created_at, host_id, cpu_name, cpu_usage) values (pg_temp.at(p_second), pg_temp.host(p_host), p_name, p_usage)
$$;
create function pg_temp.memory(p_second numeric, p_usage real, p_name text default 'memory') returns void language sql as $$
    insert into pgvigil.memory_log (created_at, host_id, memory_name, memory_usage, used_bytes, available_bytes)
    values (pg_temp.at(p_second), pg_temp.host(), p_name, p_usage, 1, 1)
$$;
create function pg_temp.disk(p_second numeric, p_usage real, p_name text) returns void language sql as $$
    insert into pgvigil.disk_log (created_at, host_id, disk_name, disk_usage) values (pg_temp.at(p_second), pg_temp.host(), p_name, p_usage)
$$;
create function pg_temp.network(p_second numeric, p_received real, p_sent real, p_name text) returns void language sql as $$
    insert into pgvigil.network_log (created_at, host_id, network_interface, received_bytes_per_second, sent_bytes_per_second, errors_per_second, drops_per_second)
    values (pg_temp.at(p_second), pg_temp.host(), p_name, p_received, p_sent, 0, 0)
$$;

-- host_now.
select results_eq(
    $$select n.host_name, n.sampled_at, n.cpu_usage, n.disk_name, n.open_alerts, n.severity from dashboard.host_now as n where n.host_name = 'empty1'$$,
    $$values ('empty1', null::timestamptz, null::real, null, 0::bigint, null)$$,
    'a host without a sample is listed, with nothing'
);
select pg_temp.cpu(0, 11), pg_temp.memory(0, 90), pg_temp.disk(0, 99, '/old'), pg_temp.network(0, 1000, 1000, 'eth0');
select pg_temp.cpu(10, 22), pg_temp.cpu(10, 77, 'cpu0'), pg_temp.cpu(20, 78, 'cpu0');
select pg_temp.memory(10, 33), pg_temp.memory(10, 88, 'swap');
select pg_temp.disk(10, 44, '/'), pg_temp.disk(10, 66, '/var'), pg_temp.disk(10, null, 'sdb'), pg_temp.disk(10, 55, '/home');
select pg_temp.network(10, 1, 10, 'eth0'), pg_temp.network(10, 2, 20, 'eth1');
select pg_temp.cpu(5, 5), pg_temp.cpu(30, 44, 'cpu-total', 'web2');
select results_eq(
    $$
    select n.sampled_at, n.cpu_usage, n.memory_usage, n.disk_name, n.disk_usage, n.received_bytes_per_second, n.sent_bytes_per_second, n.sample_interval
    from dashboard.host_now as n where n.host_name = 'web1'
    $$,
    $$values (pg_temp.at(10), 22::real, 33::real, '/var', 66::real, 3::real, 30::real, '10 seconds'::interval)$$,
    'a host is shown by its newest sample of all cores: memory without swap, the fullest disk, all interfaces together'
);
select is((select n.stored_at from dashboard.host_now as n where n.host_name = 'web1'), (select l.updated_at from pgvigil.cpu_log as l where l.cpu_usage = 22), 'with the time at which it was stored');
select results_eq(
    $$select n.cpu_usage, n.memory_usage, n.disk_name from dashboard.host_now as n where n.host_name = 'web2'$$,
    $$values (44::real, null::real, null)$$, 'another host is shown by its own'
);
select is((select count(*) from dashboard.host_now), 3::bigint, 'each host is listed once');
update pgvigil.host set is_deleted = true where host_name = 'empty1';
select is((select count(*) from dashboard.host_now), 2::bigint, 'a retired host is not listed');
update pgvigil.cpu_log set is_deleted = true where cpu_usage = 22;
select is((select n.cpu_usage from dashboard.host_now as n where n.host_name = 'web1'), 5::real, 'a sample that is deleted is left out');
update pgvigil.cpu_log set is_deleted = false;

-- Alerts.
select is_empty($$select * from dashboard.open_alert$$, 'without a breach no alert is shown');
insert into pgvigil.threshold (metric, warning, critical, hold) values ('cpu_usage', 90, 98, '0'), ('disk_usage', 80, 95, '10 seconds'), ('memory_usage', 90, null, '0');
select pg_temp.cpu(20, 91), pg_temp.disk(20, 96, '/'), pg_temp.memory(20, 95);
select results_eq(
    $$
    select o.host_name, o.metric, o.title, o.resource, o.state, o.severity, o.value::real, o.warning::real, o.critical::real, o.unit, o.pending_at, o.fired_at, o.is_shadow
    from dashboard.open_alert as o order by o.metric
    $$,
    $$
    values
    ('web1', 'cpu_usage', 'CPU usage', 'cpu-total', 'firing', 'warning', 91::real, 90::real, 98::real, 'percent', pg_temp.at(20), pg_temp.at(20), false),
    ('web1', 'disk_usage', 'Disk usage', '/', 'pending', 'critical', 96, 80, 95, 'percent', pg_temp.at(20), null, false),
    ('web1', 'memory_usage', 'Memory usage', 'memory', 'firing', 'warning', 95, 90, null, 'percent', pg_temp.at(20), pg_temp.at(20), false)
    $$,
    'what is pending or firing is shown with its limits'
);
select results_eq(
    $$select n.host_name, n.open_alerts, n.severity from dashboard.host_now as n order by 1$$,
    $$values ('web1', 2::bigint, 'warning'), ('web2', 0, null)$$, 'a host shows how many fire, not what is pending'
);
select pg_temp.cpu(30, 99);
select is((select n.severity from dashboard.host_now as n where n.host_name = 'web1'), 'critical', 'the worst severity of a host counts');
select is((select o.peak_value::real from dashboard.open_alert as o where o.metric = 'cpu_usage'), 99::real, 'an alert shows its peak');
select pg_temp.cpu(40, 10);
select is((select string_agg(o.metric, ' ' order by o.metric) from dashboard.open_alert as o), 'disk_usage memory_usage', 'what is resolved is not shown');

-- Mails.
select results_eq(
    $$
    select m.event, m.severity, m.host_name, m.title, m.resource, m.value::real, m.unit, m.address, m.attempts, m.sent_at, m.failed_at, m.last_error
    from dashboard.recent_mail as m where m.title = 'CPU usage' order by m.mail_id
    $$,
    $$
    values
    ('fired', 'warning', 'web1', 'CPU usage', 'cpu-total', 91::real, 'percent', 'ops@example.org', 0, null::timestamptz, null::timestamptz, null),
    ('escalated', 'critical', 'web1', 'CPU usage', 'cpu-total', 99, 'percent', 'ops@example.org', 0, null, null, null),
    ('resolved', 'critical', 'web1', 'CPU usage', 'cpu-total', 10, 'percent', 'ops@example.org', 0, null, null, null)
    $$,
    'each mail is shown with what it tells'
);
select is((select count(*) from dashboard.recent_mail), (select count(*) from pgvigil.mail), 'each once');
update pgvigil.mail set sent_at = pg_temp.at(50), attempts = 2 where event = 'fired';
update pgvigil.mail set failed_at = pg_temp.at(60), last_error = '550 no' where event = 'resolved';
select results_eq(
    $$select m.event, m.attempts, m.sent_at, m.failed_at, m.last_error from dashboard.recent_mail as m where m.title = 'CPU usage' order by m.mail_id$$,
    $$
    values
    ('fired', 2, pg_temp.at(50), null::timestamptz, null), ('escalated', 0, null, null, null),
    ('resolved', 0, null, pg_temp.at(60), '550 no')
    $$,
    'and with what became of it'
);

-- Sparklines: an hour in six parts, which end at :10, :20 .. and contain their ends.
create function pg_temp.line(p_until numeric, p_buckets integer default 6, p_metric text default 'cpu_usage', p_resource text default 'cpu-total') returns text
language sql as $$
    select dashboard.sparkline(pg_temp.host('web2'), p_metric, p_resource, pg_temp.at(p_until), '1 hour', p_buckets)::text
$$;
delete from pgvigil.cpu_log;
delete from pgvigil.threshold;
select is(pg_temp.line(3600), '{NULL,NULL,NULL,NULL,NULL,NULL}', 'without samples a sparkline is empty, and as long as asked for');
select pg_temp.cpu(60, 10, 'cpu-total', 'web2'), pg_temp.cpu(120, 12, 'cpu-total', 'web2'), pg_temp.cpu(180, 11, 'cpu-total', 'web2');
select is(pg_temp.line(3600), '{12,NULL,NULL,NULL,NULL,NULL}', 'a part shows its worst value');
select pg_temp.cpu(1500, 30, 'cpu-total', 'web2'), pg_temp.cpu(3599, 60, 'cpu-total', 'web2');
select is(pg_temp.line(3600), '{12,NULL,30,NULL,NULL,60}', 'the oldest part comes first');
select pg_temp.cpu(3601, 99, 'cpu-total', 'web2'), pg_temp.cpu(0, 98, 'cpu-total', 'web2'), pg_temp.cpu(1800, 97, 'cpu0', 'web2'), pg_temp.cpu(1800, 96, 'cpu-total', 'web1');
select is(pg_temp.line(3600), '{12,NULL,30,NULL,NULL,60}', 'what is older, newer, of another resource or host is not in it');
select pg_temp.cpu(3600, 50, 'cpu-total', 'web2');
select is(pg_temp.line(3600), '{12,NULL,30,NULL,NULL,60}', 'a sample at the very end is in the last part');
select is(cardinality(dashboard.sparkline(pg_temp.host('web2'), 'cpu_usage', 'cpu-total', pg_temp.at(3600), '1 hour', 60)), 60, 'there are as many values as asked for');
select is(pg_temp.line(3602, 1), '{99}', 'one part is the worst of all');
select is(pg_temp.line(3602, 2), '{30,99}', 'two parts are two halves');
select is(pg_temp.line(360000), '{NULL,NULL,NULL,NULL,NULL,NULL}', 'a time without samples is empty');
insert into pgvigil.memory_log (created_at, host_id, memory_name, memory_usage, used_bytes, available_bytes)
values (pg_temp.at(100), pg_temp.host('web2'), 'memory', 10, 1, 800), (pg_temp.at(200), pg_temp.host('web2'), 'memory', 20, 1, 300);
select is(pg_temp.line(3601, 6, 'memory_usage', 'memory'), '{20,NULL,NULL,NULL,NULL,NULL}', 'any metric has a sparkline');
select is(pg_temp.line(3601, 6, 'memory_available_bytes', 'memory'), '{300,NULL,NULL,NULL,NULL,NULL}', 'from below the worst value is the lowest');
select is(pg_temp.line(3600, 6, 'host_silence', 'host'), '{}', 'a metric that no column holds has no sparkline');

select * from finish();
rollback;
