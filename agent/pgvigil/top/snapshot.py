"""What the fleet looks like right now, read from schema dashboard alone: the rows behind `pgvigil top`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from pgvigil.database import Connection, fetch
from pgvigil.wording import one_line

if TYPE_CHECKING:
    from datetime import datetime, timedelta

_ALERT_LIMIT = 100
_MAIL_LIMIT = 50

# Worst first: a host that fell silent with a critical alert keeps its place, though what it said last is no news.
# Usage counts in steps of ten, so that healthy hosts do not change places at every refresh.
_HOSTS = """
select
    n.host_id, n.host_name, n.status, n.stored_at, n.sample_interval, n.open_alerts,
    n.cpu_usage, n.memory_usage, n.disk_name, n.disk_usage,
    n.received_bytes_per_second, n.sent_bytes_per_second,
    count(*) over () as hosts,
    count(*) filter (where n.status = 'critical') over () as critical,
    count(*) filter (where n.status = 'warning') over () as warning,
    count(*) filter (where n.status = 'silent') over () as silent
from (
    select
        h.*,
        case
            when h.stored_at >= statement_timestamp() - 3 * h.sample_interval then coalesce(h.severity, 'ok')
            else 'silent'
        end as status
    from dashboard.host_now as h
) as n
order by
    n.severity is distinct from 'critical',
    array_position(array['critical', 'silent', 'warning', 'ok'], n.status),
    round(greatest(n.cpu_usage, n.memory_usage, n.disk_usage)::numeric, -1) desc nulls last,
    n.host_name
limit %s
"""

# A bucket spans two samples at least, else every other one would be empty; it ends at a multiple of its size, so
# that the columns of a sparkline move to the left without changing their heights.
_HOSTS_WITH_HISTORY = f"""
select
    w.*,
    dashboard.sparkline(w.host_id, 'cpu_usage', 'cpu-total', b.at, b.span, b.buckets) as cpu_history,
    dashboard.sparkline(w.host_id, 'memory_usage', 'memory', b.at, b.span, b.buckets) as memory_history,
    dashboard.sparkline(w.host_id, 'disk_usage', w.disk_name, b.at, b.span, b.buckets) as disk_history,
    dashboard.sparkline(w.host_id, 'received_bytes_per_second', null, b.at, b.span, b.buckets) as received_history,
    dashboard.sparkline(w.host_id, 'sent_bytes_per_second', null, b.at, b.span, b.buckets) as sent_history
from ({_HOSTS}) as w
cross join lateral (
    select
        c.buckets,
        make_interval(secs => d.seconds * c.buckets) as span,
        to_timestamp(ceil(extract(epoch from statement_timestamp()) / d.seconds) * d.seconds) as at
    from (select %s::float8 as seconds, extract(epoch from w.sample_interval) as pause) as a
    cross join lateral (select greatest(1, least(24, floor(a.seconds / 2 / a.pause)))::integer as buckets) as c
    cross join lateral (select a.seconds / c.buckets as seconds) as d
) as b
"""  # noqa: S608 - our own text

_ALERTS = """
select
    a.host_id, a.host_name, a.metric, a.title, a.resource, a.state, a.severity, a.unit, a.value, a.peak_value,
    case a.severity when 'critical' then a.critical else a.warning end as limit_value,
    coalesce(a.fired_at, a.pending_at) as since,
    a.is_shadow,
    count(*) filter (where a.state = 'firing') over () as firing,
    count(*) filter (where a.state = 'pending') over () as pending
from dashboard.open_alert as a
order by a.state = 'firing' desc, a.severity = 'critical' desc, since desc, a.alert_id desc
limit %s
"""

_MAILS = """
select
    m.event, m.severity, m.host_name, m.title, m.resource, m.address, m.attempts, m.due_at,
    case
        when m.sent_at is not null then 'sent'
        when m.failed_at is not null then 'failed'
        else 'waiting'
    end as state,
    coalesce(m.sent_at, m.failed_at, m.created_at) as at,
    coalesce(m.last_error, '') as reason
from dashboard.recent_mail as m
order by m.created_at desc, m.mail_id desc
limit %s
"""


@dataclass(frozen=True, slots=True)
class Totals:
    """Numbers of hosts and open alerts in the whole fleet, shown or not."""

    hosts: int = 0
    critical: int = 0
    warning: int = 0
    silent: int = 0
    firing: int = 0
    pending: int = 0


@dataclass(frozen=True, slots=True)
class HostRow:
    """A host as of its newest sample; status is critical, silent, warning or ok."""

    host_id: int
    host_name: str
    status: str
    stored_at: datetime | None
    sample_interval: timedelta
    open_alerts: int
    cpu_usage: float | None
    memory_usage: float | None
    disk_name: str | None
    disk_usage: float | None
    received_bytes_per_second: float | None
    sent_bytes_per_second: float | None
    cpu_history: tuple[float | None, ...] = ()
    memory_history: tuple[float | None, ...] = ()
    disk_history: tuple[float | None, ...] = ()
    received_history: tuple[float | None, ...] = ()
    sent_history: tuple[float | None, ...] = ()


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert that is pending or firing; limit_value is the limit of its severity."""

    host_id: int
    host_name: str
    metric: str
    title: str
    resource: str
    state: str
    severity: str
    unit: str
    value: float
    peak_value: float
    limit_value: float | None
    since: datetime
    is_shadow: bool


@dataclass(frozen=True, slots=True)
class MailRow:
    """A mail; state is sent, waiting or failed, `at` the time of that."""

    event: str
    severity: str
    host_name: str
    title: str
    resource: str
    address: str
    attempts: int
    due_at: datetime
    state: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The worst hosts, the open alerts and the newest mails at one moment of the server's clock."""

    taken_at: datetime
    totals: Totals
    hosts: tuple[HostRow, ...]
    alerts: tuple[AlertRow, ...]
    mails: tuple[MailRow, ...]


def read_snapshot(connection: Connection, *, host_limit: int, span_seconds: float = 1800.0) -> Snapshot:
    """Read the fleet in four statements; a span of 0 leaves out the sparklines, which cost the most."""
    taken_at: datetime = fetch(connection, "select statement_timestamp() as at")[0]["at"]
    if span_seconds > 0:
        hosts = fetch(connection, _HOSTS_WITH_HISTORY, (host_limit, span_seconds))
    else:
        hosts = fetch(connection, _HOSTS, (host_limit,))
    alerts = fetch(connection, _ALERTS, (_ALERT_LIMIT,))
    mails = fetch(connection, _MAILS, (_MAIL_LIMIT,))
    # Every row of a query carries the same totals: where there is no row, there is nothing to count.
    counted = {**(hosts[0] if hosts else {}), **(alerts[0] if alerts else {})}
    return Snapshot(
        taken_at=taken_at,
        totals=Totals(**_pick(Totals, counted)),
        hosts=tuple(HostRow(**_pick(HostRow, row)) for row in hosts),
        alerts=tuple(AlertRow(**_pick(AlertRow, row)) for row in alerts),
        mails=tuple(MailRow(**_pick(MailRow, row)) for row in mails),
    )


def _pick(kind: type, row: dict[str, Any]) -> dict[str, Any]:
    """Take the columns of one dataclass; texts come from hosts and people: no control character gets in."""
    return {field.name: _harmless(row[field.name]) for field in fields(kind) if field.name in row}


def _harmless(value: Any) -> Any:
    if isinstance(value, str):
        return one_line(value)
    return tuple(value) if isinstance(value, list) else value
