"""What befalls hosts: everything comes back by itself, each sample is accounted for, and the mails come."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from lab import AGENT_HOSTS, wait_until
from ledger import agents, now, settle, wait_for_samples

each_part_of_the_fleet = pytest.mark.parametrize(
    "names", [("db1",), ("web1", "web2", "web3")], ids=["database", "agents"]
)


@contextmanager
def fault(lab, names, *, agents_killed=0):
    """Afterwards all of the fleet is back, no sample is lost, and who was not touched went on measuring."""
    others = tuple(name for name in AGENT_HOSTS if name not in names)
    before, since = agents(lab, others), now(lab)
    yield
    wait_for_samples(lab, f"after what befell {names}")
    settle(lab, since, dict.fromkeys(names, agents_killed))
    assert agents(lab, others) == before
    listens = "select count(*) from pg_stat_activity where application_name = 'pgvigil-mailer listening'"
    wait_until(lambda: lab.value(listens) == "1", "the mailer listens")


def befall(lab, names, event) -> None:
    """Let something happen to hosts, at the same time."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(event, [lab.hosts[name] for name in names]))


@each_part_of_the_fleet
def test_engine_is_stopped_and_started(lab, names):
    """As an upgrade of its package does."""
    with fault(lab, names):
        befall(lab, names, lambda host: host.sh("systemctl stop docker docker.socket && systemctl start docker"))


@each_part_of_the_fleet
def test_each_process_is_killed(lab, names):
    """SIGKILL of process 1 of each container; an agent loses the sample that it has just taken, at most."""
    kill = "for c in $(docker ps --quiet); do kill -KILL $(docker inspect --format '{{.State.Pid}}' $c); done"
    with fault(lab, names, agents_killed=1):
        befall(lab, names, lambda host: host.sh(kill))


@each_part_of_the_fleet
def test_host_restarts(lab, names):
    """Shut down in order."""
    with fault(lab, names):
        befall(lab, names, lambda host: host.restart())


@each_part_of_the_fleet
def test_host_loses_power(lab, names):
    """Nothing is shut down at all."""
    with fault(lab, names, agents_killed=1):
        befall(lab, names, lambda host: host.power_cut())


def test_database_host_is_cut_off_for_two_minutes(lab):
    """Its packets are dropped, and a host loses power meanwhile: what waited on its disk comes too, and so do the mails."""
    db1, mails = lab.hosts["db1"], lab.mails()
    with fault(lab, ("web1",), agents_killed=1):
        db1.sh("iptables -I INPUT ! -i lo -j DROP; iptables -I OUTPUT ! -o lo -j DROP")
        try:
            time.sleep(60)
            lab.hosts["web1"].power_cut()
            time.sleep(60)
            assert lab.mails() == mails, "it was cut off from the MTA too"
        finally:
            db1.sh("iptables -D INPUT 1; iptables -D OUTPUT 1")
    # One mail for each host, or one for all of them.
    for what in ("web1", "web2", "web3", "Silence"):
        wait_until(lambda: what in lab.mails()[len(mails) :], f"mails about the silence, {what} among them", 120)  # noqa: B023
    told = (
        "select count(distinct host_id) from pgvigil.mail join pgvigil.alert using (host_id, alert_id)"
        " where metric = 'host_silence' and sent_at > now() - interval '5 minutes'"
    )
    assert lab.value(told) == "3"
    wait_until(
        lambda: lab.value("select count(*) from pgvigil.mail where sent_at is null") == "0", "nothing waits", 120
    )


def test_breach_is_mailed_after_all_of_that(lab):
    """The way from a sample to the mailbox is whole again."""
    lab.sql(
        "insert into pgvigil.threshold (metric, host_name, resource, warning, note)"
        " values ('memory_usage', 'web3', 'memory', 0.1, 'a test')"
    )
    wait_until(lambda: "[pgvigil] web3: Memory" in lab.mails(), "a mail about the memory of web3", 120)
    lab.sql("delete from pgvigil.threshold where note = 'a test'")
