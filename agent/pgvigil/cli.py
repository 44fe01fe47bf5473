"""The command line: parse, build settings, call one function, print. Only these cli modules import typer."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from pgvigil import __version__
from pgvigil.cli_common import Dsn, LogLevel  # noqa: TC001 - typer reads them
from pgvigil.cli_mail import check, mail, mailer
from pgvigil.errors import PgvigilError
from pgvigil.lean import become_agent
from pgvigil.logs import log_to_stderr
from pgvigil.systemd import stop_on_signal

app = typer.Typer(
    help="Host monitoring that lives in your PostgreSQL: samples, threshold rules, alert mails.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
db = typer.Typer(help="The schema: bring it up to date, or see how it stands.", no_args_is_help=True)
app.add_typer(db, name="db")
app.add_typer(mail, name="mail")
app.command()(mailer)
app.command()(check)


def _filter(variable: str) -> Any:
    return typer.Option(envvar=variable, help="Regular expression; instead of the default.")


@app.command()
def agent(
    dsn: Dsn = "",
    host_name: Annotated[str, typer.Option(envvar="PGVIGIL_HOST_NAME", help="Default: what the kernel says.")] = "",
    interval: Annotated[str, typer.Option(envvar="PGVIGIL_INTERVAL", help="Time between two samples.")] = "10s",
    groups: Annotated[str, typer.Option(envvar="PGVIGIL_GROUPS", help="Groups of this host: web,asia.")] = "",
    labels: Annotated[str, typer.Option(envvar="PGVIGIL_LABELS", help="Its labels: site=eu,rack=7.")] = "",
    host_root: Annotated[
        str, typer.Option(envvar="PGVIGIL_HOST_ROOT", help="In a container: where the host's / is mounted.")
    ] = "",
    spool_directory: Annotated[
        Path | None,
        typer.Option(envvar="PGVIGIL_SPOOL_DIRECTORY", help="For samples of an outage. Default: /var/lib/pgvigil."),
    ] = None,
    spool_max_size: Annotated[int, typer.Option(envvar="PGVIGIL_SPOOL_MAX_SIZE", min=1, help="In MiB.")] = 128,
    spool_max_age: Annotated[str, typer.Option(envvar="PGVIGIL_SPOOL_MAX_AGE", help="Drop what is older.")] = "7d",
    per_core: Annotated[bool, typer.Option(envvar="PGVIGIL_PER_CORE", help="Sample each core too.")] = False,
    mount_points_exclude: Annotated[str | None, _filter("PGVIGIL_MOUNT_POINTS_EXCLUDE")] = None,
    fs_types_exclude: Annotated[str | None, _filter("PGVIGIL_FS_TYPES_EXCLUDE")] = None,
    disk_device_exclude: Annotated[str | None, _filter("PGVIGIL_DISK_DEVICE_EXCLUDE")] = None,
    net_device_exclude: Annotated[str | None, _filter("PGVIGIL_NET_DEVICE_EXCLUDE")] = None,
    once: Annotated[bool, typer.Option("--once", help="Print one sample as JSON, without a database.")] = False,
    log_level: LogLevel = "info",
) -> None:
    """Sample this host and store the samples.

    Example: pgvigil agent --dsn "host=db1 dbname=pgvigil user=agent_web1"
    """
    from pgvigil import config
    from pgvigil.collect import CollectOptions, Collector, check_view, machine_id
    from pgvigil.collect import host_name as own_host_name

    log_to_stderr(log_level)
    filters = {
        "mount_points_exclude": mount_points_exclude,
        "fs_types_exclude": fs_types_exclude,
        "disk_device_exclude": disk_device_exclude,
        "net_device_exclude": net_device_exclude,
    }
    given = {name: text for name, text in filters.items() if text is not None}
    options = CollectOptions(per_core=per_core, host_root=host_root, **given)
    check_view(options.host_root)
    name = config.check_host_name(host_name or own_host_name(host_root))
    all_labels = machine_id(host_root) | config.parse_labels(labels)
    interval_seconds = config.parse_duration(interval)
    if once:
        _print_sample(Collector(options), {"host_name": name, "labels": all_labels})
        return
    settings = config.AgentSettings(
        dsn=dsn,
        host_name=name,
        interval_seconds=interval_seconds,
        groups=config.parse_groups(groups),
        labels=all_labels,
        spool_directory=config.find_spool_directory(spool_directory),
        spool_max_bytes=spool_max_size * 2**20,
        spool_max_age_seconds=config.parse_duration(spool_max_age),
        notify_socket=config.notify_socket(),
        watchdog_seconds=config.watchdog_seconds(),
    )
    become_agent(settings, options, log_level)


def _print_sample(collector: Any, host: dict[str, Any]) -> None:
    collector.prime()
    time.sleep(1)  # rates are taken between two readings
    host |= asdict(collector.sample(datetime.now(UTC)))
    host["inventory"] = asdict(collector.inventory())
    typer.echo(json.dumps(host, default=datetime.isoformat, indent=2, ensure_ascii=False))


@app.command()
def top(
    dsn: Dsn = "",
    refresh: Annotated[str, typer.Option(help="Time between two looks.")] = "2s",
    once: Annotated[bool, typer.Option("--once", help="Look once, and end.")] = False,
) -> None:
    """Watch the fleet in this terminal: hosts, open alerts, last mails.

    Example: pgvigil top --dsn "host=db1 dbname=pgvigil user=operator"
    """
    from pgvigil import config
    from pgvigil.top import run_top

    run_top(dsn, refresh_seconds=config.parse_duration(refresh), stop=stop_on_signal(), once=once)


@app.command(hidden=True)
def demo(
    seconds: Annotated[float | None, typer.Option("--for", help="End by itself after so many seconds.")] = None,
    directory: Annotated[Path, typer.Option(help="Where the mails are left.")] = Path(".demo"),
) -> None:
    """Show all of it on this machine: an embedded PostgreSQL, real samples, a real breach, a real mail."""
    from pgvigil.demo import run_demo

    run_demo(directory, seconds, stop_on_signal())


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"pgvigil {__version__}")


@db.command("migrate")
def db_migrate(dsn: Dsn = "") -> None:
    """Bring the schema up to date: one transaction, and safe to run twice at once.

    Example: pgvigil db migrate --dsn "host=db1 dbname=pgvigil user=pgvigil_owner"
    """
    from pgvigil.migrate import migrate

    applied = migrate(dsn)
    for name in applied:
        typer.echo(f"{name}: applied")
    typer.echo(f"schema is up to date ({len(applied)} applied)")


@db.command("status")
def db_status(dsn: Dsn = "") -> None:
    """Show what is applied, pending or edited; exit status 4 unless all is applied.

    Example: pgvigil db status --dsn "host=db1 dbname=pgvigil user=pgvigil_owner"
    """
    from pgvigil.migrate import status

    steps = status(dsn)
    for step in steps:
        typer.echo(f"{step.name}: {step.state}{' ' + step.applied_at if step.applied_at else ''}")
    if any(step.state != "applied" for step in steps):
        raise typer.Exit(4)


def main() -> None:
    """Run the command line; an error of ours is one line and its own exit status, any other keeps its traceback."""
    try:
        app()
    except PgvigilError as error:
        typer.echo(f"pgvigil: {error}", err=True)
        sys.exit(error.exit_status)
