"""The dashboards as Grafana uses them: what their queries are, and how its two halves fill in variables and macros.

Follows Grafana's own sources, 9.4 to 13.2: the browser replaces variables (@grafana/sql, SqlDatasource and the format
registry), the server replaces macros (macros.go and sql_engine.go of its PostgreSQL data source).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

GRAFANA = Path(__file__).parents[1] / "grafana"
FILES = sorted(GRAFANA.glob("dashboards*/*.json"))


@dataclass(frozen=True)
class Query:
    """A query of a dashboard, and where it stands."""

    place: str
    sql: str
    format: str
    kind: str  # type of the panel, or variable, or annotation


def load(path: Path) -> dict[str, Any]:
    """Return a dashboard."""
    return json.loads(path.read_text())


def queries_of(dashboard: Mapping[str, Any]) -> list[Query]:
    """List the queries of the panels and annotations; those of variables come from variables_of()."""
    found = [
        Query(
            f"{dashboard['uid']} / {panel['title']} / {target['refId']}",
            target["rawSql"],
            target["format"],
            panel["type"],
        )
        for panel in dashboard["panels"]
        for target in panel.get("targets", [])
    ]
    return found + [
        Query(f"{dashboard['uid']} / {entry['name']}", entry["target"]["rawSql"], "table", "annotation")
        for entry in dashboard["annotations"]["list"]
    ]


def variables_of(dashboard: Mapping[str, Any]) -> dict[str, tuple[Query, bool]]:
    """Return query and whether it takes several values, by the name of the variable, in their order."""
    return {
        entry["name"]: (
            Query(f"{dashboard['uid']} / ${entry['name']}", entry["query"], "table", "variable"),
            entry["multi"],
        )
        for entry in dashboard["templating"]["list"]
        if entry["type"] == "query"
    }


def with_variables(sql: str, values: Mapping[str, str | list[str]]) -> str:
    """Replace variables as the browser does; only the form that the dashboards use, ${name:sqlstring}."""

    def value_of(match: re.Match[str]) -> str:
        value = values[match[1]]
        return ",".join("'" + one.replace("'", "''") + "'" for one in ([value] if isinstance(value, str) else value))

    return re.sub(r"\$\{(\w+):sqlstring\}", value_of, sql)


def with_macros(sql: str, start: datetime, end: datetime, interval_ms: int = 10_000) -> str:
    """Replace macros as the server does; an unknown one is an error there too."""
    times = {name: at.astimezone().isoformat() for name, at in (("from", start), ("to", end))}

    def macro(match: re.Match[str]) -> str:
        name, arguments = match[1], [argument.strip(" ") for argument in match[2].split(",")]
        match name:
            case "__timeFilter":
                return f"{arguments[0]} BETWEEN '{times['from']}' AND '{times['to']}'"
            case "__timeFrom":
                return f"'{times['from']}'"
            case "__timeTo":
                return f"'{times['to']}'"
            case "__timeGroup" | "__timeGroupAlias":
                seconds = _seconds(arguments[1].strip("'"))
                alias = ' AS "time"' if name.endswith("Alias") or sql[match.end() : match.end() + 1] == "," else ""
                return f"floor(extract(epoch from {arguments[0]})/{seconds})*{seconds}{alias}"
        message = f"unknown macro {name!r}"
        raise ValueError(message)

    sql = sql.replace("$__interval_ms", str(interval_ms)).replace("$__interval", f"{interval_ms}ms")
    return re.sub(r"\$([_a-zA-Z0-9]+)\(([^)]*)\)", macro, sql)


def _seconds(interval: str) -> float:
    """Read an interval as Grafana writes it."""
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h|d)", interval).groups()
    return int(number) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}[unit]
