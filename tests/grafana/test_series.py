"""The names and colours of series, by Grafana's own code in its oldest and newest version: `make dashboards`."""

from __future__ import annotations

import json
import runpy
import subprocess
from pathlib import Path

import pytest

import dashboards

MAKER = runpy.run_path(str(dashboards.GRAFANA / "make_dashboards.py"))
SCRIPT = Path(__file__).with_name("series.cjs").read_text()
PANELS = [panel for path in dashboards.FILES for panel in dashboards.load(path)["panels"]]
BY_NAME = [panel for panel in PANELS if panel["type"] == "timeseries" and "as slot" in panel["targets"][0]["rawSql"]]


def frame(ref_id, *fields):
    """Return a frame as Grafana's server makes it: (name, labels) of each series."""
    time = {"name": "Time", "type": "time", "values": [1, 2]}
    series = [{"name": name, "type": "number", "values": [1, 2], "labels": labels} for name, labels in fields]
    return {"refId": ref_id, "fields": [time, *series]}


def draw(folder, panels):
    """Return what Grafana makes of the series of each panel."""
    script = folder / "series.cjs"
    script.write_text(SCRIPT)
    result = subprocess.run(
        ["node", script], input=json.dumps(panels), capture_output=True, text=True, check=False, cwd=folder
    )
    assert result.returncode == 0, result.stderr[:3000]
    return json.loads(result.stdout)


@pytest.mark.parametrize("version", ["9.4.17", "13.2.3"])
@pytest.mark.parametrize("names", [["/"], ["/", "/data", "/var"], [f"cpu{i}" for i in range(10)]], ids=len)
def test_each_of_ten_series_has_a_line_of_its_own(install, version, names):
    """Called by its name alone, whatever the panel; limits keep their colours, though a disk may be called like one."""
    names = [*names[:-1], 'warning" or slot="7']
    series = [("value", {"metric": name, "slot": str(slot)}) for slot, name in enumerate(names)]
    limits = frame("B", ("warning", None), ("critical /data", None))
    given = [
        {"fieldConfig": panel["fieldConfig"], "frames": [frame("A", *series), *[limits][: len(panel["targets"]) - 1]]}
        for panel in BY_NAME
    ]

    assert BY_NAME
    for panel, shown in zip(BY_NAME, draw(install(f"@grafana/data@{version}"), given), strict=True):
        colors = [MAKER["COLORS"][name] for name in MAKER["PALETTE"]]
        expected = [
            {"name": name, "color": colors[i % 5], "line": "dot" if i > 4 else "solid"} for i, name in enumerate(names)
        ]
        assert shown[: len(names)] == expected, panel["title"]
        assert [(one["color"], one["line"]) for one in shown[len(names) :]] in (
            [],
            [(MAKER["COLORS"][MAKER["STATES"][severity]], "dash") for severity in ("warning", "critical")],
        ), panel["title"]
