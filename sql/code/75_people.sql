-- Functions for people at a psql prompt: try a rule on the past, see why it fired, see and take back changes.
-- All of them ask the very same next_state() and mail_of_event() as the triggers do.

create or replace function pgvigil.samples_of(
    p_host_name text, p_metric text, p_resource text, p_since timestamptz, p_until timestamptz
)
returns table (host_id integer, at timestamptz, stored_at timestamptz, value double precision)
language plpgsql
stable
set search_path = pg_temp
as $$
declare
    v_statement text;
begin
    select
        format(
            'select l.host_id, l.created_at, l.updated_at, l.%I::text::float8 from pgvigil.host as h'
            ' cross join lateral pgvigil.%I(h.host_id, $3, $4) as l'
            ' where h.host_name = $1 and l.%I = $2 and l.%I is not null'
            ' and not l.is_deleted'
            -- as they arrived: a late one is ignored now as it was then
            ' order by l.updated_at, l.created_at',
            m.column_name, replace(t.log_table, '_log', '_samples'), t.resource_column, m.column_name
        )
    into v_statement
    from pgvigil.metric as m
    inner join pgvigil.log_table as t on t.log_table = m.log_table
    where m.metric = p_metric;
    if v_statement is null then
        raise exception 'there are no samples of %', p_metric
            using hint = 'select metric from pgvigil.metric where log_table is not null order by 1;';
    end if;
    return query execute v_statement using p_host_name, p_resource, p_since, p_until;
    if not found and not exists (
        select from pgvigil.resource as r
        inner join pgvigil.host as h on h.host_id = r.host_id
        where h.host_name = p_host_name and r.resource = p_resource
    ) then
        raise exception 'there are no samples of % of % on %', p_metric, p_resource, p_host_name
            using hint = 'select h.host_name, r.resource from pgvigil.host h join pgvigil.resource r using (host_id);';
    end if;
end
$$;
comment on function pgvigil.samples_of(text, text, text, timestamptz, timestamptz) is 'The stored values of a series in the order in which they arrived.';


create or replace function pgvigil.play(
    p_host_name text,
    p_metric text,
    p_resource text,
    p_limit pgvigil.alert_limit,
    p_since timestamptz,
    p_until timestamptz
)
returns table (
    at timestamptz, value double precision, state text, severity text, event text, mail text, why text
)
language plpgsql
stable
set search_path = pg_temp
as $$
declare
    v_state pgvigil.alert_state := ('ok', null, null, null, null);
    v_was pgvigil.alert_state;
    v_sample record;
    v_window constant interval := pgvigil.setting('flap_window')::interval;
    v_resolved_at timestamptz;
    v_quiet_until timestamptz;
    v_worst text := 'warning';
    v_reopened boolean := false;
    v_newest timestamptz := '-infinity';
    v_newest_in_future timestamptz := '-infinity';
    v_is_future boolean;
    v_is_late boolean;
begin
    for v_sample in
        select s.* from pgvigil.samples_of(p_host_name, p_metric, p_resource, p_since, p_until) as s
        union all
        -- long after the last one
        select null, null, 'infinity', null
    loop
        if v_quiet_until <= v_sample.stored_at then
            if v_state.state <> 'firing' then
                at := v_quiet_until;
                value := null;
                state := v_state.state;
                severity := null;
                event := null;
                mail := 'resolved';
                why := 'calm again after flapping';
                return next;
            end if;
            v_quiet_until := null;
        end if;
        exit when v_sample.at is null;
        at := v_sample.at;
        value := v_sample.value;
        mail := null;
        v_was := v_state;
        v_is_future := pgvigil.is_future(v_sample.at, v_sample.stored_at);
        if v_was.state <> 'ok' and (v_is_future or not pgvigil.is_future(v_was.judged_at, v_sample.stored_at)) then
            v_is_late := v_sample.at <= v_was.judged_at;
        else
            -- As has_newer_sample(): of a clock that ran ahead and was set right, what came from the future says nothing
            -- of what is late now.
            v_is_late := v_sample.at < greatest(v_newest, case when v_is_future then v_newest_in_future end);
            v_state.judged_at := case when v_is_late then v_sample.at end;
        end if;
        if v_is_future then
            v_newest_in_future := greatest(v_newest_in_future, v_sample.at);
        else
            v_newest := greatest(v_newest, v_sample.at);
        end if;
        v_state := pgvigil.next_state(v_state, p_limit, v_sample.at, v_sample.value);
        if v_is_late then
            v_state.judged_at := v_was.judged_at;
        end if;
        state := v_state.state;
        severity := v_state.severity;
        event := v_state.event;
        if event = 'fired' then
            v_reopened := coalesce(v_resolved_at > v_sample.stored_at - v_window, false);
            if not v_reopened then
                v_worst := 'warning';
            end if;
        end if;
        if event is not null then
            mail := pgvigil.mail_of_event(
                event,
                v_reopened and v_quiet_until is null,
                v_quiet_until is not null,
                v_worst = 'warning' and severity = 'critical' and event <> 'resolved'
            );
        end if;
        if event = 'fired' and v_reopened or event = 'resolved' and v_quiet_until is not null then
            v_quiet_until := v_sample.stored_at + v_window;
        end if;
        if state = 'firing' then
            v_worst := least(v_worst, severity);
        end if;
        if event = 'resolved' then
            v_resolved_at := v_sample.stored_at;
        end if;
        why := case
            when v_is_late then 'late: a newer sample was judged before'
            when event = 'fired' then 'over the limit for as long as hold'
            when event = 'resolved' then 'back by more than the clear band'
            when event = 'escalated' then 'over critical'
            when event = 'eased' then 'below critical by more than the clear band'
            when state = 'pending' and v_was.state = 'pending' and v_state.pending_at > v_was.pending_at
                then 'over the limit, but there was a gap: hold begins anew'
            when state = 'pending'
                then format('over the limit for %s of %s', v_sample.at - v_state.pending_at, p_limit.hold)
            when state = 'firing' then 'firing'
            when v_was.state = 'pending' then 'back before hold was over'
            else 'within the limits'
        end;
        return next;
    end loop;
end
$$;
comment on function pgvigil.play(text, text, text, pgvigil.alert_limit, timestamptz, timestamptz) is 'Plays the stored samples of a series through the state machine, sample by sample.';


create or replace function pgvigil.limit_of(
    p_host_name text,
    p_metric text,
    p_warning double precision,
    p_critical double precision,
    p_hold interval,
    p_clear_band double precision
)
returns pgvigil.alert_limit
language plpgsql
stable
set search_path = pg_temp
as $$
declare
    v_limit pgvigil.alert_limit;
begin
    select
        m.direction, p_warning, p_critical,
        coalesce(p_clear_band, 0.05 * abs(coalesce(p_warning, p_critical))), coalesce(p_hold, '0'),
        h.sample_interval * pgvigil.setting('gap_intervals')::integer
    into v_limit
    from pgvigil.host as h
    cross join pgvigil.metric as m
    where h.host_name = p_host_name and m.metric = p_metric;
    if not found then
        raise exception 'there is no host % or no metric %', p_host_name, p_metric
            using hint = 'select host_name from pgvigil.host; select metric from pgvigil.metric;';
    end if;
    return v_limit;
end
$$;
comment on function pgvigil.limit_of(text, text, double precision, double precision, interval, double precision) is 'Limits as a threshold row with these values would give them on this host.';


create or replace function pgvigil.backtest(
    p_host_name text,
    p_metric text,
    p_resource text,
    p_warning double precision,
    p_critical double precision default null,
    p_hold interval default '0',
    p_clear_band double precision default null,
    p_since timestamptz default statement_timestamp() - interval '7 days',
    p_until timestamptz default statement_timestamp()
)
returns table (at timestamptz, value double precision, event text, severity text, mail text)
language sql
stable
set search_path = pg_temp
as $$
    select p.at, p.value, p.event, p.severity, p.mail
    from pgvigil.play(
        p_host_name, p_metric, p_resource,
        pgvigil.limit_of(p_host_name, p_metric, p_warning, p_critical, p_hold, p_clear_band),
        p_since, p_until
    ) as p
    where p.event is not null or p.mail is not null
$$;
comment on function pgvigil.backtest(text, text, text, double precision, double precision, interval, double precision, timestamptz, timestamptz) is 'What a rule would have done with the samples that are stored: each event, and the mail it would have been worth (null = none). select count(mail), .. from pgvigil.backtest(''web1'', ''cpu_usage'', ''cpu-total'', 90, p_hold => ''5 minutes'');';


create or replace function pgvigil.explain_alert(
    p_host_name text,
    p_metric text,
    p_resource text,
    p_since timestamptz default statement_timestamp() - interval '1 hour',
    p_until timestamptz default statement_timestamp()
)
returns table (
    at timestamptz, value double precision, state text, severity text, event text, why text
)
language plpgsql
stable
set search_path = pg_temp
as $$
declare
    v_rule record;
    v_host_id constant integer := pgvigil.host_id_of(p_host_name);
begin
    select r.* into v_rule from pgvigil.rank_thresholds(v_host_id, p_metric, p_resource) as r where r.rank = 1;
    if v_rule.threshold_id is null then
        raise exception 'no rule judges % of % on %', p_metric, p_resource, p_host_name
            using hint = 'select * from pgvigil.effective_threshold where host_name = ..; select metric from pgvigil.metric;';
    end if;
    return query
    select
        p.at, p.value, p.state, p.severity, p.event,
        concat_ws(
            '; ',
            p.why,
            case
                when p.state = 'ok' and p.event is null then null
                when v_rule.mode = 'off' then format('rule %s is off', v_rule.threshold_id)
                when v_rule.mode = 'shadow' then format('rule %s is in shadow: nobody is mailed', v_rule.threshold_id)
            end,
            case
                when p.event is not null and p.mail is null then 'flapping: counted, not mailed'
            end,
            'silence ' || case
                when p.event is not null then pgvigil.silenced_by(v_host_id, p_metric, p_resource, p.at)
            end,
            case
                when p.event = 'fired' and not exists (
                    select from pgvigil.who_gets(p_host_name, p_metric, p.severity, p.at)
                ) then 'no recipient for this'
            end
        )
    from pgvigil.play(p_host_name, p_metric, p_resource, v_rule.alert_limit, p_since, p_until) as p;
end
$$;
comment on function pgvigil.explain_alert(text, text, text, timestamptz, timestamptz) is 'Why there was an alert, or none: sample by sample, by the rule that wins now, and what stood in the way of a mail.';


create or replace function pgvigil.suggest_threshold(
    p_host_name text,
    p_metric text,
    p_resource text,
    p_since timestamptz default statement_timestamp() - interval '7 days',
    p_until timestamptz default statement_timestamp()
)
returns table (
    samples bigint, median double precision, p95 double precision, p99 double precision, worst double precision,
    warning double precision, critical double precision, hold interval, mails bigint
)
language plpgsql
stable
set search_path = pg_temp
as $$
declare
    v_metric pgvigil.metric;
    v_sign integer;
    v_room double precision;
begin
    select m.* into v_metric from pgvigil.metric as m where m.metric = p_metric;
    v_sign := case v_metric.direction when 'below' then -1 else 1 end;
    select
        count(*),
        v_sign * percentile_cont(0.50) within group (order by v_sign * s.value),
        v_sign * percentile_cont(0.95) within group (order by v_sign * s.value),
        v_sign * percentile_cont(0.99) within group (order by v_sign * s.value),
        v_sign * max(v_sign * s.value)
    into samples, median, p95, p99, worst
    from pgvigil.samples_of(p_host_name, p_metric, p_resource, p_since, p_until) as s;
    if samples = 0 then
        raise exception 'there are no samples of % of % on % in that time', p_metric, p_resource, p_host_name
            using hint = 'select * from pgvigil.resource; the name of the host must be exact.';
    end if;

    -- Halfway from what one in a hundred samples reaches to the end of the scale, or as far again as that is from usual.
    if v_metric.unit = 'percent' then
        v_room := 100 - p99;
        warning := p99 + v_room / 2;
        critical := p99 + v_room * 0.8;
    else
        -- what never moves gets a tenth of itself, or 1
        v_room := coalesce(nullif(abs(p99 - median), 0), nullif(abs(p99) / 10, 0), 1);
        warning := p99 + v_sign * v_room / 2;
        critical := p99 + v_sign * v_room;
    end if;
    warning := round(warning::numeric, 2);
    critical := nullif(round(critical::numeric, 2), warning);
    hold := '2 minutes';
    select count(b.mail) into mails
    from pgvigil.backtest(
        p_host_name, p_metric, p_resource, suggest_threshold.warning, suggest_threshold.critical,
        suggest_threshold.hold, null, p_since, p_until
    ) as b;
    return next;
end
$$;
comment on function pgvigil.suggest_threshold(text, text, text, timestamptz, timestamptz) is 'Limits from the host''s own usual values, and how many mails they would have been.';


create or replace view pgvigil.would_have_mailed as
select
    e.at,
    h.host_name,
    a.metric,
    a.resource,
    e.mail_event as event,
    e.severity,
    e.value,
    a.threshold_id,
    array(select g.address from pgvigil.who_gets(h.host_name, a.metric, e.severity, e.created_at) as g) as addresses
from pgvigil.alert_event as e
inner join pgvigil.alert as a on a.host_id = e.host_id and a.alert_id = e.alert_id
inner join pgvigil.host as h on h.host_id = e.host_id
where e.is_shadow and e.mail_event is not null;
comment on view pgvigil.would_have_mailed is 'What rules in shadow mode would have mailed, and to whom. Arm one: update pgvigil.threshold set mode = ''armed'' where threshold_id = ..';
comment on column pgvigil.would_have_mailed.at is 'When.';
comment on column pgvigil.would_have_mailed.host_name is 'The host.';
comment on column pgvigil.would_have_mailed.metric is 'What was judged.';
comment on column pgvigil.would_have_mailed.resource is 'On which resource.';
comment on column pgvigil.would_have_mailed.event is 'What happened.';
comment on column pgvigil.would_have_mailed.severity is 'warning or critical.';
comment on column pgvigil.would_have_mailed.value is 'Value then.';
comment on column pgvigil.would_have_mailed.threshold_id is 'The rule in shadow mode.';
comment on column pgvigil.would_have_mailed.addresses is 'Who would have been mailed.';
