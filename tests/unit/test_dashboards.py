"""The dashboards are in normal form, explain themselves, and can be read without telling red from green."""

from __future__ import annotations

import json
import re
import runpy
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

import dashboards
from mails import FIRED, write

MAKER = runpy.run_path(str(dashboards.GRAFANA / "make_dashboards.py"))
each_dashboard = pytest.mark.parametrize("path", dashboards.FILES, ids=lambda path: path.stem)


def walk(value):
    """Give every dictionary in a dashboard."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner)


def test_files_are_what_the_sources_say():
    """Nobody edits the JSON by hand: change grafana/source/*.toml, then run grafana/make_dashboards.py."""
    made = MAKER["make"]()

    assert set(made) == set(dashboards.FILES)
    for path, text in made.items():
        assert path.read_text() == text, f"{path.name} is not up to date: python grafana/make_dashboards.py"


@each_dashboard
def test_normal_form(path):
    """Uid = file name, no id, no version, sorted keys: two exports of the same dashboard are the same file."""
    dashboard = dashboards.load(path)

    assert path.read_text() == json.dumps(dashboard, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    assert dashboard["uid"] == path.stem
    assert not {"id", "version", "iteration", "gnetId"} & set(dashboard)
    assert dashboard["tags"] == ["pgvigil-ko" if "ko" in path.parent.name else "pgvigil"]
    assert {panel["id"] for panel in dashboard["panels"]} == set(range(1, len(dashboard["panels"]) + 1))


@each_dashboard
def test_data_source_is_the_variable(path):
    """So that a dashboard can be imported next to any data source; the provisioned one is chosen at first."""
    dashboard = dashboards.load(path)
    variable = dashboard["templating"]["list"][0]
    provisioned = (dashboards.GRAFANA / "provisioning" / "datasources" / "pgvigil.yaml").read_text()

    assert (variable["name"], variable["query"], variable["current"]["value"]) == ("datasource", "postgres", "pgvigil")
    for line in ("name: pgvigil", "uid: pgvigil", "type: postgres"):
        assert re.search(rf"^[ -]+{line}$", provisioned, re.MULTILINE)
    for part in walk(dashboard):
        assert part.get("datasource", dashboards_source()) == dashboards_source()


def dashboards_source():
    """Return the only reference to a data source that there may be."""
    return {"type": "postgres", "uid": "${datasource}"}


@each_dashboard
def test_every_panel_says_what_it_shows(path):
    """Title, a description that is a sentence, a unit; and a place that no other panel has."""
    taken = set()
    for panel in dashboards.load(path)["panels"]:
        assert panel["title"]
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        if panel["type"] == "row":
            continue
        assert re.search(r"[.다;]$|음$", panel["description"]), panel["title"]
        assert len(panel["description"]) > 10, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["type"] in {"stat", "table", "timeseries", "state-timeline"}, "Grafana 9.4 has these"
        assert "transformations" not in panel, "what a view can do, a view does"


@each_dashboard
def test_panel_only_selects(path):
    """One select from schema dashboard; variables in the form that quotes; no macro that groups, no join."""
    dashboard = dashboards.load(path)
    queries = dashboards.queries_of(dashboard) + [query for query, _ in dashboards.variables_of(dashboard).values()]
    for query in queries:
        assert re.fullmatch(r"select [^;]* from dashboard\.\w+\b[^;]*", query.sql), query.sql
        assert not re.search(r"\bjoin\b|\bunion\b|\bcase\b|\bwith\b|\bgroup by\b|pgvigil\.", query.sql), query.sql
        quoted = {f"${{{name}:sqlstring}}" for name in dashboards.variables_of(dashboard)}
        used = set(re.findall(r"\$\w+|\$\{[^}]*\}", query.sql))
        assert used <= quoted | {"$__timeFrom", "$__timeTo", "$__timeFilter"}, query.sql


@each_dashboard
def test_korean_and_english_differ_in_words_only(path):
    """The same queries in the same places; each has its own uid, and leads to the dashboard in its own language."""
    other = dashboards.load(dashboards.GRAFANA / "dashboards" / (path.stem.removesuffix("-ko") + ".json"))
    dashboard = dashboards.load(path)

    assert [panel.get("targets") for panel in dashboard["panels"]] == [
        panel.get("targets") for panel in other["panels"]
    ]
    assert [panel["gridPos"] for panel in dashboard["panels"]] == [panel["gridPos"] for panel in other["panels"]]
    if path.stem.endswith("-ko"):
        for panel in dashboard["panels"]:
            assert re.search("[가-힣]", panel["title"] + panel.get("description", "")) or panel["type"] == "row"
    led_to = {urlsplit(part["url"]).path for part in walk(dashboard) if part.get("url", "").startswith("/d/")}
    assert {name.endswith("-ko") for name in led_to} <= {path.stem.endswith("-ko")}


@each_dashboard
def test_links_carry_variables_that_exist(path):
    """A link names a dashboard that there is, variables that it has, and the time that is shown."""
    for part in walk(dashboards.load(path)):
        if not part.get("url", "").startswith("/d/"):
            continue
        address = urlsplit(part["url"])
        target = dashboards.load(next(p for p in dashboards.FILES if p.stem == address.path.removeprefix("/d/")))
        names = {entry["name"] for entry in target["templating"]["list"]}
        given = {name.removeprefix("var-") for name in parse_qs(address.query) if name.startswith("var-")}
        assert {"datasource"} <= given <= names
        assert ("host" in given) == ("host" in names)
        assert "${__url_time_range}" in address.query


@pytest.mark.parametrize("language", ["en", "ko"])
def test_link_in_the_mail_opens_the_dashboard_in_its_language(language):
    """Uid, name of the variable, and a range in milliseconds."""
    text = write(replace(FIRED, language=language), "https://grafana.example.org/").text
    address = urlsplit(re.search(r"https://grafana\.example\.org/d/\S+", text)[0])
    given = parse_qs(address.query)
    (path,) = [path for path in dashboards.FILES if path.stem == address.path.removeprefix("/d/")]

    assert path.stem.endswith("-ko") == (language == "ko")
    assert {name.removeprefix("var-") for name in given if name.startswith("var-")} <= set(
        dashboards.variables_of(dashboards.load(path))
    )
    assert all(re.fullmatch(r"\d{13}", given[name][0]) for name in ("from", "to"))


def provisioned(name):
    """Return a provisioning file."""
    return yaml.safe_load((dashboards.GRAFANA / "provisioning" / name / "pgvigil.yaml").read_text())


def test_provisioning_of_the_data_source_uses_fields_that_exist():
    """As Grafana's own structures list them, 9.4 to 13: what they do not list is ignored without a word."""
    (source,) = provisioned("datasources")["datasources"]

    # pkg/services/provisioning/datasources/types.go and pkg/tsdb/.../sqleng; postgresVersion is the browser's
    assert set(source) <= {
        "name", "uid", "type", "access", "url", "user", "orgId", "isDefault", "editable", "version",
        "jsonData", "secureJsonData",
    }  # fmt: skip
    assert set(source["jsonData"]) <= {
        "database", "sslmode", "tlsConfigurationMethod", "sslRootCertFile", "sslCertFile", "sslKeyFile", "maxOpenConns",
        "maxIdleConns", "connMaxLifetime", "timeInterval", "timescaledb", "postgresVersion",
    }  # fmt: skip
    assert 0 < source["jsonData"]["maxOpenConns"] <= 20
    assert set(source["secureJsonData"]) == {"password"}


def test_provisioning_takes_what_is_secret_or_local_from_the_environment():
    """No address, login or path stands in a file that an upgrade replaces; the documents name each variable."""
    documents = (dashboards.GRAFANA.parent / "docs" / "grafana.md").read_text()
    texts = [path.read_text() for path in (dashboards.GRAFANA / "provisioning").rglob("*.yaml")]
    names = set(re.findall(r"\$\{(\w+)\}", "\n".join(texts)))

    assert {f"PGVIGIL_DATASOURCE_{word}" for word in ("URL", "USER", "PASSWORD", "DATABASE", "SSLMODE")} <= names
    assert set() == {name for name in names if f"`{name}`" not in documents}


def test_every_folder_of_dashboards_is_provided():
    """Read-only, so that nobody edits what the next upgrade overwrites, and kept if the files go away for a moment."""
    providers = provisioned("dashboards")["providers"]

    assert {path.parent.name for path in dashboards.FILES} == {Path(p["options"]["path"]).name for p in providers}
    for provider in providers:
        assert (provider["allowUiUpdates"], provider["disableDeletion"], provider["type"]) == (False, True, "file")


# Colour blindness at full strength as a matrix for linear RGB: Machado, Oliveira and Fernandes (2009).
SIGHTS = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}


def lab_of(color, sight):
    """Return the colour as somebody sees it, in CIE L*a*b*."""
    linear = [
        (c / 12.92) if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    ]
    seen = [min(1, max(0, sum(m * c for m, c in zip(row, linear, strict=True)))) for row in SIGHTS[sight]]
    to_xyz = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    x, y, z = (
        sum(m * c for m, c in zip(row, seen, strict=True)) / white
        for row, white in zip(to_xyz, (0.9505, 1, 1.089), strict=True)
    )
    fx, fy, fz = (v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def confused(colors):
    """List the pairs of colours that somebody may not tell apart: closer than 20 in L*a*b*, where 2 is just visible."""
    return [
        (one, other, sight)
        for sight in SIGHTS
        for one, other in combinations(sorted(colors), 2)
        if sum((p - q) ** 2 for p, q in zip(lab_of(one, sight), lab_of(other, sight), strict=True)) ** 0.5 < 20
    ]


def test_everybody_tells_states_apart():
    """Any two of them, also without red, green or blue cones."""
    assert [] == confused({MAKER["COLORS"][name] for name in MAKER["STATES"].values()})


def test_everybody_tells_series_apart():
    """Of names that only the host knows, the first five by colour, the next five by their dots too."""
    assert [] == confused({MAKER["COLORS"][name] for name in MAKER["PALETTE"]})
    assert len(MAKER["PALETTE"]) == 5, "the matchers of slots and the remainder in the SQL say five and ten"


def test_two_colours_that_are_too_close_are_found():
    """The measure itself: this red and this olive differ for most people, not for all."""
    assert {sight for _, _, sight in confused({"#D62728", "#7F7F00"})} == {"deuteranopia"}
    assert [] == confused({"#000000", "#FFFFFF"})


@each_dashboard
def test_every_series_has_a_colour_of_its_own(path):
    """By its name or its slot; none by the palettes of Grafana, which are made for people who see all colours."""
    for panel in dashboards.load(path)["panels"]:
        if panel["type"] != "timeseries":
            continue
        selected = panel["targets"][0]["rawSql"].removeprefix("select ").split(" from dashboard.")[0]
        columns = {re.split(r"\W", column)[-1] for column in selected.split(", ")} - {"time", "metric"}
        if "slot" in columns:
            continue
        colors = {
            entry["matcher"]["options"]: prop["value"]["fixedColor"]
            for entry in panel["fieldConfig"]["overrides"]
            for prop in entry["properties"]
            if prop["id"] == "color" and entry["matcher"]["id"] == "byName"
        } or {columns.copy().pop(): panel["fieldConfig"]["defaults"]["color"]["fixedColor"]}
        assert set(colors) == columns, panel["title"]
        assert len(set(colors.values())) == len(columns), panel["title"]
        assert [] == confused(set(colors.values())), panel["title"]


@each_dashboard
def test_only_colours_of_the_palette(path):
    """A colour typed by hand has not been tested for anybody."""
    used = set(re.findall(r'"(#[0-9A-Fa-f]{6})"', path.read_text()))

    assert used <= set(MAKER["COLORS"].values())
    assert not re.search(r'"(?:color|fixedColor)": "(?!#)\w', path.read_text())
    assert set(re.findall(r'"mode": "([a-z]+-.*)"', path.read_text())) == set(), "palettes and continuous schemes"
