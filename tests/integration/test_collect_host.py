"""The host and not the container: real containers, real name spaces, a file system that really hangs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path

import pytest

from pgvigil.collect import check_view, machine_id
from pgvigil.collect.container import find_mount_point

PACKAGE = Path(__file__).parents[2] / "agent"
IMAGE = os.environ.get("PGVIGIL_TEST_IMAGE", "python:3.13-slim-trixie")

# This very Python and its packages, in a container as the rollout runs it: without any privilege.
PYTHON_HOME = "/usr" if sys.base_prefix == "/usr" else "/python"
CONFINED = (
    "--rm", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--user=10340:10340",
    f"--volume={sys.base_prefix}:{PYTHON_HOME}:ro", f"--volume={sysconfig.get_path('purelib')}:/packages:ro",
    f"--volume={PACKAGE}:/agent:ro", f"--env=PYTHONHOME={PYTHON_HOME}", f"--env=LD_LIBRARY_PATH={PYTHON_HOME}/lib",
    "--env=PYTHONPATH=/agent:/packages",
    f"--entrypoint={PYTHON_HOME}/bin/python{sys.version_info.major}.{sys.version_info.minor}",
)  # fmt: skip


def is_root_shared() -> bool:
    """Tell whether what the host mounts later can show elsewhere; Docker refuses rslave if not."""
    root = find_mount_point(Path("/proc/1/mountinfo").read_bytes(), "/")
    return bool(root and root.shared)


FLAGS = {
    "--pid=host": "--pid=host",
    "--network=host": "--network=host",
    "bind": "--volume=/:/host:ro" + (",rslave" if is_root_shared() else ""),
    "--host-root": "--env=PGVIGIL_HOST_ROOT=/host",
}


@cache
def why_no_docker() -> str:
    """Say what is missing, if anything; pytest asks when the first test needs it."""
    if shutil.which("docker") is None:
        return "no Docker here"
    found = subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, text=True, check=False)
    return found.stderr.strip() if found.returncode else ""


@pytest.fixture
def docker():
    """Return a function that runs Python in a container with the flags given."""
    if why_no_docker():
        pytest.skip(f"needs a Docker engine with the image {IMAGE}: {why_no_docker()}")

    def run(flags, *arguments):
        return subprocess.run(
            ["docker", "run", *CONFINED, *flags, IMAGE, *arguments],
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip

    return run


def once(*arguments):
    """Run the agent outside."""
    environment = {name: value for name, value in os.environ.items() if name != "PGVIGIL_HOST_ROOT"}
    return subprocess.run(
        [sys.executable, "-m", "pgvigil", "agent", "--once", *arguments],
        env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


# Every counter that rates are taken from; neither idle nor iowait is monotonic in the kernel.
READ_COUNTERS = """
import json, sys
from pgvigil.collect import CollectOptions, cpu, disk, network
options = CollectOptions(host_root=sys.argv[1])
groups = cpu.read(options).times, disk.read(options).counters, network.read(options).counters
print(json.dumps({
    f"{name} {field}": value
    for group in groups
    for name, counters in group.items()
    for field, value in counters._asdict().items()
    if field not in {"idle", "iowait"}
}))
"""


def read_counters():
    """Read them outside."""
    command = [sys.executable, "-c", READ_COUNTERS, ""]
    return json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)


def test_in_a_container_the_agent_tells_what_one_outside_tells(docker):
    """Name, machine, disks, interfaces: all equal; what moves meanwhile is close."""
    result = docker(FLAGS.values(), "-m", "pgvigil", "agent", "--once")
    assert result.returncode == 0, result.stderr
    inside, outside = json.loads(result.stdout), json.loads(once().stdout)

    for part in ("host_name", "labels", "inventory"):
        assert outside[part] == inside[part]
    assert machine_id().items() <= inside["labels"].items()
    for part, name in (
        ("cpu", "cpu_name"), ("memory", "memory_name"), ("disk", "disk_name"), ("network", "network_interface"),
    ):  # fmt: skip
        assert [row[name] for row in outside[part]] == [row[name] for row in inside[part]]
    for part in ("memory", "disk"):
        for before, now in zip(outside[part], inside[part], strict=True):
            total = before["used_bytes"] + before["available_bytes"]
            for field in ("used_bytes", "available_bytes"):
                print(part, field, "outside", before[field], "inside", now[field])  # noqa: T201 - figures for who runs it with -s
                assert abs(before[field] - now[field]) < 0.1 * total


def test_in_a_container_each_counter_lies_between_two_readings_outside(docker):
    """Whatever the machine does meanwhile: that it is the same counter shows without any tolerance."""
    before = read_counters()
    result = docker(FLAGS.values(), "-c", READ_COUNTERS, "/host")
    after = read_counters()
    assert result.returncode == 0, result.stderr
    inside = json.loads(result.stdout)

    common = sorted(before.keys() & after.keys())
    assert "cpu-total user" in common
    for name in common:
        print(f"{name:30} {before[name]:20} <= {inside[name]:20} <= {after[name]:20}")  # noqa: T201 - figures for who runs it with -s
        assert before[name] <= inside[name] <= after[name], name


@pytest.mark.parametrize("flag", FLAGS)
def test_in_a_container_a_flag_that_is_missing_is_named(docker, flag):
    """Exit status 2, one line, and no figure."""
    result = docker([given for name, given in FLAGS.items() if name != flag], "-m", "pgvigil", "agent", "--once")

    assert (result.returncode, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    print(line)  # noqa: T201 - figures for who runs it with -s
    assert {"bind": "--volume=/:/host:ro,rslave"}.get(flag, flag) in line
    others = {"--pid=host", "--network=host", "--volume=/:/host:ro,rslave"} - {
        flag,
        FLAGS[flag] + ",rslave",
        FLAGS[flag],
    }
    assert flag == "--host-root" or not any(other in line for other in others)


@pytest.mark.parametrize(
    ("bind", "reason"),
    [
        ("/:/host", "/host can be written to"),
        ("/etc:/host:ro", "what is mounted at /host is not the root that pid 1 has"),
    ],
)
def test_in_a_container_another_bind_is_refused(docker, bind, reason):
    """Both would give figures; one is a risk, the other wrong."""
    flags = [*(given for name, given in FLAGS.items() if name != "bind"), f"--volume={bind}"]
    result = docker(flags, "-m", "pgvigil", "agent", "--once")

    assert result.returncode == 2
    assert f"{reason} (--volume=/:/host:ro,rslave)" in result.stderr


def test_in_a_container_the_container_is_watched_if_one_says_so(docker):
    """It has an overlay for a root, and its own name."""
    result = docker(["--hostname=box", "--env=PGVIGIL_HOST_ROOT=/"], "-m", "pgvigil", "agent", "--once")
    sample = json.loads(result.stdout)

    assert sample["host_name"] == "box"
    assert ("/", "overlay") in [(info["mounted"], info["file_system"]) for info in sample["inventory"]["disk"]]


def unshare(script, *options, **variables):
    """Run a shell script in name spaces of its own; skip where the kernel does not let us."""
    user = () if os.geteuid() == 0 else ("--map-root-user",)
    command = ["unshare", *user, "--mount", "--propagation=private", *options]
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        pytest.skip(f"may not run {' '.join(command)} here")
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE), "PYTHON": sys.executable, **variables}
    environment.pop("PGVIGIL_HOST_ROOT", None)
    return subprocess.run(
        [*command, "sh", "-euc", script], env=environment, capture_output=True, text=True, check=False, timeout=60
    )


# pid 1 with a shared root; in it mounts of their own with the root bound to $1, as an engine does it.
HOST = """
mount --make-rshared /
cd "$DIR"; mkdir host later
unshare --mount --propagation=unchanged sh -euc '
    mount --rbind / host
    mount --make-%s host
    mount -o remount,bind,ro host
    "$PYTHON" -c "$0" || { touch ready; exit 1; }
' "$INNER" &
for i in $(seq 200); do [ -e ready ] || sleep 0.05; done
mount -t tmpfs -o size=1m pgvigil later
touch mounted
wait $!
"""

INNER = """
import time
from pathlib import Path
from pgvigil.collect import CollectOptions, check_view, disk
here = Path.cwd()
check_view(f"{here}/host")
options = CollectOptions(host_root=f"{here}/host", fs_types_exclude="", mount_points_exclude=f"^(?!{here}/later$)")
first = disk.read(options)
Path("ready").touch()
for _ in range(200):
    if not Path("mounted").exists():
        time.sleep(0.05)
print([(info.disk_name, info.file_system, info.size) for info in disk.inventory(options) if info.mounted])
"""


def test_a_disk_that_the_host_mounts_later_shows_in_the_container(tmp_path):
    """By way of rslave, with its own size and its own name."""
    result = unshare(HOST % "rslave", "--fork", "--pid", "--mount-proc", DIR=str(tmp_path), INNER=INNER)

    assert f"[('{tmp_path}/later', 'tmpfs', {2**20})]\n" == result.stdout, result.stderr


def test_a_bind_that_is_not_a_slave_is_refused(tmp_path):
    """What the host mounts later would be measured as the directory below it."""
    result = unshare(HOST % "rprivate", "--fork", "--pid", "--mount-proc", DIR=str(tmp_path), INNER=INNER)

    assert f"what the host mounts later would not show in {tmp_path}/host" in result.stderr
    assert "rslave" in result.stderr


def test_outside_a_container_nothing_needs_to_be_said():
    """Skipped where the tests themselves run in a container."""
    try:
        check_view("")
    except Exception as exc:  # noqa: BLE001 - that is how a container is recognised
        pytest.skip(f"these tests run in a container: {exc}")
    assert 0 == once().returncode


HANGING = """
import ctypes, os, sys, threading, time
from datetime import UTC, datetime
from pgvigil.collect import CollectOptions, Collector
from pgvigil.problems import Problems
place = sys.argv[1]
libc = ctypes.CDLL(None, use_errno=True)
line = os.open("/dev/fuse", os.O_RDWR)  # and never read a request from it
options = f"fd={line},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}".encode()
if libc.mount(b"dead:/export", place.encode(), b"fuse.dead", 0, options):
    print("may not mount:", os.strerror(ctypes.get_errno()))
    sys.exit(0)
table = f"{place}-table"
with open(table, "w") as file:
    file.write(f"/dev/x / ext4 rw 0 0\\ndead:/export {place} fuse.dead rw 0 0\\n")
problems = Problems()
collector = Collector(CollectOptions(fs_types_exclude="", mounts_file=table), problems)
times, names, threads = [], set(), set()
for _ in range(5):
    started = time.monotonic()
    names |= {row.disk_name for row in collector.sample(datetime.now(UTC)).disk if row.disk_usage is not None}
    inventory = collector.inventory()
    times.append(time.monotonic() - started)
    threads.add(threading.active_count())
print("names", sorted(names), "threads", sorted(threads), "incomplete", inventory.incomplete)
(hanging,) = problems.unsent()
print(hanging.problem, hanging.subject, hanging.detail, hanging.occurrences)
print("seconds", [round(t, 2) for t in times], file=sys.stderr)
assert times[0] < 5.0 and max(times[1:]) < 2.0, times
os.close(line)  # now every call there fails, and the threads come back
deadline = time.monotonic() + 10
while threading.active_count() > 1 and time.monotonic() < deadline:
    time.sleep(0.05)
collector.sample(datetime.now(UTC))
print("threads", threading.active_count(), "incomplete", collector.inventory().incomplete)
"""


def test_a_file_system_that_hangs_does_not_stop_the_others(tmp_path):
    """A FUSE mount whose server never answers: one thread waits for it, and it is told once it is known."""
    place = tmp_path / "dead"
    place.mkdir()
    result = unshare('exec "$PYTHON" -c "$HANGING" "$PLACE"', HANGING=HANGING, PLACE=str(place))
    assert 0 == result.returncode, result.stderr
    if result.stdout.startswith("may not mount"):
        pytest.skip(result.stdout)

    assert result.stdout.splitlines() == [
        "names ['/'] threads [2] incomplete ('disk',)",
        f"mount_hangs {place} statvfs() does not return 5",
        "threads 1 incomplete ()",
    ]


ANEW = """
import subprocess, time
from datetime import UTC, datetime
from pgvigil.collect import CollectOptions, Collector

def make(packets):
    run("ip link add vpn0 type veth peer name vpn1; ip addr add 192.0.2.1/24 dev vpn0")
    run("ip link set vpn0 up; ip link set vpn1 up; ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:01 dev vpn0")
    send(packets)

def run(command):
    subprocess.run(command, shell=True, check=True)

def send(packets):
    import socket
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        for _ in range(packets):
            line.sendto(bytes(1000), ("192.0.2.2", 9))

def rates():
    time.sleep(0.2)
    return [row.sent_bytes_per_second > 0 for row in collector.sample(datetime.now(UTC)).network]

collector = Collector(CollectOptions(net_device_exclude="^(?!vpn0$)"))
make(10)
collector.prime()
send(10)
print("there", rates())
run("ip link del vpn0")
make(10_000)  # more than the one before ever had
print("made anew", rates())
send(10)
print("later", rates())
run("ip link del vpn0")
print("gone", rates())
make(1)
print("plugged in", rates())
"""


def test_an_interface_that_is_made_anew_has_no_false_rate():
    """A real one, in a network of its own: deleted, and there again with larger counters before the next beat."""
    if unshare("ip link add vpn0 type veth peer name vpn1", "--net").returncode:
        pytest.skip("this kernel makes no interfaces of type veth")
    result = unshare('exec "$PYTHON" -c "$ANEW"', "--net", ANEW=ANEW)

    assert result.stdout.splitlines() == [
        "there [True]", "made anew []", "later [True]", "gone []", "plugged in []",
    ], result.stderr  # fmt: skip
