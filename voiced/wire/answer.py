"""What is read out of a model's streamed answer, whichever API it comes by."""

from typing import Final, Protocol, TypeAlias

from attrs import frozen

from voiced.wire.api_error import ApiError
from voiced.wire.tool_calls import ToolCall

STOP: Final = "stop"
CUT: Final = "length"
CALLS: Final = "tool_calls"
DECLINED: Final = "content_filter"
"""Why an answer ended: it was whole; at a limit; for tools; the model, or a filter, would not."""

AnswerEvent: TypeAlias = str | ApiError
"""The next piece of the answer's text, never empty; or the error that ended it."""


@frozen
class Answered:
    """How an answer ended. `finish_reason` is one of the four above, or the server's own word."""

    finish_reason: str
    tool_calls: tuple[ToolCall, ...] = ()
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class AnswerStream(Protocol):
    """Reads the body of one streamed answer, split anywhere."""

    @property
    def is_over(self) -> bool:
        """Nothing more is to come: no need to wait for the end of the body."""
        ...

    def feed(self, data: bytes) -> list[AnswerEvent]:
        """Takes the next bytes; returns the text they complete, and the error where one came.

        Raises:
            WireError: an event that is no JSON object, is too long, or has a wrong type in it.
        """
        ...

    def close(self) -> Answered:
        """The body has ended, or `is_over`.

        Raises:
            WireError: the answer is not whole.
        """
        ...
