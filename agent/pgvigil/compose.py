"""The text of a mail: one incident is one thread. The only module that imports Jinja2."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, timedelta, tzinfo
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined, TemplateError, select_autoescape

from pgvigil.chart import draw_chart
from pgvigil.errors import MailError
from pgvigil.headers import message_id, thread_headers
from pgvigil.wording import (
    NO_BREAK,
    clean_lines,
    format_duration,
    format_value,
    one_line,
    pad,
    quote_literal,
    shorten,
    wrap,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pgvigil.model import Mail

LANGUAGES = ("en",)
_BEFORE = timedelta(hours=1)
_AFTER = timedelta(minutes=15)

_STILL_FIRING = frozenset({"fired", "escalated", "reminder", "flapping"})
_OVER = frozenset({"resolved", "cancelled"})
_YES_OR_NO = frozenset({"resource_vanished", "rule_error"})  # 0 or 1: no number of these is worth telling
_NO_TREND = 315_360_000  # seconds until the disk is full, where nothing says that it ever will be
_LONGEST_SILENCE = 1e10  # whatever the row says, dates before the year 1 cannot be written
_LONGEST_DETAIL = 2000
_LONGEST_NAME = 64
_MOST_COMPANIONS = 40


@dataclass(frozen=True, slots=True)
class Composed:
    """All of a mail but sender, address and date; the same row always gives the same."""

    subject: str
    text: str
    html: str
    message_id: str
    headers: Mapping[str, str]


def compose(mail: Mail, *, grafana_url: str | None, message_domain: str) -> Composed:
    """Write the mail of one outbox row in the recipient's language and time zone."""
    try:
        subject, text, html = _render(_context(mail, grafana_url))
        own, headers = message_id(mail, message_domain), thread_headers(mail, message_domain)
    except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as exc:
        # Kept and tried again: the next version may have words for it, and the others go on meanwhile.
        message = f"no text could be made of mail {mail.mail_id}: {one_line(repr(exc))}"
        raise MailError(message, "Report this row of pgvigil.mail as a bug") from exc
    return Composed(subject=subject, text=text, html=html, message_id=own, headers=headers)


def _render(context: dict[str, Any]) -> tuple[str, str, str]:
    environment = _environment()
    # Sentences are rendered first, as plain text, and then put into a layout: so the HTML one escapes them.
    sentences = vars(environment.get_template(f"{context['language']}/phrases.j2").make_module(context))
    phrases = {name: _join_lines(said) if isinstance(said, str) else said for name, said in sentences.items()}
    everything = {**context, "phrases": phrases}
    text = environment.get_template("layout.txt.j2").render(everything).replace(NO_BREAK, " ")
    return phrases["subject"], text, environment.get_template("layout.html.j2").render(everything)


def _join_lines(phrase: str) -> str:
    """Undo the line breaks of the template, but leave the unit bound to its number."""
    return re.sub(r"[ \n]+", " ", phrase).strip()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pgvigil"),
        autoescape=select_autoescape(enabled_extensions=("html.j2",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"pad": pad, "shorten": shorten, "wrap": wrap}
    return environment


def _context(mail: Mail, grafana_url: str | None) -> dict[str, Any]:
    """Name everything a template may use; nothing in it has kept a control character."""
    return {
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
        "note": [] if mail.event in _OVER else clean_lines(mail.note),
        "detail": [line for line in clean_lines(shorten(mail.detail, _LONGEST_DETAIL)) if line],
        "companions": [shorten(one_line(name), _LONGEST_NAME) or "?" for name in mail.companions[:_MOST_COMPANIONS]],
        "companion_count": len(mail.companions),
        "address": one_line(mail.address),
        "mail_id": mail.mail_id,
        "alert_id": mail.alert_id,
        "tone": _tone(mail),
        "sql": _sql(mail),
        "link": _link(mail, grafana_url),
        **_measures(mail),
    }


def _measures(mail: Mail) -> dict[str, Any]:
    language = _language(mail)
    zone, zone_name = _zone(mail.time_zone)
    limit = _limit(mail)
    chart = draw_chart(mail.history, limit, below=mail.direction == "below")

    def measured(value: float) -> str:
        return format_value(value, mail.unit, language=language)

    def typed(value: float | None) -> str | None:
        return None if value is None else format_value(value, mail.unit, exact=True, language=language)

    return {
        "language": language,
        "value": measured(mail.value),
        "peak": measured(mail.peak_value),
        "limit": typed(limit),
        "warning": typed(mail.warning),
        "critical": typed(mail.critical),
        "hold": format_duration(mail.hold_seconds, language) if mail.hold_seconds > 0 else None,
        "duration": format_duration((mail.sampled_at - mail.fired_at).total_seconds(), language),
        "fired_at": _clock(mail.fired_at, zone),
        "sampled_at": _clock(mail.sampled_at, zone),
        "silent_since": _silent_since(mail, zone),
        "no_trend": mail.value >= _NO_TREND,
        "zone": zone_name,
        "chart": chart,
        "lowest": measured(chart.minimum) if chart else None,
        "highest": measured(chart.maximum) if chart else None,
    }


def _language(mail: Mail) -> str:
    wanted = mail.language.partition("-")[0].lower()
    return wanted if wanted in LANGUAGES else LANGUAGES[0]


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


def _zone(name: str) -> tuple[tzinfo, str]:
    try:
        return ZoneInfo(name), one_line(name)
    except (KeyError, ValueError, OSError):  # unknown; a path or a NUL; the name of a folder
        return UTC, "UTC"


def _clock(at: datetime, zone: tzinfo) -> str:
    local = at.astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M:%S} {local.isoformat()[-6:]}"


def _silent_since(mail: Mail, zone: tzinfo) -> str | None:
    told = mail.metric == "host_silence" and mail.event in _STILL_FIRING and 0 <= mail.value <= _LONGEST_SILENCE
    return _clock(mail.sampled_at - timedelta(seconds=mail.value), zone) if told else None


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


def _link(mail: Mail, grafana_url: str | None) -> str | None:
    if not grafana_url:
        return None
    start, end = ((at.timestamp() * 1000) for at in (mail.fired_at - _BEFORE, mail.sampled_at + _AFTER))
    query = {"var-host": one_line(mail.host_name), "from": f"{start:.0f}", "to": f"{end:.0f}"}
    return f"{grafana_url.rstrip('/')}/d/pgvigil-host?{urlencode(query, quote_via=quote)}"
