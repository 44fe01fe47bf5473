"""The demo as a new user runs it, in its short form and without a terminal."""

from __future__ import annotations

import email
import re
import signal
import subprocess
import time
from email.policy import default
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]


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
    assert int(re.search(r"fired\s+(\d+) mails", demo)[1]) >= 1
    assert int(re.search(r"resolved\s+(\d+) mails", demo)[1]) >= 1
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


def test_sigkill_leaves_no_process_behind():
    """Whatever the demo started ends with it, even when it cannot say goodbye."""
    process = subprocess.Popen(
        [ROOT / ".venv" / "bin" / "pgvigil", "demo", "--for", "30"],
        cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    for line in process.stdout:
        if "are running" in line:
            break
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) >= 3
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert [] == alive


def test_ctrl_c_stops_everything_and_ends_well():
    """Ctrl-C is how one leaves the demo, not an error."""
    process = subprocess.Popen(
        [ROOT / ".venv" / "bin" / "pgvigil", "demo"],
        cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    for line in process.stdout:
        if "are running" in line:
            break
    children = psutil.Process(process.pid).children(recursive=True)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=30)[0]
    assert 0 == process.returncode
    assert "Summary" in rest
    assert not [child for child in children if child.is_running()]
