"""What the mail of an alert is made of."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pgvigil.chart import draw_chart
from pgvigil.content.common import clock, common, instant, language_of, link_to, zone_of
from pgvigil.wording import clean_lines, format_duration, format_value, one_line, quote_literal, shorten

if TYPE_CHECKING:
    from datetime import tzinfo

    from pgvigil.model import Mail

_STILL_FIRING = frozenset({"fired", "escalated", "reminder", "flapping"})
_OVER = frozenset({"resolved", "cancelled"})
# 0 or 1: no number of these is worth telling
_YES_OR_NO = frozenset({"resource_vanished", "rule_error", "mail_undeliverable", "agent_problem", "rollout_failed"})
_NO_TREND = 315_360_000  # seconds until the disk is full, where nothing says that it ever will be
_LONGEST_SILENCE = 1e10  # whatever the row says, dates before the year 1 cannot be written
_LONGEST_DETAIL = 2000
_LONGEST_NOTE = 10_000
_LONGEST_NAME = 64
_MOST_COMPANIONS = 40
# As pgvigil.watch_disks() writes it.
_FORECAST = re.compile(r"full between (\S+ \S+) UTC and (?:(\S+ \S+) UTC|much later), growing by (.+) an hour")


def describe_alert(mail: Mail, grafana_url: str | None) -> dict[str, Any]:
    """Name everything a template of an alert may use; nothing in it has kept a control character."""
    return {
        **common(mail),
        "event": one_line(mail.event),
        "severity": one_line(mail.severity),
        "host": one_line(mail.host_name),
        "metric": one_line(mail.metric),
        "yes_or_no": mail.metric in _YES_OR_NO,
        "title": one_line(mail.metric_title),
        "resource": _telling_resource(mail),
        "below": mail.direction == "below",
        "scope": one_line(mail.threshold_scope),
        "threshold_id": mail.threshold_id,
        "note": [] if mail.event in _OVER else clean_lines(shorten(mail.note, _LONGEST_NOTE)),
        "detail": [line for line in clean_lines(shorten(mail.detail, _LONGEST_DETAIL)) if line],
        "companions": [shorten(one_line(name), _LONGEST_NAME) or "?" for name in mail.companions[:_MOST_COMPANIONS]],
        "companion_count": len(mail.companions),
        "alert_id": mail.alert_id,
        "tone": _tone(mail),
        "sql": _sql(mail),
        "link": link_to(mail, grafana_url, "host", mail.fired_at, mail.sampled_at),
        **_measures(mail),
    }


def _measures(mail: Mail) -> dict[str, Any]:
    language = language_of(mail)
    zone, _ = zone_of(mail.time_zone)
    limit = _limit(mail)
    chart = draw_chart(mail.history, limit, below=mail.direction == "below")

    def measured(value: float) -> str:
        return format_value(value, mail.unit, language=language)

    def typed(value: float | None) -> str | None:
        return None if value is None else format_value(value, mail.unit, exact=True, language=language)

    return {
        "value": measured(mail.value),
        "peak": measured(mail.peak_value),
        "limit": typed(limit),
        "warning": typed(mail.warning),
        "critical": typed(mail.critical),
        "hold": format_duration(mail.hold_seconds, language) if mail.hold_seconds > 0 else None,
        "duration": format_duration((mail.sampled_at - mail.fired_at).total_seconds(), language),
        "fired_at": clock(mail.fired_at, zone),
        "sampled_at": clock(mail.sampled_at, zone),
        "silent_since": _silent_since(mail, zone),
        "began_at": clock(instant(mail.items["started_at"]), zone) if "started_at" in mail.items else None,
        "occurrences": mail.items.get("occurrences", 0),
        "no_trend": mail.value >= _NO_TREND,
        "forecast": _forecast(mail, zone),
        "chart": chart,
        "lowest": measured(chart.minimum) if chart else None,
        "highest": measured(chart.maximum) if chart else None,
    }


def _telling_resource(mail: Mail) -> str:
    """Return the resource, or nothing where host or title say it already: Memory usage of memory."""
    resource = one_line(mail.resource)
    said = {one_line(mail.host_name).casefold(), *one_line(mail.metric_title).casefold().split()}
    return "" if resource.casefold() in said else resource


def _limit(mail: Mail) -> float | None:
    first, second = mail.warning, mail.critical
    if mail.severity == "critical" and mail.event != "resolved":
        first, second = second, first
    return second if first is None else first


def _tone(mail: Mail) -> str:
    if mail.event == "resolved":
        return "resolved"
    if mail.event == "cancelled":
        return "neutral"
    return mail.severity if mail.severity in {"warning", "critical"} else "neutral"


def _silent_since(mail: Mail, zone: tzinfo) -> str | None:
    told = mail.metric == "host_silence" and mail.event in _STILL_FIRING and 0 <= mail.value <= _LONGEST_SILENCE
    return clock(mail.sampled_at - timedelta(seconds=mail.value), zone) if told else None


def _forecast(mail: Mail, zone: tzinfo) -> dict[str, str | None] | None:
    """Read the dates of a forecast, to tell them in the reader's time zone; None if it says something else."""
    match = _FORECAST.fullmatch(one_line(mail.detail))
    try:
        dates = [date and f"{instant(f'{date}+00:00').astimezone(zone):%Y-%m-%d %H:%M}" for date in match.groups()[:2]]  # type: ignore[union-attr]
    except (AttributeError, ValueError):
        return None
    return {"earliest": dates[0], "latest": dates[1], "growth": match[3]} if match else None


def _sql(mail: Mail) -> dict[str, list[str]]:
    """Return what a person may copy into psql, never run here; the lines of each statement by what it is for."""
    statements = _answers(mail) if mail.event in _STILL_FIRING else {}
    if mail.threshold_id is not None and mail.event != "cancelled" and mail.metric not in _YES_OR_NO:
        limits = {"warning": mail.warning, "critical": mail.critical}
        news = ", ".join(f"{name} = {'null' if value is None else f'{value:.15g}'}" for name, value in limits.items())
        # Made of numbers only.
        statements["change"] = [f"update pgvigil.threshold set {news}", f" where threshold_id = {mail.threshold_id};"]  # noqa: S608 - as above
    return statements


def _answers(mail: Mail) -> dict[str, list[str]]:
    if mail.metric == "host_silence" and mail.companions:
        every = [" from dashboard.open_alert", " where metric = 'host_silence' and state = 'firing';"]
        return {
            "acknowledge": ["select pgvigil.acknowledge(host_name, metric, resource)", *every],
            "silence": ["select pgvigil.silence_for('2 hours', host_name)", *every],
        }
    names = (mail.host_name, mail.metric, mail.resource)
    if any(name != one_line(name) for name in names):  # what cannot be shown as it is cannot be copied either
        return {}
    host, metric, resource = map(quote_literal, names)
    return {
        "acknowledge": [f"select pgvigil.acknowledge({host}, {metric}, {resource});"],
        "silence": [f"select pgvigil.silence_for('2 hours', {host});"],
    }
