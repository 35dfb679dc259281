"""Anthropic's Messages: the answer, streamed.

An answer is a row of blocks, known by their index: text is spoken, a tool's input is put
together, and everything else (thoughts above all) never comes out.

Source: Anthropic's "Streaming Messages" and "Errors".
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Final

from attrs import evolve

from voiced.errors import WireError
from voiced.wire.answer import CALLS, CUT, DECLINED, STOP, Answered, AnswerEvent
from voiced.wire.api_error import error_in_stream
from voiced.wire.fields import (
    JsonObject,
    as_object,
    child,
    json_value,
    optional_child,
    optional_text,
    optional_whole,
    text,
    whole,
)
from voiced.wire.sse import SseEvent, SseParser
from voiced.wire.tool_calls import ToolCall, ToolCalls

MAX_BLOCKS: Final = 256

_FINISH: Final[Mapping[str, str]] = {
    "end_turn": STOP,
    "stop_sequence": STOP,
    "tool_use": CALLS,
    "refusal": DECLINED,
    "max_tokens": CUT,
    "model_context_window_exceeded": CUT,
}
"""Stop reasons in the words of all APIs; any other stands as it is."""

_RETRYABLE: Final = frozenset(
    {"rate_limit_error", "overloaded_error", "api_error", "timeout_error"}
)
_PROMPT: Final = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_COUNTS: Final = (*_PROMPT, "output_tokens")


class _Phase(Enum):
    ANSWERING = 1
    DONE = 2  # message_stop: nothing follows
    FAILED = 3


class MessageStream:
    """Reads the body of one streamed answer, split anywhere."""

    def __init__(self) -> None:
        self._sse = SseParser()
        self._phase = _Phase.ANSWERING
        self._kinds: dict[int, str] = {}  # each block's type, in order of appearance
        self._tools = ToolCalls()
        self._counts: dict[str, int] = {}
        self._finish_reason = STOP
        self._characters = 0

    @property
    def is_over(self) -> bool:
        """Nothing more is to come: no need to wait for the end of the body."""
        return self._phase is not _Phase.ANSWERING

    def feed(self, data: bytes) -> list[AnswerEvent]:
        """Takes the next bytes; returns the text they complete, and the error where one came.

        Raises:
            WireError: an event that is no JSON object, is too long, or has a wrong type in it.
        """
        events = [self._take(event) for event in self._sse.feed(data)]
        return [event for event in events if event]

    def close(self) -> Answered:
        """The body has ended, or `is_over`.

        Raises:
            WireError: the answer is not whole.
        """
        if self._phase is not _Phase.DONE:
            raise WireError("answer cut short")
        prompt = [self._counts[name] for name in _PROMPT if name in self._counts]
        return Answered(
            self._finish_reason,
            self._calls(),
            sum(prompt) if prompt else None,
            self._counts.get("output_tokens"),
        )

    def _take(self, event: SseEvent) -> AnswerEvent:
        """Returns what is to be told, if anything: most types tell nothing, nor do unknown ones."""
        if self.is_over:
            return ""
        told = as_object(json_value(event.data))
        kind = "error" if event.event == "error" else optional_text(told, "type")
        match kind:
            case "message_start":
                self._count(optional_child(optional_child(told, "message"), "usage"))
            case "content_block_start":
                return self._spoken(self._start(whole(told, "index"), child(told, "content_block")))
            case "content_block_delta":
                return self._spoken(self._add(whole(told, "index"), child(told, "delta")))
            case "message_delta":
                reason = optional_text(optional_child(told, "delta"), "stop_reason")
                if reason:
                    self._finish_reason = _FINISH.get(reason, reason)
                self._count(optional_child(told, "usage"))
            case "message_stop":
                self._phase = _Phase.DONE
            case "error":
                self._phase = _Phase.FAILED
                error = error_in_stream(told)
                return evolve(error, retryable=error.code in _RETRYABLE)
        return ""

    def _start(self, index: int, block: JsonObject) -> str:
        kind = text(block, "type")
        before = list(self._kinds.values())
        if len(before) == MAX_BLOCKS:
            raise WireError("too many blocks")
        self._kinds[index] = kind
        if kind == "tool_use":
            function = {"name": text(block, "name")}
            self._tools.add({"index": index, "id": text(block, "id"), "function": function})
        if kind != "text":
            return ""
        # What is said after a thought or a tool begins a sentence, but not always with a space.
        gap = " " if self._characters and before[-1] != "text" else ""
        return gap + (optional_text(block, "text") or "")

    def _add(self, index: int, delta: JsonObject) -> str:
        kind = self._kinds.get(index)
        match kind, optional_text(delta, "type"):
            case None, _:
                raise WireError("content_block_delta: no such block")
            case "text", "text_delta":
                return text(delta, "text")
            case "tool_use", "input_json_delta":
                function = {"arguments": text(delta, "partial_json")}
                self._tools.add({"index": index, "function": function})
        return ""

    def _spoken(self, piece: str) -> str:
        self._characters += len(piece)
        return piece

    def _count(self, usage: JsonObject) -> None:
        """Each count is of the whole answer so far, so the last one stands."""
        for name in _COUNTS:
            value = optional_whole(usage, name)
            if value is not None:
                self._counts[name] = value

    def _calls(self) -> tuple[ToolCall, ...]:
        """The calls whose input is whole; only an answer that was cut may hold another."""
        calls: Sequence[ToolCall] = self._tools.result()
        whole_ones = tuple(call for call in calls if _is_object(call.arguments))
        if len(whole_ones) < len(calls) and self._finish_reason != CUT:
            raise WireError("a tool's input is not a JSON object")
        return whole_ones


def _is_object(arguments: str) -> bool:
    try:
        return isinstance(json_value(arguments), dict)
    except WireError:
        return False
