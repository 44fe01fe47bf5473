"""Mails as bytes, made of texts nobody vouches for. The only module that imports email. No I/O."""

from __future__ import annotations

import re
from binascii import b2a_qp
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import NonASCIILocalPartDefect
from email.header import Header
from email.headerregistry import Address, HeaderRegistry
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pgvigil.errors import MailError
from pgvigil.wording import one_line, shorten

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_LABEL = r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?"
_DOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*", re.IGNORECASE)
_LONGEST_NAME = 64
_EOL = "\r\n"
_BOUNDARY = "=_pgvigil"  # what is quoted-printable never holds "=_"
_read_header = HeaderRegistry()


@dataclass(frozen=True, slots=True)
class Letter:
    """All of a mail but sender, recipient and date; the same row always gives the same."""

    subject: str
    text: str
    html: str
    message_id: str
    headers: Mapping[str, str]

    def to_bytes(self, *, sender: str, address: str, date: datetime) -> bytes:
        """Write what goes over the line: two parts, and no value can start another header.

        Python's own classes would take longer for it than all the rest of a mail.

        Raises:
            MailError: sender or address is not one usable address.
        """
        head = {
            "From": _mailbox(parse_sender(sender)),
            "To": _mailbox(parse_recipient(address)),
            "Date": format_datetime(date),
            **{
                name: _encode(one_line(value), name)
                for name, value in {"Subject": self.subject, "Message-ID": self.message_id, **self.headers}.items()
            },
            "MIME-Version": "1.0",
            "Content-Type": f'multipart/alternative; boundary="{_BOUNDARY}"',
        }
        lines = [*(f"{name}: {value}" for name, value in head.items()), ""]
        for kind, content in (("plain", self.text), ("html", self.html)):
            # Needs no 8BITMIME, keeps lines short, and stays readable in the source view.
            quoted = b2a_qp(content.encode("utf-8", "replace")).decode("ascii").replace("\n", _EOL)
            lines += [f"--{_BOUNDARY}", f'Content-Type: text/{kind}; charset="utf-8"']
            lines += ["Content-Transfer-Encoding: quoted-printable", "", quoted]
        return _EOL.join([*lines, f"--{_BOUNDARY}--", ""]).encode()


def _encode(value: str, name: str) -> str:
    """Have a value read back as it is: also where it looks encoded, which a host's name may do."""
    plain = value.isascii() and "=?" not in value
    if plain and " " not in value:  # an identifier: nowhere to fold
        return value
    return Header(value, "us-ascii" if plain else "utf-8", header_name=name).encode(linesep=_EOL)


def _mailbox(address: Address) -> str:
    name = address.display_name
    if name.isascii() and "=?" not in name:
        return str(address)
    return f"{Header(name, 'utf-8').encode(linesep=_EOL)} <{address.addr_spec}>"


def read_back(raw: bytes) -> tuple[dict[str, str], str]:
    """Return the headers and the HTML part of a mail that was received."""
    message = message_from_bytes(raw, policy=SMTP)
    html = message.get_body(("html",))
    return {name: str(value) for name, value in message.items()}, html.get_content() if html else ""


def parse_sender(value: str) -> Address:
    """Read the sender; a mistake there is one of the settings, so no mail is given up for it."""
    if address := _parse(value):
        return address
    text = f"the sender {value!r} is not one usable mail address"
    raise MailError(text, "Check --smtp-sender")


def parse_recipient(value: str) -> Address:
    """Read the recipient; a mistake there makes this mail hopeless."""
    if address := _parse(value):
        return address
    text = f"the recipient {value!r} is not one usable mail address"
    raise MailError(text, "Correct the address in pgvigil.recipient", about="recipient", permanent=True)


@lru_cache(maxsize=1024)
def _parse(value: str) -> Address | None:
    """Read exactly one address without a defect, its domain in ASCII."""
    try:
        header: Any = _read_header("To", one_line(value))
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
