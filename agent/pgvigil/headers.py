"""What mail programs thread and sort by; pure, so that every retry says the same. No I/O."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from pgvigil.wording import one_line, shorten

if TYPE_CHECKING:
    from pgvigil.model import Mail

_ALONE = frozenset({"digest", "weekly"})  # of no incident's thread
_LONGEST_WORD = 64
_LONGEST_LABEL = 63
_LONGEST_DOMAIN = 150  # RFC 2919 allows a List-Id of 255 in all


def message_id(mail: Mail, domain: str) -> str:
    """Return the root of the thread for the first mail of an incident, a child of it for every other."""
    if mail.kind in _ALONE:
        at = int(mail.sampled_at.timestamp())
        return f"<pgvigil-{mail.kind}-{mail.mail_id}-{at}@{_domain(domain)}>"
    return _identify(mail, domain, "" if mail.event == "fired" else f"-{mail.mail_id}")


def thread_headers(mail: Mail, domain: str) -> dict[str, str]:
    """Return the headers that bind, name and mark a mail."""
    headers = {
        "Auto-Submitted": "auto-generated",
        "List-Id": _list_id(mail, domain),
        "X-Pgvigil-Event": shorten(one_line(mail.kind), _LONGEST_WORD),
        "X-Pgvigil-Severity": shorten(one_line(mail.severity), _LONGEST_WORD),
        "X-Pgvigil-Mail-Id": str(mail.mail_id),
    }
    if mail.event != "fired" and mail.kind not in _ALONE:
        root = _identify(mail, domain)
        headers |= {"In-Reply-To": root, "References": root}
    if mail.severity == "critical" and mail.event in {"fired", "escalated"}:
        headers |= {"X-Priority": "1", "Importance": "high"}
    return headers


def _identify(mail: Mail, domain: str, suffix: str = "") -> str:
    fired = int(mail.fired_at.timestamp())
    return f"<pgvigil-{mail.host_id}-{mail.alert_id}-{fired}{suffix}@{_domain(domain)}>"


def _list_id(mail: Mail, domain: str) -> str:
    """Return a list per host; a host whose name RFC 2919 does not allow is told apart by its number."""
    if mail.kind in _ALONE:
        return f"<{mail.kind}.pgvigil.{_domain(domain)}>"
    label = _dotted(mail.host_name)[:_LONGEST_LABEL].strip(".-")
    if label != mail.host_name.lower():
        label = f"{label}-{mail.host_id}".lstrip("-")
    return f"<{label}.pgvigil.{_domain(domain)}>"


def _domain(text: str) -> str:
    with suppress(UnicodeError):  # not a domain at all: what is left of it below still makes a valid header
        text = text.encode("idna").decode("ascii")
    return _dotted(text)[:_LONGEST_DOMAIN].strip(".-") or "pgvigil.invalid"


def _dotted(text: str) -> str:
    """Keep letters, digits, hyphens and single dots: what RFC 5322 calls dot-atom, and a little less."""
    return re.sub(r"-*\.[-.]*", ".", re.sub(r"[^a-z0-9.-]+", "-", text.lower())).strip(".-")
