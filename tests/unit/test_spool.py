"""The spool: bounded, durable, in the order of time, on a real disk that is full or damaged too."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgvigil.errors import ConfigError
from pgvigil.model import CpuLog, DiskLog, MemoryLog, NetworkLog, Sample
from pgvigil.rows import from_json, key_of, to_json
from pgvigil.spool import Spool

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY = 86400.0
REAL = st.none() | st.floats(0, 1e12)
COUNT = st.none() | st.integers(0, 2**63 - 1)
NAME = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def sample(second):
    """Take a small sample."""
    row = MemoryLog("memory", 45.6, 7654321000, 9123456000)
    return Sample(NOON + timedelta(seconds=second), (), (row,), (), ())


def seconds(samples):
    """Return when samples were taken."""
    return [round((each.taken_at - NOON).total_seconds()) for each in samples]


@pytest.fixture
def spool_of(tmp_path):
    """Return a function that opens a spool, and close all of them at the end."""
    opened = []

    def open_spool(directory=tmp_path / "spool", **limits):
        opened.append(Spool(directory, **{"max_bytes": 2**20, "max_age_seconds": DAY, **limits}))
        return opened[-1]

    yield open_spool
    for spool in opened:
        spool.close()


@given(
    st.builds(
        Sample,
        st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - UTC
        st.tuples(st.builds(CpuLog, NAME, REAL, REAL, REAL, REAL, REAL, REAL)),
        st.tuples(st.builds(MemoryLog, NAME, REAL, COUNT, COUNT)),
        st.lists(st.builds(DiskLog, NAME, REAL, REAL, REAL, COUNT, COUNT, REAL, REAL)).map(tuple),
        st.lists(st.builds(NetworkLog, NAME, REAL, REAL, REAL, REAL, REAL)).map(tuple),
    )
)
def test_sample_comes_back_as_it_was(taken):
    """To the microsecond, and with names of any kind."""
    assert taken == from_json(key_of(taken), to_json(taken))


def test_spool_of_another_version_is_read_as_far_as_it_goes():
    """A column that is not known any more is left out, one that was not known yet is null."""
    body = '{"cpu":{"cpu_name":["cpu0"],"cpu_usage":[7.5],"temperature":[99]},"gpu":{"gpu_name":["x"]}}'

    (row,) = from_json(0, body).cpu

    assert ("cpu0", 7.5, None) == (row.cpu_name, row.cpu_usage, row.load_1m)


def test_oldest_come_first_and_only_what_is_confirmed_leaves(spool_of):
    """The same again is kept once."""
    spool = spool_of()
    for second in (3, 1, 2, 1):
        spool.add([sample(second)])

    assert (3, [1, 2]) == (len(spool), seconds(spool.oldest(2)))
    spool.remove(spool.oldest(2))
    assert [3] == seconds(spool.oldest(9))


def test_full_spool_drops_the_oldest_and_counts_them(spool_of, tmp_path):
    """What was dropped is told until it was heard, also after a restart."""
    spool = spool_of(max_bytes=2**17)
    for start in range(0, 3000, 100):
        spool.add([sample(second) for second in range(start, start + 100)])
    kept, (dropped, _) = seconds(spool.oldest(9999)), spool.losses()

    assert 3000 == len(kept) + dropped
    assert list(range(dropped, 3000)) == kept
    assert (tmp_path / "spool/spool.sqlite3").stat().st_size <= 2**17
    spool.close()
    assert dropped == spool_of(max_bytes=2**17).losses()[0]


def test_loss_is_told_once(spool_of):
    """More that is lost while one loss is told is told again with it."""
    spool = spool_of(max_age_seconds=10)
    spool.add([sample(second) for second in range(400)])
    (dropped, since) = spool.losses()
    spool.forget_losses(dropped - 1)
    assert (dropped, since) == spool.losses()
    spool.forget_losses(dropped)
    assert 0 == spool.losses()[0]


def test_without_a_loss_nothing_is_written(spool_of, tmp_path):
    """The agent asks at each beat, and a write is four fsync."""
    spool = spool_of()
    spool.add([sample(1)])
    before = (tmp_path / "spool/spool.sqlite3").stat().st_mtime_ns
    spool.forget_losses(spool.losses()[0])
    spool.remove([])
    assert before == (tmp_path / "spool/spool.sqlite3").stat().st_mtime_ns


def test_clock_that_jumps_ahead_empties_no_spool(spool_of):
    """Age counts back from the newest hour, not from the newest sample."""
    spool = spool_of(max_age_seconds=600)
    spool.add([sample(second) for second in range(300)])
    spool.add([sample(second) for second in range(10**8, 10**8 + 100)])
    assert (400, 0) == (len(spool), spool.losses()[0])


def test_sample_put_aside_does_not_hold_up_the_others(spool_of):
    """It is kept, and comes back when it is asked for."""
    spool = spool_of()
    spool.add([sample(second) for second in (1, 2, 3)])
    spool.set_aside(spool.oldest(1))
    assert [2, 3] == seconds(spool.oldest(9))
    spool.take_back()
    assert [1, 2, 3] == seconds(spool.oldest(9))


def test_what_was_added_survives_sigkill(tmp_path):
    """The process ends the moment after."""
    script = (
        "import sys, os, signal, datetime, pathlib\n"
        "sys.path.insert(0, sys.argv[2])\n"
        "from unit.test_spool import Spool, sample, DAY\n"
        "spool = Spool(pathlib.Path(sys.argv[1]), max_bytes=2**20, max_age_seconds=DAY)\n"
        "[spool.add([sample(second)]) for second in range(20)]\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    tests = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120
    done = subprocess.run([sys.executable, "-c", script, tmp_path, tests], check=False)
    assert -signal.SIGKILL == done.returncode
    spool = Spool(tmp_path, max_bytes=2**20, max_age_seconds=DAY)
    assert list(range(20)) == seconds(spool.oldest(99))
    spool.close()


def test_second_agent_is_told_that_the_spool_is_taken(spool_of, tmp_path):
    """Two would replay each other's samples."""
    spool_of()
    with pytest.raises(ConfigError, match="Another agent uses it"):
        Spool(tmp_path / "spool", max_bytes=2**20, max_age_seconds=DAY)


@pytest.mark.parametrize("content", [b"no database at all" * 500, b"SQLite format 3\0" + b"\xff" * 5000])
def test_damaged_spool_is_put_aside(tmp_path, spool_of, content):
    """The agent starts, and the file is left for whoever can read it."""
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool/spool.sqlite3").write_bytes(content)
    spool = spool_of()
    spool.add([sample(1)])
    assert [1] == seconds(spool.oldest(9))
    assert [content] == [path.read_bytes() for path in (tmp_path / "spool").glob("*.damaged-*")]


@pytest.fixture
def small_disk(tmp_path):
    """Mount a disk of 512 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "none", disk]
    if os.geteuid() or subprocess.run(command, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def test_full_disk_loses_nothing(small_disk, spool_of, caplog):
    """Samples wait in memory until there is space again, and go to disk then."""
    caplog.set_level("INFO", "pgvigil")
    spool = spool_of(small_disk)
    (small_disk / "filler").write_bytes(bytes(400 * 1024))
    for start in range(0, 2000, 50):
        spool.add([sample(second) for second in range(start, start + 50)])
    assert list(range(2000)) == seconds(spool.oldest(9999))
    spool.remove(spool.oldest(1500))
    assert list(range(1500, 2000)) == seconds(spool.oldest(9999))
    (small_disk / "filler").unlink()
    spool.add([sample(2000)])
    spool.close()
    with closing(sqlite3.connect(small_disk / "spool.sqlite3")) as database:
        found = database.execute("select count(*) from sample").fetchone()
    assert (501,) == found
    assert ["spool_failed", "spool_back"] == [record.message.split()[0] for record in caplog.records]
