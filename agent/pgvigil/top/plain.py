"""A snapshot as lines of key=value, for output that is no terminal: keys and their order stay. No I/O."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from pgvigil.top.snapshot import AlertRow, HostRow, MailRow, Snapshot

_PLAIN_WORD = re.compile(r'[^\s"=\\]+')


def plain_lines(snapshot: Snapshot, *, now: datetime) -> list[str]:
    """Write the totals, then one line per host, alert and mail; what is not known is left out."""
    totals = snapshot.totals
    return [
        key_values(
            "fleet",
            at=_time(snapshot.taken_at),
            hosts=totals.hosts,
            shown=len(snapshot.hosts),
            critical=totals.critical,
            warning=totals.warning,
            silent=totals.silent,
            firing=totals.firing,
            pending=totals.pending,
        ),
        *(_host(row, now) for row in snapshot.hosts),
        *map(_alert, snapshot.alerts),
        *map(_mail, snapshot.mails),
    ]


def key_values(kind: str, **values: str | float | bool | None) -> str:
    """Write a line; what a shell or grep would take apart is quoted as in JSON."""
    return " ".join([kind, *(f"{key}={_word(value)}" for key, value in values.items() if value is not None)])


def _word(value: str | float | bool) -> str:  # noqa: FBT001 - a value to write, not a switch
    if isinstance(value, str):
        return value if _PLAIN_WORD.fullmatch(value) else json.dumps(value, ensure_ascii=False)
    return json.dumps(value) if isinstance(value, bool) else f"{value:.12g}"


def _time(at: datetime) -> str:
    return at.isoformat(timespec="seconds")


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _host(row: HostRow, now: datetime) -> str:
    return key_values(
        "host",
        host=row.host_name,
        status=row.status,
        age_seconds=_round((now - row.stored_at).total_seconds()) if row.stored_at else None,
        cpu_percent=_round(row.cpu_usage),
        memory_percent=_round(row.memory_usage),
        disk_percent=_round(row.disk_usage),
        disk=row.disk_name,
        received_bytes_per_second=_round(row.received_bytes_per_second),
        sent_bytes_per_second=_round(row.sent_bytes_per_second),
        open_alerts=row.open_alerts,
    )


def _alert(row: AlertRow) -> str:
    return key_values(
        "alert",
        host=row.host_name,
        metric=row.metric,
        resource=row.resource,
        state=row.state,
        severity=row.severity,
        since=_time(row.since),
        value=_round(row.value),
        limit=row.limit_value,
        peak=_round(row.peak_value),
        unit=row.unit,
        shadow=row.is_shadow,
    )


def _mail(row: MailRow) -> str:
    return key_values(
        "mail",
        host=row.host_name,
        event=row.event,
        severity=row.severity,
        title=row.title,
        resource=row.resource,
        to=row.address,
        state=row.state,
        at=_time(row.at),
        attempts=row.attempts,
        reason=row.reason or None,
    )
