"""From virgin hosts to none: roll out, look inside, break, upgrade, roll back, rotate, uninstall. In this order."""

from __future__ import annotations

import json
import re
import time

import lab as laboratory
import pytest
import testinfra
from lab import AGENT_HOSTS, LabError, archive, build_variant, wait_until

CONTAINERS = {"db1": ("pgvigil-postgres", "pgvigil-mailer", "pgvigil-agent"), "web1": ("pgvigil-agent",)}
BEAT_SECONDS = 2
# What people see of a restart: stop, start, a first reading, and the first beat.
RESTART_SECONDS = 30
RULE = {"metric": "cpu_usage", "host_group": "shop", "resource": "cpu-total", "warning": 85, "hold": "4 seconds"}


def samples(lab, host: str, since: str) -> int:
    """Return how many samples of a host were stored since a moment of the database."""
    return int(lab.value(
        f"select count(*) from pgvigil.cpu_log as l join pgvigil.host as h using (host_id)"
        f" where h.host_name = '{host}' and l.updated_at > '{since}'"
    ))  # fmt: skip


def longest_gap(lab, host: str, since: str) -> float:
    """Return the longest time between two samples of a host, in seconds, by the host's clock."""
    return float(lab.value(
        f"select coalesce(max(extract(epoch from gap)), 1e9) from (select l.created_at - lag(l.created_at) over (order by l.created_at)"
        f" as gap from pgvigil.cpu_log as l join pgvigil.host as h using (host_id) where h.host_name = '{host}'"
        f" and l.created_at > '{since}') as g"
    ))  # fmt: skip


def all_arrive(lab, since: str, hosts=AGENT_HOSTS) -> bool:
    """Tell whether each host has stored samples since."""
    return all(samples(lab, host, since) >= 2 for host in hosts)


def now(lab) -> str:
    """Return the time of the database."""
    return lab.value("select clock_timestamp()")


def test_check_mode_passes_on_virgin_hosts(lab):
    """`--check --diff` says what it would do, changes nothing, and shows no secret."""
    played = lab.play("site.yml", "--check", "--diff")
    assert played.recap("failed") == 0
    assert "pgvigil-agent.service" in played.output
    for host in lab.hosts.values():
        assert not host.sh("ls -d /etc/pgvigil /var/lib/pgvigil 2>/dev/null", check=False)
    assert (laboratory.WORK / "tls/smtp_password").read_text().strip() not in played.output


def test_first_run_gives_samples_of_every_host(lab):
    """Three lines of inventory and one command: units run, the fleet reports, the groups are known."""
    variables = lab.inventory / "group_vars/all.json"
    content = json.loads(variables.read_text()) | {"schema_thresholds": [RULE]}
    variables.write_text(json.dumps(content))
    assert lab.play().recap("failed") == 0
    since = now(lab)
    wait_until(lambda: all_arrive(lab, since), "samples of every host")
    for name, host in lab.hosts.items():
        for container in CONTAINERS.get(name, ("pgvigil-agent",)):
            unit = host.sh(f"systemctl show --property ActiveState,UnitFileState {container}")
            assert unit == "ActiveState=active\nUnitFileState=enabled\n" or "UnitFileState=enabled" in unit
            assert "ActiveState=active" in unit
    assert lab.sql("select host_name, groups::text, expected from pgvigil.host order by 1") == [
        ["db1", "{}", "t"], ["web1", "{shop}", "t"], ["web2", "{shop}", "t"], ["web3", "{}", "t"],
    ]  # fmt: skip
    assert lab.value("select count(*) from pgvigil.silence where ends_at > now()") == "0"
    assert lab.value("select count(*) from pgvigil.alert where metric = 'host_silence'") == "0", (
        "nobody was expected too early"
    )


def test_burning_cpu_gives_a_mail(lab):
    """A real breach on a host: its mail is in the mailbox of the MTA, by STARTTLS and a login."""
    lab.hosts["web1"].sh("for i in 1 2 3; do timeout 40 sh -c 'while :; do :; done' & done", timeout=10)
    wait_until(
        lambda: re.search(r"Subject: \[pgvigil\] web[12]: CPU usage", lab.mails()),
        "a mail about the CPU of a shop host",
        60,
    )


def test_second_run_changes_nothing(lab):
    """changed=0, and nothing restarts."""
    ids = {
        name: host.sh("docker ps --no-trunc --format '{{.Names}} {{.ID}}' | sort") for name, host in lab.hosts.items()
    }
    played = lab.play()
    assert played.recap("changed") == 0, re.findall(r"TASK \[.*\n(?=changed)", played.output)
    for name, host in lab.hosts.items():
        assert host.sh("docker ps --no-trunc --format '{{.Names}} {{.ID}}' | sort") == ids[name]


@pytest.mark.parametrize(
    ("name", "container"), [(name, container) for name, containers in CONTAINERS.items() for container in containers]
)
def test_container_is_confined(lab, name, container):
    """User, root file system, capabilities, limits: as the engine has them, not as the unit says."""
    host = lab.hosts[name]
    config = json.loads(host.sh(f"docker inspect {container}"))[0]
    flags = config["HostConfig"]
    assert re.fullmatch(r"(10340|999):(10340|999)", config["Config"]["User"])
    assert flags["ReadonlyRootfs"]
    assert flags["CapDrop"] == ["ALL"]
    assert not flags["CapAdd"]
    assert not flags["Privileged"]
    assert "no-new-privileges" in flags["SecurityOpt"]
    assert 0 < flags["Memory"] == flags["MemorySwap"]
    assert flags["PidsLimit"] > 0
    assert flags["RestartPolicy"]["Name"] in {"", "no"}, "systemd restarts it, and nobody else"
    assert "/var/run/docker.sock" not in json.dumps(config["Mounts"])
    writable = {mount["Destination"] for mount in config["Mounts"] if mount["RW"]}
    assert writable <= {"/var/lib/pgvigil", "/var/lib/postgresql/data", "/var/run/postgresql"}
    # What the kernel says of the process itself.
    status = host.sh(f"cat /proc/$(docker inspect --format '{{{{.State.Pid}}}}' {container})/status")
    assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    assert re.search(r"^Uid:\s+(10340|999)\s", status, re.MULTILINE)


def secrets_of(lab) -> set[str]:
    """Return every password there is, from the files that may hold one."""
    found = {(laboratory.WORK / "tls/smtp_password").read_text().strip()}
    for host in lab.hosts.values():
        for line in host.sh("cat /etc/pgvigil/*/pgpass").splitlines():
            found.add(line.rsplit(":", 1)[1])
        found |= set(
            host.sh(
                "cat /etc/pgvigil/*/*.key /etc/pgvigil/authority/*.key 2>/dev/null | grep -v -- ---", check=False
            ).split()
        )
    return found


def test_no_secret_is_where_others_can_read_it(lab):
    """Modes and owners of the files; and no password in units, environments, journals, `docker inspect` or processes."""
    secrets = secrets_of(lab)
    assert len(secrets) >= 6
    for name in lab.hosts:
        machine = testinfra.get_host(f"docker://{name}")
        pgpass = machine.file("/etc/pgvigil/agent/pgpass")
        assert (pgpass.mode, pgpass.uid) == (0o400, 10340)
        assert machine.file("/etc/pgvigil/agent").mode == 0o750
        loose = machine.check_output(
            "find /etc/pgvigil -type f -perm /o+rwx ! -name '*.archive' ! -name '*.service' | sort"
        )
        assert loose == ""
        everything = machine.check_output(
            "cat /etc/systemd/system/pgvigil* /etc/pgvigil/*.env /etc/pgvigil/*.release /etc/pgvigil/good/*; journalctl --no-pager;"
            " docker inspect $(docker ps -aq) $(docker images -q); for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; "
            " tr '\\0' ' ' <$p/environ; done 2>/dev/null; true"
        )
        assert len(everything) > 1000
        assert not [secret[:4] for secret in secrets if secret in everything]
    key = testinfra.get_host("docker://db1").file("/etc/pgvigil/postgres/server.key")
    assert (key.mode, key.uid, key.gid) == (0o640, 0, 999)
    assert testinfra.get_host("docker://db1").file("/etc/pgvigil/authority").mode == 0o700


def test_nothing_listens_but_postgresql(lab):
    """One documented port on the database host, none anywhere else."""
    for name, host in lab.hosts.items():
        lines = host.sh("ss --no-header --listening --tcp --udp --numeric --processes").splitlines()
        # The resolver of the lab's own network is in every host, and so is the engine's own.
        ours = [line.split()[4] for line in lines if " 127.0.0.11:" not in line and '"containerd"' not in line]
        ports = {address.rpartition(":")[2] for address in ours}
        assert ports == ({"5432"} if name == "db1" else set())


def test_server_takes_only_verified_logins(lab):
    """No TLS, another group's database, a wrong authority: each is refused."""
    web1 = lab.hosts["web1"]
    psql = (
        "docker run --rm --network host --user 10340:10340 --volume /etc/pgvigil/agent:/etc/pgvigil:ro --entrypoint python pgvigil:0.1.0"
        " -c 'import psycopg, sys; psycopg.connect(sys.argv[1])' \"host=db1 dbname={db} user={user} sslmode={mode} sslrootcert={ca}"
        ' passfile=/etc/pgvigil/pgpass" 2>&1'
    )

    def attempt(db="pgvigil", user="pgvigil_agent_web1", mode="verify-full", ca="/etc/pgvigil/ca.crt") -> str:
        return web1.sh(psql.format(db=db, user=user, mode=mode, ca=ca), check=False)

    assert attempt() == ""
    assert "no encryption" in attempt(mode="disable")
    assert "no pg_hba.conf entry" in attempt(db="postgres")
    assert "no pg_hba.conf entry" in attempt(user="postgres")
    assert "authentication failed" in attempt(user="pgvigil_agent_web2")
    assert "certificate verify failed" in attempt(ca="system")


def test_agent_measures_the_host_and_not_its_container(lab):
    """Cores, memory, disks and interfaces in the database are those that the host's own tools tell."""
    for name, host in lab.hosts.items():
        of_host = (
            f"from pgvigil.{{}} join pgvigil.host using (host_id) where host_name = '{name}' and not {{}}.is_deleted"
        )
        assert (
            lab.value("select cpu_core " + of_host.format(*["cpu_info"] * 2) + " and cpu_name = 'cpu-total'")
            == host.sh("nproc").strip()
        )
        assert int(
            lab.value("select physical_memory " + of_host.format(*["memory_info"] * 2) + " and memory_name = 'memory'")
        ) == 1024 * int(host.sh("awk '/MemTotal/ {print $2}' /proc/meminfo"))
        disks = dict(lab.sql("select mounted, size " + of_host.format(*["disk_info"] * 2)))
        assert "/" in disks
        for mounted, size in disks.items():
            assert host.sh(f"df --block-size=1 --output=target,size '{mounted}' | tail -1").split() == [mounted, size]
        interfaces = {row[0] for row in lab.sql("select network_interface " + of_host.format(*["network_info"] * 2))}
        assert interfaces == {"eth0"}


FLAGS = {"--network": "--network host", "--pid": "--pid host", "--volume=/:/host": "--volume /:/host:ro,rslave"}


@pytest.mark.parametrize("missing", FLAGS)
def test_agent_refuses_without_a_flag_and_names_it(lab, missing):
    """Exit status 6, and the flag in the message: it would have measured its container."""
    flags = " ".join(flag for name, flag in FLAGS.items() if name != missing)
    said = lab.hosts["web1"].sh(
        f"docker run --rm {flags} --env PGVIGIL_HOST_ROOT=/host pgvigil:0.1.0 agent --once 2>&1; echo status $?"
    )
    assert "status 6" in said
    assert missing in said


def test_fleet_survives_what_befalls_hosts(lab):
    """Engine stopped and started, each container's process killed, restart and power cut of each host."""
    for name, host in lab.hosts.items():
        since = now(lab) if name != "db1" else ""
        if not since:
            host.sh("systemctl stop docker docker.socket && systemctl start docker", timeout=180)
        else:
            host.sh("systemctl stop docker docker.socket && systemctl start docker")
        wait_until(
            lambda: all_arrive(lab, now_minus(lab, 6)),
            f"samples after the engine of {name} was stopped and started",
            120,
        )
    for name, host in lab.hosts.items():
        for container in CONTAINERS.get(name, ("pgvigil-agent",)):
            host.sh(f"kill -KILL $(docker inspect --format '{{{{.State.Pid}}}}' {container})")
        wait_until(
            lambda: all_arrive(lab, now_minus(lab, 6)), f"samples after the processes of {name} were killed", 120
        )
    for name, host in lab.hosts.items():
        host.restart()
        wait_until(lambda: all_arrive(lab, now_minus(lab, 6)), f"samples after {name} was restarted", 120)
        host.power_cut()
        wait_until(lambda: all_arrive(lab, now_minus(lab, 6)), f"samples after {name} lost power", 120)
    wait_until(lambda: lab.value(
        "select count(*) from pg_stat_activity where application_name = 'pgvigil-mailer listening'") == "1", "the mailer", 60)  # fmt: skip


def now_minus(lab, seconds: int) -> str:
    """Return the time of the database some seconds ago."""
    return lab.value(f"select clock_timestamp() - interval '{seconds} s'")


def test_cut_off_database_costs_no_sample(lab):
    """Packets of the database host are dropped for two minutes: each beat of each host is there afterwards."""
    since = now(lab)
    db1 = lab.hosts["db1"]
    for chain in ("INPUT", "OUTPUT"):
        db1.sh(f"iptables -I {chain} ! -i lo -j DROP" if chain == "INPUT" else f"iptables -I {chain} ! -o lo -j DROP")
    time.sleep(120)
    for chain in ("INPUT", "OUTPUT"):
        db1.sh(f"iptables -D {chain} 1")
    wait_until(lambda: all_arrive(lab, now_minus(lab, 6)), "samples after the database was cut off", 120)
    wait_until(lambda: all(longest_gap(lab, host, since) < 2.5 * BEAT_SECONDS for host in AGENT_HOSTS),
               "every beat of the time without a database", 60)  # fmt: skip


def test_upgrade_under_load_keeps_every_host_reporting(lab):
    """A new image, agent after agent: the new version reports, and no host is away for longer than its restart."""
    build_variant(
        "pgvigil:0.1.1", "RUN sed -i s/0.1.0/0.1.1/ /opt/pgvigil/lib/python3*/site-packages/pgvigil/__init__.py"
    )
    since = now(lab)
    lab.play("site.yml", *images("pgvigil:0.1.1"))
    assert lab.sql("select distinct agent_version from pgvigil.host") == [["0.1.1"]]
    assert max(longest_gap(lab, host, since) for host in AGENT_HOSTS) < RESTART_SECONDS
    assert lab.value("select count(*) from pgvigil.silence where ends_at > now()") == "0"


def images(image: str, role: str = "pgvigil") -> list[str]:
    """Return the arguments that roll an image out: to all, or to one role."""
    prefix = "pgvigil_image" if role == "pgvigil" else role
    names = (
        ("pgvigil_image", "pgvigil_image_archive") if role == "pgvigil" else (f"{prefix}_image", f"{prefix}_archive")
    )
    return ["--extra-vars", json.dumps(dict(zip(names, (image, str(archive(image))), strict=True)))]


@pytest.mark.parametrize(
    ("image", "instructions"),
    [
        ("pgvigil:crashes", 'ENTRYPOINT ["sh", "-c", "echo broken on purpose >&2; exit 3"]'),
        ("pgvigil:mute", 'ENTRYPOINT ["sleep", "1000000"]'),
    ],
)
def test_broken_release_is_taken_back(lab, image, instructions):
    """One host is touched; it runs the old image again; the play ends; the silence stays, and a mail says so."""
    build_variant(image, instructions)
    running = {name: host.sh("docker inspect --format '{{.Image}}' pgvigil-agent") for name, host in lab.hosts.items()}
    mails = lab.mails().count("Failed rollout")
    # Two variables each: the agents get the broken image, all else keeps the one that works.
    arguments = [
        *images("pgvigil:0.1.1"),
        *images(image, "agent"),
        "--extra-vars",
        "agent_gate_seconds=15",
        "--tags",
        "agent",
    ]
    played = lab.play("site.yml", *arguments, check=False)
    assert played.status != 0
    assert "did not do its work within 15 s" in played.output
    assert {
        name: host.sh("docker inspect --format '{{.Image}}' pgvigil-agent") for name, host in lab.hosts.items()
    } == running
    wait_until(lambda: all_arrive(lab, now_minus(lab, 6)), "samples of every host by the old image")
    failed = lab.sql("select host_name from pgvigil.silence where ends_at > now() and note like '%failed'")
    assert len(failed) == 1, "only the first host of the fleet was touched"
    wait_until(lambda: lab.mails().count("Failed rollout") > mails, "a mail about the rollout")
    assert "The image that ran before runs again" in " ".join(lab.mails().split())
    lab.sql("update pgvigil.silence set ends_at = now() where ends_at > now()")
    # The next good run ends the incident.
    lab.play("site.yml", *images("pgvigil:0.1.1"), "--extra-vars", "agent_interval=3s", "--tags", "agent")
    assert (
        lab.value("select count(*) from pgvigil.alert where metric = 'rollout_failed' and resolved_at is null") == "0"
    )
    lab.play("site.yml", *images("pgvigil:0.1.1"), "--tags", "agent")


def test_rotation_leaves_no_gap(lab):
    """Each login has a new password, the old one is refused, and each beat of the time is there."""
    old = {name: host.sh("cat /etc/pgvigil/agent/pgpass") for name, host in lab.hosts.items()}
    verifiers = dict(
        lab.sql("select rolname, rolpassword from pg_authid where rolname like 'pgvigil%' and rolpassword is not null")
    )
    since = now(lab)
    lab.play("rotate_secrets.yml")
    for name, host in lab.hosts.items():
        assert host.sh("cat /etc/pgvigil/agent/pgpass") != old[name]
    renewed = dict(
        lab.sql("select rolname, rolpassword from pg_authid where rolname like 'pgvigil%' and rolpassword is not null")
    )
    assert verifiers.keys() == renewed.keys()
    assert all(verifiers[name] != renewed[name] for name in verifiers)
    wait_until(lambda: all_arrive(lab, now_minus(lab, 6)), "samples with the new passwords")
    assert max(longest_gap(lab, host, since) for host in AGENT_HOSTS) < 2.5 * BEAT_SECONDS
    lab.sql("select 1")


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
