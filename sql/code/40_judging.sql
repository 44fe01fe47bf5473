-- Judging the samples, in the transaction that stores them.
--
-- insert into cpu_log -> tg_cpu_log__judge(): does any value pass the gate, or has the host an open alert here? Nearly
-- always not: that is all. Otherwise judge() takes the host's lock, asks next_state() for each series concerned, and
-- writes what changed. The triggers are in 45_judging_triggers.sql. Nothing here reads a clock: time is that of the
-- sample.

do $$
begin
    if to_regtype('pgvigil.reading') is null then
        create type pgvigil.reading as (
            host_id integer,
            metric text,
            resource text,
            at timestamptz,
            stored_at timestamptz,
            value double precision,
            detail text
        );
    end if;
end
$$;
comment on type pgvigil.reading is 'One value of one series, as the triggers hand it to judge().';


create or replace function pgvigil.is_future(p_at timestamptz, p_stored_at timestamptz)
returns boolean
language sql
immutable
as $$
    select p_at > p_stored_at + interval '10 minutes'
$$;
comment on function pgvigil.is_future(timestamptz, timestamptz) is 'Whether the clock of a host ran ahead when it took a sample.';


create or replace function pgvigil.has_newer_sample(p_log_table text, p_reading pgvigil.reading)
returns boolean
language plpgsql
stable
set search_path = pg_temp
as $$
declare
    v_found boolean;
begin
    if p_log_table is null then
        return false;
    end if;
    execute (
        select
            format(
                'select exists (select from pgvigil.%I where host_id = $1 and %I = $2'
                ' and created_at > $3 and updated_at <> $4 and %I is not null'
                -- A clock that ran ahead and was set right must not make all samples late until it is caught up with.
                ' and (pgvigil.is_future($3, $4) or not pgvigil.is_future(created_at, updated_at)))',
                t.log_table, t.resource_column, m.column_name
            )
        from pgvigil.log_table as t
        inner join pgvigil.metric as m on m.log_table = t.log_table
        where t.log_table = p_log_table and m.metric = p_reading.metric
    )
    into v_found
    using p_reading.host_id, p_reading.resource, p_reading.at, p_reading.stored_at;
    return v_found;
end
$$;
comment on function pgvigil.has_newer_sample(text, pgvigil.reading) is 'Whether an earlier statement stored a newer sample of this series: then this one is late, and too late to change a state.';


create or replace function pgvigil.has_open_alert(p_host_id integer, p_metric text, p_resource text)
returns boolean
language sql
stable
set search_path = pg_temp
as $$
    select exists (
        select from pgvigil.alert as a
        where a.host_id = p_host_id and a.metric = p_metric and a.resource = p_resource and a.resolved_at is null
    )
$$;
comment on function pgvigil.has_open_alert(integer, text, text) is 'Whether a series is pending or firing.';


create or replace function pgvigil.mail_of_event(
    p_event text, p_is_reopened boolean, p_is_quiet boolean, p_is_worse boolean
)
returns text
language sql
immutable
as $$
    select case
        -- while it flaps only getting worse than ever before is news
        when p_is_quiet then case when p_is_worse then 'escalated' end
        when p_event = 'fired' and p_is_reopened then 'flapping'
        else p_event
    end
$$;
comment on function pgvigil.mail_of_event(text, boolean, boolean, boolean) is 'The mail that an event is worth, null if none: what comes and goes is mailed once. Pure; the backtest asks it too.';


create or replace function pgvigil.close_alert(
    p_alert pgvigil.alert, p_reading pgvigil.reading, p_event text
)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    if p_alert.state = 'pending' then
        delete from pgvigil.alert as a where a.host_id = p_alert.host_id and a.alert_id = p_alert.alert_id;
        return;
    end if;
    update pgvigil.alert as a
    set
        state = 'resolved',
        resolved_at = greatest(p_reading.at, a.fired_at),
        judged_at = p_reading.at,
        value = p_reading.value,
        unknown_since = null,
        next_remind_at = null,
        quiet_until = case
            when a.quiet_until is not null then p_reading.stored_at + pgvigil.setting('flap_window')::interval
        end,
        updated_at = p_reading.stored_at
    where a.host_id = p_alert.host_id and a.alert_id = p_alert.alert_id
    returning a.* into p_alert;
    perform pgvigil.note_event(
        p_alert, p_event, pgvigil.mail_of_event(p_event, false, p_alert.quiet_until is not null, false),
        p_reading.at, p_reading.stored_at
    );
end
$$;
comment on function pgvigil.close_alert(pgvigil.alert, pgvigil.reading, text) is 'Ends an alert: one that fired is resolved and mailed, one that was only pending leaves no trace.';


create or replace function pgvigil.cancel_alert(p_alert pgvigil.alert)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    -- A sample under way may be about to end it: whoever comes second finds it ended.
    perform pgvigil.lock_host(p_alert.host_id);
    select a.* into p_alert
    from pgvigil.alert as a
    where a.host_id = p_alert.host_id and a.alert_id = p_alert.alert_id and a.resolved_at is null;
    if found then
        perform pgvigil.close_alert(
            p_alert,
            (
                p_alert.host_id, p_alert.metric, p_alert.resource, statement_timestamp(), statement_timestamp(),
                p_alert.value, null
            )::pgvigil.reading,
            'cancelled'
        );
    end if;
end
$$;
comment on function pgvigil.cancel_alert(pgvigil.alert) is 'Ends an alert that no sample will end: what it is about is not watched any more.';


create or replace function pgvigil.open_alert(
    p_log_table text, p_reading pgvigil.reading, p_alert pgvigil.alert, p_state pgvigil.alert_state
)
returns pgvigil.alert
language plpgsql
set search_path = pg_temp
as $$
declare
    v_old pgvigil.alert;
begin
    if p_state.event = 'fired' then
        select a.* into v_old
        from pgvigil.alert as a
        where
            a.host_id = p_reading.host_id
            and a.metric = p_reading.metric
            and a.resource = p_reading.resource
            and a.resolved_at is not null
            -- when its end was stored: people and tick() live by the server's clock
            and a.updated_at > p_reading.stored_at - pgvigil.setting('flap_window')::interval
        order by a.resolved_at desc
        limit 1;
    end if;
    if p_log_table is not null and (v_old.alert_id is not null or p_alert.alert_id is null) then
        insert into pgvigil.gate (host_id, log_table, above, below, has_open_alert)
        values (p_reading.host_id, p_log_table, '{}', '{}', true)
        on conflict do nothing;
    end if;
    if v_old.alert_id is not null then
        -- It is back before it was really over: the same incident goes on.
        delete from pgvigil.alert as a where a.host_id = p_alert.host_id and a.alert_id = p_alert.alert_id;
        update pgvigil.alert as a
        set
            reopened = a.reopened + 1,
            state = 'firing',
            resolved_at = null,
            acknowledged_at = null,
            acknowledged_by = null,
            acknowledged_note = null,
            -- that it had ended is not to be told any more
            withheld_event = case when a.withheld_event not in ('resolved', 'cancelled') then a.withheld_event end
        where a.host_id = v_old.host_id and a.alert_id = v_old.alert_id
        returning a.* into v_old;
        return v_old;
    elsif p_alert.alert_id is not null then
        return p_alert;
    end if;
    insert into pgvigil.alert (
        host_id, log_table, metric, resource, state, severity, value, peak_value, hold, pending_at, judged_at
    )
    values (
        p_reading.host_id, p_log_table, p_reading.metric, p_reading.resource, 'pending', p_state.severity,
        p_reading.value, p_reading.value, interval '0', p_reading.at, p_reading.at
    )
    returning * into v_old;
    return v_old;
end
$$;
comment on function pgvigil.open_alert(text, pgvigil.reading, pgvigil.alert, pgvigil.alert_state) is 'The row that keeps the state of a series that is over its limit: the open one, the one that was over only just, or a new one.';


create or replace function pgvigil.keep_state(
    p_log_table text, p_reading pgvigil.reading, p_alert pgvigil.alert, p_state pgvigil.alert_state, p_rule record
)
returns void
language plpgsql
set search_path = pg_temp
as $$
declare
    v_limit constant pgvigil.alert_limit := p_rule.alert_limit;
    v_window constant interval := pgvigil.setting('flap_window')::interval;
    v_was pgvigil.alert;
    v_mail text;
begin
    if p_state.state = 'ok' then
        if p_alert.alert_id is not null then
            perform pgvigil.close_alert(p_alert, p_reading, 'resolved');
        end if;
        return;
    end if;

    v_was := pgvigil.open_alert(p_log_table, p_reading, p_alert, p_state);
    v_mail := pgvigil.mail_of_event(
        p_state.event,
        v_was.reopened > 0 and v_was.quiet_until is null,
        v_was.quiet_until is not null,
        v_was.worst_severity = 'warning' and p_state.severity = 'critical'
    );
    if
        p_state.event is null and v_was.state = 'firing' and v_was.is_shadow and p_rule.mode = 'armed'
        and not exists (
            select from pgvigil.mail as m where m.host_id = v_was.host_id and m.alert_id = v_was.alert_id
        )
    then
        -- Armed while it fires: nobody has heard of it.
        v_mail := 'fired';
    end if;
    update pgvigil.alert as a
    set
        threshold_id = p_rule.threshold_id,
        is_shadow = p_rule.mode = 'shadow',
        state = p_state.state,
        severity = p_state.severity,
        worst_severity = case when p_state.state = 'firing' then least(a.worst_severity, p_state.severity) else 'warning' end,
        value = p_reading.value,
        peak_value = case
            when v_limit.direction = 'below' then least(a.peak_value, p_reading.value)
            else greatest(a.peak_value, p_reading.value)
        end,
        warning = v_limit.warning,
        critical = v_limit.critical,
        hold = v_limit.hold,
        pending_at = case when a.fired_at is null then p_state.pending_at else a.pending_at end,
        judged_at = p_reading.at,
        fired_at = case when p_state.state = 'firing' then coalesce(a.fired_at, p_reading.at) end,
        quiet_until = case
            when p_state.event = 'fired' and a.reopened > 0 then p_reading.stored_at + v_window
            else a.quiet_until
        end,
        next_remind_at = case
            when p_rule.remind_every is null then null
            when p_state.event = 'fired' or v_mail is not null then p_reading.stored_at + p_rule.remind_every
            -- as the rule is now
            else least(a.next_remind_at, p_reading.stored_at + p_rule.remind_every)
        end,
        unknown_since = null,
        detail = coalesce(p_reading.detail, a.detail),
        updated_at = p_reading.stored_at
    where a.host_id = v_was.host_id and a.alert_id = v_was.alert_id
    returning a.* into v_was;
    if p_state.event is not null then
        perform pgvigil.note_event(v_was, p_state.event, v_mail, p_reading.at, p_reading.stored_at);
    elsif v_mail is not null then
        perform pgvigil.deliver(v_was, v_mail, p_reading.stored_at);
    end if;
end
$$;
comment on function pgvigil.keep_state(text, pgvigil.reading, pgvigil.alert, pgvigil.alert_state, record) is 'Writes the state of a series into its alert, and the mails of the event, if it is one. The record is a row of rank_thresholds().';


create or replace function pgvigil.judge_reading(p_log_table text, p_reading pgvigil.reading)
returns void
language plpgsql
set search_path = pg_temp
as $$
declare
    v_alert pgvigil.alert;
    v_state pgvigil.alert_state;
    v_rule record;
    v_threshold_id bigint;
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
        if
            pgvigil.is_future(v_alert.judged_at, p_reading.stored_at)
            and not pgvigil.is_future(p_reading.at, p_reading.stored_at)
        then
            -- The sample judged before came from the future: it says nothing of what is late now.
            if pgvigil.has_newer_sample(p_log_table, p_reading) then
                return;
            end if;
            v_state.judged_at := null;
        end if;
    end if;

    select r.* into v_rule
    from pgvigil.rank_thresholds(p_reading.host_id, p_reading.metric, p_reading.resource) as r
    where r.rank = 1;
    v_threshold_id := v_rule.threshold_id;

    if v_rule.threshold_id is null or v_rule.mode = 'off' then
        if v_alert.alert_id is not null and (v_state.judged_at is null or p_reading.at > v_state.judged_at) then
            perform pgvigil.close_alert(v_alert, p_reading, 'cancelled');
        end if;
        return;
    end if;

    v_state := pgvigil.next_state(v_state, v_rule.alert_limit, p_reading.at, p_reading.value);
    if v_state.judged_at = p_reading.at and v_state.judged_at is distinct from v_alert.judged_at then
        perform pgvigil.keep_state(p_log_table, p_reading, v_alert, v_state, v_rule);
    end if;
exception when others then
    perform pgvigil.record_rule_error(p_log_table, p_reading, v_threshold_id, sqlstate, sqlerrm);
end
$$;
comment on function pgvigil.judge_reading(text, pgvigil.reading) is 'Judges one value by the rule that wins, and keeps the state that follows. A rule that fails does not cost the sample, nor stop the others.';


create or replace function pgvigil.record_rule_error(
    p_log_table text, p_reading pgvigil.reading, p_threshold_id bigint, p_sqlstate text, p_message text
)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    -- A lost connection, a deadlock, a full disk, a lock not to be had, a cancelled statement, a broken file, a second
    -- open alert (of a transaction that cannot see the first): no rule's fault, and over some time. The sample fails,
    -- and its agent tries it again. Whatever else it is will come again with each sample, so it must not cost one.
    if left(p_sqlstate, 2) in ('08', '40', '53', '55', '57', '58') or p_sqlstate = '23505' then
        raise exception using errcode = p_sqlstate, message = p_message;
    end if;
    insert into pgvigil.rule_error (host_id, log_table, metric, resource, threshold_id, message)
    values (
        p_reading.host_id, p_log_table, p_reading.metric, p_reading.resource,
        -- Only numbers out of range are a rule's own. All else can be what this one host sent, for which no rule of
        -- the whole fleet is switched off.
        case when p_sqlstate like '22%' then p_threshold_id end, left(p_message, 500)
    )
    on conflict do nothing;
end
$$;
comment on function pgvigil.record_rule_error(text, pgvigil.reading, bigint, text, text) is 'Notes that judging failed; tick() mails that, and switches off the rule if it is its fault.';


create or replace function pgvigil.lock_host(p_host_id integer)
returns void
language sql
set search_path = pg_temp
as $$
    select from pgvigil.host_lock as l where l.host_id = p_host_id for update
$$;
comment on function pgvigil.lock_host(integer) is 'Makes whoever judges a host wait for its turn, until the transaction ends. Take several hosts in the order of host_id.';


create or replace function pgvigil.try_lock_host(p_host_id integer)
returns boolean
language plpgsql
set search_path = pg_temp
as $$
begin
    perform from pgvigil.host_lock as l where l.host_id = p_host_id for update skip locked;
    return found;
end
$$;
comment on function pgvigil.try_lock_host(integer) is 'Takes the lock of a host if nobody has it: whoever has it is storing a sample of the host right now.';


create or replace function pgvigil.judge(p_log_table text, p_readings pgvigil.reading[])
returns void
language plpgsql
set search_path = pg_temp
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
        perform pgvigil.lock_host(v_host_id);
    end loop;

    for v_reading in
        select (c.reading).*
        from (
            select
                (r.*)::pgvigil.reading as reading,
                -- of a batch all of a series: one row may open an alert that the next one ends
                bool_or(
                    r.value >= g.above[m.position]
                    or r.value <= g.below[m.position]
                    or pgvigil.has_open_alert(r.host_id, r.metric, r.resource)
                ) over (partition by r.host_id, r.metric, r.resource) as is_concerned
            from unnest(p_readings) as r
            inner join pgvigil.metric as m on m.metric = r.metric
            inner join pgvigil.gate as g
                on g.host_id = r.host_id and g.log_table = m.log_table and not g.has_open_alert
        ) as c
        where c.is_concerned
        order by (c.reading).at, (c.reading).host_id, (c.reading).metric, (c.reading).resource
    loop
        perform pgvigil.judge_reading(p_log_table, v_reading);
    end loop;
end
$$;
comment on function pgvigil.judge(text, pgvigil.reading[]) is 'Judges what came through the gate, oldest first.';
