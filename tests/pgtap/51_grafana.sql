-- What the dashboards select is what happened: states, incidents, growth, noise, mails.
begin;
select plan(24);

select pgvigil.ensure_partitions(statement_timestamp());
delete from pgvigil.threshold;
delete from pgvigil.recipient;
insert into pgvigil.recipient (address) values ('ops@example.org');
select pgvigil.register_host(h, '10 seconds', '1.0', array['web']) from unnest(array['web1', 'web2', 'web3', 'away1']) as h;
update pgvigil.host set expected = false where host_name = 'away1';
create function pg_temp.host(p_name text) returns integer language sql as $$
    select h.host_id from pgvigil.host as h where h.host_name = p_name
$$;
-- The transaction's time is "now" here and in the views.
create function pg_temp.ago(p_second numeric) returns timestamptz language sql as $$
    select statement_timestamp() - p_second * interval '1 second'
$$;
create function pg_temp.cpu(p_host text, p_usage real, p_at timestamptz) returns void language sql as $$
    insert into pgvigil.cpu_log (created_at, host_id, cpu_name, cpu_usage) values (p_at, pg_temp.host(p_host), 'cpu-total', p_usage)
$$;

-- States.
select pg_temp.cpu('web1', 50, pg_temp.ago(5)), pg_temp.cpu('web2', 95, pg_temp.ago(5));
select results_eq(
    $$select s.host_name, s.state, s.state_code, s.groups from dashboard.host_state as s order by 1$$,
    $$values ('away1', 'off', -1, 'web'), ('web1', 'ok', 0, 'web'), ('web2', 'ok', 0, 'web'), ('web3', 'silent', 3, 'web')$$,
    'a host that never came is silent, one that need not come is off'
);
insert into pgvigil.threshold (metric, warning, critical, hold) values ('cpu_usage', 90, 99, '0');
select pg_temp.cpu('web2', 96, pg_temp.ago(4));
select is((select s.state from dashboard.host_state as s where s.host_name = 'web2'), 'warning', 'an alert makes the state');
select pg_temp.cpu('web2', 100, pg_temp.ago(3));
select is((select s.state_code from dashboard.host_state as s where s.host_name = 'web2'), 2, 'the worst one');
insert into pgvigil.threshold (metric, critical, hold) values ('host_silence', 60, '0');
select pgvigil.judge_derived(pg_temp.host('web2'), 'host_silence', 'host', 120, pg_temp.ago(0));
select is((select s.state from dashboard.host_state as s where s.host_name = 'web2'), 'silent', 'silence is worse than anything');
select results_eq(
    $$select f.hosts, f.silent, f.critical, f.warning, f.open_alerts from dashboard.fleet_now as f$$,
    $$values (4::bigint, 2::bigint, 0::bigint, 0::bigint, 2::bigint)$$, 'the fleet in one row'
);
select cmp_ok(
    (select s.delay_seconds from dashboard.host_state as s where s.host_name = 'web1'), '>=', 5::float8,
    'from sample to storage'
);

-- A disk that grows by 1 GB in three hours, and one that does not.
insert into pgvigil.disk_info (host_id, disk_name, device, file_system, mounted, size)
select pg_temp.host('web1'), d, 'sda', 'ext4', nullif(d, 'sdb'), 100e9 from unnest(array['/', '/data', 'sdb']) as d;
insert into pgvigil.disk_log (created_at, host_id, disk_name, disk_usage, used_bytes, available_bytes)
select n.sampled_at - b.back, n.host_id, b.disk, 50, b.used, 8e9
from dashboard.host_now as n
cross join (
    values
    ('/data', interval '7 hours', 1e9), ('/data', interval '3 hours', 50e9), ('/data', interval '0', 51e9),
    ('/', interval '3 hours', 51e9), ('/', interval '0', 51e9), ('sdb', interval '0', null)
) as b (disk, back, used)
where n.host_name = 'web1';
select results_eq(
    $$select d.disk_name, round(d.bytes_per_day), round(d.full_in_seconds) from dashboard.disk_now as d order by 1$$,
    $$values ('/', 0::float8, null::float8), ('/data', 8e9, 86400)$$,
    'growth is measured over six hours at most, and only what grows will be full; bare devices have no space'
);

-- Incidents: three of different length, one by a shadow rule, one open.
delete from pgvigil.mail;
delete from pgvigil.alert_event;
delete from pgvigil.alert;
create temporary table t as select statement_timestamp() as now, min(x.threshold_id) as rule from pgvigil.threshold as x where x.metric = 'cpu_usage';
insert into pgvigil.alert (
    host_id, log_table, metric, resource, threshold_id, state, severity, worst_severity, is_shadow, value, peak_value, hold,
    pending_at, judged_at, fired_at, resolved_at, reopened
)
select
    pg_temp.host(a.host), 'cpu_log', 'cpu_usage', a.resource, t.rule, case when a.until is null then 'firing' else 'resolved' end,
    'warning', a.severity, a.is_shadow, 1, 2, '0', t.now - a.since, t.now, t.now - a.since, t.now - a.until, a.reopened
from t cross join (
    values
    ('web1', 'cpu0', 'warning', false, interval '9 hours', interval '8 hours', 1),
    ('web1', 'cpu1', 'critical', false, interval '90 minutes', interval '30 minutes', 0),
    ('web2', 'cpu0', 'warning', false, interval '30 minutes', null, 0),
    ('web2', 'cpu1', 'critical', true, interval '30 minutes', interval '10 minutes', 0)
) as a (host, resource, severity, is_shadow, since, until, reopened);
select results_eq(
    $$select round(i.duration_seconds / 10) * 10, i.severity from dashboard.incident as i order by i.fired_at, i.resource desc$$,
    $$values (3600::float8, 'warning'), (3600, 'critical'), (1200, 'critical'), (1800, 'warning')$$,
    'an incident lasts from firing to its end, or until now'
);
select results_eq(
    $$select extract(epoch from r.timeend - r.time)::integer, r.text from t, dashboard.incident_region('web1', 'critical', t.now - interval '1 hour', t.now) as r$$,
    $$values (3600, 'CPU usage cpu1')$$, 'a region is the whole incident, though it began before'
);
select is_empty($$select r.* from t, dashboard.incident_region('web1', 'warning', t.now - interval '1 hour', t.now) as r$$, 'what was over by then is no region');
select results_eq(
    $$select s.warning, s.critical from t, dashboard.incident_series(t.now - interval '2 hours', t.now, 4) as s order by s.time$$,
    $$values (0::bigint, 0::bigint), (0, 1), (0, 0), (1, 0)$$, 'incidents are counted when they fired, shadow ones are not'
);
select results_eq(
    $$select s.metric, string_agg(s.value::text, '' order by s.time) from t, dashboard.state_series(t.now - interval '2 hours', t.now, 20, 8) as s group by 1 order by 1$$,
    $$values ('web1', '00222220'), ('web2', '00000011')$$, 'the worst state in each part, of the hosts that were ill'
);
select results_eq(
    $$select distinct s.metric from t, dashboard.state_series(t.now - interval '2 hours', t.now, 1, 8) as s$$,
    $$values ('web1')$$, 'the worst hosts first'
);
-- Two mails that are deleted by now: their incidents have counted them.
delete from pgvigil.recipient;
insert into pgvigil.recipient (address) values ('ops@example.org');
select pgvigil.queue_mail(a, 'fired', t.now) from pgvigil.alert as a cross join t where not a.is_shadow;
delete from pgvigil.mail;
insert into pgvigil.mail (host_id, alert_id, event, severity, value, peak_value, sampled_at, address, language, time_zone, due_at, created_at, sent_at, failed_at, attempts)
select a.host_id, a.alert_id, 'fired', 'warning', 1, 1, a.fired_at, 'ops@example.org', 'en', 'UTC', a.fired_at, a.fired_at, m.sent_at, m.failed_at, m.attempts
from pgvigil.alert as a
cross join t
cross join lateral (
    select
        case when a.resource = 'cpu0' and a.resolved_at is not null then a.fired_at + interval '2 seconds' end as sent_at,
        case when a.worst_severity = 'critical' then t.now end as failed_at,
        case when a.resolved_at is null then 3 else 1 end as attempts
) as m
where not a.is_shadow;
select results_eq(
    $$select n.title, n.scope, n.mode, n.incidents, n.hosts, round(n.firing_seconds), n.reopened, n.mails from t, dashboard.noisy_rule(t.now - interval '1 hour', t.now) as n$$,
    $$values ('CPU usage', 'all hosts', 'armed', 3::bigint, 2::bigint, (1800 + 1800 + 1200)::float8, 0::bigint, 2::bigint)$$,
    'a rule is as noisy as its incidents in that time'
);
delete from pgvigil.threshold where metric = 'cpu_usage';
select is((select n.mode from t, dashboard.noisy_rule(t.now - interval '1 hour', t.now) as n), 'deleted', 'also once it is deleted');

-- Mails.
select results_eq(
    $$select o.waiting, o.retrying, round(o.oldest_seconds / 10) * 10, o.failed_in_a_day, o.sent_in_a_day from dashboard.outbox as o$$,
    $$values (1::bigint, 1::bigint, 1800::float8, 1::bigint, 1::bigint)$$, 'the outbox in one row'
);
select results_eq(
    $$select s.sent, s.failed, s.waiting, s.delivery_seconds from t, dashboard.mail_series(t.now - interval '10 hours', t.now, 2) as s order by s.time$$,
    $$values (1::bigint, 0::bigint, 0::bigint, 2::float8), (0, 1, 1, null)$$, 'mails by when they were written'
);

-- Limits and rules.
insert into pgvigil.threshold (metric, resource, warning, critical, hold) values ('disk_usage', null, 80, 95, '0');
insert into pgvigil.threshold (metric, host_name, resource, warning, critical, hold) values ('disk_usage', 'web1', '/data', 90, 95, '0');
create function pg_temp.limits(p_resources text []) returns text language sql as $$
    select string_agg(distinct l.metric || '=' || l.value, ' ' order by l.metric || '=' || l.value)
    from t, dashboard.limit_series('web1', 'disk_usage', p_resources, t.now - interval '1 hour', t.now) as l
$$;
select is(pg_temp.limits(array['/']), 'critical=95 warning=80', 'one resource has one line each');
select is(pg_temp.limits(array['/', '/data']), 'critical=95 warning /=80 warning /data=90', 'lines that differ are named');
select is(
    (select count(*) from t, dashboard.limit_series('web1', 'disk_usage', array['/'], t.now - interval '1 hour', t.now) as l where l.time in (t.now - interval '1 hour', t.now)),
    4::bigint, 'a line goes from end to end'
);
select is((select c.change from dashboard.rule_change as c order by c.history_id desc limit 1), '', 'an insert has no old value');
update pgvigil.threshold set warning = 91 where host_name = 'web1';
select is((select c.change from dashboard.rule_change as c order by c.history_id desc limit 1), 'warning: 90 > 91', 'a change tells what it changed');

-- Parts and tables.
select results_eq(
    $$select p.at, p.until from dashboard.part('2031-01-01 00:00+00', '2031-01-01 00:00:01+00', 3) as p$$,
    $$
    values
    ('2031-01-01 00:00:00+00'::timestamptz, '2031-01-01 00:00:00.333333+00'::timestamptz),
    ('2031-01-01 00:00:00.333333+00', '2031-01-01 00:00:00.666667+00'), ('2031-01-01 00:00:00.666667+00', '2031-01-01 00:00:01+00')
    $$, 'parts have no gap, and end where the time ends'
);
select results_eq(
    $$select s.partitions > 7, s.ahead_seconds > 6 * 86400, s.bytes > 0 from dashboard.storage as s where s.table_name = 'cpu_log'$$,
    $$values (true, true, true)$$, 'partitions reach a week ahead'
);

select * from finish();
rollback;
