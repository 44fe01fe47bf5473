-- Rollups of the whole fleet: each metric over all hosts, made from the rollups of the hosts. tick() calls advance_fleet().

create or replace function pgvigil.mark_fleet(p_at timestamptz)
returns void
language sql
set search_path = pg_temp
as $$
    insert into pgvigil.late_hour (host_id, hour_at, transaction_id)
    select 0, date_bin('1 hour', p_at, '2000-01-01 00:00+00'), pg_current_xact_id()
    from pgvigil.rollup_horizon as h
    where h.fleet_until > p_at
    on conflict do nothing
$$;
comment on function pgvigil.mark_fleet(timestamptz) is 'Notes that a host has got new buckets in an hour of which fleet_rollup is made already.';


create or replace function pgvigil.roll_up_fleet(p_from timestamptz, p_until timestamptz, p_width text)
returns void
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    v_statement text;
begin
    for v_statement in
        select format(
            'insert into pgvigil.fleet_rollup as f (width, bucket_at, metric, value, value_max)'
            ' select $3, r.bucket_at, m.metric, avg(m.value), max(m.highest) from pgvigil.host as h'
            ' cross join lateral (select x.* from pgvigil.%I as x where x.host_id = h.host_id and x.bucket_at >= $1'
            ' and x.bucket_at < $2 and x.resource %s) as r'
            ' cross join lateral (values %s) as m (metric, value, highest) where m.value is not null group by 2, 3'
            ' on conflict (width, metric, bucket_at) do update set value = excluded.value, value_max = excluded.value_max',
            replace(t.log_table, '_log', '_rollup_' || p_width),
            case t.log_table when 'cpu_log' then '= ''cpu-total''' when 'memory_log' then '= ''memory''' else 'is not null' end,
            string_agg(
                format('(%L, r.%I::float8, r.%I::float8)', m.metric, m.column_name, m.column_name || '_max'),
                ', ' order by m.position
            )
        )
        from pgvigil.log_table as t
        inner join pgvigil.metric as m on m.log_table = t.log_table
        group by t.log_table
    loop
        execute v_statement using p_from, p_until, p_width;
    end loop;
end
$$;
comment on function pgvigil.roll_up_fleet(timestamptz, timestamptz, text) is 'Makes the buckets of the whole fleet anew from those of the hosts, width 5m or 1h.';


create or replace function pgvigil.advance_fleet(p_as_of timestamptz)
returns integer
language plpgsql
set search_path = pg_temp
as $$
declare
    v_stop_at constant timestamptz := clock_timestamp() + pgvigil.setting('upkeep_budget')::interval;
    v_target constant timestamptz := (select min(p.rolled_until) from pgvigil.rollup_progress as p);
    v_from timestamptz := (
        select h.fleet_until from pgvigil.rollup_horizon as h where h.fleet_until > '-infinity'
    );
    v_until timestamptz;
    v_hour timestamptz;
    v_count integer := 0;
begin
    while v_from < v_target and clock_timestamp() < v_stop_at
    loop
        v_hour := date_bin('1 hour', v_from, '2000-01-01 00:00+00') + interval '1 hour';
        v_until := least(v_target, v_hour);
        perform pgvigil.roll_up_fleet(v_from, v_until, '5m');
        if v_until = v_hour then
            perform pgvigil.roll_up_fleet(v_hour - interval '1 hour', v_hour, '1h');
        end if;
        update pgvigil.rollup_horizon as h set fleet_until = v_until;
        v_from := v_until;
        v_count := v_count + 1;
    end loop;
    for v_hour in
        select distinct l.hour_at from pgvigil.late_hour as l
        -- one hour of all hosts costs as much as five minutes of everything else: not for each late sample
        where l.host_id = 0 and not l.marked_at between p_as_of - interval '10 minutes' and p_as_of
        order by l.hour_at
    loop
        exit when clock_timestamp() >= v_stop_at;
        delete from pgvigil.late_hour as l where l.host_id = 0 and l.hour_at = v_hour;
        perform pgvigil.roll_up_fleet(v_hour, least(v_hour + interval '1 hour', v_from), '5m');
        if v_hour + interval '1 hour' <= v_from then
            perform pgvigil.roll_up_fleet(v_hour, v_hour + interval '1 hour', '1h');
        end if;
        v_count := v_count + 1;
    end loop;
    delete from pgvigil.fleet_rollup as f
    using (
        values
        ('5m', pgvigil.setting('fleet_five_minute_retention')::interval),
        ('1h', pgvigil.setting('fleet_hourly_retention')::interval)
    ) as k (width, kept)
    where
        f.width = k.width
        and f.metric in (select m.metric from pgvigil.metric as m)
        and f.bucket_at < p_as_of - k.kept;
    return v_count;
end
$$;
comment on function pgvigil.advance_fleet(timestamptz) is 'Brings fleet_rollup up to the host that is furthest behind; returns how many steps that were.';
