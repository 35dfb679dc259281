"""Draws a call: both voices on one time line, who had the turn, what each answer took.

The caller stands above the line, the agent below it, mirrored, so that an overlap is seen at
once. Long calls are broken into rows. Words are left out where they would not fit.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from attrs import field, frozen
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from voiced.audio import g711
from voiced.audio.frame import SAMPLE_RATE
from voiced.lab.phone_call import CallResult
from voiced.lab.phone_record import Kind
from voiced.lab.transcript import clock

WIDTH_PX, DPI = 1600, 100
ROW_S = 17.0
"""The most seconds in a row: 90 pixels to the second, room for words. Rows are of one length."""

_CALLER, _AGENT, _ALARM, _INK, _FAINT = "#2563a8", "#c2620e", "#b3261e", "#24292f", "#8b949e"
_DONE = "#2e7d32"
_STAGES = ("#94a3b8", "#a78bfa", "#34a3a3", "#f2b134", "#d9667b")
_COLUMN_S = 0.0125
_FULL = 20_000
"""The sample that fills its half of a row; a voice of normal level reaches it."""
_WORD_LATE_S = 0.35
"""A word that would have to stand further than this behind its sound is left out."""


@frozen
class Span:
    """A stretch of time with a name: a turn."""

    start_s: float
    stop_s: float
    label: str = ""


@frozen
class Answer:
    """What came between the caller's last sound and the agent's first.

    `stages` are (name, time) in order: "end of turn", "first token", "first audio", "first
    frame", each at the moment it was reached.
    """

    start_s: float
    stop_s: float
    stages: Sequence[tuple[str, float]] = ()


@frozen
class Timeline:
    """All that is drawn. Audio is 16-bit at 8 kHz from second 0; times are seconds from there."""

    title: str
    caller: NDArray[np.int16]
    agent: NDArray[np.int16]
    turns: Sequence[Span] = ()
    answers: Sequence[Answer] = ()
    caller_words: Sequence[Span] = ()
    agent_words: Sequence[Span] = ()
    barge_ins: Mapping[float, str] = field(factory=dict)
    """Moment -> what to write there."""
    moments: Mapping[float, str] = field(factory=dict)
    """The same of what happened beside the words."""

    @property
    def duration_s(self) -> float:
        """Of the longer line."""
        return max(len(self.caller), len(self.agent)) / SAMPLE_RATE


def timeline_of(result: CallResult) -> Timeline:
    """What the telephone alone knows of a call: no stages, the caller's words by turn."""
    turns = [turn.utterance for turn in result.turns]
    starts = [0.0, *(turn.spoken.start_s for turn in result.turns)]
    stops = [*starts[1:], result.duration_s]
    answers = [
        Answer(turn.spoken.stop_s, turn.spoken.stop_s + turn.answer_s)
        for turn in result.turns
        if turn.answer_s is not None
    ]
    gave_way = {t.spoken.start_s: t.yield_s for t in result.turns if t.yield_s is not None}
    barge_ins = [event.at_s for event in result.events if event.kind is Kind.BARGE_IN]
    return Timeline(
        title=f"Call {result.call_sid[:10]}…",
        caller=g711.decode(result.caller),
        agent=g711.decode(result.agent),
        turns=[
            Span(start, stop, f"turn {number}" if number else "greeting")
            for number, (start, stop) in enumerate(zip(starts, stops, strict=True))
        ],
        answers=answers,
        caller_words=[
            word for turn in turns for word in spread(turn.words, turn.start_s, turn.stop_s)
        ],
        barge_ins={at: "barge-in" for at in barge_ins if at not in gave_way}
        | {at: f"barge-in, silent after {s * 1000:.0f} ms" for at, s in gave_way.items()},
    )


def draw(timeline: Timeline, path: Path) -> None:
    """Writes the picture as a PNG, 1,600 pixels wide."""
    rows = max(1, int(np.ceil(timeline.duration_s / ROW_S)))
    row_s = max(timeline.duration_s / rows, 4.0)
    height_px = 90 + 260 * rows
    with mpl.rc_context({"font.family": "DejaVu Sans", "font.size": 9, "text.color": _INK}):
        figure = Figure(figsize=(WIDTH_PX / DPI, height_px / DPI), dpi=DPI, facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, 1, squeeze=False)[:, 0]
        top, bottom = 1 - 62 / height_px, 34 / height_px
        figure.subplots_adjust(left=0.055, right=0.985, top=top, bottom=bottom, hspace=0.22)
        figure.text(0.012, 1 - 26 / height_px, timeline.title, size=15, weight="bold")
        _legend(figure, timeline, 1 - 24 / height_px)
        for row, ax in enumerate(axes):
            _row(ax, timeline, row * row_s, (row + 1) * row_s)
        figure.savefig(path, format="png")


def _row(ax: Axes, timeline: Timeline, start_s: float, stop_s: float) -> None:
    ax.set_xlim(start_s, stop_s)
    ax.set_ylim(-1.75, 1.75)
    _turns(ax, timeline.turns, start_s, stop_s)
    for pcm, sign, colour in ((timeline.caller, 1, _CALLER), (timeline.agent, -1, _AGENT)):
        times, peaks = _envelope(pcm, start_s, stop_s)
        ax.fill_between(times, 0, sign * peaks, color=colour, linewidth=0, zorder=3)
    ax.axhline(0, color=_FAINT, linewidth=0.6, zorder=4)
    _words(ax, timeline.caller_words, 1.26, _CALLER)
    _words(ax, timeline.agent_words, -1.21, _AGENT)
    for answer in timeline.answers:
        _answer(ax, answer)
    _marks(ax, timeline.barge_ins, _ALARM, -1.68)
    _marks(ax, timeline.moments, _DONE, -1.68)
    ax.set_yticks([0.5, -0.5], ["caller", "agent"])
    for tick, colour in zip(ax.get_yticklabels(), (_CALLER, _AGENT), strict=True):
        tick.set(color=colour, fontweight="bold", fontsize=10)
    seconds = np.arange(np.ceil(start_s), stop_s, 2)
    ax.set_xticks(seconds, [clock(second)[:-2] for second in seconds], color=_FAINT)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _turns(ax: Axes, turns: Sequence[Span], start_s: float, stop_s: float) -> None:
    for number, turn in enumerate(turns):
        first, last = max(turn.start_s, start_s), min(turn.stop_s, stop_s)
        if first >= last:
            continue
        shade = "#f3f5f8" if number % 2 else "#fafbfc"
        ax.axvspan(first, last, color=shade, linewidth=0, zorder=0)
        if last - first > 0.8:
            ax.text(first + 0.06, 1.54, turn.label, color=_FAINT, size=8.5, clip_on=True)


def _marks(ax: Axes, moments: Mapping[float, str], colour: str, y: float) -> None:
    """A line at each moment of the row, and its label on the side that has room."""
    start_s, stop_s = ax.get_xlim()
    for at_s, label in moments.items():
        if start_s <= at_s < stop_s:
            ax.plot([at_s, at_s], [-1.72, 1.5], color=colour, linewidth=1.4, zorder=6)
            side, shift = ("left", 0.06) if at_s < stop_s - 3 else ("right", -0.06)
            ax.text(at_s + shift, y, label, ha=side, color=colour, weight="bold", zorder=7)


def _answer(ax: Axes, answer: Answer) -> None:
    """The silence that the caller sat through, stage by stage, on the middle line."""
    stations = [(name, at) for name, at in answer.stages if answer.start_s <= at <= answer.stop_s]
    begin = answer.start_s
    for index, (_name, at) in enumerate([*stations, ("", answer.stop_s)]):
        colour = _STAGES[min(index, len(_STAGES) - 1)] if stations else _FAINT
        ax.fill_between([begin, at], -0.09, 0.09, color=colour, linewidth=0, zorder=5)
        begin = at
    middle, (left, right) = (answer.start_s + answer.stop_s) / 2, ax.get_xlim()
    if left <= middle < right:
        middle = min(max(middle, left + 0.3), right - 0.3)
        text = f"{(answer.stop_s - answer.start_s) * 1000:.0f} ms"
        ax.text(middle, 0.18, text, ha="center", size=8.5, weight="bold", zorder=6)


def _words(ax: Axes, words: Sequence[Span], y: float, colour: str) -> None:
    """Writes words at their times, or right behind the last; on a second line where it is tight."""
    left, right = ax.get_xlim()
    free = {y: left, y - 0.17: left}
    for word in words:
        if not left <= word.start_s < right:
            continue
        text = ax.text(word.start_s, y, word.label, color=colour, size=8.5, zorder=6)
        extent = ax.transData.inverted().transform(text.get_window_extent())
        width = extent[1][0] - extent[0][0]
        for line, begin in free.items():
            at = min(max(word.start_s, begin), right - width)
            if begin <= at <= word.start_s + _WORD_LATE_S:
                text.set_position((at, line))
                free[line] = at + width + 0.05
                break
        else:
            text.remove()


def _legend(figure: Figure, timeline: Timeline, y: float) -> None:
    names = list(dict.fromkeys(name for answer in timeline.answers for name, _ in answer.stages))
    if not names:
        return
    names.append("heard")
    x = 0.985 - 0.08 * len(names)
    figure.text(x - 0.008, y, "end of speech, then", ha="right", color=_FAINT, size=9)
    for index, name in enumerate(names):
        at = x + 0.08 * index
        figure.text(at, y, "■", color=_STAGES[min(index, len(_STAGES) - 1)], size=11)
        figure.text(at + 0.011, y, name, color=_INK, size=9)


def _envelope(
    pcm: NDArray[np.int16], start_s: float, stop_s: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Peaks of 12.5 ms columns, 0 to 1; the root lets quiet speech be seen."""
    column = int(_COLUMN_S * SAMPLE_RATE)
    piece = pcm[int(start_s * SAMPLE_RATE) : int(stop_s * SAMPLE_RATE)]
    columns = np.abs(piece[: len(piece) // column * column].astype(np.float64))
    peaks = columns.reshape(-1, column).max(axis=1, initial=0.0) / _FULL
    times = start_s + np.arange(0.5, len(peaks)) * _COLUMN_S
    return times, np.minimum(np.sqrt(np.where(peaks > 0.002, peaks, 0.0)), 1.0)


def spread(words: str, start_s: float, stop_s: float) -> list[Span]:
    """Words over a stretch of time, each as long as its letters."""
    parts = words.split()
    edges = np.cumsum([0, *(len(part) + 1 for part in parts)])
    times = start_s + (stop_s - start_s) * edges / max(1, edges[-1])
    return [Span(times[n], times[n + 1], part) for n, part in enumerate(parts)]
