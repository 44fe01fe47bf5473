-- A busy fleet, for the queries of the dashboards: run as superuser on a migrated database, with busy.now set to the
-- moment that is "now"; each part is a transaction of its own. db1 has three days of samples with a gap, a reboot and an hour that comes late; a dozen others have
-- less; the alerts of the last minutes are real; a year of rollups and of incidents is written straight into its tables.

create schema busy;
create function busy.ago(p_ago interval) returns timestamptz language sql stable as $$
    select date_bin('10 seconds', current_setting('busy.now')::timestamptz, '2000-01-01 00:00+00') - p_ago
$$;
-- Something between 0 and 1 that looks like a day's work and is the same at each run.
create function busy.wave(p_at timestamptz, p_key text) returns double precision language sql immutable as $$
    select 0.5 + 0.3 * sin(extract(epoch from p_at)::float8 / 13750) + 0.0002 * (abs(hashtext(p_key || extract(epoch from p_at)::bigint)) % 1000)
$$;
create function busy.sample(p_host text, p_from timestamptz, p_to timestamptz, p_step interval, p_load float8 default 0.6)
returns void language plpgsql as $$
declare
    v_id integer := (select host_id from pgvigil.host where host_name = p_host);
begin
    drop table if exists tick;
    create temporary table tick as
    select t.at, p_load * busy.wave(t.at, p_host) as wave, r.boot
    from generate_series(p_from, p_to - interval '1 microsecond', p_step) as t (at)
    -- db1 was away for two hours: no samples, then the first one after the boot, which has no rates.
    cross join lateral (select p_host = 'db1' and t.at = busy.ago('18 hours') as boot) as r
    where not (p_host = 'db1' and t.at >= busy.ago('20 hours') and t.at < busy.ago('18 hours'));
    insert into pgvigil.cpu_log (created_at, host_id, cpu_name, cpu_usage, user_usage, system_usage, iowait_usage, steal_usage, load_1m)
    select t.at, v_id, c.name, 100 * t.wave * c.share, 60 * t.wave * c.share, 30 * t.wave * c.share, 5 * t.wave, t.wave, case c.name when 'cpu-total' then 8 * t.wave end
    from tick as t cross join (values ('cpu-total', 1.0), ('cpu0', 0.9), ('cpu1', 0.8)) as c (name, share)
    where not t.boot
    on conflict do nothing;
    insert into pgvigil.memory_log (created_at, host_id, memory_name, memory_usage, used_bytes, available_bytes)
    select t.at, v_id, m.name, 100 * t.wave * m.share, (8e9 * t.wave * m.share)::bigint, (8e9 * (1 - t.wave * m.share))::bigint
    from tick as t cross join (values ('memory', 1.0), ('swap', 0.1)) as m (name, share)
    on conflict do nothing;
    insert into pgvigil.disk_log (
        created_at, host_id, disk_name, used_bytes, available_bytes, disk_usage, inode_usage, io_usage, read_bytes_per_second, write_bytes_per_second
    )
    -- /data grows by 1 % an hour
    select
        t.at, v_id, d.name, (u.usage * 1e9)::bigint, ((100 - u.usage) * 1e9)::bigint, u.usage, u.usage / 2,
        case when not t.boot then 50 * t.wave end, case when not t.boot then 1e6 * t.wave end, case when not t.boot then 2e6 * t.wave end
    from tick as t cross join (values ('/', 30.0, 0.0), ('/data', 97.0, 1.0), ('/var', 50.0, 0.0)) as d (name, base, growth)
    cross join lateral (
        select least(99.9, greatest(0, p_load * (d.base - d.growth * extract(epoch from busy.ago('0') - t.at)::float8 / 3600))) as usage
    ) as u
    on conflict do nothing;
    insert into pgvigil.network_log (
        created_at, host_id, network_interface, received_bytes_per_second, sent_bytes_per_second, errors_per_second, drops_per_second, link_usage
    )
    select t.at, v_id, n.name, 1e7 * t.wave * n.share, 5e6 * t.wave * n.share, 0, t.wave, 10 * t.wave * n.share
    from tick as t cross join (values ('eth0', 1.0), ('eth1', 0.3)) as n (name, share)
    where not t.boot
    on conflict do nothing;
end
$$;

-- The hosts, and what they consist of.
select pgvigil.ensure_partitions(busy.ago(d * interval '1 day')) from generate_series(0, 4) as d;
insert into pgvigil.recipient (address, language) values ('ops@example.org', 'en'), ('kim@example.org', 'ko');
select pgvigil.register_host(n, case n when 'db1' then '1 minute' else '10 seconds' end::interval, '1.0', array[rtrim(n, '0123456789')])
from unnest(array['db1', 'web1', 'web2', 'web3', 'web4', 'web5', 'web6', 'app1', 'app2', 'app3', 'dead1', 'lap1', 'o''brien1']) as n;
update pgvigil.host set expected = false where host_name = 'lap1';
select pgvigil.register_host('empty1', '10 seconds', '1.0');
insert into pgvigil.cpu_info (host_id, cpu_name, cpu_core, physical_cores, model_name, max_mhz)
select h.host_id, c, case c when 'cpu-total' then 2 else 1 end, 2, 'AMD EPYC 7763', 3500
from pgvigil.host as h cross join unnest(array['cpu-total', 'cpu0', 'cpu1']) as c;
insert into pgvigil.memory_info (host_id, memory_name, physical_memory)
select h.host_id, m.name, m.size from pgvigil.host as h cross join (values ('memory', 8000000000), ('swap', 8000000000)) as m (name, size);
insert into pgvigil.disk_info (host_id, disk_name, device, file_system, mounted, size)
select h.host_id, d, 'nvme0n1', 'ext4', d, 100000000000 from pgvigil.host as h cross join unnest(array['/', '/data', '/var']) as d;
insert into pgvigil.network_info (host_id, network_interface, link_bits_per_second, mac_address)
select h.host_id, n, 1000000000, '52:54:00:12:34:56' from pgvigil.host as h cross join unnest(array['eth0', 'eth1']) as n;
update pgvigil.disk_info set is_deleted = true where disk_name = '/var' and host_id = (select host_id from pgvigil.host where host_name = 'web3');

-- Samples of the past, which no rule judged.
set session_replication_role = replica;
select busy.sample('db1', busy.ago('3 days'), busy.ago('30 hours'), '1 minute');
select busy.sample('db1', busy.ago('29 hours'), busy.ago('10 minutes'), '1 minute');
select busy.sample(
    h.host_name,
    busy.ago(case h.host_name when 'web1' then '7 hours' when 'dead1' then '3 hours' when 'lap1' then '2 hours' else '30 minutes' end::interval),
    busy.ago(case h.host_name when 'dead1' then '2 hours' when 'lap1' then '1 hour' else '10 minutes' end::interval),
    '10 seconds'
)
from pgvigil.host as h where h.host_name not in ('db1', 'empty1');
update pgvigil.cpu_log set updated_at = created_at + interval '20 milliseconds';
update pgvigil.memory_log set updated_at = created_at + interval '20 milliseconds';
update pgvigil.disk_log set updated_at = created_at + interval '20 milliseconds';
update pgvigil.network_log set updated_at = created_at + interval '20 milliseconds';
set session_replication_role = origin;

-- A year that only rollups know, each in one partition before the others.
do $$
declare
    v_module text;
    v_columns text;
    v_values text;
    v_until timestamptz;
begin
    foreach v_module in array array['cpu', 'memory', 'disk', 'network']
    loop
        select min((regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''([^'']+)''\)'))[1]::timestamptz) into v_until
        from pg_inherits as i inner join pg_class as c on c.oid = i.inhrelid
        where i.inhparent = format('pgvigil.%s_rollup_1h', v_module)::regclass;
        execute format(
            'create table pgvigil_partition.%I partition of pgvigil.%I for values from (%L) to (%L)',
            v_module || to_char(v_until - interval '400 days', '"_rollup_1h"_YYYYMMDD'), v_module || '_rollup_1h', v_until - interval '400 days', v_until
        );
        select string_agg(format('%I', a.attname), ', ' order by a.attnum), string_agg('w.wave', ', ')
        into v_columns, v_values
        from pg_attribute as a
        where a.attrelid = format('pgvigil.%s_rollup_1h', v_module)::regclass and a.attnum > 0 and not a.attisdropped
        and a.attname not in ('bucket_at', 'host_id', 'samples', 'resource');
        execute format(
            'insert into pgvigil.%s_rollup_1h (bucket_at, host_id, resource, samples, %s)'
            ' select t.at, h.host_id, r.resource, 60, %s from pgvigil.host as h'
            ' inner join pgvigil.resource as r on r.host_id = h.host_id and r.log_table = %L'
            ' cross join generate_series(date_bin(''1 hour'', busy.ago(''364 days''), ''2000-01-01 00:00+00''), busy.ago(''4 days''), ''3 hours'') as t (at)'
            ' cross join lateral (select 50 * busy.wave(t.at, r.resource) as wave offset 0) as w'
            ' where h.host_name = ''db1''',
            v_module, v_columns, v_values, v_module || '_log'
        );
    end loop;
end
$$;
select pgvigil.roll_up_fleet(busy.ago('365 days'), busy.ago('4 days'), '1h');

-- commit
-- The hour that db1 had kept in its spool; the rollups of that time are made by now.
select busy.sample('db1', busy.ago('30 hours'), busy.ago('29 hours'), '1 minute');

-- commit
-- The last ten minutes, as agents send them. The limits are so low that the alerts do not depend on the time of day.
insert into pgvigil.threshold (metric, host_name, resource, warning, critical, hold, mode, note)
values
('cpu_usage', 'web1', null, 1, 2, '1 minute', 'armed', 'See who it is: top.'),
('memory_usage', 'web2', 'memory', 1, null, '0', 'armed', ''),
('disk_usage', 'db1', '/data', 1, null, '0', 'armed', ''),
('disk_usage', 'db1', '/', 85, 90, '0', 'armed', ''),
('received_bytes_per_second', 'web5', 'eth0', 1000, null, '0', 'armed', ''),
('load_1m', 'web4', null, 0.01, null, '0', 'shadow', 'Is this limit worth a mail?'),
('memory_usage', 'db1', 'swap', 0.1, 0.2, '0', 'armed', ''),
('load_1m', 'db1', null, 16, 32, '0', 'armed', ''),
('memory_available_bytes', 'db1', null, 1e6, null, '0', 'armed', ''),
('disk_available_bytes', 'db1', null, 1e6, null, '0', 'armed', ''),
('disk_read_bytes_per_second', 'db1', null, 1e9, null, '0', 'armed', ''),
('disk_write_bytes_per_second', 'db1', null, 1e9, null, '0', 'armed', ''),
('received_bytes_per_second', 'db1', null, 1e9, null, '0', 'armed', ''),
('sent_bytes_per_second', 'db1', null, 1e9, null, '0', 'armed', '');
update pgvigil.threshold set warning = 2 where metric = 'received_bytes_per_second' and host_name = 'web5';
select busy.sample(h.host_name, busy.ago('10 minutes'), busy.ago('-1 second'), h.sample_interval)
from pgvigil.host as h where h.host_name not in ('dead1', 'lap1', 'empty1');
select pgvigil.acknowledge('web2', 'memory_usage', 'memory', 'on it');
select pgvigil.silence_for('2 hours', 'web5', p_note => 'backup');
select pgvigil.judge_derived(h.host_id, 'host_silence', 'host', 7200, busy.ago('0')) from pgvigil.host as h where h.host_name = 'dead1';
insert into pgvigil.agent_problem (host_id, problem, subject, detail, occurrences, started_at, last_at)
select h.host_id, 'samples_dropped', 'spool', 'the spool is full', 12, busy.ago('3 hours'), busy.ago('2 hours') from pgvigil.host as h where h.host_name = 'web6';
insert into pgvigil.rule_error (host_id, log_table, metric, resource, threshold_id, message, handled_at)
select h.host_id, 'cpu_log', 'cpu_usage', 'cpu0', 1, 'division by zero', now() from pgvigil.host as h where h.host_name = 'web6';

-- Incidents of a year: one each six hours for half an hour, each fifth of them by a rule in shadow mode.
insert into pgvigil.alert (
    host_id, log_table, metric, resource, threshold_id, state, severity, worst_severity, is_shadow, value, peak_value, warning, critical,
    hold, pending_at, judged_at, fired_at, resolved_at, reopened
)
select
    h.host_id, 'cpu_log', 'cpu_usage', 'cpu-total', r.threshold_id, 'resolved', s.severity, s.severity, i.n % 5 = 0, 50, 99, 90, 98,
    '0', t.at, t.at + interval '30 minutes', t.at, t.at + interval '30 minutes', i.n % 3
from generate_series(1, 1400) as i (n)
cross join lateral (select busy.ago(i.n * interval '6 hours') as at) as t
cross join lateral (select case i.n % 2 when 0 then 'warning' else 'critical' end as severity) as s
inner join pgvigil.host as h on h.host_name = case when i.n % 4 < 2 then 'db1' else 'web' || (i.n % 6 + 1) end
cross join (select min(threshold_id) as threshold_id from pgvigil.threshold where metric = 'cpu_usage') as r;
insert into pgvigil.alert_event (host_id, alert_id, event, mail_event, severity, value, at, is_shadow, created_at)
select a.host_id, a.alert_id, e.event, e.event, a.severity, 99, e.at, a.is_shadow, e.at
from pgvigil.alert as a cross join lateral (values ('fired', a.fired_at), ('resolved', a.resolved_at)) as e (event, at)
where a.resolved_at is not null;
insert into pgvigil.mail (host_id, alert_id, event, severity, value, peak_value, sampled_at, address, language, time_zone, due_at, created_at, sent_at, attempts)
select e.host_id, e.alert_id, e.event, e.severity, e.value, 99, e.at, r.address, r.language, r.time_zone, e.at, e.at, e.at + interval '80 milliseconds', 1
from pgvigil.alert_event as e cross join pgvigil.recipient as r
where e.created_at < now() - interval '1 hour' and not e.is_shadow;

-- What was stored, for comparison: days that are over are packed next.
create table busy.cpu_log as table pgvigil.cpu_log;
create table busy.memory_log as table pgvigil.memory_log;
create table busy.disk_log as table pgvigil.disk_log;
create table busy.network_log as table pgvigil.network_log;

-- commit
-- The mailer: most are sent, one is refused for good, one is tried again later.
do $$
declare
    v_mail record;
    v_at timestamptz;
    v_n integer := 0;
begin
    -- an address gets one mail at a time, with a wait in between
    for v_at in select generate_series(clock_timestamp(), clock_timestamp() + interval '5 minutes', interval '10 seconds')
    loop
        for v_mail in select c.host_id, c.mail_id from pgvigil.claim_mail('busy', 100, v_at) as c
        loop
            v_n := v_n + 1;
            if v_n = 1 then
                perform pgvigil.mark_mail_failed(v_mail.host_id, v_mail.mail_id, '550 no such user', 'recipient', true, v_at);
            elsif v_n = 2 then
                perform pgvigil.mark_mail_failed(v_mail.host_id, v_mail.mail_id, '451 try later', 'recipient', false, v_at);
            else
                perform pgvigil.mark_mail_sent(v_mail.host_id, v_mail.mail_id, '<busy@example.org>', '250 OK', v_at);
            end if;
        end loop;
    end loop;
end
$$;
select pgvigil.tick(clock_timestamp());

-- commit
analyze;
