"""The single cells of the view: a word with its colour, an age, a rate, a sparkline. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from pgvigil.chart import draw_chart
from pgvigil.wording import NO_BREAK, format_value

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

# The colours of Okabe and Ito, which colour-blind people can tell apart; and nothing is told by colour alone.
_BLUE, _SKY, _GREEN, _YELLOW, _RED, _GREY = "#0072B2", "#56B4E9", "#009E73", "#F0E442", "#D55E00", "#999999"
BADGES = dict.fromkeys(("critical", "failed"), f"#000000 on {_RED}") | dict.fromkeys(("ok", "sent"), _GREEN)
BADGES |= {"warning": f"#000000 on {_YELLOW}", "silent": f"#FFFFFF on {_BLUE}", "waiting": "bold"}
_HEAT = dict(zip("▁▂▃▄▅▆▇█", (_SKY, _SKY, _SKY, _SKY, _SKY, _YELLOW, _YELLOW, _RED), strict=True))
_HEAT_OF_RATE = dict.fromkeys(_HEAT, _GREY)  # its scale is its own peak: a full column says nothing bad
_AGES = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))
UNKNOWN = "\N{EN DASH}"


def line(text: str = "", style: str = "") -> Text:
    """Make a text of one line; it is cut where the space ends, and its [brackets] mean nothing."""
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def badge(word: str) -> Text:
    """Write a word in its colour; what needs nobody's attention is not filled."""
    return line(word if word in {"ok", "sent", "waiting"} else f"{word:<8}", BADGES.get(word, "bold"))


def age(past: timedelta) -> str:
    """Write the largest unit: 12m."""
    seconds = max(0, int(past.total_seconds()))
    return next((f"{seconds // size}{letter}" for size, letter in _AGES if seconds >= size), "0s")


def rate(value: float | None) -> str:
    """Write 1.2 MiB/s as 1.2M, in five columns."""
    if value is None:
        return f"{UNKNOWN:>5}"
    number, _, unit = format_value(value, "bytes_per_second").partition(NO_BREAK)
    if len(number) > 4:  # noqa: PLR2004 - five columns less the unit
        number = number.partition(".")[0].replace(",", "")
    return f"{number + unit[:1]:>5}"


def spark(history: Sequence[float | None], width: int, limit: float | None) -> Text:
    """Draw a history into so many columns; of values that share a column the highest is kept."""
    size = len(history)
    count = min(width, size)
    parts = (history[column * size // count : (column + 1) * size // count] for column in range(count))
    peaks = [max((value for value in part if value is not None), default=None) for part in parts]
    chart = draw_chart(peaks, limit, below=False)
    heat = _HEAT if limit else _HEAT_OF_RATE
    text = line()
    for sign in chart.spark if chart else "":
        text.append(sign, heat.get(sign, "dim"))
    text.pad_left(width - count if chart else width)
    return text
