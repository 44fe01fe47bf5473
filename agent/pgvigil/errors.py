"""The error tree. Each class is one exit status of the command line; each message says what to do."""

from __future__ import annotations

from typing import Literal


class PgvigilError(Exception):
    """What a user can mend: one line of what failed and why, one of what to do now."""

    exit_status = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Return both lines as one, so that a log line carries the remedy too."""
        return f"{self.message}. {self.hint}" if self.hint else self.message


class ConfigError(PgvigilError):
    """An option, a variable or a file is wrong. Shares 2 with typer's own usage errors."""

    exit_status = 2


class DatabaseError(PgvigilError):
    """PostgreSQL cannot be reached, or it refused what it was asked."""

    exit_status = 3


class DatabaseUnavailableError(DatabaseError):
    """The connection failed or broke: worth trying again."""


class SchemaError(PgvigilError):
    """The schema is missing, older or newer than this program, or its history was edited."""

    exit_status = 4


About = Literal["server", "recipient", "mail", "unanswered"]


class MailError(PgvigilError):
    """The SMTP server refused or could not be reached.

    `about` says whose trouble it is: the server's or the settings' (the next mail would fare no better), the
    recipient's, this mail's; or "unanswered": the server has it all, and whether it took it is not known.
    """

    exit_status = 5

    def __init__(self, message: str, hint: str = "", *, about: About = "server", permanent: bool = False) -> None:
        super().__init__(message, hint)
        self.about = about
        self.permanent = permanent


class CollectError(PgvigilError):
    """This host cannot be measured."""

    exit_status = 6
