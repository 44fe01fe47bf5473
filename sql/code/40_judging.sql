-- Judging the samples, in the transaction that stores them.
--
-- insert into cpu_log -> tg_cpu_log__judge(): does any value pass the gate, or has the host an open alert here? Nearly
-- always not: that is all. Otherwise judge() takes the host's lock, asks next_state() for each series concerned, and
-- writes what changed. The trigger functions are written by rebuild_judging() from the rows of pgvigil.metric, so that
-- a new metric is a column and a row. Nothing here reads a clock: time is that of the sample.

do $$
begin
    if to_regtype('pgvigil.reading') is null then
        create type pgvigil.reading as (
            host_id integer,
            metric text,
            resource text,
            at timestamptz,
            stored_at timestamptz,
            value double precision
        );
    end if;
end
$$;
comment on type pgvigil.reading is 'One value of one series, as the triggers hand it to judge().';


create or replace function pgvigil.has_newer_sample(p_log_table text, p_reading pgvigil.reading)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
declare
    v_found boolean;
begin
    execute (
        select
            format(
                'select exists (select from pgvigil.%I where host_id = $1 and %I = $2'
                ' and created_at > $3 and updated_at <> $4)',
                t.log_table, t.resource_column
            )
        from pgvigil.log_table as t
        where t.log_table = p_log_table
    )
    into v_found
    using p_reading.host_id, p_reading.resource, p_reading.at, p_reading.stored_at;
    return v_found;
end
$$;
comment on function pgvigil.has_newer_sample(text, pgvigil.reading) is 'Whether an earlier statement stored a newer sample of this series: then this one is late, and too late to change a state.';


create or replace function pgvigil.judge_reading(p_log_table text, p_reading pgvigil.reading)
returns void
language plpgsql
set search_path = ''
as $$
declare
    v_alert pgvigil.alert;
    v_state pgvigil.alert_state;
    v_rule record;
begin
    select a.* into v_alert
    from pgvigil.alert as a
    where
        a.host_id = p_reading.host_id
        and a.metric = p_reading.metric
        and a.resource = p_reading.resource
        and a.resolved_at is null;

    if v_alert.alert_id is null then
        if pgvigil.has_newer_sample(p_log_table, p_reading) then
            return;
        end if;
        v_state.state := 'ok';
    else
        v_state := (v_alert.state, v_alert.severity, v_alert.pending_at, v_alert.judged_at, null);
    end if;

    select r.* into v_rule
    from pgvigil.rank_thresholds(p_reading.host_id, p_reading.metric, p_reading.resource) as r
    where r.rank = 1;

    if v_rule.threshold_id is null or v_rule.mode = 'off' then
        if v_alert.alert_id is not null and p_reading.at > v_alert.judged_at then
            perform pgvigil.close_alert(v_alert, p_reading.at, p_reading.value, 'cancelled');
        end if;
        return;
    end if;

    v_state := pgvigil.next_state(v_state, v_rule.alert_limit, p_reading.at, p_reading.value);
    if v_state.judged_at is distinct from v_alert.judged_at then
        perform pgvigil.keep_state(p_log_table, p_reading, v_alert, v_state, v_rule.threshold_id, v_rule.mode, v_rule.alert_limit);
    end if;
end
$$;
comment on function pgvigil.judge_reading(text, pgvigil.reading) is 'Judges one value by the rule that wins, and keeps the state that follows.';


create or replace function pgvigil.close_alert(
    p_alert pgvigil.alert, p_at timestamptz, p_value double precision, p_event text
)
returns void
language plpgsql
set search_path = ''
as $$
begin
    if p_alert.state = 'pending' then
        delete from pgvigil.alert as a where a.host_id = p_alert.host_id and a.alert_id = p_alert.alert_id;
        return;
    end if;
    update pgvigil.alert as a
    set state = 'resolved', resolved_at = p_at, judged_at = p_at, value = p_value, updated_at = statement_timestamp()
    where a.host_id = p_alert.host_id and a.alert_id = p_alert.alert_id
    returning a.* into p_alert;
    perform pgvigil.queue_mail(p_alert, p_event);
end
$$;
comment on function pgvigil.close_alert(pgvigil.alert, timestamptz, double precision, text) is 'Ends an alert: one that fired is resolved and mailed, one that was only pending leaves no trace.';


create or replace function pgvigil.keep_state(
    p_log_table text,
    p_reading pgvigil.reading,
    p_alert pgvigil.alert,
    p_state pgvigil.alert_state,
    p_threshold_id bigint,
    p_mode text,
    p_limit pgvigil.alert_limit
)
returns void
language plpgsql
set search_path = ''
as $$
begin
    if p_state.state = 'ok' then
        if p_alert.alert_id is not null then
            perform pgvigil.close_alert(p_alert, p_reading.at, p_reading.value, 'resolved');
        end if;
        return;
    end if;

    if p_alert.alert_id is null then
        insert into pgvigil.alert (
            host_id, log_table, metric, resource, threshold_id, state, severity, is_shadow, value, peak_value,
            warning, critical, hold, pending_at, judged_at, fired_at
        )
        values (
            p_reading.host_id, p_log_table, p_reading.metric, p_reading.resource, p_threshold_id, p_state.state,
            p_state.severity, p_mode = 'shadow', p_reading.value, p_reading.value, p_limit.warning, p_limit.critical,
            p_limit.hold, p_state.pending_at, p_reading.at, case p_state.state when 'firing' then p_reading.at end
        )
        returning * into p_alert;
    else
        update pgvigil.alert as a
        set
            threshold_id = p_threshold_id,
            state = p_state.state,
            severity = p_state.severity,
            is_shadow = p_mode = 'shadow',
            value = p_reading.value,
            peak_value = case
                when p_limit.direction = 'below' then least(a.peak_value, p_reading.value)
                else greatest(a.peak_value, p_reading.value)
            end,
            warning = p_limit.warning,
            critical = p_limit.critical,
            hold = p_limit.hold,
            pending_at = p_state.pending_at,
            judged_at = p_reading.at,
            fired_at = case p_state.event when 'fired' then p_reading.at else a.fired_at end,
            updated_at = statement_timestamp()
        where a.host_id = p_alert.host_id and a.alert_id = p_alert.alert_id
        returning a.* into p_alert;
    end if;

    if p_state.event is not null then
        perform pgvigil.queue_mail(p_alert, p_state.event);
    end if;
end
$$;
comment on function pgvigil.keep_state(text, pgvigil.reading, pgvigil.alert, pgvigil.alert_state, bigint, text, pgvigil.alert_limit) is 'Writes the state of a series into its alert, and the mails of the event, if it is one.';


create or replace function pgvigil.record_rule_error(
    p_log_table text, p_reading pgvigil.reading, p_message text
)
returns void
language plpgsql
set search_path = ''
as $$
begin
    insert into pgvigil.rule_error (host_id, log_table, metric, resource, message)
    values (p_reading.host_id, p_log_table, p_reading.metric, p_reading.resource, p_message);
    raise warning 'judging % of % failed: %', p_reading.metric, p_log_table, p_message
        using hint = 'select * from pgvigil.rule_error order by created_at desc;';
end
$$;
comment on function pgvigil.record_rule_error(text, pgvigil.reading, text) is 'Notes that judging failed, so that it can be mended: the sample is stored all the same.';


create or replace function pgvigil.judge(p_log_table text, p_readings pgvigil.reading[])
returns void
language plpgsql
set search_path = ''
as $$
declare
    v_host_id integer;
    v_reading pgvigil.reading;
begin
    -- One writer per host at a time, in one order: two transactions never see half of each other's alerts, and never
    -- wait for each other in a circle.
    for v_host_id in
        select distinct r.host_id from unnest(p_readings) as r order by r.host_id
    loop
        perform pg_advisory_xact_lock(hashtext('pgvigil.judge'), v_host_id);
    end loop;

    for v_reading in
        select r.*
        from unnest(p_readings) as r
        inner join pgvigil.metric as m on m.metric = r.metric
        inner join pgvigil.gate as g on g.host_id = r.host_id and g.log_table = m.log_table
        where
            r.value >= g.above[m.position]
            or r.value <= g.below[m.position]
            or exists (
                select from pgvigil.alert as a
                where
                    a.host_id = r.host_id
                    and a.metric = r.metric
                    and a.resource = r.resource
                    and a.resolved_at is null
            )
            -- the row before in this batch may open an alert that this row ends
            or cardinality(p_readings) > 1 and exists (
                select from unnest(p_readings) as e
                where e.host_id = r.host_id and e.metric = r.metric and e.resource = r.resource and e.at < r.at
            )
        order by r.at, r.host_id, r.metric, r.resource
    loop
        begin
            perform pgvigil.judge_reading(p_log_table, v_reading);
        exception
            -- These two are about other transactions, not about the rule: the agent tries the sample again.
            when deadlock_detected or serialization_failure then raise;
            when others then perform pgvigil.record_rule_error(p_log_table, v_reading, sqlerrm);
        end;
    end loop;
end
$$;
comment on function pgvigil.judge(text, pgvigil.reading[]) is 'Judges what came through the gate, oldest first, each series by itself: one that fails does not stop the others.';


create or replace function pgvigil.rebuild_judging()
returns void
language plpgsql
security definer
set search_path = ''
as $rebuild$
declare
    v_table record;
begin
    for v_table in
        select
            t.log_table,
            t.resource_column,
            string_agg(
                case m.direction
                    when 'below' then format('n.%I <= g.below[%s]', m.column_name, m.position)
                    else format('n.%I >= g.above[%s]', m.column_name, m.position)
                end,
                E'\n            or ' order by m.position
            ) as passes,
            string_agg(format('(%L, n.%I::float8)', m.metric, m.column_name), E',\n                ' order by m.position)
                as readings
        from pgvigil.log_table as t
        inner join pgvigil.metric as m on m.log_table = t.log_table
        group by t.log_table, t.resource_column
    loop
        execute format(
            $template$
create or replace function pgvigil.%1$I()
returns trigger
language plpgsql
security definer
set search_path = ''
as $judge$
declare
    v_rows pgvigil.%2$I [];
begin
    -- Copied before any other table is read: on Citus the transition table is gone afterwards.
    v_rows := array(select n from new_rows as n);
    if exists (
        select from unnest(v_rows) as n
        inner join pgvigil.gate as g on g.host_id = n.host_id and g.log_table = %2$L
        where
            %4$s
    ) or exists (
        select from pgvigil.alert as a
        where a.host_id = v_rows[1].host_id and a.log_table = %2$L and a.resolved_at is null
    ) then
        perform pgvigil.judge(%2$L, array(
            select (n.host_id, m.metric, n.%3$I, n.created_at, n.updated_at, m.value)::pgvigil.reading
            from unnest(v_rows) as n
            cross join lateral (values
                %5$s
            ) as m (metric, value)
            where m.value is not null
        ));
    end if;
    return null;
exception
    when deadlock_detected or serialization_failure then raise;
    when others then
        perform pgvigil.record_rule_error(%2$L, null, sqlerrm);
        return null;
end
$judge$
            $template$,
            format('tg_%s__judge', v_table.log_table),
            v_table.log_table,
            v_table.resource_column,
            v_table.passes,
            v_table.readings
        );
        execute format(
            'comment on function pgvigil.%I() is %L',
            format('tg_%s__judge', v_table.log_table),
            'Trigger of pgvigil.' || v_table.log_table || ', written by rebuild_judging(): the cheap first test, then judge().'
        );
        -- On the parent only: an insert straight into a partition would not be judged, so nobody may do that.
        execute format(
            'create or replace trigger _500_judge after insert on pgvigil.%I'
            ' referencing new table as new_rows for each statement execute function pgvigil.%I()',
            v_table.log_table, format('tg_%s__judge', v_table.log_table)
        );
    end loop;
    perform pgvigil.refresh_gate();
end
$rebuild$;
comment on function pgvigil.rebuild_judging() is 'Writes the trigger functions of the log tables anew from pgvigil.metric.';


create or replace function pgvigil.tg_metric__rebuild_judging()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
    perform pgvigil.rebuild_judging();
    return null;
end
$$;
comment on function pgvigil.tg_metric__rebuild_judging() is 'Trigger of pgvigil.metric: a new metric is judged from the next sample on.';

create or replace trigger _500_rebuild_judging
after insert or update or delete on pgvigil.metric
for each statement execute function pgvigil.tg_metric__rebuild_judging();

select pgvigil.rebuild_judging();
