"""Make figures that PostgreSQL takes: finite, never negative, shares within 0 to 100, names in UTF-8."""

from __future__ import annotations

import math

_BIGINT_MAX = 2**63 - 1
_COUNTER_MAX = 2**64 - 1


def percent(part: float, whole: float) -> float | None:
    """Return part of whole in percent, None where there is no whole to take a share of."""
    if not whole > 0:
        return None
    share = 100.0 * (part / whole)
    return None if math.isnan(share) else round(min(100.0, max(0.0, share)), 2)


def per_second(delta: float, elapsed: float) -> float | None:
    """Return a rate, None where no time went by, or a counter stepped back or further than one can count."""
    if not elapsed > 0 or not delta >= 0:
        return None
    rate = delta / elapsed
    return round(rate, 1) if rate <= _COUNTER_MAX else None


def whole_bytes(count: int) -> int:
    """Return a byte count that fits a bigint; some FUSE file systems claim 2^64 blocks."""
    return min(_BIGINT_MAX, max(0, count))


def printable(name: str) -> str:
    """Return the name as valid UTF-8: the kernel allows any byte in it, PostgreSQL does not."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
