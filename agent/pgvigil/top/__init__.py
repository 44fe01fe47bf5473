"""`pgvigil top`: the fleet in a terminal. The demo uses its parts: read_snapshot, render and plain_lines."""

from __future__ import annotations

from pgvigil.top.live import run_top
from pgvigil.top.plain import plain_lines
from pgvigil.top.snapshot import Snapshot, read_snapshot
from pgvigil.top.view import render

__all__ = ["Snapshot", "plain_lines", "read_snapshot", "render", "run_top"]
