"""A mail server as people run it: Debian's exim with STARTTLS and a login, and what it stored read back."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import psycopg
import pytest

from support import fetch_program, free_port, need_mount_namespace, run_pgvigil, running_pgvigil, wait_until

CONFIGURATION = """
exim_path = {exim}
exim_user = nobody
exim_group = nogroup
deliver_drop_privilege = true
primary_hostname = mx.example.org
spool_directory = {home}/spool
log_file_path = {home}/log/%slog
pid_file_path = {home}/exim.pid
keep_environment = LD_LIBRARY_PATH
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
tls_advertise_hosts = *
tls_certificate = {home}/cert.pem
tls_privatekey = {home}/key.pem
auth_advertise_hosts = ${{if eq{{$tls_in_cipher}}{{}}{{}}{{*}}}}
acl_smtp_rcpt = check_rcpt
acl_smtp_data = accept
begin acl
check_rcpt:
  require authenticated = *
  require verify = recipient
  accept
begin routers
local:
  driver = accept
  condition = ${{if eq{{$local_part}}{{gone}}{{no}}{{yes}}}}
  transport = files
begin transports
files:
  driver = appendfile
  directory = {home}/mail
  maildir_format
  user = nobody
  group = nogroup
  create_directory
begin retry
* * F,1h,1m
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{vigil}}}}{{eq{{$auth3}}{{s3cret}}}}}}}}
  server_set_id = $auth2
"""
NOTE = "로그를 확인하십시오: journalctl -u nginx\n\n  담당: 김철수"


class Exim:
    """A running exim that takes mail for anybody but `gone`, from who is logged in over TLS."""

    def __init__(self, home, program, libraries):
        self.home, self.port = home, free_port()
        # where the user "nobody" can read it, wherever the checkout is
        program, libraries = shutil.copy2(program, home), shutil.copytree(libraries, home / "lib")
        for name in ("spool", "log", "mail"):
            (home / name).mkdir()
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
             "-keyout", home / "key.pem",
             "-out", home / "cert.pem", "-days", "2", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost"],
            check=True, capture_output=True,
        )  # fmt: skip
        for name, line in (
            ("passwd", "Debian-exim:x:65534:65534::/nonexistent:/usr/sbin/nologin"),
            ("group", "Debian-exim:x:65534:"),
        ):
            (home / name).write_text(Path(f"/etc/{name}").read_text().rstrip("\n") + f"\n{line}\n")
        for path in (home, *home.rglob("*")):
            shutil.chown(path, "nobody", "nogroup")
        configuration = home / "exim.conf"  # exim trusts none that others may write
        configuration.write_text(CONFIGURATION.format(home=home, port=self.port, exim=program))
        # Its user exists only in a mount namespace of its own: nothing is installed, nothing of this machine changed.
        script = (
            f"mount --bind {home}/passwd /etc/passwd && mount --bind {home}/group /etc/group"
            f" && exec {program} -C {configuration} -bdf"
        )
        self.process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", script], env={**os.environ, "LD_LIBRARY_PATH": str(libraries)},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    @property
    def log(self):
        """What exim says of each mail."""
        path = self.home / "log" / "mainlog"
        return path.read_text() if path.exists() else ""

    def mails(self, user):
        """Return what a person was sent, oldest first."""
        paths = sorted((self.home / "mail" / "new").glob("*"), key=lambda path: path.stat().st_mtime_ns)
        mails = [message_from_bytes(path.read_bytes(), policy=default) for path in paths]
        return [mail for mail in mails if mail["To"].addresses[0].username == user]


@pytest.fixture(scope="module")
def exim():
    """Run exim, or say what this machine lacks."""
    need_mount_namespace()
    program, libraries = fetch_program("exim4-daemon-light", "exim4")
    # in pytest's own folders the user "nobody" may not enter
    with tempfile.TemporaryDirectory(prefix="pgvigil-", dir="/tmp") as home:
        server = Exim(Path(home), program, libraries)
        try:
            wait_until(lambda: "daemon started" in server.log, "exim")
            yield server
        finally:
            server.process.kill()
            server.process.wait()


@pytest.fixture
def options(exim, tmp_path):
    """Return the options that lead there."""
    password = tmp_path / "password"
    password.write_text("s3cret\n")
    return {
        "PGVIGIL_SMTP_HOST": "localhost", "PGVIGIL_SMTP_PORT": str(exim.port),
        "PGVIGIL_SMTP_SENDER": "감시 <vigil@example.org>",
        "PGVIGIL_SMTP_USERNAME": "vigil", "PGVIGIL_SMTP_PASSWORD_FILE": str(password),
        "PGVIGIL_SMTP_CA_FILE": str(exim.home / "cert.pem"),
    }  # fmt: skip


def breach(dsn, usage, minutes):
    """Store a sample of a host whose names are all Hangul."""
    with psycopg.connect(dsn) as connection:
        host_id = connection.execute("select pgvigil.register_host('웹서버-1', '10 s', '0')").fetchone()[0]
        connection.execute(
            "insert into pgvigil.disk_log (host_id, created_at, disk_name, disk_usage)"
            " values (%s, now() - %s * interval '1 minute', '/데이터', %s)",
            (host_id, minutes, usage),
        )


def test_mail_arrives_through_a_real_server(exim, options, database, tmp_path):
    """STARTTLS, login, one thread in the mailbox, both parts, Hangul in subject, names and note; a dead letter."""
    with psycopg.connect(database) as connection:
        connection.execute("update pgvigil.threshold set hold = '0', note = %s where metric = 'disk_usage'", (NOTE,))
        connection.execute(
            "insert into pgvigil.recipient (address, language, time_zone) values"
            " ('kim@example.org', 'ko', 'Asia/Seoul'), ('ops@example.org', 'en', 'UTC'),"
            " ('gone@example.org', 'en', 'UTC')"
        )
    with running_pgvigil(tmp_path / "log", "mailer", PGVIGIL_DSN=database, **options) as mailer:
        wait_until(lambda: "mailer_started" in mailer.log)
        breach(database, 99, 2)
        wait_until(lambda: len(exim.mails("kim")) == 1 and len(exim.mails("ops")) == 1)
        breach(database, 20, 1)
        wait_until(lambda: any(mail["X-Pgvigil-Event"] == "resolved" for mail in exim.mails("kim")))
        # the others hear that one of them cannot be reached
        wait_until(lambda: any("gone@example.org" in mail["Subject"] for mail in exim.mails("ops")))
    fired, resolved = (mail for mail in exim.mails("kim") if "gone" not in mail["Subject"])

    assert fired["Subject"] == resolved["Subject"] == "[pgvigil] 웹서버-1: 디스크 사용률 /데이터"
    assert resolved["In-Reply-To"] == resolved["References"] == fired["Message-ID"] != resolved["Message-ID"]
    assert fired["From"].addresses[0].display_name == "감시"
    assert (fired["To"], fired["Auto-Submitted"], fired["X-Priority"]) == ("kim@example.org", "auto-generated", "1")
    assert [part.get_content_type() for part in fired.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    text, html = (fired.get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert "위험: 웹서버-1 /데이터의 디스크 사용률이 99.0%입니다 (임계값 95%)" in " ".join(text.split())
    assert all(line in part for line in ("담당: 김철수", "journalctl -u nginx") for part in (text, html))
    assert "WARNING" not in text
    assert "CRITICAL" in exim.mails("ops")[0].get_body(("plain",)).get_content()
    assert all(len(line) <= 998 for mail in exim.mails("kim") for line in mail.as_bytes().splitlines())
    assert "P=esmtpsa" in exim.log  # by TLS and with a login
    with psycopg.connect(database) as connection:
        sent = connection.execute(
            "select address, server_reply from pgvigil.delivery where state = 'sent' and event = 'fired'"
        ).fetchall()
        assert connection.execute(
            "select state from pgvigil.delivery where address = 'gone@example.org'"
        ).fetchone() == ("given up",)
    assert all(reply.partition("id=")[2] in exim.log for _, reply in sent)


def test_what_is_wrong_is_said_and_nothing_sent(exim, options):
    """A certificate that does not prove itself, a wrong login: one line, its remedy, exit status 5."""
    for wrong, said in (
        ({"PGVIGIL_SMTP_CA_FILE": ""}, "the certificate of localhost"),
        ({"PGVIGIL_SMTP_HOST": "127.0.0.1"}, "the certificate of 127.0.0.1"),
        ({"PGVIGIL_SMTP_USERNAME": "mallory"}, "refused the login: 535"),
        ({"PGVIGIL_SMTP_SECURITY": "none"}, "cannot do it"),
        ({}, "test mail"),
    ):
        result = run_pgvigil("mail", "test", "check@example.org", **{**options, **wrong})
        assert said in result.stdout
        assert result.returncode == (5 if wrong else 0)
        assert "s3cret" not in result.stdout + result.stderr
    wait_until(lambda: len(exim.mails("check")) == 1)
