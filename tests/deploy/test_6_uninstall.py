"""The way out: nothing stays but, unless asked, the data."""

from __future__ import annotations

import pytest
from lab import LabError


def test_uninstall_leaves_the_data_and_nothing_else(lab):
    """No unit, container, image, file, login or engine that was not there before; the data directory stays."""
    lab.play("uninstall.yml")
    for name, host in lab.hosts.items():
        assert not host.sh(
            "ls -d /etc/pgvigil /etc/systemd/system/pgvigil* /var/lib/pgvigil-engine 2>/dev/null", check=False
        )
        assert host.sh("systemctl list-units --all --plain --no-legend 'pgvigil*'") == ""
        left = host.sh("ls /var/lib/pgvigil 2>/dev/null", check=False).split()
        assert left == (["postgres"] if name == "db1" else [])
        if name == "web3":
            assert not host.sh("command -v docker dockerd", check=False)
        else:
            assert host.sh("docker ps --all --quiet; docker images --quiet; docker volume ls --quiet") == ""
    with pytest.raises(LabError):
        lab.sql("select 1")
    lab.play("uninstall.yml", "--extra-vars", "uninstall_data=true")
    assert not lab.hosts["db1"].sh("ls -d /var/lib/pgvigil 2>/dev/null", check=False)
