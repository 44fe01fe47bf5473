"""Every query of every dashboard, asked the way Grafana asks, of a busy fleet.

The test speaks Grafana's HTTP API. With GRAFANA_URL (and GRAFANA_TOKEN, or user and password in the URL) that is a real
Grafana, which must be able to enter the directory of the test database's socket; without it, a stand-in answers that
replaces macros as Grafana's server does and asks PostgreSQL as pgvigil_reader.

Take a Grafana for tests: its data source and dashboards of the same uid are replaced; provisioned ones make this fail.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import statistics
import subprocess
import threading
from collections import defaultdict
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import ClassVar
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import psycopg
import pytest

import dashboards

NOW = datetime.now(UTC)
RANGES = {
    "15 minutes": timedelta(minutes=15),
    "24 hours": timedelta(hours=24),
    "30 days": timedelta(days=30),
    "1 year": timedelta(days=365),
}
# Grafana's reader of PostgreSQL knows these types.
KNOWN_TYPES = {"timestamptz", "text", "float8", "int8", "int4", "bool", "numeric", "float4"}
READER = "grafana_of_tests"
TEMPLATES = [path for path in dashboards.FILES if path.parent.name == "dashboards"]


@pytest.fixture(scope="module")
def fleet(postgres, template, clone):
    """Give the conninfo of a database with a busy fleet."""
    with clone(postgres, template) as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("select set_config('busy.now', %s, false)", (NOW.isoformat(),))
        history, late, live, mails, vacuum = (
            (Path(__file__).parent / "busy_fleet.sql").read_text().split("\n-- commit\n")
        )
        connection.execute(history)
        do_all(connection, "advance_rollups")
        do_all(connection, "advance_fleet")
        for part in (late, live):  # both bring samples of times that are rolled up by now
            connection.execute(part)
            repair = "select pgvigil.repair_rollups(%s, clock_timestamp() + interval '1 minute')"
            assert connection.execute(repair, (NOW + timedelta(minutes=5),)).fetchone()[0] > 0
        do_all(connection, "pack_history")
        assert connection.execute("select count(*) from pgvigil.packed_day where is_done").fetchone()[0] >= 4
        for part in (mails, vacuum):
            connection.execute(part)
        connection.execute(f"create role {READER} login in role pgvigil_reader")
        yield dsn
        connection.execute(f"drop role {READER}")


def do_all(connection, upkeep):
    """Do a piece of upkeep until nothing is left of it."""
    while connection.execute(f"select pgvigil.{upkeep}(%s)", (NOW,)).fetchone()[0]:
        pass


class StandIn(BaseHTTPRequestHandler):
    """The part of Grafana's server that matters here: data sources, macros, PostgreSQL, frames."""

    sources: ClassVar[dict[str, str]] = {}

    def do_DELETE(self):
        """Forget a data source, of which there is none."""
        self._answer({"message": "Data source not found"}, HTTPStatus.NOT_FOUND)

    def do_POST(self):
        """Take a data source or a dashboard, or run queries."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/api/datasources":
            self.sources[body["uid"]] = psycopg.conninfo.make_conninfo(
                host=body["url"], user=body["user"], dbname=body["jsonData"]["database"]
            )
            self._answer({"message": "Datasource added"})
        elif self.path == "/api/ds/query":
            times = [datetime.fromtimestamp(int(body[name]) / 1000, UTC) for name in ("from", "to")]
            self._answer({"results": {query["refId"]: self._run(query, *times) for query in body["queries"]}})
        elif self.path == "/api/dashboards/db":
            self._answer({"status": "success", "uid": body["dashboard"]["uid"]})
        else:
            self._answer({"message": "Not found"}, HTTPStatus.NOT_FOUND)

    def _run(self, query, start, end):
        try:
            sql = dashboards.with_macros(query["rawSql"], start, end)
            with psycopg.connect(self.sources[query["datasource"]["uid"]], autocommit=True) as connection:
                # bytes: no placeholders of psycopg, and the simple protocol that Grafana uses too
                cursor = psycopg.ClientCursor(connection).execute(sql.encode())
                rows = cursor.fetchall()
        except (psycopg.Error, ValueError) as error:
            return {"error": str(error), "frames": []}
        names = [column.name for column in cursor.description]
        types = [psycopg.postgres.types[column.type_code].name for column in cursor.description]
        if problem := frame_problem(query["format"], names, types, rows):
            return {"error": problem, "frames": []}
        fields = [{"name": name, "type": kind} for name, kind in zip(names, types, strict=True)] if rows else []
        values = [list(column) for column in zip(*rows, strict=True)]
        return {"frames": [{"schema": {"fields": fields}, "data": {"values": values}}]}

    def _answer(self, body, status=HTTPStatus.OK):
        text = json.dumps(
            body, default=lambda value: value.isoformat() if isinstance(value, datetime) else float(value)
        )
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *arguments):
        """Say nothing."""


def frame_problem(form, names, types, rows):
    """Say what Grafana's server refuses in the result of a query, empty if nothing."""
    problems = [f"Grafana does not know the types {unknown}" for unknown in [set(types) - KNOWN_TYPES] if unknown]
    if form == "time_series" and ("time" not in names or types[names.index("time")] != "timestamptz"):
        problems.append("db has no time column")
    elif form == "time_series":
        times = [row[names.index("time")] for row in rows]
        keys = [i for i, (name, kind) in enumerate(zip(names, types, strict=True)) if name == "time" or kind == "text"]
        if None in times or times != sorted(times):
            problems.append("long series must be sorted ascending by time to be converted")
        if not set(types) - {"timestamptz", "text"}:
            problems.append("no numeric column")
        if len({tuple(row[i] for i in keys) for row in rows}) < len(rows):
            problems.append("two rows have the same time and labels")
    return "; ".join(problems)


def name_of(field):
    """Return the name of a series where Grafana's server made labels of its text columns, else that of the field."""
    return field.get("labels", {}).get("metric", field["name"].lower())


def column_of(field, values):
    """Return the values of a field; times, which a real Grafana gives in milliseconds, as text."""
    if field["type"] != "time":
        return values
    return [None if at is None else datetime.fromtimestamp(at / 1000, UTC).isoformat() for at in values]


class Grafana:
    """A client of Grafana's HTTP API, with the work that its browser half does."""

    def __init__(self, url):
        self.url, self.headers = url.rstrip("/"), {"Content-Type": "application/json"}
        parts = urlsplit(url)
        if parts.username:
            self.url = self.url.replace(f"{parts.username}:{parts.password}@", "")
            login = base64.b64encode(f"{parts.username}:{parts.password}".encode()).decode()
            self.headers["Authorization"] = f"Basic {login}"
        if token := os.environ.get("GRAFANA_TOKEN"):
            self.headers["Authorization"] = f"Bearer {token}"

    def request(self, path, body=None, *, method=None, expected=()):
        """Ask, and return what comes as JSON; fail on a status that is neither 200 nor expected."""
        data = None if body is None else json.dumps(body).encode()
        try:
            with urlopen(Request(self.url + path, data, self.headers, method=method), timeout=60) as response:  # noqa: S310
                return json.load(response)
        except HTTPError as error:
            with error:  # it is the answer too, and open
                if error.code not in expected:
                    pytest.fail(f"{path}: {error.code} {error.read().decode(errors='replace')[:500]}")
                return json.load(error)

    def provision(self, dsn):
        """Make the data source, as the file in grafana/provisioning does, and load the dashboards."""
        parameters = psycopg.conninfo.conninfo_to_dict(dsn)
        source = {
            "name": "pgvigil", "uid": "pgvigil", "type": "postgres", "access": "proxy", "user": READER,
            "url": parameters["host"],
            "jsonData": {"database": parameters["dbname"], "sslmode": "disable", "postgresVersion": 1500},
        }  # fmt: skip
        # That of an earlier run leads to a database that is gone.
        self.request("/api/datasources/uid/pgvigil", method="DELETE", expected=[HTTPStatus.NOT_FOUND])
        self.request("/api/datasources", source)
        self.ask(dashboards.Query(f"socket in {source['url']}", "select 1 as one", "table", "table"), {}, NOW, NOW)
        for path in dashboards.FILES:
            self.request("/api/dashboards/db", {"dashboard": dashboards.load(path), "overwrite": True})

    def ask(self, query, values, start, end):
        """Return the columns of the frame that a query gives, by name; fail on an error or an empty frame."""
        asked = {
            "refId": "A", "datasource": {"type": "postgres", "uid": "pgvigil"}, "format": query.format,
            "intervalMs": 10_000, "maxDataPoints": 1000, "rawSql": dashboards.with_variables(query.sql, values),
        }  # fmt: skip
        times = {"from": f"{start.timestamp() * 1000:.0f}", "to": f"{end.timestamp() * 1000:.0f}"}
        # A query that fails makes it 400 (500 in some versions), with the same body.
        expected = [HTTPStatus.BAD_REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR]
        answer = self.request("/api/ds/query", {"queries": [asked], **times}, expected=expected)
        assert "results" in answer, f"{query.place}: {answer}"
        result = answer["results"]["A"]
        assert "error" not in result, f"{query.place}: {result['error']}\n{asked['rawSql']}"
        frame = result["frames"][0]
        values = frame["data"]["values"]
        assert any(values), f"{query.place}: no rows\n{asked['rawSql']}"
        return {name_of(f): column_of(f, column) for f, column in zip(frame["schema"]["fields"], values, strict=True)}

    def values_of(self, dashboard, start, end, **chosen):
        """Return the values of all variables, each with everything there is to choose unless one is chosen."""
        values = dict(chosen)
        for name, (query, multi) in dashboards.variables_of(dashboard).items():
            options = next(iter(self.ask(query, values, start, end).values()))
            if name in chosen:
                assert set([chosen[name]] if isinstance(chosen[name], str) else chosen[name]) <= set(options)
            else:
                values[name] = options if multi else options[0]
        return values


@contextmanager
def serving(handler):
    """Serve HTTP, and give the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@pytest.fixture(scope="module")
def grafana(fleet):
    """Give a Grafana that has the dashboards: a real one if there is one, otherwise the stand-in."""
    if url := os.environ.get("GRAFANA_URL"):
        real = Grafana(url)
        real.provision(fleet)
        yield real
        return
    with serving(StandIn) as url:
        stand_in = Grafana(url)
        stand_in.provision(fleet)
        yield stand_in


@pytest.mark.parametrize("span", RANGES)
@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_every_query_returns_rows(grafana, path, span):
    """Of panels, variables and annotations, on the host that has everything, as the reader."""
    dashboard = dashboards.load(path)
    start, end = NOW - RANGES[span], datetime.now(UTC)
    values = grafana.values_of(dashboard, start, end, **({"host": "db1"} if "host" in path.stem else {}))
    failures = []
    for query in dashboards.queries_of(dashboard):
        try:
            grafana.ask(query, values, start, end)
        except AssertionError as error:
            failures.append(str(error))
    assert [] == failures, "\n".join(failures)


@pytest.mark.parametrize(
    ("sql", "form", "complaint"),
    [
        ("select 1 as one where false", "table", "no rows"),
        ("select no_such_column from dashboard.host_state", "table", "no_such_column"),
        ("select host_id from pgvigil.host", "table", "permission denied"),
        ("select $__timeGruop(time, '5m') from dashboard.rule_change", "table", "__timeGruop"),
        ("select 1 as value", "time_series", "time"),
        ("values (now(), 1), (now() - interval '1 s', 2)", "time_series", "no time column"),
        ("select at as time, 'x' as metric, 1 as value from dashboard.part(now(), 'tomorrow', 3) order by 1 desc",
         "time_series", "sort"),
    ],
)  # fmt: skip
def test_a_query_that_does_not_work_is_found(grafana, sql, form, complaint):
    """The harness itself: what is empty, refused, misspelt or out of order fails, and says so."""
    with pytest.raises(AssertionError, match=complaint):
        grafana.ask(dashboards.Query("made up", sql, form, "table"), {}, NOW - timedelta(hours=1), NOW)


def test_two_points_at_the_same_time_are_found():
    """Grafana's server lets them pass, and its graph draws one over the other: only the stand-in knows."""
    assert frame_problem("time_series", ["time", "x"], ["timestamptz", "int4"], [(NOW, 1), (NOW, 2)])
    assert not frame_problem("time_series", ["time", "x"], ["timestamptz", "int4"], [(NOW, 1)])


@pytest.fixture(scope="module")
def host_dashboard():
    """Return the dashboard of a host."""
    return dashboards.load(dashboards.GRAFANA / "dashboards" / "pgvigil-host.json")


def panel_query(dashboard, title):
    """Return the first query of a panel."""
    return next(query for query in dashboards.queries_of(dashboard) if f" / {title} / A" in query.place)


def by_series(frame):
    """Return value by time and series of a frame, long (from the stand-in) or wide (from a real Grafana)."""
    times = [datetime.fromisoformat(at) for at in frame["time"]]
    if "metric" in frame:
        rows = zip(times, frame["metric"], frame["value"], strict=True)
        return {(at, name): value for at, name, value in rows}
    return {
        (at, name): value
        for name, column in frame.items()
        if name != "time"
        for at, value in zip(times, column, strict=True)
    }


def raw_values(dsn, table, resource, column):
    """Return the samples of db1 as they were stored, not rounded as a real is printed: time, resource, value."""
    with psycopg.connect(dsn) as connection:
        return connection.execute(
            f"select l.created_at, l.{resource}, l.{column}::float8 from busy.{table} as l"
            " where l.host_id = (select h.host_id from pgvigil.host as h where h.host_name = 'db1')"
        ).fetchall()


@pytest.mark.parametrize("span", ["15 minutes", "24 hours", "7 days", "30 days"])
@pytest.mark.parametrize(
    "graph",
    [
        ("CPU per core", "cpu_log", "cpu_name", "cpu_usage"),
        ("Memory and swap usage", "memory_log", "memory_name", "memory_usage"),
        ("Free space", "disk_log", "disk_name", "available_bytes"),
        ("Disk reads", "disk_log", "disk_name", "read_bytes_per_second"),
        ("Received", "network_log", "network_interface", "received_bytes_per_second"),
    ],
)
def test_graph_shows_the_averages_of_the_samples(grafana, fleet, host_dashboard, graph, span):
    """From samples or rollups alike, with a gap, a reboot without rates, and an hour that came late."""
    title, table, resource, column = graph
    end = NOW
    start = end - {**RANGES, "7 days": timedelta(days=7)}[span]
    values = grafana.values_of(host_dashboard, start, end, host="db1")
    shown = by_series(grafana.ask(panel_query(host_dashboard, title), values, start, end))
    oldest = NOW - timedelta(days=3)
    away, back = NOW - timedelta(hours=20), NOW - timedelta(hours=18)
    nulls = {key for key, value in shown.items() if value is None}
    shown = {key: value for key, value in shown.items() if value is not None and key[0] >= max(oldest, start)}
    times = sorted({at for at, _ in shown})
    # The width of a point is what most of them are apart.
    width = statistics.mode(later - earlier for earlier, later in pairwise(times))
    samples = defaultdict(list)
    for at, name, value in raw_values(fleet, table, resource, column):
        if start <= at < end:
            samples[times_before(times, at, width), name].append(value)
    first, last = times[0], times[-1]
    known = {key: [value for value in found if value is not None] for key, found in samples.items()}
    expected = {key: statistics.fmean(found) for key, found in known.items() if found}
    inside = {key for key in expected if key[0] is not None and first < key[0] < last}

    assert inside == {key for key in shown if first < key[0] < last}
    assert len(inside) > 20
    for key in inside:
        if len(known[key]) == len(samples[key]):
            assert shown[key] == pytest.approx(expected[key], rel=1e-5), key
        else:  # a rollup is weighted by its samples, also by the one without a rate: the first after a boot
            assert min(known[key]) <= shown[key] <= max(known[key]), key
    if span in {"24 hours", "7 days"}:  # in hours the gap is hardly one
        gaps = {name for at, name in nulls if away - width < at < back}
        assert gaps == {name for _, name in inside}, "no null breaks the line"
        assert not any(away + width < at < back - width for at in times)
    if span in {"7 days", "30 days"}:
        assert any(NOW - timedelta(hours=30) < at < NOW - timedelta(hours=29) for at in times)


def times_before(times, at, width):
    """Return the point to which a sample belongs, None if there is none."""
    bin_start = datetime(2000, 1, 1, tzinfo=UTC)
    begin = bin_start + (at - bin_start) // width * width if width > timedelta(minutes=1) else at
    return begin if begin in times else None


def test_delay_is_shown_as_far_back_as_there_are_samples(grafana, host_dashboard):
    """From packed days too; the hour that the spool kept was stored a day late."""
    frame = by_series(
        grafana.ask(
            panel_query(host_dashboard, "From sample to storage"), {"host": "db1"}, NOW - timedelta(days=7), NOW
        )
    )
    late = {at for (at, _), seconds in frame.items() if seconds > 60}

    assert min(at for at, _ in frame) < NOW - timedelta(days=2.9)
    assert late
    assert all(timedelta(hours=29) <= NOW - at <= timedelta(hours=30) for at in late)


def test_limits_are_those_that_the_trigger_uses(grafana, fleet, host_dashboard):
    """A dashed line for each limit that holds on the disks that are chosen, and none for others."""
    query = next(q for q in dashboards.queries_of(host_dashboard) if " / Disk usage / B" in q.place)
    start, end = NOW - timedelta(hours=1), NOW
    frame = by_series(grafana.ask(query, {"host": "db1", "disk": ["/", "/data"]}, start, end))

    assert {(name, value) for (_, name), value in frame.items()} == {
        ("warning /", 85), ("warning /data", 1), ("critical", 90),
    }  # fmt: skip
    frame = by_series(grafana.ask(query, {"host": "db1", "disk": ["/var"]}, start, end))
    with psycopg.connect(fleet) as connection:
        limits = connection.execute(
            "select warning, critical from pgvigil.effective_threshold"
            " where host_name = 'db1' and metric = 'disk_usage' and resource = '/var'"
        ).fetchone()
    assert {(name, value) for (_, name), value in frame.items()} == {("warning", limits[0]), ("critical", limits[1])}


def test_incidents_are_shaded_from_firing_to_their_end(grafana, fleet, host_dashboard):
    """Each incident of the host that was open in the range, and no other."""
    start, end = NOW - timedelta(days=7), NOW
    shaded = set()
    for query in dashboards.queries_of(host_dashboard):
        if query.kind == "annotation":
            frame = grafana.ask(query, {"host": "db1"}, start, end)
            shaded |= {(str(at)[:19], severity) for at, severity in zip(frame["time"], frame["tags"], strict=True)}
    with psycopg.connect(fleet) as connection:
        expected = connection.execute(
            "select a.fired_at, a.worst_severity from pgvigil.alert as a inner join pgvigil.host as h using (host_id)"
            " where h.host_name = 'db1' and a.fired_at <= %(end)s"
            " and (a.resolved_at is null or a.resolved_at >= %(start)s)",
            {"start": start, "end": end},
        ).fetchall()
    assert shaded == {(at.isoformat()[:19], severity) for at, severity in expected}
    assert len(shaded) > 10


def test_fleet_is_sorted_worst_first(grafana):
    """Silent before critical before warning before ok; each host once, in the state of its alerts."""
    dashboard = dashboards.load(dashboards.GRAFANA / "dashboards" / "pgvigil-fleet.json")
    frame = grafana.ask(panel_query(dashboard, "Hosts, the worst first"), {}, NOW - timedelta(hours=1), NOW)
    states = dict(zip(frame["host_name"], frame["state"], strict=True))

    assert sorted(frame["state"], key=["silent", "critical", "warning", "ok", "off"].index) == frame["state"]
    assert states["dead1"] == states["empty1"] == "silent"
    assert states["lap1"] == "off"
    assert states["web1"] == "critical"
    assert states["web2"] == "warning"
    assert states["o'brien1"] == "ok"
    assert len(states) == len(frame["host_name"]) == 14


class WithLogin(BaseHTTPRequestHandler):
    """A way to Grafana for a browser that has no login: passes on what it is asked, with the login."""

    grafana: Grafana

    def do_GET(self):
        """Pass a request on."""
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) or None
        request = Request(self.grafana.url + self.path, body, self.grafana.headers)  # noqa: S310
        try:
            answer = urlopen(request, timeout=60)  # noqa: S310
        except HTTPError as error:
            answer = error
        with answer:
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.headers.get("Content-Type", "text/plain"))
            self.end_headers()
            self.wfile.write(answer.read())

    do_POST = do_GET  # noqa: N815 - the name that http.server calls

    def log_message(self, *arguments):
        """Say nothing."""


def test_screenshots(grafana):
    """Of each dashboard, into GRAFANA_SCREENSHOTS, for somebody to look at."""
    if "GRAFANA_URL" not in os.environ:
        pytest.skip("only a real Grafana draws: set GRAFANA_URL")
    if not (chromium := shutil.which("chromium") or shutil.which("google-chrome")):
        pytest.skip("no Chromium")
    folder = Path(os.environ.get("GRAFANA_SCREENSHOTS", "grafana-screenshots"))
    folder.mkdir(exist_ok=True)
    with serving(type("WithLoginTo", (WithLogin,), {"grafana": grafana})) as url:
        for path in dashboards.FILES:
            file = folder / f"{path.stem}.png"
            places = [panel["gridPos"] for panel in dashboards.load(path)["panels"]]
            size = f"--window-size=1600,{150 + 38 * max(place['y'] + place['h'] for place in places)}"
            options = ["--headless=new", "--no-sandbox", "--hide-scrollbars", "--virtual-time-budget=30000", size]
            address = f"{url}/d/{path.stem}?kiosk&var-host=db1&from=now-24h&to=now"
            page = subprocess.run(
                [chromium, *options, "--dump-dom", f"--screenshot={file.resolve()}", address],
                check=True, capture_output=True, text=True, timeout=180,
            ).stdout  # fmt: skip

            assert file.stat().st_size > 1000, file
            assert dashboards.load(path)["panels"][0]["title"] in page, f"{file} shows something else"


def test_a_host_that_never_sampled_is_empty_and_no_error(grafana, host_dashboard):
    """Its variables have nothing to choose: a list without a value must still be SQL."""
    values = {"host": "empty1", "disk": [], "interface": []}
    problems = []
    for query in dashboards.queries_of(host_dashboard):
        try:
            grafana.ask(query, values, NOW - timedelta(hours=1), NOW)
        except AssertionError as error:
            problems += [] if ": no rows" in str(error) else [str(error)]
    assert [] == problems


def test_a_quote_in_a_host_name_breaks_nothing(grafana, host_dashboard):
    """Variables are quoted by the form that escapes."""
    values = {"host": "o'brien1", "disk": ["/"], "interface": ["eth0"]}
    start, end = NOW - timedelta(hours=1), NOW

    assert by_series(grafana.ask(panel_query(host_dashboard, "CPU usage"), values, start, end))
