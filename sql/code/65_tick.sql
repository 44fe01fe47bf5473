-- What only time reveals. Mailers call tick() every few seconds; whoever comes first does the work. Each part takes
-- the time as an argument, so a year can be played in a second.

create or replace function pgvigil.judge_derived(
    p_host_id integer, p_metric text, p_resource text, p_value double precision, p_as_of timestamptz,
    p_detail text default null
)
returns void
language sql
set search_path = pg_temp
as $$
    select pgvigil.judge_reading(
        null, (p_host_id, p_metric, p_resource, p_as_of, p_as_of, p_value, p_detail)::pgvigil.reading
    )
$$;
comment on function pgvigil.judge_derived(integer, text, text, double precision, timestamptz, text) is 'Judges a value that no column holds, by the same rules and the same state machine.';


create or replace function pgvigil.seen_at(p_host_id integer, p_as_of timestamptz)
returns timestamptz
language sql
stable
set search_path = pg_temp
as $$
    -- By the server's clock. The newest sample is that of the greatest created_at, unless the host's clock once ran
    -- ahead: then the last minutes by the server's clock tell.
    select max(s.updated_at)
    from (
        (
            select l.updated_at from pgvigil.memory_log as l
            where l.host_id = p_host_id and l.created_at <= p_as_of
            order by l.created_at desc limit 1
        )
        union all
        (
            select l.updated_at from pgvigil.memory_log as l
            where l.host_id = p_host_id
            order by l.created_at desc limit 1
        )
        union all
        (
            select l.updated_at from pgvigil.cpu_log as l
            where l.host_id = p_host_id and l.created_at <= p_as_of
            order by l.created_at desc limit 1
        )
    ) as s
$$;
comment on function pgvigil.seen_at(integer, timestamptz) is 'When the server last stored a sample of a host; null if never.';


create or replace function pgvigil.watch_silence(p_as_of timestamptz)
returns integer
language plpgsql
set search_path = pg_temp
as $$
declare
    v_least double precision;
    v_host record;
    v_first_mail bigint := coalesce((select max(m.mail_id) from pgvigil.mail as m), 0);
    v_count integer := 0;
    -- The server was down, or no mailer ran: then it is not the hosts that were silent.
    v_since timestamptz := (select u.since from pgvigil.upkeep as u where u.task = 'watch_silence');
begin
    -- Whoever may be silent again is not accused any more.
    perform pgvigil.cancel_alert(a)
    from pgvigil.alert as a
    inner join pgvigil.host as h on h.host_id = a.host_id
    where a.metric = 'host_silence' and a.resolved_at is null and not h.expected and pgvigil.try_lock_host(a.host_id);

    select coalesce(min(least(t.warning, t.critical)), 'infinity') into v_least
    from pgvigil.threshold as t
    where t.metric = 'host_silence' and t.mode <> 'off';

    for v_host in
        select
            h.host_id,
            extract(
                epoch from p_as_of - greatest(coalesce(pgvigil.seen_at(h.host_id, p_as_of), h.created_at), v_since)
            ) as silence
        from pgvigil.host as h
        where
            not h.is_deleted
            and h.expected
        order by h.host_id
    loop
        if v_host.silence >= v_least and v_host.silence < 3600 then
            -- A clock that was set back takes samples that look older than the last one: look for what came in lately.
            v_host.silence := least(v_host.silence, extract(epoch from p_as_of - (
                select max(s.updated_at)
                from (
                    select l.updated_at from pgvigil.memory_log as l
                    where l.host_id = v_host.host_id and l.created_at between p_as_of - interval '1 hour' and p_as_of
                    union all
                    select l.updated_at from pgvigil.cpu_log as l
                    where l.host_id = v_host.host_id and l.created_at between p_as_of - interval '1 hour' and p_as_of
                ) as s
            )));
        end if;
        continue when not (
            v_host.silence >= v_least or pgvigil.has_open_alert(v_host.host_id, 'host_silence', 'host')
        );
        -- Whoever holds the lock is storing a sample of this host right now.
        continue when not pgvigil.try_lock_host(v_host.host_id);
        perform pgvigil.judge_derived(v_host.host_id, 'host_silence', 'host', greatest(v_host.silence, 0), p_as_of);
        v_count := v_count + 1;
    end loop;

    -- While a host is silent nothing is known of its other alerts; its next sample makes them known again.
    update pgvigil.alert as a
    set unknown_since = p_as_of
    from pgvigil.alert as s
    where
        s.host_id = a.host_id
        and s.metric = 'host_silence'
        and s.state = 'firing'
        and s.judged_at = p_as_of
        and a.log_table is not null
        and a.state = 'firing'
        and a.unknown_since is null;

    -- Many at once: a switch, a site, a wave of reboots. One mail tells it, in the thread of the first host.
    update pgvigil.mail as m
    set covered_by = l.lead
    from (
        select n.address, n.event, min(n.mail_id) as lead
        from pgvigil.mail as n
        inner join pgvigil.alert as a on a.host_id = n.host_id and a.alert_id = n.alert_id
        where n.mail_id > v_first_mail and a.metric = 'host_silence'
        group by n.address, n.event
        having count(*) >= pgvigil.setting('digest_from')::integer
    ) as l
    where m.mail_id > l.lead and m.address = l.address and m.event = l.event
        and exists (
            select from pgvigil.alert as a
            where a.host_id = m.host_id and a.alert_id = m.alert_id and a.metric = 'host_silence'
        );
    return v_count;
end
$$;
comment on function pgvigil.watch_silence(timestamptz) is 'Finds expected hosts that report nothing, also when they never did; returns how many it judged.';


create or replace function pgvigil.watch_clocks(p_as_of timestamptz)
returns void
language plpgsql
set search_path = pg_temp
as $$
declare
    v_host record;
    v_late record;
begin
    for v_host in
        select
            h.host_id,
            n.updated_at,
            abs(extract(epoch from n.updated_at - n.created_at)) as skew
        from pgvigil.host as h
        cross join lateral (
            select l.created_at, l.updated_at
            from pgvigil.memory_log as l
            where l.host_id = h.host_id
            order by l.created_at desc
            limit 1
        ) as n
        where not h.is_deleted
        order by h.host_id
    loop
        if v_host.updated_at < p_as_of - interval '5 minutes' then
            -- A clock that was set back takes samples that look older than the last one: look for what came in lately.
            select l.updated_at, abs(extract(epoch from l.updated_at - l.created_at)) as skew into v_late
            from pgvigil.memory_log as l
            where
                l.host_id = v_host.host_id
                and l.created_at between p_as_of - interval '1 hour' and p_as_of
                and l.updated_at between p_as_of - interval '5 minutes' and p_as_of
            order by l.updated_at desc, l.created_at desc
            limit 1;
            if found then
                v_host.updated_at := v_late.updated_at;
                v_host.skew := v_late.skew;
            end if;
        end if;
        update pgvigil.host as h
        set last_seen_at = v_host.updated_at
        from (
            select s.host_id from pgvigil.host as s
            where s.host_id = v_host.host_id and v_host.updated_at > coalesce(s.last_seen_at, '-infinity')
            -- its agent may keep it locked, for as long as it likes
            for no key update skip locked
        ) as f
        where h.host_id = f.host_id;
        continue when v_host.updated_at < p_as_of - interval '5 minutes';
        continue when v_host.skew < 1 and not pgvigil.has_open_alert(v_host.host_id, 'clock_skew', 'clock');
        continue when not pgvigil.try_lock_host(v_host.host_id);
        perform pgvigil.judge_derived(v_host.host_id, 'clock_skew', 'clock', v_host.skew, p_as_of);
    end loop;
end
$$;
comment on function pgvigil.watch_clocks(timestamptz) is 'Compares the clock of each host with the server''s by its newest sample, and keeps host.last_seen_at.';


create or replace function pgvigil.handle_rule_errors(p_as_of timestamptz)
returns void
language plpgsql
set search_path = pg_temp
as $$
declare
    v_error pgvigil.rule_error;
    v_metrics text [];
    v_subject text;
begin
    for v_error in
        update pgvigil.rule_error as e set handled_at = p_as_of where e.handled_at is null returning e.*
    loop
        if v_error.threshold_id is not null then
            -- it stays whose it is
            perform set_config('pgvigil.managed_by', 'tick', true);
            update pgvigil.threshold as t set mode = 'off' where t.threshold_id = v_error.threshold_id;
            perform set_config('pgvigil.managed_by', '', true);
        end if;
        with switched_off as (
            update pgvigil.metric as m
            set is_enabled = false
            where
                m.is_enabled
                and v_error.threshold_id is null
                and m.log_table = v_error.log_table
                -- what cannot be read is the column that is gone
                and not exists (
                    select from pg_catalog.pg_attribute as c
                    where
                        c.attrelid = to_regclass('pgvigil.' || v_error.log_table)
                        and c.attname = m.column_name
                        and not c.attisdropped
                )
            returning m.metric
        )

        select array_agg('metric ' || s.metric order by s.metric) into v_metrics from switched_off as s;
        foreach v_subject in array coalesce(
            v_metrics,
            array[coalesce('rule ' || v_error.threshold_id, v_error.log_table, 'tick')]
        )
        loop
            perform pgvigil.judge_derived(
                coalesce(v_error.host_id, (select min(h.host_id) from pgvigil.host as h)),
                'rule_error', v_subject, 1, p_as_of, v_error.message
            );
        end loop;
    end loop;

    delete from pgvigil.rule_error as e where e.handled_at < p_as_of - interval '30 days';

    -- Armed again, or nobody's fault and not seen for an hour: the alert about it is over.
    for v_error.host_id, v_error.resource in
        select a.host_id, a.resource
        from pgvigil.alert as a
        where
            a.metric = 'rule_error'
            and a.resolved_at is null
            and (
                exists (
                    select from pgvigil.threshold as t
                    where a.resource = 'rule ' || t.threshold_id and t.mode <> 'off'
                )
                or exists (select from pgvigil.metric as m where a.resource = 'metric ' || m.metric and m.is_enabled)
                or a.resource like 'rule %' and not exists (
                    select from pgvigil.threshold as t where a.resource = 'rule ' || t.threshold_id
                )
                or a.resource !~ '^(rule|metric) ' and not exists (
                    select from pgvigil.rule_error as e
                    where coalesce(e.log_table, 'tick') = a.resource and e.handled_at > p_as_of - interval '1 hour'
                )
            )
    loop
        perform pgvigil.judge_derived(v_error.host_id, 'rule_error', v_error.resource, 0, p_as_of);
    end loop;
end
$$;
comment on function pgvigil.handle_rule_errors(timestamptz) is 'Switches off what raised an error instead of a verdict, and mails that.';


create or replace function pgvigil.send_reminders(p_as_of timestamptz)
returns integer
language plpgsql
set search_path = pg_temp
as $$
declare
    v_alert pgvigil.alert;
    v_count integer := 0;
begin
    -- What a silence withheld: mailed now if it still stands, or if the end of something that had been mailed.
    for v_alert in
        select a.*
        from pgvigil.alert as a
        where
            a.withheld_event is not null
            and not (a.is_shadow and a.state = 'firing')
            -- of what is over only the end is told, of what fires anything else
            and (a.state = 'firing') = (a.withheld_event not in ('resolved', 'cancelled'))
            and pgvigil.silenced_by(a.host_id, a.metric, a.resource, p_as_of) is null
        order by a.host_id, a.alert_id
        for update skip locked
    loop
        update pgvigil.alert as a
        set withheld_event = null
        where a.host_id = v_alert.host_id and a.alert_id = v_alert.alert_id;
        if v_alert.state = 'firing' then
            perform pgvigil.queue_mail(
                v_alert,
                case
                    when exists (
                        select from pgvigil.mail as m
                        where m.host_id = v_alert.host_id and m.alert_id = v_alert.alert_id
                    ) then v_alert.withheld_event
                    else 'fired'
                end,
                p_as_of
            );
        else
            perform pgvigil.queue_mail(v_alert, v_alert.withheld_event, p_as_of);
        end if;
        v_count := v_count + 1;
    end loop;

    -- Flapping that has been calm for long enough, or has become a plain alert.
    for v_alert in
        with due as materialized (
            select q.host_id, q.alert_id from pgvigil.alert as q where q.quiet_until <= p_as_of for update skip locked
        )

        update pgvigil.alert as a
        set quiet_until = null
        from due
        where a.host_id = due.host_id and a.alert_id = due.alert_id
        returning a.*
    loop
        if v_alert.state = 'resolved' then
            perform pgvigil.deliver(v_alert, 'resolved', p_as_of);
        end if;
    end loop;

    for v_alert in
        with due as materialized (
            select q.host_id, q.alert_id, q.threshold_id
            from pgvigil.alert as q
            where
                q.next_remind_at <= p_as_of
                and q.state = 'firing'
                and q.acknowledged_at is null
                and q.unknown_since is null
            for update skip locked
        )

        update pgvigil.alert as a
        set next_remind_at = p_as_of + r.remind_every
        from due
        inner join pgvigil.threshold as r on r.threshold_id = due.threshold_id
        where a.host_id = due.host_id and a.alert_id = due.alert_id
        returning a.*
    loop
        perform pgvigil.note_event(v_alert, 'reminder', 'reminder', p_as_of, p_as_of);
        v_count := v_count + 1;
    end loop;
    return v_count;
end
$$;
comment on function pgvigil.send_reminders(timestamptz) is 'Mails what still fires: reminders, and what was withheld by a silence or by flapping. Returns how many alerts that were.';


create or replace function pgvigil.judge_events(p_as_of timestamptz)
returns void
language plpgsql
set search_path = pg_temp
as $$
declare
    v_alert pgvigil.alert;
begin
    for v_alert in
        select a.*
        from pgvigil.alert as a
        where
            a.metric in ('resource_vanished', 'rollout_failed', 'rule_error', 'mail_undeliverable')
            and a.resolved_at is null
        order by a.host_id, a.alert_id
    loop
        continue when not pgvigil.try_lock_host(v_alert.host_id);
        perform pgvigil.judge_derived(v_alert.host_id, v_alert.metric, v_alert.resource, v_alert.value, p_as_of);
    end loop;
end
$$;
comment on function pgvigil.judge_events(timestamptz) is 'Judges again what only an event tells, a disk that vanished: for hold to pass, and for a rule that was changed.';


create or replace function pgvigil.is_due(p_task text, p_every interval, p_as_of timestamptz)
returns boolean
language plpgsql
set search_path = pg_temp
as $$
begin
    insert into pgvigil.upkeep as u (task, done_at, since)
    values (p_task, p_as_of, p_as_of)
    on conflict (task) do update
        set
            done_at = excluded.done_at,
            since = case
                when p_as_of - u.done_at between interval '0' and p_every + interval '1 minute' then u.since
                else p_as_of
            end
        -- a clock that was set back must not stop the upkeep for years
        where u.done_at <= p_as_of - p_every or u.done_at > p_as_of;
    return found;
end
$$;
comment on function pgvigil.is_due(text, interval, timestamptz) is 'Whether a task is due again; if so, it counts as done.';


create or replace function pgvigil.require_now(p_as_of timestamptz)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    if
        abs(extract(epoch from p_as_of - clock_timestamp())) > 60
        and not pg_has_role(session_user, current_user, 'usage')
    then
        raise insufficient_privilege using
            message = format('it is not %s', p_as_of),
            hint = 'select pgvigil.tick(clock_timestamp()); only the owner may play another time, for what is expired then is dropped.';
    end if;
end
$$;
comment on function pgvigil.require_now(timestamptz) is 'Refuses another time than that of the server''s clock to all but the owner of the schema.';


create or replace function pgvigil.tick(p_as_of timestamptz)
returns boolean
language plpgsql
security definer
set search_path = pg_temp
set jit = off
-- What an agent has locked in a transaction that it leaves open must not stop the watch over the others.
set lock_timeout = '2s'
as $$
declare
    v_task text;
    v_every interval;
begin
    perform pgvigil.require_now(p_as_of);
    -- A row, not an advisory lock: those can be taken by every login.
    if not exists (select from pgvigil.upkeep as u where u.task = 'tick') then
        insert into pgvigil.upkeep (task, done_at, since) values ('tick', p_as_of, p_as_of) on conflict do nothing;
    end if;
    perform from pgvigil.upkeep as u where u.task = 'tick' for update skip locked;
    if not found then
        return false;
    end if;
    for v_task, v_every in
        values
        ('handle_rule_errors', interval '0'),
        ('watch_silence', '0'),
        ('send_reminders', '0'),
        ('sweep_gate', '0'),
        ('watch_mail', '0'),
        ('write_weekly_reports', '1 minute'),
        ('refresh_gates', '1 minute'),
        ('judge_events', '1 minute'),
        ('watch_clocks', '1 minute'),
        ('watch_agent_problems', '1 minute'),
        ('watch_disks', pgvigil.setting('forecast_every')::interval),
        ('ensure_partitions', '1 hour'),
        ('end_long_reads', '0'),
        ('advance_rollups', '0'),
        ('advance_fleet', '1 minute'),
        ('pack_history', '0'),
        ('delete_expired_mail', '1 minute'),
        -- the last: what it locks stays locked until all of this is committed
        ('drop_expired_partitions', '1 minute')
    loop
        continue when not pgvigil.is_due(v_task, v_every, p_as_of);
        begin
            execute format('select pgvigil.%I($1)', v_task) using p_as_of;
            update pgvigil.upkeep as u set error = null where u.task = v_task and u.error is not null;
        exception when others then
            -- One that fails must not stop the others: a host that falls silent is found all the same.
            update pgvigil.upkeep as u set error = sqlerrm where u.task = v_task;
            raise warning 'upkeep % failed: %', v_task, sqlerrm;
        end;
    end loop;
    return true;
end
$$;
comment on function pgvigil.tick(timestamptz) is 'Everything that time makes due: silent hosts, reminders, forecasts, broken rules, partitions. Returns false if another session is at it.';
