"""Runs every tests/pgtap/*.sql through pg_prove, on every PostgreSQL version that this machine has."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from pgvigil.embedded import EmbeddedPostgres, bin_directories

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

_HERE = Path(__file__).parent
_CACHE = _HERE.parents[1] / ".venv" / "pgtap"
_TEMPLATE = "pgtap_template"


class Tools(NamedTuple):
    """Where fetch_pgtap.sh found what we need."""

    pg_prove: str
    perl_library: str
    pgtap_sql: str


@pytest.fixture(scope="session")
def tools() -> Tools:
    """Fetch pg_prove and pgTAP, or say in one line what this machine lacks."""
    command = [str(_HERE.parent / "fetch_pgtap.sh"), str(_CACHE)]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    if result.returncode != 0:
        pytest.fail(result.stderr.strip().splitlines()[-1], pytrace=False)
    return Tools(*result.stdout.split("\n")[:3])


@pytest.fixture(scope="session")
def pgtap_template_of(
    tools: Tools, server_of: Callable[[int], EmbeddedPostgres], template_of: Callable[[int], str]
) -> Callable[[int], str]:
    """Return a function that names a migrated template database with pgTAP in its schema tap."""

    @cache
    def build(major: int) -> str:
        server = server_of(major)
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute(f"create database {_TEMPLATE} template {template_of(major)}")
        with psycopg.connect(server.dsn(_TEMPLATE)) as connection:
            connection.execute("create schema tap")
            connection.execute("grant usage on schema tap to public")  # a test may set role
            connection.execute("set local search_path to tap")
            connection.execute("set local client_min_messages to warning")
            connection.execute(Path(tools.pgtap_sql).read_bytes())
        return _TEMPLATE

    return build


@pytest.fixture(scope="session")
def prove(
    tools: Tools,
    server_of: Callable[[int], EmbeddedPostgres],
    pgtap_template_of: Callable[[int], str],
    clone: Callable[[EmbeddedPostgres, str], AbstractContextManager[str]],
) -> Callable[[Path, int], subprocess.CompletedProcess[str]]:
    """Return a function that runs a file through pg_prove, on a database of its own."""

    def run(path: Path, major: int) -> subprocess.CompletedProcess[str]:
        server = server_of(major)
        with clone(server, pgtap_template_of(major)) as dsn:
            # Only tap: our functions and triggers must find their own tables, whatever the search_path.
            wanted = {"PERL5LIB": tools.perl_library, "PGOPTIONS": "-c search_path=tap"}
            names = {"host": "PGHOST", "port": "PGPORT", "dbname": "PGDATABASE", "user": "PGUSER"}
            wanted |= {names[key]: str(value) for key, value in conninfo_to_dict(dsn).items()}
            return subprocess.run(
                [tools.pg_prove, "--verbose", "--psql-bin", str(server.psql_path), str(path)],
                check=False,
                env={**os.environ, **wanted},
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )

    return run


@pytest.mark.parametrize("major", [major for major in bin_directories() if major >= 15])
@pytest.mark.parametrize("path", sorted(_HERE.glob("*.sql")), ids=lambda path: path.stem)
def test_sql_file_passes(
    path: Path, major: int, prove: Callable[[Path, int], subprocess.CompletedProcess[str]]
) -> None:
    """Each pgTAP file passes on each version."""
    result = prove(path, major)

    if result.returncode != 0:
        pytest.fail(f"{path.name} on PostgreSQL {major}\n{result.stdout}", pytrace=False)
