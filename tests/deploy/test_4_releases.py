"""New releases and new passwords on a fleet that works: nothing stands still, and what is broken takes itself back."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
from images import archive, build_variant
from lab import wait_until
from ledger import now, rotate, settle, wait_for_samples

NEXT = "pgvigil:0.1.1"
PACKAGE = "/opt/pgvigil/lib/python3*/site-packages/pgvigil"
# Samples of hosts that nobody has to install, as fast as it says.
LOAD = "docker exec -i --user postgres pgvigil-postgres pgbench --no-vacuum --client 2 --rate 50 --time 1800 --file - pgvigil"
LOAD_SCRIPT = """\\set host random(1, 200)
insert into pgvigil.cpu_log (created_at, host_id, cpu_name, cpu_usage)
select clock_timestamp(), h.host_id, 'cpu-total', 20 from pgvigil.host as h where h.host_name = 'load-' || :host;
"""


def rollout(image: str, role: str = "pgvigil") -> list[str]:
    """Return the arguments that roll an image out: to all, or to one role."""
    names = (f"{role}_image", f"{role}_image_archive" if role == "pgvigil" else f"{role}_archive")
    return ["--extra-vars", json.dumps(dict(zip(names, (image, str(archive(image))), strict=True)))]


def running_images(lab) -> dict[str, str]:
    """Return the image of each agent, by its identity."""
    return {name: host.sh("docker inspect --format '{{.Image}}' pgvigil-agent") for name, host in lab.hosts.items()}


def test_upgrade_under_load_loses_nothing(lab):
    """A new image with a new migration, while many hosts insert: schema first, agent after agent, and no sample is lost."""
    build_variant(
        NEXT,
        f"RUN sed -i s/0.1.0/0.1.1/ {PACKAGE}/__init__.py \\\n"
        f" && printf '%s;\\n' '-- A table changes under the samples.' 'alter table pgvigil.cpu_log add column lab real'"
        f" > $(echo {PACKAGE})/sql/migrations/9999_lab.sql",
    )
    lab.sql(
        "insert into pgvigil.host (host_name, expected) select 'load-' || n, false from generate_series(1, 200) as n on conflict do nothing"
    )
    since = now(lab)
    load = subprocess.Popen(
        ["docker", "exec", "-i", "db1", "sh", "-c", LOAD], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    load.stdin.write(LOAD_SCRIPT)
    load.stdin.close()
    lab.play("site.yml", *rollout(NEXT))
    lab.hosts["db1"].sh("pkill -INT pgbench")
    load.wait(timeout=60)
    assert lab.sql("select distinct agent_version from pgvigil.host where agent_version is not null") == [["0.1.1"]]
    stored = int(lab.value(f"select count(*) from pgvigil.cpu_log where updated_at > '{since}'"))
    assert stored > 1000, "there was a load"
    wait_for_samples(lab, "after the upgrade")
    settle(lab, since)
    assert lab.value("select count(*) from pgvigil.silence where ends_at > now()") == "0"


@pytest.mark.parametrize(
    ("image", "instructions", "last_words"),
    [
        ("pgvigil:crashes", 'ENTRYPOINT ["sh", "-c", "echo broken on purpose >&2; exit 3"]', "broken on purpose"),
        ("pgvigil:mute", 'ENTRYPOINT ["sh", "-c", "echo I do nothing; exec sleep 1000000"]', "I do nothing"),
    ],
    ids=["crashes", "stores nothing"],
)
def test_broken_release_is_taken_back(lab, image, instructions, last_words):
    """One host is touched; it runs the old image again; the play ends; the silence stays, and a mail says why."""
    build_variant(image, instructions)
    running, since, mails = running_images(lab), now(lab), lab.mails().count("Failed rollout")
    # The agents get the broken image, all else keeps the one that works.
    arguments = [*rollout(NEXT), *rollout(image, "agent"), "--extra-vars", "agent_gate_seconds=15", "--tags", "agent"]
    played = lab.play("site.yml", *arguments, check=False)
    assert played.status != 0
    assert "did not do its work within 15 s" in played.output
    assert running_images(lab) == running
    wait_for_samples(lab, "by the old image")
    settle(lab, since)
    failed = lab.sql("select host_name from pgvigil.silence where ends_at > now() and note like '%failed'")
    assert len(failed) == 1, "only the first host of the fleet was touched"
    wait_until(lambda: lab.mails().count("Failed rollout") > mails, "a mail about the rollout")
    words = " ".join(re.sub(r"=\n", "", lab.mails().rpartition("Failed rollout")[2]).split())
    assert "The image that ran before runs again" in words
    assert f"Its last words: {last_words}" in words
    # The next run with an image that works ends the incident, even if it finds nothing to do.
    lab.play("site.yml", *rollout(NEXT), "--tags", "agent", "--limit", failed[0][0])
    assert (
        lab.value("select count(*) from pgvigil.alert where metric = 'rollout_failed' and resolved_at is null") == "0"
    )
    assert lab.value("select count(*) from pgvigil.silence where ends_at > now()") == "0"


def test_rotation_leaves_no_gap(lab):
    """Each login has a new password, the old one is refused, and each beat of the time is there."""
    rotate(lab)
