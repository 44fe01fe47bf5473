"""What tests do with the machines of the lab: run commands there, roll out, ask the database, read the mails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

TOP = Path(__file__).parents[2]
WORK = Path(os.environ.get("PGVIGIL_LAB_DIRECTORY", TOP / ".lab"))
AGENT_HOSTS = ("db1", "web1", "web2", "web3")


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
            [ansible_playbook(), "-i", str(self.inventory), playbook, "--extra-vars", '{"pgvigil_batches": [1, "100%"]}', *arguments],
            cwd=TOP / "ansible", env=environment, capture_output=True, text=True, check=False, timeout=1800,
        )  # fmt: skip
        say(f"{playbook} {' '.join(arguments)[:120]}: {time.monotonic() - started:.0f} s, status {done.returncode}")
        played = Played(done.returncode, done.stdout + done.stderr)
        (WORK / f"{playbook}.log").write_text(played.output)
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


def ansible_playbook() -> str:
    """Return the path of the command: beside this Python, or found on the path."""
    found = shutil.which("ansible-playbook", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        raise LabError(f"ansible-playbook is neither beside {sys.executable} nor on the path: pip install '.[deploy]'")
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
