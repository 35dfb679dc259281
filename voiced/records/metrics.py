"""Counts what goes into the records, on its way there.

It stands between the calls and the feed, so whatever is told of a call is counted, and nothing
has to be told twice. What is no record (a refusal, a spare that took over) has a method.
"""

from collections.abc import Callable, Mapping
from typing import Final

from voiced.config import Settings
from voiced.config.tools import BUILT_IN
from voiced.ops import metrics_declared as declared
from voiced.ops.metrics import Instruments
from voiced.ops.metrics_kinds import FAILURES, FAULTS, PARTS, REFUSALS, ROLES, Declared
from voiced.records.model import (
    CallClosed,
    CallOpened,
    Direction,
    EngineFailed,
    Extracted,
    Happened,
    Record,
    TurnEnded,
)

_WHOLE: Final = {
    "answer": declared.ANSWER,
    "eager_gain": declared.EAGER_GAIN,
    "filler": declared.FILLER,
}
"""Of a turn's lengths those that are no stage of its answer."""

_WORST: Final = {
    "worst_silence_ms": declared.SILENCE,
    "pacer_late_ms": declared.PACER_LATE,
    "clear_ms": declared.BARGE_IN,
}
_SUMS: Final = {
    "gaps": declared.GAPS,
    "underruns": declared.UNDERRUNS,
    "pauses": declared.PAUSES,
    "wire_errors": declared.WIRE_ERRORS,
    "sequence_jumps": declared.JUMPS,
}
_DRAFTS: Final = {"eager_hits": "hit", "eager_misses": "miss"}


class Metrics:
    """A journal that counts, and passes each record on to `keep`."""

    def __init__(self, settings: Settings, keep: Callable[[Record], None]) -> None:
        self.instruments = Instruments(_names(settings))
        self._keep = keep
        self._prepare(settings)

    def renew(self, settings: Settings) -> None:
        """From now on the agents and engines of these settings are counted by name, too."""
        self.instruments.learn(_names(settings))
        self._prepare(settings)

    def _prepare(self, settings: Settings) -> None:
        for what in (
            declared.REFUSED,
            declared.ENDED,
            declared.FAILED,
            declared.TURNS,
            declared.EXTRACTIONS,
        ):
            for value in what.labels[0].values or ():
                self.instruments.prepare(what, value)
        for role, engine in _engines(settings):
            self.instruments.prepare(declared.FAILOVERS, role, engine)
            for fault in FAULTS:
                self.instruments.prepare(declared.ENGINE_FAILURES, role, engine, fault)
        for agent in settings.agents:
            for direction in Direction:
                self.instruments.prepare(declared.OPENED, direction.value, agent)

    def put(self, record: Record) -> None:
        """Takes a record; never blocks."""
        self._keep(record)
        match record:
            case CallOpened(direction=direction, agent=agent):
                self.instruments.count(declared.OPENED, direction.value, agent)
            case TurnEnded():
                self._turn(record)
            case Happened(kind="tool", detail=detail):
                self._tool(detail)
            case Happened(kind="stream-drop"):
                self.instruments.count(declared.DROPS)
            case EngineFailed(role=role, engine=engine, reason=reason):
                self.instruments.count(declared.ENGINE_FAILURES, role, engine, reason)
            case Extracted(status=status):
                self.instruments.count(declared.EXTRACTIONS, status)
            case CallClosed():
                self._closed(record)

    def refused(self, reason: str) -> None:
        """A call was not taken; `reason` is `CallRefused.reason`."""
        self.instruments.count(declared.REFUSED, reason)

    def took_over(self, role: str, engine: str) -> None:
        """This engine failed in a call, and a spare went on."""
        self.instruments.count(declared.FAILOVERS, role, engine)

    def late(self, seconds: float) -> None:
        """The event loop woke a task so much after its time."""
        self.instruments.observe(declared.SCHEDULER_LATE, max(0.0, seconds))

    def _tool(self, detail: Mapping[str, object]) -> None:
        tool, status = str(detail["tool"]), str(detail["status"])
        self.instruments.count(declared.TOOLS, tool, status)
        self.instruments.observe(declared.TOOL_TIME, _figure(detail, "tool_ms") / 1000, tool)

    def _turn(self, turn: TurnEnded) -> None:
        self.instruments.count(declared.TURNS, turn.ending)
        if turn.ending == "cut":
            self.instruments.count(declared.BARGE_INS)
        for stage, length_ms in turn.stages_ms.items():
            if stage in PARTS:
                self.instruments.observe(declared.PART, length_ms / 1000, stage)
            elif stage in _WHOLE:
                self.instruments.observe(_WHOLE[stage], length_ms / 1000)

    def _closed(self, call: CallClosed) -> None:
        self.instruments.count(declared.ENDED, call.reason)
        if _is_failure(call.reason):
            self.instruments.count(declared.FAILED, call.reason)
        if not call.summary:  # it was never on a media stream
            return
        self.instruments.observe(declared.DURATION, call.duration_s)
        for key, what in _WORST.items():
            self._observe_ms(what, call.summary.get(key))
        for key, what in _SUMS.items():
            self.instruments.count(what, by=_figure(call.summary, key))
        for key, outcome in _DRAFTS.items():
            self.instruments.count(declared.DRAFTS, outcome, by=_figure(call.summary, key))
        dropped_s = _figure(call.summary, "stt_dropped_ms") / 1000
        self.instruments.count(declared.STT_DROPPED, by=dropped_s)

    def _observe_ms(self, what: Declared, length_ms: object) -> None:
        if isinstance(length_ms, int | float):
            self.instruments.observe(what, length_ms / 1000)


def _engines(settings: Settings) -> list[tuple[str, str]]:
    """The role and the name of each."""
    by_role: dict[str, Mapping[str, object]] = {
        "stt": settings.stt,
        "llm": settings.llm,
        "tts": settings.tts,
    }
    return [(role, name) for role in ROLES for name in by_role[role]]


def _names(settings: Settings) -> dict[str, list[str]]:
    """The values of the labels that stand in the configuration."""
    engines = [name for _, name in _engines(settings)]
    own = {tool.name for agent in settings.agents.values() for tool in agent.tool}
    tools = [*BUILT_IN, *sorted(own)]
    return {"agent": list(settings.agents), "engine": engines, "tool": tools}


def _is_failure(reason: str) -> bool:
    """Whether a call that ended for it is one that we lost."""
    engine = reason.partition("-")[0] in ROLES and reason not in REFUSALS
    return reason in FAILURES or engine


def _figure(summary: Mapping[str, object], key: str) -> float:
    """One of a call's counts; 0 where it has none."""
    value = summary.get(key)
    return max(0.0, float(value)) if isinstance(value, int | float) else 0.0
