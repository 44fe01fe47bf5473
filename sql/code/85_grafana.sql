-- What the dashboards in grafana/ select: a panel filters and orders, everything else is here. All types are ones that
-- each Grafana since 9.4 can read (timestamptz, text, float8, bigint, boolean); of time series the column is called time.
-- Views read tables; where a function of schema pgvigil is called, a function that may do so stands before it.

create view dashboard.host_state as
with host as (
    select
        n.*,
        h.groups,
        h.agent_version,
        case
            when a.alert_id is not null then 'silent'
            when n.stored_at > statement_timestamp() - greatest(6 * n.sample_interval, interval '1 minute')
                then coalesce(n.severity, 'ok')
            when n.expected then 'silent'
            else 'off'
        end as state
    from dashboard.host_now as n
    inner join pgvigil.host as h on h.host_id = n.host_id
    left join pgvigil.alert as a
        on a.host_id = n.host_id and a.metric = 'host_silence' and a.resolved_at is null and a.state = 'firing'
)

select
    h.host_name,
    array_to_string(h.groups, ', ') as groups,
    h.state,
    array_position(array['off', 'ok', 'warning', 'critical', 'silent'], h.state) - 2 as state_code,
    h.open_alerts,
    h.cpu_usage::float8 as cpu_usage,
    h.memory_usage::float8 as memory_usage,
    h.disk_name,
    h.disk_usage::float8 as disk_usage,
    h.received_bytes_per_second::float8 as received_bytes_per_second,
    h.sent_bytes_per_second::float8 as sent_bytes_per_second,
    h.sampled_at,
    extract(epoch from statement_timestamp() - h.stored_at)::float8 as age_seconds,
    extract(epoch from h.stored_at - h.sampled_at)::float8 as delay_seconds,
    extract(epoch from h.sample_interval)::float8 as sample_interval_seconds,
    h.agent_version,
    h.expected
from host as h;
comment on view dashboard.host_state is 'Each host at a glance. Sort by state_code to have the worst first.';
comment on column dashboard.host_state.host_name is 'The host.';
comment on column dashboard.host_state.groups is 'Its groups.';
comment on column dashboard.host_state.state is 'silent, critical, warning, ok; off = silent, and not expected to be there.';
comment on column dashboard.host_state.state_code is 'The same as a number: 3 silent, 2 critical, 1 warning, 0 ok, -1 off.';
comment on column dashboard.host_state.open_alerts is 'Number of firing alerts, shadow rules left out.';
comment on column dashboard.host_state.cpu_usage is 'CPU usage (%).';
comment on column dashboard.host_state.memory_usage is 'Memory usage (%).';
comment on column dashboard.host_state.disk_name is 'The fullest disk.';
comment on column dashboard.host_state.disk_usage is 'Its usage (%).';
comment on column dashboard.host_state.received_bytes_per_second is 'Received on all interfaces (bytes per second).';
comment on column dashboard.host_state.sent_bytes_per_second is 'Sent on all interfaces (bytes per second).';
comment on column dashboard.host_state.sampled_at is 'Newest sample, by the host''s clock.';
comment on column dashboard.host_state.age_seconds is 'Time since the server stored it.';
comment on column dashboard.host_state.delay_seconds is 'From sample to storage: delay, or a wrong clock; below 0 its clock is ahead.';
comment on column dashboard.host_state.sample_interval_seconds is 'How often its agent samples.';
comment on column dashboard.host_state.agent_version is 'Version of its agent.';
comment on column dashboard.host_state.expected is 'Whether its silence is worth a mail.';


create view dashboard.fleet_now as
select
    count(*) as hosts,
    count(*) filter (where h.state = 'silent') as silent,
    count(*) filter (where h.state = 'critical') as critical,
    count(*) filter (where h.state = 'warning') as warning,
    coalesce(sum(h.open_alerts), 0)::bigint as open_alerts
from dashboard.host_state as h;
comment on view dashboard.fleet_now is 'How many hosts are in which state: one row.';
comment on column dashboard.fleet_now.hosts is 'All hosts, retired ones left out.';
comment on column dashboard.fleet_now.silent is 'No sample arrives.';
comment on column dashboard.fleet_now.critical is 'A critical alert fires.';
comment on column dashboard.fleet_now.warning is 'A warning fires, and nothing worse.';
comment on column dashboard.fleet_now.open_alerts is 'Alerts that fire on all of them, shadow rules left out.';


create view dashboard.disk_now as
select
    n.host_name,
    d.disk_name,
    d.device,
    d.file_system,
    d.size,
    l.disk_usage::float8 as disk_usage,
    l.inode_usage::float8 as inode_usage,
    l.available_bytes,
    g.bytes_per_day,
    case when g.bytes_per_day > 0 then 86400 * l.available_bytes / g.bytes_per_day end as full_in_seconds
from dashboard.host_now as n
inner join pgvigil.disk_info as d on d.host_id = n.host_id and d.mounted is not null and not d.is_deleted
inner join pgvigil.disk_log as l
    on l.host_id = n.host_id and l.created_at = n.sampled_at and l.disk_name = d.disk_name and not l.is_deleted
left join lateral (
    -- Against the first sample of the last six hours: two rows tell enough to sort by; the mails use the whole trend.
    select
        (l.used_bytes - o.used_bytes) * 86400.0::float8
        / nullif(extract(epoch from l.created_at - o.created_at)::float8, 0) as bytes_per_day
    from pgvigil.disk_log as o
    where
        o.host_id = l.host_id
        and o.created_at >= l.created_at - interval '6 hours'
        and o.created_at < l.created_at
        and o.disk_name = l.disk_name
    order by o.created_at
    limit 1
) as g on true;
comment on view dashboard.disk_now is 'Each mounted disk as of the newest sample of its host, and how fast it fills.';
comment on column dashboard.disk_now.host_name is 'The host.';
comment on column dashboard.disk_now.disk_name is 'Mount point.';
comment on column dashboard.disk_now.device is 'Device below.';
comment on column dashboard.disk_now.file_system is 'Type of the file system.';
comment on column dashboard.disk_now.size is 'Size (bytes).';
comment on column dashboard.disk_now.disk_usage is 'Usage (%).';
comment on column dashboard.disk_now.inode_usage is 'Inodes in use (%).';
comment on column dashboard.disk_now.available_bytes is 'Space left (bytes).';
comment on column dashboard.disk_now.bytes_per_day is 'Growth at the pace of the last six hours (bytes per day).';
comment on column dashboard.disk_now.full_in_seconds is 'Full in so many seconds at that pace; null if it does not grow.';


create view dashboard.inventory as
select
    h.host_name,
    x.kind,
    x.name,
    x.description,
    x.size,
    x.is_deleted,
    x.created_at as known_since
from (
    select
        c.host_id, 'CPU' as kind, c.cpu_name as name, c.cpu_core::float8 as size, 1 as position, c.is_deleted, c.created_at,
        concat_ws(
            ', ', c.model_name, c.cpu_core || ' cores', c.physical_cores || ' physical', round(c.max_mhz) || ' MHz'
        ) as description
    from pgvigil.cpu_info as c
    union all
    select
        m.host_id, 'memory', m.memory_name, m.physical_memory, 2, m.is_deleted, m.created_at,
        pg_size_pretty(m.physical_memory)
    from pgvigil.memory_info as m
    union all
    select
        d.host_id, 'disk', d.disk_name, d.size, 3, d.is_deleted, d.created_at,
        concat_ws(', ', pg_size_pretty(d.size), d.file_system, d.device)
    from pgvigil.disk_info as d
    union all
    select
        n.host_id, 'network', n.network_interface, n.link_bits_per_second, 4, n.is_deleted, n.created_at,
        concat_ws(', ', (n.link_bits_per_second / 1000000) || ' Mbit/s', n.mac_address)
    from pgvigil.network_info as n
) as x
inner join pgvigil.host as h on h.host_id = x.host_id
order by h.host_name, x.position, x.name;
comment on view dashboard.inventory is 'What each host consists of, and what it consisted of once.';
comment on column dashboard.inventory.host_name is 'The host.';
comment on column dashboard.inventory.kind is 'CPU, memory, disk or network.';
comment on column dashboard.inventory.name is 'Name under which it is sampled.';
comment on column dashboard.inventory.description is 'Model, size and the like, for people.';
comment on column dashboard.inventory.size is 'Cores, bytes, or bits per second.';
comment on column dashboard.inventory.is_deleted is 'Gone from the host.';
comment on column dashboard.inventory.known_since is 'First seen.';


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
set search_path = ''
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


create function dashboard.effective_threshold(p_host_name text)
returns table (
    metric text, title text, resource text, warning double precision, critical double precision, hold_seconds double precision,
    mode text, scope text, unit text, threshold_id bigint
)
language sql
stable
security definer
set search_path = ''
as $$
    select
        e.metric,
        m.title,
        e.resource,
        e.warning,
        e.critical,
        extract(epoch from e.hold)::float8,
        e.mode,
        e.scope,
        e.unit,
        e.threshold_id
    from pgvigil.effective_threshold as e
    inner join pgvigil.metric as m on m.metric = e.metric
    where e.host_name = p_host_name
    order by m.log_table, m.position, e.resource
$$;
comment on function dashboard.effective_threshold(text) is 'Which rule judges what on a host, as the trigger sees it.';


create function dashboard.limit_series(
    p_host_name text, p_metric text, p_resources text[], p_from timestamptz, p_to timestamptz
)
returns table ("time" timestamptz, metric text, value double precision)
language sql
stable
security definer
set search_path = ''
as $$
    with limits as (
        select
            l.severity,
            l.value,
            array_agg(e.resource order by e.resource) as resources
        from pgvigil.effective_threshold as e
        cross join lateral (values ('warning', e.warning), ('critical', e.critical)) as l (severity, value)
        where
            e.host_name = p_host_name
            and e.metric = p_metric
            and e.resource = any(p_resources)
            and e.mode <> 'off'
            and l.value is not null
        group by l.severity, l.value
    )

    select
        t.at,
        -- One line for all that share it, named after them only where there are several.
        concat_ws(
            ' ',
            l.severity,
            case
                when count(*) over (partition by t.at, l.severity) > 1 then array_to_string(l.resources, ' ')
            end
        ),
        l.value
    from limits as l
    cross join (values (p_from), (p_to)) as t (at)
    order by t.at, l.severity desc, l.value
$$;
comment on function dashboard.limit_series(text, text, text[], timestamptz, timestamptz) is 'The limits that judge some resources of a host, as lines: the rules that win now, from p_from to p_to.';


create function dashboard.part(p_from timestamptz, p_to timestamptz, p_points integer)
returns table (at timestamptz, until timestamptz)
language sql
stable
as $$
    select
        p_from + (p_to - p_from) * i / p_points,
        p_from + (p_to - p_from) * (i + 1) / p_points
    from generate_series(0, p_points - 1) as i
$$;
comment on function dashboard.part(timestamptz, timestamptz, integer) is 'A time in so many equal parts; the last one ends with it.';


create function dashboard.state_series(
    p_from timestamptz, p_to timestamptz, p_hosts integer default 20, p_points integer default 200
)
returns table ("time" timestamptz, metric text, value bigint)
language sql
stable
security definer
set search_path = ''
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
        from incident as i
        inner join pgvigil.host as h on h.host_id = i.host_id and not h.is_deleted
        group by h.host_id, h.host_name
        order by
            max(i.code) desc,
            sum(least(i.resolved_at, p_to) - greatest(i.fired_at, p_from)) desc,
            h.host_name
        limit p_hosts
    )

    select
        b.at,
        w.host_name,
        coalesce((
            select max(i.code) from incident as i
            where i.host_id = w.host_id and i.fired_at < b.until and i.resolved_at >= b.at
        ), 0)::bigint
    from dashboard.part(p_from, p_to, p_points) as b
    cross join worst as w
    order by b.at, w.host_name
$$;
comment on function dashboard.state_series(timestamptz, timestamptz, integer, integer) is 'When the worst hosts were ill: per host and part of the time 0 ok, 1 warning, 2 critical, 3 silent.';


create function dashboard.incident_series(p_from timestamptz, p_to timestamptz, p_points integer default 60)
returns table ("time" timestamptz, warning bigint, critical bigint)
language sql
stable
security definer
set search_path = ''
as $$
    select
        b.at,
        count(*) filter (where a.worst_severity = 'warning'),
        count(*) filter (where a.worst_severity = 'critical')
    from dashboard.part(p_from, p_to, p_points) as b
    left join pgvigil.alert as a
        on a.fired_at >= b.at and a.fired_at < b.until and not a.is_shadow
    group by b.at
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
set search_path = ''
as $$
    select
        a.threshold_id,
        min(m.title),
        min(coalesce('host ' || t.host_name, 'group ' || t.host_group, 'all hosts') || coalesce(', ' || t.resource, '')),
        min(coalesce(t.mode, 'deleted')),
        count(*),
        count(distinct a.host_id),
        extract(epoch from sum(
            least(coalesce(a.resolved_at, statement_timestamp()), p_to) - greatest(a.fired_at, p_from)
        ))::float8,
        sum(a.reopened),
        sum((select count(*) from pgvigil.mail as x where x.host_id = a.host_id and x.alert_id = a.alert_id))::bigint
    from pgvigil.alert as a
    inner join pgvigil.metric as m on m.metric = a.metric
    left join pgvigil.threshold as t on t.threshold_id = a.threshold_id
    where a.fired_at <= p_to and coalesce(a.resolved_at, 'infinity') >= p_from
    group by a.threshold_id, a.metric
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
set search_path = ''
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
