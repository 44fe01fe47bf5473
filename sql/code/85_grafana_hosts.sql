-- What the dashboards in grafana/ select: a panel filters and orders, everything else is here. All types are ones that
-- each Grafana since 9.4 can read (timestamptz, text, float8, bigint, boolean); of time series the column is called time.
-- Views read tables; where a function of schema pgvigil is called, a function that may do so stands before it.

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
    h.host_name,
    d.disk_name,
    d.device,
    d.file_system,
    d.size,
    l.disk_usage::float8 as disk_usage,
    l.inode_usage::float8 as inode_usage,
    l.available_bytes,
    g.bytes_per_day,
    case when g.bytes_per_day > 0 then 86400 * l.available_bytes / g.bytes_per_day end as full_in_seconds
from pgvigil.host as h
cross join
    lateral (
        -- the newest sample, as in host_now
        select c.created_at
        from pgvigil.cpu_log as c
        where c.host_id = h.host_id and c.cpu_name = 'cpu-total' and not c.is_deleted
        order by c.created_at desc
        limit 1
    ) as n
inner join pgvigil.disk_log as l on l.host_id = h.host_id and l.created_at = n.created_at and not l.is_deleted
inner join pgvigil.disk_info as d
    on d.host_id = h.host_id and d.disk_name = l.disk_name and d.mounted is not null and not d.is_deleted
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
) as g on true
where not h.is_deleted;
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


create function dashboard.effective_threshold(p_host_name text)
returns table (
    metric text, title text, resource text, warning double precision, critical double precision, hold_seconds double precision,
    mode text, scope text, unit text, threshold_id bigint
)
language sql
stable
security definer
set search_path = pg_temp
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
set search_path = pg_temp
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


create function dashboard.delay_series(
    p_host_name text, p_from timestamptz, p_to timestamptz, p_points integer default 200
)
returns table ("time" timestamptz, delay_seconds double precision)
language sql
stable
security definer
set search_path = pg_temp
as $$
    -- One sample of each part of the time: 200 look-ups, however long the time and however many rows.
    select
        s.created_at,
        extract(epoch from s.updated_at - s.created_at)::float8
    from pgvigil.host as h
    cross join dashboard.part(p_from, p_to, p_points) as b
    cross join lateral (
        select
            l.created_at,
            l.updated_at
        from pgvigil.memory_samples(h.host_id, b.at, b.until) as l
        where l.memory_name = 'memory'
        order by l.created_at
        limit 1
    ) as s
    where h.host_name = p_host_name
    order by s.created_at
$$;
comment on function dashboard.delay_series(text, timestamptz, timestamptz, integer) is 'From sample to storage (seconds): a spool that is replayed shows as a slope, a wrong clock as a level. As far back as there are samples.';
