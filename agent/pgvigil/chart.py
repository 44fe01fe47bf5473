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
    shares = [None if value is None else _share(value, low, high) for value in columns]
    line = _HEIGHT if limit is None else round(_share(limit, low, high) * _HEIGHT)
    breaches = [
        value is not None and limit is not None and (value <= limit if below else value >= limit) for value in columns
    ]
    return Chart(
        spark="".join(_GAP if share is None else _BLOCKS[round(share * (len(_BLOCKS) - 1))] for share in shares),
        marks="".join("^" if breach else " " for breach in breaches).rstrip(),
        minimum=min(values),
        maximum=max(values),
        bars=tuple(_bar(share, line, is_hit) for share, is_hit in zip(shares, breaches, strict=True)),
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


def _share(value: float, low: float, high: float) -> float:
    # Halves, because the distance between two finite numbers may be infinite.
    span = high / 2 - low / 2
    return (value / 2 - low / 2) / span if span > 0 else 0.0


def _bar(share: float | None, line: int, breach: bool) -> Bar:  # noqa: FBT001 - from zip
    if share is None:
        return Bar(over=0, under=0, known=False, breach=False)
    height = max(1, round(share * _HEIGHT))
    return Bar(over=max(0, height - line), under=min(height, line), known=True, breach=breach)
