-- The SQL prompt is a user interface: what people edit by hand is checked here, with messages that say what to do.
-- Each refusal names a constraint, as a check would, so that programs can tell them apart. The first that holds is told.

create or replace function pgvigil.refusals_of_scope(p_table text, p_row jsonb)
returns table (name text, message text, hint text)
language plpgsql
stable
set search_path = pg_temp
as $$
begin
    return query
    select concat(p_table, '_', r.name), r.message, r.hint
    from (
        values
        ('metric_exists', (p_row ->> 'metric' is not null or p_table = 'threshold')
            and not exists (select from pgvigil.metric as m where m.metric = p_row ->> 'metric'),
            format('there is no metric %L', p_row ->> 'metric'),
            'These can be judged: select metric, unit, title from pgvigil.metric order by 1;'),
        ('host_exists', p_row ->> 'host_name' is not null
            and not exists (select from pgvigil.host as h where h.host_name = p_row ->> 'host_name'),
            format('there is no host %L', p_row ->> 'host_name'),
            'The names are exact: select host_name from pgvigil.host order by 1;'),
        ('scope_is_host_or_group', p_row ->> 'host_name' is not null and p_row ->> 'host_group' is not null,
            format('it is for host %L and for group %L', p_row ->> 'host_name', p_row ->> 'host_group'),
            'Leave one of them null, or write two rows.'),
        -- LIKE would raise an error at every sample
        ('resource_is_a_pattern', p_row ->> 'resource' ~ '(^|[^\\])(\\\\)*\\$',
            format('the pattern %L ends in the middle of an escape', p_row ->> 'resource'),
            'A backslash takes the next character literally: \\ for the backslash itself, \% for %, \_ for _.'),
        ('weekdays_are_days', p_row -> 'weekdays' = '[]' or p_row ->> 'weekdays' is not null
            and not p_row -> 'weekdays' <@ '[1, 2, 3, 4, 5, 6, 7]',
            format('%s are no days of the week', translate(p_row ->> 'weekdays', '[] ', '{}')),
            '1 = Monday .. 7 = Sunday, as in ''{6,7}''; null for every day.'),
        ('times_come_in_pairs', (p_row ->> 'from_time' is null) <> (p_row ->> 'to_time' is null),
            'from_time and to_time go together', 'Give both, as in ''22:00'' and ''06:00'', or none.'),
        ('time_zone_exists', p_row ? 'time_zone'
            and not exists (select from pg_catalog.pg_timezone_names as z where z.name = p_row ->> 'time_zone'),
            format('there is no time zone %L', p_row ->> 'time_zone'),
            'Names such as ''Asia/Seoul'': select name from pg_timezone_names order by 1;')
    ) as r (name, is_so, message, hint)
    where r.is_so;
    if found then
        return;
    end if;

    -- What may be meant, and more often is a slip.
    if
        p_row ->> 'host_group' is not null
        and not exists (select from pgvigil.host as h where p_row ->> 'host_group' = any(h.groups))
    then
        raise notice 'no host is in group % yet', p_row ->> 'host_group'
            using hint = 'select distinct unnest(groups) from pgvigil.host;';
    elsif
        not exists (
            select from pgvigil.metric as m where m.metric = p_row ->> 'metric' and m.log_table is null
        )
        and not exists (
            select from pgvigil.resource as r
            inner join pgvigil.host as h on h.host_id = r.host_id
            left join pgvigil.metric as m on m.metric = p_row ->> 'metric'
            where
                coalesce(r.resource like p_row ->> 'resource', true)
                and coalesce(r.log_table = m.log_table, true)
                and coalesce(h.host_name = p_row ->> 'host_name', true)
                -- of a host without groups null = any() is false, not null
                and (p_row ->> 'host_group' is null or p_row ->> 'host_group' = any(h.groups))
        )
        and p_row ->> 'resource' is not null
    then
        raise notice 'nothing is called % there yet', p_row ->> 'resource'
            using hint = 'select h.host_name, r.resource from pgvigil.resource as r inner join pgvigil.host as h using (host_id);';
    end if;
end
$$;
comment on function pgvigil.refusals_of_scope(text, jsonb) is 'What is wrong with the metric, host, group, resource or times of a row that people wrote, under the names of its table''s constraints; notices what matches nothing yet.';


create or replace function pgvigil.tg_threshold__validate()
returns trigger
language plpgsql
set search_path = pg_temp
as $$
declare
    v_metric constant pgvigil.metric := (select m from pgvigil.metric as m where m.metric = new.metric);
    v_first constant double precision := coalesce(new.warning, new.critical);
    v_band constant double precision := coalesce(new.clear_band, 0);
    -- the gate has it as a real, too
    v_strange constant double precision := (
        select l from unnest(array[new.warning, new.critical, new.clear_band]) as l
        where not (l = 0 or abs(l) between 1e-30 and 1e30)
        limit 1
    );
    v_refusal record;
    v_other pgvigil.threshold;
begin
    select r.* into v_refusal
    from pgvigil.refusals_of_scope('threshold', to_jsonb(new)) as r
    union all
    select r.name, r.message, r.hint
    from (
        values
        ('threshold_mode_is_known', new.mode not in ('armed', 'shadow', 'off'),
            format('there is no mode %L', new.mode), 'armed mails, shadow only records, off exempts.'),
        ('threshold_managed_by_is_known', new.managed_by not in ('default', 'ansible', 'sql'),
            format('%L keeps no rules', new.managed_by), 'Leave managed_by out: what people write is sql.'),
        ('threshold_limits_are_finite', v_strange is not null,
            format('%s is not a limit', v_strange), 'Give a number, or null for no limit.'),
        ('threshold_has_a_limit', new.mode <> 'off' and v_first is null,
            'a rule needs warning or critical, or both', 'To exempt something from a wider rule, set mode = ''off''.'),
        ('threshold_percent_can_be_reached', v_metric.unit = 'percent' and greatest(new.warning, new.critical) > 100,
            format('%s never exceeds 100 %%, so %s would never fire', new.metric, greatest(new.warning, new.critical)),
            'Set a limit of 100 or less, or null for none.'),
        ('threshold_critical_is_beyond_warning', v_metric.direction = 'above' and new.critical < new.warning,
            format('critical (%s) is below warning (%s), but %s is bad when it is high', new.critical, new.warning, new.metric),
            format('Set critical to %s or more, or leave one of them null.', new.warning)),
        ('threshold_critical_is_beyond_warning', v_metric.direction = 'below' and new.critical > new.warning,
            format('critical (%s) is above warning (%s), but %s is bad when it is low', new.critical, new.warning, new.metric),
            format('Set critical to %s or less, or leave one of them null.', new.warning)),
        ('threshold_clear_band_is_not_negative', new.clear_band < 0,
            format('clear_band is %s', new.clear_band), 'It is a distance: 0 or more, or null for 5 % of the limit.'),
        ('threshold_can_fire', v_metric.direction = 'below' and least(new.warning, new.critical) < 0,
            format('%s is never below 0, so %s would never fire', new.metric, least(new.warning, new.critical)),
            'Set a limit of 0 or more, or null for none.'),
        -- every metric is 0 or more, so 0 must lie below the limit by more than the band
        ('threshold_can_clear', v_metric.direction = 'above' and v_band >= v_first,
            format('an alert at %s with clear_band %s could never end', v_first, v_band),
            'Every value is 0 or more: set a limit above 0, and clear_band smaller than it or null for 5 % of it.'),
        -- one that is off can be as it likes: what is broken must be possible to switch off
        ('threshold_remind_every_is_sensible', new.mode <> 'off'
            and not new.remind_every between interval '1 microsecond' and interval '10 years',
            format('remind_every is %s', new.remind_every), 'More than 0, such as ''4 hours''; null for no reminders.'),
        ('threshold_hold_is_sensible', new.mode <> 'off' and not new.hold between interval '0' and interval '1 year',
            format('hold is %s', new.hold),
            'Give an interval such as ''5 minutes'', or ''0'' to mail at the first sample over the limit.')
    ) as r (name, is_so, message, hint)
    where r.is_so
    limit 1;
    if found then
        raise check_violation using
            constraint = v_refusal.name, message = v_refusal.message, hint = v_refusal.hint;
    end if;

    select t.* into v_other
    from pgvigil.threshold as t
    where
        t.threshold_id <> new.threshold_id
        and (t.metric, t.host_name, t.host_group, t.resource, t.managed_by)
            is not distinct from (new.metric, new.host_name, new.host_group, new.resource, new.managed_by);
    if found then
        -- not a refusal: on conflict may be about to take care of it
        raise notice 'rule % is for this already: warning %, critical %, mode %',
            v_other.threshold_id, v_other.warning, v_other.critical, v_other.mode
            using hint = format('update pgvigil.threshold set .. where threshold_id = %s;', v_other.threshold_id);
    end if;
    new.updated_at := now();
    return new;
end
$$;
comment on function pgvigil.tg_threshold__validate() is 'Trigger of pgvigil.threshold: refuses what cannot work, and says what would.';

create or replace trigger _100_validate
before insert or update on pgvigil.threshold
for each row execute function pgvigil.tg_threshold__validate();


create or replace function pgvigil.tg_recipient__validate()
returns trigger
language plpgsql
set search_path = pg_temp
as $$
declare
    v_refusal record;
    v_other_id bigint;
begin
    select r.* into v_refusal
    from pgvigil.refusals_of_scope('recipient', to_jsonb(new)) as r
    union all
    select r.name, r.message, r.hint
    from (
        values
        -- Not the whole of RFC 5322: what a mail server would refuse at once, and what could smuggle in a header.
        ('recipient_address_is_an_address', length(new.address) > 254 or new.address !~
            '^("[^"[:cntrl:]]+"|[^][@\s[:cntrl:]"(),:;<>\\]+)@[^][@\s[:cntrl:]"(),:;<>\\.]+(\.[^][@\s[:cntrl:]"(),:;<>\\.]+)*$',
            format('%L is not a mail address', new.address), 'One address per row, without a name: somebody@example.org.'),
        ('recipient_min_severity_is_known', new.min_severity not in ('warning', 'critical'),
            format('there is no severity %L', new.min_severity),
            'warning is everything, critical only what is or becomes critical.'),
        ('recipient_language_is_known', new.language not in ('en', 'ko'),
            format('there are no mails in %L', new.language), 'en or ko.')
    ) as r (name, is_so, message, hint)
    where r.is_so
    limit 1;
    if found then
        raise check_violation using
            constraint = v_refusal.name, message = v_refusal.message, hint = v_refusal.hint;
    end if;

    select r.recipient_id into v_other_id
    from pgvigil.recipient as r
    where
        r.recipient_id <> new.recipient_id
        and (r.address, r.host_group, r.metric) is not distinct from (new.address, new.host_group, new.metric);
    if found then
        raise notice 'recipient % is this already', v_other_id
            using hint = format('update pgvigil.recipient set .. where recipient_id = %s;', v_other_id);
    end if;
    new.updated_at := now();
    return new;
end
$$;
comment on function pgvigil.tg_recipient__validate() is 'Trigger of pgvigil.recipient: refuses what is no address or no time zone.';

create or replace trigger _100_validate
before insert or update on pgvigil.recipient
for each row execute function pgvigil.tg_recipient__validate();


create or replace function pgvigil.tg_setting__validate()
returns trigger
language plpgsql
set search_path = pg_temp
as $$
begin
    if tg_op = 'UPDATE' and (new.setting, new.kind) is distinct from (old.setting, old.kind) then
        raise check_violation using
            constraint = 'setting_name_is_fixed',
            message = 'only the value of a setting can be changed',
            hint = 'update pgvigil.setting set value = .. where setting = ..';
    end if;
    begin
        case new.kind
            when 'integer' then perform new.value::integer;
            when 'interval' then perform new.value::interval;
            when 'boolean' then perform new.value::boolean;
            else null;
        end case;
    exception when data_exception then
        raise check_violation using
            constraint = 'setting_value_is_of_its_kind',
            message = format('%s cannot be %L', new.setting, new.value),
            hint = format('It is of kind %s: %s', new.kind, new.description);
    end;
    if new.setting = 'partition_days_ahead' and new.value::integer > 366 then
        raise check_violation using
            constraint = 'setting_value_is_sensible',
            message = format('%s days of partitions are too many', new.value),
            hint = 'Each day is a table for each log table: 366 at most.';
    end if;
    if
        new.kind = 'integer' and new.value::integer > 1000000
        or new.kind = 'interval' and new.value::interval > interval '10 years'
    then
        raise check_violation using
            constraint = 'setting_value_is_sensible',
            message = format('%s cannot be %L', new.setting, new.value),
            hint = 'A million or ten years at most: what is judged by it must not end after the end of time.';
    end if;
    if new.kind = 'integer' and new.value::integer < 1 or new.kind = 'interval' and new.value::interval <= interval '0' then
        raise check_violation using
            constraint = 'setting_value_is_positive',
            message = format('%s cannot be %L', new.setting, new.value),
            hint = 'It must be more than 0.';
    end if;
    return new;
end
$$;
comment on function pgvigil.tg_setting__validate() is 'Trigger of pgvigil.setting: a value is of its kind, and positive.';

create or replace trigger _100_validate
before insert or update on pgvigil.setting
for each row execute function pgvigil.tg_setting__validate();


create or replace function pgvigil.tg_silence__validate()
returns trigger
language plpgsql
set search_path = pg_temp
as $$
declare
    v_refusal record;
begin
    select r.* into v_refusal
    from pgvigil.refusals_of_scope('silence', to_jsonb(new)) as r
    union all
    select r.name, r.message, r.hint
    from (
        values
        ('silence_ends_after_it_starts', new.ends_at <= new.starts_at,
            format('it would end at %s, before it starts at %s', new.ends_at, new.starts_at),
            'Set ends_at later, or null for a silence until the row is deleted.'),
        ('silence_weekdays_need_times', new.weekdays is not null and new.from_time is null,
            'weekdays say nothing without times', 'For whole days: from_time = ''0:00'', to_time = ''0:00''.')
    ) as r (name, is_so, message, hint)
    where r.is_so
    limit 1;
    if found then
        raise check_violation using
            constraint = v_refusal.name, message = v_refusal.message, hint = v_refusal.hint;
    end if;

    if tg_op = 'INSERT' and new.ends_at <= now() then
        raise notice 'this silence is over already: it ended at %', new.ends_at
            using hint = format('update pgvigil.silence set ends_at = .. where silence_id = %s;', new.silence_id);
    elsif num_nonnulls(new.host_name, new.host_group, new.metric, new.resource) = 0 then
        raise notice 'nobody is mailed about anything while silence % lasts', new.silence_id
            using hint = format(
                'Of one host only: update pgvigil.silence set host_name = .. where silence_id = %s;', new.silence_id
            );
    end if;
    return new;
end
$$;
comment on function pgvigil.tg_silence__validate() is 'Trigger of pgvigil.silence: refuses what would never, or always, be silent by mistake.';

create or replace trigger _100_validate
before insert or update on pgvigil.silence
for each row execute function pgvigil.tg_silence__validate();
