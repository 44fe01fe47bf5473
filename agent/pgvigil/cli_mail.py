"""The commands about mail: mailer, mail test, mail preview, check."""

from __future__ import annotations

import os
import socket
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from pgvigil.cli_common import Dsn, LogLevel  # noqa: TC001 - typer reads them
from pgvigil.errors import ConfigError
from pgvigil.logs import log_to_stderr
from pgvigil.systemd import Systemd, stop_on_signal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pgvigil.checks import Finding
    from pgvigil.smtp import SmtpSettings

mail = typer.Typer(help="Try the mails: send one, or see what an alert looks like.", no_args_is_help=True)

GrafanaUrl = Annotated[
    str | None, typer.Option(envvar="PGVIGIL_GRAFANA_URL", help="Where Grafana is, for the link in the mail.")
]
Templates = Annotated[
    Path | None,
    typer.Option(
        envvar="PGVIGIL_TEMPLATES",
        help="Folder whose files stand for the shipped templates.",
        exists=True,
        file_okay=False,
    ),
]
Language = Annotated[str, typer.Option(help="en or ko.")]


def _smtp_settings(
    smtp_sender: Annotated[
        str, typer.Option(envvar="PGVIGIL_SMTP_SENDER", help="Address the mails come from, e.g. pgvigil@example.org.")
    ],
    smtp_host: Annotated[str, typer.Option(envvar="PGVIGIL_SMTP_HOST", help="SMTP server.")] = "localhost",
    smtp_port: Annotated[int, typer.Option(envvar="PGVIGIL_SMTP_PORT", min=1, max=65535, help="Its port.")] = 25,
    smtp_security: Annotated[
        str, typer.Option(envvar="PGVIGIL_SMTP_SECURITY", help="none, starttls or tls; the port never decides.")
    ] = "starttls",
    smtp_username: Annotated[
        str | None, typer.Option(envvar="PGVIGIL_SMTP_USERNAME", help="Login, if it wants one.")
    ] = None,
    smtp_password_file: Annotated[
        Path | None,
        typer.Option(envvar="PGVIGIL_SMTP_PASSWORD_FILE", help="File with the password in its first line."),
    ] = None,
    smtp_ca_file: Annotated[
        Path | None,
        typer.Option(envvar="PGVIGIL_SMTP_CA_FILE", help="Certificates to trust instead of the system's."),
    ] = None,
    smtp_timeout: Annotated[
        str,
        typer.Option(envvar="PGVIGIL_SMTP_TIMEOUT", help="How long one answer may take; four times that after a mail."),
    ] = "30s",
) -> SmtpSettings:
    from pgvigil import config
    from pgvigil.smtp import SmtpSettings

    if smtp_security not in {"none", "starttls", "tls"}:
        message = f"{smtp_security!r} is no way to secure SMTP"
        raise ConfigError(message, "Give --smtp-security none, starttls or tls")
    settings = SmtpSettings(
        host=smtp_host,
        port=smtp_port,
        security=smtp_security,  # type: ignore[arg-type] # just checked
        sender=smtp_sender,
        username=smtp_username,
        password=config.read_secret(smtp_password_file, "--smtp-password-file"),
        ca_file=str(smtp_ca_file) if smtp_ca_file else None,
        timeout_seconds=config.parse_duration(smtp_timeout),
    )
    if not settings.domain or "@" not in smtp_sender:
        message = f"{smtp_sender!r} is no address that mails could come from"
        raise ConfigError(message, "Give --smtp-sender (PGVIGIL_SMTP_SENDER) like pgvigil@example.org")
    return settings


def _by_smtp(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of _smtp_settings() in the place of its parameter `smtp`."""
    options, own = signature(_smtp_settings).parameters, signature(command).parameters

    @wraps(command)
    def wrapper(**given: Any) -> None:
        command(smtp=_smtp_settings(**{name: given.pop(name) for name in options}), **given)

    # Where typer looks. SmtpSettings itself is imported by a command that needs it only.
    hints: dict[str, Any] = {}
    for each in (_smtp_settings, command):
        hints |= get_type_hints(each, localns={"SmtpSettings": object}, include_extras=True)
    parameters = [each for name in own for each in (options.values() if name == "smtp" else [own[name]])]
    ordered = [each.replace(kind=Parameter.KEYWORD_ONLY, annotation=hints[each.name]) for each in parameters]
    wrapper.__signature__ = Signature(ordered)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {each.name: each.annotation for each in ordered}
    return wrapper


@_by_smtp
def mailer(
    smtp: SmtpSettings,
    dsn: Dsn = "",
    grafana_url: GrafanaUrl = None,
    templates: Templates = None,
    poll_interval: Annotated[
        str, typer.Option(envvar="PGVIGIL_POLL_INTERVAL", help="How often to look for mails when no bell rings.")
    ] = "5s",
    log_level: LogLevel = "info",
) -> None:
    """Send the alert mails, and keep time for the database.

    Example: pgvigil mailer --dsn "host=db1 dbname=pgvigil user=mailer" --smtp-host mx --smtp-sender vigil@example.org
    """
    from pgvigil import config
    from pgvigil.mailing import run_mailer

    log_to_stderr(log_level)
    settings = config.MailerSettings(
        dsn=dsn,
        mailer_name=f"{socket.gethostname()}/{os.getpid()}",
        message_domain=smtp.domain,
        grafana_url=grafana_url,
        templates=templates,
        poll_seconds=config.parse_duration(poll_interval),
    )
    run_mailer(settings, smtp, stop_on_signal(), Systemd(config.notify_socket()))


@mail.command("test")
@_by_smtp
def mail_test(
    address: Annotated[str, typer.Argument(help="Who is to get it.")],
    smtp: SmtpSettings,
    templates: Templates = None,
    language: Language = "en",
) -> None:
    """Send one mail, and tell each step on the way; needs no database.

    Example: pgvigil mail test you@example.org --smtp-host mx --smtp-sender vigil@example.org
    """
    from pgvigil.checks import check_smtp

    _report(check_smtp(smtp, address, language=_language(language), templates=templates))


@mail.command("preview")
def mail_preview(
    dsn: Dsn = "",
    alert: Annotated[int | None, typer.Option(help="Number of the alert; default: the newest that mailed.")] = None,
    event: Annotated[str | None, typer.Option(help="fired, resolved, ..; default: its newest mail.")] = None,
    language: Language = "en",
    time_zone: Annotated[str, typer.Option(help="Name such as Asia/Seoul.")] = "UTC",
    html: Annotated[bool, typer.Option("--html", help="The HTML part instead of the text.")] = False,
    grafana_url: GrafanaUrl = None,
    templates: Templates = None,
) -> None:
    """Print the mail of a past alert, with the templates as they are now; nothing is sent.

    Example: pgvigil mail preview --alert 41 --language ko --time-zone Asia/Seoul --html > mail.html
    """
    from contextlib import closing

    from pgvigil import outbox
    from pgvigil.compose import compose
    from pgvigil.database import connect

    with closing(connect(dsn, application_name="pgvigil-preview")) as connection:
        row = outbox.preview_mail(connection, alert, event, _language(language), time_zone)
    composed = compose(row, grafana_url=grafana_url, message_domain="example.org", templates=templates)
    typer.echo(composed.html if html else f"Subject: {composed.subject}\n\n{composed.text}", nl=False)


@_by_smtp
def check(
    smtp: SmtpSettings,
    dsn: Dsn = "",
    to: Annotated[str | None, typer.Option(help="Send a test mail to this address too.")] = None,
) -> None:
    """Check all that must be right for an alert to become a mail: database and SMTP server, with the mailer's options.

    One line each, with what to do. Exit status: 0, or that of the first failure: 3 database, 4 schema, 5 mail,
    10 privileges, 11 partitions, 12 upkeep, 13 outbox, 14 dead letters, 15 recipients, 16 listener.
    """
    from pgvigil.checks import check_database, check_smtp

    _report([*check_database(dsn), *check_smtp(smtp, to)])


def _report(findings: Iterable[Finding]) -> None:
    status = 0
    for finding in findings:
        typer.echo(f"{'ok    ' if finding.is_ok else 'FAILED'}  {finding.name:<13} {finding.detail}")
        if not finding.is_ok:
            typer.echo(f"{'':<22}-> {finding.remedy}")
            status = status or finding.exit_status
    if status:
        raise typer.Exit(status)


def _language(language: str) -> str:
    from pgvigil.content import LANGUAGES

    if language not in LANGUAGES:
        message = f"there are no mails in {language!r}"
        raise ConfigError(message, f"Give --language {' or '.join(LANGUAGES)}")
    return language
