-- What exists, how it is named, and that everything says what it is. The lists are whole, so that leftovers fail.
begin;
select plan(30);

-- Of each relation of the specification its columns and their types, in one line.
create function pg_temp.columns_of(p_table text) returns text language sql stable as $$
    select string_agg(a.attname || ' ' || format_type(a.atttypid, null), ', ' order by a.attname)
    from pg_attribute as a
    where a.attrelid = format('pgvigil.%I', p_table)::regclass and a.attnum > 0 and not a.attisdropped
$$;

select tables_are(
    'pgvigil',
    array[
        'agent_problem', 'alert', 'alert_event', 'cpu_info', 'cpu_log', 'cpu_packed', 'cpu_rollup_1d', 'cpu_rollup_1h', 'cpu_rollup_5m', 'disk_info',
        'disk_log', 'disk_packed', 'disk_rollup_1d', 'disk_rollup_1h', 'disk_rollup_5m', 'fleet_rollup', 'gate', 'host', 'host_lock', 'late_hour', 'log_table', 'mail', 'mailbox',
        'memory_info', 'memory_log', 'memory_packed', 'memory_rollup_1d', 'memory_rollup_1h', 'memory_rollup_5m', 'metric', 'network_info',
        'network_log', 'network_packed', 'network_rollup_1d', 'network_rollup_1h', 'network_rollup_5m', 'packed_day', 'recipient',
        'rollup_horizon', 'rollup_progress', 'rule_error', 'schema_migration', 'setting', 'silence', 'threshold',
        'threshold_history', 'upkeep'
    ],
    'pgvigil has these tables and no others'
);
select views_are('pgvigil', array['delivery', 'effective_threshold', 'mail_in_turn', 'own_host', 'resource', 'would_have_mailed'], 'pgvigil has these views and no others');
select views_are(
    'dashboard',
    array[
        'agent_problem', 'disk_now', 'fleet_now', 'host_now', 'host_state', 'incident', 'inventory', 'open_alert', 'outbox', 'recent_mail',
        'rule_change', 'rule_error', 'silence', 'storage', 'upkeep'
    ],
    'dashboard has these views and no others'
);
select tables_are('dashboard', '{}'::name [], 'dashboard has no tables');
select functions_are(
    'pgvigil',
    array[
        'acknowledge', 'advance_days', 'advance_fleet', 'advance_horizon', 'advance_rollups', 'backtest', 'cancel_alert', 'check_health', 'claim_host', 'claim_mail', 'claim_next', 'digest_items',
        'cpu_samples', 'delete_expired_mail', 'disk_samples', 'end_long_reads', 'ensure_history_columns', 'finish_packing', 'is_own_host', 'is_shared_login', 'late_after', 'make_cpu_rollup_1d', 'make_cpu_rollup_1h',
        'make_cpu_rollup_5m', 'make_disk_rollup_1d', 'make_disk_rollup_1h', 'make_disk_rollup_5m', 'make_memory_rollup_1d', 'make_memory_rollup_1h',
        'make_memory_rollup_5m', 'make_network_rollup_1d', 'make_network_rollup_1h', 'make_network_rollup_5m', 'mark_fleet', 'memory_samples', 'network_samples',
        'pack', 'pack_history', 'pack_host', 'pack_late', 'packed_partition', 'partition_day', 'partitioned_tables', 'rebuild_rollups', 'rebuild_samples', 'rebuild_series', 'repair_rollups',
        'roll_up', 'roll_up_fleet', 'series_span', 'series_step', 'tg_log__mark_late', 'tg_metric__rebuild_history', 'close_alert', 'deliver', 'drop_expired_partitions',
        'ensure_partitions', 'explain_alert', 'filling_disks', 'forecast_disk', 'forget_resource', 'form_digest', 'handle_rule_errors',
        'has_newer_sample', 'has_open_alert', 'host_id_of', 'is_due', 'is_future', 'is_within', 'judge', 'judge_derived', 'judge_events', 'judge_reading',
        'keep_state', 'limit_of', 'lock_host', 'mail_of_event', 'mail_text_of', 'mark_mail_failed', 'mark_mail_sent', 'next_mail_due',
        'next_of_mailbox', 'next_state', 'noisy_rules', 'note_event', 'open_alert', 'play', 'preview_mail', 'queue_mail', 'rank_thresholds', 'rebuild_judging',
        'recent_values', 'record_agent_problems', 'record_inventory', 'record_rule_error', 'refresh_gate', 'refusals_of_scope', 'refresh_gates', 'register_host', 'report_rollout', 'require_now', 'resend_mail', 'ring', 'revert_threshold',
        'samples_of', 'seen_at', 'send_reminders', 'setting', 'silence_for', 'silence_until', 'silenced_by',
        'suggest_threshold', 'sweep_gate', 'sync_thresholds', 'tg_cpu_log__judge', 'tg_disk_log__judge', 'tg_host__note_shared_login', 'tg_host__refresh_gate',
        'tg_mail__ring', 'tg_memory_log__judge', 'tg_metric__rebuild_judging', 'tg_network_log__judge',
        'tg_recipient__validate', 'tg_setting__rebuild_judging', 'tg_setting__validate', 'tg_silence__validate', 'tg_threshold__history', 'tg_threshold__own',
        'tg_threshold__refresh_gate', 'tg_threshold__validate', 'tick', 'try_lock_host', 'unseen_hosts', 'waiting_addresses', 'watch_agent_problems', 'watch_clocks', 'watch_disks',
        'watch_mail', 'watch_silence', 'weekly_report', 'who_gets', 'write_weekly_reports'
    ],
    'pgvigil has these functions and no others'
);
select functions_are(
    'dashboard',
    array[
        'cpu_series', 'delay_series', 'disk_series', 'effective_threshold', 'fleet_series', 'incident_region',
        'incident_series', 'limit_series', 'mail_series', 'memory_series', 'network_series', 'noisy_rule', 'part',
        'silenced_by', 'sparkline', 'state_series', 'would_have_mailed'
    ],
    'dashboard has these functions and no others'
);
select is_empty(
    $$
    select p.oid::regprocedure from pg_proc as p
    where p.pronamespace in ('pgvigil'::regnamespace, 'dashboard'::regnamespace)
    and exists (select from pg_proc as o where o.pronamespace = p.pronamespace and o.proname = p.proname and o.oid <> p.oid)
    $$,
    'no function has an old overload left behind'
);

select is(
    pg_temp.columns_of('cpu_info'),
    'cpu_core integer, cpu_name text, created_at timestamp with time zone, host_id integer, id uuid, is_deleted boolean, '
    'max_mhz real, model_name text, physical_cores integer, updated_at timestamp with time zone',
    'cpu_info has the columns of the specification, and ours'
);
select is(
    pg_temp.columns_of('memory_info'),
    'created_at timestamp with time zone, host_id integer, id uuid, is_deleted boolean, memory_name text, '
    'physical_memory bigint, updated_at timestamp with time zone',
    'memory_info has the columns of the specification, and ours'
);
select is(
    pg_temp.columns_of('disk_info'),
    'created_at timestamp with time zone, device text, disk_name text, file_system text, host_id integer, id uuid, '
    'is_deleted boolean, mounted text, size bigint, updated_at timestamp with time zone',
    'disk_info has the columns of the specification, and ours'
);
select is(
    pg_temp.columns_of('network_info'),
    'created_at timestamp with time zone, host_id integer, id uuid, is_deleted boolean, link_bits_per_second bigint, '
    'mac_address text, network_interface text, updated_at timestamp with time zone',
    'network_info has the columns of the specification, and ours'
);
select is(
    pg_temp.columns_of('cpu_log'),
    'cpu_name text, cpu_usage real, created_at timestamp with time zone, host_id integer, iowait_usage real, '
    'is_deleted boolean, load_1m real, steal_usage real, system_usage real, updated_at timestamp with time zone, '
    'user_usage real',
    'cpu_log has the columns of the specification, and ours'
);
select is(
    pg_temp.columns_of('memory_log'),
    'available_bytes bigint, created_at timestamp with time zone, host_id integer, is_deleted boolean, memory_name text, '
    'memory_usage real, updated_at timestamp with time zone, used_bytes bigint',
    'memory_log has the columns of the specification, and ours'
);
select is(
    pg_temp.columns_of('disk_log'),
    'available_bytes bigint, created_at timestamp with time zone, disk_name text, disk_usage real, host_id integer, '
    'inode_usage real, io_usage real, is_deleted boolean, read_bytes_per_second real, '
    'updated_at timestamp with time zone, used_bytes bigint, write_bytes_per_second real',
    'disk_log has the columns of the specification, and ours'
);
select is(
    pg_temp.columns_of('network_log'),
    'created_at timestamp with time zone, drops_per_second real, errors_per_second real, host_id integer, '
    'is_deleted boolean, link_usage real, network_interface text, received_bytes_per_second real, '
    'sent_bytes_per_second real, updated_at timestamp with time zone',
    'network_log has the columns of the specification, and ours'
);

select results_eq(
    $$
    select t.name, (
        select string_agg(a.attname::text collate "default", ',' order by k.nr)
        from pg_constraint as c
        cross join unnest(c.conkey) with ordinality as k (attnum, nr)
        inner join pg_attribute as a on a.attrelid = c.conrelid and a.attnum = k.attnum
        where c.conrelid = format('pgvigil.%I', t.name)::regclass and c.contype = 'p'
    )
    from unnest(array[
        'cpu_info', 'memory_info', 'disk_info', 'network_info', 'cpu_log', 'memory_log', 'disk_log', 'network_log'
    ]) with ordinality as t (name, nr)
    order by t.nr
    $$,
    $$
    values
    ('cpu_info', 'host_id,cpu_name'),
    ('memory_info', 'host_id,memory_name'),
    ('disk_info', 'host_id,disk_name'),
    ('network_info', 'host_id,network_interface'),
    ('cpu_log', 'host_id,created_at,cpu_name'),
    ('memory_log', 'host_id,created_at,memory_name'),
    ('disk_log', 'host_id,created_at,disk_name'),
    ('network_log', 'host_id,created_at,network_interface')
    $$,
    'infos are keyed by host and resource, logs by host, time and resource'
);
select is_empty(
    $$
    select t.relname from pg_class as t
    where t.relnamespace = 'pgvigil'::regnamespace and t.relkind in ('r', 'p')
    and not exists (select from pg_constraint as c where c.conrelid = t.oid and c.contype = 'p')
    $$,
    'every table has a primary key'
);
select results_eq(
    $$
    select c.relname::text collate "default", pg_get_partkeydef(c.oid) from pg_class as c
    where c.relnamespace = 'pgvigil'::regnamespace and c.relkind = 'p' order by 1
    $$,
    $$
    values
    ('cpu_log', 'RANGE (created_at)'), ('cpu_packed', 'RANGE (hour_at)'), ('cpu_rollup_1d', 'RANGE (bucket_at)'), ('cpu_rollup_1h', 'RANGE (bucket_at)'),
    ('cpu_rollup_5m', 'RANGE (bucket_at)'), ('disk_log', 'RANGE (created_at)'), ('disk_packed', 'RANGE (hour_at)'),
    ('disk_rollup_1d', 'RANGE (bucket_at)'), ('disk_rollup_1h', 'RANGE (bucket_at)'), ('disk_rollup_5m', 'RANGE (bucket_at)'), ('memory_log', 'RANGE (created_at)'),
    ('memory_packed', 'RANGE (hour_at)'), ('memory_rollup_1d', 'RANGE (bucket_at)'), ('memory_rollup_1h', 'RANGE (bucket_at)'),
    ('memory_rollup_5m', 'RANGE (bucket_at)'), ('network_log', 'RANGE (created_at)'), ('network_packed', 'RANGE (hour_at)'),
    ('network_rollup_1d', 'RANGE (bucket_at)'), ('network_rollup_1h', 'RANGE (bucket_at)'), ('network_rollup_5m', 'RANGE (bucket_at)')
    $$,
    'what grows with the fleet is partitioned by time, and nothing else is'
);
select is_empty(
    $$
    select p.partrelid::regclass from pg_partitioned_table as p where p.partdefid <> 0
    $$,
    'no log table has a default partition'
);
select results_eq(
    $$select x.log_table, x.resource_column, x.info_table from pgvigil.log_table as x order by 1$$,
    $$
    values
    ('cpu_log', 'cpu_name', 'cpu_info'), ('disk_log', 'disk_name', 'disk_info'),
    ('memory_log', 'memory_name', 'memory_info'), ('network_log', 'network_interface', 'network_info')
    $$,
    'log_table lists the four, with their resource'
);
select is_empty(
    $$
    select m.metric, m.log_table, m.column_name from pgvigil.metric as m
    where m.log_table is not null and not exists (
        select from pg_attribute as a
        where a.attrelid = format('pgvigil.%I', m.log_table)::regclass and a.attname = m.column_name
        and a.atttypid in ('real'::regtype, 'bigint'::regtype) and not a.attisdropped
    )
    $$,
    'every metric that is stored has its numeric column'
);

-- PostgreSQL names unnamed constraints table_column_check, _fkey, _key and _excl; and says "not null" with them since 18.
select is_empty(
    $$
    select c.conrelid::regclass, c.conname from pg_constraint as c
    where c.connamespace = 'pgvigil'::regnamespace and c.contype <> 'n' and c.conname ~ '_(check|fkey|key|excl)\d*$'
    $$,
    'every constraint has a name of its own'
);
select is_empty(
    $$
    select n.nspname from pg_namespace as n
    where n.nspname in ('pgvigil', 'pgvigil_partition', 'dashboard') and obj_description(n.oid, 'pg_namespace') is null
    $$,
    'every schema has a comment'
);
select is_empty(
    $$
    select c.oid::regclass from pg_class as c
    where c.relnamespace in ('pgvigil'::regnamespace, 'dashboard'::regnamespace) and c.relkind in ('r', 'p', 'v', 'm')
    and obj_description(c.oid, 'pg_class') is null
    $$,
    'every table and view has a comment'
);
select is_empty(
    $$
    select c.oid::regclass, a.attname from pg_class as c
    inner join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relnamespace in ('pgvigil'::regnamespace, 'dashboard'::regnamespace) and c.relkind in ('r', 'p', 'v', 'm')
    and col_description(c.oid, a.attnum) is null
    $$,
    'every column has a comment'
);
select is_empty(
    $$
    select p.oid::regprocedure from pg_proc as p
    where p.pronamespace in ('pgvigil'::regnamespace, 'dashboard'::regnamespace)
    and obj_description(p.oid, 'pg_proc') is null
    $$,
    'every function has a comment'
);
select is_empty(
    $$
    select t.typname from pg_type as t
    inner join pg_class as c on c.oid = t.typrelid
    where t.typnamespace in ('pgvigil'::regnamespace, 'dashboard'::regnamespace) and c.relkind = 'c'
    and obj_description(t.oid, 'pg_type') is null
    $$,
    'every type has a comment'
);

select is_empty(
    $$
    select p.oid::regprocedure from pg_proc as p
    where p.pronamespace in ('pgvigil'::regnamespace, 'dashboard'::regnamespace)
    and case
        when p.prosecdef then not coalesce(p.proconfig @> array['search_path=pg_temp'], false)
        else p.proconfig @> array['search_path=""']
    end
    $$,
    'every security definer function has a search_path with pg_temp at its end, and none an empty one'
);
select is_empty(
    $$
    select p.oid::regprocedure from pg_proc as p
    where p.pronamespace = 'pgvigil'::regnamespace
    and (
        p.proname in (
            'next_state', 'keep_state', 'open_alert', 'close_alert', 'note_event', 'deliver', 'queue_mail', 'mail_of_event', 'has_newer_sample',
            'tick', 'is_due', 'seen_at', 'handle_rule_errors', 'send_reminders', 'forecast_disk', 'is_within', 'silenced_by'
        )
        or p.proname ~ 'judge|^watch_'
    )
    and p.prosrc ~* '\m(now\(|clock_timestamp|transaction_timestamp|current_timestamp|localtimestamp|timeofday)'
    $$,
    'no rule reads the clock: time is that of the sample'
);
select is_empty(
    $$
    select p.oid::regprocedure from pg_proc as p
    cross join regexp_matches(p.prosrc, '(\w+)\s*=\s*statement_timestamp|[^=]\s*statement_timestamp', 'g') as m
    where p.pronamespace = 'pgvigil'::regnamespace
    and (
        p.proname in (
            'next_state', 'keep_state', 'open_alert', 'close_alert', 'note_event', 'deliver', 'queue_mail', 'mail_of_event', 'has_newer_sample',
            'tick', 'is_due', 'seen_at', 'handle_rule_errors', 'send_reminders', 'forecast_disk', 'is_within', 'silenced_by'
        )
        or p.proname ~ 'judge|^watch_'
    )
    and m[1] is distinct from 'updated_at'
    $$,
    'the rules use statement_timestamp() for updated_at only'
);

select * from finish();
rollback;
