-- All that Grafana and `pgvigil top` may read. Dropped and made anew at each migration, so a view can lose a column.

drop schema if exists dashboard cascade;
create schema dashboard;
comment on schema dashboard is 'What people look at: read-only, and stable; the tables below it may change.';


create view dashboard.host_now as
select
    h.host_id,
    h.host_name,
    c.created_at as sampled_at,
    c.updated_at as stored_at,
    c.cpu_usage,
    m.memory_usage,
    d.disk_name,
    d.disk_usage,
    n.received_bytes_per_second,
    n.sent_bytes_per_second,
    h.sample_interval,
    a.open_alerts,
    a.severity,
    h.expected
from pgvigil.host as h
left join lateral (
    select l.created_at, l.updated_at, l.cpu_usage
    from pgvigil.cpu_log as l
    where l.host_id = h.host_id and l.cpu_name = 'cpu-total' and not l.is_deleted
    order by l.created_at desc
    limit 1
) as c on true
left join pgvigil.memory_log as m
    on m.host_id = h.host_id and m.created_at = c.created_at and m.memory_name = 'memory' and not m.is_deleted
left join lateral (
    select l.disk_name, l.disk_usage
    from pgvigil.disk_log as l
    where l.host_id = h.host_id and l.created_at = c.created_at and not l.is_deleted
    order by l.disk_usage desc nulls last
    limit 1
) as d on true
left join lateral (
    select
        sum(l.received_bytes_per_second) as received_bytes_per_second,
        sum(l.sent_bytes_per_second) as sent_bytes_per_second
    from pgvigil.network_log as l
    where l.host_id = h.host_id and l.created_at = c.created_at and not l.is_deleted
) as n on true
left join lateral (
    select count(*) as open_alerts, min(x.severity) as severity
    from pgvigil.alert as x
    where x.host_id = h.host_id and x.state = 'firing' and x.resolved_at is null and not x.is_shadow
) as a on true
where not h.is_deleted;
comment on view dashboard.host_now is 'Each host as of its newest sample.';
comment on column dashboard.host_now.host_id is 'Key of the host.';
comment on column dashboard.host_now.host_name is 'The host.';
comment on column dashboard.host_now.sampled_at is 'Newest sample, by the host''s clock.';
comment on column dashboard.host_now.stored_at is 'When the server stored it.';
comment on column dashboard.host_now.cpu_usage is 'CPU usage of all cores (%).';
comment on column dashboard.host_now.memory_usage is 'Memory usage (%).';
comment on column dashboard.host_now.disk_name is 'The fullest disk.';
comment on column dashboard.host_now.disk_usage is 'Its usage (%).';
comment on column dashboard.host_now.received_bytes_per_second is 'Received on all interfaces (bytes per second).';
comment on column dashboard.host_now.sent_bytes_per_second is 'Sent on all interfaces (bytes per second).';
comment on column dashboard.host_now.sample_interval is 'How often its agent samples.';
comment on column dashboard.host_now.open_alerts is 'Number of firing alerts, shadow rules left out.';
comment on column dashboard.host_now.severity is 'The worst of them.';
comment on column dashboard.host_now.expected is 'Whether its silence is worth a mail.';


create function dashboard.sparkline(
    p_host_id integer, p_metric text, p_resource text, p_until timestamptz, p_span interval, p_buckets integer
)
returns double precision[]
language sql
stable
security definer
set search_path = pg_temp
as $$
    select pgvigil.recent_values(p_host_id, p_metric, p_resource, p_until, p_span, p_buckets)
$$;
comment on function dashboard.sparkline(integer, text, text, timestamptz, interval, integer) is 'The worst value of each of so many equal parts of the time before p_until, oldest first, null where there is none.';


create function dashboard.silenced_by(p_host_id integer, p_metric text, p_resource text, p_at timestamptz)
returns bigint
language sql
stable
security definer
set search_path = pg_temp
as $$
    select pgvigil.silenced_by(p_host_id, p_metric, p_resource, p_at)
$$;
comment on function dashboard.silenced_by(integer, text, text, timestamptz) is 'The silence that covers a series at a moment, null if none does.';


create view dashboard.open_alert as
select
    h.host_name,
    a.metric,
    m.title,
    a.resource,
    a.state,
    a.severity,
    a.value,
    a.peak_value,
    a.warning,
    a.critical,
    m.unit,
    a.pending_at,
    a.fired_at,
    a.is_shadow,
    a.unknown_since,
    a.acknowledged_at,
    a.acknowledged_by,
    a.reopened,
    a.detail,
    dashboard.silenced_by(a.host_id, a.metric, a.resource, statement_timestamp()) as silence_id,
    (
        select t.note from pgvigil.threshold as t
        where t.threshold_id = a.threshold_id
    ) as note,
    a.host_id,
    a.alert_id
from pgvigil.alert as a
inner join pgvigil.host as h on h.host_id = a.host_id
inner join pgvigil.metric as m on m.metric = a.metric
where a.resolved_at is null;
comment on view dashboard.open_alert is 'Alerts that are pending or firing.';
comment on column dashboard.open_alert.host_name is 'The host.';
comment on column dashboard.open_alert.metric is 'What is judged.';
comment on column dashboard.open_alert.title is 'The same for people.';
comment on column dashboard.open_alert.resource is 'On which CPU, memory, disk or interface.';
comment on column dashboard.open_alert.state is 'pending or firing.';
comment on column dashboard.open_alert.severity is 'warning or critical.';
comment on column dashboard.open_alert.value is 'Newest value.';
comment on column dashboard.open_alert.peak_value is 'Worst value so far.';
comment on column dashboard.open_alert.warning is 'Limit of the warning.';
comment on column dashboard.open_alert.critical is 'Limit of the critical level.';
comment on column dashboard.open_alert.unit is 'Unit of the values.';
comment on column dashboard.open_alert.pending_at is 'First sample over the limit.';
comment on column dashboard.open_alert.fired_at is 'When it fired.';
comment on column dashboard.open_alert.is_shadow is 'Nobody is mailed.';
comment on column dashboard.open_alert.unknown_since is 'Since when its host is silent.';
comment on column dashboard.open_alert.acknowledged_at is 'Since when somebody is on it.';
comment on column dashboard.open_alert.acknowledged_by is 'Who.';
comment on column dashboard.open_alert.reopened is 'How often it came back.';
comment on column dashboard.open_alert.detail is 'What else there is to say.';
comment on column dashboard.open_alert.silence_id is 'The silence that covers it now.';
comment on column dashboard.open_alert.note is 'What to do, as the rule says.';
comment on column dashboard.open_alert.host_id is 'Key of the host.';
comment on column dashboard.open_alert.alert_id is 'Number of the incident.';


create view dashboard.recent_mail as
select
    m.created_at,
    m.event,
    -- a report is of all hosts
    case when a.alert_id is not null then m.severity end as severity,
    case when a.alert_id is not null then h.host_name end as host_name,
    coalesce(x.title, 'Weekly report') as title,
    a.resource,
    case when a.alert_id is not null then m.value end as value,
    x.unit,
    m.address,
    m.attempts,
    m.sent_at,
    m.failed_at,
    m.due_at,
    m.last_error,
    m.host_id,
    m.alert_id,
    m.mail_id
from pgvigil.mail as m
inner join pgvigil.host as h on h.host_id = m.host_id
left join pgvigil.alert as a on a.host_id = m.host_id and a.alert_id = m.alert_id
left join pgvigil.metric as x on x.metric = a.metric;
comment on view dashboard.recent_mail is 'The mails, weekly reports too: sent, waiting and given up. Sort by created_at.';
comment on column dashboard.recent_mail.created_at is 'When it was written.';
comment on column dashboard.recent_mail.event is 'What happened; weekly: a report.';
comment on column dashboard.recent_mail.severity is 'warning or critical.';
comment on column dashboard.recent_mail.host_name is 'The host; null for a report, which is of all.';
comment on column dashboard.recent_mail.title is 'What was judged.';
comment on column dashboard.recent_mail.resource is 'On which CPU, memory, disk or interface.';
comment on column dashboard.recent_mail.value is 'Value of the sample that caused it.';
comment on column dashboard.recent_mail.unit is 'Unit of the value.';
comment on column dashboard.recent_mail.address is 'To whom.';
comment on column dashboard.recent_mail.attempts is 'How often a mailer took it.';
comment on column dashboard.recent_mail.sent_at is 'When the SMTP server accepted it.';
comment on column dashboard.recent_mail.failed_at is 'When it was given up.';
comment on column dashboard.recent_mail.due_at is 'When it is tried next.';
comment on column dashboard.recent_mail.last_error is 'Why the last attempt failed.';
comment on column dashboard.recent_mail.host_id is 'Key of the host.';
comment on column dashboard.recent_mail.alert_id is 'Number of the incident.';
comment on column dashboard.recent_mail.mail_id is 'Number of the mail.';
