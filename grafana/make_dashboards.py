"""Write grafana/dashboards*/*.json from grafana/source/*.toml: English and Korean, in normal form."""

from __future__ import annotations

import json
import math
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LANGUAGES = {"": 0, "-ko": 1}  # suffix of folder and uid: which of the two texts
WIDTH = 24  # columns of a dashboard
DATASOURCE = {"type": "postgres", "uid": "${datasource}"}
# After Okabe and Ito, and Tol; tests/unit/test_dashboards.py holds that nobody mistakes one state for another.
COLORS = {
    "blue": "#0072B2",
    "grey": "#999999",
    "indigo": "#332288",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "vermillion": "#D55E00",
    "wine": "#882255",
    "yellow": "#F0E442",
}
# Of series whose names only the host knows: by the place of a name among the others; a second round is dotted.
PALETTE = ("blue", "orange", "sky", "wine", "grey")
SLOT = 'mod(dense_rank() over (order by resource collate "C") - 1, 10)::text as slot'
STATES = {"silent": "indigo", "critical": "vermillion", "warning": "yellow", "ok": "sky", "off": "grey"}
CODES = {"-1": "off", "0": "ok", "1": "warning", "2": "critical", "3": "silent"}
STATE_WORDS = {
    "silent": ["silent", "응답 없음"],
    "critical": ["critical", "위험"],
    "warning": ["warning", "경고"],
    "ok": ["ok", "정상"],
    "off": ["off", "꺼짐"],
}
FIELDS = tomllib.loads((HERE / "source" / "fields.toml").read_text())
Json = dict[str, Any]


def fixed(color: str) -> Json:
    """Return a colour that does not depend on the value."""
    return {"mode": "fixed", "fixedColor": COLORS[color]}


def thresholds(steps: list[list[Any]]) -> Json:
    """Return steps of colour; the first one holds from the very bottom, which TOML calls nan and Grafana null."""
    return {
        "mode": "absolute",
        "steps": [{"color": COLORS[color], "value": None if math.isnan(value) else value} for color, value in steps],
    }


def state_mappings(language: int, keys: dict[str, str]) -> list[Json]:
    """Give each state its word and colour."""
    options = {
        key: {"index": index, "text": STATE_WORDS[state][language], "color": COLORS[STATES[state]]}
        for index, (key, state) in enumerate(keys.items())
    }
    return [{"type": "value", "options": options}]


def link_to(dashboard: str, suffix: str, **variables: str) -> Json:
    """Return the link to a dashboard, with the time that is shown and what it is to be about."""
    chosen = "".join(f"&var-{name}=${{{value}}}" for name, value in {"datasource": "datasource", **variables}.items())
    title = {"host": ["Open the host", "호스트 열기"], "alerts": ["Open the alerts", "경보 열기"],
             "self": ["Open pgvigil itself", "pgvigil 자체 상태 열기"]}[dashboard]  # fmt: skip
    return {
        "title": title[LANGUAGES[suffix]],
        "url": f"/d/pgvigil-{dashboard}{suffix}?${{__url_time_range}}{chosen}",
        "targetBlank": False,
    }


def properties_of(column: str, kind: str, suffix: str) -> Json:
    """Return how a column is shown, by the names that Grafana has for these properties."""
    language, field = LANGUAGES[suffix], FIELDS[column]
    shown: Json = {"displayName": field["title"][language]}
    if "unit" in field and kind == "table":
        shown["unit"] = field["unit"]
    if "color" in field and kind == "timeseries":
        shown["color"] = fixed(field["color"])
    if field.get("cell") == "gauge" and kind == "table":
        shown |= {"custom.cellOptions": {"type": "gauge", "mode": "basic"}, "min": 0, "max": 100}
        shown["color"] = fixed("sky")
    if field.get("cell") == "state" and kind == "table":
        shown["custom.cellOptions"] = {"type": "color-background", "mode": "basic"}
        shown["mappings"] = state_mappings(language, {state: state for state in STATES})
    if "link" in field and kind == "table":
        about = {name: f"__data.fields.{name}_name" for name in field["link"]}
        shown["links"] = [link_to("host", suffix, **about)]
    return shown


def override(matcher: str, what: str, properties: Json) -> Json:
    """Return what overrides the defaults of some fields."""
    return {
        "matcher": {"id": matcher, "options": what},
        "properties": [{"id": name, "value": value} for name, value in properties.items()],
    }


# The limits are series like any other; these make lines of them.
LIMIT_LINES = [
    override(
        "byRegexp",
        f"/^{severity}\\b/",
        {
            "color": fixed(STATES[severity]),
            "custom.lineStyle": {"fill": "dash", "dash": [8, 8]},
            "custom.fillOpacity": 0,
            "custom.lineWidth": 1,
        },
    )
    for severity in ("warning", "critical")
]

# A series with two labels is called `value {metric="/data", slot="3"}`; the last of these makes `/data` of it.
SLOT_LINES = [
    *(
        override("byRegexp", f'/, slot="[{slot}{slot + len(PALETTE)}]"\\}}$/', {"color": fixed(color)})
        for slot, color in enumerate(PALETTE)
    ),
    override("byRegexp", '/, slot="[5-9]"\\}$/', {"custom.lineStyle": {"fill": "dot", "dash": [0, 6]}}),
    override("byRegexp", '/, slot="[0-9]"\\}$/', {"displayName": "${__field.labels.metric}"}),
]

OPTIONS: dict[str, Json] = {
    "table": {"frameIndex": 0, "showHeader": True},
    "stat": {
        "colorMode": "value", "graphMode": "none", "justifyMode": "auto", "orientation": "auto", "textMode": "auto",
        "wideLayout": True, "showPercentChange": False, "percentChangeColorMode": "standard",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    },
    "timeseries": {
        "legend": {
            "calcs": ["mean", "max", "lastNotNull"], "displayMode": "table", "placement": "bottom", "showLegend": True,
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "state-timeline": {
        "alignValue": "left", "mergeValues": True, "rowHeight": 0.9, "showValue": "never",
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []},
        "tooltip": {"mode": "single", "sort": "none"},
    },
}  # fmt: skip
CUSTOM: dict[str, Json] = {
    "table": {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False, "filterable": True},
    "stat": {},
    "timeseries": {
        "drawStyle": "line", "lineInterpolation": "linear", "lineWidth": 1, "fillOpacity": 10, "gradientMode": "none",
        "showPoints": "auto", "pointSize": 4, "spanNulls": False, "axisPlacement": "auto",
        "stacking": {"mode": "none", "group": "A"},
    },
    "state-timeline": {"fillOpacity": 90, "lineWidth": 0},
}  # fmt: skip


def query_of(columns: list[str], source: str) -> str:
    """Return the SQL: a panel only selects."""
    return f"select {', '.join(columns)} from {source}"  # noqa: S608 - both are from our own files


def panel_of(spec: Json, number: int, suffix: str) -> Json:
    """Return a panel of Grafana's model."""
    language = LANGUAGES[suffix]
    if spec["kind"] == "row":
        return {"type": "row", "id": number, "title": spec["title"][language], "collapsed": False, "panels": []}
    kind = spec["kind"]
    names = [column.split(" as ")[-1].split(".")[-1] for column in spec["select"]]
    overrides = [override("byName", name, properties_of(name, kind, suffix)) for name in names if name in FIELDS]
    if kind == "timeseries":
        overrides = [entry for name, entry in zip([n for n in names if n in FIELDS], overrides, strict=True)
                     if name not in {"time", "metric", "value"}]  # fmt: skip
    columns = list(spec["select"])
    if kind == "timeseries" and "metric" in names:
        columns.insert(2, SLOT)
        overrides = [*LIMIT_LINES, *SLOT_LINES]
    elif "limits" in spec:
        overrides += LIMIT_LINES
    defaults: Json = {
        "unit": spec["unit"],
        "custom": CUSTOM[kind] | spec.get("custom", {}),
        "color": fixed(spec.get("color", "blue")) if kind == "timeseries" else {"mode": "thresholds"},
        "thresholds": thresholds(spec.get("steps", [["sky", float("nan")]])),
        "mappings": [],
        "noValue": spec.get("empty", ["-", "-"])[language],
    }
    if kind == "state-timeline" or spec.get("states"):
        keys = CODES if kind == "state-timeline" else {state: state for state in STATES}
        defaults["mappings"] = state_mappings(language, keys)
    defaults |= {name: spec[name] for name in ("min", "max", "decimals") if name in spec}
    if "link" in spec:
        about = {"host": "__field.name"} if spec["link"] == "host" else {}
        defaults["links"] = [link_to(spec["link"], suffix, **about)]
    targets = [query_of(columns, spec["from"]), *([spec["limits"]] if "limits" in spec else [])]
    options = dict(OPTIONS[kind])
    if kind == "stat" and spec.get("states"):  # a text is shown only if it is asked for
        options["reduceOptions"] = options["reduceOptions"] | {"fields": "/.*/"}
    if kind == "stat" and ("steps" in spec or spec.get("states")):
        options["colorMode"] = "background"
    return {
        "type": kind,
        "id": number,
        "title": spec["title"][language],
        "description": spec["description"][language],
        "datasource": DATASOURCE,
        "pluginVersion": "9.4.0",
        "fieldConfig": {"defaults": defaults, "overrides": overrides},
        "options": options,
        "links": [],
        "targets": [
            {
                "refId": "AB"[index],
                "datasource": DATASOURCE,
                "format": "table" if kind in {"table", "stat"} else "time_series",
                "editorMode": "code",
                "rawQuery": True,
                "rawSql": sql,
            }
            for index, sql in enumerate(targets)
        ],
        "transparent": False,
    }


def variable_of(spec: Json, language: int) -> Json:
    """Return a variable that a query fills."""
    everything = {"selected": True, "text": ["All"], "value": ["$__all"]}
    return {
        "type": "query",
        "name": spec["name"],
        "label": spec["label"][language],
        "datasource": DATASOURCE,
        "query": spec["query"],
        "refresh": 1,
        "sort": 0,
        "regex": "",
        "hide": 0,
        "skipUrlSync": False,
        "multi": spec.get("multi", False),
        "includeAll": spec.get("multi", False),
        "options": [],
        "current": everything if spec.get("multi", False) else {"selected": False, "text": "", "value": ""},
    }


def annotation_of(spec: Json, language: int) -> Json:
    """Return what shades the times of the incidents."""
    target = {"refId": "Annotation", "format": "table", "editorMode": "code", "rawQuery": True, "rawSql": spec["query"]}
    return {
        "name": spec["title"][language],
        "datasource": DATASOURCE,
        "enable": True,
        "iconColor": COLORS[spec["color"]],
        "target": target,
    }


def place(panels: list[tuple[Json, list[int]]]) -> None:
    """Lay the panels out from left to right."""
    x = y = height = 0
    for panel, (width, tall) in panels:
        if x + width > WIDTH:
            x, y, height = 0, y + height, 0
        panel["gridPos"] = {"x": x, "y": y, "w": width, "h": tall}
        x, height = x + width, max(height, tall)


def dashboard_of(spec: Json, suffix: str) -> Json:
    """Return a dashboard of Grafana's model."""
    language = LANGUAGES[suffix]
    panels = [panel_of(panel, number, suffix) for number, panel in enumerate(spec["panel"], 1)]
    place([(panel, entry.get("size", [24, 1])) for panel, entry in zip(panels, spec["panel"], strict=True)])
    datasource = {
        "type": "datasource", "name": "datasource", "label": ["Data source", "데이터 소스"][language],
        "query": "postgres", "refresh": 1, "regex": "", "hide": 0, "skipUrlSync": False, "multi": False,
        "includeAll": False, "options": [], "current": {"selected": True, "text": "pgvigil", "value": "pgvigil"},
    }  # fmt: skip
    link = {
        "type": "dashboards", "tags": [f"pgvigil{suffix}"], "title": "pgvigil", "asDropdown": False,
        "icon": "external link", "includeVars": False,
        "keepTime": True, "targetBlank": False, "tooltip": "", "url": "",
    }  # fmt: skip
    return {
        "uid": spec["uid"] + suffix,
        "title": spec["title"][language],
        "description": spec["description"][language],
        "tags": [f"pgvigil{suffix}"],
        "editable": True,
        "graphTooltip": 1,
        "refresh": spec["refresh"],
        "schemaVersion": 37,
        "time": {"from": spec["range"], "to": "now"},
        "timepicker": {},
        "timezone": "browser",
        "links": [link],
        "annotations": {"list": [annotation_of(entry, language) for entry in spec.get("annotation", [])]},
        "templating": {"list": [datasource, *(variable_of(entry, language) for entry in spec.get("variable", []))]},
        "panels": panels,
    }


def make() -> dict[Path, str]:
    """Return the text of each file."""
    specs = [tomllib.loads(path.read_text()) for path in sorted((HERE / "source").glob("pgvigil-*.toml"))]
    return {
        HERE / f"dashboards{suffix}" / f"{spec['uid']}{suffix}.json": json.dumps(
            dashboard_of(spec, suffix), indent=2, sort_keys=True, ensure_ascii=False
        )
        + "\n"
        for spec in specs
        for suffix in LANGUAGES
    }


if __name__ == "__main__":
    for path, text in make().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
