-- What an agent says of its host: it registers, and sends its inventory.
begin;
select plan(56);

create function pg_temp.host(p_name text default 'web1') returns pgvigil.host language sql as $$
    select h from pgvigil.host as h where h.host_name = p_name
$$;
create function pg_temp.register(p_name text, p_interval interval default '10 seconds', p_version text default '1.0', p_groups text [] default null)
returns integer language sql as $$
    select pgvigil.register_host(p_name, p_interval, p_version, p_groups)
$$;

select is(pg_temp.register('web1', '10 seconds', '1.0', '{web}'), (pg_temp.host()).host_id, 'a new host is made, and its host_id returned');
select results_eq(
    $$select h.host_name, h.sample_interval, h.agent_version, h.groups, h.expected, h.is_deleted from pgvigil.host as h$$,
    $$values ('web1', '10 seconds'::interval, '1.0', '{web}'::text [], true, false)$$,
    'it is what its agent said'
);
select is((select count(*) from pgvigil.gate), 4::bigint, 'it has a gate for each log table');
create temporary table before as select h.ctid as place, h.* from pgvigil.host as h;
select is(pg_temp.register('web1', '10 seconds', '1.0', '{web}'), (select b.host_id from before as b), 'registered again it is the same host');
select is((select h.ctid from pgvigil.host as h), (select b.place from before as b), 'and nothing was written');
select is(pg_temp.register('web1'), (select b.host_id from before as b), 'without groups it is the same host');
select is((pg_temp.host()).groups, '{web}', 'and keeps its groups');
select is(pg_temp.register('web1', '5 seconds'), (select b.host_id from before as b), 'with another interval it is the same host');
select is((pg_temp.host()).sample_interval, '5 seconds'::interval, 'and the interval is noted');
select is((pg_temp.host()).groups, '{web}', 'and the groups are kept');
select is(pg_temp.register('web1', '5 seconds', '2.0'), (select b.host_id from before as b), 'with another version it is the same host');
select is((pg_temp.host()).agent_version, '2.0', 'and the version is noted');
select is(pg_temp.register('web1', '5 seconds', '2.0', '{db,asia}'), (select b.host_id from before as b), 'with other groups it is the same host');
select is((pg_temp.host()).groups, '{db,asia}', 'and the groups are noted');
select is(pg_temp.register('web1', '5 seconds', '2.0', '{}'), (select b.host_id from before as b), 'with no group at all it is the same host');
select is((pg_temp.host()).groups, '{}', 'and it is in none');
update pgvigil.host set is_deleted = true, labels = '{"rack": "7"}', expected = false;
select is(pg_temp.register('web1', '5 seconds', '2.0'), (select b.host_id from before as b), 'a retired host that registers is the same host');
select is((pg_temp.host()).is_deleted, false, 'and is back');
select is((pg_temp.host()).labels || to_jsonb((pg_temp.host()).expected), '[{"rack": "7"}, false]', 'labels and expected are the operator''s');
select isnt(pg_temp.register('web2'), (select b.host_id from before as b), 'another name is another host');
select is(pg_temp.register('서버-1.예시.kr'), (pg_temp.host('서버-1.예시.kr')).host_id, 'a name may be in any script');
select is(pg_temp.register(repeat('a', 253)), (pg_temp.host(repeat('a', 253))).host_id, 'a name may have 253 characters');

-- Hostile names.
select throws_like(
    format('select pgvigil.register_host(%L, ''10 seconds'', ''1.0'')', n.name),
    '%violates check constraint "host_name_is_printable"', 'refused: ' || n.what
)
from (
    values
    ('', 'no name at all'), ('a b', 'a space'), (E'a\tb', 'a tab'), (E'web1\r\nBcc: x@y.org', 'a header after a line break'), (E'web1\n', 'a line break at the end'),
    (E'\nweb1', 'a line break at the beginning'), (E'a\x1b[31mb', 'an escape sequence of a terminal'), (E'a\x7f', 'a delete character'), (repeat('a', 254), '254 characters')
) as n (name, what);
select throws_ok($$select pgvigil.register_host(null, '10 seconds', '1.0')$$, '23502', null, 'refused: null');

-- Inventory.
create temporary table v as select pg_temp.register('inv1') as host_id;
create function pg_temp.inventory(p_inventory jsonb) returns text language plpgsql as $$
begin
    perform pgvigil.record_inventory(v.host_id, p_inventory) from v;
    return (
        select string_agg(r.resource || case when r.is_deleted then ' (gone)' else '' end, ', ' order by r.log_table, r.resource)
        from pgvigil.resource as r inner join v on v.host_id = r.host_id
    );
end
$$;
select is(
    pg_temp.inventory(
        '{
            "cpu": [{"cpu_name": "cpu-total", "cpu_core": 8, "physical_cores": 4, "model_name": "Z80", "max_mhz": 3.5}],
            "memory": [{"memory_name": "memory", "physical_memory": 1024}],
            "disk": [{"disk_name": "/", "device": "sda1", "file_system": "ext4", "mounted": "/", "size": 99}, {"disk_name": "sdb", "device": "sdb", "size": 7}],
            "network": [{"network_interface": "eth0", "link_bits_per_second": 1000000000, "mac_address": "02:00:00:00:00:01"}]
        }'
    ),
    'cpu-total, /, sdb, memory, eth0', 'an inventory makes a row of each resource'
);
select results_eq(
    $$select c.cpu_core, c.physical_cores, c.model_name, c.max_mhz from pgvigil.cpu_info as c$$, $$values (8, 4, 'Z80', 3.5::real)$$,
    'with all that was said of it'
);
create temporary table disk_before as select d.ctid as place, d.* from pgvigil.disk_info as d;
select is(
    pg_temp.inventory(
        '{
            "cpu": [{"cpu_name": "cpu-total", "cpu_core": 16}], "memory": [{"memory_name": "memory", "physical_memory": 1024}],
            "disk": [{"disk_name": "/", "device": "sda1", "file_system": "ext4", "mounted": "/", "size": 99}], "network": []
        }'
    ),
    'cpu-total, /, sdb (gone), memory, eth0 (gone)', 'what is not in it any more is marked as gone'
);
select results_eq(
    $$select c.cpu_core, c.physical_cores from pgvigil.cpu_info as c$$, $$values (16, null::integer)$$, 'what changed is noted'
);
select is(
    (select d.ctid from pgvigil.disk_info as d where d.disk_name = '/'), (select b.place from disk_before as b where b.disk_name = '/'),
    'what did not change is not written'
);
select is(
    pg_temp.inventory(
        '{
            "cpu": [{"cpu_name": "cpu-total", "cpu_core": 16}], "memory": [{"memory_name": "memory", "physical_memory": 1024}],
            "disk": [{"disk_name": "/", "device": "sda1", "file_system": "ext4", "mounted": "/", "size": 99}, {"disk_name": "sdb", "device": "sdb", "size": 7}],
            "network": [{"network_interface": "eth0"}]
        }'
    ),
    'cpu-total, /, sdb, memory, eth0', 'what comes back is there again'
);
select set_eq(
    $$select d.disk_name, d.id, d.created_at from pgvigil.disk_info as d$$, $$select b.disk_name, b.id, b.created_at from disk_before as b$$,
    'with the id and the beginning that it had'
);
select throws_like(
    $$select pgvigil.record_inventory(-1, '{"cpu": [{"cpu_name": "cpu-total", "cpu_core": 16}]}')$$, '%"cpu_info_host_exists"',
    'an inventory of an unknown host is refused'
);
-- Each host by itself.
select pgvigil.record_inventory(pg_temp.register('inv2'), '{"disk": [{"disk_name": "/", "device": "sda1", "size": 1}]}');
select pgvigil.record_inventory((pg_temp.host('inv2')).host_id, '{"disk": []}');
select results_eq(
    $$select d.size, d.is_deleted from pgvigil.disk_info as d where d.disk_name = '/' order by d.size$$, $$values (1::bigint, true), (99, false)$$,
    'an inventory touches its own host only'
);
select is(
    pg_temp.inventory('{"cpu": [{"cpu_name": "cpu-total", "cpu_core": 16}]}'), 'cpu-total, /, sdb, memory, eth0',
    'a part that is missing from the inventory is left as it was'
);
-- What could not be read whole.
select is(
    pg_temp.inventory('{"disk": [{"disk_name": "/", "device": "sda1", "size": 98}], "network": [], "incomplete": ["disk"]}'),
    'cpu-total, /, sdb, memory, eth0 (gone)', 'what is missing in a part that is incomplete is not gone'
);
select is((select d.size from pgvigil.disk_info as d inner join v on v.host_id = d.host_id where d.disk_name = '/'), 98::bigint, 'what is there is noted');

-- Labels.
select is(
    pgvigil.register_host('web1', '5 seconds', '2.0', p_labels => '{"site": "eu"}'), (select b.host_id from before as b),
    'with labels it is the same host'
);
select is((pg_temp.host()).labels ->> 'site', 'eu', 'and they are noted');

-- Problems of the agent, by the clock of the host; seconds count from 12:00.
create function pg_temp.at(p_second numeric) returns timestamptz language sql as $$
    select '2031-03-30 12:00+00'::timestamptz + p_second * interval '1 second'
$$;
create function pg_temp.problem(p_started numeric, p_last numeric, p_occurrences bigint, p_detail text default 'EIO') returns text language sql as $$
    select pgvigil.record_agent_problems(v.host_id, jsonb_build_array(jsonb_build_object(
        'problem', 'collector_failed', 'subject', 'disk', 'detail', p_detail, 'occurrences', p_occurrences,
        'started_at', pg_temp.at(p_started), 'last_at', pg_temp.at(p_last)
    ))) from v;
    select format('%s: %s times, %s s', p.detail, p.occurrences, extract(epoch from p.last_at - p.started_at)::integer) from pgvigil.agent_problem as p
$$;
create function pg_temp.watched(p_second numeric) returns text language plpgsql as $$
begin
    perform pgvigil.watch_agent_problems(pg_temp.at(p_second));
    return coalesce((
        select string_agg(format('%s %s (%s)', a.resource, a.state, a.detail), ', ') from pgvigil.alert as a
        where a.metric = 'agent_problem' and a.resolved_at is null
    ), 'none');
end
$$;
create function pg_temp.sample(p_second numeric) returns void language sql as $$
    insert into pgvigil.memory_log (created_at, host_id, memory_name, memory_usage, used_bytes, available_bytes)
    select pg_temp.at(p_second), v.host_id, 'memory', 1, 1, 1 from v
$$;
select pgvigil.ensure_partitions(pg_temp.at(0));
select is(pg_temp.watched(0), 'none', 'of an agent without problems there is no alert');
select is(pg_temp.problem(10, 10, 1), 'EIO: 1 times, 0 s', 'a problem is noted');
select is(pg_temp.problem(10, 30, 3), 'EIO: 3 times, 20 s', 'and counted while it lasts');
select is(pg_temp.problem(10, 30, 3), 'EIO: 3 times, 20 s', 'told twice it counts once');
select is(pg_temp.watched(31), 'collector_failed disk pending (EIO)', 'it is judged where there is no sample yet');
select pg_temp.sample(330);
select is(pg_temp.problem(10, 330, 33, 'ENXIO'), 'ENXIO: 33 times, 320 s', 'its last reason is kept');
select is(pg_temp.watched(332), 'collector_failed disk firing (ENXIO)', 'it fires when it has lasted for five minutes');
select pg_temp.sample(350);
select is(pg_temp.watched(351), 'collector_failed disk firing (ENXIO)', 'two beats without it are not its end');
select pg_temp.sample(370);
select is(pg_temp.watched(371), 'none', 'more are');
select is(pg_temp.problem(500, 500, 1), 'EIO: 1 times, 0 s', 'if it comes back it counts from one');

select * from finish();
rollback;
