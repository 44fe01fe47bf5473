"""A snapshot as a picture for a terminal of any size: hosts, open alerts, mails. No I/O.

Nothing is told by colour alone, and the colours are those of Okabe and Ito, which colour-blind people can tell apart.
Every text is a rich Text, in which [red] is five characters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from pgvigil.chart import draw_chart
from pgvigil.wording import NO_BREAK, display_width, format_value, shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from rich.console import Console, ConsoleOptions, RenderResult

    from pgvigil.top.snapshot import AlertRow, HostRow, MailRow, Snapshot

_BLUE, _SKY, _GREEN, _YELLOW, _RED = "#0072B2", "#56B4E9", "#009E73", "#F0E442", "#D55E00"
_BADGES = {
    "critical": f"bold black on {_RED}",
    "failed": f"bold black on {_RED}",
    "warning": f"bold black on {_YELLOW}",
    "waiting": f"bold black on {_YELLOW}",
    "silent": f"bold white on {_BLUE}",
    "ok": _GREEN,
    "sent": _GREEN,
}
_HEAT = dict(zip("▁▂▃▄▅▆▇█", (_SKY, _SKY, _SKY, _SKY, _SKY, _YELLOW, _YELLOW, _RED), strict=True))
_WIDE = 100
_AGES = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))
_FIXED_COLUMNS = 8 + 5 + 4 + 4 + 4 + 6 + 6 + 7  # badge, age, three percentages, two rates, gaps
_OTHER_LINES = 4  # title, head of the hosts, two rules


def render(snapshot: Snapshot, *, now: datetime, notice: str = "", height: int | None = None) -> View:
    """Draw the snapshot into the space there is, or into so many lines; `now` is by the server's clock."""
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
            yield _line(self.notice, _BADGES["warning"])
        yield _hosts(snapshot, hosts, self.now, width)
        yield _rule("open alerts", alerts, lines[1], snapshot.totals.firing + snapshot.totals.pending)
        yield _list((_alert(row, self.now) for row in snapshot.alerts[:alerts]), "none")
        yield _rule("mails", mails, lines[2], lines[2])
        yield _list((_mail(row, self.now) for row in snapshot.mails[:mails]), "none yet")


def _share(space: int, wanted: tuple[int, int, int]) -> tuple[int, int, int]:
    """Divide the lines: mails get a fifth, alerts a third, hosts the rest; what one leaves over the others get."""
    hosts, alerts, mails = (max(1, lines) for lines in wanted)
    few_mails, few_alerts = min(mails, max(1, space // 5)), min(alerts, max(1, space // 3))
    hosts = max(1, min(hosts, space - few_alerts - few_mails))
    alerts = max(1, min(alerts, space - hosts - few_mails))
    return hosts, alerts, max(1, min(mails, space - hosts - alerts))


def _line(text: str = "", style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _title(snapshot: Snapshot, now: datetime, width: int, shown: int) -> Text:
    totals = snapshot.totals
    title = _line().append(" pgvigil ", "bold reverse")
    title.append(f"  {totals.hosts:,} host{'' if totals.hosts == 1 else 's'}", "bold")
    for count, word in ((totals.critical, "critical"), (totals.warning, "warning"), (totals.silent, "silent")):
        if count:
            title.append("  ").append(f" {count:,} {word} ", _BADGES[word])
    hidden = totals.hosts - shown
    if hidden > 0:
        title.append(f"  and {hidden:,} more" if shown else "")
    clock = f"{now.astimezone():%H:%M:%S}"
    title.pad_right(max(1, width - title.cell_len - len(clock)))
    return title.append(clock)


def _rule(name: str, shown: int, read: int, there: int) -> Rule:
    more = there - min(shown, read)
    title = Text(name, "bold").append(f"  and {more:,} more" if more else "", "not bold")
    return Rule(title, align="left", style="dim")


def _list(rows: Iterable[Sequence[Text]], otherwise: str) -> Table | Text:
    """Lay rows out; their last cell takes what space is left."""
    table = Table.grid(padding=(0, 1, 0, 0), expand=True)
    for row in rows:
        while len(table.columns) < len(row):
            is_last = len(table.columns) == len(row) - 1
            table.add_column(no_wrap=True, ratio=1 if is_last else None)
        table.add_row(*row)
    return table if table.row_count else _line(otherwise, "dim")


def _hosts(snapshot: Snapshot, shown: int, now: datetime, width: int) -> Table | Text:
    """Lay the hosts out: names get what they need, sparklines what is left."""
    rows = snapshot.hosts[:shown]
    if not rows:
        return _line("no host has registered yet", "dim")
    name = min(max(display_width(row.host_name) for row in rows), width // 5)
    disk = min(max(display_width(row.disk_name or "") for row in rows), width // 10)
    is_wide = width >= _WIDE
    spark = max(0, min(_LONGEST_SPARK, (width - _FIXED - name - disk) // (5 if is_wide else 3)))
    firing = {(row.host_id, row.metric): row.severity for row in snapshot.alerts if row.state == "firing"}
    table = Table.grid(padding=(0, 1, 0, 0))
    heads = ("status", "host", "age", "cpu %", "memory %", "fullest disk %", "received/s", "sent/s")
    for head in heads:
        table.add_column(no_wrap=True)
    table.add_row(*(_line(head, "dim") for head in heads))
    for row in rows:
        table.add_row(*_host_cells(row, now, (name, disk, spark, is_wide), firing))
    return table


def _host_cells(row: HostRow, now: datetime, widths, firing: dict[tuple[int, str], str]) -> list[Text]:
    return []
