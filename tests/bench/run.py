"""`make bench`: measure each subject on this machine, print a table for each, keep all of it as JSON."""
# ruff: noqa: T201 - it talks to a person

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import agent_cost
import fleet
import grid
import history
import ingest
import latency
import psutil
from figures import Context, Figure

from pgvigil.collect.cpu import parse_model_name
from pgvigil.embedded import bin_directories

# Each has NAME, TITLE and run(context) -> list[Figure]; a new one is a module and its place here.
SUBJECTS = {module.NAME: module for module in (ingest, latency, agent_cost, grid, history, fleet)}

_MOST_HOSTS = 5000


def main() -> None:
    """Run what is asked for."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]  # what the shell says about a database is not for us
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=SUBJECTS, action="append", help="only this subject; can be repeated")
    parser.add_argument("--quick", action="store_true", help="one short round: shows that it runs, measures nothing")
    parser.add_argument("--full", action="store_true", help="history of 1,000 hosts: half an hour and 50 GB of /tmp")
    parser.add_argument("--hosts", type=_size, action="append", help="size of the fleet; can be repeated")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the history there, or ask it again")
    parser.add_argument("--output", type=Path, default=Path("bench-results"), metavar="DIR", help="place of the JSON")
    options = parser.parse_args()

    started = time.monotonic()
    context = Context(
        options.quick,
        lambda text: print(f"[{time.monotonic() - started:5.0f} s] {text}", flush=True),
        options.full,
        options.hosts or (),
        options.keep and options.keep.absolute(),
    )
    report: dict[str, Any] = {"started_at": datetime.now(UTC).isoformat(timespec="seconds"), "quick": options.quick}
    report |= {"machine": _machine(), "load_average_before": os.getloadavg(), "subjects": {}}
    print(", ".join(f"{key.replace('_', ' ')} {value}" for key, value in report["machine"].items()))
    print(
        f"load average {os.getloadavg()[0]:.1f} before: what other processes take makes figures worse, ratios less so"
    )
    for name in options.only or SUBJECTS:
        context.say(SUBJECTS[name].TITLE)
        figures = SUBJECTS[name].run(context)
        _print_table(SUBJECTS[name].TITLE, figures)
        report["subjects"][name] = {"title": SUBJECTS[name].TITLE, "figures": [asdict(figure) for figure in figures]}
    report["load_average_after"] = os.getloadavg()
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}.json"
    path.write_text(json.dumps(report, indent=2) + "\n")
    print(f"load average {os.getloadavg()[0]:.1f} after; all figures: {path}")


def _size(text: str) -> int:
    """Read the size of a fleet: one process plays it, and one machine has to bear it."""
    if not 1 <= (size := int(text)) <= _MOST_HOSTS:
        message = f"a fleet has 1 to {_MOST_HOSTS:,} hosts, not {text}"
        raise argparse.ArgumentTypeError(message)
    return size


def _machine() -> dict[str, Any]:
    """Describe the machine without its name or any of its paths."""
    postgres = subprocess.check_output([bin_directories()[18] / "postgres", "--version"], text=True)
    git = ["git", "--no-optional-locks", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    revision = subprocess.run([*git, "--exclude=*"], check=False, capture_output=True, text=True).stdout.strip()
    with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as cpuinfo:
        model = parse_model_name(cpuinfo)
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "kernel": platform.release(),
        "postgresql": postgres.split()[2],
        "python": platform.python_version(),
        "revision": revision or "unknown",
    }


def _print_table(title: str, figures: list[Figure]) -> None:
    """Print a line for each figure."""
    rows = [("", "value", "min .. max", "", "n", "ratio", "min .. max", "to")]  # values are medians
    for figure in figures:
        spread = f"{_number(figure.low)} .. {_number(figure.high)}" if figure.count > 1 else ""
        ratio = ratios = ""
        if figure.ratio is not None and figure.ratio_low is not None and figure.ratio_high is not None:
            ratio, ratios = f"{figure.ratio:.2f}", f"{figure.ratio_low:.2f} .. {figure.ratio_high:.2f}"
        ratios = ratios if figure.count > 1 else ""
        value, count = _number(figure.value), str(figure.count)
        rows.append((figure.name, value, spread, figure.unit, count, ratio, ratios, figure.compared_with))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    print(f"\n{title}")
    for row in rows:
        cells = [cell.ljust(width) if place in {0, 3, 7} else cell.rjust(width)
                 for place, (cell, width) in enumerate(zip(row, widths, strict=True))]  # fmt: skip
        print("  " + "  ".join(cells).rstrip())
    print(flush=True)


def _number(value: float) -> str:
    """Show three digits that say something, and no more."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


if __name__ == "__main__":
    main()
