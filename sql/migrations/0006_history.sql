-- History: five-minute and hourly rollups of each log table, and how long each kind of row is kept.

alter table pgvigil.log_table
add column five_minute_retention interval not null default '90 days',
add column hourly_retention interval not null default '2 years',
add column pack_after interval default '1 day',
add constraint log_table_five_minute_retention_is_a_week_at_least check (five_minute_retention >= interval '7 days'),
add constraint log_table_hourly_retention_is_a_month_at_least check (hourly_retention >= interval '28 days'),
add constraint log_table_pack_after_is_a_day_at_least check (pack_after >= interval '1 day');
comment on column pgvigil.log_table.five_minute_retention is 'Age at which whole weeks of five-minute rollups are dropped.';
comment on column pgvigil.log_table.hourly_retention is 'Age at which whole months (28 days) of hourly rollups are dropped.';
comment on column pgvigil.log_table.pack_after is 'Age at which whole days are packed; null = never.';


-- Rollups: one table per log table and width. Of each numeric column the average under its name, the maximum as .._max.
-- Packed history: one table per log table, with an array of each column.
do $$
declare
    v_table record;
    v_rollup record;
    v_packed text;
    v_name text;
    -- a server can be built without it
    v_has_lz4 constant boolean := (
        select 'lz4' = any(s.enumvals) from pg_catalog.pg_settings as s where s.name = 'default_toast_compression'
    );
begin
    for v_table in
        select
            t.log_table,
            replace(t.log_table, '_log', '') as module,
            string_agg(
                format(
                    '%I %s, %I %s', a.attname, case a.atttypid when 'real'::regtype then 'real' else 'double precision' end,
                    a.attname || '_max', format_type(a.atttypid, null)
                ),
                ', ' order by a.atttypid, a.attnum
            ) as columns,
            string_agg(format('%I %s[]', a.attname, format_type(a.atttypid, null)), ', ' order by a.attnum) as arrays,
            array_agg(a.attname order by a.attnum) as names
        from pgvigil.log_table as t
        inner join pg_catalog.pg_attribute as a on a.attrelid = format('pgvigil.%I', t.log_table)::regclass
        where a.attnum > 0 and not a.attisdropped and a.atttypid in ('real'::regtype, 'bigint'::regtype)
        group by t.log_table
    loop
        for v_rollup in
            select
                format('%s_rollup_%s', v_table.module, w.suffix) as name,
                w.words
            from (values ('5m', 'five minutes'), ('1h', 'one hour')) as w (suffix, words)
        loop
            execute format(
                'create table pgvigil.%1$I ('
                ' bucket_at timestamptz not null, host_id integer not null, samples integer not null, %2$s,'
                ' resource text not null,'
                ' constraint %3$I primary key (host_id, bucket_at, resource),'
                ' constraint %4$I check (samples > 0)'
                ') partition by range (bucket_at)',
                v_rollup.name, v_table.columns, v_rollup.name || '_pkey', v_rollup.name || '_has_samples'
            );
            execute format(
                'comment on table pgvigil.%I is %L', v_rollup.name,
                format('Derived: %s in buckets of %s, kept by roll_up().', v_table.log_table, v_rollup.words)
            );
            execute format('comment on column pgvigil.%I.bucket_at is ''Begin of the bucket.''', v_rollup.name);
            execute format('comment on column pgvigil.%I.host_id is ''The host.''', v_rollup.name);
            execute format('comment on column pgvigil.%I.samples is ''Samples in the bucket.''', v_rollup.name);
            execute format(
                'comment on column pgvigil.%I.resource is ''CPU, memory, disk or interface.''', v_rollup.name
            );
            for i in 1 .. cardinality(v_table.names)
            loop
                execute format(
                    'comment on column pgvigil.%I.%I is ''Average of the bucket.''', v_rollup.name, v_table.names[i]
                );
                execute format(
                    'comment on column pgvigil.%I.%I is ''Maximum of the bucket.''', v_rollup.name,
                    v_table.names[i] || '_max'
                );
            end loop;
        end loop;

        v_packed := v_table.module || '_packed';
        execute format(
            'create table pgvigil.%1$I ('
            ' hour_at timestamptz not null, host_id integer not null, is_deleted boolean not null, resource text not null,'
            ' created_at integer[] not null, updated_at integer[] not null, %2$s,'
            ' constraint %3$I primary key (host_id, hour_at, resource, is_deleted)'
            ') partition by range (hour_at)',
            v_packed, v_table.arrays, v_packed || '_pkey'
        );
        execute format(
            'comment on table pgvigil.%I is %L', v_packed,
            format('Older rows of %s, an hour of a resource in a row, made by pack_history(). Read them with %s().',
                v_table.log_table, v_table.module || '_samples')
        );
        execute format('comment on column pgvigil.%I.hour_at is ''Begin of the hour.''', v_packed);
        execute format('comment on column pgvigil.%I.host_id is ''The host.''', v_packed);
        execute format('comment on column pgvigil.%I.is_deleted is ''Soft delete of all of these samples.''', v_packed);
        execute format('comment on column pgvigil.%I.resource is ''CPU, memory, disk or interface.''', v_packed);
        execute format(
            'comment on column pgvigil.%I.created_at is ''When each sample was taken: microseconds from the middle of the hour.''',
            v_packed
        );
        execute format(
            'comment on column pgvigil.%I.updated_at is ''When each was stored: milliseconds after it was taken.''',
            v_packed
        );
        foreach v_name in array v_table.names
        loop
            execute format(
                'comment on column pgvigil.%I.%I is ''The values, in the order of created_at.''', v_packed, v_name
            );
        end loop;
        if v_has_lz4 then
            execute (
                select
                    format(
                        'alter table pgvigil.%I %s', v_packed,
                        string_agg(format('alter column %I set compression lz4', a.attname), ', ')
                    )
                from pg_catalog.pg_attribute as a
                where a.attrelid = format('pgvigil.%I', v_packed)::regclass and a.attnum > 0 and a.attndims > 0
            );
        end if;
    end loop;
end
$$;


create table pgvigil.rollup_progress (
    host_id integer not null,
    rolled_until timestamptz not null,
    constraint rollup_progress_pkey primary key (host_id),
    constraint rollup_progress_host_exists foreign key (host_id) references pgvigil.host on delete cascade
);
comment on table pgvigil.rollup_progress is 'How far the samples of each host are rolled up.';
comment on column pgvigil.rollup_progress.host_id is 'The host.';
comment on column pgvigil.rollup_progress.rolled_until is 'Buckets that end by then are complete; what is newer is read from the samples.';


create table pgvigil.rollup_horizon (
    is_only boolean not null default true,
    at timestamptz not null,
    next_at timestamptz not null,
    next_xid xid8 not null,
    fleet_until timestamptz not null default '-infinity',
    constraint rollup_horizon_pkey primary key (is_only),
    constraint rollup_horizon_is_one_row check (is_only)
);
comment on table pgvigil.rollup_horizon is 'Until when nothing can be committed any more that was not visible: rollups wait for the transactions that still write.';
comment on column pgvigil.rollup_horizon.is_only is 'There is one row.';
comment on column pgvigil.rollup_horizon.at is 'Every sample inserted before is committed or gone.';
comment on column pgvigil.rollup_horizon.next_at is 'The next such moment, once the transactions that ran then have ended.';
comment on column pgvigil.rollup_horizon.next_xid is 'The first transaction that had not begun then.';
comment on column pgvigil.rollup_horizon.fleet_until is 'Until when fleet_rollup is made.';


create table pgvigil.fleet_rollup (
    width text not null,
    bucket_at timestamptz not null,
    metric text not null,
    value double precision not null,
    value_max double precision not null,
    constraint fleet_rollup_pkey primary key (width, metric, bucket_at),
    constraint fleet_rollup_width_is_known check (width in ('5m', '1h'))
);
comment on table pgvigil.fleet_rollup is 'Derived: each metric over all hosts, from their rollups.';
comment on column pgvigil.fleet_rollup.width is 'Width of the bucket: 5m or 1h.';
comment on column pgvigil.fleet_rollup.bucket_at is 'Begin of the bucket.';
comment on column pgvigil.fleet_rollup.metric is 'The metric; of CPU and memory the totals only.';
comment on column pgvigil.fleet_rollup.value is 'Average over all hosts and resources.';
comment on column pgvigil.fleet_rollup.value_max is 'Highest maximum of any host and resource.';


create table pgvigil.late_hour (
    host_id integer not null,
    hour_at timestamptz not null,
    transaction_id xid8 not null,
    marked_at timestamptz not null default statement_timestamp(),
    constraint late_hour_pkey primary key (host_id, hour_at, transaction_id)
);
comment on table pgvigil.late_hour is 'Hours whose rollups are to be made again: a sample came late. One row per transaction, so that no agent waits for another session.';
comment on column pgvigil.late_hour.host_id is 'The host; 0 = fleet_rollup.';
comment on column pgvigil.late_hour.hour_at is 'Begin of the hour.';
comment on column pgvigil.late_hour.transaction_id is 'The transaction that stored the samples.';
comment on column pgvigil.late_hour.marked_at is 'When, by the server''s clock.';


create table pgvigil.packed_day (
    log_table text not null,
    day date not null,
    host_id integer not null default 0,
    is_done boolean not null default false,
    constraint packed_day_pkey primary key (log_table, day),
    constraint packed_day_log_table_exists foreign key (log_table) references pgvigil.log_table
);
comment on table pgvigil.packed_day is 'The days that are packed, or are being packed.';
comment on column pgvigil.packed_day.log_table is 'The log table.';
comment on column pgvigil.packed_day.day is 'The day, of UTC.';
comment on column pgvigil.packed_day.host_id is 'Hosts up to this one are packed.';
comment on column pgvigil.packed_day.is_done is 'The packed rows are read, the partition of the log table is empty but for what came late.';


insert into pgvigil.setting (setting, value, kind, description)
values
('upkeep_budget', '200 milliseconds', 'interval', 'Longest time that one tick spends on rollups before it leaves the rest to the next.'),
('reader_limit', '5 minutes', 'interval', 'How long a query or a transaction of a login of pgvigil_reader may take, whatever it sets for itself.');


comment on column pgvigil.host.login_role is 'Database role whose rows count as this host, set when its agent registers; null = the first agent that registers makes it its own.';
create index host_of_login on pgvigil.host (login_role);

insert into pgvigil.setting (setting, value, kind, description)
select
    'shared_logins',
    -- who has hosts already may have them all on one login: that goes on until somebody decides otherwise
    case when exists (select from pgvigil.host) then '*' else '' end,
    'text',
    'Agent logins that may serve several hosts, with commas between; * = all. A login that is not named here is that of one host.';
