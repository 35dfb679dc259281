"""Plain text for a terminal: nothing in it obeys a control character, nothing is too wide."""

from collections.abc import Sequence
from datetime import datetime
from textwrap import wrap
from typing import Final

from voiced.ops.log import CONTROLS

WIDTH: Final = 100
"""Columns of a terminal that a table or a timeline keeps to."""

ELLIPSIS: Final = "…"
_GAP: Final = "  "
_NARROWEST: Final = 6

# What turns the direction of writing around can make one number look like another.
_BIDI: Final = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_ESCAPES: Final = {**CONTROLS, **{code: f"\\u{code:04x}" for code in _BIDI}}


def shown(value: object) -> str:
    """The value as a text without control characters: they come out as `\\x1b`."""
    return str(value).translate(_ESCAPES)


def cut(text: str, width: int) -> str:
    """The text, or as much of its beginning as fits."""
    return text if len(text) <= width else text[: max(width - 1, 0)] + ELLIPSIS


def paragraph(first: str, text: str, width: int = WIDTH) -> list[str]:
    """The text behind `first`, wrapped; what does not fit stands below, as far in."""
    lines = wrap(shown(text), max(width - len(first), 20)) or [""]
    return [
        (first if number == 0 else " " * len(first)) + line for number, line in enumerate(lines)
    ]


def table(header: Sequence[str], rows: Sequence[Sequence[object]], width: int = WIDTH) -> list[str]:
    """The rows below the header, in columns.

    Where the line would be too long, the widest columns but the first are cut.
    """
    cells = [list(header), *([shown(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    room = width - len(_GAP) * (len(widths) - 1)
    while sum(widths) > room:
        widest = max(range(1, len(widths)), key=lambda column: widths[column])
        if widths[widest] <= _NARROWEST:
            break
        widths[widest] -= 1
    return [
        _GAP.join(
            cut(cell, wide).ljust(wide) for cell, wide in zip(row, widths, strict=True)
        ).rstrip()
        for row in cells
    ]


def clock(seconds: float) -> str:
    """A moment of a call: `mm:ss.s`."""
    tenths = round(max(seconds, 0.0) * 10)
    return f"{tenths // 600:02d}:{tenths // 10 % 60:02d}.{tenths % 10}"


def day_and_time(at: datetime | None, now: datetime) -> str:
    """When something was, in the zone of `now`: `14:05` on its day, `11-20 14:05` on another; `-`
    where that is not known."""
    if at is None:
        return "-"
    there = at.astimezone(now.tzinfo)
    return there.strftime("%H:%M" if there.date() == now.date() else "%m-%d %H:%M")


def length(seconds: float | None) -> str:
    """How long something took: `m:ss`, or `h:mm:ss`; `-` where that is not known."""
    if seconds is None:
        return "-"
    whole = round(max(seconds, 0.0))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def pairs(values: "dict[str, object]") -> str:
    """`name=value name=value`; a text with a space in it stands in quotes."""
    return " ".join(f"{shown(name)}={_value(value)}" for name, value in values.items())


def _value(value: object) -> str:
    text = shown("-" if value is None else value)
    return f'"{text}"' if " " in text or not text else text
