-- Every refusal that has a name is tripped once. What people edit by hand is answered with a hint.
begin;
select plan(288);

set local timezone = 'UTC';
select pgvigil.ensure_partitions('2031-03-30 12:00+00');
delete from pgvigil.threshold;
delete from pgvigil.recipient;
select pgvigil.register_host('web1', '10 seconds', '1.0');

-- The name of the constraint that refuses a statement; 'ok' where none does.
create function pg_temp.refusal(p_statement text, out name text, out message text, out hint text) language plpgsql as $$
begin
    execute p_statement;
    name := 'ok';
exception when others then
    get stacked diagnostics name = constraint_name, message = message_text, hint = pg_exception_hint;
    if name = '' then
        name := sqlstate || ' ' || message;
    end if;
    insert into refused values (name);
end
$$;
create temporary table refused (name text);

-- Rules: statement, constraint, message, hint.
create temporary table asked as
select c.*, r.name as said_name, r.message as said, r.hint as said_hint
from (
    values
    ('a metric that there is not', $$insert into pgvigil.threshold (metric, warning) values ('cpu', 1)$$, 'threshold_metric_exists',
        'there is no metric ''cpu''', 'These can be judged: select metric, unit, title from pgvigil.metric order by 1;'),
    ('a rule without a metric', $$insert into pgvigil.threshold (warning) values (1)$$, 'threshold_metric_exists',
        'there is no metric NULL', 'These can be judged: select metric, unit, title from pgvigil.metric order by 1;'),
    ('a warning that is no number', $$insert into pgvigil.threshold (metric, warning) values ('cpu_usage', 'NaN')$$, 'threshold_limits_are_finite',
        'NaN is not a limit', 'Give a number, or null for no limit.'),
    ('a critical limit without end', $$insert into pgvigil.threshold (metric, critical) values ('cpu_usage', 'infinity')$$, 'threshold_limits_are_finite',
        'Infinity is not a limit', 'Give a number, or null for no limit.'),
    ('a band of minus infinity', $$insert into pgvigil.threshold (metric, warning, clear_band) values ('cpu_usage', 1, '-infinity')$$, 'threshold_limits_are_finite',
        '-Infinity is not a limit', 'Give a number, or null for no limit.'),
    ('a rule without a limit', $$insert into pgvigil.threshold (metric) values ('cpu_usage')$$, 'threshold_has_a_limit',
        'a rule needs warning or critical, or both', 'To exempt something from a wider rule, set mode = ''off''.'),
    ('critical below warning', $$insert into pgvigil.threshold (metric, warning, critical) values ('cpu_usage', 90, 80)$$, 'threshold_critical_is_beyond_warning',
        'critical (80) is below warning (90), but cpu_usage is bad when it is high', 'Set critical to 90 or more, or leave one of them null.'),
    ('from below: critical above warning', $$insert into pgvigil.threshold (metric, warning, critical) values ('memory_available_bytes', 80, 90)$$,
        'threshold_critical_is_beyond_warning', 'critical (90) is above warning (80), but memory_available_bytes is bad when it is low',
        'Set critical to 80 or less, or leave one of them null.'),
    ('a band below 0', $$insert into pgvigil.threshold (metric, warning, clear_band) values ('cpu_usage', 90, -1)$$, 'threshold_clear_band_is_not_negative',
        'clear_band is -1', 'It is a distance: 0 or more, or null for 5 % of the limit.'),
    ('a band as wide as the limit', $$insert into pgvigil.threshold (metric, warning, clear_band) values ('cpu_usage', 90, 90)$$, 'threshold_can_clear',
        'an alert at 90 with clear_band 90 could never end',
        'Every value is 0 or more: set a limit above 0, and clear_band smaller than it or null for 5 % of it.'),
    ('a band as wide as the only limit', $$insert into pgvigil.threshold (metric, critical, clear_band) values ('cpu_usage', 95, 96)$$, 'threshold_can_clear',
        'an alert at 95 with clear_band 96 could never end',
        'Every value is 0 or more: set a limit above 0, and clear_band smaller than it or null for 5 % of it.'),
    ('a hold below 0', $$insert into pgvigil.threshold (metric, warning, hold) values ('cpu_usage', 90, '-1 second')$$, 'threshold_hold_is_sensible',
        'hold is -00:00:01', 'Give an interval such as ''5 minutes'', or ''0'' to mail at the first sample over the limit.'),
    ('a hold that never ends', $$insert into pgvigil.threshold (metric, warning, hold) values ('cpu_usage', 90, '1000 years')$$, 'threshold_hold_is_sensible',
        'hold is 1000 years', 'Give an interval such as ''5 minutes'', or ''0'' to mail at the first sample over the limit.'),
    ('a limit that no real can hold', $$insert into pgvigil.threshold (metric, warning) values ('errors_per_second', 1e39)$$, 'threshold_limits_are_finite',
        '1e+39 is not a limit', 'Give a number, or null for no limit.'),
    ('a limit too near to 0 for a real', $$insert into pgvigil.threshold (metric, warning) values ('errors_per_second', 1e-50)$$, 'threshold_limits_are_finite',
        '1e-50 is not a limit', 'Give a number, or null for no limit.'),
    ('from below: a limit below 0', $$insert into pgvigil.threshold (metric, warning) values ('memory_available_bytes', -1)$$, 'threshold_can_fire',
        'memory_available_bytes is never below 0, so -1 would never fire', 'Set a limit of 0 or more, or null for none.'),
    ('a rule for a host that there is not', $$insert into pgvigil.threshold (metric, warning, host_name) values ('cpu_usage', 1, 'web9')$$, 'threshold_host_exists',
        'there is no host ''web9''', 'The names are exact: select host_name from pgvigil.host order by 1;'),
    ('a silence of a host that there is not', $$select pgvigil.silence_for('2 hours', 'Web1')$$, 'silence_host_exists',
        'there is no host ''Web1''', 'The names are exact: select host_name from pgvigil.host order by 1;'),
    ('a silence of a metric that there is not', $$insert into pgvigil.silence (metric) values ('cpu')$$, 'silence_metric_exists',
        'there is no metric ''cpu''', 'These can be judged: select metric, unit, title from pgvigil.metric order by 1;'),
    ('a recipient of a metric that there is not', $$insert into pgvigil.recipient (address, metric) values ('a@x.org', 'cpu')$$, 'recipient_metric_exists',
        'there is no metric ''cpu''', 'These can be judged: select metric, unit, title from pgvigil.metric order by 1;'),
    ('a rule for a host and a group', $$insert into pgvigil.threshold (metric, warning, host_name, host_group) values ('cpu_usage', 1, 'web1', 'web')$$,
        'threshold_scope_is_host_or_group', 'it is for host ''web1'' and for group ''web''', 'Leave one of them null, or write two rows.'),
    ('a silence of a host and a group', $$insert into pgvigil.silence (host_name, host_group) values ('web1', 'web')$$,
        'silence_scope_is_host_or_group', 'it is for host ''web1'' and for group ''web''', 'Leave one of them null, or write two rows.'),
    ('a mode that there is not', $$insert into pgvigil.threshold (metric, warning, resource, mode) values ('cpu_usage', 1, 'x', 'loud')$$, 'threshold_mode_is_known',
        'there is no mode ''loud''', 'armed mails, shadow only records, off exempts.'),
    ('a keeper that there is not', $$insert into pgvigil.threshold (metric, warning, managed_by) values ('cpu_usage', 1, 'puppet')$$, 'threshold_managed_by_is_known',
        '''puppet'' keeps no rules', 'Leave managed_by out: what people write is sql.'),
    ('a severity that there is not', $$insert into pgvigil.recipient (address, min_severity) values ('b@x.org', 'info')$$, 'recipient_min_severity_is_known',
        'there is no severity ''info''', 'warning is everything, critical only what is or becomes critical.'),
    ('a language that there is not', $$insert into pgvigil.recipient (address, language) values ('b@x.org', 'kr')$$, 'recipient_language_is_known',
        'there are no mails in ''kr''', 'en or ko.'),
    ('a recipient with half a time of day', $$insert into pgvigil.recipient (address, from_time) values ('b@x.org', '9:00')$$, 'recipient_times_come_in_pairs',
        'from_time and to_time go together', 'Give both, as in ''22:00'' and ''06:00'', or none.'),
    ('a silence with half a time of day', $$insert into pgvigil.silence (to_time) values ('9:00')$$, 'silence_times_come_in_pairs',
        'from_time and to_time go together', 'Give both, as in ''22:00'' and ''06:00'', or none.'),
    ('a silence on days without a time', $$insert into pgvigil.silence (weekdays) values ('{1}')$$, 'silence_weekdays_need_times',
        'weekdays say nothing without times', 'For whole days: from_time = ''0:00'', to_time = ''0:00''.'),
    ('a window after the end of time', $$update pgvigil.setting set value = '300000 years' where setting = 'flap_window'$$, 'setting_value_is_sensible',
        'flap_window cannot be ''300000 years''', 'A million or ten years at most: what is judged by it must not end after the end of time.'),
    ('two billion beats', $$update pgvigil.setting set value = '2000000000' where setting = 'gap_intervals'$$, 'setting_value_is_sensible',
        'gap_intervals cannot be ''2000000000''', 'A million or ten years at most: what is judged by it must not end after the end of time.'),
    ('a limit of 0, which every sample reaches', $$insert into pgvigil.threshold (metric, warning) values ('errors_per_second', 0)$$, 'threshold_can_clear',
        'an alert at 0 with clear_band 0 could never end', 'Every value is 0 or more: set a limit above 0, and clear_band smaller than it or null for 5 % of it.'),
    ('a pattern that ends in the middle of an escape', $$insert into pgvigil.threshold (metric, resource, warning) values ('disk_usage', '%\', 90)$$,
        'threshold_resource_is_a_pattern', 'the pattern E''%\\'' ends in the middle of an escape', 'A backslash takes the next character literally: \\ for the backslash itself, \% for %, \_ for _.'),
    ('a silence with such a pattern', $$insert into pgvigil.silence (resource) values ('%\')$$, 'silence_resource_is_a_pattern',
        'the pattern E''%\\'' ends in the middle of an escape', 'A backslash takes the next character literally: \\ for the backslash itself, \% for %, \_ for _.'),
    ('a silence that ends before it starts', $$insert into pgvigil.silence (starts_at, ends_at) values ('2031-01-02 00:00+00', '2031-01-01 00:00+00')$$,
        'silence_ends_after_it_starts', 'it would end at 2031-01-01 00:00:00+00, before it starts at 2031-01-02 00:00:00+00',
        'Set ends_at later, or null for a silence until the row is deleted.'),
    ('a silence on an eighth day', $$insert into pgvigil.silence (weekdays, from_time, to_time) values ('{1,8}', '1:00', '2:00')$$, 'silence_weekdays_are_days',
        '{1,8} are no days of the week', '1 = Monday .. 7 = Sunday, as in ''{6,7}''; null for every day.'),
    ('a silence on no day', $$insert into pgvigil.silence (weekdays, from_time, to_time) values ('{}', '1:00', '2:00')$$, 'silence_weekdays_are_days',
        '{} are no days of the week', '1 = Monday .. 7 = Sunday, as in ''{6,7}''; null for every day.'),
    ('a silence in a time zone that there is not', $$insert into pgvigil.silence (from_time, to_time, time_zone) values ('1:00', '2:00', 'Asia/Soul')$$,
        'silence_time_zone_exists', 'there is no time zone ''Asia/Soul''', 'Names such as ''Asia/Seoul'': select name from pg_timezone_names order by 1;'),
    ('a recipient on day 0', $$insert into pgvigil.recipient (address, weekdays) values ('a@x.org', '{0}')$$, 'recipient_weekdays_are_days',
        '{0} are no days of the week', '1 = Monday .. 7 = Sunday, as in ''{6,7}''; null for every day.'),
    ('words instead of an address', $$insert into pgvigil.recipient (address) values ('the operators')$$, 'recipient_address_is_an_address',
        '''the operators'' is not a mail address', 'One address per row, without a name: somebody@example.org.'),
    ('a time zone that there is not', $$insert into pgvigil.recipient (address, time_zone) values ('a@x.org', 'Asia/Soul')$$, 'recipient_time_zone_exists',
        'there is no time zone ''Asia/Soul''', 'Names such as ''Asia/Seoul'': select name from pg_timezone_names order by 1;'),
    ('another name for a setting', $$update pgvigil.setting set setting = 'bell' where setting = 'doorbell'$$, 'setting_name_is_fixed',
        'only the value of a setting can be changed', 'update pgvigil.setting set value = .. where setting = ..'),
    ('another kind for a setting', $$update pgvigil.setting set kind = 'text' where setting = 'doorbell'$$, 'setting_name_is_fixed',
        'only the value of a setting can be changed', 'update pgvigil.setting set value = .. where setting = ..'),
    ('an integer that is none', $$update pgvigil.setting set value = 'many' where setting = 'gap_intervals'$$, 'setting_value_is_of_its_kind',
        'gap_intervals cannot be ''many''', 'It is of kind integer: Missed beats of a host that break a hold.'),
    ('an integer that is too large', $$update pgvigil.setting set value = '3000000000' where setting = 'gap_intervals'$$, 'setting_value_is_of_its_kind',
        'gap_intervals cannot be ''3000000000''', 'It is of kind integer: Missed beats of a host that break a hold.'),
    ('an interval that is none', $$update pgvigil.setting set value = 'soon' where setting = 'mail_lease'$$, 'setting_value_is_of_its_kind',
        'mail_lease cannot be ''soon''', 'It is of kind interval: How long a mailer may take over one mail before another one tries.'),
    ('a boolean that is none', $$update pgvigil.setting set value = 'maybe' where setting = 'doorbell'$$, 'setting_value_is_of_its_kind',
        'doorbell cannot be ''maybe''', 'It is of kind boolean: NOTIFY mailers of new mails; off = they find them when they poll.'),
    ('0 days', $$update pgvigil.setting set value = '0' where setting = 'partition_days_ahead'$$, 'setting_value_is_positive',
        'partition_days_ahead cannot be ''0''', 'It must be more than 0.'),
    ('reminders without a pause', $$insert into pgvigil.threshold (metric, warning, remind_every) values ('disk_usage', 90, '0')$$, 'threshold_remind_every_is_sensible',
        'remind_every is 00:00:00', 'More than 0, such as ''4 hours''; null for no reminders.'),
    ('a percentage that cannot be', $$insert into pgvigil.threshold (metric, warning) values ('disk_usage', 900)$$, 'threshold_percent_can_be_reached',
        'disk_usage never exceeds 100 %, so 900 would never fire', 'Set a limit of 100 or less, or null for none.'),
    ('a million days', $$update pgvigil.setting set value = '1000000' where setting = 'partition_days_ahead'$$, 'setting_value_is_sensible',
        '1000000 days of partitions are too many', 'Each day is a table for each log table: 366 at most.'),
    ('a lease of 0', $$update pgvigil.setting set value = '0 seconds' where setting = 'mail_lease'$$, 'setting_value_is_positive',
        'mail_lease cannot be ''0 seconds''', 'It must be more than 0.')
) as c (what, statement, name, message, hint)
cross join lateral pg_temp.refusal(c.statement) as r;
select is(a.said_name, a.name, 'refused: ' || a.what) from asked as a;
select is(a.said, a.message, 'and says so: ' || a.what) from asked as a;
select is(a.said_hint, a.hint, 'and says what would do: ' || a.what) from asked as a;
select is(pgvigil.setting('gap_intervals'), '3', 'a setting that was refused is as it was');
select throws_ok($$select pgvigil.setting('colour')$$, 'P0001', 'there is no setting colour', 'a setting that there is not cannot be read');

-- An update is judged like an insert.
insert into pgvigil.threshold (metric, warning, critical) values ('cpu_usage', 80, 90);
select is((pg_temp.refusal('update pgvigil.threshold set critical = 70')).name, 'threshold_critical_is_beyond_warning', 'an update of a rule is refused like an insert');
insert into pgvigil.recipient (address) values ('a@x.org');
select is((pg_temp.refusal($$update pgvigil.recipient set address = 'a'$$)).name, 'recipient_address_is_an_address', 'an update of a recipient is refused like an insert');

-- Constraints of the tables.
select is((pg_temp.refusal(c.statement)).name, c.name, 'refused: ' || c.what)
from (
    values
    ('two rules of one scope', 'threshold_scope_is_unique', $$insert into pgvigil.threshold (metric, warning) values ('cpu_usage', 1)$$),
    ('one recipient twice', 'recipient_is_unique', $$insert into pgvigil.recipient (address) values ('a@x.org')$$),
    ('a setting of a kind that there is not', 'setting_kind_is_known', $$insert into pgvigil.setting values ('x', '1', 'colour', '')$$),
    ('a retention of one day', 'log_table_retention_is_two_days_at_least', $$update pgvigil.log_table set retention = '1 day 23:59:59'$$),
    ('five-minute rollups for six days', 'log_table_five_minute_retention_is_a_week_at_least', $$update pgvigil.log_table set five_minute_retention = '6 days'$$),
    ('hourly rollups for a week', 'log_table_hourly_retention_is_a_month_at_least', $$update pgvigil.log_table set hourly_retention = '7 days'$$),
    ('daily rollups for a month', 'log_table_daily_retention_outlasts_hourly', $$update pgvigil.log_table set daily_retention = '1 month'$$),
    ('packing the day that is under way', 'log_table_pack_after_is_a_day_at_least', $$update pgvigil.log_table set pack_after = '23 hours'$$),
    ('a second horizon', 'rollup_horizon_is_one_row', $$insert into pgvigil.rollup_horizon values (false, now(), now(), '1')$$),
    ('a fleet by the day', 'fleet_rollup_width_is_known', $$insert into pgvigil.fleet_rollup values ('1d', now(), 'cpu_usage', 1, 1)$$),
    ('progress of a host that there is not', 'rollup_progress_host_exists', $$insert into pgvigil.rollup_progress values (-1, now())$$),
    ('a packed day of a table that there is not', 'packed_day_log_table_exists', $$insert into pgvigil.packed_day values ('gpu_log', '2031-01-01')$$),
    ('a host name twice', 'host_name_is_unique', $$insert into pgvigil.host (host_name) values ('web1')$$),
    ('a host name with a space', 'host_name_is_printable', $$insert into pgvigil.host (host_name) values ('a b')$$),
    ('labels that are a list', 'host_labels_are_an_object', $$update pgvigil.host set labels = '[]'$$),
    ('a host that samples every 0 seconds', 'host_sample_interval_is_positive', $$select pgvigil.register_host('web2', '0', '1.0')$$),
    ('a host that samples every other day', 'host_sample_interval_is_a_day_at_most', $$select pgvigil.register_host('web2', '2 days', '1.0')$$),
    ('a host in very many groups', 'host_groups_are_64_kib_at_most', $$select pgvigil.register_host('web2', '1 day', '1.0', array_fill('group'::text, array[20000]))$$),
    ('a host with a book of labels', 'host_labels_are_64_kib_at_most', $$select pgvigil.register_host('web2', '1 day', '1.0', null, jsonb_build_object('a', repeat('x', 65536)))$$),
    ('a version that is a story', 'host_agent_version_is_short', $$select pgvigil.register_host('web2', '1 day', repeat('x', 101))$$),
    ('a metric of a table that there is not', 'metric_log_table_exists', $$insert into pgvigil.metric values ('m', 'gpu_log', 'c', 9, 't', 'percent', 'above', 'd')$$),
    ('two metrics in one place', 'metric_position_is_unique', $$insert into pgvigil.metric values ('m', 'cpu_log', 'user_usage', 1, 't', 'percent', 'above', 'd')$$),
    ('two metrics of one column', 'metric_column_is_unique', $$insert into pgvigil.metric values ('m', 'cpu_log', 'cpu_usage', 9, 't', 'percent', 'above', 'd')$$),
    ('a place of 0', 'metric_position_is_positive', $$insert into pgvigil.metric values ('m', 'cpu_log', 'user_usage', 0, 't', 'percent', 'above', 'd')$$),
    ('a direction that there is not', 'metric_direction_is_known', $$insert into pgvigil.metric values ('m', 'cpu_log', 'user_usage', 9, 't', 'percent', 'beside', 'd')$$),
    ('a unit that there is not', 'metric_unit_is_known', $$insert into pgvigil.metric values ('m', 'cpu_log', 'user_usage', 9, 't', 'stone', 'above', 'd')$$),
    ('a metric with a table and no column', 'metric_is_stored_or_derived', $$insert into pgvigil.metric values ('m', 'cpu_log', null, 9, 't', 'percent', 'above', 'd')$$),
    ('an operation that there is not', 'threshold_history_operation_is_known', $$insert into pgvigil.threshold_history (threshold_id, operation) values (1, 'drop')$$),
    ('a metric deleted from under its rules', 'threshold_metric_exists', $$delete from pgvigil.metric where metric = 'cpu_usage'$$)
) as c (what, name, statement);

-- Samples: the table, its columns, one row that is right, and what else a column may not be.
create function pg_temp.sample(p_table text, p_column text, p_value text) returns text language sql as $$
    select format(
        'insert into pgvigil.%I select * from jsonb_populate_record(null::pgvigil.%1$I, %L)', p_table,
        x.sample || jsonb_build_object(p_column, p_value)
    )
    from (
        values
        ('cpu_log', '{"cpu_name": "cpu-total", "cpu_usage": 1}'::jsonb),
        ('memory_log', '{"memory_name": "memory", "memory_usage": 1, "used_bytes": 1, "available_bytes": 1}'),
        ('disk_log', '{"disk_name": "/"}'),
        ('network_log', '{"network_interface": "eth0", "received_bytes_per_second": 1, "sent_bytes_per_second": 1, "errors_per_second": 0, "drops_per_second": 0}')
    ) as l (log_table, row)
    cross join lateral (
        select l.row || '{"host_id": 1, "is_deleted": false, "created_at": "2031-03-30 12:00+00", "updated_at": "2031-03-30 12:00+00"}' as sample
    ) as x
    where l.log_table = p_table
$$;
select is(
    (
        select string_agg(v || ': ' || (pg_temp.refusal(pg_temp.sample(t, c, v))).name, ', ')
        from unnest(array['-0.001', '100.001', 'NaN', 'Infinity', '-Infinity']) as v
    ),
    replace('-0.001: X, 100.001: X, NaN: X, Infinity: X, -Infinity: X', 'X', format('%s_%s_is_percent', t, c)),
    format('%s.%s is from 0 to 100', t, c)
)
from (
    values
    ('cpu_log', 'cpu_usage'), ('cpu_log', 'user_usage'), ('cpu_log', 'system_usage'), ('cpu_log', 'iowait_usage'), ('cpu_log', 'steal_usage'),
    ('memory_log', 'memory_usage'), ('disk_log', 'disk_usage'), ('disk_log', 'inode_usage'), ('disk_log', 'io_usage'), ('network_log', 'link_usage')
) as x (t, c);
select is(
    (
        select string_agg(v || ': ' || (pg_temp.refusal(pg_temp.sample(t, c, v))).name, ', ')
        from unnest(array['-0.001', 'NaN', 'Infinity', '-Infinity']) as v
    ),
    replace('-0.001: X, NaN: X, Infinity: X, -Infinity: X', 'X', format('%s_%s_is_finite', t, c)),
    format('%s.%s is finite and not below 0', t, c)
)
from (
    values
    ('cpu_log', 'load_1m'), ('disk_log', 'read_bytes_per_second'), ('disk_log', 'write_bytes_per_second'), ('network_log', 'received_bytes_per_second'),
    ('network_log', 'sent_bytes_per_second'), ('network_log', 'errors_per_second'), ('network_log', 'drops_per_second')
) as x (t, c);
select is(
    (pg_temp.refusal(format('insert into pgvigil.%I (bucket_at, host_id, samples, resource) values (''2031-03-30'', 1, 0, ''x'')', t))).name,
    t || '_has_samples', format('a bucket of %s without a sample is none', t)
)
from unnest(array['cpu', 'memory', 'disk', 'network']) as m cross join unnest(array['_rollup_5m', '_rollup_1h', '_rollup_1d']) as w cross join lateral (values (m || w)) as x (t);
select is((pg_temp.refusal(pg_temp.sample(t, c, '-1'))).name, format('%s_%s_is_natural', t, c), format('%s.%s is not below 0', t, c))
from (values ('memory_log', 'used_bytes'), ('memory_log', 'available_bytes'), ('disk_log', 'used_bytes'), ('disk_log', 'available_bytes')) as x (t, c);
select is((pg_temp.refusal(pg_temp.sample(t, 'is_deleted', 'false'))).name, 'ok', format('a row of %s that is right is taken', t))
from unnest(array['cpu_log', 'memory_log', 'disk_log', 'network_log']) as t;
select is(
    (select string_agg((pg_temp.refusal(pg_temp.sample(t, 'created_at', '2031-03-30 12:00+00'))).name, ', ' order by t) from unnest(array['cpu_log', 'disk_log', 'memory_log', 'network_log']) as t),
    'cpu_log_20310330_pkey, disk_log_20310330_pkey, memory_log_20310330_pkey, network_log_20310330_pkey', 'a sample twice is refused where nobody says on conflict'
);

-- Alerts and mails.
create function pg_temp.alert(p_set text) returns text language sql as $$
    select format(
        'insert into pgvigil.alert (host_id, log_table, metric, resource, state, severity, value, peak_value, hold, pending_at, judged_at, fired_at, resolved_at,
        acknowledged_at, worst_severity)
        select x.* from jsonb_to_record(%L) as x (host_id integer, log_table text, metric text, resource text, state text, severity text, value float8,
        peak_value float8, hold interval, pending_at timestamptz, judged_at timestamptz, fired_at timestamptz, resolved_at timestamptz,
        acknowledged_at timestamptz, worst_severity text)',
        jsonb_build_object(
            'host_id', h.host_id, 'log_table', 'cpu_log', 'metric', 'cpu_usage', 'resource', 'x', 'state', 'firing', 'severity', 'warning', 'value', 1,
            'peak_value', 1, 'hold', '0', 'pending_at', now(), 'judged_at', now(), 'fired_at', now(), 'worst_severity', 'warning'
        ) || p_set::jsonb
    )
    from pgvigil.host as h
$$;
select is((pg_temp.refusal(pg_temp.alert(c.set))).name, c.name, 'refused: ' || c.what)
from (
    values
    ('an alert of a host that there is not', 'alert_host_exists', '{"host_id": -1}'),
    ('an alert of a metric that there is not', 'alert_metric_exists', '{"metric": "cpu"}'),
    ('an alert that nobody acknowledged', 'alert_acknowledged_has_who', '{"acknowledged_at": "2031-01-01"}'),
    ('an alert whose worst severity there is not', 'alert_worst_severity_is_known', '{"worst_severity": "info"}'),
    ('an alert in a state that there is not', 'alert_state_is_known', '{"state": "loud"}'),
    ('an alert of a severity that there is not', 'alert_severity_is_known', '{"severity": "info"}'),
    ('an alert that fires and never fired', 'alert_fired_unless_pending', '{"fired_at": null}'),
    ('an alert that is pending and has fired', 'alert_fired_unless_pending', '{"state": "pending"}'),
    ('an alert that is resolved at no time', 'alert_resolved_has_time', '{"state": "resolved"}'),
    ('an alert that fires and is resolved', 'alert_resolved_has_time', '{"resolved_at": "2041-01-01"}'),
    ('an alert that was resolved before it fired', 'alert_resolved_after_fired', '{"state": "resolved", "resolved_at": "2021-01-01"}')
) as c (what, name, set);
select lives_ok(pg_temp.alert('{}'), 'an alert that is right is taken');
select is((pg_temp.refusal(pg_temp.alert('{}'))).name, 'alert_open_is_unique', 'refused: a second open alert of one series');
select is((pg_temp.refusal(c.statement)).name, c.name, 'refused: ' || c.what)
from pgvigil.alert as a
cross join lateral (
    values
    ('a mail of an alert that there is not', 'mail_alert_exists', format($$insert into pgvigil.mail (host_id, alert_id, event, severity, value, peak_value, sampled_at, address, language, time_zone, due_at)
        values (%s, -1, 'fired', 'warning', 1, 1, now(), 'a@x.org', 'en', 'UTC', now())$$, a.host_id)),
    ('an event of an alert that there is not', 'alert_event_alert_exists', format($$insert into pgvigil.alert_event (host_id, alert_id, event, severity, value, at, is_shadow)
        values (%s, -1, 'fired', 'warning', 1, now(), false)$$, a.host_id)),
    ('an event that there is not', 'alert_event_is_known', format($$insert into pgvigil.alert_event (host_id, alert_id, event, severity, value, at, is_shadow)
        values (%s, %s, 'party', 'warning', 1, now(), false)$$, a.host_id, a.alert_id)),
    ('a mail of an event that there is not', 'mail_event_is_known', format($$insert into pgvigil.mail (host_id, alert_id, event, severity, value, peak_value, sampled_at, address, language, time_zone, due_at)
        values (%s, %s, 'party', 'warning', 1, 1, now(), 'a@x.org', 'en', 'UTC', now())$$, a.host_id, a.alert_id)),
    ('a mail of no alert that is no report', 'mail_has_alert_unless_weekly', format($$insert into pgvigil.mail (host_id, alert_id, event, severity, value, peak_value, sampled_at, address, language, time_zone, due_at)
        values (%s, null, 'fired', 'warning', 1, 1, now(), 'a@x.org', 'en', 'UTC', now())$$, a.host_id)),
    ('a mail that was sent and given up', 'mail_sent_or_failed', format($$insert into pgvigil.mail (host_id, alert_id, event, severity, value, peak_value, sampled_at, address, language, time_zone, due_at, sent_at, failed_at)
        values (%s, %s, 'fired', 'warning', 1, 1, now(), 'a@x.org', 'en', 'UTC', now(), now(), now())$$, a.host_id, a.alert_id))
) as c (what, name, statement);
select is((pg_temp.refusal(c.statement)).name, c.name, 'refused: a resource of a host that there is not: ' || c.name)
from (
    values
    ('cpu_info_host_exists', $$insert into pgvigil.cpu_info (host_id, cpu_name, cpu_core) values (-1, 'x', 1)$$),
    ('memory_info_host_exists', $$insert into pgvigil.memory_info (host_id, memory_name, physical_memory) values (-1, 'x', 1)$$),
    ('disk_info_host_exists', $$insert into pgvigil.disk_info (host_id, disk_name, device, size) values (-1, 'x', 'x', 1)$$),
    ('network_info_host_exists', $$insert into pgvigil.network_info (host_id, network_interface) values (-1, 'x')$$),
    ('gate_host_exists', $$insert into pgvigil.gate values (-1, 'cpu_log', '{}', '{}')$$),
    ('agent_problem_host_exists', $$select pgvigil.record_agent_problems(-1, '[{"problem": "x", "subject": "x", "detail": "x", "occurrences": 1, "started_at": "2031-01-01", "last_at": "2031-01-01"}]')$$)
) as c (name, statement);
select is((pg_temp.refusal(c.statement)).name, c.name, 'refused: ' || c.what)
from (
    values
    ('a problem that never occurred', 'agent_problem_occurred', $$insert into pgvigil.agent_problem select h.host_id, 'x', 'x', 'x', 0, now(), now() from pgvigil.host as h$$),
    ('a problem that ended before it began', 'agent_problem_ends_after_it_started', $$insert into pgvigil.agent_problem select h.host_id, 'x', 'x', 'x', 1, now(), '-infinity' from pgvigil.host as h$$)
) as c (what, name, statement);

-- A backslash that takes the next character literally is none of that.
delete from pgvigil.threshold;
select is((pg_temp.refusal($$insert into pgvigil.threshold (metric, resource, warning) values ('disk_usage', '100\%', 90)$$)).name, 'ok', 'a pattern with an escape is taken');
select is((pg_temp.refusal($$insert into pgvigil.threshold (metric, resource, warning) values ('disk_usage', 'C:\\', 90)$$)).name, 'ok', 'a pattern with a backslash at its end is taken');

-- Nothing is forgotten: what was not tripped above would be listed here.
select is_empty(
    $$
    select c.conname from pg_constraint as c
    where c.connamespace = 'pgvigil'::regnamespace and c.contype in ('c', 'f', 'u') and c.conname not in (select r.name from refused as r)
    -- ids are random, and hidden from the agent
    and c.conname !~ '_info_id_is_unique$'
    $$,
    'every check, foreign key and unique constraint was tripped above'
);
select is_empty(
    $$
    select m[1] from pg_proc as p cross join regexp_matches(p.prosrc, '(?:constraint = |\()''((?:threshold|recipient|silence|setting)_\w+)''', 'g') as m
    where p.pronamespace = 'pgvigil'::regnamespace and p.proname ~ '_validate$' and m[1] not in (select r.name from refused as r)
    $$,
    'every refusal of a trigger was tripped above'
);

-- Addresses.
delete from pgvigil.recipient;
select is((pg_temp.refusal(format('insert into pgvigil.recipient (address) values (%L)', a.address))).name, 'recipient_address_is_an_address', 'no address: ' || a.what)
from (
    values
    ('', 'nothing'), ('root', 'a local part alone'), ('@x.org', 'no local part'), ('a@', 'no domain'), ('a@b@x.org', 'two @'), ('a b@x.org', 'a space'),
    ('a@x .org', 'a space in the domain'), (E'a@x.org\r\nBcc: b@x.org', 'a header after a line break'), (E'a@x.org\n', 'a line break at the end'),
    (E'"a\nb"@x.org', 'a line break in quotes'), ('a@x.org, b@x.org', 'two addresses'), ('a@x.org,b@x.org', 'two addresses without a space'),
    ('Ann <a@x.org>', 'a name'), ('<a@x.org>', 'angle brackets'), ('a@x..org', 'an empty label'), ('a@.org', 'a dot first'), ('a@x.org.', 'a dot last'),
    ('a;b@x.org', 'a semicolon'), ('a@[127.0.0.1]', 'an address literal'), (repeat('a', 249) || '@x.org', '255 characters')
) as a (address, what);
select is((pg_temp.refusal(format('insert into pgvigil.recipient (address) values (%L)', a.address))).name, 'ok', 'an address: ' || a.what)
from (
    values
    ('a@x.org', 'a short one'), ('ops+pgvigil@x.org', 'with a tag'), ('o''brien@x.org', 'an apostrophe'), ('a.b-c_d@mail.x.org', 'dots, dashes'), ('관리자@예시.한국', 'Hangul'),
    ('a@xn--9d0bm53a.xn--3e0b707e', 'Punycode'), ('"on call"@x.org', 'a quoted local part'), ('root@localhost', 'a host without a dot'), (repeat('a', 248) || '@x.org', '254 characters')
) as a (address, what);
select is((pg_temp.refusal($$insert into pgvigil.recipient (address) values (null)$$)).name ~ '^23502', true, 'no address: null');

select * from finish();
rollback;
