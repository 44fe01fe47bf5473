"""pgvigil: host samples, threshold rules and alerts that live in PostgreSQL."""

__version__ = "0.1.0"
