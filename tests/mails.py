"""Mails as a mailer claims them, for the tests of their texts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from pgvigil.compose import compose
from pgvigil.model import Mail

if TYPE_CHECKING:
    from pgvigil.message import Letter

FIRED_AT = datetime(2026, 11, 22, 5, 3, 10, tzinfo=UTC)
FIRED = Mail(
    mail_id=77,
    host_id=3,
    alert_id=41,
    event="fired",
    severity="critical",
    address="ops@example.org",
    attempts=0,
    host_name="web1",
    metric="cpu_usage",
    metric_title="CPU usage",
    unit="percent",
    direction="above",
    resource="cpu-total",
    sampled_at=FIRED_AT,
    value=97.4,
    peak_value=97.4,
    fired_at=FIRED_AT,
    warning=80.0,
    critical=95.0,
    hold_seconds=300.0,
    threshold_id=12,
    threshold_scope="host",
    note="See who is busy: top -o %CPU\n\n  Runbook: https://wiki.example.org/cpu?a=1&b=2\n",
    time_zone="Asia/Seoul",
    language="en",
    history=(12.0, 14.0, None, None, 30.0, 55.0, 81.0, 95.5, 97.4),
)
RESOLVED = replace(
    FIRED,
    mail_id=81,
    event="resolved",
    sampled_at=FIRED_AT + timedelta(seconds=432),
    value=12.0,
    peak_value=99.1,
    time_zone="Europe/Berlin",
    note="",
    history=(12.0, 14.0, 99.1, 12.0),
)
DERIVED = replace(FIRED, hold_seconds=0.0, threshold_scope="all", note="", warning=None, critical=None, history=())
SILENT = replace(
    DERIVED,
    metric="host_silence",
    metric_title="Silence",
    unit="seconds",
    resource="host",
    value=65.0,
    peak_value=65.0,
    critical=60.0,
    note="ping HOST",
)
FULL = replace(
    DERIVED,
    metric="disk_full_in",
    metric_title="Time until the disk is full",
    unit="seconds",
    direction="below",
    resource="/data",
    value=13_800.0,
    peak_value=13_800.0,
    warning=86_400.0,
    critical=14_400.0,
    detail="full between 2026-11-23 04:00 UTC and 2026-11-23 09:30 UTC, growing by 3 GB an hour",
)
VANISHED = replace(
    DERIVED,
    severity="warning",
    metric="resource_vanished",
    metric_title="Vanished",
    unit="count",
    resource="/data",
    value=1.0,
    peak_value=1.0,
    warning=1.0,
)
BROKEN = replace(
    VANISHED,
    metric="rule_error",
    metric_title="Broken rule",
    resource="rule 12",
    threshold_id=9,
    detail="division by zero\n\nHINT: \x1b[2Jdo not",
)
AGENT = replace(
    VANISHED,
    metric="agent_problem",
    metric_title="Agent problem",
    resource="collector_failed disk",
    hold_seconds=300.0,
    threshold_scope="all hosts, default",
    note="What it could not measure is missing.",
    detail="PermissionError: [Errno 13] Permission denied: '/host/proc/1/mounts'",
    items={"started_at": "2026-11-22T04:57:55+00:00", "occurrences": 31},
)
SKEWED = replace(
    SILENT,
    severity="warning",
    metric="clock_skew",
    metric_title="Clock skew",
    resource="clock",
    value=45.2,
    warning=30.0,
)
ROLLOUT = replace(
    VANISHED, metric="rollout_failed", metric_title="Failed rollout", resource="agent", detail="no sample within 60 s"
)
LATER: dict[str, Any] = {"mail_id": 99, "sampled_at": FIRED_AT + timedelta(hours=4, minutes=3)}
COMPANIONS = tuple(f"web{number}" for number in range(2, 62))
hostile = st.text(st.characters(exclude_categories=())) | st.text(
    st.sampled_from("a한🚀\r\n\0\x1b\x85\u2028\u202e :;,=?<&\"'\ud800")
)


def write(mail: Mail, grafana_url: str | None = None, domain: str = "mon.example.org") -> Letter:
    """Compose with what does not matter here."""
    return compose(mail, grafana_url=grafana_url, message_domain=domain)


def first_line(mail: Mail) -> str:
    """Return what is seen first, on one line."""
    return " ".join(write(mail).text.partition("\n\n")[0].split())
