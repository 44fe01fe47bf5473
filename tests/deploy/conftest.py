"""One lab for all tests of this directory: they run in the order of the file, as an operator would go."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import lab as laboratory


@pytest.fixture(scope="session")
def lab():
    """Return the machines, virgin; PGVIGIL_LAB_KEEP=1 leaves them there afterwards, PGVIGIL_LAB_REUSE=1 takes what was left."""
    problem = laboratory.engine_problem()
    if problem:
        pytest.skip(f"no lab on this machine: {problem}")
    if os.environ.get("PGVIGIL_LAB_REUSE") == "1":
        yield laboratory.found()
        return
    laboratory.WORK.mkdir(exist_ok=True)
    laboratory.build_images()
    yield laboratory.start()
    if os.environ.get("PGVIGIL_LAB_KEEP") != "1":
        laboratory.stop()


def pytest_runtest_makereport(item, call):
    """After the first failure the rest is not worth minutes: each test stands on the one before."""
    if call.excinfo is not None and not call.excinfo.errisinstance(pytest.skip.Exception):
        item.session.shouldstop = f"{item.name} failed, and what follows stands on it"
