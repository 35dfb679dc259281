"""A call's timeline in plain text.

One line per turn with the stages of its answer as a bar, all bars on one scale, and below it who
said what. Events and engine failures stand where they happened.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, tzinfo
from typing import Final

from attrs import frozen

from voiced.client.model import Call, Failure, Happening, Learnt, Timeline, Turn
from voiced.client.text import clock, cut, length, pairs, paragraph, shown

STAGES: Final[Mapping[str, tuple[str, str]]] = {
    "turn_ended": ("e", "end of turn"),
    "asked": ("w", "last words"),
    "first_token": ("t", "first token"),
    "first_audio": ("a", "first audio"),
    "first_frame": ("f", "first frame"),
}
"""The stages of an answer in their order: the letter that draws one, and what it is called."""

LONGEST_BAR: Final = 40
INTERRUPTED: Final = "—"
_STEPS_MS: Final = (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000)
_COLUMN: Final = " " * 9


@frozen
class Scale:
    """What one letter of a bar stands for, in milliseconds."""

    step_ms: int

    @classmethod
    def of(cls, turns: tuple[Turn, ...]) -> "Scale":
        """The finest scale on which the longest answer still fits."""
        longest = max((_total_ms(turn) for turn in turns), default=0.0)
        fits = (step for step in _STEPS_MS if longest <= step * LONGEST_BAR)
        return cls(next(fits, _STEPS_MS[-1]))

    def bar(self, turn: Turn) -> str:
        """The stages behind each other. Where each ends is rounded, not how long it is, so that
        no error adds up.
        """
        drawn, passed_ms = "", 0.0
        for stage, (letter, _) in STAGES.items():
            passed_ms += max(turn.stages_ms.get(stage, 0.0), 0.0)
            drawn += letter * (min(round(passed_ms / self.step_ms), LONGEST_BAR) - len(drawn))
        return drawn

    def legend(self) -> str:
        letters = "  ".join(f"{letter} {name}" for letter, name in STAGES.values())
        return f"a letter is {self.step_ms} ms:  {letters}"


def drawing(timeline: Timeline, zone: tzinfo | None = None) -> list[str]:
    """The whole call; times of day are in `zone`, by default the machine's own."""
    scale = Scale.of(timeline.turns)
    lines = [*_head(timeline.call, zone), ""]
    body = [line for _, part in _in_order(timeline, scale) for line in part]
    if any(scale.bar(turn) for turn in timeline.turns):
        body += ["", scale.legend()]
    lines += body or ["nothing has happened yet"]
    if timeline.learnt:
        lines += ["", *_learnt(timeline.learnt)]
    if timeline.call.summary:
        lines += ["", "summary", *_list(timeline.call.summary)]
    return lines


def _head(call: Call, zone: tzinfo | None) -> Iterator[str]:
    yield shown(call.sid)
    status = f"{call.status}: {call.reason}" if call.reason else call.status
    yield shown(f"{call.direction}, {status}, agent {call.agent}")
    yield shown(f"{call.caller or 'withheld'} -> {call.called}")
    parts = [] if call.started_at is None else [_time_of_day(call.started_at, zone)]
    parts += [] if call.duration_s is None else [f"length {length(call.duration_s)}"]
    parts += [f"{call.turns} turns", *(["recorded"] if call.recording else [])]
    yield ", ".join(parts)
    if call.variables:
        yield from paragraph("variables: ", pairs(dict(call.variables)))


def _time_of_day(at: datetime, zone: tzinfo | None) -> str:
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %z")


def _in_order(timeline: Timeline, scale: Scale) -> list[tuple[float, list[str]]]:
    """The parts by their time. A turn that was never audible stands behind the one before it."""
    parts: list[tuple[float, list[str]]] = []
    latest = 0.0
    for turn in timeline.turns:
        latest = max(latest, turn.at_s if turn.at_s is not None else latest)
        parts.append((latest, _turn(turn, scale)))
    began = timeline.call.started_at
    for event in timeline.events:
        at_s = _since(event.at, began)
        parts.append((at_s, _event(at_s, event)))
    for failure in timeline.failures:
        at_s = _since(failure.at, began)
        parts.append((at_s, _failure(at_s, failure)))
    return sorted(parts, key=lambda part: part[0])


def _turn(turn: Turn, scale: Scale) -> list[str]:
    time = "   -   " if turn.at_s is None else clock(turn.at_s)
    bar = scale.bar(turn)
    total = f"{_total_ms(turn):.0f} ms" if bar or "answer" in turn.stages_ms else ""
    mark = "  << barge-in" if turn.is_cut else ""
    line = f"{time}  #{turn.number:<3} {bar:<{LONGEST_BAR}} {total:>8}  {shown(turn.ending)}{mark}"
    said = [line.rstrip()]
    if turn.caller:
        said += paragraph(f"{_COLUMN}caller  ", turn.caller)
    if turn.agent:
        heard = f"{turn.agent} {INTERRUPTED}" if turn.is_cut else turn.agent
        said += paragraph(f"{_COLUMN}agent   ", heard)
    return said


def _event(at_s: float, event: Happening) -> list[str]:
    return paragraph(f"{clock(at_s)}  * ", f"{event.kind} {pairs(dict(event.detail))}".rstrip())


def _failure(at_s: float, failure: Failure) -> list[str]:
    # An engine's message mostly begins with its role and name already.
    engine = f"{failure.role} {failure.engine}"
    message = failure.message.removeprefix(f"{engine}: ")
    return paragraph(f"{clock(at_s)}  ! ", f"{engine} failed ({failure.reason}): {message}")


def _since(at: datetime | None, began: datetime | None) -> float:
    return 0.0 if at is None or began is None else max(0.0, (at - began).total_seconds())


def _total_ms(turn: Turn) -> float:
    """The answer as the daemon measured it, else as long as its stages."""
    stages = sum(turn.stages_ms.get(stage, 0.0) for stage in STAGES)
    return turn.stages_ms.get("answer", stages)


def _learnt(learnt: Learnt) -> Iterator[str]:
    """One line for each field: the value, and behind it where that is from."""
    yield f"learnt: {shown(learnt.status)}"
    width = max((len(shown(name)) for name in (*learnt.fields, *learnt.missing)), default=0)
    for name, (value, words) in learnt.fields.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        source = f'from "{words}"' if words else "not proven"
        yield from paragraph(f"  {shown(name):<{width}}  ", f"{text}  ({source})")
    for name in learnt.missing:
        yield f"  {shown(name):<{width}}  missing"
    for fault in learnt.faults:
        yield from paragraph("  ! ", fault)


def _list(summary: Mapping[str, object]) -> Iterator[str]:
    names = {name: shown(name) for name in summary}
    width = max(map(len, names.values()))
    for name, value in summary.items():
        yield cut(f"  {names[name]:<{width}}  {shown(value)}", 100)
