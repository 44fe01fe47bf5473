"""Mail messages, made of texts nobody vouches for. The only module that imports email. No I/O."""

from __future__ import annotations

import re
from binascii import b2a_qp
from email import message_from_bytes
from email.errors import NonASCIILocalPartDefect
from email.header import Header
from email.headerregistry import Address, BaseHeader, HeaderRegistry
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pgvigil.errors import MailError
from pgvigil.wording import one_line, shorten

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_LABEL = r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?"
_DOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*", re.IGNORECASE)
_LONGEST_NAME = 64  # when it folds a longer display name, Python 3.11 loses the quotes


class _Line(BaseHeader):
    """A header taken literally: Python's own decodes what looks encoded in a host's name, line ends too."""

    max_count = None  # HeaderRegistry asks for it

    @classmethod
    def parse(cls, value: str, kwds: dict[str, Any]) -> None:
        """Keep the value as it is."""
        kwds.update(decoded=value, parse_tree=None)

    def fold(self, *, policy: Any) -> str:
        """Encode as one run: Python 3.11 loses the blanks between encoded words."""
        plain = self.isascii() and "=?" not in self
        if plain and " " not in self:  # an identifier: nowhere to fold
            return f"{self.name}: {self}{policy.linesep}"
        header = Header(str(self), "us-ascii" if plain else "utf-8", header_name=self.name)
        return f"{self.name}: {header.encode(linesep=policy.linesep)}{policy.linesep}"


_REGISTRY = HeaderRegistry(default_class=_Line)  # type: ignore[arg-type]  # the stub wants what BaseHeader gives
for _name in ("subject", "message-id"):
    _REGISTRY.map_to_type(_name, _Line)
_POLICY = SMTP.clone(header_factory=_REGISTRY)


def build_message(
    *,
    sender: str,
    address: str,
    subject: str,
    text: str,
    html: str,
    headers: Mapping[str, str],
    message_id: str,
    date: datetime,
) -> EmailMessage:
    """Build a mail of two parts; nothing in a value can start another header."""
    message = EmailMessage(policy=_POLICY)
    message["From"] = parse_sender(sender)
    message["To"] = parse_recipient(address)
    message["Date"] = date
    for name, value in {"Subject": subject, "Message-ID": message_id, **headers}.items():
        message[name] = one_line(value)
    if "Auto-Submitted" not in message:
        message["Auto-Submitted"] = "auto-generated"
    message["MIME-Version"] = "1.0"
    message["Content-Type"] = "multipart/alternative"
    for kind, content in (("plain", text), ("html", html)):
        part = EmailMessage(policy=_POLICY)
        part["Content-Type"] = f'text/{kind}; charset="utf-8"'
        # Needs no 8BITMIME, keeps lines short, and stays readable in the source view. set_content() would encode it
        # sign by sign in Python, which takes longer than all the rest of a mail.
        part["Content-Transfer-Encoding"] = "quoted-printable"
        part.set_payload(b2a_qp(content.encode("utf-8", "replace")).decode("ascii"))
        message.attach(part)
    return message


def serialize(message: EmailMessage, *, international: bool) -> bytes:
    """Return what goes over the line; raw UTF-8 in the addresses only for a server with SMTPUTF8."""
    return message.as_bytes(policy=_POLICY.clone(utf8=international))


def read_back(raw: bytes) -> tuple[dict[str, str], str]:
    """Return the headers and the HTML part of a mail that was received."""
    message = message_from_bytes(raw, policy=SMTP)
    html = message.get_body(("html",))
    return {name: str(value) for name, value in message.items()}, html.get_content() if html else ""


def parse_sender(value: str) -> Address:
    """Read the sender; a mistake there is one of the settings, so no mail is given up for it."""
    address = _parse(value)
    if address is None:
        text = f"the sender {value!r} is not one usable mail address"
        raise MailError(text, "Check --smtp-sender")
    return address


def parse_recipient(value: str) -> Address:
    """Read the recipient; a mistake there makes this mail hopeless."""
    address = _parse(value)
    if address is None:
        text = f"the recipient {value!r} is not one usable mail address"
        raise MailError(text, "Correct the address in pgvigil.recipient", about="recipient", permanent=True)
    return address


@lru_cache(maxsize=1024)
def _parse(value: str) -> Address | None:
    """Read exactly one address without a defect, its domain in ASCII."""
    try:
        header: Any = _REGISTRY("To", one_line(value))
        (found,), (group,) = header.addresses, header.groups
        domain = found.domain if found.domain.isascii() else found.domain.encode("idna").decode("ascii")
        address = Address(shorten(found.display_name, _LONGEST_NAME), found.username, domain)
    except (AttributeError, IndexError, ValueError):  # Python's parser trips over some nonsense
        return None
    # Whether the server takes letters beyond ASCII before the @ is known only when it is asked.
    defects = [defect for defect in header.defects if not isinstance(defect, NonASCIILocalPartDefect)]
    if defects or group.display_name is not None or not found.username or not _DOMAIN.fullmatch(domain):
        return None
    # smtplib reads the address once more, with this older parser: both must see the same.
    return address if parseaddr(address.addr_spec)[1] == address.addr_spec else None
