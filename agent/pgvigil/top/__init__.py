"""`pgvigil top`: the fleet in a terminal. The demo uses its parts: read_snapshot, View and plain_lines."""

from __future__ import annotations

from pgvigil.top.live import run_top
from pgvigil.top.plain import plain_lines
from pgvigil.top.snapshot import read_snapshot
from pgvigil.top.view import View

__all__ = ["View", "plain_lines", "read_snapshot", "run_top"]
