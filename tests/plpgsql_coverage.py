"""Measures which PL/pgSQL statements the pgTAP files reach: python tests/plpgsql_coverage.py [FILE ..].

A statement is whatever ends with a semicolon inside the body of a plpgsql function (assignment, SQL, perform, execute,
return, raise, continue, get diagnostics, null ..), and the head of each if, case, for, foreach, while and loop. Not
counted: declarations, begin, end, else, and the conditions of elsif and when, whose first statement tells. It counts as
executed when it was begun. Functions in language sql have no statements here. What a test rolls back is counted all
the same, for sequences know no rollback; what a test runs after it had the triggers rebuilt is not counted in them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import psycopg

from pgvigil.embedded import EmbeddedPostgres
from pgvigil.migrate import migrate, sql_directory

_HERE = Path(__file__).parent
_TOKEN = re.compile(
    r"""--[^\n]*|/\*.*?\*/|(?P<tag>\$\w*\$).*?(?P=tag)|[eE]'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|"[^"]*"|<<\w+>>|\w+|\S""",
    re.DOTALL,
)
_HEADS = {"if": "then", "elsif": "then", "elseif": "then", "when": "then", "case": "when"}
_HEADS |= dict.fromkeys(("for", "foreach", "while", "loop"), "loop")
_UNCOUNTED = {"elsif", "elseif", "when"}


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def statement_starts(body: str) -> list[int]:
    """Return where each statement of a function body begins."""
    tokens = [(match.start(), match[0].lower()) for match in _TOKEN.finditer(body)]
    tokens = [token for token in tokens if not token[1].startswith(("--", "/*"))]
    starts, at = [], 0

    def skip_to(ends: set[str]) -> None:
        nonlocal at
        depth = cases = 0
        while depth or cases or tokens[at][1] not in ends:
            word = tokens[at][1]
            depth += (word in "([") - (word in ")]")
            cases += (word == "case") - (word == "end" and cases > 0)
            at += 1
        at += 1

    while at < len(tokens):
        position, word = tokens[at]
        if word == "declare":
            skip_to({"begin"})
        elif word in {"begin", "else", "exception"} or word.startswith("<<"):
            at += 1
        elif word == "end":
            while at < len(tokens) and tokens[at][1] != ";":
                at += 1
            at += 1
        else:
            if word not in _UNCOUNTED:
                starts.append(position)
            at += word != "loop" and word in _HEADS
            skip_to({_HEADS.get(word, ";")})
            if word == "case":
                skip_to({"then"})
    return starts


def instrument(connection: psycopg.Connection) -> dict[int, tuple[str, str, int]]:
    """Let each statement of each function count itself; return function, body and position by number."""
    functions = connection.execute(
        "select p.proname, p.prosrc, pg_get_functiondef(p.oid) from pg_proc as p"
        " inner join pg_language as l on l.oid = p.prolang"
        " where p.pronamespace = 'pgvigil'::regnamespace and l.lanname = 'plpgsql' order by p.proname, p.oid"
    ).fetchall()
    connection.execute("create schema coverage")
    connection.execute("grant usage on schema coverage to public")
    statements: dict[int, tuple[str, str, int]] = {}
    for name, body, definition in functions:
        counted, last = "", 0
        for start in statement_starts(body):
            number = len(statements)
            statements[number] = name, body, start
            connection.execute(f"create sequence coverage.s{number}")
            # assert, because it leaves "found" and row_count as they are
            counted += body[last:start] + f"assert pg_catalog.nextval('coverage.s{number}') > 0; "
            last = start
        connection.execute(definition.replace(body, counted + body[last:]))
    connection.execute("grant usage on all sequences in schema coverage to public")
    return statements


def prove(path: Path, server: EmbeddedPostgres, tools: list[str]) -> set[int]:
    """Run a pgTAP file on a copy of the template; return the numbers of the statements that it reached."""
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("create database copy template instrumented strategy file_copy")
    wanted = {"PERL5LIB": tools[1], "PGOPTIONS": "-c search_path=tap", "PGHOST": str(server.socket_directory)}
    wanted |= {"PGPORT": str(server.port), "PGDATABASE": "copy", "PGUSER": "postgres"}
    command = [tools[0], "--psql-bin", str(server.psql_path), str(path)]
    result = subprocess.run(command, check=False, env={**os.environ, **wanted}, text=True, capture_output=True)
    say(f"{path.name}: {result.stdout.strip().splitlines()[-1]}")
    if result.returncode:
        say(result.stdout + result.stderr)
    with psycopg.connect(server.dsn("copy")) as connection:
        reached = connection.execute(
            "select substr(sequencename, 2)::integer from pg_sequences"
            " where schemaname = 'coverage' and last_value is not null"
        ).fetchall()
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("drop database copy with (force)")
    return {number for (number,) in reached}


def place(body: str, start: int) -> str:
    """Name the line of a statement, in the file where the function is written; a generated one is in none."""
    for path in (sql_directory() / "code").glob("*.sql"):
        offset = path.read_text().find(body)
        if offset >= 0:
            return f"{path.name}:{path.read_text().count(chr(10), 0, offset + start) + 1}"
    return f"line {body.count(chr(10), 0, start) + 1}"


def report(statements: dict[int, tuple[str, str, int]], reached: set[int]) -> float:
    """Print what was reached, function by function; return the percentage of all."""
    functions = defaultdict(list)
    for number, (name, body, start) in statements.items():
        functions[name].append((number in reached, body, start))
    say(f"\n{'function':<34}{'statements':>11}{'executed':>10}{'percent':>9}")
    for name, found in functions.items():
        executed = sum(is_reached for is_reached, _, _ in found)
        say(f"{name:<34}{len(found):>11}{executed:>10}{100 * executed / len(found):>9.1f}")
        for is_reached, body, start in found:
            if not is_reached:
                say(f"    {place(body, start)}: {body[start:].splitlines()[0]}")
    percent = 100 * len(reached) / len(statements)
    say(f"{'all':<34}{len(statements):>11}{len(reached):>10}{percent:>9.1f}")
    return percent


def main(paths: list[Path]) -> None:
    """Measure these pgTAP files, or all."""
    fetch = [str(_HERE / "fetch_pgtap.sh"), str(_HERE.parent / ".venv" / "pgtap")]
    tools = subprocess.run(fetch, check=True, capture_output=True, text=True).stdout.split("\n")
    with tempfile.TemporaryDirectory(prefix="pgvigil-", dir="/tmp") as directory:
        server = EmbeddedPostgres(Path(directory) / "server", settings={"fsync": "off", "timezone": "UTC"})
        Path(directory).chmod(0o755)  # as root the server runs as somebody else
        with server:
            with psycopg.connect(server.dsn(), autocommit=True) as connection:
                connection.execute("create database instrumented")
            migrate(server.dsn("instrumented"))
            with psycopg.connect(server.dsn("instrumented")) as connection:
                statements = instrument(connection)
                connection.execute("create schema tap")
                connection.execute("grant usage on schema tap to public")
                connection.execute("set local search_path to tap")
                connection.execute("set local client_min_messages to warning")
                connection.execute(Path(tools[2]).read_bytes())
            reached = set().union(*(prove(path, server, tools) for path in paths))
            report(statements, reached)


if __name__ == "__main__":
    main([Path(path) for path in sys.argv[1:]] or sorted((_HERE / "pgtap").glob("*.sql")))
