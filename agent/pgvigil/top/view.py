"""A snapshot as a picture for a terminal of any size: hosts, open alerts, mails. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from pgvigil.top.cells import BADGES, UNKNOWN, age, badge, line, rate, spark
from pgvigil.wording import display_width, format_value, pad, shorten

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import Console, ConsoleOptions, RenderResult

    from pgvigil.top.snapshot import Row, Snapshot

_WIDE = 100
_LONGEST_SPARK = 24
_FIXED = 8 + 5 + 4 + 4 + 4 + 6 + 6 + 8  # status, age, three percentages, two rates, gaps
_HEADS = ("status", "host", "age", "cpu %", "mem %", "disk %", "recv/s", "sent/s")
_METRICS = {
    "cpu": "cpu_usage",
    "memory": "memory_usage",
    "disk": "disk_usage",
    "received": "received_bytes_per_second",
    "sent": "sent_bytes_per_second",
}
_NARROW = {"cpu", "memory", "received"}  # the sparklines that a narrow terminal has, too
_OTHER_LINES = 4  # title, head of the hosts, two rules


@dataclass(frozen=True, slots=True)
class View:
    """Draws the snapshot into `height` lines, else into the space rich assigns, else into half the terminal."""

    snapshot: Snapshot
    now: datetime
    notice: str = ""
    height: int | None = None

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
        yield _list([_alert(row, self.now) for row in snapshot.alerts[:alerts]], "none")
        yield _rule("newest mails")
        yield _list([_mail(row, self.now) for row in snapshot.mails[:mails]], "none yet")


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


def _list(rows: list[list[Text]], otherwise: str) -> Table | Text:
    """Lay rows out; their last cell takes what space is left."""
    if not rows:
        return line(otherwise, "dim")
    table = Table.grid(padding=(0, 1, 0, 0), expand=True)
    for _ in rows[0][1:]:
        table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, ratio=1)
    for row in rows:
        table.add_row(*row)
    return table


def _hosts(snapshot: Snapshot, shown: int, now: datetime, width: int) -> Table | Text:
    rows = snapshot.hosts[:shown]
    if not rows:
        return line("no host has registered yet", "dim")
    # Names get what they need, sparklines what is left.
    name = max(4, min(max(display_width(row.host_name) for row in rows), width // 5))
    disk = max(2, min(max(display_width(row.disk_name or "") for row in rows), width // 10))
    is_wide = width >= _WIDE
    space = max(0, min(_LONGEST_SPARK, (width - _FIXED - name - disk) // (5 if is_wide else 3)))
    table = Table.grid(padding=(0, 1, 0, 0))
    of_disk, of_sent = (1 + space, space) if is_wide else (0, 0)
    for column in (8, name, 5, 4 + space, 4 + space, 4 + disk + of_disk, 6 + space, 6 + of_sent):
        table.add_column(no_wrap=True, width=column)
    table.add_row(*(line(head, "dim") for head in _HEADS))
    firing = {(row.host_id, row.metric): row.severity for row in reversed(snapshot.alerts) if row.state == "firing"}
    for row in rows:
        age_style = BADGES["silent"] if row.status == "silent" else ""
        table.add_row(
            badge(row.status),
            line(shorten(row.host_name, name), "bold"),
            line(age(now - row.stored_at) if row.stored_at else "never", age_style),
            *(_cell(row, module, firing, disk, space if is_wide or module in _NARROW else 0) for module in _METRICS),
        )
    return table


def _cell(row: Row, module: str, firing: dict[tuple[int, str], str], disk: int, space: int) -> Text:
    """Write the newest value of a module, and its sparkline."""
    metric = _METRICS[module]
    is_rate = metric.endswith("_per_second")
    value = getattr(row, metric)
    text = line()
    # What a silent host said last is no news, and is not shown as such.
    style = BADGES.get(firing.get((row.host_id, metric), ""), "dim" if row.status == "silent" else "")
    percent = f"{UNKNOWN:>3}" if value is None else f"{value:3.0f}"
    text.append(rate(value) if is_rate else percent, style).append(" ")
    if module == "disk":
        text.append(pad(shorten(row.disk_name or "", disk), disk + 1), "dim")
    history = getattr(row, f"{module}_history", ()) if space else ()
    text.append(spark(history, space, None if is_rate else 100.0)).rstrip()
    return text


def _alert(row: Row, now: datetime) -> list[Text]:
    is_pending = row.state == "pending"
    limit = "" if row.limit_value is None else f"limit {format_value(row.limit_value, row.unit, exact=True)}"
    subject = f"{row.title} {row.resource}" + (" (shadow: nobody is mailed)" if row.is_shadow else "")
    value, peak = (format_value(value, row.unit) for value in (row.value, row.peak_value))
    cells = [
        line(text, "dim" if is_pending else "")
        for text in (row.host_name, value, limit, f"peak {peak}", age(now - row.since), subject)
    ]
    if not is_pending:
        cells[1].style = "bold"
    return [line("pending", "dim") if is_pending else badge(row.severity), *cells]


def _mail(row: Row, now: datetime) -> list[Text]:
    subject = row.reason or f"{row.title} {row.resource}"
    if row.state == "waiting" and row.attempts:
        wait = round((row.due_at - now).total_seconds())
        subject = f"attempt {row.attempts + 1} {f'in {wait} s' if wait > 0 else 'now'}: {subject}"
    texts = (age(now - row.at), row.event, row.host_name, shorten(row.address, 24), subject)
    return [badge(row.state), *map(line, texts)]
