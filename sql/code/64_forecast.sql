-- When a disk will be full, by the trend of the last hours: a straight line, and how far it may be off.

create or replace function pgvigil.forecast_disk(p_host_id integer, p_disk_name text, p_as_of timestamptz)
returns table (
    seconds_left double precision, earliest timestamptz, latest timestamptz, bytes_per_second double precision,
    fit double precision
)
language sql
stable
set search_path = pg_temp
as $$
    with trend as (
        select
            regr_slope(l.used_bytes, extract(epoch from l.created_at - p_as_of)::float8) as slope,
            regr_r2(l.used_bytes, extract(epoch from l.created_at - p_as_of)::float8) as fit,
            count(*) as n,
            regr_sxx(l.used_bytes, extract(epoch from l.created_at - p_as_of)::float8) as sxx,
            regr_syy(l.used_bytes, extract(epoch from l.created_at - p_as_of)::float8) as syy,
            max(l.created_at) - min(l.created_at) as span,
            (array_agg(l.available_bytes order by l.created_at desc))[1] as available,
            (array_agg(l.used_bytes order by l.created_at desc))[1] as used,
            (array_agg(l.disk_usage order by l.created_at desc))[1] as usage
        from pgvigil.disk_samples(
            p_host_id, p_as_of - pgvigil.setting('forecast_span')::interval + interval '1 microsecond',
            p_as_of + interval '1 microsecond'
        ) as l
        where l.disk_name = p_disk_name and l.used_bytes is not null
    ),

    -- Two standard errors to both sides: where the line may well lie.
    bounds as (
        select
            t.*,
            2 * sqrt(greatest((1 - t.fit) * t.syy, 0) / nullif((t.n - 2) * t.sxx, 0)) as margin
        from trend as t
    )

    select
        b.available / b.slope,
        p_as_of + least(b.available / (b.slope + b.margin), 315360000) * interval '1 second',
        p_as_of
        + least(case when b.slope > b.margin then b.available / (b.slope - b.margin) end, 315360000) * interval '1 second',
        b.slope,
        b.fit
    from bounds as b
    where
        b.slope > 0
        and b.n > 2
        and b.span >= pgvigil.setting('forecast_span_least')::interval
        and b.usage >= pgvigil.setting('forecast_usage_least')::integer
        and b.fit >= pgvigil.setting('forecast_fit_least')::integer / 100.0
        -- A log that is rotated climbs like this every day, and never was trouble.
        and not exists (
            select from pgvigil.disk_samples(
                p_host_id, p_as_of - pgvigil.setting('forecast_memory')::interval + interval '1 microsecond',
                p_as_of - pgvigil.setting('forecast_span')::interval + interval '1 microsecond'
            ) as l
            where l.disk_name = p_disk_name and l.used_bytes >= b.used
        )
$$;
comment on function pgvigil.forecast_disk(integer, text, timestamptz) is 'When a disk will be full by the trend of the last forecast_span, as a range; no row where there is no trend to go by.';


create or replace function pgvigil.watch_disks(p_as_of timestamptz)
returns void
language plpgsql
set search_path = pg_temp
as $$
declare
    v_disk record;
    v_forecast record;
begin
    for v_disk in
        select d.host_id, d.disk_name
        from pgvigil.disk_info as d
        cross join lateral (
            select l.disk_usage
            from pgvigil.disk_log as l
            where
                l.host_id = d.host_id
                and l.disk_name = d.disk_name
                and l.created_at > p_as_of - interval '10 minutes'
                and l.created_at <= p_as_of
            order by l.created_at desc
            limit 1
        ) as n
        where
            not d.is_deleted
            and (
                n.disk_usage >= pgvigil.setting('forecast_usage_least')::integer
                or pgvigil.has_open_alert(d.host_id, 'disk_full_in', d.disk_name)
            )
        order by d.host_id, d.disk_name
    loop
        select f.* into v_forecast from pgvigil.forecast_disk(v_disk.host_id, v_disk.disk_name, p_as_of) as f;
        continue when not pgvigil.try_lock_host(v_disk.host_id);
        perform pgvigil.judge_derived(
            v_disk.host_id, 'disk_full_in', v_disk.disk_name,
            -- no trend, no end in sight: ten years
            coalesce(least(v_forecast.seconds_left, 315360000), 315360000),
            p_as_of,
            case when v_forecast.seconds_left is not null then
                format(
                    'full between %s UTC and %s, growing by %s an hour',
                    to_char(v_forecast.earliest at time zone 'UTC', 'YYYY-MM-DD HH24:MI'),
                    coalesce(to_char(v_forecast.latest at time zone 'UTC', 'YYYY-MM-DD HH24:MI" UTC"'), 'much later'),
                    pg_size_pretty((v_forecast.bytes_per_second * 3600)::bigint)
                )
            end
        );
    end loop;
end
$$;
comment on function pgvigil.watch_disks(timestamptz) is 'Forecasts the disks that are full enough to care.';
