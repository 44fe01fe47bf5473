"""The text of a mail, from templates: one incident is one thread. The only module that imports Jinja2."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from jinja2 import (
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PackageLoader,
    StrictUndefined,
    TemplateError,
    select_autoescape,
)

from pgvigil.content import alerts_of_digest, describe_alert, describe_digest, describe_report
from pgvigil.errors import MailError
from pgvigil.headers import message_id, thread_headers
from pgvigil.message import Letter
from pgvigil.wording import NO_BREAK, one_line, pad, particle, shorten, wrap

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pgvigil.model import Mail


def compose(mail: Mail, *, grafana_url: str | None, message_domain: str, templates: Path | None = None) -> Letter:
    """Write the mail of one outbox row in the recipient's language and time zone.

    What is in the folder `templates` stands for what is shipped under the same name.

    Raises:
        MailError: no text could be made of it.
    """
    try:
        subject, text, html = _render(_environment(templates), mail, grafana_url)
        own, headers = message_id(mail, message_domain), thread_headers(mail, message_domain)
    except (TemplateError, ArithmeticError, LookupError, OSError, TypeError, ValueError) as exc:
        # Kept and tried again: the next version may have words for it, and the others go on meanwhile.
        message = f"no text could be made of mail {mail.mail_id}: {one_line(repr(exc))}"
        hint = f"Correct the template in {templates}" if templates else "Report this row of pgvigil.mail as a bug"
        raise MailError(message, hint, about="mail") from exc
    return Letter(subject, text, html, own, headers)


def compose_test(
    address: str, *, language: str, message_domain: str, facts: Mapping[str, str], templates: Path | None = None
) -> Letter:
    """Write a mail that says nothing but that it arrived."""
    context = {"address": address, "language": language, "tone": "resolved", **facts}
    subject, text, html = _lay_out(_environment(templates), "trial", context)
    return Letter(
        subject, text, html, f"<pgvigil-test-{uuid4()}@{message_domain}>", {"Auto-Submitted": "auto-generated"}
    )


def warm_up(templates: Path | None = None) -> None:
    """Compile the templates now: with the first mail it would take longer than to send it.

    Raises:
        MailError: one of them cannot be read.
    """
    environment = _environment(templates)
    for name in environment.list_templates(extensions=["j2"]):
        try:
            environment.get_template(name)
        except (TemplateError, OSError, UnicodeError) as exc:
            message = f"the template {name} cannot be used: {one_line(str(exc))}"
            raise MailError(message, f"Correct it in {templates}: until then the shipped ones are used") from exc


def _render(environment: Environment, mail: Mail, grafana_url: str | None) -> tuple[str, str, str]:
    if mail.kind == "weekly":
        return _lay_out(environment, "weekly", describe_report(mail, grafana_url))
    if mail.kind == "digest":
        lines = [_tell(environment, alert) for alert in alerts_of_digest(mail)]
        return _lay_out(environment, "digest", {**describe_digest(mail, grafana_url), "lines": lines})
    return _lay_out(environment, "alert", describe_alert(mail, grafana_url))


def _lay_out(environment: Environment, kind: str, context: dict[str, Any]) -> tuple[str, str, str]:
    everything = {**context, "phrases": _say(environment, kind, context)}
    text, html = (environment.get_template(f"{kind}.{form}.j2").render(everything) for form in ("txt", "html"))
    return everything["phrases"]["subject"], text.replace(NO_BREAK, " "), html


def _say(environment: Environment, kind: str, context: dict[str, Any]) -> dict[str, Any]:
    """Render the sentences first, as plain text, to be put into a layout: so the HTML one escapes them."""
    sentences = vars(environment.get_template(f"{context['language']}/{kind}.j2").make_module(context))
    return {name: _join_lines(said) if isinstance(said, str) else said for name, said in sentences.items()}


def _tell(environment: Environment, alert: Mail) -> dict[str, str]:
    """Return what a digest tells of one alert."""
    context = describe_alert(alert, None)
    phrases = _say(environment, "alert", context)
    return {"tone": context["tone"], "badge": phrases["badge"], "sentence": phrases["sentence"]}


def _join_lines(phrase: str) -> str:
    """Undo the line breaks of the template, but leave the unit bound to its number."""
    return re.sub(r"[ \n]+", " ", phrase).strip()


def _bind(phrase: str) -> str:
    """Keep a browser from parting 97.4% or a bracket from the Korean particle that belongs to it."""
    return re.sub("(?<=[%)])(?=[가-힣])", "\N{WORD JOINER}", phrase)


@cache
def _environment(templates: Path | None) -> Environment:
    shipped = PackageLoader("pgvigil")
    environment = Environment(
        loader=ChoiceLoader([FileSystemLoader(templates), shipped]) if templates else shipped,
        autoescape=select_autoescape(enabled_extensions=("html.j2",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "bind": _bind,
        "joined": _join_lines,
        "pad": pad,
        "particle": particle,
        "shorten": shorten,
        "wrap": wrap,
    }
    return environment
