-- An hour of a small fleet that has a bad day: db1 computes too much, web2 runs full, web4 does not answer.
-- Waves instead of random numbers, so that each picture shows the same.

insert into pgvigil.recipient (address) values ('ops@example.org');
update pgvigil.threshold set hold = '0';

do $$
declare
    v_now timestamptz := now();
    v_host text;
    v_number integer := 0;
    v_id integer;
begin
    foreach v_host in array array['db1', 'db2', 'mail1', 'web1', 'web2', 'web3', 'web4', 'build1'] loop
        v_number := v_number + 1;
        v_id := pgvigil.register_host(v_host, '10 seconds', '0.1.0');
        create temporary table beat on commit drop as
        select
            at,
            extract(epoch from at - v_now) / 60 as minute,
            0.5 + sin(extract(epoch from at - v_now) / (60 + 13 * v_number) + v_number) / 2 as wave
        from generate_series(
            v_now - interval '1 hour', v_now - case v_host when 'web4' then interval '7 minutes' else interval '0' end,
            interval '10 seconds'
        ) as at;

        insert into pgvigil.cpu_log (
            host_id, created_at, updated_at, cpu_name, cpu_usage, user_usage, system_usage, load_1m
        )
        select v_id, at, at, 'cpu-total', u, u * 0.7, u * 0.3, u / 20
        from beat, lateral (
            select
                case
                    when v_host = 'db1' and minute = 0 then 98.8
                    when v_host = 'db1' and minute > -17 then 72 + 16 * wave
                    else (9 + v_number * 3) * (1 + wave)
                end as u
        ) as busy
        order by at;

        insert into pgvigil.memory_log (
            host_id, created_at, updated_at, memory_name, memory_usage, used_bytes, available_bytes
        )
        select v_id, at, at, 'memory', u, (u / 100 * 16e9)::bigint, ((1 - u / 100) * 16e9)::bigint
        from beat, lateral (select 30 + v_number * 4 + 9 * wave as u) as used
        order by at;

        insert into pgvigil.disk_log (
            host_id, created_at, updated_at, disk_name, disk_usage, inode_usage, io_usage, used_bytes, available_bytes,
            read_bytes_per_second, write_bytes_per_second
        )
        select v_id, at, at, '/', u, 4, wave, (u / 100 * 80e9)::bigint, ((1 - u / 100) * 80e9)::bigint, 2e5 * wave, 3e5 * wave
        from beat, lateral (
            select case v_host when 'web2' then 93 + least(3.5, greatest(0, (minute + 30) * 0.2)) else 35 + v_number * 5 end as u
        ) as used
        order by at;

        insert into pgvigil.network_log (
            host_id, created_at, updated_at, network_interface, received_bytes_per_second, sent_bytes_per_second,
            errors_per_second, drops_per_second
        )
        select v_id, at, at, 'eth0', 1e5 * v_number * (1 + wave), 3e5 * v_number * (2 - wave), 0, 0
        from beat
        order by at;

        update pgvigil.host set last_seen_at = (select max(at) from beat) where host_id = v_id;
        drop table beat;
    end loop;
end;
$$;

-- What only time reveals, in the time that it takes.
do $$
begin
    for v_minute in 0..30 loop
        perform pgvigil.tick(now() + (v_minute - 30) * interval '1 minute');
    end loop;
end;
$$;

-- That took its time. Whoever is alive has just been heard.
update pgvigil.host
set last_seen_at = clock_timestamp()
where host_name <> 'web4';
update pgvigil.cpu_log as l
set updated_at = clock_timestamp()
from pgvigil.host as h
where
    h.host_id = l.host_id
    and h.host_name <> 'web4'
    and l.created_at = (select max(n.created_at) from pgvigil.cpu_log as n);
