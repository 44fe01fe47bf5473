-- Whose host is whose, graphs of any span, rollups made by hand, and what a rollout reports.
begin;
select plan(25);

select pgvigil.ensure_partitions(now());
create role pgvigil_test_a login in role pgvigil_agent;
create role pgvigil_test_b login in role pgvigil_agent;
-- Registers as a login, and says what came of it.
create function pg_temp.register(p_login text, p_host text) returns text language plpgsql as $$
begin
    execute format('set local session authorization %I', p_login);
    perform pgvigil.register_host(p_host, '10 seconds', '1.0');
    reset session authorization;
    return (select h.login_role from pgvigil.host as h where h.host_name = p_host);
exception when insufficient_privilege then
    reset session authorization;
    return sqlerrm;
end
$$;
select is(pg_temp.register('pgvigil_test_a', 'web1'), 'pgvigil_test_a', 'a host belongs to the login that registers it');
select is(pg_temp.register('pgvigil_test_a', 'web1'), 'pgvigil_test_a', 'and goes on to');
select is(
    pg_temp.register('pgvigil_test_b', 'web1'), 'host web1 belongs to the login pgvigil_test_a, not to pgvigil_test_b',
    'another login is refused'
);
select is(
    pg_temp.register('pgvigil_test_a', 'web2'), 'login pgvigil_test_a belongs to host web1 already, and may not be web2 too',
    'a login has one host'
);
update pgvigil.setting set value = 'pgvigil_test_x, pgvigil_test_a' where setting = 'shared_logins';
select is(pg_temp.register('pgvigil_test_a', 'web2'), 'pgvigil_test_a', 'unless it is named as shared');

-- Graphs. The last hour but one, a sample every ten seconds, 1 to 360.
create function pg_temp.at(p_second integer) returns timestamptz language sql as $$
    select date_bin('1 hour', now(), '2000-01-01 00:00+00') - interval '1 hour' + p_second * interval '1 second'
$$;
insert into pgvigil.cpu_log (created_at, updated_at, host_id, cpu_name, cpu_usage)
select pg_temp.at(s.n * 10 - 10), pg_temp.at(s.n * 10 - 10), h.host_id, 'cpu-total', s.n / 4.0
from generate_series(1, 360) as s (n) cross join pgvigil.host as h where h.host_name = 'web1';
create function pg_temp.graph(p_points integer) returns table (n bigint, average numeric, peak float8) language sql as $$
    select count(g.cpu_usage), round(avg(g.cpu_usage)::numeric, 3), max(g.cpu_usage_max)
    from dashboard.cpu_series('web1', pg_temp.at(0), pg_temp.at(3600), p_points) as g
$$;
select results_eq($$select * from pg_temp.graph(400)$$, $$values (360::bigint, 45.125, 90::float8)$$, 'with room for all each sample is a point');
select results_eq($$select * from pg_temp.graph(100)$$, $$values (60::bigint, 45.125, 90::float8)$$, 'with less they are averaged');
select results_eq($$select * from pg_temp.graph(2)$$, $$values (1::bigint, 45.125, 90::float8)$$, 'down to one, and the peak stays');

-- The same once it is rolled up.
select pgvigil.roll_up(array(select h.host_id from pgvigil.host as h), pg_temp.at(0), pg_temp.at(3600), w.width)
from unnest(array['5m', '1h']) as w (width);
select results_eq(
    $$select r.samples, round(r.cpu_usage::numeric, 3), r.cpu_usage_max from pgvigil.cpu_rollup_1h as r$$,
    $$values (360, 45.125, 90::real)$$, 'an hour is one row'
);
select is((select count(*) from pgvigil.cpu_rollup_5m), 12::bigint, 'or twelve of five minutes');
insert into pgvigil.rollup_progress (host_id, rolled_until)
select h.host_id, pg_temp.at(3600) from pgvigil.host as h where h.host_name = 'web1';
select results_eq($$select * from pg_temp.graph(13)$$, $$values (12::bigint, 45.125, 90::float8)$$, 'graphs of five minutes are the same');
select results_eq($$select * from pg_temp.graph(2)$$, $$values (1::bigint, 45.125, 90::float8)$$, 'and those of an hour');
select is((select count(*) from dashboard.cpu_series('nobody', pg_temp.at(0), pg_temp.at(3600))), 0::bigint, 'an unknown host has no graph');

-- Days are made of hours, also of those from before there were days.
create function pg_temp.yesterday() returns timestamptz language sql as $$
    select date_bin('1 day', now(), '2000-01-01 00:00+00') - interval '1 day'
$$;
insert into pgvigil.cpu_rollup_1h (bucket_at, host_id, resource, samples, cpu_usage, cpu_usage_max)
select
    pg_temp.yesterday() + n * interval '1 hour', h.host_id, 'cpu9', case n when 23 then 110 else 10 end, case n when 23 then 35 else 1 end,
    case n when 23 then 99 else 2 end
from generate_series(0, 23) as n cross join pgvigil.host as h where h.host_name = 'web1';
update pgvigil.rollup_progress set rolled_until = pg_temp.yesterday() + interval '24 hours' where rolled_until < pg_temp.yesterday() + interval '24 hours';
select is(pgvigil.advance_days(clock_timestamp() + interval '1 minute') > 0, true, 'an upgrade leaves days to be made');
select results_eq(
    $$select r.bucket_at, r.samples, r.cpu_usage, r.cpu_usage_max from pgvigil.cpu_rollup_1d as r where r.resource = 'cpu9'$$,
    $$values (pg_temp.yesterday(), 340, 12::real, 99::real)$$, 'a day weighs its hours by their samples'
);
delete from pgvigil.cpu_rollup_1h as r where r.resource = 'cpu9';
select results_eq(
    $$
    select g."time", g.cpu_usage, g.cpu_usage_max
    from dashboard.cpu_series('web1', now() - interval '365 days', now()) as g
    where g.resource = 'cpu9'
    $$,
    $$values (pg_temp.yesterday(), 12::float8, 99::float8)$$, 'the graph of a year is made of days'
);

-- A late sample marks its hour, a punctual one does not.
select is((select count(*) from pgvigil.late_hour), 1::bigint, 'samples that came late marked their hour once');
insert into pgvigil.memory_log (created_at, host_id, memory_name, memory_usage, used_bytes, available_bytes)
select clock_timestamp(), h.host_id, 'memory', 1, 1, 1 from pgvigil.host as h where h.host_name = 'web1';
select is((select count(*) from pgvigil.late_hour), 1::bigint, 'one that came in time does not');

-- What a rollout reports.
create function pg_temp.rollout() returns text language sql as $$
    select string_agg(a.state || ' ' || coalesce(a.detail, ''), ', ') from pgvigil.alert as a where a.metric = 'rollout_failed'
$$;
select throws_ok(
    $$select pgvigil.report_rollout('nobody', 'agent', 'no samples')$$, 'P0001', 'there is no host nobody', 'of an unknown host'
);
select pgvigil.report_rollout('web1', 'agent', null, now());
select is(pg_temp.rollout(), null, 'what works, and worked before, is no news');
select pgvigil.report_rollout('web1', 'agent', 'no samples within 60 s', now() + interval '1 second');
select is(pg_temp.rollout(), 'firing no samples within 60 s', 'a failure is an alert with its reason');
select pgvigil.report_rollout('web1', 'agent', null, now() + interval '2 seconds');
select matches(pg_temp.rollout(), '^resolved', 'and ends when it works again');

-- Mails, and so the delivery log, have a retention.
create function pg_temp.mail(p_address text, p_alert_id bigint, p_age interval, p_sent boolean, p_failed boolean default false)
returns void language sql as $$
    insert into pgvigil.mail (
        host_id, alert_id, event, severity, value, peak_value, sampled_at, address, language, time_zone, due_at, created_at, sent_at,
        failed_at
    )
    select
        a.host_id, a.alert_id, 'fired', 'warning', 1, 1, m.at, p_address, 'en', 'UTC', m.at, m.at, case when p_sent then m.at end,
        case when p_failed then m.at end
    from pgvigil.alert as a cross join lateral (select now() - p_age as at) as m where a.alert_id = p_alert_id
$$;
create function pg_temp.addresses() returns text language sql as $$
    select string_agg(m.address, ' ' order by m.address, m.mail_id) from pgvigil.mail as m where m.address like '%@retention'
$$;
with made as (
    insert into pgvigil.alert (
        host_id, metric, resource, state, severity, value, peak_value, hold, pending_at, judged_at, fired_at, resolved_at
    )
    select h.host_id, 'host_silence', s.state, s.state, 'warning', 1, 1, '0', h.at, h.at, h.at, case s.state when 'resolved' then h.at end
    from (select min(x.host_id) as host_id, now() - interval '3 years' as at from pgvigil.host as x) as h
    cross join unnest(array['firing', 'resolved']) as s (state)
    returning alert_id, state
)
select
    pg_temp.mail('over@retention', max(m.alert_id) filter (where m.state = 'resolved'), '3 years', true),
    pg_temp.mail('open@retention', max(m.alert_id) filter (where m.state = 'firing'), '3 years', true),
    pg_temp.mail('young@retention', max(m.alert_id) filter (where m.state = 'resolved'), '1 year', true),
    pg_temp.mail('waits@retention', max(m.alert_id) filter (where m.state = 'resolved'), '3 years', false),
    pg_temp.mail('dead@retention', max(m.alert_id) filter (where m.state = 'resolved'), '3 years', true),
    pg_temp.mail('dead@retention', max(m.alert_id) filter (where m.state = 'resolved'), '3 years', false, true)
from made as m;
select is(pgvigil.delete_expired_mail(now()), 1, 'a mail that was sent more than mail_retention ago goes');
select is(
    pg_temp.addresses(), 'dead@retention dead@retention open@retention waits@retention young@retention',
    'what waits or was given up stays, and so does the thread that it is of, or that may go on'
);
update pgvigil.setting set value = '6 months' where setting = 'mail_retention';
select pgvigil.tick(now() + interval '1 hour');
select is(pg_temp.addresses(), 'dead@retention dead@retention open@retention waits@retention', 'the upkeep does it, by the setting');

select * from finish();
rollback;
