-- What makes alerts bearable. Seconds count from Tuesday 2031-03-25 12:00 UTC, by the clocks of hosts and server alike.
begin;
select plan(310);

select pgvigil.ensure_partitions('2031-03-25 12:00+00');
select pgvigil.ensure_partitions('2031-03-22 12:00+00');
delete from pgvigil.threshold;
delete from pgvigil.recipient;
insert into pgvigil.recipient (address) values ('ops@example.org');
create temporary table known as select h from unnest(array['web1', 'web2', 'web3', 'web4']) as h;
select pgvigil.register_host(k.h, '10 seconds', '1.0', case k.h when 'web1' then '{web,asia}'::text [] end) from known as k;
update pgvigil.host set created_at = '2031-03-25 12:00+00';

create function pg_temp.at(p_second numeric) returns timestamptz language sql as $$
    select '2031-03-25 12:00+00'::timestamptz + p_second * interval '1 second'
$$;
create function pg_temp.host(p_name text default 'web1') returns integer language sql as $$
    select h.host_id from pgvigil.host as h where h.host_name = p_name
$$;
create function pg_temp.mails(p_after bigint default 0, p_address text default 'ops@example.org') returns text language sql as $$
    select string_agg(m.event, ' ' order by m.mail_id) from pgvigil.mail as m where m.mail_id > p_after and m.address = p_address
$$;
create function pg_temp.state(p_metric text default 'cpu_usage', p_host text default 'web1') returns text language sql as $$
    select coalesce(
        (
            select a.state || ' ' || a.severity from pgvigil.alert as a
            where a.host_id = pg_temp.host(p_host) and a.metric = p_metric and a.resolved_at is null
        ), 'none' -- "ok" would be a test
    )
$$;
-- Stores a sample, and says what became of it: the state, and the mails that it caused.
create function pg_temp.cpu(p_second numeric, p_usage real, p_host text default 'web1') returns text language plpgsql as $$
declare
    v_last bigint := coalesce((select max(m.mail_id) from pgvigil.mail as m), 0);
begin
    insert into pgvigil.cpu_log (created_at, updated_at, host_id, cpu_name, cpu_usage)
    values (pg_temp.at(p_second), pg_temp.at(p_second), pg_temp.host(p_host), 'cpu-total', p_usage);
    return concat_ws(', ', pg_temp.state('cpu_usage', p_host), pg_temp.mails(v_last));
end
$$;
create function pg_temp.memory(p_second numeric, p_stored numeric, p_host text default 'web1') returns void language sql as $$
    insert into pgvigil.memory_log (created_at, updated_at, host_id, memory_name, memory_usage, used_bytes, available_bytes)
    values (pg_temp.at(p_second), pg_temp.at(p_stored), pg_temp.host(p_host), 'memory', 1, 1, 1)
$$;
-- Calls a part of tick(), and says which mails it wrote.
create function pg_temp.then(p_part text, p_second numeric) returns text language plpgsql as $$
declare
    v_last bigint := coalesce((select max(m.mail_id) from pgvigil.mail as m), 0);
begin
    execute format('select pgvigil.%I($1)', p_part) using pg_temp.at(p_second);
    return pg_temp.mails(v_last);
end
$$;
create function pg_temp.remind(p_second numeric) returns text language sql as $$
    select pg_temp.then('send_reminders', p_second)
$$;
-- The message of an error, and its hint.
create function pg_temp.refusal(p_statement text) returns text language plpgsql as $$
declare
    v_message text;
    v_hint text;
begin
    execute p_statement;
    return 'none';
exception when raise_exception then
    get stacked diagnostics v_message = message_text, v_hint = pg_exception_hint;
    return v_message || ' | ' || v_hint;
end
$$;
-- Everything forgotten but the hosts; one rule.
create function pg_temp.next_subject(p_metric text default null, p_warning float8 default null, p_critical float8 default null, p_remind interval default '1 hour')
returns void language sql as $$
    delete from pgvigil.mail;
    delete from pgvigil.alert_event;
    delete from pgvigil.alert;
    delete from pgvigil.silence;
    delete from pgvigil.rule_error;
    delete from pgvigil.upkeep where task <> 'tick';
    delete from pgvigil.cpu_log;
    delete from pgvigil.memory_log;
    delete from pgvigil.disk_log;
    delete from pgvigil.threshold;
    insert into pgvigil.threshold (metric, warning, critical, remind_every)
    select p_metric, p_warning, p_critical, p_remind where p_metric is not null;
$$;

-- Reminders.
select pg_temp.next_subject('cpu_usage', 80, 90);
select is(pg_temp.cpu(0, 85), 'firing warning, fired', 'it fires');
select is(pg_temp.remind(3599), null, 'no reminder before remind_every is over');
select is(pg_temp.remind(3600), 'reminder', 'a reminder when it is over');
select is(pg_temp.remind(3601), null, 'one');
select is(pg_temp.remind(7200), 'reminder', 'and another one after as long again');
select is(
    (select string_agg(e.event, ' ' order by e.event_id) from pgvigil.alert_event as e), 'fired reminder reminder', 'reminders are events'
);
select is(pg_temp.cpu(7210, 95), 'firing critical, escalated', 'it gets worse');
select is(pg_temp.remind(10800), null, 'after any mail the time counts anew');
select is(pg_temp.remind(10810), 'reminder', 'from that mail');
update pgvigil.alert set unknown_since = pg_temp.at(10811);
select is(pg_temp.remind(20000), null, 'what is unknown is not reminded');
update pgvigil.alert set unknown_since = null;
select is(pg_temp.cpu(20010, 1), 'none, resolved', 'it ends');
select is(pg_temp.remind(90000), null, 'what is over is not reminded');
select pg_temp.next_subject('cpu_usage', 80, 90, null);
select is(pg_temp.cpu(0, 85), 'firing warning, fired', 'a rule without remind_every fires');
select is(pg_temp.remind(900000), null, 'and reminds nobody');

-- Acknowledged.
select pg_temp.next_subject('cpu_usage', 80, 90);
select is(
    pg_temp.refusal($$select pgvigil.acknowledge('web1')$$),
    'nothing is firing there that nobody is on | select host_name, metric, resource, state, acknowledged_by from dashboard.open_alert;',
    'nothing can be acknowledged where nothing fires'
);
select is(
    pg_temp.refusal(format('select pgvigil.%s', f)), 'there is no host wbe1 | select host_name from pgvigil.host;', 'nor where there is no such host: ' || f
)
from unnest(array['acknowledge(''wbe1'')', 'forget_resource(''wbe1'', ''/'')', 'explain_alert(''wbe1'', ''cpu_usage'', ''cpu-total'')']) as f;
select pg_temp.cpu(0, 85);
select is(
    pg_temp.refusal($$select pgvigil.acknowledge('web1', 'disk_usage')$$) like 'nothing is firing there%', true, 'nor another metric'
);
select is(pgvigil.acknowledge('web1', 'cpu_usage', 'cpu-total', 'I am on it'), 1, 'one alert is acknowledged');
select results_eq(
    $$select a.acknowledged_by = session_user, a.acknowledged_note, a.acknowledged_at is not null from pgvigil.alert as a$$,
    $$values (true, 'I am on it', true)$$, 'by whom, when and what they said is kept'
);
select is((select e.event from pgvigil.alert_event as e order by e.event_id desc limit 1), 'acknowledged', 'it is an event');
select is(
    pg_temp.refusal($$select pgvigil.acknowledge('web1')$$) like 'nothing is firing there that nobody is on%', true, 'whoever was first stays it'
);
select is(pg_temp.remind(7200), null, 'no reminder of what somebody is on');
select is(pg_temp.cpu(7210, 95), 'firing critical, escalated', 'that it gets worse is mailed all the same');
select is(pg_temp.cpu(7220, 1), 'none, resolved', 'and its end');
select is(pg_temp.cpu(7230, 95) || coalesce(', ' || pg_temp.remind(20000), ''), 'firing critical, flapping, reminder', 'that ends with the alert');

-- Flapping: one mail, then counted, resolved after calm.
select pg_temp.next_subject('cpu_usage', 80, 90, '3 hours');
select is(pg_temp.cpu(0, 85), 'firing warning, fired', 'flapping begins as any alert');
select is(pg_temp.cpu(10, 1), 'none, resolved', 'and ends');
select is(pg_temp.cpu(20, 85), 'firing warning, flapping', 'back within flap_window: one mail says that it flaps');
select is(pg_temp.cpu(30, 1), 'none', 'its end is not mailed');
select is(pg_temp.cpu(40, 85), 'firing warning', 'nor that it is back');
select is(pg_temp.cpu(50, 95), 'firing critical, escalated', 'getting worse than ever before is');
select is(pg_temp.cpu(60, 82), 'firing warning', 'getting better is not');
select is(pg_temp.cpu(70, 95), 'firing critical', 'nor getting as bad again');
select is(pg_temp.cpu(80, 1), 'none', 'it ends for good');
select is((select count(*) from pgvigil.alert), 1::bigint, 'all of it is one incident');
select is((select a.reopened from pgvigil.alert as a), 2, 'that came back twice');
select is((select count(*) from pgvigil.alert_event as e where e.event in ('fired', 'resolved')), 6::bigint, 'every change is noted');
select is(pg_temp.remind(1879), null, 'before it was calm for as long as flap_window nobody is mailed');
select is(pg_temp.remind(1880), 'resolved', 'then that it is over');
select is(pg_temp.remind(1881), null, 'once');
select is(pg_temp.cpu(1890, 85), 'firing warning, fired', 'what comes later is another incident');
select is((select count(*) from pgvigil.alert), 2::bigint, 'of its own');

select pg_temp.next_subject('cpu_usage', 80, 90, '1 hour');
select pg_temp.cpu(s.i, case when s.i % 20 = 0 then 85 else 1 end) from generate_series(0, 40, 10) as s (i);
select is(pg_temp.mails(), 'fired resolved flapping', 'it flaps, and then stays');
select is(pg_temp.remind(1840), null, 'flapping that became a plain alert is no mail');
select is(pg_temp.cpu(1850, 1), 'none, resolved', 'and its end is mailed at once');
select pg_temp.next_subject('cpu_usage', 80, 90, '1 hour');
select pg_temp.cpu(s.i, case when s.i % 20 = 0 then 85 else 1 end) from generate_series(0, 40, 10) as s (i);
select is(pg_temp.remind(7200), 'reminder', 'who stays on after flapping is reminded of');

-- Time windows.
create function pg_temp.within(p_at timestamptz, p_from time, p_to time, p_zone text default 'UTC', p_days smallint [] default null)
returns boolean language sql as $$
    select pgvigil.is_within(p_at, p_days, p_from, p_to, p_zone)
$$;
select ok(pg_temp.within('2031-03-25 00:00+00', null, null), 'no window is always');
select ok(pg_temp.within('2031-03-25 23:59+00', null, null, 'UTC', '{2}'), 'a Tuesday is a Tuesday');
select ok(not pg_temp.within('2031-03-26 00:00+00', null, null, 'UTC', '{2}'), 'until midnight');
select ok(pg_temp.within('2031-03-25 20:00+00', null, null, 'Asia/Seoul', '{3}'), 'by the time zone');
select ok(pg_temp.within('2031-03-25 00:00+00', '09:00', '17:00', 'Asia/Seoul'), 'nine in Seoul is in');
select ok(not pg_temp.within('2031-03-25 08:00+00', '09:00', '17:00', 'Asia/Seoul'), 'five in Seoul is out');
select ok(not pg_temp.within('2031-03-24 23:59:59+00', '09:00', '17:00', 'Asia/Seoul'), 'a second before nine is out');
select ok(not pg_temp.within('2031-03-25 12:00+00', '09:00', '17:00', 'UTC', '{1,3}'), 'on another day it is out');
select ok(pg_temp.within('2031-03-28 23:00+00', '22:00', '06:00', 'UTC', '{5}'), 'over midnight: Friday evening is in');
select ok(pg_temp.within('2031-03-29 05:59+00', '22:00', '06:00', 'UTC', '{5}'), 'and the morning after');
select ok(not pg_temp.within('2031-03-29 06:00+00', '22:00', '06:00', 'UTC', '{5}'), 'until six');
select ok(not pg_temp.within('2031-03-28 05:00+00', '22:00', '06:00', 'UTC', '{5}'), 'Friday morning is of Thursday');
select ok(not pg_temp.within('2031-03-29 22:30+00', '22:00', '06:00', 'UTC', '{5}'), 'Saturday evening is out');
select ok(pg_temp.within('2031-03-24 23:00+00', '22:00', '06:00', 'UTC', '{7,1}'), 'Sunday to Monday wraps the week');
select ok(pg_temp.within('2031-03-31 05:00+00', '22:00', '06:00', 'UTC', '{7}'), 'Monday morning is of Sunday');
select ok(
    pg_temp.within('2031-03-25 12:00+00', '12:00', '12:00', 'UTC', '{2}') and pg_temp.within('2031-03-26 11:59+00', '12:00', '12:00', 'UTC', '{2}'),
    'from noon to noon is a whole day'
);
select ok(not pg_temp.within('2031-03-26 12:00+00', '12:00', '12:00', 'UTC', '{2}'), 'and no more');
-- Berlin springs from 02:00 to 03:00 at 01:00 UTC on Sunday 30 March, and falls back from 03:00 to 02:00 on 26 October.
select is(
    (select count(*) from generate_series('2031-03-29 23:00+00', '2031-03-30 22:59+00', interval '1 minute') as s (at)
    where pg_temp.within(s.at, '01:30', '03:30', 'Europe/Berlin')),
    60::bigint, 'on the day that springs ahead two hours on the wall last one'
);
select is(
    (select count(*) from generate_series('2031-03-30 00:00+00', '2031-03-30 22:59+00', interval '1 minute') as s (at)
    where pg_temp.within(s.at, '02:00', '03:00', 'Europe/Berlin')),
    0::bigint, 'an hour that does not exist is never'
);
select is(
    (select count(*) from generate_series('2031-10-25 22:00+00', '2031-10-26 22:59+00', interval '1 minute') as s (at)
    where pg_temp.within(s.at, '02:00', '03:00', 'Europe/Berlin')),
    120::bigint, 'an hour that comes twice is in twice'
);
select is(
    array[
        pg_temp.within('2031-03-29 21:00+00', '22:00', '23:00', 'Europe/Berlin'),
        pg_temp.within('2031-03-30 20:00+00', '22:00', '23:00', 'Europe/Berlin'),
        pg_temp.within('2031-03-30 21:00+00', '22:00', '23:00', 'Europe/Berlin')
    ],
    '{t,t,f}', 'the clock on the wall decides, before and after'
);

-- Which silence covers what.
select pg_temp.next_subject('cpu_usage', 80, 90);
create function pg_temp.silenced(p_second numeric default 0, p_host text default 'web1', p_metric text default 'cpu_usage', p_resource text default 'cpu-total')
returns boolean language sql as $$
    select pgvigil.silenced_by(pg_temp.host(p_host), p_metric, p_resource, pg_temp.at(p_second)) is not null
$$;
select ok(not pg_temp.silenced(), 'without silences nothing is silent');
insert into pgvigil.silence (starts_at, ends_at) values (pg_temp.at(0), pg_temp.at(60));
select is(array[pg_temp.silenced(-1), pg_temp.silenced(0), pg_temp.silenced(59), pg_temp.silenced(60)], '{f,t,t,f}', 'once: from starts_at until before ends_at');
update pgvigil.silence set ends_at = null;
select ok(pg_temp.silenced(1e8), 'without an end it never ends');
update pgvigil.silence set host_name = 'web1';
select is(array[pg_temp.silenced(), pg_temp.silenced(p_host => 'web2')], '{t,f}', 'of a host');
update pgvigil.silence set host_name = null, host_group = 'asia';
select is(array[pg_temp.silenced(), pg_temp.silenced(p_host => 'web2')], '{t,f}', 'of a group');
update pgvigil.silence set host_group = null, metric = 'cpu_usage';
select is(array[pg_temp.silenced(), pg_temp.silenced(p_metric => 'load_1m')], '{t,f}', 'of a metric');
update pgvigil.silence set metric = null, resource = 'cpu-%';
select is(array[pg_temp.silenced(), pg_temp.silenced(p_resource => 'cpu0')], '{t,f}', 'of a pattern of resources');
update pgvigil.silence set resource = null, from_time = '12:00', to_time = '13:00', weekdays = '{2}', time_zone = 'UTC';
select is(array[pg_temp.silenced(0), pg_temp.silenced(3600), pg_temp.silenced(86400), pg_temp.silenced(7 * 86400)], '{t,f,f,t}', 'recurring: each Tuesday at noon');
select pgvigil.silence_until('2100-01-01', p_host_name => 'web2', p_note => 'moved') as id \gset
select results_eq(
    format('select s.host_name, s.ends_at, s.note, s.created_by = session_user from pgvigil.silence as s where s.silence_id = %s', :id),
    $$values ('web2', '2100-01-01'::timestamptz, 'moved', true)$$, 'silence_until() makes a silence'
);
select pgvigil.silence_for('2 hours', p_host_group => 'web', p_metric => 'cpu_usage', p_resource => 'cpu-total') as id \gset
select results_eq(
    format('select s.host_group, s.metric, s.resource, s.ends_at - s.starts_at between ''2 hours'' and ''2 hours 10 minutes'' from pgvigil.silence as s where s.silence_id = %s', :id),
    $$values ('web', 'cpu_usage', 'cpu-total', true)$$, 'silence_for() makes one that begins now'
);

-- What a silence withholds.
create function pg_temp.silence(p_from numeric, p_to numeric) returns void language sql as $$
    insert into pgvigil.silence (starts_at, ends_at, host_name) values (pg_temp.at(p_from), pg_temp.at(p_to), 'web1')
$$;
select pg_temp.next_subject('cpu_usage', 80, 90), pg_temp.silence(0, 100);
select is(pg_temp.cpu(0, 85), 'firing warning', 'it fires in silence');
select is((select e.silence_id is not null from pgvigil.alert_event as e), true, 'the event says which silence it was');
select is(pg_temp.cpu(10, 95), 'firing critical', 'gets worse in silence');
select is(pg_temp.remind(99), null, 'nothing before the silence ends');
select is(pg_temp.remind(100), 'fired', 'if it still stands it is mailed when the silence ends');
select is((select m.severity from pgvigil.mail as m), 'critical', 'as it is then');
select is(pg_temp.remind(101), null, 'once');
select is(pg_temp.cpu(110, 1), 'none, resolved', 'and its end is mailed');
select pg_temp.next_subject('cpu_usage', 80, 90), pg_temp.silence(0, 100);
select is(pg_temp.cpu(0, 85), 'firing warning', 'it fires in silence');
select is(pg_temp.cpu(10, 1), 'none', 'and ends in silence');
select is(pg_temp.remind(100), null, 'of what nobody heard nobody hears the end');
select pg_temp.next_subject('cpu_usage', 80, 90), pg_temp.silence(5, 100);
select is(pg_temp.cpu(0, 85), 'firing warning, fired', 'it fires before the silence');
select is(pg_temp.cpu(10, 1), 'none', 'and ends in silence');
select is(pg_temp.remind(100), 'resolved', 'who heard of it hears of its end when the silence ends');
select pg_temp.next_subject('cpu_usage', 80, 90), pg_temp.silence(5, 100);
select pg_temp.cpu(0, 85);
select is(pg_temp.cpu(10, 95), 'firing critical', 'it fires before the silence, and gets worse in it');
select is(pg_temp.remind(100), 'escalated', 'that is mailed when the silence ends');
select pg_temp.next_subject('cpu_usage', 80, 90), pg_temp.silence(5, 15);
select pg_temp.cpu(0, 85), pg_temp.cpu(10, 1);
select is(pg_temp.cpu(20, 85), 'firing warning, flapping', 'it is back just after the silence, before any tick');
select is(pg_temp.remind(21), null, 'what was withheld before is out of date');
select pg_temp.next_subject('cpu_usage', 80, 90), pg_temp.silence(15, 50);
select pg_temp.cpu(s.i, case when s.i % 20 = 0 then 85 else 1 end) from generate_series(0, 30, 10) as s (i);
select is(pg_temp.remind(50), null, 'flapping in silence that is over when the silence ends is no mail');

-- A rule that is changed while it fires.
select pg_temp.next_subject('cpu_usage', 80, 90);
update pgvigil.threshold set mode = 'shadow';
select is(pg_temp.cpu(0, 85), 'firing warning', 'it fires in shadow');
update pgvigil.threshold set mode = 'armed';
select is(pg_temp.cpu(10, 86), 'firing warning, fired', 'armed while it fires, it is mailed with the next sample');
select is(pg_temp.cpu(20, 86), 'firing warning', 'once');
update pgvigil.threshold set mode = 'shadow';
select pg_temp.cpu(30, 86);
update pgvigil.threshold set mode = 'armed';
select is(pg_temp.cpu(40, 86), 'firing warning', 'in shadow for a while, it is not mailed anew');
select is(pg_temp.cpu(50, 1), 'none, resolved', 'who heard of it hears of its end');
select pg_temp.next_subject('cpu_usage', 80, 90), pg_temp.silence(0, 100);
select pg_temp.cpu(0, 85);
update pgvigil.threshold set mode = 'shadow';
select pg_temp.cpu(10, 85);
select is(pg_temp.remind(100), null, 'what a silence withheld is not mailed when it ends in shadow');
update pgvigil.threshold set mode = 'armed';
select is(pg_temp.cpu(110, 85) || coalesce(', ' || pg_temp.remind(111), ''), 'firing warning, fired', 'but when it is armed again, once');
select pg_temp.next_subject('cpu_usage', 80, 90, null);
select pg_temp.cpu(0, 85);
update pgvigil.threshold set remind_every = '10 minutes';
select pg_temp.cpu(10, 85);
select is(pg_temp.remind(610), 'reminder', 'reminders begin with the rule that has some');
update pgvigil.threshold set remind_every = '1 minute';
select pg_temp.cpu(620, 85);
select is(pg_temp.remind(680), 'reminder', 'come sooner');
update pgvigil.threshold set remind_every = null;
select pg_temp.cpu(690, 85);
select is(pg_temp.remind(9000), null, 'and end');

-- Who is mailed by the hour.
select pg_temp.next_subject('cpu_usage', 80, 90);
insert into pgvigil.recipient (address, from_time, to_time, time_zone, weekdays) values
('day@x.org', '09:00', '17:00', 'UTC', '{1,2,3,4,5}'), ('night@x.org', '17:00', '09:00', 'UTC', null), ('weekend@x.org', null, null, 'UTC', '{6,7}');
create function pg_temp.who(p_at timestamptz) returns text language sql as $$
    select string_agg(w.address, ' ' order by w.address) from pgvigil.who_gets('web1', 'cpu_usage', 'warning', p_at) as w
    where w.address like '%@x.org'
$$;
select is(pg_temp.who('2031-03-25 12:00+00'), 'day@x.org', 'Tuesday noon');
select is(pg_temp.who('2031-03-25 17:00+00'), 'night@x.org', 'Tuesday evening');
select is(pg_temp.who('2031-03-29 12:00+00'), 'weekend@x.org', 'Saturday noon');
select is(pg_temp.who('2031-03-30 03:00+00'), 'night@x.org weekend@x.org', 'Sunday morning');
select pg_temp.cpu(0, 85), pg_temp.cpu(6 * 3600, 1);
select results_eq(
    $$select m.address, string_agg(m.event, ' ' order by m.mail_id) from pgvigil.mail as m group by m.address order by m.address$$,
    $$values ('day@x.org', 'fired resolved'), ('ops@example.org', 'fired resolved')$$, 'who heard of it hears of its end at any hour'
);
delete from pgvigil.recipient where address like '%@x.org';
select is(pg_temp.refusal($$select pgvigil.who_gets('nobody', 'cpu_usage', 'warning')$$), 'there is no host nobody | select host_name from pgvigil.host;', 'an unknown host');
select is(pg_temp.refusal($$select pgvigil.who_gets('web1', 'x', 'warning')$$), 'there is no metric x | select metric from pgvigil.metric;', 'an unknown metric');
select is(pg_temp.refusal($$select pgvigil.who_gets('web1', 'cpu_usage', 'bad')$$), 'there is no severity bad | warning or critical', 'an unknown severity');

-- Of what is pending no sample comes any more.
select pg_temp.next_subject('cpu_usage', 80, 90);
update pgvigil.threshold set hold = '1 hour';
select is(pg_temp.cpu(0, 85), 'pending warning', 'it is over the limit, and gone before hold is over');
select pg_temp.then('sweep_gate', 86400);
select is(pg_temp.state(), 'pending warning', 'it may go on');
select pg_temp.then('sweep_gate', 86431);
select is(pg_temp.state(), 'none', 'after a day it does not');
select is((select count(*) from pgvigil.gate as g where g.has_open_alert and g.log_table = 'cpu_log' and g.host_id = pg_temp.host()), 0::bigint, 'nor does its mark keep the gate open');

-- Silent hosts.
select pg_temp.next_subject('host_silence', null, 60);
update pgvigil.host set expected = host_name = 'web1';
insert into pgvigil.threshold (metric, warning, remind_every) values ('cpu_usage', 80, '1 hour');
select is(pg_temp.cpu(0, 85), 'firing warning, fired', 'a host has an alert');
select is(pg_temp.then('watch_silence', 59), null, 'it is not silent for long enough');
select is(pg_temp.then('watch_silence', 60), 'fired', 'it is silent');
select is(pg_temp.state('host_silence'), 'firing critical', 'its silence fires');
select is((select a.value from pgvigil.alert as a where a.metric = 'host_silence'), 60::float8, 'with how long it is');
select is(pg_temp.then('watch_silence', 70), null, 'once');
select is((select a.unknown_since from pgvigil.alert as a where a.metric = 'cpu_usage'), pg_temp.at(60), 'its other alerts are unknown');
select is(pg_temp.remind(3660), 'reminder', 'one is reminded');
select is((select a.metric from pgvigil.mail as m inner join pgvigil.alert as a using (host_id, alert_id) where m.event = 'reminder'), 'host_silence', 'of the silence only');
select is(pg_temp.cpu(3670, 85), 'firing warning', 'it is back');
select is((select a.unknown_since from pgvigil.alert as a where a.metric = 'cpu_usage'), null, 'its alert is known again');
select is(pg_temp.then('watch_silence', 3671), 'resolved', 'and its silence over');
select is(pg_temp.state(), 'firing warning', 'what fires fires on');
select pg_temp.next_subject('host_silence', null, 60);
update pgvigil.host set expected = host_name = 'web2';
select is(pg_temp.then('watch_silence', 60), 'fired', 'a host that never reported is silent since it was made');
update pgvigil.host set expected = false;
select pg_temp.then('watch_silence', 70);
select is(pg_temp.state('host_silence', 'web2'), 'none', 'the silence of a host that is not expected ends');
select pg_temp.next_subject('host_silence', null, 60);
select is(pg_temp.then('watch_silence', 600), null, 'and does not begin');
update pgvigil.host set expected = host_name = 'web1';
insert into pgvigil.upkeep (task, done_at, since) values ('watch_silence', pg_temp.at(580), pg_temp.at(550));
select is(pg_temp.then('watch_silence', 600), null, 'a watcher that was away accuses nobody');
select is(pg_temp.then('watch_silence', 610), 'fired', 'until it has watched for long enough');
delete from pgvigil.threshold;
insert into pgvigil.threshold (metric, mode) values ('host_silence', 'off');
select is(pg_temp.then('watch_silence', 620), 'cancelled', 'switched off, it is cancelled');
select pg_temp.next_subject('host_silence', null, 60);
select pg_temp.memory(s.i * 10, s.i * 10) from generate_series(0, 100) as s (i);
select pg_temp.memory(s.i * 10 - 600.5, s.i * 10) from generate_series(101, 110) as s (i);
select is(pg_temp.then('watch_silence', 1101), null, 'a host whose clock was set back by ten minutes is not silent');

-- Many at once.
select pg_temp.next_subject('host_silence', null, 60);
update pgvigil.host set expected = true;
select is(pg_temp.then('watch_silence', 60), 'fired fired fired fired', 'four hosts fall silent at once');
select is((select count(m.covered_by) from pgvigil.mail as m), 3::bigint, 'three mails are told in the first');
create temporary table claimed as select c.* from pgvigil.claim_mail('m1', 10, pg_temp.at(61)) as c;
select is((select count(*) from claimed), 1::bigint, 'one is claimed');
select results_eq($$select c.host_name, c.companions from claimed as c$$, $$values ('web1', '{web2,web3,web4}'::text [])$$, 'that names the other hosts');
select pgvigil.mark_mail_failed(c.host_id, c.mail_id, '451 later', 'mail', false, pg_temp.at(61)) from claimed as c;
select is((select count(*) from pgvigil.mail as m where m.last_error = '451 later' and m.sent_at is null), 4::bigint, 'they wait together');
select pgvigil.mark_mail_sent(c.host_id, c.mail_id, '<1@x>', '250 OK', pg_temp.at(90)) from claimed as c;
select is((select count(*) from pgvigil.mail as m where m.sent_at = pg_temp.at(90)), 4::bigint, 'they are sent together');
select is(pgvigil.next_mail_due(pg_temp.at(91)), null, 'nothing waits');
drop table claimed;
select pg_temp.next_subject('host_silence', null, 60);
update pgvigil.host set expected = host_name in ('web1', 'web2');
select is(pg_temp.then('watch_silence', 60), 'fired fired', 'two hosts fall silent at once');
select is((select count(m.covered_by) from pgvigil.mail as m), 0::bigint, 'two are fewer than digest_from: each has its mail');
update pgvigil.host set expected = false;

-- Clocks.
select pg_temp.next_subject('clock_skew', 30, 600);
update pgvigil.threshold set hold = '2 minutes';
select pg_temp.memory(0.5, 0);
select pg_temp.then('watch_clocks', 1);
select is(pg_temp.state('clock_skew'), 'none', 'half a second is no skew');
select is((select h.last_seen_at from pgvigil.host as h where h.host_name = 'web1'), pg_temp.at(0), 'last_seen_at is by the clock of the server');
select pg_temp.memory(50, 10);
select is(pg_temp.then('watch_clocks', 11), null, 'a clock is 40 seconds ahead');
select is(pg_temp.state('clock_skew'), 'pending warning', 'that is pending');
select pg_temp.memory(170, 130);
select is(pg_temp.then('watch_clocks', 131), 'fired', 'it fires after hold');
select is((select a.value from pgvigil.alert as a), 40::float8, 'with the difference');
select pg_temp.then('watch_clocks', 131 + 301);
select is((select a.judged_at from pgvigil.alert as a), pg_temp.at(131), 'an old sample says nothing of the clock');
select pg_temp.memory(500, 500.2);
select is(pg_temp.then('watch_clocks', 501), 'resolved', 'it ends when the clock is right');
select pg_temp.next_subject('clock_skew', 30, 600);
select pg_temp.memory(s.i * 10, s.i * 10) from generate_series(0, 100) as s (i);
select pg_temp.memory(s.i * 10 - 2400, s.i * 10) from generate_series(101, 140) as s (i);
select is(pg_temp.then('watch_clocks', 1400), 'fired', 'a clock that was set back by forty minutes is told');
select is((select a.value from pgvigil.alert as a), 2400::float8, 'with how far');
select is((select h.last_seen_at from pgvigil.host as h where h.host_name = 'web1'), pg_temp.at(1400), 'and the host was seen just now');
select pg_temp.memory(1410, 1410);
select is(pg_temp.then('watch_clocks', 1411), 'resolved', 'until it is right');

-- Forecasts: 100 GB; the last six hours by ten minutes, until second 0.
select pg_temp.next_subject('disk_full_in', 86400, 14400);
insert into pgvigil.disk_info (host_id, disk_name, device, size) values (pg_temp.host(), '/', 'sda1', 100e9);
create function pg_temp.disk(p_second numeric, p_gigabytes numeric) returns void language sql as $$
    insert into pgvigil.disk_log (created_at, updated_at, host_id, disk_name, used_bytes, available_bytes, disk_usage)
    values (pg_temp.at(p_second), pg_temp.at(p_second), pg_temp.host(), '/', p_gigabytes * 1e9, (100 - p_gigabytes) * 1e9, p_gigabytes)
$$;
-- used = last + slope * hours + noise * (-1)^n
create function pg_temp.fill(p_last numeric, p_slope numeric, p_hours numeric default 6, p_noise numeric default 0) returns void language sql as $$
    delete from pgvigil.disk_log where created_at > pg_temp.at(-6 * 3600);
    select pg_temp.disk(-s.i * 600, p_last - p_slope * s.i / 6 + p_noise * (-1) ^ (s.i % 2)) from generate_series(0, p_hours * 6 - 1) as s (i);
$$;
create function pg_temp.forecast() returns numeric language sql as $$
    select round(f.seconds_left) from pgvigil.forecast_disk(pg_temp.host(), '/', pg_temp.at(0)) as f
$$;
select pg_temp.fill(86, 1);
select is(pg_temp.forecast(), 14 * 3600::numeric, 'a disk that grows by 1 GB an hour and has 14 left is full in 14 hours');
select is((select round(f.bytes_per_second * 3600) from pgvigil.forecast_disk(pg_temp.host(), '/', pg_temp.at(0)) as f), 1e9::float8, 'the rate is told');
select pg_temp.fill(86, 1, 6, 0.1);
select ok(
    f.earliest < pg_temp.at(f.seconds_left::numeric) and f.latest > pg_temp.at(f.seconds_left::numeric), 'a range of dates lies around it where the line is not straight'
) from pgvigil.forecast_disk(pg_temp.host(), '/', pg_temp.at(0)) as f;
select is(pg_temp.then('watch_disks', 0), 'fired', 'that is worth a mail');
select is(pg_temp.state('disk_full_in'), 'firing warning', 'a warning');
select matches(
    (select m.detail from pgvigil.mail as m),
    '^full between 2031-03-26 0\d:\d\d UTC and 2031-03-26 0\d:\d\d UTC, growing by \d+ MB an hour$', 'the mail names the range and the rate'
);
select is(pg_temp.then('watch_disks', 1), null, 'once');
select pg_temp.fill(96, 2);
select is(pg_temp.then('watch_disks', 2), 'escalated', 'full in two hours is critical');
select pg_temp.fill(96, 0);
select is(pg_temp.then('watch_disks', 3), 'resolved', 'it ends when the disk grows no more');
select pg_temp.fill(86, -1);
select is(pg_temp.forecast(), null, 'a disk that gets emptier is never full');
select pg_temp.fill(86, 1, 0.8);
select is(pg_temp.forecast(), null, 'less than an hour is no trend');
select pg_temp.fill(59, 5);
select is(pg_temp.forecast(), null, 'a disk that is less than 60 % full is nobody''s concern');
select is(pg_temp.then('watch_disks', 4), null, 'and not looked at');
select pg_temp.fill(86, 1, 6, 3);
select is(pg_temp.forecast(), null, 'what jumps up and down is no trend');
select pg_temp.fill(86, 1);
update pgvigil.disk_info set is_deleted = true;
select is(pg_temp.then('watch_disks', 5), null, 'a disk that is gone is not forecast');
update pgvigil.disk_info set is_deleted = false;
-- A log that is rotated each noon: up by 30 GB in a day, and down again.
select pg_temp.disk(-s.i * 3600, 60 + 30 * (1 - (s.i % 24) / 24.0)) from generate_series(6, 71) as s (i);
select is(pg_temp.forecast(), null, 'a sawtooth that was as high before is no incident');
select pg_temp.fill(91, 1);
select is(pg_temp.forecast(), 9 * 3600::numeric, 'one that climbs above its old peaks is');

-- What vanishes.
select pg_temp.next_subject('resource_vanished', 1);
delete from pgvigil.disk_info;
create function pg_temp.inventory(p_disks text []) returns text language plpgsql as $$
declare
    v_last bigint := coalesce((select max(m.mail_id) from pgvigil.mail as m), 0);
begin
    perform pgvigil.record_inventory(
        pg_temp.host(),
        (select jsonb_build_object('disk', jsonb_agg(jsonb_build_object('disk_name', d, 'device', d, 'size', 1))) from unnest(p_disks) as d)
    );
    return pg_temp.mails(v_last);
end
$$;
select is(pg_temp.inventory('{/,/data}'), null, 'a host has two disks');
select is(pg_temp.inventory('{/}'), 'fired', 'one vanishes');
select is((select a.resource from pgvigil.alert as a), '/data', 'the alert says which');
select is(pg_temp.inventory('{/}'), null, 'it is mailed once');
select is(pg_temp.inventory('{/,/data}'), 'resolved', 'it is back');
select is(pg_temp.inventory('{/}'), 'flapping', 'it vanishes again');
select is(pgvigil.forget_resource('web1', '/data'), 1, 'it is gone for good');
select is((select e.event from pgvigil.alert_event as e order by e.event_id desc limit 1), 'cancelled', 'its alert is cancelled');
select is(
    pg_temp.refusal($$select pgvigil.forget_resource('web1', '/data')$$),
    'no alert is open there | select host_name, metric, resource, state from dashboard.open_alert;', 'there is nothing more to forget'
);

-- What only an event tells is looked at again: hold passes, rules change.
select pg_temp.next_subject('resource_vanished', 1);
update pgvigil.threshold set hold = '10 minutes';
select pg_temp.inventory('{/,/data}');
select is(pg_temp.inventory('{/}'), null, 'a disk vanishes, and may come back within hold');
select is(pg_temp.state('resource_vanished'), 'pending warning', 'that is pending');
create function pg_temp.look_again(p_after interval) returns text language plpgsql as $$
declare
    v_last bigint := coalesce((select max(m.mail_id) from pgvigil.mail as m), 0);
begin
    perform pgvigil.judge_events(statement_timestamp() + p_after);
    return pg_temp.mails(v_last);
end
$$;
select is(pg_temp.look_again('9 minutes'), null, 'not yet');
select is(pg_temp.look_again('11 minutes'), 'fired', 'it fires when hold is over');
select is(pg_temp.look_again('12 minutes'), null, 'once');
update pgvigil.threshold set mode = 'off';
select is(pg_temp.look_again('13 minutes'), 'cancelled', 'switched off, it is cancelled');
select is(pg_temp.state('resource_vanished'), 'none', 'and over');

-- Statements with samples of several hosts, and triggers that fail as a whole, before anything writes the triggers anew.
select pg_temp.next_subject();
insert into pgvigil.threshold (metric, warning) values ('cpu_usage', 80), ('memory_usage', 80), ('disk_usage', 80), ('link_usage', 80);
insert into pgvigil.cpu_log (created_at, host_id, cpu_name, cpu_usage)
select pg_temp.at(0), pg_temp.host(k.h), 'cpu-total', 85 from known as k;
insert into pgvigil.memory_log (created_at, host_id, memory_name, memory_usage, used_bytes, available_bytes)
select pg_temp.at(0), pg_temp.host(k.h), 'memory', 85, 1, 1 from known as k;
insert into pgvigil.disk_log (created_at, host_id, disk_name, disk_usage)
select pg_temp.at(0), pg_temp.host(k.h), '/', 85 from known as k;
insert into pgvigil.network_log (created_at, host_id, network_interface, link_usage, received_bytes_per_second, sent_bytes_per_second, errors_per_second, drops_per_second)
select pg_temp.at(0), pg_temp.host(k.h), 'eth0', 85, 1, 1, 0, 0 from known as k;
select results_eq(
    $$select a.metric, count(*) from pgvigil.alert as a where a.state = 'firing' group by a.metric order by a.metric$$,
    $$values ('cpu_usage', 4::bigint), ('disk_usage', 4), ('link_usage', 4), ('memory_usage', 4)$$, 'of a statement of several hosts each is judged'
);
insert into pgvigil.cpu_log (created_at, host_id, cpu_name, cpu_usage)
select pg_temp.at(10), pg_temp.host(k.h), 'cpu-total', 1 from known as k;
select is((select count(*) from pgvigil.alert as a where a.metric = 'cpu_usage' and a.state = 'firing'), 0::bigint, 'and each resolved');
alter table pgvigil.cpu_log drop column load_1m;
alter table pgvigil.disk_log drop column io_usage;
alter table pgvigil.network_log drop column drops_per_second;
alter table pgvigil.memory_log drop column available_bytes;
insert into pgvigil.cpu_log (created_at, host_id, cpu_name, cpu_usage) values (pg_temp.at(20), pg_temp.host(), 'cpu-total', 85);
insert into pgvigil.memory_log (created_at, host_id, memory_name, memory_usage, used_bytes) values (pg_temp.at(20), pg_temp.host(), 'memory', 1, 1);
insert into pgvigil.disk_log (created_at, host_id, disk_name, disk_usage) values (pg_temp.at(20), pg_temp.host(), '/', 1);
insert into pgvigil.network_log (created_at, host_id, network_interface, link_usage, received_bytes_per_second, sent_bytes_per_second, errors_per_second)
values (pg_temp.at(20), pg_temp.host(), 'eth0', 1, 1, 1, 0);
select set_eq(
    $$select e.log_table from pgvigil.rule_error as e where e.metric is null$$, array['cpu_log', 'memory_log', 'disk_log', 'network_log'],
    'a trigger that fails as a whole is noted, of each table'
);
insert into pgvigil.threshold (metric, warning) values ('rule_error', 1);
select is(pg_temp.then('handle_rule_errors', 21), 'fired fired fired fired', 'each is mailed');
select set_eq(
    $$select m.metric from pgvigil.metric as m where not m.is_enabled$$,
    array['load_1m', 'io_usage', 'drops_per_second', 'memory_available_bytes'], 'what has no column any more is not judged'
);
select set_eq(
    $$select a.resource from pgvigil.alert as a where a.metric = 'rule_error'$$,
    array['metric load_1m', 'metric io_usage', 'metric drops_per_second', 'metric memory_available_bytes'], 'the alerts name the metrics'
);
select is(pg_temp.cpu(30, 85), 'firing warning, fired', 'the other metrics of the table are judged again');
select is((select count(*) from pgvigil.rule_error as e where e.handled_at is null), 0::bigint, 'without an error');
alter table pgvigil.cpu_log add column load_1m real;
alter table pgvigil.disk_log add column io_usage real;
alter table pgvigil.network_log add column drops_per_second real;
alter table pgvigil.memory_log add column available_bytes bigint not null default 1;
update pgvigil.metric set is_enabled = true where metric in ('load_1m', 'io_usage', 'drops_per_second');
select is(pg_temp.then('handle_rule_errors', 31), 'resolved resolved resolved', 'metrics that are mended end their alerts');
select is((select string_agg(a.resource, ' ') from pgvigil.alert as a where a.metric = 'rule_error' and a.resolved_at is null), 'metric memory_available_bytes', 'and no other');
update pgvigil.metric set is_enabled = true;
select is(pg_temp.then('handle_rule_errors', 32), 'resolved', 'until it is mended too');

-- Rules that raise an error: so long an interval ends after the end of time.
alter table pgvigil.threshold disable trigger _100_validate; -- which refuses it
select pg_temp.next_subject('cpu_usage', 80, 90, '300000 years');
alter table pgvigil.threshold enable trigger _100_validate;
insert into pgvigil.threshold (metric, warning, remind_every) values ('rule_error', 1, null), ('load_1m', 4, null);
select is(pg_temp.cpu(0, 85), 'none', 'a rule that raises an error judges nothing');
select is((select count(*) from pgvigil.cpu_log as l where l.created_at = pg_temp.at(0)), 1::bigint, 'and costs no sample');
select is(pg_temp.then('handle_rule_errors', 1), 'fired', 'it is mailed');
select matches((select m.detail from pgvigil.mail as m), 'out of range', 'with what PostgreSQL said');
select results_eq($$select t.mode, t.managed_by from pgvigil.threshold as t where t.metric = 'cpu_usage'$$, $$values ('off', 'sql')$$, 'it is switched off');
select is((select count(*) from pgvigil.threshold as t where t.mode = 'off'), 1::bigint, 'no other is');
select is(pg_temp.then('handle_rule_errors', 2), null, 'once');
select pg_temp.cpu(10, 86);
select is((select count(*) from pgvigil.rule_error as e where e.handled_at is null), 0::bigint, 'switched off, it raises no more');
update pgvigil.threshold set mode = 'armed', remind_every = '1 hour' where metric = 'cpu_usage';
select is(pg_temp.then('handle_rule_errors', 20), 'resolved', 'mended and armed, its alert ends');
select is(pg_temp.cpu(20, 85), 'firing warning, fired', 'and it judges');
alter table pgvigil.threshold disable trigger _100_validate;
update pgvigil.threshold set remind_every = '300000 years' where metric = 'cpu_usage';
alter table pgvigil.threshold enable trigger _100_validate;
select pg_temp.cpu(30, 95), pg_temp.then('handle_rule_errors', 31);
select is(pg_temp.state('rule_error'), 'firing warning', 'it breaks again');
delete from pgvigil.threshold where metric = 'cpu_usage';
select pg_temp.then('handle_rule_errors', 32);
select is(pg_temp.state('rule_error'), 'none', 'a rule that is deleted ends the alert of it too');

-- On Citus the triggers judge a copy of the new rows.
select pg_temp.next_subject('cpu_usage', 80, 90);
update pgvigil.setting set value = 'on' where setting = 'copy_transition_table';
select matches(
    (select p.prosrc from pg_catalog.pg_proc as p where p.proname = 'tg_cpu_log__judge'), 'v_rows := array', 'the setting writes the triggers anew'
);
select is(pg_temp.cpu(0, 85) || ', ' || pg_temp.cpu(10, 1), 'firing warning, fired, none, resolved', 'they judge a copy just as well');
update pgvigil.setting set value = 'off' where setting = 'copy_transition_table';

-- tick().
select pg_temp.next_subject('cpu_usage', 80, 90);
select pg_temp.cpu(0, 85);
alter function pgvigil.handle_rule_errors(timestamptz) rename to handle_rule_errors_gone;
set local client_min_messages to error;
select is(pgvigil.tick(pg_temp.at(3600)), true, 'a tick with a part that fails is a tick');
reset client_min_messages;
select matches((select u.error from pgvigil.upkeep as u where u.task = 'handle_rule_errors'), 'does not exist', 'what failed is noted');
select is(pg_temp.mails(), 'fired reminder', 'the other parts are done');
alter function pgvigil.handle_rule_errors_gone(timestamptz) rename to handle_rule_errors;
select pgvigil.tick(pg_temp.at(3605));
select is((select u.error from pgvigil.upkeep as u where u.task = 'handle_rule_errors'), null, 'mended, it is well again');
select is((select u.done_at from pgvigil.upkeep as u where u.task = 'watch_clocks'), pg_temp.at(3600), 'what is due each minute is not done after five seconds');
delete from pgvigil.upkeep;
select is(pgvigil.tick(pg_temp.at(3610)), true, 'a tick whose row is lost makes it anew');

-- is_due().
create function pg_temp.due(p_second numeric) returns boolean language sql as $$
    select pgvigil.is_due('test', '1 minute', pg_temp.at(p_second))
$$;
select is(pg_temp.due(0), true, 'what was never done is due');
select is(pg_temp.due(59), false, 'then not, for as long as given');
select is(pg_temp.due(60), true, 'and due again');
select is((select u.since from pgvigil.upkeep as u where u.task = 'test'), pg_temp.at(0), 'without a break since the first time');
select is(pg_temp.due(30), true, 'a clock that was set back makes it due');
select is(pg_temp.due(1000), true, 'after a long break it is due');
select is((select u.since from pgvigil.upkeep as u where u.task = 'test'), pg_temp.at(1000), 'and the time counts anew');

-- Backtest and explanation: one sample for each reason.
insert into pgvigil.cpu_info (host_id, cpu_name, cpu_core) values (pg_temp.host(), 'cpu-total', 1);
select pg_temp.next_subject('cpu_usage', 80, 90);
update pgvigil.threshold set hold = '20 seconds', clear_band = 5;
update pgvigil.setting set value = '5 minutes' where setting = 'flap_window';
create function pg_temp.late(p_second numeric, p_stored numeric, p_usage real) returns void language sql as $$
    insert into pgvigil.cpu_log (created_at, updated_at, host_id, cpu_name, cpu_usage)
    values (pg_temp.at(p_second), pg_temp.at(p_stored), pg_temp.host(), 'cpu-total', p_usage)
$$;
select pg_temp.cpu(s.at, s.value)
from (values (0, 1), (10, 85), (20, 1), (30, 85), (40, 85), (90, 85), (100, 85), (110, 85), (120, 95), (130, 86), (140, 84), (150, 1)) as s (at, value);
select pg_temp.late(145, 155, 99);
select pg_temp.cpu(s.at, s.value)
from (values (160, 85), (170, 85), (180, 85), (190, 1), (200, 85), (210, 85), (220, 85), (230, 1)) as s (at, value);
create function pg_temp.why(p_from numeric, p_to numeric) returns text language sql as $$
    select string_agg(p.why, ' / ' order by p.at)
    from pgvigil.explain_alert('web1', 'cpu_usage', 'cpu-total', pg_temp.at(-1), pg_temp.at(9999)) as p
    where p.at between pg_temp.at(p_from) and pg_temp.at(p_to)
$$;
select is(pg_temp.why(0, 0), 'within the limits', 'why: within');
select is(pg_temp.why(10, 10), 'over the limit for 00:00:00 of 00:00:20', 'why: hold begins');
select is(pg_temp.why(20, 20), 'back before hold was over', 'why: back');
select is(pg_temp.why(40, 40), 'over the limit for 00:00:10 of 00:00:20', 'why: hold goes on');
select is(pg_temp.why(90, 90), 'over the limit, but there was a gap: hold begins anew', 'why: gap');
select is(pg_temp.why(110, 110), 'over the limit for as long as hold', 'why: fired');
select is(pg_temp.why(120, 120), 'over critical', 'why: escalated');
select is(pg_temp.why(130, 130), 'firing', 'why: nothing new');
select is(pg_temp.why(140, 140), 'below critical by more than the clear band', 'why: eased');
select is(pg_temp.why(145, 145), 'late: a newer sample was judged before', 'why: late');
select is(pg_temp.why(150, 150), 'back by more than the clear band', 'why: resolved');
select is(pg_temp.why(180, 180), 'over the limit for as long as hold', 'why: flapping is mailed');
select is(pg_temp.why(190, 190), 'back by more than the clear band; flapping: counted, not mailed', 'why: the end of flapping is not');
select is(pg_temp.why(530, 530), 'calm again after flapping', 'why: calm');
create function pg_temp.backtest(p_hold interval default '20 seconds') returns text language sql as $$
    select string_agg(concat_ws(':', extract(epoch from b.at - pg_temp.at(0))::integer, b.event, b.mail), ' ' order by b.at)
    from pgvigil.backtest('web1', 'cpu_usage', 'cpu-total', 80, 90, p_hold, 5, pg_temp.at(-1), pg_temp.at(9999)) as b
$$;
select is(
    pg_temp.backtest(),
    '110:fired:fired 120:escalated:escalated 140:eased:eased 150:resolved:resolved 180:fired:flapping 190:resolved 220:fired 230:resolved 530:resolved',
    'a backtest tells each event and the mail that it was worth'
);
select is(
    pg_temp.mails() || ' ' || pg_temp.remind(530), (select string_agg(b.mail, ' ' order by b.at) from pgvigil.backtest('web1', 'cpu_usage', 'cpu-total', 80, 90, '20 seconds', 5, pg_temp.at(-1), pg_temp.at(9999)) as b),
    'those are the mails that were sent'
);
select pg_temp.cpu(600, 1);
select is(pg_temp.why(530, 530), 'calm again after flapping', 'why: calm, also before a later sample');
select matches(pg_temp.backtest(), ' 230:resolved 530:resolved$', 'once');
select is(pg_temp.backtest('1 hour'), null, 'a longer hold would have mailed nothing');
select is((select count(*) from pgvigil.backtest('web1', 'cpu_usage', 'cpu-total', 80, p_since => pg_temp.at(300), p_until => pg_temp.at(9999))), 0::bigint, 'nor would it after that');
select pg_temp.silence(100, 115);
select matches(pg_temp.why(110, 110), '; silence \d+$', 'why: a silence');
delete from pgvigil.silence;
update pgvigil.threshold set mode = 'shadow';
select matches(pg_temp.why(110, 110), '; rule \d+ is in shadow: nobody is mailed$', 'why: shadow');
update pgvigil.threshold set mode = 'off';
select matches(pg_temp.why(110, 110), '; rule \d+ is off$', 'why: off');
select is(pg_temp.why(0, 0), 'within the limits', 'why: where nothing happened the mode does not matter');
update pgvigil.threshold set mode = 'armed';
update pgvigil.recipient set is_enabled = false;
select matches(pg_temp.why(110, 110), '; no recipient for this$', 'why: nobody to mail');
update pgvigil.recipient set is_enabled = true;
select is(
    pg_temp.refusal($$select * from pgvigil.explain_alert('web1', 'load_1m', 'cpu-total')$$),
    'no rule judges load_1m of cpu-total on web1 | select * from pgvigil.effective_threshold where host_name = ..; select metric from pgvigil.metric;',
    'why: no rule'
);
select is(
    pg_temp.refusal($$select * from pgvigil.backtest('nobody', 'cpu_usage', 'cpu-total', 80)$$),
    'there is no host nobody or no metric cpu_usage | select host_name from pgvigil.host; select metric from pgvigil.metric;', 'a backtest of an unknown host'
);
select is(
    pg_temp.refusal($$select * from pgvigil.backtest('web1', 'host_silence', 'host', 80)$$),
    'there are no samples of host_silence | select metric from pgvigil.metric where log_table is not null order by 1;', 'a backtest of what has no samples'
);
select matches(
    pg_temp.refusal($$select * from pgvigil.backtest('web1', 'cpu_usage', 'cpu-totl', 80)$$),
    '^there are no samples of cpu_usage of cpu-totl on web1', 'a backtest of a resource that is misspelt'
);
select is(
    pg_temp.refusal($$select pgvigil.recent_values(1, 'x', 'y', now(), '1 hour', 60)$$), 'there is no metric x | select metric from pgvigil.metric;', 'a sparkline of an unknown metric'
);
-- A clock that ran ahead for a sample, and was set right.
select pg_temp.next_subject('cpu_usage', 80, 90);
select pg_temp.late(86400, 0, 85);
select is(pg_temp.state(), 'firing warning', 'a sample from the future fires');
select is(pg_temp.cpu(10, 95), 'firing critical, escalated', 'the next one is not late');
select pg_temp.late(5, 15, 1);
select is(pg_temp.state(), 'firing critical', 'one before it is');
select is(pg_temp.cpu(20, 1), 'none, resolved', 'and the time goes on');
select is(
    (select string_agg(b.event, ' ' order by b.ordinality) from pgvigil.backtest('web1', 'cpu_usage', 'cpu-total', 80, 90, '0', null, pg_temp.at(-1), pg_temp.at(99999)) with ordinality as b),
    'fired escalated resolved', 'the backtest says the same'
);

select pg_temp.next_subject('cpu_usage', 80, 90);
select pg_temp.cpu(10, 1), pg_temp.late(86400, 11, 85), pg_temp.late(5, 12, 1);
select is(pg_temp.state(), 'firing warning', 'what is older than the newest sample of the present is late all the same');

-- A newer sample without this value does not make one late.
select pg_temp.next_subject('iowait_usage', 80);
select pg_temp.cpu(20, 1);
insert into pgvigil.cpu_log (created_at, updated_at, host_id, cpu_name, cpu_usage, iowait_usage)
values (pg_temp.at(10), pg_temp.at(25), pg_temp.host(), 'cpu-total', 1, 85);
select is(pg_temp.state('iowait_usage'), 'firing warning', 'the newest value of a metric is judged, whatever newer samples say of others');
select is(
    (select string_agg(b.event, ' ') from pgvigil.backtest('web1', 'iowait_usage', 'cpu-total', 80, null, '0', null, pg_temp.at(-1), pg_temp.at(99999)) as b),
    'fired', 'the backtest says the same'
);

-- Suggestions: 1 .. 100, so that one in a hundred reaches 99.
select pg_temp.next_subject();
select pg_temp.cpu(s.i * 10, s.i / 2.0) from generate_series(1, 101) as s (i);
select results_eq(
    $$select s.samples, s.median, s.p99, s.worst, s.warning, s.critical, s.hold, s.mails from pgvigil.suggest_threshold('web1', 'cpu_usage', 'cpu-total', pg_temp.at(0), pg_temp.at(9999)) as s$$,
    $$values (101::bigint, 25.5::float8, 50::float8, 50.5::float8, 75::float8, 90::float8, '2 minutes'::interval, 0::bigint)$$,
    'of a percentage: between what one in a hundred reaches and 100'
);
insert into pgvigil.memory_log (created_at, host_id, memory_name, memory_usage, used_bytes, available_bytes)
select pg_temp.at(s.i * 10), pg_temp.host(), 'memory', 1, 1, 1000 + s.i from generate_series(0, 100) as s (i);
select results_eq(
    $$select s.median, s.p99, s.worst, s.warning, s.critical from pgvigil.suggest_threshold('web1', 'memory_available_bytes', 'memory', pg_temp.at(0), pg_temp.at(9999)) as s$$,
    $$values (1050::float8, 1001::float8, 1000::float8, 976.5::float8, 952::float8)$$, 'of what is bad when low: as far below again'
);
insert into pgvigil.disk_log (created_at, host_id, disk_name, read_bytes_per_second)
select pg_temp.at(s.i * 10), pg_temp.host(), '/', 1000 + s.i from generate_series(0, 100) as s (i);
select results_eq(
    $$select s.median, s.p99, s.worst, s.warning, s.critical from pgvigil.suggest_threshold('web1', 'disk_read_bytes_per_second', '/', pg_temp.at(0), pg_temp.at(9999)) as s$$,
    $$values (1050::float8, 1099::float8, 1100::float8, 1123.5::float8, 1148::float8)$$, 'of what is bad when high: as far above again'
);
insert into pgvigil.network_log (
    created_at, host_id, network_interface, errors_per_second, drops_per_second, received_bytes_per_second, sent_bytes_per_second
)
select pg_temp.at(s.i * 10), pg_temp.host(), 'eth9', 0, 0, 1, 1 from generate_series(0, 100) as s (i);
select results_eq(
    $$select s.p99, s.warning, s.critical from pgvigil.suggest_threshold('web1', 'errors_per_second', 'eth9', pg_temp.at(0), pg_temp.at(9999)) as s$$,
    $$values (0::float8, 0.5::float8, 1::float8)$$, 'of what is always 0: limits that are none of its values'
);
insert into pgvigil.disk_log (created_at, host_id, disk_name, disk_usage)
select pg_temp.at(s.i * 10), pg_temp.host(), '/full', 100 from generate_series(0, 100) as s (i);
select results_eq(
    $$select s.p99, s.warning, s.critical from pgvigil.suggest_threshold('web1', 'disk_usage', '/full', pg_temp.at(0), pg_temp.at(9999)) as s$$,
    $$values (100::float8, 100::float8, null::float8)$$, 'where there is no room: one limit, that a row can have'
);
select is(
    pg_temp.refusal($$select * from pgvigil.suggest_threshold('web1', 'cpu_usage', 'cpu-total', '2031-03-24', '2031-03-25')$$) like 'there are no samples of cpu_usage of cpu-total on web1%',
    true, 'no suggestion from nothing'
);

-- Changes of rules, and taking them back. In life tick() has a transaction of its own.
select pg_temp.next_subject(), set_config('pgvigil.managed_by', '', true);
delete from pgvigil.threshold_history;
create function pg_temp.last() returns bigint language sql as $$
    select max(c.history_id) from pgvigil.threshold_history as c
$$;
create function pg_temp.rules() returns text language sql as $$
    select string_agg(concat_ws(' ', t.metric, t.host_name, t.warning, t.mode, t.managed_by), ', ' order by t.metric, t.host_name, t.managed_by) from pgvigil.threshold as t
$$;
insert into pgvigil.threshold (metric, warning, managed_by) values ('cpu_usage', 80, 'default');
select results_eq(
    $$select c.operation, c.old is null, (c.new ->> 'warning')::float8, c.changed_by = session_user from pgvigil.threshold_history as c$$,
    $$values ('insert', true, 80::float8, true)$$, 'an insert is kept, with who did it'
);
update pgvigil.threshold set warning = 70;
select is(pg_temp.rules(), 'cpu_usage 70 armed sql', 'a row that people edit is theirs');
select results_eq(
    $$select c.operation, (c.old ->> 'warning')::float8, (c.new ->> 'warning')::float8 from pgvigil.threshold_history as c order by c.history_id desc limit 1$$,
    $$values ('update', 80::float8, 70::float8)$$, 'an update is kept'
);
select matches(pgvigil.revert_threshold(pg_temp.last()), '^update of rule \d+ taken back$', 'it can be taken back');
select is(pg_temp.rules(), 'cpu_usage 80 armed default', 'the row is as it was, and whose it was');
select pgvigil.revert_threshold(pg_temp.last());
select is(pg_temp.rules(), 'cpu_usage 70 armed sql', 'taking back can be taken back');
create temporary table gone as select t.* from pgvigil.threshold as t;
delete from pgvigil.threshold;
select is((select c.operation from pgvigil.threshold_history as c where c.history_id = pg_temp.last()), 'delete', 'a delete is kept');
select matches(
    pg_temp.refusal((select format('select pgvigil.revert_threshold(%s)', c.history_id) from pgvigil.threshold_history as c where c.operation = 'update' limit 1)),
    '^rule \d+ is gone \| Take back its deletion first', 'an update of what is gone cannot be taken back'
);
insert into pgvigil.threshold (metric, warning) values ('cpu_usage', 60);
select pg_temp.last() - 1 as deletion \gset
select matches(
    pg_temp.refusal(format('select pgvigil.revert_threshold(%s)', :deletion)), '^rule \d+, or another one for the same, is there \| select', 'nor a deletion that was made good by another row'
);
delete from pgvigil.threshold;
select matches(
    pg_temp.refusal(format('select pgvigil.revert_threshold(%s)', pg_temp.last() - 1)), '^rule \d+ is gone', 'nor an insert of what is gone'
);
select pgvigil.revert_threshold(:deletion);
select matches(
    pg_temp.refusal(format('select pgvigil.revert_threshold(%s)', :deletion)), '^rule \d+, or another one for the same, is there', 'nor a deletion twice'
);
select results_eq($$select t.threshold_id, t.warning, t.created_at from pgvigil.threshold as t$$, $$select g.threshold_id, g.warning, g.created_at from gone as g$$, 'a deletion taken back is the same rule');
insert into pgvigil.threshold (metric, warning) values ('load_1m', 4);
select matches(pgvigil.revert_threshold(pg_temp.last()), '^insert of rule', 'an insert can be taken back');
select is(pg_temp.rules(), 'cpu_usage 70 armed sql', 'it is gone');
select is(
    pg_temp.refusal('select pgvigil.revert_threshold(-1)'),
    'there is no change -1 | select history_id, operation, changed_by, changed_at, old, new from pgvigil.threshold_history;', 'what never was cannot be taken back'
);

-- Rules of the inventory beside rules of people.
select pg_temp.next_subject();
create function pg_temp.sync(p_rules jsonb) returns text language sql as $$
    select concat_ws(' ', s.inserted, s.updated, s.deleted) from pgvigil.sync_thresholds(p_rules) as s
$$;
select is(pg_temp.sync('[{"metric": "cpu_usage", "warning": 80}, {"metric": "load_1m", "host_name": "web1", "warning": 4, "remind_every": null}]'), '2 0 0', 'rules are added');
select is(pg_temp.rules(), 'cpu_usage 80 armed ansible, load_1m web1 4 armed ansible', 'as the inventory''s');
select results_eq($$select t.remind_every from pgvigil.threshold as t order by t.metric$$, $$values ('4 hours'::interval), (null)$$, 'what is not given is as usual, null is null');
select is(pg_temp.sync('[{"metric": "cpu_usage", "warning": 80}, {"metric": "load_1m", "host_name": "web1", "warning": 4, "remind_every": null}]'), '0 0 0', 'the same again changes nothing');
select is(pg_temp.sync('[{"metric": "cpu_usage", "warning": 85, "hold": "1 minute"}, {"metric": "load_1m", "host_name": "web1", "warning": 4, "remind_every": null}]'), '0 1 0', 'a rule is changed');
select is(pg_temp.rules(), 'cpu_usage 85 armed ansible, load_1m web1 4 armed ansible', 'and stays the inventory''s');
select is(pg_temp.sync('[{"metric": "cpu_usage", "warning": 85, "hold": "1 minute"}]'), '0 0 1', 'a rule is deleted');
update pgvigil.threshold set warning = 60;
select is(pg_temp.rules(), 'cpu_usage 60 armed sql', 'people edit a rule of the inventory: it is theirs');
select is(pg_temp.sync('[{"metric": "cpu_usage", "warning": 85}]'), '1 0 0', 'the inventory writes its own beside it');
select is((select r.scope from pgvigil.rank_thresholds(pg_temp.host(), 'cpu_usage', 'cpu-total') as r where r.rank = 1), 'all hosts, sql', 'theirs wins');
select is(pg_temp.sync('[{"metric": "cpu_usage", "warning": 85}]'), '0 0 0', 'and neither overwrites the other');
select is(pg_temp.rules(), 'cpu_usage 85 armed ansible, cpu_usage 60 armed sql', 'both are there');
update pgvigil.threshold set warning = 86 where managed_by = 'ansible';
select is(pg_temp.rules(), 'cpu_usage 86 armed ansible, cpu_usage 60 armed sql', 'people who have a rule already leave the inventory its own');
select is(pg_temp.sync('[{"metric": "cpu_usage", "warning": 85}]'), '0 1 0', 'and it sets it right');
select matches(
    pg_temp.refusal($$select pg_temp.sync('[{"metric": "cpu_usage", "warnin": 85}]')$$), '^a rule has no warnin \| It has metric, ', 'a word that no rule has is a slip'
);
select matches(
    pg_temp.refusal($$select pg_temp.sync('[{"metric": "cpu_usage", "warning": 85}, {"metric": "cpu_usage", "warning": 86}]')$$),
    '^two rules are for the same: cpu_usage \| ', 'two rules for the same are one too many'
);
select is(pg_temp.sync('[]'), '0 0 1', 'an empty inventory has no rules');
select is(pg_temp.rules(), 'cpu_usage 60 armed sql', 'what people made stays');
insert into pgvigil.threshold (metric, host_name, warning, managed_by) values ('load_1m', 'web1', 4, 'ansible');
update pgvigil.host set host_name = 'web9' where host_name = 'web1';
select is(pg_temp.rules(), 'cpu_usage 60 armed sql, load_1m web9 4 armed ansible', 'a host that is renamed takes its rules along, whose they are');

select * from finish();
rollback;
