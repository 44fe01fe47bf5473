"""What all mails have in common: language, time zone, links."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from pgvigil.wording import one_line

if TYPE_CHECKING:
    from pgvigil.model import Mail

LANGUAGES = ("en", "ko")
_BEFORE = timedelta(hours=1)
_AFTER = timedelta(minutes=15)


def common(mail: Mail) -> dict[str, Any]:
    """Name what every template may use."""
    return {
        "language": language_of(mail),
        "zone": zone_of(mail.time_zone)[1],
        "address": one_line(mail.address),
        "mail_id": mail.mail_id,
    }


def language_of(mail: Mail) -> str:
    """Return the language that we have for the one that is wanted."""
    wanted = mail.language.partition("-")[0].lower()
    return wanted if wanted in LANGUAGES else LANGUAGES[0]


def zone_of(name: str) -> tuple[tzinfo, str]:
    """Return the time zone and its name; UTC if there is none of this name."""
    try:
        return ZoneInfo(name), one_line(name)
    except (KeyError, ValueError, OSError):  # unknown; a path or a NUL; the name of a folder
        return UTC, "UTC"


def clock(at: datetime, zone: tzinfo) -> str:
    """Write an instant as a clock in that zone shows it."""
    local = at.astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M:%S} {local.isoformat()[-6:]}"


def instant(text: str) -> datetime:
    """Read what PostgreSQL wrote into JSON."""
    return datetime.fromisoformat(text)


def link_to(mail: Mail, grafana_url: str | None, dashboard: str, since: datetime, until: datetime) -> str | None:
    """Return the address of a dashboard in the mail's language, at the right time range."""
    if not grafana_url:
        return None
    start, end = ((at.timestamp() * 1000) for at in (since - _BEFORE, until + _AFTER))
    host = {"var-host": one_line(mail.host_name)} if dashboard == "host" else {}
    query = {**host, "from": f"{start:.0f}", "to": f"{end:.0f}"}
    uid = f"pgvigil-{dashboard}-{language_of(mail)}".removesuffix("-en")
    return f"{grafana_url.rstrip('/')}/d/{uid}?{urlencode(query, quote_via=quote)}"
