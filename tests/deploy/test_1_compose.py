"""The whole system on one machine, by one command of Docker Compose."""

from __future__ import annotations

import json

import machines
import pytest
from lab import run, wait_until

COMPOSE = "cd /srv/pgvigil && docker compose --file docker/compose.yaml --profile mail"


@pytest.fixture(scope="module")
def single(lab):
    """Return a machine where nothing runs yet."""
    host = machines.start_single()
    yield host
    run("docker", "rm", "--force", "--volumes", "single", check=False)


def psql(single, query: str) -> str:
    """Ask the database as the page says."""
    return single.sh(f"{COMPOSE} exec -T postgres psql --no-psqlrc -At pgvigil", stdin=query).strip()


def test_up_gives_samples_and_the_first_mail(single):
    """`up --wait` ends well; samples arrive; a rule that is broken at once gives a mail in the catcher."""
    single.sh(f"{COMPOSE} up --no-build --wait --wait-timeout 180", timeout=240)
    wait_until(lambda: int(psql(single, "select count(*) from pgvigil.cpu_log")) > 0, "samples", 60)
    psql(
        single,
        "insert into pgvigil.threshold (metric, resource, warning, note) values ('memory_usage', 'memory', 0.1, 'a test')",
    )
    wait_until(lambda: "Subject: [pgvigil]" in single.sh(f"{COMPOSE} logs --no-log-prefix mail"), "the first mail", 60)


def test_nothing_listens_beyond_loopback(single):
    """Published ports are those of Grafana and of the catcher, on 127.0.0.1."""
    names = single.sh("docker ps --quiet").split()
    published = set()
    for container in json.loads(single.sh(f"docker inspect {' '.join(names)}")):
        for ports in container["NetworkSettings"]["Ports"].values():
            published |= {(port["HostIp"], port["HostPort"]) for port in ports or []}
        assert container["HostConfig"]["ReadonlyRootfs"]
        assert container["HostConfig"]["CapDrop"] == ["ALL"]
    assert published == {("127.0.0.1", "3000"), ("127.0.0.1", "8025")}


def test_down_and_up_again_keeps_data_and_secrets(single):
    """A second start makes no new passwords, and the samples of the first are there."""
    before = int(psql(single, "select count(*) from pgvigil.cpu_log"))
    single.sh(f"{COMPOSE} down", timeout=120)
    single.sh(f"{COMPOSE} up --no-build --wait --wait-timeout 180", timeout=240)
    wait_until(lambda: int(psql(single, "select count(*) from pgvigil.cpu_log")) > before, "more samples", 60)
