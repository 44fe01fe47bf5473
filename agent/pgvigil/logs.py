"""Log lines on stderr: `LEVEL event key=value`, or with systemd's level prefix where stderr is the journal."""

from __future__ import annotations

import logging
import sys

from pgvigil.config import stderr_is_the_journal
from pgvigil.errors import ConfigError

_LEVELS = {"debug": 7, "info": 6, "warning": 4, "error": 3}  # as journalctl --priority counts


class _JournalFormatter(logging.Formatter):
    """Writes <4> before a warning: the journal takes it off and keeps it as the priority; see sd-daemon(3)."""

    def format(self, record: logging.LogRecord) -> str:
        priority = _LEVELS.get(record.levelname.lower(), 3)
        # each line of a traceback would be an entry of its own
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


def log_to_stderr(level: str) -> None:
    """Send what the program says from this level on to stderr.

    Raises:
        ConfigError: there is no such level.
    """
    if level.lower() not in _LEVELS:
        message = f"{level!r} is no log level"
        raise ConfigError(message, f"Give --log-level {', '.join(_LEVELS)}")
    handler = logging.StreamHandler(sys.stderr)
    is_journal = stderr_is_the_journal()
    handler.setFormatter(_JournalFormatter() if is_journal else logging.Formatter("%(levelname)s %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler])
