"""The SMTP client against real servers on the loopback: aiosmtpd, or a plain socket that is less polite."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING, Any, Literal

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from pgvigil.errors import MailError
from pgvigil.message import Letter, read_back
from pgvigil.smtp import SmtpClient, SmtpSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Certificate = tuple[str, ssl.SSLContext]
Security = Literal["starttls", "tls"]

pytestmark = [
    # aiosmtpd 1.4.6 sets its own deprecated attribute at AUTH, and minds a login without TLS.
    pytest.mark.filterwarnings("ignore:Session.login_data is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning"),
]

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
PASSWORD = "s3cret-Wort"  # noqa: S105 - of a server that lives for one test


class Inbox:
    """Keeps the mails, and misbehaves as a test wants; aiosmtpd prescribes the names (N802)."""

    def __init__(self, rcpt: str = "250 OK", data: str = "250 OK", *, hang_up: bool = False) -> None:
        """Take the replies to RCPT and DATA."""
        self.rcpt, self.data, self.hang_up = rcpt, data, hang_up
        self.mails: list[Any] = []
        self.peers: set[Any] = set()
        self.resets = self.quits = self.busy = 0

    async def handle_MAIL(  # noqa: N802
        self, _server: Any, _session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        """Answer MAIL."""
        if self.busy:
            self.busy -= 1
            return "421 4.4.2 timed out"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_QUIT(self, _server: Any, _session: Any, _envelope: Any) -> str:  # noqa: N802
        """Count."""
        self.quits += 1
        return "221 bye"

    async def handle_RCPT(  # noqa: N802
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        """Answer RCPT."""
        if self.rcpt.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.rcpt

    async def handle_RSET(self, _server: Any, _session: Any, _envelope: Any) -> str:  # noqa: N802
        """Count."""
        self.resets += 1
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """Keep the mail, then answer or hang up."""
        self.mails.append(envelope)
        self.peers.add(session.peer)
        if self.hang_up:
            server.transport.abort()
        return self.data


def free_port() -> int:
    """Return a port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(inbox: Inbox, **options: Any) -> Iterator[SmtpSettings]:
    """Run aiosmtpd and give the settings that reach it."""
    controller = Controller(inbox, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    try:
        yield settings_for(controller.port)
    finally:
        controller.stop()


@contextmanager
def scripted(*replies: bytes, silent: bool = False) -> Iterator[SmtpSettings]:
    """Run a server that reads from a script: one reply for the greeting and one for each line it is sent."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as lines:
            for reply in replies:
                connection.sendall(reply + b"\r\n")
                lines.readline()
            if silent:
                lines.read()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield settings_for(listener.getsockname()[1])
    finally:
        listener.close()
        thread.join(5)


def settings_for(port: int, **changes: Any) -> SmtpSettings:
    """Point at the loopback, without TLS unless told."""
    values: dict[str, Any] = {
        "host": "127.0.0.1",
        "security": "none",
        "sender": "pgvigil <vigil@example.org>",
        "timeout_seconds": 5,
    }
    return SmtpSettings(**{**values, "port": port, **changes})


def a_message(address: str = "ops@example.org") -> bytes:
    """Write a mail with all that is hard on the way."""
    letter = Letter(
        subject="[pgvigil] web1: CPU usage",
        text="CRITICAL: 한글\n.\n..two dots\n",
        html="<p>한글</p>",
        message_id="<pgvigil-1-2-3@example.org>",
        headers={"Auto-Submitted": "auto-generated", "List-Id": "<web1.pgvigil.example.org>"},
    )
    return letter.to_bytes(sender="pgvigil <vigil@example.org>", address=address, date=NOON)


def send(settings: SmtpSettings, address: str = "ops@example.org") -> None:
    """Send one mail on a connection of its own."""
    with SmtpClient(settings) as client:
        client.send(a_message(address), address)


def failure(settings: SmtpSettings, address: str = "ops@example.org") -> MailError:
    """Send one mail and return why it failed; no message may break the line or tell the password."""
    with pytest.raises(MailError) as caught:
        send(settings, address)
    assert PASSWORD not in f"{caught.value!s} {caught.value!r} {caught.value.hint}"
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Give a self-signed certificate for the name localhost and its context on the server's side."""
    folder = tmp_path_factory.mktemp("tls")
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    command += [
        "-addext",
        "subjectAltName=DNS:localhost",
        "-addext",
        "keyUsage=critical,digitalSignature,keyCertSign",
    ]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return str(folder / "cert.pem"), context


def check_login(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    """Know one user."""
    known = isinstance(data, LoginPassword) and (data.login, data.password) == (b"vigil", PASSWORD.encode())
    return AuthResult(success=known, handled=False)


def test_a_mail_arrives_whole() -> None:
    """Both parts, dots at the start of a line and Hangul survive the way."""
    inbox = Inbox()
    with serving(inbox) as settings:
        send(settings)
    (envelope,) = inbox.mails
    message = message_from_bytes(envelope.content, policy=default)
    text, html = message.iter_parts()
    assert (envelope.mail_from, envelope.rcpt_tos) == ("vigil@example.org", ["ops@example.org"])
    assert text.get_content().replace("\r\n", "\n") == "CRITICAL: 한글\n.\n..two dots\n"
    assert html.get_content().strip() == "<p>한글</p>"
    assert (message["Auto-Submitted"], message["List-Id"]) == ("auto-generated", "<web1.pgvigil.example.org>")
    assert message["From"].addresses[0].display_name == "pgvigil"
    assert message["Date"].datetime == NOON


def test_several_mails_share_one_connection() -> None:
    """None waits for a new one."""
    inbox = Inbox()
    with serving(inbox) as settings, SmtpClient(settings) as client:
        for name in ("a", "b", "c"):
            client.send(a_message(f"{name}@example.org"), f"{name}@example.org")
    assert [mail.rcpt_tos for mail in inbox.mails] == [
        ["a@example.org"],
        ["b@example.org"],
        ["c@example.org"],
    ]
    assert len(inbox.peers) == 1


def test_a_mail_after_a_refused_one_goes_out() -> None:
    """A refusal spoils neither the connection nor the next mail: the session is reset."""
    inbox = Inbox(rcpt="550 no such user")
    with serving(inbox) as settings, SmtpClient(settings) as client:
        with pytest.raises(MailError):
            client.send(a_message(), "nobody@example.org")
        inbox.rcpt = "250 OK"
        client.send(a_message(), "ops@example.org")
    assert [mail.rcpt_tos for mail in inbox.mails] == [["ops@example.org"]]
    assert inbox.resets == 1


def test_an_idle_connection_that_was_closed_is_opened_again() -> None:
    """The server's patience ends between two mails; nobody notices."""
    inbox = Inbox()
    with serving(inbox, timeout=0.2) as settings, SmtpClient(settings) as client:
        client.send(a_message(), "ops@example.org")
        time.sleep(0.6)
        client.send(a_message(), "ops@example.org")
    assert (len(inbox.mails), len(inbox.peers)) == (2, 2)


def test_a_server_that_has_waited_too_long_is_connected_again() -> None:
    """421 on a connection that was kept is no refusal of the mail; on a new one it is said."""
    inbox = Inbox()
    with serving(inbox) as settings, SmtpClient(settings) as client:
        client.send(a_message(), "ops@example.org")
        inbox.busy = 1
        client.send(a_message(), "ops@example.org")
        inbox.busy = 2
        with pytest.raises(MailError, match="421 4"):
            client.send(a_message(), "ops@example.org")
    assert (len(inbox.mails), len(inbox.peers)) == (2, 2)


def test_a_connection_without_mails_is_given_back() -> None:
    """Not at once, and the next mail opens another."""
    inbox = Inbox()
    with serving(inbox) as settings, SmtpClient(settings) as client:
        for idle_seconds in (60.0, 0.0, 0.0):
            client.send(a_message(), "ops@example.org")
            client.rest(idle_seconds=idle_seconds)
    assert (len(inbox.mails), len(inbox.peers), inbox.quits) == (3, 2, 2)


def test_a_reply_lost_after_data_is_not_resent() -> None:
    """The mail may have arrived: say so, and leave the second try to later."""
    inbox = Inbox(hang_up=True)
    with serving(inbox) as settings:
        error = failure(settings)
    assert len(inbox.mails) == 1
    assert not error.permanent
    assert "may have arrived" in error.message
    assert "same Message-ID" in error.hint


@pytest.mark.parametrize(
    ("rcpt", "data", "permanent"),
    [
        ("451 4.7.1 greylisted, come back later", "250 OK", False),
        ("550 5.1.1 no such user", "250 OK", True),
        ("554 5.7.1 Relay access denied", "250 OK", False),
        ("530 5.7.0 Authentication required", "250 OK", False),
        ("421 4.3.2 shutting down", "250 OK", False),
        ("250 OK", "452 4.3.1 no space", False),
        ("250 OK", "554 5.7.1 looks like spam", True),
    ],
)
def test_a_refusal_is_final_only_if_it_is_about_the_mail(rcpt: str, data: str, *, permanent: bool) -> None:
    """A login that is missing is mended in the settings, so the mail waits for it."""
    with serving(Inbox(rcpt, data)) as settings:
        error = failure(settings)
    assert error.permanent == permanent
    assert (data if rcpt == "250 OK" else rcpt)[:3] in error.message
    assert f"{settings.host}:{settings.port}" in error.message


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_tls_with_a_known_authority(certificate: Certificate, security: Security) -> None:
    """The certificate is checked against the file, the name against the host."""
    ca_file, context = certificate
    inbox = Inbox()
    with serving(inbox, **tls_options(security, context)) as settings:
        send(replace(settings, host="localhost", security=security, ca_file=ca_file))
    assert len(inbox.mails) == 1


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize(("host", "trusted"), [("localhost", False), ("127.0.0.1", True)])
def test_tls_without_proof_is_refused(
    certificate: Certificate, security: Security, host: str, *, trusted: bool
) -> None:
    """Neither an unknown authority nor a wrong name is accepted, and no mail leaves."""
    ca_file, context = certificate
    inbox = Inbox()
    with serving(inbox, **tls_options(security, context)) as settings:
        error = failure(replace(settings, host=host, security=security, ca_file=ca_file if trusted else None))
    assert not inbox.mails
    assert not error.permanent
    assert f"the certificate of {host}:{settings.port} is not valid" in error.message
    assert "--smtp-ca-file" in error.hint


def tls_options(security: str, context: ssl.SSLContext) -> dict[str, Any]:
    """Say it in the words of aiosmtpd."""
    return {"ssl_context": context} if security == "tls" else {"tls_context": context, "require_starttls": True}


def test_starttls_is_never_done_without() -> None:
    """A server (or a man in the middle) that does not offer STARTTLS gets no mail."""
    inbox = Inbox()
    with serving(inbox) as settings:
        error = failure(replace(settings, security="starttls"))
    assert not inbox.mails
    assert not error.permanent
    assert "--smtp-security" in error.hint


def test_tls_against_a_server_without() -> None:
    """The hint names the option, because the port does not decide."""
    with serving(Inbox()) as settings:
        error = failure(replace(settings, security="tls"))
    assert "no TLS with" in error.message
    assert "--smtp-security" in error.hint


def test_a_ca_file_that_is_not_there(tmp_path: Path) -> None:
    """The option is named."""
    error = failure(settings_for(25, security="starttls", ca_file=str(tmp_path / "no.pem")))
    assert error.hint == "Check --smtp-ca-file"


def test_login() -> None:
    """The right password lets the mail through."""
    inbox = Inbox()
    with serving(inbox, authenticator=check_login, auth_required=True, auth_require_tls=False) as settings:
        send(replace(settings, username="vigil", password=PASSWORD))
    assert len(inbox.mails) == 1


@pytest.mark.parametrize("changes", [{"password": PASSWORD + "x"}, {"password": "비밀" + PASSWORD}, {"username": None}])
def test_a_wrong_login_is_not_the_fault_of_the_mail(changes: dict[str, Any]) -> None:
    """535 and 530 keep the mail, and name the option to check."""
    with serving(Inbox(), authenticator=check_login, auth_required=True, auth_require_tls=False) as settings:
        error = failure(replace(settings, **{"username": "vigil", **changes}))
    assert not error.permanent
    assert "--smtp-username" in error.hint


def test_a_server_that_quotes_the_password() -> None:
    """What the server says is shown without it."""
    greeting, capabilities = b"220 hello", b"250-hello\r\n250 AUTH LOGIN"
    refusal = b"535 login vigil with " + PASSWORD.encode() + b" refused"
    with scripted(greeting, capabilities, refusal) as settings:
        error = failure(replace(settings, username="vigil", password=PASSWORD))
    assert "535 login vigil with *** refused" in error.message


def test_the_password_is_in_no_repr() -> None:
    """Settings end up in tracebacks."""
    assert PASSWORD not in repr(settings_for(25, username="vigil", password=PASSWORD))


def test_nobody_listens() -> None:
    """Refused: say where and what to check."""
    port = free_port()
    error = failure(settings_for(port))
    assert error.message == f"cannot reach 127.0.0.1:{port}: Connection refused"
    assert "--smtp-host" in error.hint
    assert not error.permanent


@pytest.mark.parametrize("host", ["no-such-host.invalid", "two..dots"])
def test_a_host_that_does_not_exist(host: str) -> None:
    """A name nobody knows, or nobody can know."""
    error = failure(settings_for(25, host=host))
    assert f"cannot find {host}:25" in error.message
    assert not error.permanent


def test_a_server_that_says_nothing() -> None:
    """A TLS port spoken to in clear looks like this."""
    with scripted(b"220-wait", silent=True) as settings:
        error = failure(replace(settings, timeout_seconds=0.3))
    assert "no answer from" in error.message
    assert "--smtp-security" in error.hint


@pytest.mark.parametrize("replies", [[b"554 go away"], [b"220 hello", b"502 what", b"502 what"], [b"220 hello"]])
def test_a_server_that_refuses_the_session(replies: list[bytes]) -> None:
    """The mail is fine, so it is kept."""
    with scripted(*replies) as settings:
        error = failure(settings)
    assert not error.permanent
    assert "--smtp-host" in error.hint


def test_a_sender_that_is_refused_is_a_matter_of_settings() -> None:
    """553 at MAIL FROM would be said to every mail."""
    with scripted(b"220 hello", b"250 hello", b"553 not yours") as settings:
        error = failure(settings)
    assert not error.permanent
    assert "--smtp-sender" in error.hint


def test_letters_beyond_ascii_need_a_server_for_them() -> None:
    """With SMTPUTF8 the address goes out as it is; without, the mail is hopeless and says why."""
    inbox = Inbox()
    with serving(inbox, enable_SMTPUTF8=True) as settings:
        send(settings, "운영@example.org")
    (envelope,) = inbox.mails
    assert envelope.rcpt_tos == ["운영@example.org"]
    with serving(inbox, enable_SMTPUTF8=False) as settings:
        error = failure(settings, "운영@example.org")
    assert error.permanent
    assert "SMTPUTF8" in error.message


def test_an_international_domain_goes_out_in_ascii() -> None:
    """Every server understands the IDNA form."""
    inbox = Inbox()
    with serving(inbox) as settings:
        send(settings, '"운영, 팀" <ops@한국.kr>')
    (envelope,) = inbox.mails
    headers, _ = read_back(envelope.content)
    assert envelope.rcpt_tos == ["ops@xn--3e0b707e.kr"]
    assert headers["To"] == '"운영, 팀" <ops@xn--3e0b707e.kr>'


@pytest.mark.parametrize(
    "address",
    [
        "",
        "a",
        "a@",
        "@b",
        "a@b c",
        "a@b@c",
        "a@b.org, c@d.org",
        "g: a@b.org;",
        "a@b.org\r\nBcc: x@y.z",
        "a@b..org",
        "<",
    ],
)
def test_an_address_that_is_none(address: str) -> None:
    """What is not exactly one address is nobody's."""
    with pytest.raises(MailError) as caught:
        a_message(address)
    assert caught.value.permanent
    assert repr(address) in caught.value.message


def test_a_sender_that_is_none() -> None:
    """The mails are fine, the setting is not."""
    error = failure(settings_for(25, sender="nobody"))
    assert not error.permanent
    assert "--smtp-sender" in error.hint
