"""The last hour of a metric as block characters and as bars; pure functions. No I/O."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_BLOCKS = "▁▂▃▄▅▆▇█"
_GAP = "·"
_MOST_COLUMNS = 60
_HEIGHT = 72


@dataclass(frozen=True, slots=True)
class Bar:
    """One column in pixels, cut in two at the limit: `over` stands above the line, `under` below it."""

    over: int
    under: int
    known: bool
    breach: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """What a template needs to draw the trend as text (spark, marks) or as a table (bars)."""

    spark: str
    marks: str
    minimum: float
    maximum: float
    bars: tuple[Bar, ...]
    over_height: int
    under_height: int


def draw_chart(history: Sequence[float | None], limit: float | None, *, below: bool) -> Chart | None:
    """Draw the history from nought (or the lowest value) to the highest of values and limit."""
    columns = _merge([_finite(value) for value in history], below=below)
    values = [value for value in columns if value is not None]
    if not values:
        return None
    limit = _finite(limit)
    ends = [*values, 0.0] if limit is None else [*values, 0.0, limit]
    low, high = min(ends), max(ends)
    breaches = [_breaks(value, limit, below=below) for value in columns]
    line = _HEIGHT if limit is None else _height(limit, low, high)
    return Chart(
        spark="".join(_block(value, low, high) for value in columns),
        marks="".join("^" if breach else " " for breach in breaches).rstrip(),
        minimum=min(values),
        maximum=max(values),
        bars=tuple(_bar(*pair, low=low, high=high, line=line) for pair in zip(columns, breaches, strict=True)),
        over_height=_HEIGHT - line,
        under_height=line,
    )


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _merge(values: list[float | None], *, below: bool) -> list[float | None]:
    """Join neighbours until the line fits; of neighbours the worse is kept, a peak must not vanish."""
    size = math.ceil(len(values) / _MOST_COLUMNS) or 1
    worse = min if below else max
    groups = (values[start : start + size] for start in range(0, len(values), size))
    return [worse((v for v in group if v is not None), default=None) for group in groups]


def _breaks(value: float | None, limit: float | None, *, below: bool) -> bool:
    if value is None or limit is None:
        return False
    return value <= limit if below else value >= limit


def _share(value: float, low: float, high: float) -> float:
    # Halves, because the distance between two finite numbers may be infinite.
    span = high / 2 - low / 2
    return (value / 2 - low / 2) / span if span > 0 else 0.0


def _block(value: float | None, low: float, high: float) -> str:
    if value is None:
        return _GAP
    return _BLOCKS[round(_share(value, low, high) * (len(_BLOCKS) - 1))]


def _height(value: float, low: float, high: float) -> int:
    return round(_share(value, low, high) * _HEIGHT)


def _bar(value: float | None, breach: bool, *, low: float, high: float, line: int) -> Bar:  # noqa: FBT001 - from zip
    if value is None:
        return Bar(over=0, under=0, known=False, breach=False)
    height = max(1, _height(value, low, high))
    return Bar(over=max(0, height - line), under=min(height, line), known=True, breach=breach)
