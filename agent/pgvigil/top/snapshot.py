"""What the fleet looks like right now, read from schema dashboard alone: the rows behind `pgvigil top`."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pgvigil.database import Connection, fetch
from pgvigil.wording import one_line

if TYPE_CHECKING:
    from datetime import datetime

Row = SimpleNamespace  # of a query: its columns are the attributes

_ALERT_LIMIT = 100
_MAIL_LIMIT = 50
_TOTALS = ("hosts", "critical", "warning", "silent", "firing", "pending")

# Worst first: a host that fell silent with a critical alert keeps its place, though what it said last is no news.
# Usage counts in steps of ten, so that healthy hosts do not change places at every refresh.
_HOSTS = """
select
    n.*,
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
        greatest(1, least(24, floor(a.seconds / 2 / extract(epoch from w.sample_interval))))::integer as buckets,
        make_interval(secs => a.seconds) as span
    from (select %s::float8 as seconds) as a
) as c
cross join lateral (
    select c.buckets, c.span, date_bin(c.span / c.buckets, now() + c.span / c.buckets, 'epoch') as at
) as b
"""  # noqa: S608 - our own text

_ALERTS = """
select
    a.host_id, a.host_name, a.metric, a.title, a.resource, a.state, a.severity, a.unit, a.value, a.peak_value,
    a.is_shadow,
    case a.severity when 'critical' then a.critical else a.warning end as limit_value,
    coalesce(a.fired_at, a.pending_at) as since,
    count(*) filter (where a.state = 'firing') over () as firing,
    count(*) filter (where a.state = 'pending') over () as pending
from dashboard.open_alert as a
order by a.state = 'firing' desc, a.severity = 'critical' desc, since desc, a.alert_id desc
limit %s
"""

_MAILS = """
select
    m.*,
    case
        when m.sent_at is not null then 'sent'
        when m.failed_at is not null then 'failed'
        else 'waiting'
    end as state,
    coalesce(m.sent_at, m.failed_at, m.created_at) as at,
    m.last_error as reason
from dashboard.recent_mail as m
order by m.created_at desc, m.mail_id desc
limit %s
"""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The worst hosts, the open alerts and the newest mails at one moment of the server's clock; totals of all."""

    taken_at: datetime
    totals: Row
    hosts: list[Row]
    alerts: list[Row]
    mails: list[Row]


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
    counted = {**dict.fromkeys(_TOTALS, 0), **(hosts or [{}])[0], **(alerts or [{}])[0]}
    totals = Row(**{name: counted[name] for name in _TOTALS})
    return Snapshot(taken_at, totals, *([_harmless(row) for row in rows] for rows in (hosts, alerts, mails)))


def _harmless(row: dict[str, Any]) -> Row:
    """Texts come from hosts and people: no control character gets in."""
    return Row(**{name: one_line(value) if isinstance(value, str) else value for name, value in row.items()})
