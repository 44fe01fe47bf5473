-- The SQL prompt is a user interface: what people edit by hand is checked here, with messages that say what to do.
-- Each refusal names a constraint, as a check would, so that programs can tell them apart.

create or replace function pgvigil.tg_threshold__validate()
returns trigger
language plpgsql
set search_path = ''
as $$
declare
    v_metric pgvigil.metric;
    v_number double precision;
begin
    select m.* into v_metric from pgvigil.metric as m where m.metric = new.metric;
    if not found then
        raise check_violation using
            constraint = 'threshold_metric_exists',
            message = format('there is no metric %L', new.metric),
            hint = 'These can be judged: select metric, unit, title from pgvigil.metric order by 1;';
    end if;

    foreach v_number in array array[new.warning, new.critical, new.clear_band]
    loop
        if v_number in ('NaN', 'Infinity', '-Infinity') then
            raise check_violation using
                constraint = 'threshold_limits_are_finite',
                message = format('%s is not a limit', v_number),
                hint = 'Give a number, or null for no limit.';
        end if;
    end loop;

    if new.mode <> 'off' and new.warning is null and new.critical is null then
        raise check_violation using
            constraint = 'threshold_has_a_limit',
            message = 'a rule needs warning or critical, or both',
            hint = 'To exempt something from a wider rule, set mode = ''off''.';
    end if;

    if v_metric.unit = 'percent' and greatest(new.warning, new.critical) > 100 then
        raise check_violation using
            constraint = 'threshold_percent_can_be_reached',
            message = format('%s never exceeds 100 %%, so %s would never fire', new.metric, greatest(new.warning, new.critical)),
            hint = 'Set a limit of 100 or less, or null for none.';
    end if;

    if v_metric.direction = 'above' and new.critical < new.warning then
        raise check_violation using
            constraint = 'threshold_critical_is_beyond_warning',
            message = format('critical (%s) is below warning (%s), but %s is bad when it is high', new.critical, new.warning, new.metric),
            hint = format('Set critical to %s or more, or leave one of them null.', new.warning);
    elsif v_metric.direction = 'below' and new.critical > new.warning then
        raise check_violation using
            constraint = 'threshold_critical_is_beyond_warning',
            message = format('critical (%s) is above warning (%s), but %s is bad when it is low', new.critical, new.warning, new.metric),
            hint = format('Set critical to %s or less, or leave one of them null.', new.warning);
    end if;

    if new.clear_band < 0 then
        raise check_violation using
            constraint = 'threshold_clear_band_is_not_negative',
            message = format('clear_band is %s', new.clear_band),
            hint = 'It is a distance: 0 or more, or null for 5 % of the limit.';
    end if;
    -- Every metric is 0 or more, so 0 must lie below the limit by more than the band.
    if
        v_metric.direction = 'above'
        and coalesce(new.clear_band, 0) >= coalesce(new.warning, new.critical)
    then
        raise check_violation using
            constraint = 'threshold_can_clear',
            message = format(
                'an alert at %s with clear_band %s could never end',
                coalesce(new.warning, new.critical), coalesce(new.clear_band, 0)
            ),
            hint = 'Every value is 0 or more: set a limit above 0, and clear_band smaller than it or null for 5 % of it.';
    end if;

    -- LIKE would raise an error at every sample.
    if new.resource ~ '(^|[^\\])(\\\\)*\\$' then
        raise check_violation using
            constraint = 'threshold_resource_is_a_pattern',
            message = format('the pattern %L ends in the middle of an escape', new.resource),
            hint = 'A backslash takes the next character literally: \\ for the backslash itself, \% for %, \_ for _.';
    end if;

    if
        new.host_group is not null
        and not exists (select from pgvigil.host as h where new.host_group = any(h.groups))
    then
        raise notice 'no host is in group % yet', new.host_group;
    end if;

    -- one that is off can be as it likes: what is broken must be possible to switch off
    if new.mode <> 'off' and (new.remind_every <= interval '0' or new.remind_every > interval '10 years') then
        raise check_violation using
            constraint = 'threshold_remind_every_is_sensible',
            message = format('remind_every is %s', new.remind_every),
            hint = 'More than 0, such as ''4 hours''; null for no reminders.';
    end if;

    if new.hold < interval '0' then
        raise check_violation using
            constraint = 'threshold_hold_is_not_negative',
            message = format('hold is %s', new.hold),
            hint = 'Give an interval such as ''5 minutes'', or ''0'' to mail at the first sample over the limit.';
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
set search_path = ''
as $$
begin
    -- Not the whole of RFC 5322: what a mail server would refuse at once, and what could smuggle in a header.
    if
        new.address !~ '^("[^"[:cntrl:]]+"|[^][@\s[:cntrl:]"(),:;<>\\]+)@[^][@\s[:cntrl:]"(),:;<>\\.]+(\.[^][@\s[:cntrl:]"(),:;<>\\.]+)*$'
        or length(new.address) > 254
    then
        raise check_violation using
            constraint = 'recipient_address_is_an_address',
            message = format('%L is not a mail address', new.address),
            hint = 'One address per row, without a name: somebody@example.org.';
    end if;
    if not (new.weekdays <@ array[1, 2, 3, 4, 5, 6, 7]::smallint []) or new.weekdays = '{}' then
        raise check_violation using
            constraint = 'recipient_weekdays_are_days',
            message = format('%s are no days of the week', new.weekdays),
            hint = '1 = Monday .. 7 = Sunday, as in ''{1,2,3,4,5}''; null for every day.';
    end if;
    if not exists (select from pg_catalog.pg_timezone_names as z where z.name = new.time_zone) then
        raise check_violation using
            constraint = 'recipient_time_zone_exists',
            message = format('there is no time zone %L', new.time_zone),
            hint = 'Names such as ''Asia/Seoul'': select name from pg_timezone_names order by 1;';
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
set search_path = ''
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
set search_path = ''
as $$
begin
    if new.ends_at <= new.starts_at then
        raise check_violation using
            constraint = 'silence_ends_after_it_starts',
            message = format('it would end at %s, before it starts at %s', new.ends_at, new.starts_at),
            hint = 'Set ends_at later, or null for a silence until the row is deleted.';
    end if;
    if new.resource ~ '(^|[^\\])(\\\\)*\\$' then
        raise check_violation using
            constraint = 'silence_resource_is_a_pattern',
            message = format('the pattern %L ends in the middle of an escape', new.resource),
            hint = 'A backslash takes the next character literally: \\ for the backslash itself, \% for %, \_ for _.';
    end if;
    if not (new.weekdays <@ array[1, 2, 3, 4, 5, 6, 7]::smallint []) or new.weekdays = '{}' then
        raise check_violation using
            constraint = 'silence_weekdays_are_days',
            message = format('%s are no days of the week', new.weekdays),
            hint = '1 = Monday .. 7 = Sunday, as in ''{6,7}''; null for every day.';
    end if;
    if not exists (select from pg_catalog.pg_timezone_names as z where z.name = new.time_zone) then
        raise check_violation using
            constraint = 'silence_time_zone_exists',
            message = format('there is no time zone %L', new.time_zone),
            hint = 'Names such as ''Asia/Seoul'': select name from pg_timezone_names order by 1;';
    end if;
    return new;
end
$$;
comment on function pgvigil.tg_silence__validate() is 'Trigger of pgvigil.silence: refuses what would never, or always, be silent by mistake.';

create or replace trigger _100_validate
before insert or update on pgvigil.silence
for each row execute function pgvigil.tg_silence__validate();
