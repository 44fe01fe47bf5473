"""A snapshot as a picture for a terminal of any size: hosts, open alerts, mails. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from pgvigil.top.cells import BADGES, UNKNOWN, age, badge, line, rate, spark
from pgvigil.wording import display_width, format_value, shorten

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from rich.console import Console, ConsoleOptions, RenderResult

    from pgvigil.top.snapshot import AlertRow, HostRow, MailRow, Snapshot

    _Firing = dict[tuple[int, str], str]
    _History = Sequence[float | None]

_WIDE = 100
_LONGEST_SPARK = 24
_FIXED = 8 + 5 + 4 + 4 + 4 + 6 + 6 + 8  # status, age, three percentages, two rates, gaps
_RECEIVED, _SENT = "received_bytes_per_second", "sent_bytes_per_second"
_HEADS = ("status", "host", "age", "cpu %", "mem %", "disk %", "recv/s", "sent/s")
_OTHER_LINES = 4  # title, head of the hosts, two rules


def render(snapshot: Snapshot, *, now: datetime, notice: str = "", height: int | None = None) -> View:
    """Draw the snapshot into `height` lines, else into the space rich assigns, else into half the terminal."""
    return View(snapshot, now, notice, height)


@dataclass(frozen=True, slots=True)
class View:
    """What rich asks for its lines once it knows the space."""

    snapshot: Snapshot
    now: datetime
    notice: str
    height: int | None

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the title, the notice if there is one, and the three sections."""
        snapshot, width = self.snapshot, options.max_width
        height = self.height or options.height or options.max_height // 2
        lines = (len(snapshot.hosts), len(snapshot.alerts), len(snapshot.mails))
        hosts, alerts, mails = _share(height - _OTHER_LINES - bool(self.notice), lines)
        yield _title(snapshot, self.now, width, min(hosts, lines[0]))
        if self.notice:
            yield line(self.notice, BADGES["warning"])
        yield _hosts(snapshot, hosts, self.now, width)
        yield _rule("open alerts", snapshot.totals.firing + snapshot.totals.pending - min(alerts, lines[1]))
        yield _list((_alert(row, self.now) for row in snapshot.alerts[:alerts]), "none")
        yield _rule("newest mails")
        yield _list((_mail(row, self.now) for row in snapshot.mails[:mails]), "none yet")


def _share(space: int, wanted: tuple[int, int, int]) -> tuple[int, int, int]:
    """Divide the lines: a fifth for mails, a third for alerts; what one leaves over goes to the others."""
    hosts, alerts, mails = (max(1, lines) for lines in wanted)
    few_mails, few_alerts = min(mails, max(1, space // 5)), min(alerts, max(1, space // 3))
    hosts = max(1, min(hosts, space - few_alerts - few_mails))
    alerts = max(1, min(alerts, space - hosts - few_mails))
    return hosts, alerts, max(1, min(mails, space - hosts - alerts))


def _title(snapshot: Snapshot, now: datetime, width: int, shown: int) -> Text:
    totals = snapshot.totals
    title = line().append(" pgvigil ", "bold reverse")
    title.append(f"  {totals.hosts:,} host{'' if totals.hosts == 1 else 's'}", "bold")
    for word in ("critical", "warning", "silent"):
        count = getattr(totals, word)
        if count:
            title.append("  ").append(f" {count:,} {word} ", BADGES[word])
    if shown < totals.hosts:
        title.append(f"  worst {shown:,} shown")
    clock = f"{now.astimezone():%H:%M:%S}"
    title.pad_right(max(1, width - title.cell_len - len(clock)))
    return title.append(clock)


def _rule(name: str, hidden: int = 0) -> Rule:
    title = Text(name, "bold").append(f"  and {hidden:,} more" if hidden else "", "not bold")
    return Rule(title, align="left", style="dim")


def _list(rows: Iterable[Sequence[Text]], otherwise: str) -> Table | Text:
    """Lay rows out; their last cell takes what space is left."""
    table = Table.grid(padding=(0, 1, 0, 0), expand=True)
    for row in rows:
        while len(table.columns) < len(row):
            is_last = len(table.columns) == len(row) - 1
            table.add_column(no_wrap=True, ratio=1 if is_last else None)
        table.add_row(*row)
    return table if table.row_count else line(otherwise, "dim")


@dataclass(frozen=True, slots=True)
class _Columns:
    """The widths of what differs: names get what they need, sparklines what is left."""

    name: int
    disk: int
    spark: int
    is_wide: bool

    @classmethod
    def fit(cls, rows: Sequence[HostRow], width: int) -> _Columns:
        name = max(4, min(max(display_width(row.host_name) for row in rows), width // 5))
        disk = max(2, min(max(display_width(row.disk_name or "") for row in rows), width // 10))
        is_wide = width >= _WIDE
        spark = (width - _FIXED - name - disk) // (5 if is_wide else 3)
        return cls(name, disk, max(0, min(_LONGEST_SPARK, spark)), is_wide)

    @property
    def widths(self) -> tuple[int, ...]:
        percent, rate, extra = 4 + self.spark, 6 + self.spark, 1 + self.spark if self.is_wide else 0
        return 8, self.name, 5, percent, percent, 4 + self.disk + extra, rate, rate if self.is_wide else 6


def _hosts(snapshot: Snapshot, shown: int, now: datetime, width: int) -> Table | Text:
    rows = snapshot.hosts[:shown]
    if not rows:
        return line("no host has registered yet", "dim")
    columns = _Columns.fit(rows, width)
    worst_last = reversed(snapshot.alerts)
    firing = {(row.host_id, row.metric): row.severity for row in worst_last if row.state == "firing"}
    table = Table.grid(padding=(0, 1, 0, 0))
    for column_width in columns.widths:
        table.add_column(no_wrap=True, width=column_width)
    table.add_row(*(line(head, "dim") for head in _HEADS))
    for row in rows:
        table.add_row(*_host(row, now, columns, firing))
    return table


def _host(row: HostRow, now: datetime, columns: _Columns, firing: _Firing) -> list[Text]:
    def cell(metric: str, value: str, history: _History, limit: float | None, name: str = "") -> Text:
        # What a silent host said last is no news, and is not shown as such.
        style = BADGES.get(firing.get((row.host_id, metric), ""), "dim" if row.status == "silent" else "")
        text = line().append(value, style).append(" ").append(name, "dim")
        text.append(spark(history, columns.spark, limit)).rstrip()
        return text

    def percent(metric: str, value: float | None, history: _History, name: str = "") -> Text:
        return cell(metric, f"{UNKNOWN:>3}" if value is None else f"{value:3.0f}", history, 100.0, name)

    disk = shorten(row.disk_name or "", columns.disk)
    disk += " " * (columns.disk + 1 - display_width(disk))
    return [
        badge(row.status),
        line(shorten(row.host_name, columns.name), "bold"),
        line(
            age(now - row.stored_at) if row.stored_at else "never", BADGES["silent"] if row.status == "silent" else ""
        ),
        percent("cpu_usage", row.cpu_usage, row.cpu_history),
        percent("memory_usage", row.memory_usage, row.memory_history),
        percent("disk_usage", row.disk_usage, row.disk_history if columns.is_wide else (), disk),
        cell(_RECEIVED, rate(row.received_bytes_per_second), row.received_history, None),
        cell(_SENT, rate(row.sent_bytes_per_second), row.sent_history if columns.is_wide else (), None),
    ]


def _alert(row: AlertRow, now: datetime) -> list[Text]:
    limit = "" if row.limit_value is None else f"limit {format_value(row.limit_value, row.unit, exact=True)}"
    subject = f"{row.title} {row.resource}" + (" (shadow: nobody is mailed)" if row.is_shadow else "")
    cells = [
        line(row.host_name),
        line(format_value(row.value, row.unit), "bold"),
        line(limit),
        line(f"peak {format_value(row.peak_value, row.unit)}"),
        line(age(now - row.since)),
        line(subject),
    ]
    if row.state == "pending":
        for cell in cells:
            cell.stylize("dim not bold")
    return [line("pending", "dim") if row.state == "pending" else badge(row.severity), *cells]


def _mail(row: MailRow, now: datetime) -> list[Text]:
    subject = row.reason or f"{row.title} {row.resource}"
    if row.state == "waiting" and row.attempts:
        wait = round((row.due_at - now).total_seconds())
        subject = f"attempt {row.attempts + 1} {f'in {wait} s' if wait > 0 else 'now'}: {subject}"
    return [
        badge(row.state),
        line(age(now - row.at)),
        line(row.event),
        line(row.host_name),
        line(shorten(row.address, 24)),
        line(subject),
    ]
