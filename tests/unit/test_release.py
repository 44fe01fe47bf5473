"""What a release is made of: one version, and a rollout that leaves no secret behind."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

from pgvigil import __version__

ROOT = Path(__file__).parents[2]
SECRETS = {
    "ANSIBLE_INVENTORY_TEXT": "web1 marker_inventory=1",
    "ANSIBLE_VAULT_TEXT": "marker-vault",
    "SSH_KEY_TEXT": "marker-key",
    "SSH_KNOWN_HOSTS_TEXT": "web1 marker-known",
}
# Stands where ansible-playbook stands: tells how it was called, with which environment, and what it may read.
PROBE = """#!/bin/sh
printf '%s\\n' "$@"
env
while [ "$1" != --inventory ]; do shift; done
find "$(dirname "$2")" -exec stat --format '%a %n' {} +
cat "$2/hosts"
exit ${PROBE_STATUS:-0}
"""


@pytest.fixture
def roll_out(tmp_path):
    """Return a function that runs the script with a probe in the place of Ansible."""
    probe = tmp_path / "ansible-playbook"
    probe.write_text(PROBE)
    probe.chmod(0o755)

    def run(**changed):
        image = "registry.example.org/pgvigil@sha256:" + "0" * 64
        given = {"ANSIBLE_PLAYBOOK": str(probe), "PGVIGIL_IMAGE": image, **SECRETS, **changed}
        environment = {**os.environ, **{name: value for name, value in given.items() if value is not None}}
        script = ROOT / ".github" / "rollout.sh"
        return subprocess.run(["sh", script], env=environment, capture_output=True, text=True, check=False)

    return run


def test_every_place_has_the_version_of_the_package():
    """It is written down once; what needs it elsewhere is compared."""
    patterns = {
        "CHANGELOG.md": r"(?m)^## \[(\d+\.\d+\.\d+)\]",
        "ansible/galaxy.yml": r"(?m)^version: (.*)$",
        "ansible/roles": r"pgvigil:(\d+\.\d+\.\d+)",
        "docker": r"(?:pgvigil:|ARG VERSION=)(\d+\.\d+\.\d+)",
    }
    for place, pattern in patterns.items():
        path = ROOT / place
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        versions = [version for file in files for version in re.findall(pattern, file.read_text())]
        assert versions, f"no version in {place}"
        wanted = versions[:1] if place == "CHANGELOG.md" else versions  # older ones are below
        assert {__version__} == set(wanted), place


def test_rollout_hands_the_secrets_over_as_files_of_its_own(roll_out):
    """Readable by nobody else, not in the environment, and gone in the end, also after a failure."""
    for status in ("0", "3"):
        result = roll_out(PROBE_STATUS=status)
        assert (int(status), "") == (result.returncode, result.stderr)
        files = dict(reversed(line.split(" ", 1)) for line in re.findall(r"(?m)^[0-7]{3} /.*$", result.stdout))
        assert len(files) >= len(SECRETS)
        for path, mode in files.items():
            assert 0 == int(mode, 8) & (stat.S_IRWXG | stat.S_IRWXO), path
            assert not Path(path).exists(), path
        assert "web1 marker_inventory=1" in result.stdout
        for secret in ("marker-vault", "marker-key", "marker-known"):
            assert secret not in result.stdout


def test_rollout_checks_the_keys_of_the_hosts(roll_out):
    """Nobody else may answer for them, and an image is named by its digest."""
    assert "StrictHostKeyChecking=yes" in roll_out().stdout
    for changed, said in (
        ({"SSH_KNOWN_HOSTS_TEXT": None}, "keys of the hosts"),
        ({"PGVIGIL_IMAGE": "registry.example.org/pgvigil:latest"}, "can be moved"),
        ({"ANSIBLE_INVENTORY_TEXT": None}, "inventory"),
    ):
        result = roll_out(**changed)
        assert result.returncode
        assert said in result.stderr
        assert "site.yml" not in result.stdout
