-- The hosts of the bench beside its models, what they consist of, and a year of incidents and mails: two incidents a week
-- of each host, mailed to two people when they begin and when they end; each twentieth by a rule in shadow mode.

insert into pgvigil.host (host_name, groups, sample_interval)
select 'host' || n, array['group' || mod(n, 20)], '10 seconds' from generate_series(5, %(hosts)s::integer) as n;

update pgvigil.host set sample_interval = '10 seconds', expected = true, created_at = now() - interval '1 year';

select pgvigil.ensure_partitions(now() - n * interval '7 days') from generate_series(0, 53) as n;

insert into pgvigil.cpu_info (host_id, cpu_name, cpu_core, physical_cores, model_name, max_mhz)
select h.host_id, 'cpu-total', 2, 2, 'AMD EPYC 7763', 3500 from pgvigil.host as h;

insert into pgvigil.memory_info (host_id, memory_name, physical_memory)
select h.host_id, m, 8000000000 from pgvigil.host as h, unnest(array['memory', 'swap']) as m;

insert into pgvigil.disk_info (host_id, disk_name, device, file_system, mounted, size)
select h.host_id, d, 'nvme0n1', 'ext4', d, 100000000000
from pgvigil.host as h, unnest(array['/', '/boot', '/home', '/var/lib/postgresql']) as d;

insert into pgvigil.network_info (host_id, network_interface, link_bits_per_second, mac_address)
select h.host_id, n, 1000000000, '52:54:00:12:34:56'
from pgvigil.host as h, unnest(array['eno1', 'eno2', 'bond0', 'bond0.7', 'wg0']) as n;

insert into pgvigil.recipient (address) values ('ops@example.org'), ('kim@example.org');

insert into pgvigil.threshold (metric, host_group, warning, critical)
select m, 'group' || g, 80 + g / 4.0, 95 from unnest(array['cpu_usage', 'memory_usage', 'io_usage']) as m, generate_series(0, 19) as g;

insert into pgvigil.threshold_history (threshold_id, operation, old, new, changed_by, changed_at)
select t.threshold_id, 'update', to_jsonb(t), to_jsonb(t) || '{"warning": 70}', 'ops', now() - n * interval '12 hours'
from generate_series(1, 700) as n inner join pgvigil.threshold as t on t.threshold_id = 1 + mod(n, 20);

insert into pgvigil.silence (host_name, starts_at, ends_at, note)
select 'host' || n, now() - interval '1 hour', now() + interval '1 week', 'rebuilt' from generate_series(1, %(hosts)s::integer, 50) as n;

insert into pgvigil.agent_problem (host_id, problem, subject, detail, occurrences, started_at, last_at)
select h.host_id, 'samples_dropped', 'spool', 'the spool is full', 12, now() - interval '3 hours', now() - interval '2 hours'
from pgvigil.host as h;

insert into pgvigil.alert (
    host_id, log_table, metric, resource, threshold_id, state, severity, worst_severity, is_shadow, value, peak_value, warning,
    critical, hold, pending_at, judged_at, fired_at, resolved_at, reopened
)
select
    1 + mod(n, %(hosts)s::integer), m.log_table, m.metric, r.resource, t.threshold_id,
    case when o.is_open then 'firing' else 'resolved' end, s.severity, s.severity, mod(n, 20) = 0, 97, 99, t.warning,
    t.critical, t.hold, f.at, f.at, f.at, case when not o.is_open then f.at + (1 + mod(n, 90)) * interval '1 minute' end, mod(n, 3)
from generate_series(1, 104 * %(hosts)s::integer) as n
cross join lateral (select now() - n * interval '1 year' / (104 * %(hosts)s::integer) as at) as f
cross join lateral (select n <= 0.02 * %(hosts)s::integer as is_open) as o
cross join lateral (select case mod(n, 3) when 0 then 'critical' else 'warning' end as severity) as s
inner join (
    values (0, 'cpu_usage', 'cpu-total'), (1, 'memory_usage', 'memory'), (2, 'disk_usage', '/'), (3, 'io_usage', '/home')
) as r (kind, metric, resource) on r.kind = mod(n, 4)
inner join pgvigil.metric as m on m.metric = r.metric
inner join (
    select x.metric, array_agg(x order by x.threshold_id) as rules from pgvigil.threshold as x group by x.metric
) as a on a.metric = m.metric
cross join lateral (select (a.rules[1 + mod(n, cardinality(a.rules))]).*) as t;

insert into pgvigil.alert_event (host_id, alert_id, event, mail_event, severity, value, at, is_shadow, created_at)
select a.host_id, a.alert_id, e.event, e.event, a.severity, 99, e.at, a.is_shadow, e.at
from pgvigil.alert as a cross join lateral (values ('fired', a.fired_at), ('resolved', a.resolved_at)) as e (event, at)
where e.at is not null
order by e.at;

insert into pgvigil.mail (
    host_id, alert_id, event, severity, value, peak_value, sampled_at, address, language, time_zone, due_at, created_at, sent_at,
    attempts
)
select
    e.host_id, e.alert_id, e.event, e.severity, e.value, 99, e.at, r.address, r.language, r.time_zone, e.at, e.at,
    e.at + interval '80 milliseconds', 1
from pgvigil.alert_event as e cross join pgvigil.recipient as r
where not e.is_shadow
order by e.at;

insert into pgvigil.rule_error (host_id, log_table, metric, resource, threshold_id, message, handled_at)
select n, 'cpu_log', 'cpu_usage', 'cpu-total', 1, 'division by zero', now() from generate_series(1, 20) as n;

insert into pgvigil.upkeep (task, done_at, since) values ('tick', now(), now())
