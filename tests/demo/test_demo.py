"""The demo as a new user runs it, in its short form and without a terminal."""

from __future__ import annotations

import email
import re
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from email.policy import default
from pathlib import Path

import psutil
import pytest

from pgvigil.embedded import EmbeddedPostgres
from support import wait_until

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
def left_by_the_user(tmp_path_factory):
    """Put what somebody's own demo has left back, afterwards."""
    left, aside = ROOT / ".demo", tmp_path_factory.mktemp("aside") / "demo"
    if left.exists():
        shutil.move(left, aside)
    yield
    shutil.rmtree(left)
    if aside.exists():
        shutil.move(aside, left)


@pytest.fixture(scope="module")
def demo():
    """Run `make demo FOR=40` and return what it printed."""
    result = subprocess.run(
        ["make", "demo", "FOR=40"],
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert 0 == result.returncode, result.stdout + result.stderr
    return result.stdout


def test_demo_counts_real_samples_in_all_four_tables(demo):
    """Each log table has about one sample per second."""
    for table in ("cpu_log", "memory_log", "disk_log", "network_log"):
        assert int(re.search(rf"{table}\s+(\d+) samples", demo)[1]) >= 20


def test_demo_delivers_breach_and_recovery_of_one_incident(demo):
    """The mails that are left behind are real: both events, one thread, text and HTML."""
    assert int(re.search(r"fired\s+(\d+) mails?", demo)[1]) >= 1
    assert int(re.search(r"resolved\s+(\d+) mails?", demo)[1]) >= 1
    paths = sorted((ROOT / ".demo" / "mails").glob("*.eml"))
    messages = [email.message_from_bytes(path.read_bytes(), policy=default) for path in paths]
    fired = {message["Message-ID"] for message in messages if message["X-Pgvigil-Event"] == "fired"}
    replies = {message["In-Reply-To"] for message in messages if message["X-Pgvigil-Event"] == "resolved"}
    assert fired & replies
    assert all(message.get_body(("plain",)) and message.get_body(("html",)) for message in messages)
    assert all(path.with_suffix(".html").stat().st_size > 500 for path in paths)


def test_demo_measures_the_delay_of_its_mails(demo):
    """From the commit of the sample to the acceptance by the SMTP server; negative would be a wrong clock."""
    median, worst = map(int, re.search(r"median (\d+) ms, worst (\d+) ms", demo).groups())
    assert 0 <= median <= worst


def test_demo_prints_the_line_for_psql(demo):
    """The user can go on by himself."""
    assert re.search(r'psql "host=/tmp/pgvigil-\S+ port=5432 dbname=pgvigil user=operator"', demo)


def test_readme_quotes_the_demo(demo):
    """Each line that the README shows is printed, with the names and numbers of another machine."""
    quoted = re.search(r"(?ms)^\$ make demo FOR=60\n(.*?)^```", (ROOT / "README.md").read_text())[1]
    lines = [line for line in quoted.splitlines() if not re.match(r"making|installing|\.\.", line)]
    assert len(lines) > 10
    for line in lines:
        pattern = re.sub(r"\d+(\\\.\d+)?", r"[\\d.]+", re.escape(line.removesuffix(" ..")))
        pattern = re.sub(r"(\\ )+", r"\\s+", pattern).replace("host=vm", r"host=\S+").replace("mails", "mails?")
        assert re.search(pattern, demo), line


@contextmanager
def running_demo():
    """Run the demo without an end; give the process and the psql connection string that it prints."""
    process = subprocess.Popen(
        [ROOT / ".venv" / "bin" / "pgvigil", "demo"],
        cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        for line in process.stdout:
            if found := re.search(r'psql "([^"]+)"', line):
                break
        yield process, found[1]
    finally:
        process.kill()
        process.communicate()
        shutil.rmtree(re.search(r"(/tmp/pgvigil-[^/]+)/", found[1])[1], ignore_errors=True)


def test_rule_tuned_at_the_psql_line_is_mailed_at_the_next_sample():
    """What the README promises: the table explains itself, one UPDATE, and a mail comes."""
    psql = EmbeddedPostgres(Path("/unused")).psql_path
    with running_demo() as (_, dsn):
        described = subprocess.check_output([psql, "-X", "-c", r"\d+ pgvigil.threshold", dsn], text=True)
        assert "How long the value must stay over the limit before anybody is mailed" in described
        update = "update pgvigil.threshold set warning = 1 where metric = 'memory_usage' and resource = 'memory'"
        assert "UPDATE" in subprocess.check_output([psql, "-X", "-c", update, dsn], text=True)
        wait_until(
            lambda: any("Memory usage" in path.read_text() for path in (ROOT / ".demo" / "mails").glob("*.eml")),
            "a mail about memory",
        )


def test_sigkill_leaves_no_process_behind():
    """Whatever the demo started ends with it, even when it cannot say goodbye."""
    with running_demo() as (process, _):
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= 3
        process.send_signal(signal.SIGKILL)
        process.wait()
        _, alive = psutil.wait_procs(children, timeout=10)
    assert [] == alive


def test_ctrl_c_stops_everything_and_ends_well():
    """Ctrl-C is how one leaves the demo, not an error."""
    with running_demo() as (process, _):
        children = psutil.Process(process.pid).children(recursive=True)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=30)[0]
    assert 0 == process.returncode
    assert "Summary" in rest
    assert not [child for child in children if child.is_running()]
