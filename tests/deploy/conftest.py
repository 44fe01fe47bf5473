"""One lab for all tests of this directory: they run in the order of their files, as an operator would go."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import images
import lab as laboratory
import machines

STARTED = time.monotonic()


@pytest.fixture(scope="session")
def lab():
    """Return the machines, virgin; PGVIGIL_LAB_KEEP=1 leaves them there afterwards, PGVIGIL_LAB_REUSE=1 takes what was left."""
    is_reused = os.environ.get("PGVIGIL_LAB_REUSE") == "1"
    with ExitStack() as stack:
        problem = machines.engine_problem()
        if not problem:
            try:
                stack.enter_context(machines.only_lab())
                if not is_reused:
                    machines.stop()
                    laboratory.WORK.mkdir(exist_ok=True)
                    images.make_stand_ins()
                    machines.try_nesting()
            except (laboratory.LabError, subprocess.TimeoutExpired) as error:
                problem = " ".join(str(error).split())
        if problem:
            laboratory.say(f"none on this machine, so nothing of the rollout is tested: {problem}")
            pytest.skip(f"no lab on this machine: {problem}")
        if is_reused:
            yield machines.found()
            return
        images.build()
        yield machines.start()
        if os.environ.get("PGVIGIL_LAB_KEEP") != "1":
            machines.stop()


def pytest_runtest_setup(item):
    """On a machine that is busy with other things the rest is skipped, and counted, when PGVIGIL_LAB_MINUTES are over."""
    minutes = float(os.environ.get("PGVIGIL_LAB_MINUTES", "inf"))
    if time.monotonic() - STARTED > 60 * minutes:
        pytest.skip(f"the {minutes:g} minutes of PGVIGIL_LAB_MINUTES are over")


def pytest_runtest_makereport(item, call):
    """After the first failure the rest is not worth minutes: each test stands on the one before."""
    if call.excinfo is not None and not call.excinfo.errisinstance(pytest.skip.Exception):
        item.session.shouldstop = f"{item.name} failed, and what follows stands on it"
