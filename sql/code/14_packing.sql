-- Packed history: a day of samples, once it is old enough, becomes one row per host, resource and hour, whose columns
-- are arrays in the order of time, compressed by TOAST. <module>_samples() reads both kinds as plain rows.
--
-- A day is packed host by host into a table that nobody sees yet. Then, in one transaction, that table becomes a
-- partition of *_packed and the partition of *_log is emptied. It stays for samples that come later: those are read
-- beside the packed ones, and repair_rollups() packs them too.

create or replace function pgvigil.rebuild_samples()
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
            replace(t.log_table, '_log', '') as module,
            string_agg(
                case a.attname
                    when 'created_at' then 'p.hour_at + interval ''30 minutes'' + u.created_at * interval ''1 microsecond'''
                    when 'updated_at' then
                        'p.hour_at + interval ''30 minutes'' + u.created_at * interval ''1 microsecond'''
                        ' + u.updated_at * interval ''1 millisecond'''
                    when t.resource_column then 'p.resource'
                    when 'host_id' then 'p.host_id'
                    when 'is_deleted' then 'p.is_deleted'
                    else format('u.%I', a.attname)
                end,
                ', ' order by a.attnum
            ) as columns,
            string_agg(format('p.%I', a.attname), ', ' order by a.attnum)
            filter (where a.attname not in ('host_id', 'is_deleted', t.resource_column)) as arrays,
            string_agg(format('%I', a.attname), ', ' order by a.attnum)
            filter (where a.attname not in ('host_id', 'is_deleted', t.resource_column)) as names
        from pgvigil.log_table as t
        inner join pg_catalog.pg_attribute as a on a.attrelid = format('pgvigil.%I', t.log_table)::regclass
        where a.attnum > 0 and not a.attisdropped
        group by t.log_table
    loop
        -- No search_path of its own, or it could not become a part of the query that calls it.
        execute format(
            $template$
create or replace function pgvigil.%1$I(p_host_id integer, p_from timestamptz, p_until timestamptz)
returns setof pgvigil.%2$I
language sql
stable
as $samples$
    select s.*
    from pgvigil.%2$I as s
    where s.host_id = p_host_id and s.created_at >= p_from and s.created_at < p_until
    union all
    select %3$s
    from pgvigil.%4$I as p
    cross join lateral unnest(%5$s) as u (%6$s)
    where
        p.host_id = p_host_id
        and p.hour_at >= date_bin('1 hour', p_from, '2000-01-01 00:00+00')
        and p.hour_at < p_until
        and p.hour_at + interval '30 minutes' + u.created_at * interval '1 microsecond' >= p_from
        and p.hour_at + interval '30 minutes' + u.created_at * interval '1 microsecond' < p_until
$samples$
            $template$,
            v_table.module || '_samples', v_table.log_table, v_table.columns, v_table.module || '_packed',
            v_table.arrays, v_table.names
        );
        execute format(
            'comment on function pgvigil.%I(integer, timestamptz, timestamptz) is %L', v_table.module || '_samples',
            format('The samples of a host as rows of %s, whether packed or not; updated_at of packed ones is rounded to milliseconds.', v_table.log_table)
        );
    end loop;
end
$rebuild$;
comment on function pgvigil.rebuild_samples() is 'Writes the functions that read samples, packed or not, anew from the columns of the log tables.';

select pgvigil.rebuild_samples();


create or replace function pgvigil.tg_metric__rebuild_history()
returns trigger
language plpgsql
security definer
set search_path = pg_temp
as $$
begin
    perform pgvigil.ensure_history_columns();
    perform pgvigil.rebuild_samples();
    perform pgvigil.rebuild_rollups();
    perform pgvigil.rebuild_series();
    return null;
end
$$;
comment on function pgvigil.tg_metric__rebuild_history() is 'Trigger of pgvigil.metric: a column that is new, or gone, is so in rollups, packed history and graphs too.';

create or replace trigger _500_rebuild_history
after insert or update or delete on pgvigil.metric
for each statement execute function pgvigil.tg_metric__rebuild_history();


create or replace function pgvigil.pack(p_log_table text, p_source text, p_target text)
returns text
language sql
stable
set search_path = pg_temp
as $$
    select format(
        'insert into %s (hour_at, host_id, is_deleted, resource, %s) select s.hour_at, s.host_id, s.is_deleted, s.%I, %s'
        ' from (select date_bin(''1 hour'', r.created_at, ''2000-01-01 00:00+00'') as hour_at, r.* from (%s) as r) as s'
        ' group by 1, 2, 3, 4 on conflict (host_id, hour_at, resource, is_deleted) do update set %s',
        p_target,
        string_agg(format('%I', a.attname), ', ' order by a.attnum),
        t.resource_column,
        string_agg(
            format(
                'array_agg(%s order by s.created_at)',
                case a.attname
                    -- exact: extract() is numeric
                    when 'created_at' then
                        '(extract(epoch from s.created_at - s.hour_at - interval ''30 minutes'') * 1000000)::integer'
                    -- further away than 24 days: as far as an integer goes
                    when 'updated_at' then
                        'greatest(-2147483647, least(2147483647,'
                        ' round(extract(epoch from s.updated_at - s.created_at) * 1000)))::integer'
                    else format('s.%I', a.attname)
                end
            ),
            ', ' order by a.attnum
        ),
        p_source,
        string_agg(format('%1$I = excluded.%1$I', a.attname), ', ' order by a.attnum)
    )
    from pgvigil.log_table as t
    inner join pg_catalog.pg_attribute as a on a.attrelid = format('pgvigil.%I', t.log_table)::regclass
    where
        t.log_table = p_log_table
        and a.attnum > 0
        and not a.attisdropped
        and a.attname not in ('host_id', 'is_deleted', t.resource_column)
    group by t.log_table, t.resource_column
$$;
comment on function pgvigil.pack(text, text, text) is 'The statement that packs the rows of a query into a table.';


create or replace function pgvigil.packed_partition(p_log_table text, p_day date)
returns text
language sql
immutable
set search_path = pg_temp
as $$
    select replace(p_log_table, '_log', '_packed') || to_char(p_day, '_YYYYMMDD')
$$;
comment on function pgvigil.packed_partition(text, date) is 'Name of the table that holds a packed day.';


create or replace function pgvigil.pack_host(p_log_table text, p_day date, p_host_id integer)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    execute pgvigil.pack(
        p_log_table,
        format('select * from pgvigil_partition.%I where host_id = $1', p_log_table || to_char(p_day, '_YYYYMMDD')),
        format('pgvigil_partition.%I', pgvigil.packed_partition(p_log_table, p_day))
    )
    using p_host_id;
end
$$;
comment on function pgvigil.pack_host(text, date, integer) is 'Packs a day of a host that is still read unpacked.';


create or replace function pgvigil.pack_late(p_host_id integer, p_hour_at timestamptz)
returns void
language plpgsql
set search_path = pg_temp
as $$
declare
    v_day record;
begin
    for v_day in
        select d.log_table, d.day, d.is_done, t.resource_column
        from pgvigil.packed_day as d
        inner join pgvigil.log_table as t on t.log_table = d.log_table
        where
            d.day = (p_hour_at at time zone 'UTC')::date
            and (d.is_done or d.host_id >= p_host_id)
        order by d.log_table
    loop
        if not v_day.is_done then
            perform pgvigil.pack_host(v_day.log_table, v_day.day, p_host_id);
            continue;
        end if;
        -- One statement, one snapshot: what goes here is what is read there, and of a replayed sample the first stays.
        execute format(
            'with gone as (delete from pgvigil.%I where host_id = $1 and created_at >= $2 and created_at < $3) ',
            v_day.log_table
        ) || pgvigil.pack(
            v_day.log_table,
            format(
                'select distinct on (x.%1$I, x.created_at) x.* from pgvigil.%2$I($1, $2, $3) as x'
                ' order by x.%1$I, x.created_at, x.updated_at',
                v_day.resource_column, replace(v_day.log_table, '_log', '_samples')
            ),
            format('pgvigil.%I', replace(v_day.log_table, '_log', '_packed'))
        )
        using p_host_id, p_hour_at, p_hour_at + interval '1 hour';
    end loop;
end
$$;
comment on function pgvigil.pack_late(integer, timestamptz) is 'Adds the samples of an hour that came late to what is packed of it.';


create or replace function pgvigil.finish_packing(p_log_table text, p_day date)
returns boolean
language plpgsql
set search_path = pg_temp
set lock_timeout = '50ms'
set datestyle = 'ISO'
set timezone = 'UTC'
as $$
declare
    v_source constant text := format('pgvigil_partition.%I', p_log_table || to_char(p_day, '_YYYYMMDD'));
    v_target constant text := format('pgvigil_partition.%I', pgvigil.packed_partition(p_log_table, p_day));
begin
    begin
        -- Whoever writes late has ended when we have the lock, and has left a mark if we did not see it.
        execute format('lock table only %s in access exclusive mode', v_source);
    exception
        -- A reader is at it: the next tick tries again.
        when lock_not_available then return false;
    end;
    if exists (
        select from pgvigil.late_hour as l
        where l.hour_at >= p_day::timestamp at time zone 'UTC' and l.hour_at < (p_day + 1)::timestamp at time zone 'UTC'
    ) then
        return false;
    end if;
    execute format(
        'alter table pgvigil.%I attach partition %s for values from (%L) to (%L)',
        replace(p_log_table, '_log', '_packed'), v_target,
        p_day::timestamp at time zone 'UTC', (p_day + 1)::timestamp at time zone 'UTC'
    );
    execute format('alter table %s drop constraint packed_day_is_that_day', v_target);
    execute format('truncate table only %s', v_source);
    update pgvigil.packed_day as d set is_done = true where d.log_table = p_log_table and d.day = p_day;
    return true;
exception
    when lock_not_available then return false;
end
$$;
comment on function pgvigil.finish_packing(text, date) is 'Shows the packed day instead of the rows that it was made of; returns false if somebody reads those just now, or if late ones have to be packed first.';


create or replace function pgvigil.pack_history(p_as_of timestamptz)
returns integer
language plpgsql
set search_path = pg_temp
set datestyle = 'ISO'
set timezone = 'UTC'
as $$
declare
    v_stop_at constant timestamptz := clock_timestamp() + pgvigil.setting('upkeep_budget')::interval;
    v_horizon constant timestamptz := (
        select h.at - pgvigil.late_after() from pgvigil.rollup_horizon as h
    );
    v_day record;
    v_host_id integer;
    v_count integer := 0;
begin
    for v_day in
        select t.log_table, x.day, coalesce(d.host_id, 0) as host_id, d.day is null as is_new
        from pgvigil.log_table as t
        inner join pg_catalog.pg_inherits as i on i.inhparent = format('pgvigil.%I', t.log_table)::regclass
        inner join pg_catalog.pg_class as c on c.oid = i.inhrelid
        cross join lateral (select pgvigil.partition_day(c.relname)) as x (day)
        left join pgvigil.packed_day as d on d.log_table = t.log_table and d.day = x.day
        where
            (x.day + 1)::timestamp at time zone 'UTC' <= p_as_of - t.pack_after
            and (x.day + 1)::timestamp at time zone 'UTC' <= v_horizon
            and d.is_done is not true
        order by x.day, t.log_table
    loop
        if v_day.is_new then
            execute format(
                'create table pgvigil_partition.%I (like pgvigil.%I including all, constraint packed_day_is_that_day'
                ' check (hour_at >= %L and hour_at < %L)) with (toast_tuple_target = 512)',
                pgvigil.packed_partition(v_day.log_table, v_day.day),
                replace(v_day.log_table, '_log', '_packed'),
                v_day.day::timestamp at time zone 'UTC', (v_day.day + 1)::timestamp at time zone 'UTC'
            );
            insert into pgvigil.packed_day (log_table, day) values (v_day.log_table, v_day.day);
        end if;
        v_host_id := v_day.host_id;
        loop
            execute format(
                'select min(l.host_id) from pgvigil_partition.%I as l where l.host_id > $1',
                v_day.log_table || to_char(v_day.day, '_YYYYMMDD')
            )
            into v_host_id
            using v_host_id;
            exit when v_host_id is null;
            perform pgvigil.pack_host(v_day.log_table, v_day.day, v_host_id);
            update pgvigil.packed_day as d set host_id = v_host_id
            where d.log_table = v_day.log_table and d.day = v_day.day;
            v_count := v_count + 1;
            if clock_timestamp() >= v_stop_at then
                return v_count;
            end if;
        end loop;
        perform pgvigil.finish_packing(v_day.log_table, v_day.day);
    end loop;
    return v_count;
end
$$;
comment on function pgvigil.pack_history(timestamptz) is 'Packs the days that are older than log_table.pack_after, host by host, until upkeep_budget is spent; returns how many days of hosts that were.';
