"""The options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

Dsn = Annotated[
    str,
    typer.Option(
        envvar="PGVIGIL_DSN", help="libpq connection string; what it leaves open comes from PGHOST, PGPASSFILE .."
    ),
]
LogLevel = Annotated[str, typer.Option(envvar="PGVIGIL_LOG_LEVEL", help="debug, info, warning or error.")]
