-- What the dashboard Alerts selects, and the incidents of the others.

create view dashboard.incident as
select
    h.host_name,
    a.metric,
    m.title,
    a.resource,
    case when a.unknown_since is not null and a.resolved_at is null then 'unknown' else a.state end as state,
    a.worst_severity as severity,
    a.peak_value,
    a.warning,
    a.critical,
    m.unit,
    a.pending_at,
    a.fired_at,
    a.resolved_at,
    extract(epoch from coalesce(a.resolved_at, statement_timestamp()) - a.fired_at)::float8 as duration_seconds,
    a.reopened,
    a.acknowledged_by,
    a.is_shadow,
    (
        select count(*) from pgvigil.mail as x
        where x.host_id = a.host_id and x.alert_id = a.alert_id and x.sent_at is not null
    ) as mails,
    a.detail,
    a.threshold_id,
    a.alert_id
from pgvigil.alert as a
inner join pgvigil.host as h on h.host_id = a.host_id
inner join pgvigil.metric as m on m.metric = a.metric
where a.fired_at is not null;
comment on view dashboard.incident is 'Every alert that fired, open or over.';
comment on column dashboard.incident.host_name is 'The host.';
comment on column dashboard.incident.metric is 'What was judged.';
comment on column dashboard.incident.title is 'The same for people.';
comment on column dashboard.incident.resource is 'On which CPU, memory, disk or interface.';
comment on column dashboard.incident.state is 'firing, resolved, or unknown (open, and its host is silent).';
comment on column dashboard.incident.severity is 'The worst that it had.';
comment on column dashboard.incident.peak_value is 'Worst value.';
comment on column dashboard.incident.warning is 'Limit of the warning.';
comment on column dashboard.incident.critical is 'Limit of the critical level.';
comment on column dashboard.incident.unit is 'Unit of the values.';
comment on column dashboard.incident.pending_at is 'First sample over the limit.';
comment on column dashboard.incident.fired_at is 'When it fired.';
comment on column dashboard.incident.resolved_at is 'When it ended.';
comment on column dashboard.incident.duration_seconds is 'From firing to its end, or until now.';
comment on column dashboard.incident.reopened is 'How often it came back.';
comment on column dashboard.incident.acknowledged_by is 'Who was on it.';
comment on column dashboard.incident.is_shadow is 'Nobody was mailed.';
comment on column dashboard.incident.mails is 'Mails that were sent about it.';
comment on column dashboard.incident.detail is 'What else there is to say.';
comment on column dashboard.incident.threshold_id is 'The rule.';
comment on column dashboard.incident.alert_id is 'Number of the incident.';


create function dashboard.incident_region(
    p_host_name text, p_severity text, p_from timestamptz, p_to timestamptz
)
returns table ("time" timestamptz, timeend timestamptz, "text" text, tags text)
language sql
stable
security definer
set search_path = pg_temp
as $$
    select
        i.fired_at,
        coalesce(i.resolved_at, statement_timestamp()),
        concat_ws(' ', i.title, nullif(i.resource, 'host'), case when i.is_shadow then '(shadow)' end),
        i.severity
    from dashboard.incident as i
    where
        i.host_name = p_host_name
        and i.severity = p_severity
        and i.fired_at <= p_to
        and coalesce(i.resolved_at, 'infinity') >= p_from
    order by i.fired_at
$$;
comment on function dashboard.incident_region(text, text, timestamptz, timestamptz) is 'The incidents of a host as regions for Grafana to shade.';


create function dashboard.state_series(
    p_from timestamptz, p_to timestamptz, p_hosts integer default 20, p_points integer default 200
)
returns table ("time" timestamptz, metric text, value bigint)
language sql
stable
security definer
set search_path = pg_temp
set jit = off
set work_mem = '16MB'
as $$
    with incident as (
        select
            a.host_id,
            case when a.metric = 'host_silence' then 3 when a.worst_severity = 'critical' then 2 else 1 end as code,
            a.fired_at,
            coalesce(a.resolved_at, 'infinity') as resolved_at
        from pgvigil.alert as a
        where a.fired_at <= p_to and coalesce(a.resolved_at, 'infinity') >= p_from and not a.is_shadow
    ),

    worst as (
        select
            h.host_id,
            h.host_name
        from (
            select
                i.host_id,
                max(i.code) as code,
                sum(least(i.resolved_at, p_to) - greatest(i.fired_at, p_from)) as ill
            from incident as i
            group by i.host_id
        ) as s
        inner join pgvigil.host as h on h.host_id = s.host_id and not h.is_deleted
        order by s.code desc, s.ill desc, h.host_name
        limit p_hosts
    ),

    -- Per incident the parts that it touches: a year of incidents is walked through once.
    ill as (
        select
            i.host_id,
            n.part,
            max(i.code) as code
        from incident as i
        inner join worst as w on w.host_id = i.host_id
        cross join generate_series(
            width_bucket(extract(epoch from greatest(i.fired_at, p_from) - p_from), 0, extract(epoch from p_to - p_from), p_points),
            least(
                width_bucket(extract(epoch from least(i.resolved_at, p_to) - p_from), 0, extract(epoch from p_to - p_from), p_points),
                p_points
            )
        ) as n (part)
        group by i.host_id, n.part
    )

    select
        b.at,
        w.host_name,
        coalesce(i.code, 0)::bigint
    from worst as w
    cross join dashboard.part(p_from, p_to, p_points) with ordinality as b (at, until, part)
    left join ill as i on i.host_id = w.host_id and i.part = b.part
    order by b.at, w.host_name
$$;
comment on function dashboard.state_series(timestamptz, timestamptz, integer, integer) is 'When the worst hosts were ill: per host and part of the time 0 ok, 1 warning, 2 critical, 3 silent.';


create function dashboard.incident_series(p_from timestamptz, p_to timestamptz, p_points integer default 60)
returns table ("time" timestamptz, warning bigint, critical bigint)
language sql
stable
security definer
set search_path = pg_temp
as $$
    select
        b.at,
        n.warning,
        n.critical
    from dashboard.part(p_from, p_to, p_points) as b
    cross join lateral (
        select
            count(*) filter (where a.worst_severity = 'warning') as warning,
            count(*) filter (where a.worst_severity = 'critical') as critical
        from pgvigil.alert as a
        where a.fired_at >= b.at and a.fired_at < b.until and not a.is_shadow
    ) as n
    order by b.at
$$;
comment on function dashboard.incident_series(timestamptz, timestamptz, integer) is 'How many alerts fired in each part of the time, by the worst severity that they had.';


create function dashboard.noisy_rule(p_from timestamptz, p_to timestamptz)
returns table (
    threshold_id bigint, title text, scope text, mode text, incidents bigint, hosts bigint, firing_seconds double precision,
    reopened bigint, mails bigint
)
language sql
stable
security definer
set search_path = pg_temp
-- compiling it takes longer than running it
set jit = off
set work_mem = '16MB'
as $$
    -- A year has a hundred thousand alerts: they are read once, and what names a rule is looked up once for each rule.
    with by_host as (
        select
            a.threshold_id,
            a.metric,
            count(*) as incidents,
            sum(least(coalesce(a.resolved_at, statement_timestamp()), p_to) - greatest(a.fired_at, p_from)) as firing,
            sum(a.reopened) as reopened,
            sum(a.mails) as mails
        from pgvigil.alert as a
        where a.fired_at <= p_to and coalesce(a.resolved_at, 'infinity') >= p_from
        group by a.threshold_id, a.metric, a.host_id
    ),

    by_rule as (
        select
            h.threshold_id,
            h.metric,
            sum(h.incidents)::bigint as incidents,
            count(*) as hosts,
            sum(h.firing) as firing,
            sum(h.reopened)::bigint as reopened,
            sum(h.mails)::bigint as mails
        from by_host as h
        group by h.threshold_id, h.metric
    )

    select
        r.threshold_id,
        m.title,
        coalesce('host ' || t.host_name, 'group ' || t.host_group, 'all hosts') || coalesce(', ' || t.resource, ''),
        coalesce(t.mode, 'deleted'),
        r.incidents,
        r.hosts,
        extract(epoch from r.firing)::float8,
        r.reopened,
        r.mails
    from by_rule as r
    inner join pgvigil.metric as m on m.metric = r.metric
    left join pgvigil.threshold as t on t.threshold_id = r.threshold_id
    order by 9 desc, 5 desc, 2
$$;
comment on function dashboard.noisy_rule(timestamptz, timestamptz) is 'Which rules kept people busy: the alerts of a time by the rule that fired.';


create function dashboard.would_have_mailed(p_from timestamptz, p_to timestamptz)
returns table (
    "time" timestamptz, host_name text, title text, resource text, event text, severity text, value double precision,
    unit text, addresses text, threshold_id bigint
)
language sql
stable
security definer
set search_path = pg_temp
as $$
    select
        w.at,
        w.host_name,
        m.title,
        w.resource,
        w.event,
        w.severity,
        w.value,
        m.unit,
        array_to_string(w.addresses, ', '),
        w.threshold_id
    from pgvigil.would_have_mailed as w
    inner join pgvigil.metric as m on m.metric = w.metric
    where w.at between p_from and p_to
    order by w.at desc
    limit 1000
$$;
comment on function dashboard.would_have_mailed(timestamptz, timestamptz) is 'What rules in shadow mode would have mailed, and to whom: the newest thousand.';


create view dashboard.rule_change as
select
    h.changed_at as time,
    h.changed_by,
    h.operation,
    coalesce(h.new, h.old) ->> 'metric' as metric,
    h.threshold_id,
    coalesce(
        (
            select string_agg(n.key || ': ' || coalesce(h.old ->> n.key, '-') || ' > ' || coalesce(n.value, '-'), ', ' order by n.key)
            from jsonb_each_text(h.new) as n
            where h.old is not null and n.key <> 'updated_at' and n.value is distinct from h.old ->> n.key
        ),
        ''
    ) as change,
    h.history_id
from pgvigil.threshold_history as h;
comment on view dashboard.rule_change is 'Who changed which rule, and what.';
comment on column dashboard.rule_change.time is 'When.';
comment on column dashboard.rule_change.changed_by is 'Who.';
comment on column dashboard.rule_change.operation is 'insert, update or delete.';
comment on column dashboard.rule_change.metric is 'What the rule judges.';
comment on column dashboard.rule_change.threshold_id is 'The rule.';
comment on column dashboard.rule_change.change is 'What an update changed: old > new.';
comment on column dashboard.rule_change.history_id is 'Number to take it back with: select pgvigil.revert_threshold(..)';


create view dashboard.silence as
select
    s.silence_id,
    coalesce(s.host_name, 'group ' || s.host_group, 'all hosts') as scope,
    s.metric,
    s.resource,
    s.starts_at,
    s.ends_at,
    case
        when s.from_time is not null
            then concat_ws(' ', 'days ' || array_to_string(s.weekdays, ','), s.from_time || '-' || s.to_time, s.time_zone)
        else 'once'
    end as repeats,
    s.note,
    s.created_by
from pgvigil.silence as s
where coalesce(s.ends_at, 'infinity') > statement_timestamp();
comment on view dashboard.silence is 'Silences that hold or are still to come.';
comment on column dashboard.silence.silence_id is 'Number of the silence.';
comment on column dashboard.silence.scope is 'Which hosts.';
comment on column dashboard.silence.metric is 'Only this metric; null = all.';
comment on column dashboard.silence.resource is 'Only such resources; null = all.';
comment on column dashboard.silence.starts_at is 'Not before.';
comment on column dashboard.silence.ends_at is 'Not after.';
comment on column dashboard.silence.repeats is 'once, or on which days (1 = Monday) and at what time.';
comment on column dashboard.silence.note is 'Why.';
comment on column dashboard.silence.created_by is 'Who made it.';
