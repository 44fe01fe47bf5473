"""A snapshot as lines of key=value, for output that is no terminal: keys and their order stay. No I/O."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pgvigil.top.snapshot import Row, Snapshot

_PLAIN_WORD = re.compile(r'[^\s"=\\]+')
# The keys of a line, and the column of each where it has another name.
_HOST = (
    "host=host_name status age_seconds cpu_percent=cpu_usage memory_percent=memory_usage disk_percent=disk_usage"
    " disk=disk_name received_bytes_per_second sent_bytes_per_second open_alerts"
)
_ALERT = (
    "host=host_name metric resource state severity since value limit=limit_value peak=peak_value unit shadow=is_shadow"
)
_MAIL = "host=host_name event severity title resource to=address state at attempts reason"


def plain_lines(snapshot: Snapshot, *, now: datetime) -> list[str]:
    """Write the totals, then one line per host, alert and mail; what is not known is left out."""
    totals = {"at": snapshot.taken_at, "hosts": snapshot.totals.hosts, "shown": len(snapshot.hosts)}
    lines = [key_values("fleet", **totals | vars(snapshot.totals))]
    for row in snapshot.hosts:
        age = (now - row.stored_at).total_seconds() if row.stored_at else None
        lines.append(_line("host", _HOST, row, age_seconds=age))
    lines += [_line("alert", _ALERT, row) for row in snapshot.alerts]
    return lines + [_line("mail", _MAIL, row) for row in snapshot.mails]


def key_values(kind: str, **values: object) -> str:
    """Write a line; what a shell or grep would take apart is quoted as in JSON."""
    return " ".join([kind, *(f"{key}={_word(key, value)}" for key, value in values.items() if value not in {None, ""})])


def _line(kind: str, keys: str, row: Row, **more: object) -> str:
    columns = vars(row) | more
    pairs = (key.partition("=") for key in keys.split())
    return key_values(kind, **{key: columns[column or key] for key, _, column in pairs})


def _word(key: str, value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, str):
        return value if _PLAIN_WORD.fullmatch(value) else json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return json.dumps(value)
    return f"{value if key == 'limit' else round(value, 1):.12g}"  # a limit is as somebody wrote it
