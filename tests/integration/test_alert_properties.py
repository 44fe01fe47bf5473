"""Random samples against random rules: the live path, the backtest and a plain model of the rules always agree."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from psycopg.rows import namedtuple_row
from psycopg.types.json import Jsonb

from pgvigil.embedded import EmbeddedPostgres
from pgvigil.migrate import migrate

BEAT = 10
GAP = 3 * BEAT
BASE = datetime.combine(datetime.now(UTC).date(), time(), UTC)  # the partitions reach from yesterday to next week
CALM = timedelta(hours=1)  # longer than flap_window
RESOURCES = {"cpu_usage": ("cpu-total", "cpu0"), "memory_available_bytes": ("memory", "swap")}
INSERTS = {
    "cpu_usage": "insert into pgvigil.cpu_log (host_id, cpu_name, created_at, cpu_usage{clock}) values {rows}"
    " on conflict do nothing",
    "memory_available_bytes": "insert into pgvigil.memory_log (memory_usage, used_bytes, host_id, memory_name,"
    " created_at, available_bytes{clock}) values {rows} on conflict do nothing",
}
ROWS = {"cpu_usage": "(%s, %s, %s, %s{clock})", "memory_available_bytes": "(1, 1, %s, %s, %s, %s{clock})"}
IMPOSSIBLE = {
    "cpu_usage": [("NaN", "cpu_usage_is_percent"), ("Infinity", "cpu_usage_is_percent"), ("-Infinity", "is_percent")],
    "memory_available_bytes": [("-1", "available_bytes_is_natural")],
}

slow = settings(
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)


class Rule(NamedTuple):
    """A row of pgvigil.threshold."""

    metric: str
    warning: float | None
    critical: float | None
    clear_band: float | None
    hold: int

    @property
    def sign(self):
        """Turn a limit from below into one from above."""
        return -1 if self.metric == "memory_available_bytes" else 1

    @property
    def band(self):
        """The clear band that holds."""
        limits = [limit for limit in (self.warning, self.critical) if limit is not None]
        return 0.05 * limits[0] if self.clear_band is None else self.clear_band

    def edges(self):
        """Values at which something may change, each with its neighbours."""
        limits = [limit for limit in (self.warning, self.critical) if limit is not None]
        marks = {limit - self.sign * shift for limit in limits for shift in (0, self.band)}
        # not a millionth nearer than a column of type real can tell apart
        steps = (-1, -0.00002, 0, 1) if self.sign > 0 else (-1, 0, 1)
        return sorted({mark + step for mark in marks for step in steps} | {1.0, 50.0, 99.0})


@st.composite
def rules(draw):
    """Make rules that the validation accepts."""
    metric = draw(st.sampled_from(sorted(RESOURCES)))
    low, high = sorted(draw(st.tuples(st.sampled_from([40, 60, 80]), st.sampled_from([60, 80, 90]))))
    warning, critical = (low, high) if metric == "cpu_usage" else (high, low)
    given_limits = draw(st.sampled_from([(warning, critical), (warning, None), (None, critical)]))
    return Rule(metric, *given_limits, draw(st.sampled_from([None, 0, 5, 25])), draw(st.integers(0, 4)) * BEAT)


@st.composite
def streams(draw):
    """Make a rule and statements: how long after the one before, and samples by series, clock error and value."""
    rule = draw(rules())
    sample = st.tuples(
        st.sampled_from((0, 0, 0, 1)),
        st.sampled_from((0, 0, 0, 0, -BEAT, -BEAT - 5, -3600, 5, BEAT, 3600, 7200)),
        st.sampled_from(rule.edges()),
    )
    statement = st.tuples(
        # never 0: no two statements are stored at the same microsecond
        st.sampled_from((BEAT,) * 6 + (0.001, 1, GAP, GAP + 1, 400, 1800, 1801, 3600)),
        st.lists(sample, min_size=1, max_size=3),
        st.sampled_from((None,) * 12 + tuple(IMPOSSIBLE[rule.metric])),
    )
    return rule, draw(st.lists(statement, min_size=1, max_size=20))


class Live:
    """The one host of a database, fed as its agent would."""

    def __init__(self, dsn, rule, *, has_own_clock):
        self.dsn = dsn
        self.rule = rule
        self.clock = BASE
        self._has_own_clock = has_own_clock
        self.connect()

    def connect(self):
        """Connect, also after a restart."""
        self.connection = psycopg.connect(self.dsn, autocommit=True, row_factory=namedtuple_row)

    def query(self, statement, *values):
        """Run a statement and return its rows."""
        return self.connection.execute(statement, values).fetchall()

    def begin(self):
        """Forget the example before, and set the rule."""
        logs = ("mail", "alert_event", "alert", "rule_error", "cpu_log", "memory_log", "threshold", "recipient")
        self.connection.execute("; ".join(f"delete from pgvigil.{table}" for table in logs))
        self.connection.execute("delete from pgvigil.upkeep where task <> 'tick'")  # that row is its lock
        self.host_id = self.query("select pgvigil.register_host('web1', %s, '1.0')", timedelta(seconds=BEAT))[0][0]
        self.connection.execute(  # a series of which no sample came is known all the same
            "select pgvigil.record_inventory(%s, %s)",
            (
                self.host_id,
                Jsonb(
                    {
                        "cpu": [{"cpu_name": name, "cpu_core": 1} for name in RESOURCES["cpu_usage"]],
                        "memory": [
                            {"memory_name": name, "physical_memory": 1} for name in RESOURCES["memory_available_bytes"]
                        ],
                    }
                ),
            ),
        )
        self.connection.execute(
            "insert into pgvigil.threshold (metric, warning, critical, clear_band, hold, remind_every)"
            " values (%s, %s, %s, %s, %s, null)",
            (*self.rule[:4], timedelta(seconds=self.rule.hold)),
        )
        self.connection.execute(  # who has two rows gets each mail once
            "insert into pgvigil.recipient (address, metric, min_severity) values ('all@x.org', null, 'warning'),"
            " ('all@x.org', %s, 'critical'), ('worst@x.org', null, 'critical')", (self.rule.metric,)
        )  # fmt: skip

    def feed(self, statement, connection=None):
        """Store the samples of one statement; what is impossible is refused by name and changes nothing."""
        seconds, samples, impossible = statement
        self.clock += timedelta(seconds=seconds)
        if self._has_own_clock:
            assert self.query("select pgvigil.tick(%s)", self.clock)[0][0]
        if impossible:
            before = self.counts()
            with pytest.raises(psycopg.errors.CheckViolation) as refused:
                self.insert([*samples, (0, 1, impossible[0])])
            assert refused.value.diag.constraint_name.endswith(impossible[1])
            assert before == self.counts()
        self.insert(samples, connection)

    def insert(self, samples, connection=None):
        """Insert samples in one statement."""
        clock, stored = (", updated_at", ", %s") if self._has_own_clock else ("", "")
        rows, values = [], []
        for series, error, value in samples:
            rows.append(ROWS[self.rule.metric].format(clock=stored))
            at = self.clock + timedelta(seconds=error)
            values += [self.host_id, RESOURCES[self.rule.metric][series], at, value]
            values += [self.clock] * self._has_own_clock
        insert = INSERTS[self.rule.metric].format(clock=clock, rows=", ".join(rows))
        (connection or self.connection).execute(insert, values)

    def counts(self):
        """Count what a refused sample must not touch."""
        tables = ("cpu_log", "memory_log", "alert", "alert_event", "mail", "rule_error")
        counts = (f"(select count(*) from pgvigil.{table}) as {table}" for table in tables)
        return self.query("select " + ", ".join(counts))

    def end(self):
        """Let the time pass after which nothing flaps."""
        last = self.clock if self._has_own_clock else datetime.now(UTC)
        assert self.query("select pgvigil.tick(%s)", last + CALM)[0][0]

    def check(self):
        """Expect of each series what the backtest says of its stored samples."""
        for resource in RESOURCES[self.rule.metric]:
            limit = "pgvigil.limit_of('web1', %s, %s, %s, %s, %s)"
            played = self.query(
                f"select at, value, state, severity, event, mail from pgvigil.play('web1', %s, %s, {limit}, %s, %s)",
                self.rule.metric, resource, *self.rule[:3], timedelta(seconds=self.rule.hold), self.rule.clear_band,
                BASE - timedelta(days=1), BASE + timedelta(days=7),
            )  # fmt: skip
            tested = self.query(
                "select at, value, event, severity, mail"
                " from pgvigil.backtest('web1', %s, %s, %s, %s, %s, %s, %s, %s)",
                self.rule.metric, resource, *self.rule[1:3], timedelta(seconds=self.rule.hold), self.rule.clear_band,
                BASE - timedelta(days=1), BASE + timedelta(days=7),
            )  # fmt: skip
            assert [row[:2] + row[3:] for row in played if row.event or row.mail] == [
                (row.at, row.value, row.severity, row.event, row.mail) for row in tested
            ]
            self.check_series(resource, played)
        twice = "select 1 from pgvigil.mail group by alert_id, event, sampled_at, address having count(*) > 1"
        assert [] == self.query(twice)
        assert [] == self.query("select message from pgvigil.rule_error")
        assert [] == self.query("select error from pgvigil.upkeep where error is not null")

    def check_series(self, resource, played):
        """Compare state, events and mails of one series."""
        series = "from pgvigil.alert as a {} where a.resource = %s and a.metric = %s"
        key = (resource, self.rule.metric)
        state = self.query("select a.state " + series.format("") + " and a.resolved_at is null", *key)
        assert [(row.state,) for row in played[-1:] if row.state != "ok"] == state

        joined = series.format("inner join pgvigil.alert_event as e using (host_id, alert_id)")
        events = self.query(f"select e.at, e.value, e.severity, e.event {joined} order by e.event_id", *key)
        assert [(row.at, row.value, row.severity, row.event) for row in played if row.event] == events

        joined = series.format("inner join pgvigil.mail as m using (host_id, alert_id)")
        mails = self.query(f"select m.address, m.event {joined} order by m.mail_id", *key)
        expected = [row.mail for row in played if row.mail]
        assert expected == [row.event for row in mails if row.address == "all@x.org"]
        assert worst_only(played) == [row.event for row in mails if row.address == "worst@x.org"]


def worst_only(played):
    """Which mails reach who wants only what is or becomes critical, and then hears how it goes on."""
    mails, knows = [], False
    for row in played:
        if row.mail:
            is_news = row.mail in {"fired", "escalated", "flapping"}
            knows = (knows and row.mail != "fired") or (is_news and row.severity == "critical")
            mails += [row.mail] * knows
    return mails


RULE_AT_40 = Rule("cpu_usage", 40, 60, None, 0)
FROM_TWO_FUTURES = [(BEAT, [(0, 7200, 1.0)], None), (BEAT, [(0, 0, 1.0), (0, 3600, 40)], None)]


@settings(slow, max_examples=50)
@given(stream=streams())
@example(stream=(RULE_AT_40, FROM_TWO_FUTURES))
def test_live_events_and_mails_are_those_of_the_backtest(database_of_examples, stream):
    """Hours go by between the statements, tick() comes before each."""
    run(database_of_examples, stream, has_own_clock=True)


@settings(slow, max_examples=25)
@given(stream=streams())
def test_the_same_by_the_clock_of_the_server(database_of_examples, stream):
    """All samples are stored within a second; the times in them are the same."""
    run(database_of_examples, stream, has_own_clock=False)


def run(dsn, stream, *, has_own_clock):
    """Feed a stream and check what came of it."""
    live = Live(dsn, stream[0], has_own_clock=has_own_clock)
    with closing(live.connection):
        live.begin()
        for statement in stream[1]:
            live.feed(statement)
        live.end()
        live.check()


@pytest.fixture(scope="module")
def database_of_examples(postgres, template, clone):
    """Give one database to all examples."""
    with clone(postgres, template) as dsn:
        with psycopg.connect(dsn) as owner:  # within CALM of midnight tick() would pack a day that begin() is to forget
            owner.execute("update pgvigil.log_table set pack_after = null")
        yield dsn


RULE = Rule("cpu_usage", 80, 90, 5, 2 * BEAT)
UPS_AND_DOWNS = [50, 80, 80, 85, 91, 85, 84, 50, 95, 95, 95, 50, 80, 80, 80, 99, 50, 50, 90, 90, 90]


@pytest.mark.parametrize("broken_at", [2, 7, 13])
def test_a_server_that_crashes_loses_nothing(directory, broken_at):
    """The sample that was on its way at an immediate shutdown is sent again; all else is as if nothing had been."""
    with EmbeddedPostgres(directory) as server:
        migrate(server.dsn())
        live = Live(server.dsn(), RULE, has_own_clock=False)
        live.begin()
        for number, value in enumerate(UPS_AND_DOWNS):
            statement = (BEAT, [(0, 0, value)], None)
            if number == broken_at:
                with psycopg.connect(server.dsn()) as cut_off:
                    live.feed(statement, cut_off)
                    server.stop("immediate")
                    cut_off.close()
                live.connection.close()
                server.start()
                live.connect()
                live.insert(statement[1])
            else:
                live.feed(statement)
        live.end()
        live.check()
        seconds = live.query("select extract(epoch from at - %s)::integer, event from pgvigil.alert_event", BASE)
        live.connection.close()
    assert seconds == [
        (40, "fired"), (50, "escalated"), (70, "eased"), (80, "resolved"), (110, "fired"), (120, "resolved"),
        (150, "fired"), (160, "escalated"), (170, "resolved"), (210, "fired"),
    ]  # fmt: skip


class State(NamedTuple):
    """What is known of a series."""

    state: str
    severity: str | None = None
    pending_at: int | None = None
    judged_at: int | None = None
    event: str | None = None


def level(rule, value, less):
    """Name the worst limit that a value reaches, were the limits so much less."""
    for name in ("critical", "warning"):
        limit = getattr(rule, name)
        if limit is not None and rule.sign * value >= rule.sign * limit - less:
            return name
    return None


def model(state, rule, at, value):
    """Say what section 4 of the design says, row by row."""
    state = state._replace(event=None)
    if value is None or (state.judged_at is not None and at <= state.judged_at):
        return state
    had_gap = state.judged_at is not None and at - state.judged_at > GAP
    state = state._replace(judged_at=at)
    reached, held = level(rule, value, 0), level(rule, value, rule.band)
    if state.state == "firing":
        if held is None:
            changes = {"state": "ok", "pending_at": None, "event": "resolved"}
        elif (state.severity, reached) == ("warning", "critical"):
            changes = {"severity": "critical", "event": "escalated"}
        elif (state.severity, held) == ("critical", "warning"):
            changes = {"severity": "warning", "event": "eased"}
        else:
            changes = {}
        return state._replace(**changes)
    if reached is None:
        return State("ok", None, None, at)
    since = at if state.state == "ok" or had_gap else state.pending_at
    is_held = at - since >= rule.hold
    return State("firing" if is_held else "pending", reached, since, at, "fired" if is_held else None)


@st.composite
def steps(draw):
    """Make a state, a rule and a sample; the state may be of another rule: they are changed while alerts are open."""
    rule = draw(rules())
    name = draw(st.sampled_from(["ok", "pending", "firing"]))
    judged_at = draw(st.sampled_from([100, 110, 130])) if name != "ok" else draw(st.sampled_from([None, 100]))
    severity = None if name == "ok" else draw(st.sampled_from(["warning", "critical"]))
    pending_at = None if name == "ok" else judged_at - draw(st.sampled_from([0, 10, 25, 30]))
    at = draw(st.sampled_from([99, 100, 101, 110, 120, 130, 131, 140, 141, 160, 161, 500]))
    value = draw(st.one_of(st.none(), st.sampled_from(rule.edges()), st.floats(0, 100, width=32)))
    return State(name, severity, pending_at, judged_at), rule, at, value


@settings(slow, max_examples=80)
@given(cases=st.lists(steps(), min_size=20, max_size=40))
def test_next_state_is_the_table_of_the_design(database_of_examples, cases):
    """An independent reading of the table comes to the same state and event."""
    values, expected = [], []
    for state, rule, at, value in cases:
        direction = "below" if rule.sign < 0 else "above"
        values += [*state[:4], direction, rule.warning, rule.critical, rule.band, rule.hold, GAP, at, value]
        after = model(state, rule, at, value)
        expected.append(after._replace(severity=None) if after.state == "ok" else after)
    row = (
        "(%s::text, %s::text, to_timestamp(%s::int), to_timestamp(%s::int), %s::text, %s::float8, %s::float8,"
        " %s::float8, make_interval(secs => %s::int), make_interval(secs => %s::int), to_timestamp(%s::int),"
        " %s::float8)"
    )
    with psycopg.connect(database_of_examples) as connection:
        found = connection.execute(
            "select n.state, case when n.state <> 'ok' then n.severity end, extract(epoch from n.pending_at)::integer,"
            " extract(epoch from n.judged_at)::integer, n.event from (values "
            + ", ".join([row] * len(cases))
            + ") as c (a, b, c, d, e, f, g, h, i, j, at, value) cross join lateral pgvigil.next_state("
            "(a, b, c, d, null)::pgvigil.alert_state, (e, f, g, h, i, j)::pgvigil.alert_limit, at, value) as n",
            values,
        ).fetchall()
    assert expected == [State(*state) for state in found]
