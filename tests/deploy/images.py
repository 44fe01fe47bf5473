"""The images that are rolled out, and the archives that hosts without a registry load them from."""

from __future__ import annotations

import json
from pathlib import Path

from lab import TOP, WORK, run, say

PGVIGIL = "pgvigil:0.1.0"
POSTGRES = "postgres:17.12-trixie"
GRAFANA = "grafana/grafana:12.3.0"
MAIL_CATCHER = "axllent/mailpit:v1.27"
PGBOUNCER = "pgvigil-pgbouncer:1.24"


def make_stand_ins() -> None:
    """Make what this machine does not have of the official images, and the machines of the lab."""
    print(run(str(Path(__file__).parent / "lab/images.sh"), str(WORK), timeout=1200), end="", flush=True)  # noqa: T201


def build() -> None:
    """Build pgvigil of this checkout, and save what is rolled out."""
    say(f"building {PGVIGIL}")
    run("docker", "build", "--file", str(TOP / "docker/Dockerfile"), "--tag", PGVIGIL, str(TOP), timeout=600)
    run("docker", "build", "--quiet", "--tag", PGBOUNCER, str(TOP / "docker/pgbouncer"), timeout=600)
    for image in (POSTGRES, PGVIGIL, GRAFANA, MAIL_CATCHER, PGBOUNCER):
        save(image)


def build_variant(image: str, instructions: str) -> None:
    """Build an image on top of pgvigil, and save it."""
    text = f"FROM {PGVIGIL}\nUSER 0\n{instructions}\nUSER 10340:10340\n"
    run("docker", "build", "--quiet", "--tag", image, "-", stdin=text)
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
