"""What Grafana publishes on npm, installed once for all tests here."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache

import pytest


@pytest.fixture(scope="session")
def install(tmp_path_factory):
    """Return a function that installs packages, and gives the folder."""
    if not shutil.which("npm"):
        pytest.exit("nothing was validated: no npm here (Debian, Ubuntu: apt-get install npm)", returncode=2)

    @cache
    def installed(*packages):
        folder = tmp_path_factory.mktemp("npm")
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder]
        subprocess.run([*command, *packages], check=True, timeout=600)
        return folder

    return installed
