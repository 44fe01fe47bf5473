"""CONTRIBUTING.md, followed word for word: its recipes lead where they say, and what it lists is there."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import yaml

from pgvigil.errors import SchemaError
from pgvigil.migrate import migrate, sql_directory

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()


def blocks(section, language="sql"):
    """Return the blocks of one language in one section, as somebody would paste them into a file."""
    body = re.split(r"(?m)^## ", TEXT.split(f"\n## {section}\n")[1])[0]
    found = re.findall(rf"(?ms)^( *)```{language}\n(.*?)^ *```$", body)
    return [textwrap.dedent(text) for _, text in found]


@pytest.fixture
def sql(tmp_path):
    """Give a copy of sql/ that a test may change."""
    return shutil.copytree(sql_directory(), tmp_path / "sql")


def add_migration(sql, words, text):
    """Write a migration with the next number; return its name."""
    number = 1 + max(int(path.name[:4]) for path in (sql / "migrations").glob("*.sql"))
    path = sql / "migrations" / f"{number:04}_{words}.sql"
    path.write_text(text)
    return path.name


def add_grant(sql):
    """Apply the diff of the recipe to the grants."""
    (diff,) = blocks("A metric", "diff")
    old = "\n".join(line[1:] for line in diff.splitlines() if line.startswith("-"))
    new = "\n".join(line[1:] for line in diff.splitlines() if line.startswith("+"))
    path = sql / "code" / "90_grants.sql"
    assert 1 == path.read_text().count(old), "the recipe quotes a line of 90_grants.sql that is not there"
    path.write_text(path.read_text().replace(old, new))


@contextmanager
def login(dsn, group):
    """Connect as a login of one of the group roles."""
    with psycopg.connect(dsn, autocommit=True) as owner:
        owner.execute(f"create role recipe_{group} login in role {group}")
    try:
        with psycopg.connect(dsn.replace("user=postgres", f"user=recipe_{group}"), autocommit=True) as connection:
            yield connection
    finally:
        with psycopg.connect(dsn, autocommit=True) as owner:
            owner.execute(f"drop role recipe_{group}")


def insert_sample(agent, minute, temperature, cpu_usage=10.0):
    """Store what an agent with the new column would."""
    host_id = agent.execute("select pgvigil.register_host('web1', '1 minute', '1.0')").fetchone()[0]
    agent.execute(
        "insert into pgvigil.cpu_log (host_id, created_at, cpu_name, cpu_usage, temperature_celsius)"
        " values (%s, date_trunc('day', now()) + %s * interval '1 minute', 'cpu-total', %s, %s)",
        (host_id, minute, cpu_usage, temperature),
    )


@pytest.fixture
def judged(database, sql):
    """Follow the recipes for a metric and for a rule on a database that is in use."""
    metric = add_migration(sql, "cpu_temperature", blocks("A metric")[0])
    rule = add_migration(sql, "cpu_temperature_limit", blocks("A rule that everybody gets")[0])
    add_grant(sql)
    assert [metric, rule, "code"] == migrate(database, sql)
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("insert into pgvigil.recipient (address) values ('ops@example.org')")
        yield owner


def alerts(owner):
    """Return the open alerts."""
    return owner.execute(
        "select metric, state, severity, value from pgvigil.alert where resolved_at is null order by metric"
    ).fetchall()


def test_metric_of_the_recipe_is_judged_and_mailed(database, judged):
    """A column and one row: a sample over the limit becomes an alert, and after the hold a mail."""
    with login(database, "pgvigil_agent") as agent:
        for minute in range(4):
            insert_sample(agent, minute, 96.5)
    assert [("cpu_temperature", "firing", "critical", 96.5)] == alerts(judged)
    mails = judged.execute("select event, severity, value, address from pgvigil.mail").fetchall()
    assert [("fired", "critical", 96.5, "ops@example.org")] == mails
    (mail,) = judged.execute("select metric_title, unit, note from pgvigil.claim_mail('m', 9, now())").fetchall()
    assert ("CPU temperature", "celsius") == mail[:2]
    assert "sensors" in mail[2]
    for number in range(3):
        judged.execute("select pgvigil.tick(date_trunc('day', now()) + %s * interval '1 hour')", (24 + number,))
    assert [] == judged.execute("select task, error from pgvigil.upkeep where error is not null").fetchall()
    graph = "dashboard.cpu_series('web1', now() - interval '1 day', now() + interval '1 day')"
    for source in (graph, "pgvigil.cpu_rollup_1h"):
        assert (96.5,) == judged.execute(f"select max(temperature_celsius_max) from {source}").fetchone()


def test_metric_of_the_recipe_works_on_a_fresh_database_too(empty_database, sql):
    """The order of migrations and code is another one there."""
    add_migration(sql, "cpu_temperature", blocks("A metric")[0])
    add_migration(sql, "cpu_temperature_limit", blocks("A rule that everybody gets")[0])
    add_grant(sql)
    migrate(empty_database, sql)
    with psycopg.connect(empty_database, autocommit=True) as owner:
        insert_sample(owner, 0, 90.0)
        assert [("cpu_temperature", "pending", "warning", 90.0)] == alerts(owner)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_metric_of_the_recipe_refuses_what_is_no_number(judged, value):
    """The named check of the recipe does what it says."""
    with pytest.raises(psycopg.errors.CheckViolation, match="cpu_log_temperature_celsius_is_finite"):
        insert_sample(judged, 0, float(value))


def test_agent_may_fill_the_column_only_after_the_grant(database, sql):
    """The second step of the recipe is needed, and is all that the agent lacks."""
    add_migration(sql, "cpu_temperature", blocks("A metric")[0])
    migrate(database, sql)
    with login(database, "pgvigil_agent") as agent:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            insert_sample(agent, 0, 40.0)
        add_grant(sql)
        assert ["code"] == migrate(database, sql)
        insert_sample(agent, 0, 40.0)


def test_metric_that_is_switched_off_leaves_the_others_judged(database, judged):
    """An operator switches it off, a migration drops its column: CPU usage goes on being judged."""
    with login(database, "pgvigil_operator") as operator:
        operator.execute(blocks("A metric")[1])
    insert_sample(judged, 0, 99.0, cpu_usage=99.0)
    assert [("cpu_usage", "pending", "critical", 99.0)] == alerts(judged)

    judged.execute("alter table pgvigil.cpu_log drop column temperature_celsius")
    judged.execute(
        "insert into pgvigil.cpu_log (host_id, created_at, cpu_name, cpu_usage)"
        " select host_id, date_trunc('day', now()) + interval '1 minute', 'cpu-total', 98.5 from pgvigil.host"
    )
    assert [("cpu_usage", "pending", "critical", 98.5)] == alerts(judged)
    assert [] == judged.execute("select message from pgvigil.rule_error").fetchall()


def test_default_rule_changed_by_a_migration_stays_a_default(database, sql, judged):
    """The row keeps its owner; the one that an operator wrote is left alone."""
    judged.execute("insert into pgvigil.threshold (metric, warning, hold) values ('cpu_temperature', 70, '1 minute')")
    add_migration(sql, "cpu_temperature_hold", blocks("A rule that everybody gets")[1])
    migrate(database, sql)
    rows = judged.execute(
        "select managed_by, hold::text from pgvigil.threshold where metric = 'cpu_temperature' order by threshold_id"
    ).fetchall()
    assert [("default", "00:05:00"), ("sql", "00:01:00")] == rows


def test_default_rule_of_the_recipe_passes_the_checks_of_people(judged):
    """On a fresh database no trigger has seen the default rules; here it sees them all, and refuses none."""
    judged.execute("update pgvigil.threshold set note = note")


def test_migration_of_the_recipe_is_applied_once_and_never_edited(database, sql):
    """The next number, one run, nothing to do the second time, and refused by name when it was edited."""
    name = add_migration(sql, "site_of_hosts", blocks("A migration")[0])
    assert [name] == migrate(database, sql)
    assert [] == migrate(database, sql)
    with psycopg.connect(database) as owner:
        owner.execute("select pgvigil.register_host('web1', '10 seconds', '1.0')")
        assert ("",) == owner.execute("select site from pgvigil.host").fetchone()
        uncommented = owner.execute(
            "select attname from pg_attribute where attrelid = 'pgvigil.host'::regclass and attnum > 0"
            " and not attisdropped and col_description(attrelid, attnum) is null"
        ).fetchall()
    assert [] == uncommented
    path = sql / "migrations" / name
    path.write_text(path.read_text() + "-- edited\n")
    with pytest.raises(SchemaError, match=f"{name} was edited"):
        migrate(database, sql)


@pytest.mark.parametrize("section", ["A metric", "A rule that everybody gets", "A migration", "A dashboard"])
def test_sql_of_a_recipe_passes_the_linter(section, tmp_path):
    """Who pastes a block finds `make lint` silent."""
    for number, text in enumerate(blocks(section)):
        (tmp_path / f"{number}.sql").write_text(text)
    command = [
        Path(sys.executable).with_name("sqlfluff"),
        "lint",
        "--config",
        ROOT / "pyproject.toml",
        "--nocolor",
        tmp_path,
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert 0 == result.returncode, result.stdout + result.stderr


def test_targets_of_the_makefile_are_listed():
    """The table says what `make help` says."""
    makefile = (ROOT / "Makefile").read_text()
    targets = [f"| `make {name}` | {text} |" for name, text in re.findall(r"(?m)^([a-z-]+):.*## (.*)$", makefile)]
    assert [line for line in targets if "make help" not in line] == re.findall(r"(?m)^\| `make .*$", TEXT)


def test_floors_are_those_that_the_test_holds():
    """The table has every module on its floor."""
    floors = runpy.run_path(str(ROOT / "tests/unit/test_import_floors.py"))["FLOORS"]
    shown = [", ".join(sorted(name for name in names if not name.startswith("_"))) for names in floors]
    lines = [f"| {number} | {names}" for number, names in enumerate(shown) if names]
    missing = [line for line in lines if not re.search(rf"(?m)^{re.escape(line)}( \||:)", TEXT)]
    assert [] == missing, "CONTRIBUTING.md lacks these lines"


def test_files_that_the_recipes_name_exist():
    """No recipe sends anybody to a file that was moved."""
    named = re.findall(r"`((?:agent|ansible|docs|grafana|sql|tests)/[^` ]*)`", TEXT)
    assert named
    assert [] == [path for path in named if "NNNN" not in path and "*" not in path and not (ROOT / path).exists()]


def test_panel_of_the_recipe_is_drawn_from_its_view(database, sql, tmp_path):
    """The view goes into a file of its dashboard, the panel into the source: JSON in both languages asks for it."""
    grafana = shutil.copytree(ROOT / "grafana", tmp_path / "grafana")
    (panel,) = blocks("A dashboard", "toml")
    with (grafana / "source" / "pgvigil-fleet.toml").open("a") as source:
        source.write("\n" + panel)
    subprocess.run([sys.executable, grafana / "make_dashboards.py"], check=True)
    path = max(path for path in (sql / "code").glob("*.sql") if "dashboard." in path.read_text())
    path.write_text(path.read_text() + "\n\n" + blocks("A dashboard")[0])
    assert "code" in migrate(database, sql)
    for language, title in (("", "Silenced"), ("-ko", "알림 중지")):
        dashboard = json.loads((grafana / f"dashboards{language}" / f"pgvigil-fleet{language}.json").read_text())
        (query,) = [p["targets"][0]["rawSql"] for p in dashboard["panels"] if p["title"] == title]
        with login(database, "pgvigil_reader") as reader:
            assert (0,) == reader.execute(query).fetchone()
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("select pgvigil.register_host('web1', '1 minute', '1.0')")
        owner.execute("select pgvigil.silence_for('1 hour', p_host_name => 'web1')")
        assert (1,) == owner.execute(query).fetchone()


def test_role_of_the_recipe_has_the_shape_of_the_others():
    """Its variables are named after it and described, and the container gets what it must have."""
    defaults, specs, tasks = (yaml.safe_load(text) for text in blocks("A role", "yaml"))
    options = specs["argument_specs"]["main"]["options"]
    assert defaults == {name: option["default"] for name, option in options.items()}
    assert all(name.startswith("probe_") and option["description"] for name, option in options.items())
    container = yaml.safe_load((ROOT / "ansible/roles/container/meta/argument_specs.yml").read_text())
    known = container["argument_specs"]["main"]["options"]
    given = tasks[0]["vars"]
    assert set() == given.keys() - known.keys()
    assert set() == {name for name, option in known.items() if option.get("required")} - given.keys()
