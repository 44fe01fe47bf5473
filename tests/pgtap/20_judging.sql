-- Samples go in, alerts and mails come out. Seconds count from 2031-03-30 12:00 UTC.
begin;
select plan(109);

select pgvigil.ensure_partitions('2031-03-30 12:00+00');
-- Here each breach is an incident of its own; those that come and go are the subject of another file.
update pgvigil.setting set value = '1 microsecond' where setting = 'flap_window';
delete from pgvigil.threshold;
delete from pgvigil.recipient;
insert into pgvigil.recipient (address) values ('ops@example.org');
select pgvigil.register_host(h, '10 seconds', '1.0') from unnest(array['web1', 'web2']) as h;

create function pg_temp.at(p_second numeric) returns timestamptz language sql as $$
    select '2031-03-30 12:00+00'::timestamptz + p_second * interval '1 second'
$$;
create function pg_temp.host(p_name text default 'web1') returns integer language sql as $$
    select h.host_id from pgvigil.host as h where h.host_name = p_name
$$;
-- State and severity of a series, 'ok' if it has no open alert.
create function pg_temp.state(p_metric text default 'cpu_usage', p_resource text default 'cpu-total', p_host text default 'web1')
returns text language sql as $$
    select coalesce(
        (
            select a.state || ' ' || a.severity from pgvigil.alert as a
            where a.host_id = pg_temp.host(p_host) and a.metric = p_metric and a.resource = p_resource and a.resolved_at is null
        ), 'ok'
    )
$$;
create function pg_temp.mails(p_after bigint default 0) returns text language sql as $$
    select string_agg(m.event, ' ' order by m.mail_id) from pgvigil.mail as m where m.mail_id > p_after
$$;
-- Stores one sample, and says what became of it: the state, and the mails that it caused.
create function pg_temp.cpu(p_second numeric, p_usage real, p_host text default 'web1') returns text language plpgsql as $$
declare
    v_last bigint := coalesce((select max(m.mail_id) from pgvigil.mail as m), 0);
begin
    insert into pgvigil.cpu_log (created_at, host_id, cpu_name, cpu_usage)
    values (pg_temp.at(p_second), pg_temp.host(p_host), 'cpu-total', p_usage);
    return concat_ws(', ', pg_temp.state('cpu_usage', 'cpu-total', p_host), pg_temp.mails(v_last));
end
$$;
create function pg_temp.memory(p_second numeric, p_name text, p_usage real, p_available bigint) returns text language plpgsql as $$
begin
    insert into pgvigil.memory_log (created_at, host_id, memory_name, memory_usage, used_bytes, available_bytes)
    values (pg_temp.at(p_second), pg_temp.host(), p_name, p_usage, 0, p_available);
    return concat_ws(', ', pg_temp.state('memory_usage', p_name), pg_temp.state('memory_available_bytes', p_name));
end
$$;
-- Everything that is over forgotten: the next subject begins.
create function pg_temp.next_subject() returns void language sql as $$
    delete from pgvigil.mail;
    delete from pgvigil.alert_event;
    delete from pgvigil.alert;
    delete from pgvigil.cpu_log;
    delete from pgvigil.memory_log;
    delete from pgvigil.threshold;
$$;

-- Below the gate: nothing anywhere.
insert into pgvigil.threshold (metric, warning, critical, clear_band) values ('cpu_usage', 90, 98, 5);
select is(pg_temp.cpu(0, 89.9), 'ok', 'a value below the limit is ok');
select is((select count(*) from pgvigil.cpu_log), 1::bigint, 'the sample is stored');
select is(
    (select count(*) from pgvigil.alert) + (select count(*) from pgvigil.mail) + (select count(*) from pgvigil.rule_error),
    0::bigint, 'and it leaves no other row anywhere'
);

-- One incident, hold 0.
create function pg_temp.is_locked() returns boolean language sql as $$
    select exists (select from pgvigil.host_lock as l where l.host_id = pg_temp.host() and l.xmax <> '0')
$$;
select is(pg_temp.is_locked(), false, 'it takes no lock');
select is(pg_temp.cpu(10, 90), 'firing warning, fired', 'with hold 0 the first sample over the limit fires');
select is(pg_temp.is_locked(), true, 'what is judged is judged by one transaction of the host at a time');
select is(pg_temp.cpu(20, 95), 'firing warning', 'the next one causes no mail');
select is(pg_temp.cpu(30, 99), 'firing critical, escalated', 'over critical it escalates');
select is(pg_temp.cpu(40, 94), 'firing critical', 'within the band it stays critical');
select is(pg_temp.cpu(50, 92), 'firing warning, eased', 'below the band it eases');
select is(pg_temp.cpu(60, 86), 'firing warning', 'within the band of the warning it goes on, although it is below the gate');
select is(pg_temp.cpu(70, 84), 'ok, resolved', 'below that it resolves');
select is(pg_temp.cpu(80, 10), 'ok', 'after that there is nothing more to say');
select is((select count(*) from pgvigil.alert), 1::bigint, 'all of it is one incident');
select results_eq(
    $$
    select a.state, a.severity, a.value::real, a.peak_value::real, a.pending_at, a.fired_at, a.resolved_at, a.judged_at, a.warning, a.critical,
        a.log_table, a.resource, a.is_shadow
    from pgvigil.alert as a
    $$,
    $$
    values (
        'resolved', 'warning', 84::real, 99::real, pg_temp.at(10), pg_temp.at(10), pg_temp.at(70), pg_temp.at(70), 90::float8, 98::float8,
        'cpu_log', 'cpu-total', false
    )
    $$,
    'the incident keeps its peak and its times: those of the samples'
);
select results_eq(
    $$select m.event, m.severity, m.value::real, m.peak_value::real, m.sampled_at, m.address from pgvigil.mail as m order by m.mail_id$$,
    $$
    values
    ('fired', 'warning', 90::real, 90::real, pg_temp.at(10), 'ops@example.org'),
    ('escalated', 'critical', 99::real, 99::real, pg_temp.at(30), 'ops@example.org'),
    ('eased', 'warning', 92::real, 99::real, pg_temp.at(50), 'ops@example.org'),
    ('resolved', 'warning', 84::real, 99::real, pg_temp.at(70), 'ops@example.org')
    $$,
    'each mail keeps the moment that it tells of'
);
select is(pg_temp.cpu(90, 91), 'firing warning, fired', 'the next breach is a new incident');
select is((select count(*) from pgvigil.alert), 2::bigint, 'with a row of its own');
select throws_ok(
    $$insert into pgvigil.alert (host_id, log_table, metric, resource, state, severity, value, peak_value, hold, pending_at, judged_at)
    values (pg_temp.host(), 'cpu_log', 'cpu_usage', 'cpu-total', 'pending', 'warning', 1, 1, '0', pg_temp.at(0), pg_temp.at(0))$$,
    '23505', null, 'a second open alert of a series is impossible'
);

-- Hold.
select pg_temp.next_subject();
insert into pgvigil.threshold (metric, warning, critical, hold) values ('cpu_usage', 90, 98, '20 seconds');
select is(pg_temp.cpu(0, 95), 'pending warning', 'with a hold the first sample over the limit is pending');
select is(
    (select a.pending_at || '|' || coalesce(a.fired_at::text, 'not fired') from pgvigil.alert as a),
    pg_temp.at(0) || '|not fired', 'pending is noted with its beginning'
);
select is(pg_temp.cpu(10, 99), 'pending critical', 'before the hold is over it is pending, without a mail');
select is(pg_temp.cpu(20, 95), 'firing warning, fired', 'when the hold is over it fires');
select results_eq(
    $$select a.pending_at, a.fired_at, a.peak_value::real from pgvigil.alert as a$$,
    $$values (pg_temp.at(0), pg_temp.at(20), 99::real)$$,
    'it began with the first sample, fired with the third, and its peak counts from the beginning'
);
select pg_temp.next_subject();
insert into pgvigil.threshold (metric, warning, hold) values ('cpu_usage', 90, '20 seconds');
select is(pg_temp.cpu(0, 95), 'pending warning', 'what is pending ..');
select is(pg_temp.cpu(10, 50), 'ok', '.. and comes back is ok');
select is(
    (select count(*) from pgvigil.alert) + (select count(*) from pgvigil.mail), 0::bigint, 'and leaves neither alert nor mail'
);
select is(pg_temp.cpu(20, 95), 'pending warning', 'a new breach begins its hold anew');
select is(pg_temp.cpu(30, 95), 'pending warning', 'and does not fire with the time of the old one');
select is(pg_temp.cpu(60, 95), 'firing warning, fired', 'three missed beats are no gap');
select pg_temp.next_subject();
insert into pgvigil.threshold (metric, warning, hold) values ('cpu_usage', 90, '20 seconds');
select is(pg_temp.cpu(0, 95), 'pending warning', 'before a gap it is pending');
select is(pg_temp.cpu(31, 95), 'pending warning', 'a gap longer than three beats breaks the hold');
select is((select a.pending_at from pgvigil.alert as a), pg_temp.at(31), 'which begins anew after it');
update pgvigil.setting set value = '10' where setting = 'gap_intervals';
select is(pg_temp.cpu(130, 95), 'firing warning, fired', 'how many beats are a gap is a setting');
update pgvigil.setting set value = '3' where setting = 'gap_intervals';

-- Late, replayed.
select pg_temp.next_subject();
insert into pgvigil.threshold (metric, warning) values ('cpu_usage', 90);
select is(pg_temp.cpu(100, 10), 'ok', 'a sample below the limit ..');
select is(pg_temp.cpu(90, 95), 'ok', '.. and one from before it, over the limit: too late to fire');
select is((select count(*) from pgvigil.cpu_log), 2::bigint, 'the late sample is stored all the same');
select is(pg_temp.cpu(110, 95), 'firing warning, fired', 'the next one that is on time fires');
select is(pg_temp.cpu(105, 10), 'firing warning', 'a late sample does not resolve');
select is(
    (select a.value::real || ' ' || a.judged_at from pgvigil.alert as a), '95 ' || pg_temp.at(110), 'and changes nothing of the alert'
);
select lives_ok(
    $$insert into pgvigil.cpu_log (created_at, host_id, cpu_name, cpu_usage) values (pg_temp.at(110), pg_temp.host(), 'cpu-total', 1)
    on conflict do nothing$$,
    'a replayed sample is no error'
);
select is(pg_temp.state() || ', ' || pg_temp.mails(), 'firing warning, fired', 'and changes nothing');
select is(pg_temp.cpu(120, 10), 'ok, resolved', 'the next one that is on time resolves');
select is(pg_temp.cpu(115, 95), 'ok', 'a late sample does not open a resolved alert again');

-- No value.
select pg_temp.next_subject();
insert into pgvigil.threshold (metric, warning) values ('load_1m', 4), ('steal_usage', 10);
insert into pgvigil.cpu_log (created_at, host_id, cpu_name, cpu_usage, load_1m) values (pg_temp.at(0), pg_temp.host(), 'cpu-total', 1, 5);
select is(pg_temp.state('load_1m'), 'firing warning', 'load is judged');
select is(pg_temp.cpu(10, 1), 'ok', 'a sample without load ..');
select is(pg_temp.state('load_1m'), 'firing warning', '.. does not resolve it');
select is((select count(*) from pgvigil.alert), 1::bigint, 'what has no value is not judged');
delete from pgvigil.threshold where metric = 'load_1m';
select is(pg_temp.cpu(20, 1), 'ok', 'its rule is deleted, and the next sample has no load ..');
select is(pg_temp.state('load_1m'), 'firing warning', '.. so that there is no value to cancel it with');
insert into pgvigil.cpu_log (created_at, host_id, cpu_name, cpu_usage, load_1m) values (pg_temp.at(30), pg_temp.host(), 'cpu-total', 1, 5);
select is(pg_temp.state('load_1m') || ', ' || pg_temp.mails(), 'ok, fired cancelled', 'the next one that has, cancels it');

-- Several metrics of a row, several rows of a host.
select pg_temp.next_subject();
insert into pgvigil.threshold (metric, resource, warning) values ('memory_usage', 'memory', 90), ('memory_usage', 'swap', 60);
insert into pgvigil.threshold (metric, resource, warning, critical, clear_band) values ('memory_available_bytes', 'memory', 1000, 500, 100);
select is(pg_temp.memory(0, 'memory', 70, 2000), 'ok, ok', 'memory is judged by its own rule');
select is(pg_temp.memory(0, 'swap', 70, 2000), 'firing warning, ok', 'and swap by its own');
select is(pg_temp.memory(10, 'swap', 70, 10), 'firing warning, ok', 'a rule for memory does not judge swap');
select is(pg_temp.memory(10, 'memory', 70, 1001), 'ok, ok', 'from below: above the limit it is ok');
select is(pg_temp.memory(20, 'memory', 70, 1000), 'ok, firing warning', 'from below: at the limit it fires');
select is(pg_temp.memory(30, 'memory', 70, 400), 'ok, firing critical', 'from below: it escalates downwards');
select is(pg_temp.memory(40, 'memory', 70, 800), 'ok, firing warning', 'from below: it eases upwards');
select is(pg_temp.memory(50, 'memory', 70, 1100), 'ok, firing warning', 'from below: within the band it goes on');
select is(pg_temp.memory(60, 'memory', 95, 1101), 'firing warning, ok', 'from below: over the band it resolves; the other metric of the row fires');
select is(
    (select a.peak_value from pgvigil.alert as a where a.metric = 'memory_available_bytes'), 400::float8,
    'from below the peak is the lowest value'
);

select pg_temp.next_subject();
insert into pgvigil.threshold (metric, warning) values ('memory_available_bytes', 1000);
select is(pg_temp.memory(0, 'memory', 1, 1000), 'ok, firing warning', 'from below: at the limit it passes the gate');

-- A metric of one's own.
select pg_temp.next_subject();
create function pg_temp.user_usage(p_second numeric, p_usage real) returns text language plpgsql as $$
begin
    insert into pgvigil.cpu_log (created_at, host_id, cpu_name, cpu_usage, user_usage)
    values (pg_temp.at(p_second), pg_temp.host(), 'cpu-total', 1, p_usage);
    return (select string_agg(a.metric || ' ' || a.state, ', ' order by a.alert_id) from pgvigil.alert as a);
end
$$;
insert into pgvigil.metric (metric, log_table, column_name, position, title, unit, description)
values ('user_usage', 'cpu_log', 'user_usage', 9, 'User', 'percent', 'User code.');
insert into pgvigil.threshold (metric, warning, clear_band) values ('user_usage', 50, 0);
select is(pg_temp.user_usage(0, 60), 'user_usage firing', 'a new metric is judged from the next sample on');
update pgvigil.metric set metric = 'cpu_user' where metric = 'user_usage';
select is(pg_temp.user_usage(10, 40), 'cpu_user resolved', 'a renamed one too: its rules and alerts follow');
update pgvigil.metric set direction = 'below' where metric = 'cpu_user';
select is(pg_temp.user_usage(20, 45), 'cpu_user resolved, cpu_user firing', 'one that is turned round too: its gate follows');

-- Several samples in one statement.
select pg_temp.next_subject();
insert into pgvigil.threshold (metric, warning, critical, hold, clear_band) values ('cpu_usage', 90, 98, '20 seconds', 5);
insert into pgvigil.cpu_log (created_at, host_id, cpu_name, cpu_usage)
select pg_temp.at(n * 10), pg_temp.host(), 'cpu-total', (array[95, 95, 95, 99, 50, 10, 95])[n]
from generate_series(1, 7) as n
order by n desc;
select is(pg_temp.mails(), 'fired escalated resolved', 'a batch is judged oldest first, in whatever order it comes');
select is(pg_temp.state(), 'pending warning', 'its last sample decides the state');
select is((select max(a.fired_at) from pgvigil.alert as a), pg_temp.at(30), 'times are those of the samples within the batch');
select pg_temp.next_subject();
insert into pgvigil.threshold (metric, warning) values ('cpu_usage', 90);
insert into pgvigil.cpu_log (created_at, host_id, cpu_name, cpu_usage)
values (pg_temp.at(0), pg_temp.host('web1'), 'cpu-total', 10), (pg_temp.at(0), pg_temp.host('web2'), 'cpu-total', 95);
select is(
    pg_temp.state() || ', ' || pg_temp.state('cpu_usage', 'cpu-total', 'web2'), 'ok, firing warning',
    'of two hosts in one statement each is judged by itself'
);
insert into pgvigil.cpu_log (created_at, host_id, cpu_name, cpu_usage)
values (pg_temp.at(10), pg_temp.host('web1'), 'cpu-total', 10), (pg_temp.at(10), pg_temp.host('web2'), 'cpu-total', 10);
select is(
    pg_temp.state() || ', ' || pg_temp.state('cpu_usage', 'cpu-total', 'web2'), 'ok, ok',
    'of two hosts in one statement the second one can resolve'
);
select is(pg_temp.cpu(20, 95, 'web1'), 'firing warning, fired', 'an alert of one host does not stand in the way of another');

-- The rule changes while something fires.
select pg_temp.next_subject();
insert into pgvigil.threshold (metric, warning) values ('cpu_usage', 90);
select is(pg_temp.cpu(0, 95), 'firing warning, fired', 'a rule fires ..');
update pgvigil.threshold set mode = 'off';
select is(pg_temp.cpu(10, 95), 'ok, cancelled', '.. is switched off: cancelled, with a mail');
select is(pg_temp.cpu(20, 95), 'ok', 'after that it is not judged');
update pgvigil.threshold set mode = 'armed';
select is(pg_temp.cpu(30, 95), 'firing warning, fired', 'switched on again it fires again');
delete from pgvigil.threshold;
select is(pg_temp.cpu(25, 95), 'firing warning', 'a late sample does not cancel');
select is(pg_temp.cpu(40, 95), 'ok, cancelled', 'a rule that is deleted while it fires: cancelled, with a mail');
select pg_temp.next_subject();
insert into pgvigil.threshold (metric, warning, hold) values ('cpu_usage', 90, '1 minute');
select is(pg_temp.cpu(0, 95), 'pending warning', 'a rule is pending ..');
delete from pgvigil.threshold;
select is(pg_temp.cpu(10, 95), 'ok', '.. is deleted: no mail');
select is((select count(*) from pgvigil.alert), 0::bigint, 'and no trace');
insert into pgvigil.threshold (metric, warning) values ('cpu_usage', 90);
select is(pg_temp.cpu(20, 91), 'firing warning, fired', 'a limit fires ..');
update pgvigil.threshold set warning = 50, critical = 60;
select is(pg_temp.cpu(30, 91), 'firing critical, escalated', '.. is lowered: escalated');
select is((select a.critical from pgvigil.alert as a), 60::float8, 'the alert shows the limits that it was judged by');
update pgvigil.threshold set warning = 97, critical = 99;
select is(pg_temp.cpu(40, 91), 'ok, resolved', '.. is raised: resolved');
update pgvigil.threshold set warning = 80, critical = null;
select is(pg_temp.cpu(50, 85), 'firing warning, fired', '.. is lowered below the old one: the gate followed');
insert into pgvigil.threshold (metric, host_name, warning) values ('cpu_usage', 'web1', 70);
select is(pg_temp.cpu(60, 75), 'firing warning', 'a narrower rule takes over what fires');
select is(
    (select t.host_name from pgvigil.alert as a inner join pgvigil.threshold as t on t.threshold_id = a.threshold_id where a.resolved_at is null),
    'web1', 'and the alert names it'
);

-- Shadow.
select pg_temp.next_subject();
insert into pgvigil.threshold (metric, warning, mode) values ('cpu_usage', 90, 'shadow');
select is(pg_temp.cpu(0, 95), 'firing warning', 'in shadow mode an alert fires without a mail');
select is((select a.is_shadow from pgvigil.alert as a), true, 'and is marked');
select is(pg_temp.cpu(10, 10), 'ok', 'and resolves without a mail');
update pgvigil.threshold set mode = 'armed';
select is(pg_temp.cpu(20, 95), 'firing warning, fired', 'armed it mails');
update pgvigil.threshold set mode = 'shadow', critical = 98;
select is(pg_temp.cpu(25, 99), 'firing critical', 'put into shadow it escalates without a mail');
select is((select a.is_shadow from pgvigil.alert as a where a.resolved_at is null), true, 'and is marked');
update pgvigil.threshold set mode = 'armed', critical = null;
select is(pg_temp.cpu(26, 95), 'firing warning, eased', 'armed again it mails again');
update pgvigil.threshold set mode = 'shadow';
select is(pg_temp.cpu(30, 95), 'firing warning', 'put into shadow while it fires ..');
select is(pg_temp.cpu(40, 10), 'ok, resolved', '.. who heard of it hears that it ended');

-- A retired host.
update pgvigil.threshold set mode = 'armed';
update pgvigil.host set is_deleted = true where host_name = 'web1';
select is(pg_temp.cpu(50, 95), 'ok', 'a retired host is not watched');

-- The mark of an open alert in the gate.
create function pg_temp.marks() returns text language sql as $$
    select string_agg(g.log_table, ' ' order by g.log_table) from pgvigil.gate as g where g.has_open_alert
$$;
select pg_temp.next_subject();
delete from pgvigil.gate as g where g.has_open_alert;
update pgvigil.host set is_deleted = false where host_name = 'web1';
insert into pgvigil.threshold (metric, warning, hold) values ('cpu_usage', 90, '15 seconds');
select is(pg_temp.cpu(0, 95), 'pending warning', 'what is only pending ..');
select is(pg_temp.marks(), 'cpu_log', '.. has its mark already');
select pgvigil.sweep_gate(statement_timestamp() + interval '1 hour');
select is(pg_temp.marks(), 'cpu_log', 'the mark stays as long as the alert is open');
select is(pg_temp.cpu(10, 10), 'ok', 'it is over');
insert into pgvigil.threshold (metric, warning) values ('memory_usage', 90);
select is(pg_temp.memory(0, 'memory', 95, 0), 'firing warning, ok', 'another table has another mark');
select pgvigil.sweep_gate(pg_temp.at(0));
select is(pg_temp.marks(), 'memory_log', 'a mark without an alert is removed');
select is(pg_temp.memory(10, 'memory', 10, 0), 'ok, ok', 'that one is over too');
update pgvigil.alert set updated_at = pg_temp.at(10);
select pgvigil.sweep_gate(pg_temp.at(60));
select is(pg_temp.marks(), 'memory_log', 'what ended just now keeps its mark for a minute');
select pgvigil.sweep_gate(pg_temp.at(71));
select is(pg_temp.marks(), null, 'and then loses it');
select is(pg_temp.memory(80, 'memory', 95, 0), 'firing warning, ok', 'the next one is found all the same');
select is(pg_temp.marks(), 'memory_log', 'and marked anew');

select is_empty($$select * from pgvigil.rule_error$$, 'no rule failed in all of this');

select * from finish();
rollback;
