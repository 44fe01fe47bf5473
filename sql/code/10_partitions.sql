-- Partitions: a day of samples, a week of five-minute rollups, 28 days of hourly ones, 364 of daily ones. Made days ahead,
-- dropped when older than what log_table says, samples never before they were rolled up; and mails, deleted when they are old.
-- Called by the migration runner and by tick(). Locks: attaching takes SHARE UPDATE EXCLUSIVE on the parent, which stops
-- neither inserts nor reads; dropping takes ACCESS EXCLUSIVE and gives up rather than wait for it.

create or replace function pgvigil.setting(p_setting text)
returns text
language plpgsql
stable
set search_path = pg_temp
as $$
declare
    v_value text;
begin
    select s.value into v_value from pgvigil.setting as s where s.setting = p_setting;
    if not found then
        raise exception 'there is no setting %', p_setting
            using hint = 'select setting, description from pgvigil.setting;';
    end if;
    return v_value;
end
$$;
comment on function pgvigil.setting(text) is 'Value of a setting; raises an error if there is no such setting.';


create or replace function pgvigil.partitioned_tables()
returns table (table_name text, days integer, retention interval, made_back interval)
language sql
stable
set search_path = pg_temp
as $$
    select k.table_name, k.days, k.retention, k.made_back
    from pgvigil.log_table as t
    cross join lateral (
        values
        -- yesterday too: a spool that is replayed after midnight, a clock that is behind
        (t.log_table, 1, t.retention, interval '1 day'),
        (replace(t.log_table, '_log', '_packed'), 1, t.retention, null),
        (replace(t.log_table, '_log', '_rollup_5m'), 7, t.five_minute_retention, '1 day'),
        (replace(t.log_table, '_log', '_rollup_1h'), 28, t.hourly_retention, '1 day'),
        -- all that there are hourly ones of
        (replace(t.log_table, '_log', '_rollup_1d'), 364, t.daily_retention, t.hourly_retention)
    ) as k (table_name, days, retention, made_back)
$$;
comment on function pgvigil.partitioned_tables() is 'Each partitioned table, the days that a partition holds, how long its rows are kept, and how far back partitions are made (null = they are not made ahead).';


create or replace function pgvigil.partition_day(p_partition text)
returns date
language sql
stable
set search_path = pg_temp
as $$
    -- null for what is no partition: the planner may ask before it has looked whether it is one
    select case when p_partition ~ '_[0-9]{8}$' then to_date(right(p_partition, 8), 'YYYYMMDD') end
$$;
comment on function pgvigil.partition_day(text) is 'First day of a partition, which its name ends with.';


create or replace function pgvigil.ensure_partitions(p_as_of timestamptz)
returns integer
language plpgsql
security definer
set search_path = pg_temp
-- the bounds are written out as text: not in the style of whoever calls
set datestyle = 'ISO'
set timezone = 'UTC'
as $$
declare
    v_today timestamp := date_trunc('day', p_as_of at time zone 'UTC');
    v_from timestamp;
    v_table text;
    v_days integer;
    v_partition text;
    v_made integer := 0;
begin
    for v_table, v_days, v_from in
        select t.table_name, t.days, d.day
        from pgvigil.partitioned_tables() as t
        cross join generate_series(
            date_bin(t.days * interval '1 day', v_today - t.made_back, '2000-01-01'),
            v_today + pgvigil.setting('partition_days_ahead')::integer * interval '1 day',
            t.days * interval '1 day'
        ) as d (day)
        where t.made_back is not null
        order by t.table_name, d.day
    loop
        v_partition := format('%s_%s', v_table, to_char(v_from, 'YYYYMMDD'));
        continue when to_regclass(format('pgvigil_partition.%I', v_partition)) is not null;
        -- create and attach: "create .. partition of" would lock out every insert
        execute format(
            'create table pgvigil_partition.%I (like pgvigil.%I including defaults including constraints)',
            v_partition, v_table
        );
        execute format(
            'alter table pgvigil.%I attach partition pgvigil_partition.%I for values from (%L) to (%L)',
            v_table, v_partition, v_from at time zone 'UTC',
            (v_from + v_days * interval '1 day') at time zone 'UTC'
        );
        v_made := v_made + 1;
    end loop;
    return v_made;
end
$$;
comment on function pgvigil.ensure_partitions(timestamptz) is 'Makes the missing partitions from yesterday until partition_days_ahead; returns how many it made.';


create or replace function pgvigil.drop_expired_partitions(p_as_of timestamptz)
returns integer
language plpgsql
security definer
set search_path = pg_temp
set lock_timeout = '50ms'
as $$
declare
    v_partition text;
    v_dropped integer := 0;
    v_rolled_until constant timestamptz := coalesce((select min(p.rolled_until) from pgvigil.rollup_progress as p), 'infinity');
begin
    for v_partition in
        select c.relname
        from pgvigil.partitioned_tables() as t
        inner join pg_catalog.pg_inherits as i on i.inhparent = format('pgvigil.%I', t.table_name)::regclass
        inner join pg_catalog.pg_class as c on c.oid = i.inhrelid
        where
            pgvigil.partition_day(c.relname) + t.days
            <= ((p_as_of - t.retention) at time zone 'UTC')::date
            and (
                t.table_name ~ '_rollup_'
                -- After weeks without upkeep: samples stay until the rollups have them, late ones too.
                or (pgvigil.partition_day(c.relname) + 1)::timestamp at time zone 'UTC' <= v_rolled_until
                and not exists (
                    select from pgvigil.late_hour as l
                    inner join pgvigil.rollup_progress as p on p.host_id = l.host_id
                    where (l.hour_at at time zone 'UTC')::date = pgvigil.partition_day(c.relname)
                )
            )
        order by c.relname
        -- each takes some of the locks that the whole server has; the next tick goes on
        limit 64
    loop
        begin
            execute format('drop table pgvigil_partition.%I', v_partition);
            v_dropped := v_dropped + 1;
        exception
            -- Somebody reads the parent. To wait would make every insert wait behind us: the next tick tries again.
            when lock_not_available then return v_dropped;
            when dependent_objects_still_exist then
                raise warning 'partition % is kept: %', v_partition, sqlerrm using hint = 'Drop what was built on it.';
        end;
    end loop;
    return v_dropped;
end
$$;
comment on function pgvigil.drop_expired_partitions(timestamptz) is 'Drops the partitions that are older than the retention of their table, samples only once they are rolled up; gives up without waiting where a reader holds one; returns how many it dropped.';


create or replace function pgvigil.delete_expired_mail(p_as_of timestamptz)
returns integer
language plpgsql
security definer
set search_path = pg_temp
as $$
declare
    v_deleted integer;
begin
    delete from pgvigil.mail as m
    where
        (m.host_id, m.mail_id) in (
            select o.host_id, o.mail_id
            from pgvigil.mail as o
            where o.created_at < p_as_of - pgvigil.setting('mail_retention')::interval
                and o.sent_at is not null
                -- A thread stays whole while there is more to tell: what follows refers to its first mail.
                and not exists (
                    select from pgvigil.alert as a
                    where a.host_id = o.host_id and a.alert_id = o.alert_id
                        and (
                            coalesce(a.resolved_at, 'infinity') > p_as_of - interval '7 days'
                            or a.withheld_event is not null
                            or a.quiet_until is not null
                        )
                )
                and not exists (
                    select from pgvigil.mail as x
                    where x.host_id = o.host_id and x.alert_id = o.alert_id and x.address = o.address and x.sent_at is null
                )
            order by o.created_at
            -- the next tick goes on
            limit 5000
        );
    get diagnostics v_deleted = row_count;
    return v_deleted;
end
$$;
comment on function pgvigil.delete_expired_mail(timestamptz) is 'Deletes mails that were sent longer ago than mail_retention, and whose incident has been over for a week; returns how many.';
