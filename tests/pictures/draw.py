"""`make pictures`: draw what the README shows, the terminal view and a mail, from a fleet that is always the same."""
# ruff: noqa: T201 - it talks to a person

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
from rich.console import Console
from rich.terminal_theme import MONOKAI

from pgvigil import database
from pgvigil.children import command
from pgvigil.embedded import EmbeddedPostgres
from pgvigil.migrate import migrate
from pgvigil.sink import Sink
from pgvigil.top import View, read_snapshot

DOCS = Path(__file__).parents[2] / "docs"
COLUMNS, LINES = 120, 26
MAIL_SIZE = "680,710"
PATIENCE_SECONDS = 30.0


def main() -> None:
    """Fill a database, have its mails sent, and draw."""
    with tempfile.TemporaryDirectory(prefix="pgvigil-", dir="/tmp") as name:
        directory = Path(name)
        directory.chmod(0o755)  # as root, PostgreSQL runs as nobody
        with EmbeddedPostgres(directory / "pg") as postgres, Sink(directory / "mails") as sink:
            migrate(postgres.dsn())
            with psycopg.connect(postgres.dsn(), autocommit=True) as owner:
                owner.execute((Path(__file__).parent / "fleet.sql").read_bytes())
                # One mailer, as everywhere: it finds the silent host, and sends.
                options = ["--smtp-host", "127.0.0.1", "--smtp-port", str(sink.port), "--smtp-security", "none"]
                options += ["--smtp-sender", "pgvigil@example.org"]
                with command("mailer", postgres.dsn(), options, directory):
                    wait_for_mails(owner, sink)
            connection = database.connect(postgres.dsn(), application_name="pictures")
            snapshot = read_snapshot(connection, host_limit=LINES)
            connection.close()
            silent = [host.host_name for host in snapshot.hosts if host.status == "silent"]
            if silent != ["web4"]:
                sys.exit(f"silent are {silent} instead of web4 alone: this machine was too slow; try again")
            draw_top(View(snapshot, now=snapshot.taken_at, height=LINES - 1))
            mail = next(each for each in sink.deliveries if each.event == "fired" and "db1" in each.subject)
            draw_mail(mail.path.with_suffix(".html"), directory)


def wait_for_mails(owner: psycopg.Connection, sink: Sink) -> None:
    """Wait until the host is known to be silent, and every mail is out."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    query = """
        select bool_and(sent_at is not null) and bool_or(event = 'fired')
            and exists (select from pgvigil.alert where metric = 'host_silence')
        from pgvigil.mail
    """
    while not (owner.execute(query).fetchone()[0] and sink.deliveries):
        if time.monotonic() > deadline:
            sys.exit(f"the mails did not come within {PATIENCE_SECONDS:g} s")
        time.sleep(0.2)


def draw_top(view: object) -> None:
    """Write the terminal view as SVG: text that stays sharp, and can be read aloud."""
    console = Console(record=True, width=COLUMNS, height=LINES, file=io.StringIO(), force_terminal=True)
    console.print(view)
    picture = console.export_svg(title="pgvigil top", theme=MONOKAI, unique_id="top")
    # Pages that show the picture load nothing from elsewhere, nor should they.
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
    (DOCS / "top.svg").write_text(picture)
    print(f"{DOCS / 'top.svg'}")


def draw_mail(html: Path, directory: Path) -> None:
    """Have a browser draw the mail."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        sys.exit("no Chromium here, so docs/mail.png is not drawn: apt-get install chromium")
    command = [
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--window-size={MAIL_SIZE}",
    ]
    command += [f"--user-data-dir={directory / 'browser'}", "--force-device-scale-factor=1"]
    command += [f"--screenshot={DOCS / 'mail.png'}", html.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    print(f"{DOCS / 'mail.png'}")


if __name__ == "__main__":
    main()
