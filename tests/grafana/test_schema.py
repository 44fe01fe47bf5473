"""The dashboards against the schema that Grafana publishes on npm, oldest and newest: `make dashboards`.

The package @grafana/schema holds TypeScript types; ts-json-schema-generator makes JSON schemas of them, in which a
field that Grafana does not know is an error, and ajv validates. The type Dashboard of 9.4 also demands what lives in
the browser only (a variable's rootStateKey), so that of 9.4 the parts are checked.
"""

from __future__ import annotations

import json
import subprocess

import pytest

import dashboards

TOOLS = ["ts-json-schema-generator@2.9.0", "ajv-cli@5.0.0"]
RAW = "dist/types/raw"
OLDEST, NEWEST = "9.4.17", "13.2.3"
LOADED = [dashboards.load(path) for path in dashboards.FILES]


def panels(kind=None):
    """List the panels, of one type or all but rows."""
    return [p for d in LOADED for p in d["panels"] if p["type"] == kind or (kind is None and p["type"] != "row")]


def options(kind):
    """List the options of the panels of a type."""
    return [panel["options"] for panel in panels(kind)]


def custom(kind):
    """List what is set for the fields of the panels of a type."""
    return [panel["fieldConfig"]["defaults"]["custom"] for panel in panels(kind)]


def whole():
    """List the dashboards, without the queries of the annotations: the schema knows only those of Grafana itself."""
    return [
        d | {"annotations": {"list": [{k: v for k, v in a.items() if k != "target"} for a in d["annotations"]["list"]]}}
        for d in LOADED
    ]


def oldest_panels():
    """List the panels with what 9.4 fills in itself, and its -Infinity, which JSON cannot tell from null."""
    filled = [panel | {"repeatDirection": "h", "transformations": []} for panel in panels()]
    return json.loads(json.dumps(filled).replace('"value": null', '"value": -1e308'))


def composable(panel):
    """Name the file of a panel's types."""
    return f"{RAW}/composable/{panel}/panelcfg/x/types.gen.d.ts"


CHECKS = {
    "dashboard": (NEWEST, f"{RAW}/dashboard/x/types.gen.d.ts", "Dashboard", whole),
    "panel": (NEWEST, f"{RAW}/dashboard/x/types.gen.d.ts", "Panel", panels),
    "timeseries": (NEWEST, composable("timeseries"), "Options", lambda: options("timeseries")),
    "timeseries fields": (NEWEST, composable("timeseries"), "FieldConfig", lambda: custom("timeseries")),
    "table": (NEWEST, composable("table"), "Options", lambda: options("table")),
    "table fields": (NEWEST, composable("table"), "FieldConfig", lambda: custom("table")),
    "stat": (NEWEST, composable("stat"), "Options", lambda: options("stat")),
    "state-timeline": (NEWEST, composable("statetimeline"), "Options", lambda: options("state-timeline")),
    "state-timeline fields": (NEWEST, composable("statetimeline"), "FieldConfig", lambda: custom("state-timeline")),
    "panel of 9.4": (OLDEST, "dist/index.d.ts", "Panel", oldest_panels),
    "timeseries fields of 9.4": (OLDEST, "dist/index.d.ts", "GraphFieldConfig", lambda: custom("timeseries")),
    "table fields of 9.4": (OLDEST, "dist/index.d.ts", "TableFieldOptions", lambda: custom("table")),
    "legend of 9.4": (
        OLDEST,
        "dist/index.d.ts",
        "VizLegendOptions",
        lambda: [o["legend"] for o in options("timeseries")],
    ),
}


@pytest.mark.parametrize("check", CHECKS)
def test_valid_by_the_published_schema(install, tmp_path, check):
    """Whole in the newest major; by its parts in the oldest."""
    version, module, name, documents = CHECKS[check]
    folder = install(f"@grafana/schema@{version}", *TOOLS)
    tools = folder / "node_modules" / ".bin"
    schema = tmp_path / "schema.json"
    source = folder / f"{name}.ts"
    package = "@grafana/schema" if version == OLDEST else "@grafana/schema/" + module.removesuffix(".d.ts")
    source.write_text(f"import {{ {name} as Imported }} from '{package}';\nexport type Checked = Imported;\n")
    made = subprocess.run(
        [tools / "ts-json-schema-generator", "--path", source, "--type", "Checked", "--no-type-check", "-o", schema],
        capture_output=True, text=True, check=False, cwd=folder,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    definition = json.loads(schema.read_text())["definitions"]["Checked"]
    assert definition.get("properties") or definition.get("$ref"), "the schema is empty: it would take anything"
    files = []
    for number, document in enumerate(documents()):
        files.append(tmp_path / f"{number}.json")
        files[-1].write_text(json.dumps(document))
    assert files
    validated = subprocess.run(
        [tools / "ajv", "validate", "--strict=false", "--all-errors", "--errors=text", "-s", schema]
        + [argument for file in files for argument in ("-d", file)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert validated.returncode == 0, validated.stderr[:3000]
