"""The lab: hosts with systemd and an engine of their own, an MTA, and the images that are rolled out to them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

TOP = Path(__file__).parents[2]
WORK = Path(os.environ.get("PGVIGIL_LAB_DIRECTORY", TOP / ".lab"))
NETWORK = "pgvigil-lab"
ADDRESSES = {
    "db1": "172.30.0.10",
    "web1": "172.30.0.11",
    "web2": "172.30.0.12",
    "web3": "172.30.0.13",
    "mta": "172.30.0.20",
}
AGENT_HOSTS = ("db1", "web1", "web2", "web3")
# Three capabilities and a cgroup namespace are what a host with an engine needs; see lab/README.md.
HOST_FLAGS = [
    "--cgroupns=private", "--cap-add=SYS_ADMIN", "--cap-add=NET_ADMIN", "--cap-add=SYS_PTRACE",
    "--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined", "--security-opt=systempaths=unconfined",
    "--tmpfs=/run", "--tmpfs=/run/lock", "--tmpfs=/tmp:exec", "--label=pgvigil-lab",
]  # fmt: skip


class LabError(AssertionError):
    """A command of the lab failed: what it was, and what it said."""


def say(text: str) -> None:
    """Tell whoever waits what goes on."""
    print(f"lab: {text}", flush=True)  # noqa: T201 - minutes without a word look like a hang


def run(*command: str, stdin: str | None = None, check: bool = True, timeout: float = 300) -> str:
    """Run a command of this machine and return what it wrote."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
    if check and done.returncode:
        raise LabError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def engine_problem() -> str:
    """Return why there can be no lab on this machine, nothing if there can."""
    if not shutil.which("docker"):
        return "there is no command docker"
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        return "no Docker engine answers (docker info); start one, e.g. apt-get install docker.io and dockerd"
    if not shutil.which("debootstrap") and not run("docker", "images", "--quiet", "debian:trixie-slim"):
        return "there is neither an image debian:trixie-slim nor debootstrap to make one"
    return ""


@dataclass
class Host:
    """A machine of the lab; `sh` runs there as root."""

    name: str

    def sh(self, script: str, *, stdin: str | None = None, check: bool = True, timeout: float = 120) -> str:
        """Run a script on this host and return what it wrote."""
        flags = ["--interactive"] if stdin is not None else []
        return run("docker", "exec", *flags, self.name, "sh", "-c", script, stdin=stdin, check=check, timeout=timeout)

    def is_up(self) -> bool:
        """Tell whether it has booted, and nothing failed."""
        return self.sh("systemctl is-system-running", check=False).strip() == "running"

    def power_cut(self) -> None:
        """Take the power away, and give it back."""
        run("docker", "kill", "--signal", "KILL", self.name)
        run("docker", "start", self.name)

    def restart(self) -> None:
        """Shut down in order, and start."""
        run("docker", "restart", "--time", "60", self.name)


@dataclass
class Lab:
    """All machines, and how to reach what runs on them."""

    hosts: dict[str, Host] = field(default_factory=dict)
    inventory: Path = WORK / "inventory"

    def sql(self, query: str) -> list[list[str]]:
        """Ask the database of the lab, as its superuser; rows of texts."""
        text = self.hosts["db1"].sh(
            "docker exec -i --user postgres pgvigil-postgres psql -XAtq -F '\t' -v ON_ERROR_STOP=1 -d pgvigil",
            stdin=query,
        )
        return [line.split("\t") for line in text.splitlines()]

    def value(self, query: str) -> str:
        """Return the one value that a query gives."""
        rows = self.sql(query)
        return rows[0][0] if rows else ""

    def mails(self) -> str:
        """Return the mailbox that the MTA delivers to."""
        return run("docker", "exec", "mta", "sh", "-c", "cat /var/mail/catchall 2>/dev/null || true")

    def play(self, playbook: str = "site.yml", *arguments: str, check: bool = True) -> Played:
        """Run a playbook and return its recap."""
        started = time.monotonic()
        environment = {**os.environ, "ANSIBLE_CONFIG": str(TOP / "ansible/ansible.cfg"), "ANSIBLE_FORCE_COLOR": "0"}
        done = subprocess.run(
            [ansible("ansible-playbook"), "-i", str(self.inventory), playbook, "--extra-vars", '{"pgvigil_batches": [1, "100%"]}', *arguments],
            cwd=TOP / "ansible", env=environment, capture_output=True, text=True, check=False, timeout=900,
        )  # fmt: skip
        say(f"{playbook} {' '.join(arguments)}: {time.monotonic() - started:.0f} s, status {done.returncode}")
        played = Played(done.returncode, done.stdout + done.stderr)
        if check and done.returncode:
            raise LabError(played.output)
        return played


@dataclass(frozen=True)
class Played:
    """What came of a run of a playbook."""

    status: int
    output: str

    def recap(self, key: str) -> int:
        """Return the sum of `changed`, `failed` .. over all hosts."""
        lines = self.output.rpartition("PLAY RECAP")[2].splitlines()
        words = [word for line in lines for word in line.split() if word.startswith(f"{key}=")]
        return sum(int(word.partition("=")[2]) for word in words)


def ansible(command: str) -> str:
    """Return the path of a command of Ansible: beside this Python, or found on the path."""
    found = shutil.which(command, path=f"{Path(os.sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        raise LabError(f"{command} is missing: pip install '.[deploy]'")
    return found


def wait_until(check, what: str, seconds: float = 60) -> None:
    """Wait until the check holds; say what did not, in the end."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if check():
                return
            problem = ""
        except (LabError, subprocess.SubprocessError) as error:
            problem = f": {error}"
        if time.monotonic() > deadline:
            raise LabError(f"after {seconds:g} s still not: {what}{problem}")
        time.sleep(1)


def build_images() -> None:
    """Make what is missing of the stand-ins, build pgvigil anew, and save what is rolled out into archives."""
    run(str(Path(__file__).parent / "lab/images.sh"), str(WORK), timeout=900)
    run("docker", "build", "--file", str(TOP / "docker/Dockerfile"), "--tag", "pgvigil:0.1.0", str(TOP), timeout=600)
    for image in ("postgres:17.12-trixie", "pgvigil:0.1.0", "grafana/grafana:12.3.0", "axllent/mailpit:v1.27"):
        save(image)


def archive(image: str) -> Path:
    """Return where the archive of an image is."""
    return WORK / f"{image.replace(':', '-').replace('/', '-')}.tar.gz"


def save(image: str) -> None:
    """Write an image into its archive, unless that is there already."""
    identity = json.loads(run("docker", "image", "inspect", image))[0]["Id"]
    note = archive(image).with_suffix(".id")
    if not note.exists() or note.read_text() != identity:
        say(f"saving {image}")
        run("sh", "-c", f"docker save {image} | gzip -1 > {archive(image)}")
        note.write_text(identity)


def build_variant(image: str, instructions: str) -> None:
    """Build an image on top of pgvigil, and save it."""
    run(
        "docker",
        "build",
        "--quiet",
        "--tag",
        image,
        "-",
        stdin=f"FROM pgvigil:0.1.0\nUSER 0\n{instructions}\nUSER 10340:10340\n",
    )
    save(image)


def found() -> Lab:
    """Return the machines of an earlier run, as they are."""
    return Lab({name: Host(name) for name in AGENT_HOSTS})


def start() -> Lab:
    """Start the machines, as virgin as their images are."""
    stop()
    run("docker", "network", "create", "--subnet", "172.30.0.0/24", NETWORK)
    lab = Lab()
    for name in AGENT_HOSTS:
        image = "pgvigil-lab/bare" if name == "web3" else "pgvigil-lab/target"
        run("docker", "run", "--detach", "--name", name, "--hostname", name, "--network", NETWORK, "--ip", ADDRESSES[name],
            *HOST_FLAGS, image)  # fmt: skip
        lab.hosts[name] = Host(name)
    start_mta()
    for host in lab.hosts.values():
        wait_until(host.is_up, f"{host.name} runs")
    write_inventory(lab)
    return lab


def start_single() -> Host:
    """Start one machine with the checkout and the images, and nothing running: what Compose is for."""
    run("docker", "run", "--detach", "--name", "single", "--hostname", "single", *HOST_FLAGS, "pgvigil-lab/single")
    host = Host("single")
    wait_until(host.is_up, "single runs")
    host.sh("mkdir -p /srv/pgvigil && systemctl start docker")
    for directory in ("docker", "grafana"):
        if (TOP / directory).is_dir():
            run("docker", "cp", str(TOP / directory), f"single:/srv/pgvigil/{directory}")
    for image in ("postgres:17.12-trixie", "pgvigil:0.1.0", "grafana/grafana:12.3.0", "axllent/mailpit:v1.27"):
        run("sh", "-c", f"docker exec -i single docker load --quiet < {archive(image)}")
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
    (lab.inventory / "hosts").write_text("web[1:3]\n[pgvigil_database]\ndb1\n[shop]\nweb[1:2]\n")
    variables = {
        "ansible_connection": "community.docker.docker",
        "ansible_python_interpreter": "/usr/bin/python3",
        "pgvigil_image": "pgvigil:0.1.0",
        "pgvigil_image_archive": str(archive("pgvigil:0.1.0")),
        "pgvigil_postgres_archive": str(archive("postgres:17.12-trixie")),
        "agent_interval": "2s",
        "schema_recipients": [{"address": "ops@example.org"}],
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
