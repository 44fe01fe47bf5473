"""From virgin hosts to a fleet that reports: roll out, break a rule, look inside."""

from __future__ import annotations

import json
import re

import lab as laboratory
import pytest
import testinfra
from lab import wait_until
from ledger import wait_for_samples

CONTAINERS = [
    ("db1", "pgvigil-postgres"),
    ("db1", "pgvigil-mailer"),
    ("db1", "pgvigil-agent"),
    ("web1", "pgvigil-agent"),
    ("web3", "pgvigil-grafana"),
]


def test_check_mode_passes_on_virgin_hosts(lab):
    """`--check --diff` says what it would do, changes nothing, and shows no secret."""
    played = lab.play("site.yml", "--check", "--diff")
    assert played.recap("failed") == 0
    assert "+SyslogIdentifier=pgvigil-agent" in played.output
    for host in lab.hosts.values():
        assert not host.sh("ls -d /etc/pgvigil /var/lib/pgvigil 2>/dev/null", check=False)
    assert (laboratory.WORK / "tls/smtp_password").read_text().strip() not in played.output


def test_first_run_gives_samples_of_every_host(lab):
    """A few lines of inventory and one command: units run, the fleet reports, the groups are known, nobody was mailed too early."""
    assert lab.play().recap("failed") == 0
    wait_for_samples(lab, "after the first run")
    for name, container in [*CONTAINERS, ("web2", "pgvigil-agent"), ("web3", "pgvigil-agent")]:
        unit = lab.hosts[name].sh(f"systemctl show --property ActiveState,UnitFileState {container}")
        assert set(unit.split()) == {"ActiveState=active", "UnitFileState=enabled"}
        # An agent is healthy after its first three beats at most; the others have no health check of Docker's.
        health = f"docker inspect --format '{{{{if .State.Health}}}}{{{{.State.Health.Status}}}}{{{{else}}}}healthy{{{{end}}}}' {container}"
        wait_until(lambda: lab.hosts[name].sh(health).strip() == "healthy", f"{container} of {name} is healthy", 90)  # noqa: B023
    assert lab.sql("select host_name, groups::text, expected from pgvigil.host order by 1") == [
        ["db1", "{}", "t"], ["web1", "{shop}", "t"], ["web2", "{shop}", "t"], ["web3", "{}", "t"],
    ]  # fmt: skip
    assert lab.value("select count(*) from pgvigil.silence where ends_at > now()") == "0"
    assert lab.value("select count(*) from pgvigil.alert where metric = 'host_silence'") == "0"


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


@pytest.mark.parametrize(("name", "container"), CONTAINERS)
def test_container_is_confined(lab, name, container):
    """User, root file system, capabilities, limits: as the engine has them, not as the unit says."""
    host = lab.hosts[name]
    config = json.loads(host.sh(f"docker inspect {container}"))[0]
    flags = config["HostConfig"]
    assert re.fullmatch(r"(10340:10340|999:999|472:472)", config["Config"]["User"])
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
    assert writable <= {"/var/lib/pgvigil", "/var/lib/postgresql/data", "/var/run/postgresql", "/var/lib/grafana"}
    # What the kernel says of the process itself.
    status = host.sh(f"cat /proc/$(docker inspect --format '{{{{.State.Pid}}}}' {container})/status")
    assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    assert re.search(r"^Uid:\s+(10340|999|472)\s", status, re.MULTILINE)


def secrets_of(lab) -> set[str]:
    """Return every password and key there is, from the files that may hold one."""
    found = {(laboratory.WORK / "tls/smtp_password").read_text().strip()}
    for host in lab.hosts.values():
        found |= {line.rsplit(":", 1)[1] for line in host.sh("cat /etc/pgvigil/*/pgpass").splitlines()}
        found |= set(host.sh("cat /etc/pgvigil/*/*_password 2>/dev/null", check=False).split())
        keys = host.sh("cat /etc/pgvigil/*/*.key 2>/dev/null", check=False).splitlines()
        found |= {line for line in keys if not line.startswith("---")}
    return found


def test_no_secret_is_where_others_can_read_it(lab):
    """Modes and owners of the files; and no password in units, environments, journals, `docker inspect` or processes."""
    secrets = secrets_of(lab)
    assert len(secrets) >= 8
    for name in lab.hosts:
        machine = testinfra.get_host(f"docker://{name}")
        pgpass = machine.file("/etc/pgvigil/agent/pgpass")
        assert (pgpass.mode, pgpass.uid) == (0o400, 10340)
        assert machine.file("/etc/pgvigil/agent").mode == 0o750
        loose = machine.check_output(
            "find /etc/pgvigil -type f -perm /o+rwx ! -name '*.archive' ! -name '*.service' ! -path '*/grafana-dashboards/*'"
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


def test_nothing_listens_but_what_is_documented(lab):
    """PostgreSQL on the database host, Grafana on the loopback of its host, nothing anywhere else."""
    documented = {"db1": {"0.0.0.0:5432", "[::]:5432"}, "web3": {"127.0.0.1:3000"}}
    for name, host in lab.hosts.items():
        lines = host.sh("ss --no-header --listening --tcp --udp --numeric --processes").splitlines()
        # The resolver of the lab's own network is in every host, and so are sshd and the engine's own.
        theirs = (" 127.0.0.11:", '"containerd"', '"sshd"')
        ours = {line.split()[4] for line in lines if not any(each in line for each in theirs)}
        assert ours == documented.get(name, set()), name


def test_server_takes_only_verified_logins(lab):
    """No TLS, another group's database, a wrong authority: each is refused."""
    web1 = lab.hosts["web1"]
    # With the password of web1, whatever the login.
    connect = "import psycopg, sys; psycopg.connect(sys.argv[1], password=open(sys.argv[2]).read().strip().rpartition(chr(58))[2])"
    psql = (
        "docker run --rm --network host --user 10340:10340 --volume /etc/pgvigil/agent:/etc/pgvigil:ro --entrypoint python pgvigil:0.1.0"
        f" -c '{connect}'"
        ' "host=db1 dbname={db} user={user} sslmode={mode} sslrootcert={ca}" /etc/pgvigil/pgpass 2>&1'
    )

    def attempt(db="pgvigil", user="pgvigil_agent_web1", mode="verify-full", ca="/etc/pgvigil/ca.crt") -> str:
        return web1.sh(psql.format(db=db, user=user, mode=mode, ca=ca), check=False)

    assert not attempt()
    assert "no encryption" in attempt(mode="disable")
    assert "no pg_hba.conf entry" in attempt(db="postgres")
    assert "no pg_hba.conf entry" in attempt(user="postgres")
    assert "authentication failed" in attempt(user="pgvigil_agent_web2")
    assert "certificate verify failed" in attempt(ca="system")


def test_grafana_reads_the_dashboards_and_nothing_else(lab):
    """The password that Grafana was given opens schema dashboard, read-only."""
    query = (
        "docker run --rm --network host --user 472:472 --volume /etc/pgvigil/grafana:/etc/pgvigil:ro --entrypoint python pgvigil:0.1.0 -c '"
        'import psycopg, sys; print(psycopg.connect("host=db1 dbname=pgvigil user=pgvigil_grafana_web3 sslmode=verify-full '
        'sslrootcert=/etc/pgvigil/ca.crt", password=open("/etc/pgvigil/database_password").read()).execute(sys.argv[1]).fetchone())'
        "' '{}' 2>&1"
    )
    web3 = lab.hosts["web3"]
    assert web3.sh(query.format("select count(*) from dashboard.host_state")).strip() == "(4,)"
    assert "permission denied" in web3.sh(query.format("select * from pgvigil.recipient"), check=False)


def test_inventory_of_a_host_is_what_its_own_tools_say(lab):
    """Cores, memory, disks and interfaces: of the host, and not of the container."""
    for name, host in lab.hosts.items():

        def ask(columns: str, table: str, where: str = "true", *, name: str = name) -> list[list[str]]:
            return lab.sql(
                f"select {columns} from pgvigil.{table} as i join pgvigil.host using (host_id)"
                f" where host_name = '{name}' and not i.is_deleted and {where}"
            )

        assert ask("cpu_core", "cpu_info", "cpu_name = 'cpu-total'") == [[host.sh("nproc").strip()]]
        memory = 1024 * int(host.sh("awk '/MemTotal/ {print $2}' /proc/meminfo"))
        assert ask("physical_memory", "memory_info", "memory_name = 'memory'") == [[str(memory)]]
        # Real file systems on directories; what the engine mounts for containers is theirs.
        mounted = (
            "findmnt --real --noheadings --raw --output TARGET | while read -r d; do test -d $d && echo $d; done; true"
        )
        directories = {"/"} | {line for line in host.sh(mounted).splitlines() if "/overlay2/" not in line}
        disks = dict(ask("mounted, size", "disk_info"))
        assert disks.keys() == directories, name
        for directory, size in disks.items():
            assert host.sh(f"df --block-size=1 --output=size '{directory}' | tail -1").strip() == size
        assert ask("network_interface", "network_info") == [["eth0"]]


def test_samples_of_a_host_are_what_its_own_counters_say(lab):
    """Traffic, CPU and space while something happens: sums of the samples against the counters of the host's kernel."""
    web1 = lab.hosts["web1"]
    counters = "date +%s.%N; cat /sys/class/net/eth0/statistics/tx_bytes; head -1 /proc/stat"
    send = (
        "import socket, time; s = socket.socket(type=socket.SOCK_DGRAM)\n"
        "for n in range(20000): s.sendto(bytes(1400), ('172.30.0.12', 9)) and n % 5000 == 0 and time.sleep(1)"
    )
    first = web1.sh(f"{counters}; sleep 3").splitlines()
    web1.sh("python3 -", stdin=send)
    last = web1.sh(f"sleep 4; {counters}").splitlines()
    source = (
        "from (select l.*, extract(epoch from l.created_at - lag(l.created_at) over (order by l.created_at)) as gap from pgvigil.{} as l"
        " join pgvigil.host as h using (host_id) where h.host_name = 'web1' and l.{} = '{}') as s"
        f" where created_at between to_timestamp({first[0]}) and to_timestamp({last[0]})"
    )
    sent = lab.value(
        "select sum(sent_bytes_per_second * gap) " + source.format("network_log", "network_interface", "eth0")
    )
    assert float(sent) == pytest.approx(int(last[1]) - int(first[1]), rel=0.05)
    ticks = [
        new - old for new, old in zip(*([int(t) for t in at[2].split()[1:9]] for at in (last, first)), strict=True)
    ]
    busy = 100 * (1 - (ticks[3] + ticks[4]) / sum(ticks))
    usage = lab.value("select sum(cpu_usage * gap) / sum(gap) " + source.format("cpu_log", "cpu_name", "cpu-total"))
    assert float(usage) == pytest.approx(busy, abs=15)
    used = lab.value(
        "select used_bytes " + source.format("disk_log", "disk_name", "/") + " order by created_at desc limit 1"
    )
    assert int(used) == pytest.approx(int(web1.sh("df --block-size=1 --output=used / | tail -1")), rel=0.02)


SEEN = ("--network host", "--pid host", "--volume /:/host:ro,rslave", "--env PGVIGIL_HOST_ROOT=/host")


def agent_with(lab, *flags: str) -> str:
    """Return what an agent says of one sample, in a container with these flags, and its exit status."""
    command = f"docker run --rm --user 10340:10340 --cap-drop ALL {' '.join(flags)} pgvigil:0.1.0 agent --once"
    return lab.hosts["web1"].sh(f"{command} 2>&1; echo status $?")


def test_agent_runs_with_exactly_these_flags(lab):
    """None of them is a capability, or root."""
    assert agent_with(lab, *SEEN).endswith("status 0\n")


@pytest.mark.parametrize(
    ("instead", "flags", "named"),
    [
        ("no network", SEEN[1:], "Run the container with --network=host"),
        ("no processes", (SEEN[0], *SEEN[2:]), "Run the container with --pid=host"),
        ("no disks", (*SEEN[:2], SEEN[3]), "Run the container with --volume=/:/host:ro,rslave"),
        ("disks to write", (*SEEN[:2], "--volume /:/host:rslave", SEEN[3]), "Run the container with --volume=/:/host:ro,rslave"),
# That they are slaves of the host's mounts is what Docker itself insists on for `/`.
        ("no root", SEEN[:3], "--host-root /host"),
    ],
)  # fmt: skip
def test_agent_refuses_without_a_flag_and_names_it(lab, instead, flags, named):
    """It would have measured its container, or not all of the host."""
    said = agent_with(lab, *flags)
    assert named in said
    assert re.search(r"status [1-9]", said)
