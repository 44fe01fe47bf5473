"""Fixtures for all tests: real servers, and databases cloned from a template that our runner migrated."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import ExitStack, contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import psycopg
import pytest

from pgvigil.embedded import EmbeddedPostgres, bin_directories
from pgvigil.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from typing import TypeAlias

    Clone: TypeAlias = Callable[[EmbeddedPostgres, str], AbstractContextManager[str]]

# What the developer's shell says about a database must not reach a test; PGVIGIL_TEST_* is ours.
for _name in list(os.environ):
    if _name.startswith("PG") and not _name.startswith("PGVIGIL_TEST_"):
        del os.environ[_name]

# The tests measure what they see, be it a container; tests/integration/test_collect_host.py is about the difference.
os.environ["PGVIGIL_HOST_ROOT"] = "/"

# Not where an agent of this machine keeps its own.
_spool = tempfile.TemporaryDirectory(prefix="pgvigil-", dir="/tmp")
os.environ["PGVIGIL_SPOOL_DIRECTORY"] = _spool.name

# How long an example takes says more about the machine than about us.
hypothesis.settings.register_profile("pgvigil", deadline=None)
hypothesis.settings.load_profile("pgvigil")

# fsync only guards against a power cut; synchronous_commit stays, for tests look at the order of commits.
_SETTINGS = {"fsync": "off", "timezone": "UTC"}
_TEMPLATE = "pgvigil_template"
_numbers = count(1)


def _default_major() -> int:
    available = bin_directories()
    wanted = os.environ.get("PGVIGIL_TEST_POSTGRES")
    if wanted is None:
        newest = EmbeddedPostgres(Path("/unused")).bin_directory
        return next(major for major, path in available.items() if path == newest)
    if not wanted.isdigit() or int(wanted) not in available:
        pytest.fail(f"PGVIGIL_TEST_POSTGRES={wanted}: this machine has {sorted(available)}", pytrace=False)
    return int(wanted)


def _server_directory(stack: ExitStack) -> Path:
    path = Path(tempfile.mkdtemp(prefix="pgvigil-", dir="/tmp"))
    stack.callback(shutil.rmtree, path)
    return path


@pytest.fixture
def directory() -> Iterator[Path]:
    """Make an empty directory for a server; in pytest's tmp_path the user "nobody" may not enter."""
    with ExitStack() as stack:
        yield _server_directory(stack)


@pytest.fixture(scope="session")
def server_of() -> Iterator[Callable[[int], EmbeddedPostgres]]:
    """Return a function that starts the server of a major version, once for all tests."""
    with ExitStack() as stack:

        @cache
        def start(major: int) -> EmbeddedPostgres:
            path = _server_directory(stack)
            server = EmbeddedPostgres(path, bin_directory=bin_directories()[major], settings=_SETTINGS)
            return stack.enter_context(server)

        yield start


@pytest.fixture(scope="session")
def template_of(server_of: Callable[[int], EmbeddedPostgres]) -> Callable[[int], str]:
    """Return a function that names the migrated template database of a major version's server."""

    @cache
    def build(major: int) -> str:
        server = server_of(major)
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute(f"create database {_TEMPLATE}")
        migrate(server.dsn(_TEMPLATE))
        return _TEMPLATE

    return build


@pytest.fixture(scope="session")
def clone() -> Clone:
    """Return a context manager that gives the conninfo of a copy of a template database, and drops it."""

    @contextmanager
    def cloned(server: EmbeddedPostgres, template: str) -> Iterator[str]:
        name = f"test_{next(_numbers)}"
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute(f"create database {name} template {template} strategy file_copy")
        try:
            yield server.dsn(name)
        finally:
            with psycopg.connect(server.dsn(), autocommit=True) as connection:
                connection.execute(f"drop database {name} with (force)")

    return cloned


@pytest.fixture(scope="session")
def postgres(server_of: Callable[[int], EmbeddedPostgres]) -> EmbeddedPostgres:
    """Run the server that tests share: PGVIGIL_TEST_POSTGRES, or the newest embedded version."""
    return server_of(_default_major())


@pytest.fixture(scope="session")
def template(template_of: Callable[[int], str]) -> str:
    """Name a database of that server that `pgvigil db migrate` has prepared; do not connect to it."""
    return template_of(_default_major())


@pytest.fixture
def database(postgres: EmbeddedPostgres, template: str, clone: Clone) -> Iterator[str]:
    """Give the conninfo of a fresh, migrated database."""
    with clone(postgres, template) as dsn:
        yield dsn


@pytest.fixture
def empty_database(postgres: EmbeddedPostgres, clone: Clone) -> Iterator[str]:
    """Give the conninfo of a fresh database without our schema."""
    with clone(postgres, "template0") as dsn:
        yield dsn
