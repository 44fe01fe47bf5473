"""The architecture: imports go down the floors, and each library has one home."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "agent" / "pgvigil"

FLOORS = (
    {"__init__", "errors", "model", "wording", "chart"},
    {"config", "problems", "rows", "embedded", "children", "message", "headers", "systemd", "content", "cli_common"},
    {"collect", "database", "logs", "spool"},
    {"compose", "outbox", "outgoing", "smtp", "sink", "migrate", "fleet"},
    {"checks", "writer", "mailing", "top"},
    {"sampling"},
    {"cli_mail", "demo", "lean"},
    {"cli"},
    {"__main__"},
)
HOMES = {
    "typer": {"cli", "cli_common", "cli_mail"},
    "psycopg": {"database"},
    "psutil": {"collect"},
    "sqlite3": {"spool"},
    "smtplib": {"smtp"},
    "email": {"message"},
    "jinja2": {"compose"},
    "aiosmtpd": {"sink"},
    "rich": {"top", "demo"},
}


def _modules() -> dict[str, list[Path]]:
    """Return the files of each module; a package such as collect counts as one."""
    modules: dict[str, list[Path]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        modules.setdefault(path.relative_to(PACKAGE).parts[0].removesuffix(".py"), []).append(path)
    return modules


def _imports(path: Path, *, also_for_types: bool = True) -> set[str]:
    """Return the full names that a file imports, wherever in the file; names of our own as pgvigil.X."""
    found: set[str] = set()
    tree = ast.parse(path.read_text())
    skipped: set[ast.AST] = set()
    if not also_for_types:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
                skipped |= set(ast.walk(node))
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            if node.module == "pgvigil":
                found |= {f"pgvigil.{alias.name}" for alias in node.names if not alias.name.startswith("__")}
            else:
                found.add(node.module or "")
    return found


@pytest.mark.parametrize("module", _modules())
def test_module_imports_only_from_floors_below(module):
    """A module imports neither from its own floor nor from one above."""
    floor = next((number for number, names in enumerate(FLOORS) if module in names), None)
    assert floor is not None, f"{module} has no floor: give it one in FLOORS"
    below = set().union(*FLOORS[:floor])
    ours = {name.split(".")[1] for path in _modules()[module] for name in _imports(path) if name.startswith("pgvigil.")}
    assert set() == ours - below - {module}


@pytest.mark.parametrize("library", HOMES)
def test_library_has_one_home(library):
    """A library can be replaced by changing one module."""
    users = {
        module
        for module, paths in _modules().items()
        for path in paths
        if library in {name.split(".")[0] for name in _imports(path, also_for_types=False)}
    }
    assert HOMES[library] == users


def test_environment_is_read_in_one_place():
    """Only config may read variables; cli names them to typer, children hands them on."""
    users = {
        module
        for module, paths in _modules().items()
        for path in paths
        if "os.environ" in path.read_text() or "os.getenv" in path.read_text()
    }
    assert users <= {"config", "children"}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.name)
def test_module_fits_in_a_head(path):
    """No module is longer than 250 lines."""
    assert len(path.read_text().splitlines()) <= 250
