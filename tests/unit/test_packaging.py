"""What is in the wheel: the code, the SQL and the templates, and nothing that tests need."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_wheel_carries_sql_and_templates(tmp_path):
    """An installed pgvigil can migrate a database and compose a mail without the checkout."""
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--disable-pip-version-check",
         "--wheel-dir", tmp_path, ROOT],
        check=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {f"pgvigil/{path.relative_to(ROOT)}" for path in (ROOT / "sql").rglob("*.sql")}
    package = ROOT / "agent" / "pgvigil"
    expected |= {f"pgvigil/{path.relative_to(package)}" for path in package.rglob("*") if path.suffix in {".py", ".j2"}}
    assert set() == expected - names
    assert not [name for name in names if "test" in name]
