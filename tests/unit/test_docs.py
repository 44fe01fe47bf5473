"""The documents agree with the program, with each other and with the files that they name."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.main import get_command

from pgvigil.cli import app
from pgvigil.errors import PgvigilError

ROOT = Path(__file__).parents[2]
READMES = [ROOT / "README.md", ROOT / "README.ko.md"]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), ROOT / "sql" / "README.md"]
COMMENTED = {"sh": "#", "sql": "--"}


def name_of(path):
    """Name a document in the output of pytest."""
    return str(path.relative_to(ROOT))


def parts_of(path):
    """Return a document's text without its fenced blocks, and the blocks as pairs of language and content."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", path.read_text(), re.DOTALL | re.MULTILINE)
    return re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.DOTALL | re.MULTILINE), blocks


def headings_of(path):
    """Return level and title of each heading."""
    return re.findall(r"^(#+) (.+)$", parts_of(path)[0], re.MULTILINE)


def commands_of(group, name="pgvigil"):
    """Return every command that --help shows, by the words that call it."""
    found = {}
    for word, command in group.commands.items():
        if not command.hidden:
            words = f"{name} {word}"
            found |= commands_of(command, words) if hasattr(command, "commands") else {words: command}
    return found


def flags_of(command):
    """Return the options and variables of a command."""
    return {
        flag
        for option in command.params
        for flag in (*option.opts, *option.secondary_opts, option.envvar)
        if flag is not None
    }


def test_both_readmes_have_the_same_headings():
    """One to one: a section that is added here is missing there."""
    english, korean = ([level for level, _ in headings_of(path)] for path in READMES)

    assert english == korean


def test_both_readmes_have_the_same_code_blocks():
    """Commands and output are not translated; comments in shell and SQL may be."""
    english, korean = (
        [
            (language, re.sub(rf"(^|\s){COMMENTED[language]} .*$", "", text, flags=re.MULTILINE))
            if language in COMMENTED
            else (language, text)
            for language, text in parts_of(path)[1]
        ]
        for path in READMES
    )

    assert english == korean


def test_both_readmes_have_the_same_tables():
    """Row by row the same code and numbers, whatever the words around."""
    english, korean = (
        [
            (row.count("|"), sorted(re.findall(r"`[^`]+`|TO-BE-FILLED", row)))
            for row in re.findall(r"^\|.*$", parts_of(path)[0], re.MULTILINE)
        ]
        for path in READMES
    )

    assert english == korean


def test_no_option_stands_twice_in_a_table():
    """A row that was added beside an older one contradicts it sooner or later."""
    for readme in READMES:
        for section in re.split(r"(?m)^#+ ", parts_of(readme)[0]):
            options = re.findall(r"(?m)^\| `(--[\w-]+)`", section)
            assert len(options) == len(set(options)), (readme.name, options)


@pytest.mark.parametrize("words", commands_of(get_command(app)))
def test_command_is_explained(words):
    """By its own help, and in both READMEs with every option and variable."""
    command = commands_of(get_command(app))[words]

    assert len(command.help) > len("Print it.")
    for readme in READMES:
        text = parts_of(readme)[0]
        assert f"`{words}`" in text
        own = re.search(rf"^### {words}\n(.*?)(?=^#)", text, re.DOTALL | re.MULTILINE)
        told = own[1] if own else text
        if "](#options-of-smtp)" in told or "](#smtp-옵션)" in told:  # what three commands share stands once
            told += re.search(r"^### (?:Options of SMTP|SMTP 옵션)\n(.*?)(?=^#)", text, re.DOTALL | re.MULTILINE)[1]
        assert set() == flags_of(command) - set(re.findall(r"`([^`]+)`", told)), readme.name


def test_every_option_in_the_readme_exists():
    """An option that was renamed or dropped is found here."""
    known = {"--help"}.union(*(flags_of(command) for command in commands_of(get_command(app)).values()))
    for readme in READMES:
        text = readme.read_text()
        # Docker has options of its own, before the name of the image
        text = re.sub(r"docker run .*? pgvigil:", "", text, flags=re.DOTALL)
        # a lone -- is SQL or a table, and pip has options of its own
        assert set() == set(re.findall(r"(?<![\w-])--[a-z][a-z-]+|\bPGVIGIL_[A-Z_]+", text)) - known, readme.name


def test_readmes_list_every_exit_status():
    """Each class of the error tree with a status of its own."""
    statuses = {"0", "1", *(str(kind.exit_status) for kind in PgvigilError.__subclasses__())}
    for readme in READMES:
        assert statuses == set(re.findall(r"^\| (\d) \|", readme.read_text(), re.MULTILINE))


def test_tuning_session_is_from_the_guide():
    """Statements and answers of the README stand in docs/tuning.md, where another test runs them."""
    guide = (ROOT / "docs" / "tuning.md").read_text()
    session = next(text for language, text in parts_of(READMES[0])[1] if language == "text")
    for part in session.strip().split("\n\n"):
        assert part in guide


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_local_links_lead_somewhere(path):
    """Files, folders and headings that a document links to."""
    for target in re.findall(r"\]\(([^)\s]+)\)", parts_of(path)[0]):
        if re.match(r"https?:", target):
            continue
        file, _, anchor = target.partition("#")
        found = (path.parent / file) if file else path
        assert found.exists(), target
        if anchor:
            assert anchor in {
                re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for _, title in headings_of(found)
            }


@pytest.mark.parametrize("path", [*DOCUMENTS, ROOT / "docs" / "flow.svg"], ids=name_of)
def test_document_is_finished(path):
    """No mark of unfinished work, no path of the machine it was written on."""
    text = path.read_text()

    assert [] == re.findall(r"\b(?:TODO|FIXME|XXX|TBD|TO-BE-FILLED)\b|@@", text)
    assert [] == re.findall(r"(?<![\w.-])/(?:work|root|home)/\w+", text)


def test_flow_is_a_picture_for_everybody():
    """Well-formed, described for who cannot see it, and with colours for dark pages."""
    picture = ET.parse(ROOT / "docs" / "flow.svg").getroot()  # noqa: S314 - our own file
    space = "{http://www.w3.org/2000/svg}"

    assert picture.find(f"{space}title").text
    assert picture.find(f"{space}desc").text
    assert "prefers-color-scheme: dark" in picture.find(f"{space}style").text
    for readme in READMES:
        assert re.search(r"!\[[^\]]{100,}\]\(docs/flow\.svg\)", readme.read_text())


def test_decisions_are_numbered_without_gaps():
    """The number in the title is that of the file."""
    assert [f"{number:04}" for number in range(1, len(DECISIONS) + 1)] == [path.name[:4] for path in DECISIONS]
    for path in DECISIONS:
        assert path.read_text().startswith(f"# {int(path.name[:4])}. ")


@pytest.mark.parametrize("path", DECISIONS, ids=name_of)
def test_decision_is_short_and_has_its_three_parts(path):
    """Context, decision, consequences, on less than a page."""
    assert ["Context", "Decision", "Consequences"] == [title for level, title in headings_of(path) if level == "##"]
    assert 10 <= len(path.read_text().splitlines()) <= 25


def test_sql_readme_names_every_table_role_trigger_and_file():
    """What is created somewhere in sql/ is found on its one page."""
    scripts = {path: path.read_text() for path in (ROOT / "sql").rglob("*.sql")}
    text = "\n".join(scripts.values())
    made = set(re.findall(r"^create table (?:if not exists )?pgvigil\.(\w+)", text, re.MULTILINE))
    made |= set(re.findall(r"^create (?:or replace )?view (?:pgvigil|dashboard)\.(\w+)", text, re.MULTILINE))
    made |= set(re.findall(r"\bcreate (?:or replace )?trigger (\w+)", text))
    made |= set(re.findall(r"\bto (pgvigil_(?!partition)\w+)", text))
    page = (ROOT / "sql" / "README.md").read_text()

    assert set() == made - set(re.findall(r"`(\w+)`", page))
    assert set() == {path.name for path in scripts if path.parent.name == "code"} - set(
        re.findall(r"\[([^]]+)\]", page)
    )
    # A function that it names is one.
    functions = set(re.findall(r"\bfunction pgvigil\.(\w+)", text))
    assert set() == set(re.findall(r"`(\w+)\(\)`", page)) - functions
