-- Storms, digests, dead letters, weekly reports, and what `pgvigil check` asks. Claims are made in 2031.
begin;
select plan(65);

set local timezone = 'UTC';
select pgvigil.ensure_partitions('2031-03-30 12:00+00');
update pgvigil.setting set value = '1 microsecond' where setting = 'flap_window';
delete from pgvigil.threshold where metric not in ('mail_undeliverable', 'disk_full_in');
delete from pgvigil.recipient;
insert into pgvigil.threshold (metric, warning, critical) values ('cpu_usage', 90, 98), ('load_1m', 4, null);
insert into pgvigil.host (host_name) select 'web' || to_char(n, 'FM00') from generate_series(1, 20) as n;

create function pg_temp.at(p_second numeric) returns timestamptz language sql as $$
    select '2031-03-30 12:00+00'::timestamptz + p_second * interval '1 second'
$$;
create function pg_temp.breach(p_host integer, p_second numeric, p_usage real default 95) returns void language sql as $$
    insert into pgvigil.cpu_log (created_at, host_id, cpu_name, cpu_usage)
    select pg_temp.at(p_second), h.host_id, 'cpu-total', p_usage from pgvigil.host as h where h.host_name = 'web' || to_char(p_host, 'FM00');
    -- written now, due then
    update pgvigil.mail set due_at = pg_temp.at(p_second) where due_at < '2031-01-01' and sent_at is null and failed_at is null
$$;
create temporary table claimed as select c.*, now() as at from pgvigil.claim_mail('m', 1, now()) as c;
-- The next mail: host and event, or so many alerts.
create function pg_temp.claim(p_second numeric) returns text language sql as $$
    insert into claimed select c.*, pg_temp.at(p_second) from pgvigil.claim_mail('m', 1, pg_temp.at(p_second)) as c
    returning case when is_digest then items ->> 'count' || ' alerts' else host_name || ' ' || event end || ' ' || address
$$;
create function pg_temp.last_mail() returns claimed language sql as $$
    select c.* from claimed as c order by c.at desc, c.mail_id desc limit 1
$$;
create function pg_temp.sent(p_second numeric) returns void language sql as $$
    select pgvigil.mark_mail_sent((l).host_id, (l).mail_id, '<' || (l).mail_id || '@x>', '250 OK', pg_temp.at(p_second)) from pg_temp.last_mail() as l
$$;
create function pg_temp.failed(p_second numeric, p_about text, p_permanent boolean default false) returns timestamptz language sql as $$
    select pgvigil.mark_mail_failed((l).host_id, (l).mail_id, '450 no', p_about, p_permanent, pg_temp.at(p_second)) from pg_temp.last_mail() as l
$$;
create function pg_temp.clear() returns void language sql as $$
    delete from pgvigil.mail;
    delete from pgvigil.alert_event;
    delete from pgvigil.alert;
    delete from pgvigil.cpu_log;
    delete from pgvigil.mailbox;
    delete from claimed
$$;

-- A storm.
insert into pgvigil.recipient (address) values ('a@x.org');
select pg_temp.breach(n, 0.1 * n) from generate_series(1, 10) as n;
select is(pg_temp.claim(1), 'web01 fired a@x.org', 'the first mail of a storm goes at once');
select is(pg_temp.claim(1), null, 'the second waits');
select pg_temp.sent(1);
select cmp_ok(pgvigil.next_mail_due(pg_temp.at(2)), '=', 4::float8, 'for the setting digest_wait: so long may a mailer sleep');
select pg_temp.breach(11, 3);
select is(pg_temp.claim(5.9), null, 'nobody is mailed twice within it');
select pg_temp.breach(1, 4, 99);
select is(pg_temp.claim(4), 'web01 escalated a@x.org', 'but how the incident goes on that was told last is told at once');
select pg_temp.sent(4);
select is(pg_temp.claim(6), '10 alerts a@x.org', 'then all that waited goes as one digest');
select is(
    (select (l.items ->> 'host_count')::integer = 10 and jsonb_array_length(l.items -> 'alerts') = 10 and l.items -> 'alerts' -> 0 ->> 'host_name' = 'web02' from pg_temp.last_mail() as l),
    true, 'it holds each alert'
);
select is((select count(*) from pgvigil.mail as m where m.covered_by is not null), 9::bigint, 'the others are covered by it');
select pg_temp.sent(7);
select is((select count(*) from pgvigil.mail as m where m.sent_at is null), 0::bigint, 'and sent with it');
select is((select count(distinct m.message_id) from pgvigil.mail as m where m.sent_at = pg_temp.at(7)), 1::bigint, 'under its Message-ID');
select bag_eq(
    $$select d.state, count(*) from pgvigil.delivery as d group by 1$$, $$values ('sent', 12::bigint)$$, 'the delivery log says so'
);
select is(
    (select d.sampled_at from pgvigil.delivery as d where d.host_name = 'web07'), pg_temp.at(0.7), 'and because of which sample'
);
select is(pgvigil.next_mail_due(pg_temp.at(8)), null, 'nothing is left');

-- Spacing: the wait grows with each mail, and passes with time.
select is((select round(extract(epoch from b.next_at - b.claimed_at)) from pgvigil.mailbox as b), 9::numeric, 'the second wait is nearly twice as long');
select pg_temp.breach(12, 8);
select is(pg_temp.claim(14.8), null, 'so the next mail waits longer');
select is(pg_temp.claim(15.2), 'web12 fired a@x.org', 'one alone is no digest');
select pg_temp.breach(13, 3000);
select pg_temp.sent(3000);
select is(pg_temp.claim(3000), 'web13 fired a@x.org', 'after a calm the first goes at once again');
select pg_temp.sent(3000);
select is((select b.crowd from pgvigil.mailbox as b), 1::float8, 'and the count begins anew');
select pg_temp.breach(14, 3001);
select pg_temp.breach(15, 3001);
select is(pg_temp.claim(3005), 'web14 fired a@x.org', 'two that waited are too few for a digest ..');
select pg_temp.sent(3005);
select is(pg_temp.claim(3005.1), 'web15 fired a@x.org', '.. and the second follows at once');
select pg_temp.sent(3005.1);

-- What is critical overtakes, once in each wait.
select pg_temp.clear();
select pg_temp.breach(n, 0) from generate_series(1, 4) as n;
select is(pg_temp.claim(0.1), 'web01 fired a@x.org', 'a warning is told, others wait');
select pg_temp.sent(0.1);
select pg_temp.breach(5, 1, 99);
select pg_temp.breach(6, 1, 99);
select cmp_ok(pgvigil.next_mail_due(pg_temp.at(1)), '<=', 0::float8, 'for what is critical no mailer sleeps');
select is(pg_temp.claim(1), 'web05 fired a@x.org', 'the first that is critical goes at once');
select is(pg_temp.claim(1.1), null, 'the second waits with the warnings');
select pg_temp.sent(1.2);
select is(round(pgvigil.next_mail_due(pg_temp.at(1))), 10::float8, 'for as long as after any other mail');
select is(pg_temp.claim(11), '4 alerts a@x.org', 'then the rest is one digest');
select pg_temp.sent(11);
select pg_temp.breach(7, 12, 99);
select is(pg_temp.claim(12), null, 'which told of something critical: the next one waits');
select is(pg_temp.claim(40), 'web07 fired a@x.org', 'until its turn');
select pg_temp.sent(40);
select pg_temp.clear();
select pg_temp.breach(1, 0);
select pg_temp.claim(0.1);
select pg_temp.sent(0.1);
select pg_temp.breach(2, 1);
select pg_temp.breach(2, 2, 99);
select is(pg_temp.claim(2), 'web02 fired a@x.org', 'what becomes critical while it waits goes at once ..');
select is(pg_temp.claim(2), null, '.. in its order ..');
select pg_temp.sent(2);
select is(pg_temp.claim(2.1), 'web02 escalated a@x.org', '.. and whole');
select pg_temp.sent(2.1);

-- Who is told what does not depend on others.
select pg_temp.clear();
insert into pgvigil.recipient (address, language) values ('b@x.org', 'ko');
select pg_temp.breach(n, 0) from generate_series(1, 5) as n;
select is(pg_temp.claim(1) || ', ' || pg_temp.claim(1), 'web01 fired a@x.org, web01 fired b@x.org', 'each address has its own first mail');
select is(pg_temp.claim(6) || ', ' || pg_temp.claim(6), '4 alerts a@x.org, 4 alerts b@x.org', 'and its own digest');
delete from pgvigil.recipient where address = 'b@x.org';

-- A digest that is not taken.
select pg_temp.clear();
select pg_temp.breach(n, 0) from generate_series(1, 5) as n;
select pg_temp.claim(1);
select pg_temp.sent(1);
select pg_temp.claim(6);
select cmp_ok(pg_temp.failed(6, 'mail'), '>', pg_temp.at(6), 'it is tried again');
select pg_temp.breach(n, 7) from generate_series(6, 8) as n;
select is(pg_temp.claim(30), '7 alerts a@x.org', 'with all that became due meanwhile');
select pg_temp.failed(30, 'unanswered');
select is((select m.is_uncertain from pgvigil.mail as m where m.mail_id = (pg_temp.last_mail()).mail_id), true, 'no answer: it may have arrived');
select pg_temp.breach(n, 31) from generate_series(9, 12) as n;
select is(pg_temp.claim(200), '4 alerts a@x.org', 'so what comes due later does not get into it');
select pg_temp.sent(200);
select is((select count(*) from pgvigil.mail as m where m.sent_at is null and m.covered_by is not null), 6::bigint, 'it stays whole');
select is(pg_temp.claim(400), '7 alerts a@x.org', 'and goes out as it was');
select is(pg_temp.claim(519), null, 'while it is in hand nobody else gets it');
select is(pg_temp.claim(700), '7 alerts a@x.org', 'a mailer died: its lease is over, the digest is taken over whole');
select is((select count(distinct c.mail_id) from claimed as c where c.items ->> 'count' = '7'), 1::bigint, 'each time under the same number');

-- A recipient who is not taken for now.
select pg_temp.clear();
select pg_temp.breach(n, 0) from generate_series(1, 5) as n;
select pg_temp.claim(1);
create temporary table retry as select pg_temp.failed(1, 'recipient') as at;
select is((select b.next_at from pgvigil.mailbox as b), (select greatest(r.at, pg_temp.at(6)) from retry as r), 'greylisted: the others wait with it');

-- Dead letters.
select pg_temp.clear();
insert into pgvigil.recipient (address, host_group) values ('c@x.org', 'elsewhere');
select pg_temp.breach(1, 0);
select pg_temp.claim(1);
select is(pg_temp.failed(1, 'recipient', true), null, 'what is refused for good is given up');
select pgvigil.watch_mail(pg_temp.at(2));
select results_eq(
    $$select m.address, a.metric, a.resource, m.detail from pgvigil.mail as m inner join pgvigil.alert as a on a.alert_id = m.alert_id where m.failed_at is null$$,
    $$values ('c@x.org', 'mail_undeliverable', 'a@x.org', '450 no (1 mail)')$$,
    'all the others hear of it, and not who cannot'
);
select pgvigil.watch_mail(pg_temp.at(3));
select is((select count(*) from pgvigil.mail as m), 2::bigint, 'once');
select is((select d.state from pgvigil.delivery as d where d.address = 'a@x.org'), 'given up', 'the delivery log shows it');
select throws_ok($$select pgvigil.resend_mail('a@x.org', 'nobody@x.org')$$, 'P0001', 'nobody@x.org is no recipient', 'it is resent to recipients only');
select is(pgvigil.resend_mail('a@x.org', 'c@x.org'), 1::bigint, 'it can be resent to another address');
select is(pgvigil.resend_mail('a@x.org'), 0::bigint, 'once');
select is((select count(*) from pgvigil.mail as m where m.address = 'c@x.org' and m.failed_at is null and m.sent_at is null), 2::bigint, 'then it waits again');
delete from pgvigil.recipient where address = 'a@x.org';
select pgvigil.watch_mail(pg_temp.at(4));
select is((select count(*) from pgvigil.alert as a where a.resolved_at is null and a.metric = 'mail_undeliverable'), 0::bigint, 'a recipient who is gone is no trouble any more');

-- Weekly reports: 2031-03-31 is a Monday; 8:00 in Seoul is 23:00 the day before.
select pg_temp.clear();
delete from pgvigil.recipient;
insert into pgvigil.recipient (address, time_zone, language, created_at) values
('seoul@x.org', 'Asia/Seoul', 'ko', '2031-01-01'), ('utc@x.org', 'UTC', 'en', '2031-01-01'), ('new@x.org', 'UTC', 'en', '2031-03-31 08:00:01+00');
insert into pgvigil.recipient (address, created_at, weekly) values ('no@x.org', '2031-01-01', false);
update pgvigil.host set created_at = '2031-01-01';
select pgvigil.write_weekly_reports('2031-03-30 22:59:59+00');
select is((select count(*) from pgvigil.mail as m), 0::bigint, 'no report before Monday morning');
select pgvigil.write_weekly_reports('2031-03-30 23:00+00');
select is((select string_agg(m.address || ' ' || m.event || ' ' || m.language, ', ') from pgvigil.mail as m), 'seoul@x.org weekly ko', 'each in the morning of its reader');
select is((select jsonb_array_length(m.detail::jsonb -> 'hosts') from pgvigil.mail as m), 20, 'hosts that never reported are in it');
select is(
    (select m.detail::jsonb -> 'hosts' -> 0 ->> 'statement' from pgvigil.mail as m), 'update pgvigil.host set expected = false where host_name = ''web01'';',
    'each with what mends it'
);
select pgvigil.write_weekly_reports('2031-03-31 08:00+00');
select pgvigil.write_weekly_reports('2031-03-31 09:00+00');
select is((select string_agg(m.address, ' ' order by m.address) from pgvigil.mail as m), 'seoul@x.org utc@x.org', 'once, and to who was there before, and wants it');
update pgvigil.host set expected = false;
select pgvigil.write_weekly_reports('2031-04-07 09:00+00');
select is((select count(*) from pgvigil.mail as m), 2::bigint, 'where there is nothing to tell no report is sent');
update pgvigil.host set expected = true;
select is((select r.title || coalesce(r.host_name, ', no host') from dashboard.recent_mail as r where r.event = 'weekly' order by r.mail_id limit 1), 'Weekly report, no host', 'the dashboards show it');
select is((select c.event || ' ' || (c.items ? 'hosts') from pgvigil.claim_mail('m', 1, '2031-04-07 10:00+00') as c), 'weekly true', 'it is claimed as any mail');

-- What was noisy: ten incidents, eight of them over within a minute.
select pg_temp.clear();
insert into pgvigil.recipient (address) values ('a@x.org');
do $$
begin
    for n in 1..10 loop
        perform pg_temp.breach(n, n * 1000);
        perform pg_temp.breach(n, n * 1000 + case when n <= 8 then 50 else 600 end, 10);
    end loop;
end
$$;
select results_eq(
    $$select r.incidents, r.remaining, r.statement from pgvigil.noisy_rules(null, pg_temp.at(20000)) as r$$,
    $$select 10::bigint, 2::bigint, format('update pgvigil.threshold set hold = ''00:01:00'' where threshold_id = %s;', t.threshold_id) from pgvigil.threshold as t where t.metric = 'cpu_usage'$$,
    'a noisy rule comes with the hold that four of five incidents would not have outlasted'
);

-- Previews and health.
select is(
    (select p.event || ' ' || p.host_name || ' ' || p.language from pgvigil.preview_mail(p_event => 'fired', p_language => 'ko') as p), 'fired web10 ko',
    'a past alert can be previewed'
);
select throws_ok($$select pgvigil.preview_mail(-1)$$, 'P0001', 'there is no alert -1 with a mail of any kind', 'one that there is not cannot');
select bag_eq(
    $$select h.name from pgvigil.check_health('{}', pg_temp.at(0)) as h where not h.is_ok$$, $$values ('schema'), ('upkeep')$$,
    'health: what is wrong is named, and only that'
);
select is(
    (select h.detail from pgvigil.check_health('{"9999_new.sql": "x"}', pg_temp.at(0)) as h where h.name = 'schema') like 'newer than this program: 0001%',
    true, 'a schema that is newer, too'
);

select * from finish();
rollback;
