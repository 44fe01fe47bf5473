-- Time series for graphs: dashboard.<module>_series(host_name, from, to, points) chooses between daily, hourly and
-- five-minute rollups and samples by the width of a point, and joins them where one of them ends: what is not rolled up
-- yet comes from the samples, what is older than the samples from the rollups.

create or replace function pgvigil.series_step(p_from timestamptz, p_until timestamptz, p_points integer)
returns interval
language sql
stable
set search_path = pg_temp
as $$
    select coalesce(
        (
            select min(s.step)
            from unnest(array[
                '1 second', '2 seconds', '5 seconds', '10 seconds', '20 seconds', '30 seconds', '1 minute', '2 minutes',
                '5 minutes', '10 minutes', '15 minutes', '30 minutes', '1 hour', '2 hours', '3 hours', '6 hours',
                '12 hours', '24 hours', '48 hours', '168 hours'
            ]::interval []) as s (step)
            -- one less: the first point begins before p_from
            where s.step * (greatest(p_points, 2) - 1) >= p_until - p_from
        ),
        '672 hours'
    )
$$;
comment on function pgvigil.series_step(timestamptz, timestamptz, integer) is 'Width of a point, such that a span has no more points than asked for.';


create or replace function pgvigil.series_span(
    p_host_id integer, p_log_table text, p_from timestamptz, p_until timestamptz, p_points integer,
    out step interval, out daily_until timestamptz, out hourly_until timestamptz, out five_minute_until timestamptz
)
returns record
language plpgsql
stable
set search_path = pg_temp
as $$
declare
    v_table pgvigil.log_table;
    v_interval interval := (select h.sample_interval from pgvigil.host as h where h.host_id = p_host_id);
    v_rolled_until timestamptz;
    v_days_until timestamptz;
    -- Whole days, for whole days are dropped; one more, for the next may be dropped while we read.
    v_today constant timestamptz := date_bin('1 day', statement_timestamp(), '2000-01-01 00:00+00') + interval '1 day';
begin
    step := pgvigil.series_step(p_from, p_until, p_points);
    select * into v_table from pgvigil.log_table as t where t.log_table = p_log_table;
    select p.rolled_until, p.daily_until into v_rolled_until, v_days_until
    from pgvigil.rollup_progress as p
    where p.host_id = p_host_id;
    v_rolled_until := coalesce(v_rolled_until, '-infinity');
    v_days_until := coalesce(v_days_until, '-infinity');
    -- Older than the samples: five-minute rollups; older than those: hourly ones; than those: daily ones.
    five_minute_until := least(v_today - v_table.retention, v_rolled_until);
    hourly_until := v_today - v_table.five_minute_retention;
    daily_until := v_today - v_table.hourly_retention;
    -- A graph may as well have some points fewer than it asked for, if that saves most of the rows.
    if step >= interval '2 minutes' then
        step := greatest(step, interval '5 minutes');
        five_minute_until := v_rolled_until;
    end if;
    if step >= interval '30 minutes' then
        step := greatest(step, interval '1 hour');
        hourly_until := date_bin('1 hour', v_rolled_until, '2000-01-01 00:00+00');
    end if;
    if step >= interval '6 hours' then
        step := greatest(step, interval '24 hours');
        daily_until := v_days_until;
    end if;
    daily_until := least(daily_until, v_days_until);
    hourly_until := greatest(least(hourly_until, date_bin('1 hour', v_rolled_until, '2000-01-01 00:00+00')), daily_until);
    five_minute_until := greatest(five_minute_until, hourly_until);
    if step <= v_interval then
        step := null;
    end if;
end
$$;
comment on function pgvigil.series_span(integer, text, timestamptz, timestamptz, integer) is 'How a graph is read: width of a point (null: each sample is one), until when from daily rollups, from there until when from hourly and from five-minute ones; the rest is samples.';


create or replace function pgvigil.rebuild_series()
returns void
language plpgsql
security definer
set search_path = pg_temp
as $rebuild$
declare
    v_table record;
begin
    for v_table in
        select
            t.log_table,
            t.resource_column,
            replace(t.log_table, '_log', '') as module,
            string_agg(
                format('%I double precision, %I double precision', a.attname, a.attname || '_max'),
                ', ' order by a.attnum
            ) as results,
            string_agg(
                format(
                    '(sum(p.%1$I * p.samples) / sum(p.samples) filter (where p.%1$I is not null))::float8,'
                    ' max(p.%2$I)::float8',
                    a.attname, a.attname || '_max'
                ),
                ', ' order by a.attnum
            ) as aggregates,
            string_agg(format('%I, %I', a.attname, a.attname || '_max'), ', ' order by a.attnum) as names,
            string_agg('null::float8, null::float8', ', ') as nothing,
            string_agg(format('r.%I::float8, r.%I', a.attname, a.attname || '_max'), ', ' order by a.attnum) as rolled,
            string_agg(format('s.%1$I::float8, s.%1$I as %2$I', a.attname, a.attname || '_max'), ', ' order by a.attnum) as sampled
        from pgvigil.log_table as t
        inner join pg_catalog.pg_attribute as a on a.attrelid = format('pgvigil.%I', t.log_table)::regclass
        where a.attnum > 0 and not a.attisdropped and a.atttypid in ('real'::regtype, 'bigint'::regtype)
        group by t.log_table, t.resource_column
    loop
        execute format(
            'drop function if exists dashboard.%I(text, timestamptz, timestamptz, integer)', v_table.module || '_series'
        );
        execute format(
            $template$
create function dashboard.%1$I(
    p_host_name text, p_from timestamptz, p_to timestamptz, p_points integer default 1000
)
returns table ("time" timestamptz, resource text, %2$s)
language plpgsql
stable
security definer
rows 1000
set search_path = pg_temp
set plan_cache_mode = force_custom_plan
set jit = off
-- The rows of a host lie far apart, for they came beat by beat: a bitmap has their pages read ahead, an index scan has not.
set enable_indexscan = off
set effective_io_concurrency = 64
as $series$
#variable_conflict use_column
declare
    v_host_id constant integer := (select h.host_id from pgvigil.host as h where h.host_name = p_host_name);
    v_span record;
    v_width interval := (select h.sample_interval from pgvigil.host as h where h.host_id = v_host_id);
    v_gap interval;
begin
    v_span := pgvigil.series_span(v_host_id, %8$L, p_from, p_to, p_points);
    v_width := greatest(v_width, v_span.step);
    v_gap := pgvigil.setting('gap_intervals')::integer * v_width;
    return query
    with point (at, resource, %11$s) as (
    select coalesce(date_bin(v_span.step, p.at, '2000-01-01 00:00+00'), p.at), p.resource, %3$s
    from (
        select s.created_at as at, s.%7$I as resource, 1 as samples, %5$s
        from pgvigil.%10$I(v_host_id, greatest(p_from, v_span.five_minute_until), p_to) as s
        where not s.is_deleted
        union all
        select r.bucket_at, r.resource, r.samples, %4$s
        from pgvigil.%6$I as r
        where
            r.host_id = v_host_id
            -- not p_from - interval: that is not constant for the planner, which would plan for all partitions
            and r.bucket_at >= date_bin('5 minutes', p_from, '2000-01-01 00:00+00')
            and r.bucket_at >= v_span.hourly_until
            and r.bucket_at < least(p_to, v_span.five_minute_until)
        union all
        select r.bucket_at, r.resource, r.samples, %4$s
        from pgvigil.%9$I as r
        where
            r.host_id = v_host_id
            and r.bucket_at >= date_bin('1 hour', p_from, '2000-01-01 00:00+00')
            and r.bucket_at >= v_span.daily_until
            and r.bucket_at < least(p_to, v_span.hourly_until)
        union all
        select r.bucket_at, r.resource, r.samples, %4$s
        from pgvigil.%13$I as r
        where
            r.host_id = v_host_id
            and r.bucket_at >= date_bin('1 day', p_from, '2000-01-01 00:00+00')
            and r.bucket_at < least(p_to, v_span.daily_until)
    ) as p
    group by 1, 2
    )
    select p.* from point as p
    union all
    -- A null where points are missing: the graph would draw a line from the last one to the next.
    select g.at + v_width, g.resource, %12$s
    from (
        select p.at, p.resource, lead(p.at) over (partition by p.resource order by p.at) as next_at
        from point as p
    ) as g
    where g.next_at > g.at + v_gap
    order by 1, 2;
end
$series$
            $template$,
            v_table.module || '_series', v_table.results, v_table.aggregates, v_table.rolled, v_table.sampled,
            v_table.module || '_rollup_5m', v_table.resource_column, v_table.log_table, v_table.module || '_rollup_1h',
            v_table.module || '_samples', v_table.names, v_table.nothing, v_table.module || '_rollup_1d'
        );
        execute format(
            'comment on function dashboard.%I(text, timestamptz, timestamptz, integer) is %L',
            v_table.module || '_series',
            format(
                'Graph of the %s of a host: of each resource at most p_points points, of each column the average, and'
                ' the maximum as .._max; one row of nulls where points are missing.',
                v_table.module
            )
        );
        -- as 90_grants.sql does for all of the schema
        execute format(
            'revoke all on function dashboard.%1$I(text, timestamptz, timestamptz, integer) from public;'
            ' grant execute on function dashboard.%1$I(text, timestamptz, timestamptz, integer)'
            ' to pgvigil_operator, pgvigil_reader',
            v_table.module || '_series'
        );
    end loop;
end
$rebuild$;
comment on function pgvigil.rebuild_series() is 'Writes the graphs of the log tables anew from their columns.';

select pgvigil.rebuild_series();


create function dashboard.fleet_series(
    p_metric text, p_from timestamptz, p_to timestamptz, p_points integer default 1000
)
returns table ("time" timestamptz, value double precision, value_max double precision) -- noqa: RF06
language plpgsql
stable
security definer
rows 1000
set search_path = pg_temp
set jit = off
as $$
#variable_conflict use_column
declare
    v_step constant interval := greatest(pgvigil.series_step(p_from, p_to, p_points), interval '5 minutes');
    v_width constant text := case when v_step < interval '1 hour' then '5m' else '1h' end;
begin
    return query
    select date_bin(v_step, f.bucket_at, '2000-01-01 00:00+00'), avg(f.value), max(f.value_max)
    from pgvigil.fleet_rollup as f
    where f.width = v_width and f.metric = p_metric and f.bucket_at > p_from - v_step and f.bucket_at < p_to
    group by 1
    order by 1;
end
$$;
comment on function dashboard.fleet_series(text, timestamptz, timestamptz, integer) is 'Graph of a metric of the whole fleet: average and maximum over all hosts; of CPU and memory the totals only. Five minutes and wider: the newest point is some minutes old.';
