"""What digests and weekly reports are made of."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from typing import TYPE_CHECKING, Any

from pgvigil.content.common import clock, common, instant, language_of, link_to, zone_of
from pgvigil.wording import format_duration, format_value, one_line

if TYPE_CHECKING:
    from pgvigil.model import Mail


def describe_digest(mail: Mail, grafana_url: str | None) -> dict[str, Any]:
    """Name what a template of a digest may use besides the sentences of its alerts."""
    told = mail.items
    zone, _ = zone_of(mail.time_zone)
    since, until = instant(told["since"]), instant(told["until"])
    worst = "critical" if told["critical_count"] else "warning"
    return {
        **common(mail),
        **{name: told[name] for name in ("count", "host_count", "critical_count", "over_count")},
        "since": clock(since, zone),
        "until": clock(until, zone),
        "tone": "resolved" if told["over_count"] == told["count"] else worst,
        "link": link_to(mail, grafana_url, "fleet", since, until),
        # What of it fires still, when it is run.
        "sql": {
            "look": ["select * from dashboard.open_alert order by fired_at desc;"],
            "acknowledge": [
                "select pgvigil.acknowledge(host_name, metric, resource)",
                " from dashboard.open_alert",
                f" where state = 'firing' and fired_at >= '{since.astimezone(UTC):%Y-%m-%d %H:%M:%S}+00';",
            ],
        }
        if told["over_count"] < told["count"]
        else {},
    }


def alerts_of_digest(mail: Mail) -> list[Mail]:
    """Return each alert of a digest as a mail of its own."""
    instants = ("sampled_at", "fired_at")
    return [
        replace(mail, **{**alert, **{name: instant(alert[name]) for name in instants}}, history=(), companions=(),
                is_digest=False, items={})
        for alert in mail.items["alerts"]
    ]  # fmt: skip


def describe_report(mail: Mail, grafana_url: str | None) -> dict[str, Any]:
    """Name what a template of a weekly report may use."""
    zone, _ = zone_of(mail.time_zone)
    language = language_of(mail)
    told = mail.items
    since, until = instant(told["since"]), instant(told["until"])
    disks = [
        {
            **_clean(disk),
            "usage": format_value(disk["usage"], "percent", language=language),
            "left": format_duration(disk["days_left"] * 86_400, language),
            "growth": format_value(disk["bytes_per_day"], "bytes", language=language),
        }
        for disk in told.get("disks", ())
    ]
    hosts = [
        {**_clean(host), "seen_at": clock(instant(host["last_seen_at"]), zone) if host.get("last_seen_at") else None}
        for host in told.get("hosts", ())
    ]
    return {
        **common(mail),
        "since": f"{since.astimezone(zone):%Y-%m-%d}",
        "until": f"{until.astimezone(zone):%Y-%m-%d}",
        "rules": [_clean(rule) for rule in told.get("rules", ())],
        "disks": disks,
        "hosts": hosts,
        "host_count": told.get("host_count", 0),
        "addresses": [_clean(address) for address in told.get("addresses", ())],
        "tone": "neutral",
        "link": link_to(mail, grafana_url, "fleet", since, until),
    }


def _clean(row: dict[str, Any]) -> dict[str, Any]:
    return {name: one_line(value) if isinstance(value, str) else value for name, value in row.items()}
