-- Who is mailed, and how mailers claim, send and mark. What is written now is due now; claims are made in 2031.
begin;
select plan(64);

select pgvigil.ensure_partitions('2031-03-30 12:00+00');
-- Here each breach is an incident of its own, and mails do not wait for each other: both are the subject of other files.
update pgvigil.setting set value = '1 microsecond' where setting in ('flap_window', 'digest_wait');
delete from pgvigil.threshold;
delete from pgvigil.recipient;
insert into pgvigil.threshold (metric, warning, critical, note) values ('cpu_usage', 90, 98, 'See who it is.'), ('load_1m', 4, null, '');
select pgvigil.register_host('web1', '10 seconds', '1.0', '{web,asia}');
select pgvigil.register_host('db1', '10 seconds', '1.0', '{db}');

create function pg_temp.at(p_second numeric) returns timestamptz language sql as $$
    select '2031-03-30 12:00+00'::timestamptz + p_second * interval '1 second'
$$;
create function pg_temp.cpu(p_second numeric, p_usage real, p_load real default null, p_host text default 'web1') returns void
language sql as $$
    insert into pgvigil.cpu_log (created_at, host_id, cpu_name, cpu_usage, load_1m)
    select pg_temp.at(p_second), h.host_id, 'cpu-total', p_usage, p_load from pgvigil.host as h where h.host_name = p_host
$$;
create function pg_temp.who(p_host text, p_metric text, p_severity text) returns text language sql as $$
    select string_agg(w.address, ' ' order by w.address) from pgvigil.who_gets(p_host, p_metric, p_severity) as w
$$;
-- What a mailer gets, oldest first: event and address.
create function pg_temp.claim(p_mailer text, p_limit integer, p_at timestamptz) returns text language sql as $$
    select string_agg(c.event || ' ' || c.address, ', ') from pgvigil.claim_mail(p_mailer, p_limit, p_at) as c
$$;
create function pg_temp.sent(p_event text, p_address text, p_at timestamptz default '2031-03-30 12:00+00') returns void language sql as $$
    select pgvigil.mark_mail_sent(m.host_id, m.mail_id, '<1@pgvigil>', '250 queued', p_at) from pgvigil.mail as m
    where m.event = p_event and m.address = p_address and m.sent_at is null
$$;
create function pg_temp.failed(p_event text, p_permanent boolean, p_at timestamptz) returns timestamptz language sql as $$
    select pgvigil.mark_mail_failed(m.host_id, m.mail_id, '451 try later', 'mail', p_permanent, p_at) from pgvigil.mail as m
    where m.event = p_event and m.sent_at is null
$$;

-- Who gets what.
insert into pgvigil.recipient (address, host_group, metric, min_severity, is_enabled) values
('all@x.org', null, null, 'warning', true),
('critical@x.org', null, null, 'critical', true),
('web@x.org', 'web', null, 'warning', true),
('db@x.org', 'db', null, 'warning', true),
('load@x.org', null, 'load_1m', 'warning', true),
('off@x.org', null, null, 'warning', false),
('twice@x.org', 'web', null, 'warning', true),
('twice@x.org', 'asia', null, 'warning', true);
select is(pg_temp.who('web1', 'cpu_usage', 'warning'), 'all@x.org twice@x.org web@x.org', 'a warning of a web host');
select is(pg_temp.who('web1', 'cpu_usage', 'critical'), 'all@x.org critical@x.org twice@x.org web@x.org', 'a critical alert of a web host');
select is(pg_temp.who('db1', 'cpu_usage', 'warning'), 'all@x.org db@x.org', 'groups are those of the host');
select is(pg_temp.who('db1', 'load_1m', 'warning'), 'all@x.org db@x.org load@x.org', 'a recipient of one metric gets this metric');
select throws_ok($$select pg_temp.who('nobody', 'cpu_usage', 'warning')$$, 'P0001', 'there is no host nobody', 'a host that there is not is no answer');
select throws_ok($$select pg_temp.who('web1', 'cpu', 'warning')$$, 'P0001', 'there is no metric cpu', 'nor is such a metric');
select throws_ok($$select pg_temp.who('web1', 'cpu_usage', 'crit')$$, 'P0001', 'there is no severity crit', 'nor such a severity');
select pg_temp.cpu(0, 95);
select bag_eq(
    $$select m.address, m.event from pgvigil.mail as m$$,
    $$values ('all@x.org', 'fired'), ('web@x.org', 'fired'), ('twice@x.org', 'fired')$$,
    'an address with two rows gets one mail'
);
select pg_temp.cpu(10, 99);
select is(
    (select string_agg(m.address, ' ' order by m.address) from pgvigil.mail as m where m.event = 'escalated'),
    'all@x.org critical@x.org twice@x.org web@x.org', 'who comes in by the severity hears of the escalation, once'
);
update pgvigil.recipient set is_enabled = false where address = 'web@x.org';
insert into pgvigil.recipient (address) values ('new@x.org');
select pg_temp.cpu(20, 10);
select is(
    (select string_agg(m.address, ' ' order by m.address) from pgvigil.mail as m where m.event = 'resolved'),
    'all@x.org critical@x.org twice@x.org web@x.org', 'who heard of it hears of its end, and nobody else'
);
select is((select count(*) from pgvigil.mail), 3 + 4 + 4::bigint, 'that is all that was written');

-- Languages.
delete from pgvigil.mail;
delete from pgvigil.alert_event;
delete from pgvigil.alert;
delete from pgvigil.recipient;
insert into pgvigil.recipient (address, language, time_zone) values ('ko@x.org', 'ko', 'Asia/Seoul'), ('en@x.org', 'en', 'UTC');
select pg_temp.cpu(100, 95);
select results_eq(
    $$select m.address, m.language, m.time_zone, m.attempts from pgvigil.mail as m order by 1$$,
    $$values ('en@x.org', 'en', 'UTC', 0), ('ko@x.org', 'ko', 'Asia/Seoul', 0)$$,
    'a mail has the language and the time zone of its recipient'
);

-- Claiming.
delete from pgvigil.mail;
delete from pgvigil.alert_event;
delete from pgvigil.alert;
delete from pgvigil.recipient;
insert into pgvigil.recipient (address) values ('a@x.org'), ('b@x.org');
select is(pg_temp.claim('m1', 10, pg_temp.at(0)), null, 'where nothing is due nothing is claimed');
select is(pgvigil.next_mail_due(pg_temp.at(0)), null, 'and a mailer may sleep without end');
select pg_temp.cpu(200, 95);
select is(pg_temp.claim('m1', 10, now() - interval '1 minute'), null, 'a mail is not claimed before it is due');
select cmp_ok(pgvigil.next_mail_due(now() - interval '1 minute'), '>=', 60::float8, 'a mailer may sleep until then');
select cmp_ok(pgvigil.next_mail_due(pg_temp.at(0)), '<', 0::float8, 'what is due already is due below 0');
select is(pg_temp.claim('m1', 1, pg_temp.at(0)), 'fired a@x.org', 'no more are claimed than asked for');
select is(pg_temp.claim('m2', 10, pg_temp.at(0)), 'fired b@x.org', 'another mailer gets the others');
select is(pg_temp.claim('m2', 10, pg_temp.at(119.999)), null, 'within its lease a mail is not claimed again');
select is(pgvigil.next_mail_due(pg_temp.at(100)), 20::float8, 'a mailer may sleep until the lease ends');
select results_eq(
    $$select m.claimed_by, m.claimed_until, m.attempts from pgvigil.mail as m order by m.mail_id$$,
    $$values ('m1', pg_temp.at(120), 1), ('m2', pg_temp.at(120), 1)$$,
    'a claim has a name and an end'
);
select is(pg_temp.claim('m3', 10, pg_temp.at(120)), 'fired a@x.org, fired b@x.org', 'after its lease another mailer takes it over');
select is((select max(m.attempts) from pgvigil.mail as m), 2, 'that is an attempt more');
update pgvigil.setting set value = '1 hour' where setting = 'mail_lease';
select is(pg_temp.claim('m3', 10, pg_temp.at(240)), 'fired a@x.org, fired b@x.org', 'the lease ends again');
select is((select max(m.claimed_until) from pgvigil.mail as m), pg_temp.at(240 + 3600), 'how long it is, is a setting');

-- Sent.
select pg_temp.sent('fired', 'a@x.org', pg_temp.at(250));
select results_eq(
    $$select m.address, m.sent_at, m.message_id, m.server_reply, m.claimed_until is null, m.last_error from pgvigil.mail as m order by m.mail_id$$,
    $$values ('a@x.org', pg_temp.at(250), '<1@pgvigil>', '250 queued', true, null), ('b@x.org', null, null, null, false, null)$$,
    'a mail that was sent is marked so, and only this one'
);
select is(pg_temp.claim('m1', 10, pg_temp.at(90000)), 'fired b@x.org', 'what was sent is never claimed again');
select pgvigil.mark_mail_sent(m.host_id, m.mail_id, '<other>', '250 again', pg_temp.at(99999)) from pgvigil.mail as m where m.address = 'a@x.org';
select is(
    (select m.message_id || ' ' || m.sent_at from pgvigil.mail as m where m.address = 'a@x.org'), '<1@pgvigil> ' || pg_temp.at(250),
    'to mark it twice changes nothing'
);
select pg_temp.sent('fired', 'b@x.org', pg_temp.at(250));
select is(pgvigil.next_mail_due(pg_temp.at(0)), null, 'where all is sent nothing is due');

-- What a mailer gets to know.
delete from pgvigil.mail;
delete from pgvigil.alert_event;
delete from pgvigil.alert;
delete from pgvigil.recipient;
delete from pgvigil.cpu_log;
insert into pgvigil.recipient (address, language, time_zone) values ('a@x.org', 'ko', 'Asia/Seoul');
select pg_temp.cpu(3600 - 600, 50);
select pg_temp.cpu(3600, 95, 1);
create temporary table claimed as select * from pgvigil.claim_mail('m1', 10, pg_temp.at(4000));
select results_eq(
    $$
    select c.event, c.severity, c.address, c.attempts, c.host_name, c.metric, c.metric_title, c.unit, c.direction, c.resource, c.sampled_at,
        c.value, c.peak_value, c.fired_at, c.warning, c.critical, c.hold_seconds, c.threshold_scope, c.note, c.time_zone, c.language
    from claimed as c
    $$,
    $$
    select 'fired', 'warning', 'a@x.org', 1, 'web1', 'cpu_usage', 'CPU usage', 'percent', 'above', 'cpu-total', pg_temp.at(3600),
        95::float8, 95::float8, pg_temp.at(3600), 90::float8, 98::float8, 0::float8, 'all hosts, sql', 'See who it is.', 'Asia/Seoul', 'ko'
    $$,
    'a claim holds all that the text needs'
);
select is((select c.threshold_id from claimed as c), (select t.threshold_id from pgvigil.threshold as t where t.metric = 'cpu_usage'), 'and its rule');
select is((select array_remove(c.history, null) from claimed as c), array[50, 95]::float8 [], 'and the last hour');
delete from pgvigil.threshold;
select pg_temp.cpu(3610, 95, 1);
select pg_temp.sent('fired', 'a@x.org');
select results_eq(
    $$select c.event, c.threshold_scope, c.note from pgvigil.claim_mail('m1', 10, pg_temp.at(4000)) as c$$,
    $$values ('cancelled', '', '')$$,
    'a mail whose rule is gone is claimed all the same'
);

-- Thread order.
delete from pgvigil.mail;
delete from pgvigil.alert_event;
delete from pgvigil.alert;
delete from pgvigil.recipient;
delete from pgvigil.cpu_log;
insert into pgvigil.threshold (metric, warning, critical) values ('cpu_usage', 90, 98), ('load_1m', 4, null);
insert into pgvigil.recipient (address) values ('a@x.org');
select pg_temp.cpu(0, 95, 1);
select pg_temp.cpu(10, 99, 1);
select pg_temp.cpu(20, 10, 1);
select pg_temp.cpu(30, 10, 5);
update pgvigil.mail set due_at = pg_temp.at(0) + mail_id * interval '1 microsecond';
select is(pg_temp.claim('m1', 10, pg_temp.at(60)), 'fired a@x.org', 'an address gets one mail at a time');
select is(pg_temp.claim('m1', 10, pg_temp.at(60.001)), 'fired a@x.org', 'of each thread only the first mail that waits is claimed');
select is((select string_agg(a.metric, ' ' order by a.metric) from pgvigil.mail as m inner join pgvigil.alert as a on a.alert_id = m.alert_id where m.attempts = 1), 'cpu_usage load_1m', 'they are of two threads');
select is(pg_temp.claim('m2', 10, pg_temp.at(61)), null, 'while it is in hand nobody sends what comes after it');
select pg_temp.sent('fired', 'a@x.org', pg_temp.at(60));
select is(pg_temp.claim('m1', 10, pg_temp.at(70)), 'escalated a@x.org', 'then the second');
select cmp_ok(pg_temp.failed('escalated', false, pg_temp.at(70)), '>', pg_temp.at(70), 'the second one has to wait for a retry ..');
select is(pg_temp.claim('m1', 10, pg_temp.at(70)), null, '.. and the third waits with it');
select cmp_ok(pgvigil.next_mail_due(pg_temp.at(70)), '>', 0::float8, '.. and so does the mailer');
select is(pg_temp.claim('m1', 10, pg_temp.at(80)), 'escalated a@x.org', 'the retry comes first');
select is(pg_temp.failed('escalated', true, pg_temp.at(80)), null, 'what is given up is not tried again');
select is(pg_temp.claim('m1', 10, pg_temp.at(90)), 'resolved a@x.org', 'and does not hold up the thread');

-- Failed for now.
delete from pgvigil.mail;
delete from pgvigil.alert_event;
delete from pgvigil.alert;
delete from pgvigil.cpu_log;
update pgvigil.setting set value = '2 minutes' where setting = 'mail_lease';
select pg_temp.cpu(0, 95);
create temporary table wait (attempt integer, seconds float8);
create function pg_temp.try(p_attempt integer) returns void language plpgsql as $$
declare
    v_at constant timestamptz := pg_temp.at(p_attempt * 3600);
begin
    perform pgvigil.claim_mail('m1', 1, v_at);
    insert into wait values (p_attempt, extract(epoch from pg_temp.failed('fired', false, v_at) - v_at));
end
$$;
select pg_temp.try(n) from generate_series(1, 40) as n;
select is_empty(
    $$
    select w.attempt, w.seconds from wait as w
    cross join lateral (select least(5 * pow(2, least(w.attempt, 20) - 1), 600) as longest) as l
    where w.seconds < 0.5 * l.longest or w.seconds > l.longest
    $$,
    'the wait doubles from 5 seconds to 10 minutes, less up to a half of it by chance'
);
select cmp_ok((select count(distinct w.seconds) from wait as w where w.attempt > 8), '>', 10::bigint, 'the waits are spread');
select is((select m.attempts from pgvigil.mail as m), 40, 'each attempt is counted');
select results_eq(
    $$select m.last_error, m.failed_at, m.sent_at, m.claimed_until from pgvigil.mail as m$$,
    $$values ('451 try later', null::timestamptz, null::timestamptz, null::timestamptz)$$,
    'the error is noted, and the mail goes on waiting, in nobody''s hand'
);
select is(
    (select w.seconds::numeric(10, 3) from wait as w where w.attempt = 40),
    (select extract(epoch from m.due_at - pg_temp.at(40 * 3600))::numeric(10, 3) from pgvigil.mail as m), 'it is due when the mailer was told'
);
select is(pg_temp.claim('m1', 1, (select m.due_at - interval '1 millisecond' from pgvigil.mail as m)), null, 'and not before');
select is(pg_temp.claim('m1', 1, (select m.due_at from pgvigil.mail as m)), 'fired a@x.org', 'but then');
update pgvigil.mail set attempts = 5000;
select cmp_ok(pg_temp.failed('fired', false, pg_temp.at(0)), '<=', pg_temp.at(600), 'after thousands of attempts the wait is no longer');
select pg_temp.sent('fired', 'a@x.org');
select is((select m.last_error from pgvigil.mail as m), null, 'when it is sent at last the error is forgotten');
select is(pgvigil.mark_mail_failed(m.host_id, m.mail_id, 'late', 'mail', true, pg_temp.at(0)), null, 'what was sent cannot fail any more') from pgvigil.mail as m;
select is((select m.failed_at from pgvigil.mail as m), null, 'and is not marked so');

-- Given up.
delete from pgvigil.mail;
delete from pgvigil.alert_event;
delete from pgvigil.alert;
delete from pgvigil.cpu_log;
select pg_temp.cpu(0, 95);
select pg_temp.claim('m1', 1, pg_temp.at(0));
select is(pg_temp.failed('fired', true, pg_temp.at(5)), null, 'a mail that was refused for good is not tried again');
select results_eq(
    $$select m.failed_at, m.last_error, m.sent_at from pgvigil.mail as m$$,
    $$values (pg_temp.at(5), '451 try later', null::timestamptz)$$,
    'it is kept, with the reason'
);
select is(pg_temp.claim('m1', 1, pg_temp.at(90000)), null, 'it is never claimed again');
select is(pgvigil.next_mail_due(pg_temp.at(0)), null, 'and wakes nobody');
-- A slow mailer lost its lease; another one was refused for good; now the slow one comes back.
select pgvigil.mark_mail_failed(m.host_id, m.mail_id, '421 timeout', 'server', false, pg_temp.at(6)) from pgvigil.mail as m;
select is((select m.failed_at from pgvigil.mail as m), pg_temp.at(5), 'a late failure does not bring it back to life');
update pgvigil.mail set failed_at = pg_temp.at(5);
select lives_ok(
    $$select pgvigil.mark_mail_sent(m.host_id, m.mail_id, '<1@pgvigil>', '250 OK', pg_temp.at(7)) from pgvigil.mail as m$$,
    'a late success is no error'
);

-- The bell.
select is(
    (select pg_get_triggerdef(t.oid) from pg_trigger as t where t.tgrelid = 'pgvigil.mail'::regclass and not t.tgisinternal),
    'CREATE TRIGGER _900_ring AFTER INSERT ON pgvigil.mail REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION pgvigil.tg_mail__ring()',
    'new mails ring, once per statement'
);
select is_empty(
    $$
    select p.oid::regprocedure from pg_proc as p
    where p.pronamespace = 'pgvigil'::regnamespace and p.prosrc ~* 'notify' and p.proname <> 'ring'
    $$,
    'nothing else rings'
);

select * from finish();
rollback;
