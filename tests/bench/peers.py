"""What others run on each host, where Debian's packages are installed, for the agent to be measured beside."""

from __future__ import annotations

import http.client
import shutil
import socket
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from figures import connect, one, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pgvigil.embedded import EmbeddedPostgres

NODE_EXPORTER = "prometheus-node-exporter"
COLLECTD = "collectd"
_COLLECTORS = ("cpu", "meminfo", "filesystem", "diskstats", "netdev", "loadavg")
_COLLECTD_SQL = Path("/usr/share/doc/collectd-core/examples/postgresql/collectd_insert.sql")
_COLLECTD_CONF = """
Hostname "bench"
FQDNLookup false
BaseDir "{directory}"
PIDFile "{directory}/collectd.pid"
PluginDir "/usr/lib/collectd"
TypesDB "/usr/share/collectd/types.db"
Interval {interval_seconds}
LoadPlugin cpu
LoadPlugin load
LoadPlugin memory
LoadPlugin swap
LoadPlugin df
LoadPlugin disk
LoadPlugin interface
LoadPlugin postgresql
<Plugin cpu>
    ReportByCpu false
    ValuesPercentage true
</Plugin>
<Plugin df>
    FSType "/^(ext[234]|xfs|btrfs|zfs|overlay)$/"
    ReportInodes true
    ValuesPercentage true
</Plugin>
<Plugin disk>
    Disk "/^(loop|ram|zram|sr)/"
    IgnoreSelected true
</Plugin>
<Plugin interface>
    Interface "/^(lo$|veth|docker|br-)/"
    IgnoreSelected true
</Plugin>
<Plugin postgresql>
    <Writer bench>
        Statement "SELECT collectd_insert($1, $2, $3, $4, $5, $6, $7, $8, $9);"
        StoreRates true
    </Writer>
    <Database collectd>
        Host "{host}"
        Port "{port}"
        User "postgres"
        SSLMode "disable"
        Writer bench
    </Database>
</Plugin>
"""


def missing() -> dict[str, str]:
    """Return what cannot be measured on this machine, and the reason."""
    found = {NODE_EXPORTER: shutil.which(NODE_EXPORTER), COLLECTD: shutil.which(COLLECTD) and _COLLECTD_SQL.exists()}
    packages = {NODE_EXPORTER: NODE_EXPORTER, COLLECTD: "collectd-core"}
    return {name: f"Debian's package {packages[name]} is not installed" for name, it in found.items() if not it}


class Relay:
    """Stands between a program and its server on a socket of its own, and counts the bytes both ways."""

    def __init__(self, directory: Path, server: EmbeddedPostgres) -> None:
        self.directory = directory
        self.byte_count = 0
        directory.mkdir(mode=0o755, exist_ok=True)
        path = directory / f".s.PGSQL.{server.port}"
        path.unlink(missing_ok=True)
        self._target = str(server.socket_directory / path.name)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        path.chmod(0o777)
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            near, far = self._listener.accept()[0], socket.socket(socket.AF_UNIX)
            far.connect(self._target)
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(source, target), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(2**16):
                self.byte_count += len(data)
                target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)


class Scraper:
    """Asks node_exporter for its page at each interval, as Prometheus does, and counts."""

    def __init__(self, port: int, interval_seconds: float) -> None:
        self.count = 0
        self.byte_count = 0
        self._port = port
        self._interval_seconds = interval_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        line, beat = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5), time.monotonic()
        while not self._stop.is_set():
            try:
                line.request("GET", "/metrics")
                self.byte_count += len(line.getresponse().read())
            except OSError:  # not up yet
                line.close()
                self._stop.wait(0.01)
                continue
            self.count += 1
            beat = max(beat + self._interval_seconds, time.monotonic())
            self._stop.wait(beat - time.monotonic())

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._stop.set()
        self._thread.join()


@contextmanager
def node_exporter(interval_seconds: float) -> Iterator[tuple[subprocess.Popen[bytes], Scraper]]:
    """Run it with the collectors that measure what the agent measures, scraped once so far."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--web.disable-exporter-metrics", "--collector.disable-defaults"]
    options += [f"--collector.{name}" for name in _COLLECTORS]
    with (
        _running(NODE_EXPORTER, f"--web.listen-address=127.0.0.1:{port}", *options) as process,
        Scraper(port, interval_seconds) as scraper,
    ):
        wait_until(lambda: scraper.count, "page of node_exporter")
        yield process, scraper


@contextmanager
def collectd(
    server: EmbeddedPostgres, directory: Path, interval_seconds: float
) -> Iterator[tuple[subprocess.Popen[bytes], Relay]]:
    """Run it with its PostgreSQL writer and the tables and the function of its own example; a row is stored so far."""
    with connect(server.dsn()) as owner:
        owner.execute("drop database if exists collectd with (force)")
        owner.execute("create database collectd")
    relay = Relay(directory / "relay-collectd", server)
    configuration = directory / "collectd.conf"
    configuration.write_text(
        _COLLECTD_CONF.format(
            directory=directory, interval_seconds=interval_seconds, host=relay.directory, port=server.port
        )
    )
    with connect(server.dsn("collectd")) as owner:
        owner.execute(_COLLECTD_SQL.read_bytes())
        with _running(COLLECTD, "-f", "-C", str(configuration)) as process:
            wait_until(lambda: one(owner, 'select exists (select from "values")'), "row of collectd")
            yield process, relay


@contextmanager
def _running(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    argv = ["setpriv", "--pdeathsig", "KILL", *arguments]  # it ends with us, however we end
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()
