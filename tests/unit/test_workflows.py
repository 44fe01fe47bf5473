"""The workflows: what runs there runs here, with no right that it does not need."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
WORKFLOWS = {path.name: yaml.safe_load(path.read_text()) for path in FILES}
JOBS = {f"{name}: {job}": body for name, workflow in WORKFLOWS.items() for job, body in workflow["jobs"].items()}
STEPS = [
    pytest.param(step, id=f"{job}, step {number}")
    for job, body in JOBS.items()
    for number, step in enumerate(body.get("steps", []), 1)
]
RUN_JOBS = {name: body for name, body in JOBS.items() if "steps" in body}
CHECKS, DELIVERY = WORKFLOWS["checks.yml"]["jobs"], WORKFLOWS["delivery.yml"]["jobs"]


@pytest.mark.parametrize("step", STEPS)
def test_command_is_a_make_target(step):
    """Who has the checkout can run it; an expression in a command would be a way in for whoever names a branch."""
    if "run" in step:
        assert re.fullmatch(r"make [a-z-]+\n?", step["run"])
        target = step["run"].split()[1]
        assert re.search(rf"(?m)^{target}:.* ## ", (ROOT / "Makefile").read_text()), (
            f"no target {target} in the Makefile"
        )
        assert set() == set(step) - {"run", "id", "env"}
    else:
        assert "uses" in step


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_actions_are_pinned(path):
    """By a whole commit, with its version beside it, and the same everywhere."""
    used = re.findall(r"uses: ((?!\./)\S+)(.*)", path.read_text())
    assert used
    for action, comment in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action)
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), action
    everywhere = set(re.findall(r"uses: ((?!\./)\S+)", "\n".join(file.read_text() for file in FILES)))
    assert len(everywhere) == len({action.partition("@")[0] for action in everywhere})


@pytest.mark.parametrize("name", WORKFLOWS)
def test_workflow_starts_without_rights(name):
    """And its jobs ask for single ones; what was started twice does not run twice."""
    workflow = WORKFLOWS[name]
    assert {} == workflow["permissions"]
    assert workflow["concurrency"]["group"]


@pytest.mark.parametrize("name", JOBS)
def test_job_is_bounded(name):
    """It says what it may, and how long; what checks may only read."""
    job = JOBS[name]
    assert isinstance(job["permissions"], dict)
    assert "uses" in job or 0 < job["timeout-minutes"] <= 360
    if name.startswith("checks.yml"):
        assert {"contents": "read"} == job["permissions"]


@pytest.mark.parametrize("name", RUN_JOBS)
def test_checkout_leaves_no_secret_behind(name):
    """The token is not written into the checkout, where every later command could read it."""
    checkouts = [step for step in RUN_JOBS[name]["steps"] if step.get("uses", "").startswith("actions/checkout@")]
    assert 1 == len(checkouts)
    assert checkouts[0]["with"]["persist-credentials"] is False


def test_secrets_are_only_where_a_person_was_asked():
    """Except the token of the run itself, which ends with it."""
    for name, job in RUN_JOBS.items():
        secrets = set(re.findall(r"secrets\.(\w+)", str(job))) - {"GITHUB_TOKEN"}
        assert not secrets or job.get("environment"), name


def test_nothing_is_delivered_before_the_checks():
    """Checks and image come first, then the rollout, or bundle and release; one rollout at a time, never cut off."""

    def before(job):
        needs = DELIVERY[job].get("needs", [])
        direct = {needs} if isinstance(needs, str) else set(needs)
        return direct.union(*map(before, direct))

    assert "checks" in before("image")
    assert "image" in before("rollout")
    assert {"checks", "image", "bundle"} == before("release")
    assert "./.github/workflows/checks.yml" == DELIVERY["checks"]["uses"]
    assert "production" == DELIVERY["rollout"]["environment"]
    assert {"group": "rollout", "cancel-in-progress": False} == DELIVERY["rollout"]["concurrency"]


def test_image_is_built_once_and_rolled_out_by_digest():
    """What was signed is what the machines run."""
    builds = [name for name, job in RUN_JOBS.items() if "make push" in str(job)]
    assert ["delivery.yml: image"] == builds
    rollout = DELIVERY["rollout"]["steps"][-1]
    assert "${{ needs.image.outputs.image }}" == rollout["env"]["PGVIGIL_IMAGE"]
    signed = next(step for step in DELIVERY["image"]["steps"] if "attest" in step.get("uses", ""))
    assert "${{ steps.push.outputs.digest }}" == signed["with"]["subject-digest"]


def test_versions_form_a_diagonal():
    """Each PostgreSQL and each Python once, the oldest with the oldest, from what pyproject.toml promises on."""
    pairs = [
        (float(pair["python"].replace("3.", "")), int(pair["postgres"]))
        for pair in CHECKS["database"]["strategy"]["matrix"]["include"]
    ]
    assert sorted(pairs) == pairs
    assert [15, 16, 17, 18] == [postgres for _, postgres in pairs]
    oldest = re.search(r'requires-python = ">=3\.(\d+)"', (ROOT / "pyproject.toml").read_text())[1]
    assert int(oldest) == pairs[0][0]
    assert len(pairs) == len({python for python, _ in pairs})


def test_readmes_name_the_versions_that_are_tested():
    """Section "Tested with" and the matrix say the same."""
    pairs = CHECKS["database"]["strategy"]["matrix"]["include"]
    grafana = CHECKS["dashboards"]["strategy"]["matrix"]["grafana"]
    for readme in ("README.md", "README.ko.md"):
        text = (ROOT / readme).read_text()
        for wanted in [*(pair["python"] for pair in pairs), *(pair["postgres"] for pair in pairs), *grafana]:
            assert re.search(rf"(?<![\d.]){re.escape(wanted)}(?![\d])", text), f"{wanted} in {readme}"
