-- Which rule wins, and the gate that is derived from the rules.
begin;
select plan(47);

select pgvigil.register_host('web1', '10 seconds', '1.0', '{web,asia}');
select pgvigil.record_inventory(
    (select h.host_id from pgvigil.host as h where h.host_name = 'web1'),
    '{
        "cpu": [{"cpu_name": "cpu-total", "cpu_core": 4}],
        "memory": [{"memory_name": "memory", "physical_memory": 8}, {"memory_name": "swap", "physical_memory": 8}],
        "disk": [{"disk_name": "/", "device": "sda1", "size": 9}, {"disk_name": "/var/lib", "device": "sdb1", "size": 9}],
        "network": [{"network_interface": "eth0"}]
    }'
);

-- The limits tell the rules apart: here is which warning judges a disk of web1.
create function pg_temp.winner(p_resource text default '/var/lib', p_metric text default 'disk_usage') returns float8
language sql as $$
    select e.warning from pgvigil.effective_threshold as e
    where e.host_name = 'web1' and e.metric = p_metric and e.resource = p_resource
$$;

-- What is shipped.
select is(pg_temp.winner('memory', 'memory_usage'), 90::float8, 'memory is judged by its own rule');
select is(
    (select e.critical from pgvigil.effective_threshold as e where e.metric = 'memory_usage' and e.resource = 'swap'),
    98::float8, 'swap is judged by its own rule'
);
select is(
    (
        select string_agg(e.metric || ' of ' || e.resource, ', ' order by e.metric, e.resource)
        from pgvigil.effective_threshold as e
        inner join pgvigil.metric as m on m.metric = e.metric
        where m.log_table is null
    ),
    'clock_skew of clock, disk_full_in of /, disk_full_in of /var/lib, host_silence of host,'
    ' resource_vanished of /, resource_vanished of /var/lib, resource_vanished of eth0',
    'derived metrics are listed with what they are about'
);
select is(
    (select e.scope from pgvigil.effective_threshold as e where e.resource = 'swap'),
    'all hosts, resource swap, default', 'the view says why a rule won'
);
select results_eq(
    $$select e.clear_band, e.hold, e.mode, e.direction, e.unit from pgvigil.effective_threshold as e where e.resource = '/' and e.metric = 'disk_usage'$$,
    $$values (0.05::float8 * 85, '1 minute'::interval, 'armed', 'above', 'percent')$$,
    'without a clear_band it is 5 % of the limit'
);
select is_empty(
    $$select * from pgvigil.effective_threshold as e where e.metric = 'load_1m'$$,
    'a metric without a rule is not listed'
);

-- From the widest scope to the narrowest: each rule that is added wins over all before it.
delete from pgvigil.threshold;
insert into pgvigil.threshold (metric, warning, managed_by) values ('disk_usage', 1, 'default');
select is(pg_temp.winner(), 1::float8, 'a rule for all wins where it is alone');
insert into pgvigil.threshold (metric, warning, managed_by) values ('disk_usage', 2, 'ansible');
select is(pg_temp.winner(), 2::float8, 'on equal scope ansible wins over default');
insert into pgvigil.threshold (metric, warning, managed_by) values ('disk_usage', 3, 'sql');
select is(pg_temp.winner(), 3::float8, 'on equal scope sql wins over ansible');
insert into pgvigil.threshold (metric, resource, warning, managed_by) values ('disk_usage', '/var%', 4, 'default');
select is(pg_temp.winner(), 4::float8, 'a resource wins over all, even when it is only a default');
insert into pgvigil.threshold (metric, resource, warning, managed_by) values ('disk_usage', '/var/%', 5, 'default');
select is(pg_temp.winner(), 5::float8, 'a longer pattern wins over a shorter one');
insert into pgvigil.threshold (metric, resource, warning, managed_by) values ('disk_usage', '/v%', 6, 'sql');
select is(pg_temp.winner(), 6::float8, 'on equal scope sql wins over a longer pattern of default');
insert into pgvigil.threshold (metric, host_group, warning, managed_by) values ('disk_usage', 'web', 7, 'default');
select is(pg_temp.winner(), 7::float8, 'a group wins over a resource');
insert into pgvigil.threshold (metric, host_group, warning, managed_by) values ('disk_usage', 'asia', 8, 'default');
select is(pg_temp.winner(), 8::float8, 'of two groups the first by name wins');
insert into pgvigil.threshold (metric, host_group, warning, managed_by) values ('disk_usage', 'aaa', 9, 'sql');
select is(pg_temp.winner(), 8::float8, 'a group of other hosts does not matter');
insert into pgvigil.threshold (metric, host_group, warning, managed_by) values ('disk_usage', 'web', 13, 'sql');
select is(pg_temp.winner(), 13::float8, 'on equal scope sql wins over the first group by name');
insert into pgvigil.threshold (metric, host_group, resource, warning, managed_by) values ('disk_usage', 'web', '/var/lib', 10, 'default');
select is(pg_temp.winner(), 10::float8, 'group and resource win over a group, even when they are only a default');
insert into pgvigil.threshold (metric, host_name, warning, managed_by) values ('disk_usage', 'web1', 11, 'sql');
select is(pg_temp.winner(), 11::float8, 'a host wins over group and resource');
insert into pgvigil.threshold (metric, host_name, resource, warning, managed_by) values ('disk_usage', 'web1', '/var/lib', 12, 'default');
select is(pg_temp.winner(), 12::float8, 'host and resource win over everything, even when they are only a default');
select is(pg_temp.winner('/'), 11::float8, 'another disk of the host has another winner');
select is(
    (
        select string_agg(t.warning::text, ' ' order by r.rank)
        from pgvigil.host as h
        cross join lateral pgvigil.rank_thresholds(h.host_id, 'disk_usage', '/var/lib') as r
        inner join pgvigil.threshold as t on t.threshold_id = r.threshold_id
        where h.host_name = 'web1'
    ),
    '12 11 10 13 8 7 6 5 4 3 2 1', 'all candidates are ranked, each once'
);
select is(
    (select e.scope from pgvigil.effective_threshold as e where e.resource = '/var/lib' and e.metric = 'disk_usage'),
    'host web1, resource /var/lib, default', 'the view names host and resource'
);

-- Patterns.
delete from pgvigil.threshold;
insert into pgvigil.threshold (metric, resource, warning) values ('disk_usage', '/var', 1);
select is(pg_temp.winner(), null, 'a pattern must match the whole name');
insert into pgvigil.threshold (metric, resource, warning) values ('disk_usage', '/var/li_', 2);
select is(pg_temp.winner(), 2::float8, '_ stands for one character');
insert into pgvigil.threshold (metric, resource, warning) values ('disk_usage', '/%', 3), ('disk_usage', '/', 4);
select is(pg_temp.winner('/'), 4::float8, 'the name itself wins over a pattern');
insert into pgvigil.threshold (metric, resource, warning) values ('disk_usage', '/var/lib', 5);
select is(pg_temp.winner(), 5::float8, 'the name itself wins over a pattern of the same length');

-- Modes.
delete from pgvigil.threshold;
insert into pgvigil.threshold (metric, warning) values ('disk_usage', 1);
insert into pgvigil.threshold (metric, resource, mode) values ('disk_usage', '/var/lib', 'off');
select is(
    (select e.mode from pgvigil.effective_threshold as e where e.metric = 'disk_usage' and e.resource = '/var/lib'),
    'off', 'a narrow rule that is off exempts from a wider one'
);
select is(pg_temp.winner('/'), 1::float8, 'and nothing else is exempt');
update pgvigil.threshold set mode = 'shadow' where mode = 'armed';
select is(
    (select e.mode from pgvigil.effective_threshold as e where e.metric = 'disk_usage' and e.resource = '/'),
    'shadow', 'a rule in shadow mode wins like any other'
);

-- What is gone is not judged.
update pgvigil.disk_info set is_deleted = true where disk_name = '/';
select is(pg_temp.winner('/'), null, 'a resource that is gone is not listed');
update pgvigil.host set is_deleted = true where host_name = 'web1';
select is(pg_temp.winner(), null, 'a retired host is not listed');
update pgvigil.host set is_deleted = false where host_name = 'web1';

-- The gate of cpu_log by position: cpu_usage, iowait_usage, steal_usage, load_1m; of memory_log: memory_usage, available.
-- What comes after these is another metric's.
create function pg_temp.gate(p_table text default 'cpu_log', p_host text default 'web1') returns text language sql as $$
    select g.above[1:n.metrics]::text || g.below[1:n.metrics]::text
    from pgvigil.gate as g
    inner join pgvigil.host as h on h.host_id = g.host_id
    cross join (values (case p_table when 'cpu_log' then 4 else 2 end)) as n (metrics)
    where h.host_name = p_host and g.log_table = p_table
$$;
delete from pgvigil.threshold;
select is(pg_temp.gate(), '{NULL,NULL,NULL,NULL}{NULL,NULL,NULL,NULL}', 'without rules the gate is shut');
insert into pgvigil.threshold (metric, warning, critical) values ('cpu_usage', 80, 90), ('load_1m', null, 9);
select is(pg_temp.gate(), '{80,NULL,NULL,9}{NULL,NULL,NULL,NULL}', 'a new rule opens it at the lowest limit');
insert into pgvigil.threshold (metric, warning, critical) values ('memory_available_bytes', 100, 50);
select is(pg_temp.gate('memory_log'), '{NULL,NULL}{NULL,100}', 'from below it opens at the highest limit');
insert into pgvigil.threshold (metric, resource, warning) values ('cpu_usage', 'cpu7', 70);
select is(pg_temp.gate(), '{70,NULL,NULL,9}{NULL,NULL,NULL,NULL}', 'the lowest of several rules counts, of whatever resource');
update pgvigil.threshold set warning = 75 where resource = 'cpu7';
select is(pg_temp.gate(), '{75,NULL,NULL,9}{NULL,NULL,NULL,NULL}', 'a changed rule moves it');
update pgvigil.threshold set mode = 'off' where resource = 'cpu7';
select is(pg_temp.gate(), '{80,NULL,NULL,9}{NULL,NULL,NULL,NULL}', 'a rule that is off does not open it');
delete from pgvigil.threshold where metric = 'load_1m';
select is(pg_temp.gate(), '{80,NULL,NULL,NULL}{NULL,NULL,NULL,NULL}', 'a deleted rule shuts it');
insert into pgvigil.threshold (metric, host_group, warning) values ('cpu_usage', 'db', 60);
select is(pg_temp.gate(), '{80,NULL,NULL,NULL}{NULL,NULL,NULL,NULL}', 'a rule for other groups does not move it');
update pgvigil.host set groups = '{db}' where host_name = 'web1';
select is(pg_temp.gate(), '{60,NULL,NULL,NULL}{NULL,NULL,NULL,NULL}', 'a host that joins the group moves its gate');
select pgvigil.register_host('db1', '10 seconds', '1.0', '{db}');
select is(pg_temp.gate('cpu_log', 'db1'), '{60,NULL,NULL,NULL}{NULL,NULL,NULL,NULL}', 'a new host has a gate at once');
insert into pgvigil.threshold (metric, host_name, warning) values ('cpu_usage', 'db1', 50);
select is(
    pg_temp.gate() || pg_temp.gate('cpu_log', 'db1'),
    '{60,NULL,NULL,NULL}{NULL,NULL,NULL,NULL}{50,NULL,NULL,NULL}{NULL,NULL,NULL,NULL}',
    'a rule for one host moves the gate of this host only'
);
update pgvigil.host set host_name = 'db2' where host_name = 'db1';
select is(pg_temp.gate('cpu_log', 'db2'), '{50,NULL,NULL,NULL}{NULL,NULL,NULL,NULL}', 'a renamed host keeps its rules');
create temporary table gate_before as select g.ctid as place, g.host_id, g.log_table from pgvigil.gate as g;
update pgvigil.threshold set note = 'Nothing to worry about.';
select set_eq(
    'select g.ctid::text as place, g.host_id, g.log_table from pgvigil.gate as g', 'select b.place::text as place, b.host_id, b.log_table from gate_before as b',
    'a change that moves no limit writes no gate'
);
select ok(
    exists (select from pgvigil.host_lock as l where l.host_id = 0 and l.xmax <> '0'),
    'changes of the rules wait for each other'
);
truncate pgvigil.threshold;
select is(pg_temp.gate('cpu_log', 'db2'), '{NULL,NULL,NULL,NULL}{NULL,NULL,NULL,NULL}', 'even truncate shuts it');
-- A metric may be deleted, and leaves a hole; the next one keeps its place.
delete from pgvigil.metric where metric = 'iowait_usage';
insert into pgvigil.threshold (metric, warning) values ('steal_usage', 30);
select is(pg_temp.gate('cpu_log', 'db2'), '{NULL,NULL,30,NULL}{NULL,NULL,NULL,NULL}', 'a metric keeps its place when another one goes');

select * from finish();
rollback;
