"""Every statement of docs/tuning.md, run as an operator through psql, and the answer printed below it.

The samples and their times are fixed (tuning.sql). What is not fixed is put right in one place: `_settle`.
"""

from __future__ import annotations

import difflib
import os
import re
import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from pgvigil.embedded import bin_directories
from pgvigil.migrate import sql_directory

DOCUMENT = Path(__file__).parents[2] / "docs" / "tuning.md"
WORLD = Path(__file__).with_suffix(".sql").with_stem("tuning")
TODAY = date(2026, 3, 9)  # of the document
_KNOWN = [major for major in bin_directories() if major >= 15]
MAJORS = sorted({max(_KNOWN), min(_KNOWN)}, reverse=True)  # a version between the two would print the same
UPDATE = "PGVIGIL_TEST_UPDATE_DOCS"
COMMAND = f"{UPDATE}=1 .venv/bin/pytest tests/integration/test_tuning.py"

# What happens between two statements: <!-- meanwhile: .. --> in the document.
MEANWHILE = {
    "the disk of db1 is busy for ten minutes": """
        insert into pgvigil.disk_log (created_at, updated_at, host_id, disk_name, disk_usage, io_usage)
        select at, '2026-03-09 10:10', h.host_id, '/srv/db', 76, case when at < '2026-03-09 10:10' then 82.5 else 10 end
        from generate_series(timestamptz '2026-03-09 10:00', '2026-03-09 10:10', interval '1 minute') as at
        cross join pgvigil.host as h
        where h.host_name = 'db1'
    """
}

_PART = re.compile(
    r"<!-- meanwhile: (?P<meanwhile>.+?) -->"
    r"|```sql\n(?P<statement>.+?)\n```\n\n```text\n(?P<answer>.*?)```",
    re.DOTALL,
)


class Played(NamedTuple):
    """The document as it is, as the database would have it, and its statements."""

    text: str
    played: str
    statements: list[str]


def _settle(answer: str, before: date) -> str:
    """Make an answer the same on every day and machine: the only place where real output is changed.

    Times of the server's own clock (a change of a rule: today; `tomorrow 09:00`: tomorrow) move to the day of the
    document, today's as 10:00. The line of a CONTEXT moves with every edit of its function. Blanks at line ends go.
    """
    for days, clock in ((0, " 10:00"), (1, None)):
        day, shown = before + timedelta(days), TODAY + timedelta(days)
        answer = re.sub(
            rf"{day}( \d\d:\d\d)", lambda found, shown=shown, clock=clock: f"{shown}{clock or found[1]}", answer
        )
    answer = re.sub(r"(?m)^(CONTEXT: .*) line \d+ at ", r"\1 line .. at ", answer)
    return "".join(f"{line.rstrip()}\n" for line in answer.rstrip().splitlines())


def _ask(psql: Path, dsn: str, statement: str) -> str:
    """Run one statement in a psql of its own, as somebody would who types it."""
    before = datetime.now(UTC).date()
    result = subprocess.run(
        [psql, "-X", "-c", statement, dsn],
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "PGTZ": "UTC"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=60,
    )  # fmt: skip
    return _settle(result.stdout, before)


@pytest.fixture(scope="module", params=MAJORS, ids=lambda major: f"postgresql-{major}")
def played(request, server_of, template_of, clone):
    """Play the document from its first statement to its last."""
    server = server_of(request.param)
    text = DOCUMENT.read_text()
    statements: list[str] = []
    with clone(server, template_of(request.param)) as dsn, psycopg.connect(dsn, autocommit=True) as owner:
        owner.execute("set timezone to 'UTC'")
        owner.execute(WORLD.read_bytes())
        owner.execute("create role kim login in role pgvigil_operator")

        def play(part: re.Match[str]) -> str:
            if part["meanwhile"]:
                owner.execute(MEANWHILE[part["meanwhile"]])
                return part[0]
            statements.append(part["statement"])
            answer = _ask(server.psql_path, dsn.replace("user=postgres", "user=kim"), part["statement"])
            return f"```sql\n{part['statement']}\n```\n\n```text\n{answer}```"

        try:
            result = _PART.sub(play, text)
        finally:
            owner.execute("drop role kim")
    if UPDATE in os.environ and request.param == MAJORS[0]:  # the others compare with what the newest wrote
        DOCUMENT.write_text(result)
        text = result
    return Played(text, result, statements)


def test_answers_are_what_psql_prints(played):
    """Whoever types a statement of the document sees what the document shows."""
    if played.text != played.played:
        changes = difflib.unified_diff(
            played.text.splitlines(), played.played.splitlines(), "docs/tuning.md", "psql", n=1, lineterm=""
        )
        pytest.fail("\n".join([*changes, "", f"Look at the change, then: {COMMAND}"]), pytrace=False)


def test_statement_of_the_document_is_one(played):
    """A tired operator copies one statement, and it ends with a semicolon."""
    assert played.statements
    for statement in played.statements:
        assert 1 == re.sub(r"'[^']*'", "", statement).count(";") == statement.endswith(";"), statement


def test_only_the_bad_rows_are_refused(played):
    """No statement fails, but for the two that show how a bad row is refused."""
    assert 2 == len(re.findall(r"(?m)^ERROR:", played.played))


def test_every_sql_block_has_an_answer():
    """A statement without an answer below it would be run by nobody."""
    text = DOCUMENT.read_text()
    assert text.count("```sql\n") == len([part for part in _PART.finditer(text) if part["statement"]])


def test_reasons_of_the_document_are_those_of_the_function():
    """The table of reasons quotes explain_alert()."""
    code = (sql_directory() / "code" / "75_people.sql").read_text()
    reasons = re.findall(r"(?m)^\| `([^`]+)`(?: and a number)? \|", DOCUMENT.read_text())
    reasons.remove("why")
    assert reasons
    assert [] == [reason for reason in reasons if reason not in code]
