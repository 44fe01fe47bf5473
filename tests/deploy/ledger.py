"""What hosts took and what the database has of it: every sample is accounted for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lab import AGENT_HOSTS, wait_until

if TYPE_CHECKING:
    from lab import Lab


def now(lab: Lab, back_seconds: int = 0) -> str:
    """Return the time of the database, or some seconds before it."""
    return lab.value(f"select clock_timestamp() - interval '{back_seconds} s'")


def samples(lab: Lab, host: str, since: str) -> int:
    """Return how many samples of a host were stored since a moment of the database."""
    return int(
        lab.value(
            f"select count(*) from pgvigil.cpu_log as l join pgvigil.host as h using (host_id)"
            f" where h.host_name = '{host}' and l.updated_at > '{since}' and l.cpu_name = 'cpu-total'"
        )
    )


def wait_for_samples(lab: Lab, what: str, hosts: tuple[str, ...] = AGENT_HOSTS, seconds: float = 120) -> None:
    """Wait until each host stores again what it measures now."""
    wait_until(
        lambda: all(samples(lab, host, now(lab, 6)) >= 2 for host in hosts), f"samples of {hosts} {what}", seconds
    )


def lost(lab: Lab, host: str, since: str) -> list[str]:
    """Return the samples that the host's agent says it took since then, and that the database does not have."""
    journal = lab.hosts[host].sh("journalctl --identifier pgvigil-agent --no-pager --output cat --grep sample_taken")
    taken = ",".join(re.findall(r"taken_at=(\S+)", journal))
    rows = lab.sql(
        f"select taken from unnest('{{{taken}}}'::timestamptz[]) as t (taken)"
        f" where taken > '{since}' and not exists (select from pgvigil.cpu_log as l join pgvigil.host as h using (host_id)"
        f" where h.host_name = '{host}' and l.created_at = taken)"
    )
    return [row[0] for row in rows]


def settle(lab: Lab, since: str, kills: dict[str, int] | None = None) -> None:
    """Wait until all that was taken since then is stored, but for the newest sample of an agent at each of its kills."""
    for host in AGENT_HOSTS:
        allowed = (kills or {}).get(host, 0)
        # What was taken a moment ago is on its way: two beats later it is not.
        wait_until(lambda: len(lost(lab, host, since)) <= allowed, f"all samples of {host} but {allowed}", 60)  # noqa: B023


def agents(lab: Lab, hosts: tuple[str, ...] = AGENT_HOSTS) -> dict[str, str]:
    """Return the container of each agent: as long as it is the same one, no beat was missed."""
    return {
        host: lab.hosts[host].sh("docker inspect --format '{{.Id}} {{.State.StartedAt}}' pgvigil-agent")
        for host in hosts
    }


def rotate(lab: Lab) -> None:
    """Give every login a new password; each beat of that time is there, and no agent was started anew."""
    logins = "select rolname, rolpassword from pg_authid where rolname like 'pgvigil%' and rolpassword is not null"
    old = {name: host.sh("cat /etc/pgvigil/*/pgpass") for name, host in lab.hosts.items()}
    verifiers, running, since = dict(lab.sql(logins)), agents(lab), now(lab)
    lab.play("rotate_secrets.yml")
    for name, host in lab.hosts.items():
        assert not set(host.sh("cat /etc/pgvigil/*/pgpass").splitlines()) & set(old[name].splitlines())
    renewed = dict(lab.sql(logins))
    assert verifiers.keys() == renewed.keys()
    assert all(verifiers[name] != renewed[name] for name in verifiers)
    wait_for_samples(lab, "with the new passwords")
    settle(lab, since)
    assert agents(lab) == running, "an agent that runs on misses no beat"
