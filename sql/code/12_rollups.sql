-- Rollups: five-minute, hourly and daily buckets (average, maximum, count) of every series, so that a graph of a year reads
-- some hundred rows of each. tick() calls advance_rollups(), which works in small steps; each step is one transaction with
-- the note of how far it came, and makes whole buckets anew, so a crash or a second run changes nothing.
--
-- No sample is missed, by two rules. A bucket is made late_after() its end, once no transaction is left that began to
-- write before (advance_horizon()). A sample that is stored later than that marks its hour (late_hour), and the hour is
-- made again.

create or replace function pgvigil.late_after()
returns interval
language sql
immutable
as $$
    select interval '2 minutes'
$$;
comment on function pgvigil.late_after() is 'How long after its end a five-minute bucket is rolled up; samples that come in later mark their hour.';


create or replace function pgvigil.tg_log__mark_late()
returns trigger
language plpgsql
security definer
set search_path = pg_temp
as $$
begin
    insert into pgvigil.late_hour (host_id, hour_at, transaction_id)
    values (new.host_id, date_bin('1 hour', new.created_at, '2000-01-01 00:00+00'), pg_current_xact_id())
    on conflict do nothing;
    return null;
end
$$;
comment on function pgvigil.tg_log__mark_late() is 'Trigger of the log tables, for samples that come late only: their hour is rolled up again.';


create or replace function pgvigil.rebuild_rollups()
returns void
language plpgsql
security definer
set search_path = pg_temp
as $rebuild$
declare
    v_table record;
    v_rollup record;
begin
    for v_table in
        select
            t.log_table,
            t.resource_column,
            replace(t.log_table, '_log', '') as module,
            string_agg(format('%I, %I', a.attname, a.attname || '_max'), ', ' order by a.attnum) as columns,
            string_agg(
                format('avg(s.%I)::%s, max(s.%1$I)', a.attname, case when a.atttypid = 'real'::regtype then 'real' else 'float8' end),
                ', ' order by a.attnum
            ) as aggregates,
            string_agg(
                format(
                    '(sum(s.%1$I * s.samples) / sum(s.samples) filter (where s.%1$I is not null))::%3$s, max(s.%2$I)',
                    a.attname, a.attname || '_max', case when a.atttypid = 'real'::regtype then 'real' else 'float8' end
                ),
                ', ' order by a.attnum
            ) as weighted,
            string_agg(
                format('%1$I = excluded.%1$I, %2$I = excluded.%2$I', a.attname, a.attname || '_max'),
                ', ' order by a.attnum
            ) as assignments
        from pgvigil.log_table as t
        inner join pg_catalog.pg_attribute as a on a.attrelid = format('pgvigil.%I', t.log_table)::regclass
        where a.attnum > 0 and not a.attisdropped and a.atttypid in ('real'::regtype, 'bigint'::regtype)
        group by t.log_table, t.resource_column
    loop
        if not exists (
            select from pg_catalog.pg_trigger as g
            where g.tgrelid = format('pgvigil.%I', v_table.log_table)::regclass and g.tgname = '_700_mark_late'
        ) then
            -- By the clock when the row is in, not by updated_at: the statement may have waited for a lock before.
            execute format(
                'create trigger _700_mark_late after insert on pgvigil.%I for each row'
                ' when (new.created_at < greatest(new.updated_at, clock_timestamp()) - interval %L)'
                ' execute function pgvigil.tg_log__mark_late()',
                v_table.log_table, pgvigil.late_after()
            );
        end if;
        for v_rollup in
            select
                format('%s_rollup_%s', v_table.module, w.suffix) as name,
                w.width,
                w.source,
                w.resource_column,
                w.samples,
                w.aggregates
            from (
                values
                ('5m', interval '5 minutes', null, v_table.resource_column, 'count(*)', v_table.aggregates),
                ('1h', '1 hour', null, v_table.resource_column, 'count(*)', v_table.aggregates),
                -- Of the hours: the samples may be gone. Where some samples lack a value, its average is weighted by all of them.
                ('1d', '1 day', v_table.module || '_rollup_1h', 'resource', 'sum(s.samples)', v_table.weighted)
            ) as w (suffix, width, source, resource_column, samples, aggregates)
        loop
            execute format(
                $template$
create or replace function pgvigil.%1$I(p_host_ids integer[], p_from timestamptz, p_until timestamptz)
returns void
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_custom_plan
as $roll_up$
begin
    insert into pgvigil.%2$I as r (bucket_at, host_id, resource, samples, %3$s)
    select date_bin(%4$L, s.%9$I, '2000-01-01 00:00+00'), s.host_id, s.%5$I, %10$s, %6$s
    from unnest(p_host_ids) as h (host_id)
    cross join lateral %7$s as s
    group by 1, 2, 3
    on conflict (host_id, bucket_at, resource) do update set samples = excluded.samples, %8$s
    where r is distinct from excluded;
end
$roll_up$
                $template$,
                'make_' || v_rollup.name, v_rollup.name, v_table.columns, v_rollup.width, v_rollup.resource_column,
                v_rollup.aggregates,
                case when v_rollup.source is null
                    then format(
                        '(select x.* from pgvigil.%I(h.host_id, p_from, p_until) as x where not x.is_deleted)',
                        v_table.module || '_samples'
                    )
                    else format(
                        '(select x.* from pgvigil.%I as x where x.host_id = h.host_id and x.bucket_at >= p_from'
                        ' and x.bucket_at < p_until)',
                        v_rollup.source
                    )
                end,
                v_table.assignments, case when v_rollup.source is null then 'created_at' else 'bucket_at' end,
                v_rollup.samples
            );
            execute format(
                'comment on function pgvigil.%I(integer[], timestamptz, timestamptz) is %L',
                'make_' || v_rollup.name, format('Makes the buckets of %s anew, written from its columns.', v_rollup.name)
            );
        end loop;
    end loop;
end
$rebuild$;
comment on function pgvigil.rebuild_rollups() is 'Makes the trigger of each log table that marks late samples, and writes the functions that make its buckets anew from its columns.';

select pgvigil.rebuild_rollups();


create or replace function pgvigil.roll_up(
    p_host_ids integer[], p_from timestamptz, p_until timestamptz, p_width text
)
returns void
language plpgsql
set search_path = pg_temp
as $$
declare
    v_table text;
begin
    for v_table in select replace(t.log_table, '_log', '') from pgvigil.log_table as t order by 1
    loop
        execute format('select pgvigil.%I($1, $2, $3)', format('make_%s_rollup_%s', v_table, p_width))
        using p_host_ids, p_from, p_until;
    end loop;
end
$$;
comment on function pgvigil.roll_up(integer[], timestamptz, timestamptz, text) is 'Makes the buckets of a span of some hosts anew, width 5m, 1h or 1d; the span must begin and end with a bucket.';


create or replace function pgvigil.advance_horizon(p_as_of timestamptz)
returns timestamptz
language plpgsql
set search_path = pg_temp
as $$
declare
    v_horizon pgvigil.rollup_horizon;
    v_snapshot pg_snapshot := pg_current_snapshot();
begin
    select * into v_horizon from pgvigil.rollup_horizon;
    if not found or v_horizon.next_at > p_as_of or v_horizon.next_xid > pg_snapshot_xmax(v_snapshot) then
        -- The first time, the clock was set back, or the database was restored on another server.
        insert into pgvigil.rollup_horizon (at, next_at, next_xid)
        values (p_as_of - pgvigil.late_after(), p_as_of, pg_snapshot_xmax(v_snapshot))
        on conflict (is_only) do update
            set at = excluded.at, next_at = excluded.next_at, next_xid = excluded.next_xid;
        return p_as_of - pgvigil.late_after();
    end if;
    if not exists (select from pg_snapshot_xip(v_snapshot) as o (xid) where o.xid < v_horizon.next_xid) or not exists (
        -- Some transaction has been at work since before: does it write into a log table?
        select from pg_snapshot_xip(v_snapshot) as o (xid)
        inner join pg_catalog.pg_locks as x on x.locktype = 'transactionid' and x.transactionid = o.xid::xid and x.granted
        inner join pg_catalog.pg_locks as r on r.virtualtransaction = x.virtualtransaction
        inner join pg_catalog.pg_database as d on d.oid = r.database and d.datname = current_database()
        inner join pgvigil.log_table as t on r.relation = format('pgvigil.%I', t.log_table)::regclass
        where o.xid < v_horizon.next_xid and r.mode = 'RowExclusiveLock'
    ) then
        update pgvigil.rollup_horizon as h
        set at = h.next_at, next_at = p_as_of, next_xid = pg_snapshot_xmax(v_snapshot)
        returning h.at into v_horizon.at;
    end if;
    return v_horizon.at;
end
$$;
comment on function pgvigil.advance_horizon(timestamptz) is 'Until when every sample that was inserted is committed or gone.';


create or replace function pgvigil.repair_rollups(p_as_of timestamptz, p_stop_at timestamptz)
returns integer
language plpgsql
set search_path = pg_temp
as $$
declare
    v_hour record;
    v_count integer := 0;
begin
    for v_hour in
        select distinct l.host_id, l.hour_at, p.rolled_until, p.daily_until, date_bin('1 day', l.hour_at, '2000-01-01 00:00+00') as day
        from pgvigil.late_hour as l
        inner join pgvigil.rollup_progress as p on p.host_id = l.host_id
        -- A replay brings many samples of the same hour: let it finish.
        where not l.marked_at between p_as_of - interval '1 minute' and p_as_of
        order by l.hour_at, l.host_id
        limit 500
    loop
        -- Marks that come from now on belong to samples that may not be seen below, and stay.
        delete from pgvigil.late_hour as l where l.host_id = v_hour.host_id and l.hour_at = v_hour.hour_at;
        perform pgvigil.pack_late(v_hour.host_id, v_hour.hour_at);
        if v_hour.hour_at < v_hour.rolled_until then
            perform pgvigil.roll_up(
                array[v_hour.host_id], v_hour.hour_at,
                least(v_hour.hour_at + interval '1 hour', v_hour.rolled_until), '5m'
            );
        end if;
        if v_hour.hour_at + interval '1 hour' <= v_hour.rolled_until then
            perform pgvigil.roll_up(
                array[v_hour.host_id], v_hour.hour_at, v_hour.hour_at + interval '1 hour', '1h'
            );
        end if;
        if v_hour.day < v_hour.daily_until then
            perform pgvigil.roll_up(array[v_hour.host_id], v_hour.day, v_hour.day + interval '1 day', '1d');
        end if;
        perform pgvigil.mark_fleet(v_hour.hour_at);
        v_count := v_count + 1;
        exit when clock_timestamp() >= p_stop_at;
    end loop;
    return v_count;
end
$$;
comment on function pgvigil.repair_rollups(timestamptz, timestamptz) is 'Makes the hours anew for which samples came late; returns how many.';


create or replace function pgvigil.advance_days(p_stop_at timestamptz)
returns integer
language plpgsql
set search_path = pg_temp
as $$
declare
    -- where to begin with hosts that were here before there were daily rollups
    v_oldest constant timestamptz := (
        select min(pgvigil.partition_day(c.relname))::timestamp at time zone 'UTC'
        from pg_catalog.pg_inherits as i
        inner join pg_catalog.pg_class as c on c.oid = i.inhrelid
        where i.inhparent = 'pgvigil.cpu_rollup_1h'::regclass
    );
    v_from timestamptz;
    v_until timestamptz;
    v_host_ids integer[];
    v_count integer := 0;
begin
    loop
        select p.daily_until into v_from
        from pgvigil.rollup_progress as p
        where p.daily_until < date_bin('1 day', p.rolled_until, '2000-01-01 00:00+00')
        order by p.daily_until
        limit 1;
        exit when not found;
        v_host_ids := array(
            select p.host_id
            from pgvigil.rollup_progress as p
            where p.daily_until = v_from and p.daily_until < date_bin('1 day', p.rolled_until, '2000-01-01 00:00+00')
            order by p.host_id
            limit 50
        );
        select least(min(date_bin('1 day', p.rolled_until, '2000-01-01 00:00+00')), greatest(v_from, v_oldest) + interval '7 days')
        into v_until
        from pgvigil.rollup_progress as p
        where p.host_id = any(v_host_ids);
        perform pgvigil.roll_up(v_host_ids, v_from, v_until, '1d');
        update pgvigil.rollup_progress as p set daily_until = v_until where p.host_id = any(v_host_ids);
        v_count := v_count + cardinality(v_host_ids);
        exit when clock_timestamp() >= p_stop_at;
    end loop;
    return v_count;
end
$$;
comment on function pgvigil.advance_days(timestamptz) is 'Rolls up the days that are over, and after an upgrade those of which there are hours; returns how many steps that were.';


create or replace function pgvigil.advance_rollups(p_as_of timestamptz)
returns integer
language plpgsql
set search_path = pg_temp
as $$
declare
    v_stop_at constant timestamptz := clock_timestamp() + pgvigil.setting('upkeep_budget')::interval;
    v_target timestamptz := date_bin(
        '5 minutes', pgvigil.advance_horizon(p_as_of) - pgvigil.late_after(), '2000-01-01 00:00+00'
    );
    v_host_ids integer[];
    v_from timestamptz;
    v_until timestamptz;
    v_count integer := 0;
begin
    -- A host that is new here begins with its oldest sample.
    insert into pgvigil.rollup_progress (host_id, rolled_until)
    select
        h.host_id,
        date_bin(
            '1 hour',
            least(
                h.created_at,
                p_as_of,
                (select min(l.created_at) from pgvigil.cpu_log as l where l.host_id = h.host_id),
                (select min(l.created_at) from pgvigil.memory_log as l where l.host_id = h.host_id),
                (select min(l.created_at) from pgvigil.disk_log as l where l.host_id = h.host_id),
                (select min(l.created_at) from pgvigil.network_log as l where l.host_id = h.host_id)
            ),
            '2000-01-01 00:00+00'
        )
    from pgvigil.host as h
    where not exists (select from pgvigil.rollup_progress as p where p.host_id = h.host_id)
    on conflict do nothing;
    update pgvigil.rollup_horizon as h
    set fleet_until = (select min(p.rolled_until) from pgvigil.rollup_progress as p)
    where h.fleet_until = '-infinity' and exists (select from pgvigil.rollup_progress);

    loop
        select p.rolled_until into v_from from pgvigil.rollup_progress as p order by p.rolled_until limit 1;
        exit when v_from is null or v_from >= v_target;
        v_host_ids := array(
            select p.host_id from pgvigil.rollup_progress as p where p.rolled_until = v_from order by p.host_id limit 50
        );
        v_until := least(v_target, date_bin('1 hour', v_from, '2000-01-01 00:00+00') + interval '1 hour');
        perform pgvigil.roll_up(v_host_ids, v_from, v_until, '5m');
        perform pgvigil.mark_fleet(v_from);
        if v_until = date_bin('1 hour', v_until, '2000-01-01 00:00+00') then
            perform pgvigil.roll_up(v_host_ids, v_until - interval '1 hour', v_until, '1h');
        end if;
        update pgvigil.rollup_progress as p set rolled_until = v_until where p.host_id = any(v_host_ids);
        v_count := v_count + cardinality(v_host_ids);
        exit when clock_timestamp() >= v_stop_at;
    end loop;
    return v_count + pgvigil.repair_rollups(p_as_of, v_stop_at) + pgvigil.advance_days(v_stop_at);
end
$$;
comment on function pgvigil.advance_rollups(timestamptz) is 'Rolls up what has been stored since, and makes anew what came late, until upkeep_budget is spent; returns how many steps that were.';
