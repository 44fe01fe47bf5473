"""What the texts of mails are made of: each figure, name and link as a template may use it; pure functions. No I/O."""

from pgvigil.content.alert import describe_alert
from pgvigil.content.common import LANGUAGES
from pgvigil.content.reports import alerts_of_digest, describe_digest, describe_report

__all__ = ["LANGUAGES", "alerts_of_digest", "describe_alert", "describe_digest", "describe_report"]
