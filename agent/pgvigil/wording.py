"""Numbers, durations and hostile names as people read them; pure functions. No I/O."""

from __future__ import annotations

import math
import re
import unicodedata
from types import MappingProxyType

# Control characters (a terminal obeys them, a mail header ends at them), line separators, half surrogates
# (not encodable), and the marks that turn the reading direction: a name must not disguise the text beside it.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")

NO_BREAK = "\N{NO-BREAK SPACE}"  # holds a number and its unit on one line; a text mail ends up with plain blanks

_DURATION_WORDS = MappingProxyType(
    {"en": tuple(f"{NO_BREAK}{word}" for word in ("d", "h", "min", "s")), "ko": ("일", "시간", "분", "초")}
)
_DURATION_SECONDS = (86_400, 3_600, 60, 1)
_SIZES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_KIBI = 1024
_HANGUL_FINALS = 28  # of each pair of initial and vowel as many syllables, by their final consonant
_RIEUL = 8
_DIGIT_FINALS = MappingProxyType(
    {"0": 21, "1": _RIEUL, "2": 0, "3": 16, "4": 0, "5": 0, "6": 1, "7": _RIEUL, "8": _RIEUL, "9": 0}
)
_FIRST_WIDE = "\u1100"
_MINUTE = 60
_TOO_LONG_TO_READ = 1e15


def one_line(text: str) -> str:
    """Return the text without control characters, every run of blanks as one."""
    return " ".join(_UNSAFE.sub(" ", text).split())


def clean_lines(text: str) -> list[str]:
    """Return the lines of a longer text without control characters; indentation stays."""
    return [_UNSAFE.sub(" ", line).rstrip() for line in text.strip().expandtabs(4).splitlines()]


def shorten(text: str, length: int) -> str:
    """Cut the middle out of what is too long: the end of a path says as much as its start."""
    if len(text) <= length:
        return text
    head = length // 2
    return f"{text[:head]}…{text[len(text) - (length - head - 1) :]}"


def quote_literal(text: str) -> str:
    """Quote for SQL with standard_conforming_strings, where only the quote itself is special."""
    return "'" + text.replace("'", "''") + "'"


def particle(word: str, pair: str) -> str:
    """Append the Korean particle that fits the last sound: `이/가`, `은/는`, `을/를`, `으로/로`.

    Where the sound is not known, as after Latin letters, both are written the usual way: 이(가).
    """
    with_final, without = pair.split("/")
    last = next((sign for sign in reversed(word) if sign.isalnum()), "")
    if "가" <= last <= "힣":
        final = (ord(last) - ord("가")) % _HANGUL_FINALS
    elif last in _DIGIT_FINALS:
        final = _DIGIT_FINALS[last]
    else:
        return f"{word}{with_final}({without})"
    is_open = final == 0 or (final == _RIEUL and with_final == "으로")
    return word + (without if is_open else with_final)


def display_width(text: str) -> int:
    """Count the columns of a terminal; Hangul and emoji take two."""
    if max(text, default="") < _FIRST_WIDE:
        return len(text)
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def pad(text: str, width: int) -> str:
    """Fill with blanks up to so many columns."""
    return text + " " * (width - display_width(text))


def wrap(text: str, width: int, indent: int = 0) -> str:
    """Break between words; a word that is too long stays whole, so that a link can be clicked."""
    margin = "\n" + " " * indent
    room = width - indent
    if display_width(text) <= room:
        return text
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".lstrip()
        if display_width(longer) <= room or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return margin.join(lines)


def format_duration(seconds: float, language: str = "en") -> str:
    """Write the two largest units: 7 min 12 s."""
    words = _DURATION_WORDS.get(language, _DURATION_WORDS["en"])
    if not math.isfinite(seconds):
        return "?"
    if 0 < seconds < 1:
        return f"{seconds:.2g}{words[-1]}"
    rest = max(0, round(seconds))
    parts: list[str] = []
    for size, word in zip(_DURATION_SECONDS, words, strict=True):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{word}")
        if len(parts) == 2 or (parts and not rest):  # noqa: PLR2004 - two units tell enough
            break
    return NO_BREAK.join(parts) or f"0{words[-1]}"


def format_value(value: float, unit: str, *, exact: bool = False, language: str = "en") -> str:
    """Write a measured value with one decimal, or a limit exactly as somebody typed it."""
    if not math.isfinite(value):
        return "?"
    if unit == "seconds" and value >= _MINUTE:
        return format_duration(value, language)
    number, suffix = _scale(value, unit)
    if language == "ko":
        suffix = suffix.replace(f"{NO_BREAK}%", "%").replace(f"{NO_BREAK}s", "초")
    if abs(number) >= _TOO_LONG_TO_READ:
        return f"{number:.3g}{suffix}"
    if exact or unit == "count":
        return f"{number:,.4f}".rstrip("0").rstrip(".") + suffix
    decimals = {"load": 2}.get(unit, 0 if suffix in {f"{NO_BREAK}B", f"{NO_BREAK}B/s"} else 1)  # no half bytes
    return f"{number:,.{decimals}f}{suffix}"


def _scale(value: float, unit: str) -> tuple[float, str]:
    if unit in {"bytes", "bytes_per_second"}:
        step = 0
        while abs(value) >= _KIBI - 0.05 and step < len(_SIZES) - 1:  # 1023.96 must not be written as 1024.0
            value, step = value / _KIBI, step + 1
        return value, f"{NO_BREAK}{_SIZES[step]}" + ("/s" if unit.endswith("second") else "")
    known = {"percent": f"{NO_BREAK}%", "per_second": "/s", "seconds": f"{NO_BREAK}s", "load": "", "count": ""}
    return value, known.get(unit, f"{NO_BREAK}{one_line(unit)}".rstrip())
