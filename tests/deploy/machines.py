"""Starting the machines of the lab, telling why there can be none, and taking them away."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import images
from lab import AGENT_HOSTS, TOP, WORK, Host, Lab, run, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

NETWORK = "pgvigil-lab"
ADDRESSES = {
    "db1": "172.30.0.10",
    "web1": "172.30.0.11",
    "web2": "172.30.0.12",
    "web3": "172.30.0.13",
    "mta": "172.30.0.20",
}
# Three capabilities and a cgroup namespace are what a host with an engine needs; see lab/README.md.
HOST_FLAGS = [
    "--cgroupns=private", "--cap-add=SYS_ADMIN", "--cap-add=NET_ADMIN", "--cap-add=SYS_PTRACE",
    "--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined", "--security-opt=systempaths=unconfined",
    "--tmpfs=/run", "--tmpfs=/run/lock", "--tmpfs=/tmp:exec", "--label=pgvigil-lab",
]  # fmt: skip


@contextmanager
def only_lab(patience_seconds: float = 1200) -> Iterator[None]:
    """Wait until no other run has machines: names, addresses and tags are the same for all."""
    with (Path(tempfile.gettempdir()) / "pgvigil-lab.lock").open("w") as lock:

        def is_ours() -> bool:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        wait_until(is_ours, "the lab of another run ends", patience_seconds)
        yield


def engine_problem() -> str:
    """Return why there can be no lab on this machine, nothing if there can."""
    if not shutil.which("docker"):
        return "there is no command docker; as root on Debian: sh tests/deploy/engine.sh"
    if subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=60).returncode:
        return "no Docker engine answers (docker info); as root on Debian: sh tests/deploy/engine.sh"
    if not shutil.which("ssh-keygen"):
        return "there is no command ssh-keygen to roll out by SSH (Debian: apt-get install openssh-client)"
    if not shutil.which("debootstrap") and not run("docker", "images", "--quiet", "debian:trixie-slim"):
        run("docker", "pull", "--quiet", "debian:trixie-slim", check=False)
        if not run("docker", "images", "--quiet", "debian:trixie-slim"):
            return "no debian:trixie-slim can be pulled, nor made (Debian: apt-get install debootstrap)"
    return ""


def try_nesting() -> None:
    """Have a host of the lab run a container, with nothing of pgvigil in it.

    Raises:
        LabError: hosts in containers do not work on this machine.
    """
    try:
        _run_host("probe", "pgvigil-lab/target", "--network=none")
        probe = Host("probe")
        wait_until(probe.is_up, "a host in a container runs", 180)
        probe.sh("systemctl start docker")
        run("sh", "-c", "docker save debian:trixie-slim | docker exec --interactive probe docker load --quiet")
        probe.sh("docker run --detach --name inner --memory 64m --pids-limit 64 --network host debian:trixie-slim sleep 60"
                 " && docker exec inner true")  # fmt: skip
    finally:
        run("docker", "rm", "--force", "--volumes", "probe", check=False)


def _run_host(name: str, image: str, *flags: str) -> None:
    run("docker", "run", "--detach", "--name", name, "--hostname", name, *HOST_FLAGS, *flags, image)


def found() -> Lab:
    """Return the machines of an earlier run, as they are."""
    return Lab({name: Host(name) for name in AGENT_HOSTS})


def start() -> Lab:
    """Start the machines, as virgin as their images are."""
    run("docker", "network", "create", "--subnet", "172.30.0.0/24", NETWORK)
    for name in AGENT_HOSTS:
        image = "pgvigil-lab/bare" if name == "web3" else "pgvigil-lab/target"
        _run_host(name, image, "--network", NETWORK, "--ip", ADDRESSES[name])
    start_mta()
    lab = found()
    for host in lab.hosts.values():
        wait_until(host.is_up, f"{host.name} runs", 180)
    let_in_by_ssh(lab)
    write_inventory(lab)
    return lab


def let_in_by_ssh(lab: Lab) -> None:
    """Let the user `admin` of each host in by a key made for this run, as Ansible meets hosts anywhere."""
    key, known, config = WORK / "ssh_key", WORK / "ssh_known_hosts", WORK / "ssh_config"
    key.unlink(missing_ok=True)
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    let_in = "install -d -o admin -m 700 ~admin/.ssh && cat > ~admin/.ssh/authorized_keys"
    entries, names = [], []
    for name, host in lab.hosts.items():
        host.sh(let_in, stdin=key.with_suffix(".pub").read_text())
        names.append(f"{name} {host.sh('cat /etc/ssh/ssh_host_ed25519_key.pub')}")
        entries.append(f"Host {name}\n  HostName {ADDRESSES[name]}\n  HostKeyAlias {name}\n")
    known.write_text("".join(names))
    config.write_text(
        "".join(entries)
        + f"Host *\n  IdentityFile {key}\n  IdentitiesOnly yes\n  UserKnownHostsFile {known}\n  ServerAliveInterval 5\n"
    )


def start_single() -> Host:
    """Start one machine with the checkout and the images, and nothing running: what Compose is for."""
    _run_host("single", "pgvigil-lab/single")
    host = Host("single")
    wait_until(host.is_up, "single runs", 180)
    host.sh("mkdir -p /srv/pgvigil && systemctl start docker")
    for directory in ("docker", "grafana"):
        run("docker", "cp", str(TOP / directory), f"single:/srv/pgvigil/{directory}")
    for image in (images.POSTGRES, images.PGVIGIL, images.GRAFANA, images.MAIL_CATCHER):
        run("sh", "-c", f"docker exec -i single docker load --quiet < {images.archive(image)}")
    return host


def start_mta() -> None:
    """Start Postfix with a certificate of an authority of its own."""
    tls = WORK / "tls"
    shutil.rmtree(tls, ignore_errors=True)
    tls.mkdir(parents=True)
    run(
        "sh",
        "-euc",
        f"""cd {tls}
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj '/CN=mta' \
            -addext keyUsage=critical,keyCertSign -keyout ca.key -out ca.crt
        openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=mta.lab' -keyout server.key -out server.csr
        printf 'subjectAltName=DNS:mta\\nsubjectKeyIdentifier=hash\\nauthorityKeyIdentifier=keyid' > ext
        openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile ext -out server.crt
        openssl rand -hex 12 > smtp_password""",
    )
    run("docker", "run", "--detach", "--name", "mta", "--hostname", "mta", "--network", NETWORK, "--ip", ADDRESSES["mta"],
        "--volume", f"{tls}:/tls:ro", "--label", "pgvigil-lab", "pgvigil-lab/mta")  # fmt: skip


def write_inventory(lab: Lab) -> None:
    """Write three lines of hosts, and what differs from the defaults."""
    lab.inventory.mkdir(parents=True, exist_ok=True)
    (lab.inventory / "hosts").write_text(
        "web[1:3]\n[pgvigil_database]\ndb1\n[shop]\nweb[1:2]\n[pgvigil_grafana]\nweb3\n"
    )
    variables = {
        "ansible_ssh_common_args": f"-F {WORK / 'ssh_config'}",
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_user": "admin",
        "pgvigil_image": images.PGVIGIL,
        "pgvigil_image_archive": str(images.archive(images.PGVIGIL)),
        "pgvigil_postgres_archive": str(images.archive(images.POSTGRES)),
        "pgvigil_grafana_archive": str(images.archive(images.GRAFANA)),
        "pgvigil_pgbouncer_archive": str(images.archive(images.PGBOUNCER)),
        "agent_interval": "2s",
        # Each sample that an agent takes is in the journal then: the ledger of the tests.
        "agent_environment": {"PGVIGIL_LOG_LEVEL": "debug"},
        "schema_recipients": [{"address": "ops@example.org"}],
        "schema_thresholds": [
            {"metric": "cpu_usage", "host_group": "shop", "resource": "cpu-total", "warning": 85, "hold": "4 seconds"}
        ],
        "mailer_smtp_host": "mta",
        "mailer_smtp_port": 587,
        "mailer_smtp_username": "pgvigil@mta.lab",
        "mailer_smtp_password": (WORK / "tls/smtp_password").read_text().strip(),
        "mailer_smtp_ca": (WORK / "tls/ca.crt").read_text(),
        "mailer_smtp_sender": "pgvigil@example.org",
    }
    (lab.inventory / "group_vars").mkdir(exist_ok=True)
    (lab.inventory / "group_vars/all.json").write_text(json.dumps(variables, indent=2))


def stop() -> None:
    """Take the machines away, with all they have."""
    for name in run("docker", "ps", "--all", "--quiet", "--filter", "label=pgvigil-lab").split():
        run("docker", "rm", "--force", "--volumes", name, check=False)
    run("docker", "network", "rm", NETWORK, check=False)
