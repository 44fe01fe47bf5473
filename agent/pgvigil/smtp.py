"""Handing mails to a server, and saying what to do when that fails. The only module that imports smtplib."""

from __future__ import annotations

import smtplib
import socket
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, Literal, Self

from pgvigil.errors import MailError
from pgvigil.message import parse_recipient, parse_sender
from pgvigil.wording import one_line, shorten

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pgvigil.errors import About

_LOST = (smtplib.SMTPException, OSError, UnicodeError)  # UnicodeError: a host name that cannot be one
_CLOSING = 421
# These speak of this program's login, whatever command they answer: the mail itself is fine.
_LOGIN_CODES = frozenset({530, 534, 535, 538})
_KEPT_SECONDS = 10.0  # servers hang up after minutes, under stress after seconds
_GOODBYE_SECONDS = 1.0
_PATIENCE_AFTER_DATA = 4  # a reply given up too early is a mail sent twice (RFC 1047)

_CHECK_HOST = "Check --smtp-host and --smtp-port"
_CHECK_TLS = "Check --smtp-security: port 465 mostly wants tls, 587 and 25 starttls"
_CHECK_LOGIN = "Check --smtp-username and its password"
_CHECK_SENDER = "Check --smtp-sender, and whether the server wants --smtp-username"
_CHECK_RECIPIENT = "Correct the address in pgvigil.recipient"
_CHECK_AUTHORITY = "Give the authority that signed it with --smtp-ca-file, and a name it holds with --smtp-host"
_TROUBLES = (  # the first that fits, so a subclass stands before its base
    (ssl.SSLCertVerificationError, "the certificate of {where} is not valid: {why}", _CHECK_AUTHORITY),
    (ssl.SSLError, "no TLS with {where}: {why}", _CHECK_TLS),
    (smtplib.SMTPAuthenticationError, "{where} refused the login: {why}", _CHECK_LOGIN),
    (smtplib.SMTPNotSupportedError, "{where} cannot do it: {why}", f"{_CHECK_TLS}. {_CHECK_LOGIN}"),
    (smtplib.SMTPServerDisconnected, "{where} hung up: {why}", f"{_CHECK_HOST}. {_CHECK_TLS}"),
    (smtplib.SMTPException, "{where} refused the session: {why}", f"{_CHECK_HOST}. {_CHECK_LOGIN}"),
    (TimeoutError, "no answer from {where} in time", f"{_CHECK_HOST}, and the firewall. {_CHECK_TLS}"),
    (socket.gaierror, "cannot find {where}: {why}", _CHECK_HOST),
    (UnicodeError, "cannot find {where}: {why}", _CHECK_HOST),
    (OSError, "cannot reach {where}: {why}", f"{_CHECK_HOST}, and that the server runs"),
)


@cache
def _trust(ca_file: str | None) -> ssl.SSLContext:
    """Read the authorities once: that takes longer than to send a mail."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as exc:
        text = f"cannot read the authority in {ca_file!r}: {one_line(exc.strerror or str(exc))}"
        raise MailError(text, "Check --smtp-ca-file") from exc


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """Where mail goes and as whom; the port never decides about TLS."""

    host: str
    port: int
    security: Literal["none", "starttls", "tls"]
    sender: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    timeout_seconds: float = 30
    ca_file: str | None = None
    local_hostname: str | None = None

    @property
    def domain(self) -> str:
        """Domain of the sender: that of every Message-ID too."""
        return self.sender.rpartition("@")[2].strip("<> ")


def _describe_tls(sock: socket.socket | None) -> str:
    if not isinstance(sock, ssl.SSLSocket):
        return "none: mails travel in the clear"
    certificate = sock.getpeercert() or {}
    issuer = dict(part for parts in certificate.get("issuer", ()) for part in parts)  # type: ignore[misc]
    signer = issuer.get("organizationName") or issuer.get("commonName")
    return f"{sock.version()}, certificate by {signer}, valid until {certificate.get('notAfter')}"


class SmtpClient:
    """A connection that is opened with the first mail and kept for the next ones, but not for long."""

    def __init__(self, settings: SmtpSettings) -> None:
        """Take the settings; nothing is connected yet."""
        self._settings, self.sender = settings, settings.sender
        self._where = f"{settings.host}:{settings.port}"
        self._server: smtplib.SMTP | None = None
        self._used_at = 0.0

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(self, *raised: object) -> None:
        """Say good-bye, but not in the middle of a mail."""
        if raised[0] is None:
            self.rest(idle_seconds=0)
        self._drop()

    def rest(self, *, idle_seconds: float = _KEPT_SECONDS) -> None:
        """Hang up if no mail came for so long; a server that has gone already is no error."""
        if self._server is not None and time.monotonic() - self._used_at >= idle_seconds:
            with suppress(*_LOST):
                self._be_patient(self._server, _GOODBYE_SECONDS)
                self._server.quit()
            self._drop()

    def send(self, payload: bytes, recipient: str) -> str:
        """Hand over one mail for one recipient, or raise MailError; return what the server said."""
        sender, to = parse_sender(self._settings.sender).addr_spec, parse_recipient(recipient).addr_spec
        try:
            return self._transmit(self._begin(sender, to), payload)
        except MailError:
            if self._server:  # the next mail begins anew
                with suppress(*_LOST):
                    self._server.rset()
            raise
        finally:
            self._used_at = time.monotonic()

    def probe(self) -> Iterator[tuple[str, str]]:
        """Go as far as a server goes without a mail; yield what each step found, or raise MailError where it stops."""
        try:
            server = self._server = self._connect()
            banner = (server.ehlo_resp or b"").decode("utf-8", "replace").splitlines()[:1]
            yield "connection", f"{self._where} answers as {one_line(' '.join(banner))}"
            yield "tls", _describe_tls(server.sock)
            yield "login", f"as {self._settings.username}" if self._settings.username else "none is configured"
            sender = parse_sender(self._settings.sender).addr_spec
            reply = self._expect_ok(server.mail(sender), f"the sender {sender}", _CHECK_SENDER, about="server")
            yield "sender", f"{sender}: {reply}"
            server.rset()
        except _LOST as exc:
            raise self._explain(exc) from exc

    def _begin(self, sender: str, to: str) -> smtplib.SMTP:
        """Name both parties, if need be on a second connection: before DATA nothing can be sent twice."""
        kept = self._server
        try:
            self._server = kept or self._connect()
            self._be_patient(self._server, self._settings.timeout_seconds)
            self._name_parties(self._server, sender, to)
        except (MailError, *_LOST) as exc:
            if isinstance(exc, MailError) and (self._server or not kept):
                raise
            self._drop()
            if kept:  # it was tired of waiting, and may have said so: 421
                return self._begin(sender, to)
            raise self._explain(exc) from exc
        return self._server

    def _name_parties(self, server: smtplib.SMTP, sender: str, to: str) -> None:
        odd = next((address for address in (to, sender) if not address.isascii()), None)
        if odd and not server.has_extn("smtputf8"):
            text = f"{self._where} does not take letters beyond ASCII before the @ of {odd} (no SMTPUTF8)"
            about: About = "recipient" if odd == to else "server"
            raise MailError(text, "Use an ASCII address or another server", about=about, permanent=odd == to)
        answer = server.mail(sender, ("SMTPUTF8",) if odd else ())
        self._expect_ok(answer, f"the sender {sender}", _CHECK_SENDER, about="server")
        self._expect_ok(server.rcpt(to), f"the recipient {to}", _CHECK_RECIPIENT, about="recipient")

    def _transmit(self, server: smtplib.SMTP, payload: bytes) -> str:
        """Send the text; a lost reply leaves open whether it arrived, so it is not sent again here."""
        self._be_patient(server, self._settings.timeout_seconds * _PATIENCE_AFTER_DATA)
        answer: tuple[int, bytes | str]
        try:
            answer = server.data(payload)
        except smtplib.SMTPDataError as exc:
            answer = max(exc.smtp_code, 400), exc.smtp_error  # 2xx here would not mean: taken
        except _LOST as exc:
            self._drop()
            text = f"{self._where} did not confirm the mail, which may have arrived: {self._reason(exc)}"
            raise MailError(text, "It is tried again later under the same Message-ID", about="unanswered") from exc
        return self._expect_ok(answer, "the mail", _CHECK_SENDER, about="mail")

    @staticmethod
    def _be_patient(server: smtplib.SMTP, seconds: float) -> None:
        if server.sock:
            server.sock.settimeout(seconds)

    def _expect_ok(self, answer: tuple[int, bytes | str], what: str, hint: str, *, about: About) -> str:
        """Return what the server said if it agreed."""
        code, text = answer[0], self._readable(*answer)
        if code // 100 == 2:  # noqa: PLR2004 - the class of a reply
            return text
        if code == _CLOSING:
            about = "server"
            self._drop()
        if code in _LOGIN_CODES or "relay" in text.lower():  # relay access denied: says who, not to whom
            hint, about = f"{_CHECK_LOGIN}. {_CHECK_SENDER}", "server"
        message = f"{self._where} refused {what}: {text}"
        raise MailError(message, hint, about=about, permanent=about != "server" and code >= 500)  # noqa: PLR2004

    def _connect(self) -> smtplib.SMTP:
        settings, password = self._settings, self._settings.password or ""
        if settings.username is not None and not (settings.username + password).isascii():
            # smtplib's own error would quote a piece of it
            text = f"{self._where} takes ASCII only for a login"
            raise MailError(text, _CHECK_LOGIN)
        context = None if settings.security == "none" else _trust(settings.ca_file)
        # Python would ask the DNS for a name, and wait for it while mails are due.
        own_name = settings.local_hostname or socket.gethostname()
        kind = partial(smtplib.SMTP_SSL, context=context) if settings.security == "tls" else smtplib.SMTP
        server = kind(settings.host, settings.port, own_name, timeout=settings.timeout_seconds)
        try:
            server.ehlo_or_helo_if_needed()
            if settings.security == "starttls":
                server.starttls(context=context)
                server.ehlo_or_helo_if_needed()
            if settings.username is not None:
                server.login(settings.username, password)
        except BaseException:
            server.close()
            raise
        return server

    def _explain(self, exc: BaseException) -> MailError:
        if isinstance(exc, smtplib.SMTPServerDisconnected) and isinstance(exc.__context__, TimeoutError):
            exc = exc.__context__
        shape, hint = next((shape, hint) for kind, shape, hint in _TROUBLES if isinstance(exc, kind))
        return MailError(shape.format(where=self._where, why=self._reason(exc)), hint)

    def _reason(self, exc: BaseException) -> str:
        if isinstance(exc, smtplib.SMTPResponseException):
            return self._readable(exc.smtp_code, exc.smtp_error)
        detail = getattr(exc, "verify_message", None) or getattr(exc, "strerror", None)
        return one_line(str(detail or exc)).rstrip(".")

    def _readable(self, code: int, reply: bytes | str) -> str:
        said = reply if isinstance(reply, str) else reply.decode("utf-8", "replace")
        if self._settings.password:  # some servers quote what they did not understand
            said = said.replace(self._settings.password, "***")
        return shorten(f"{code} {one_line(said)}", 300).rstrip(".")

    def _drop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
