"""How the chunks of the stand-in model look. Pure.

They are OpenAI's: a role chunk, one per token, the tools that it asks for, the finish reason, and
the usage if asked for (API reference, "chat completion chunk object").
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

from voiced.lab.llm_ask import Asked
from voiced.lab.llm_model import as_json
from voiced.lab.llm_talk import Answer, ToolUse, text_of

CREATED = 1_795_000_000
TOKEN_LETTERS = 6
"""A longer word is two tokens or more."""
ARGUMENT_LETTERS = 7
"""Of a tool's arguments in one chunk."""


def split_tokens(text: str) -> list[str]:
    """Tokens as a model makes them: a word with its leading space, long words in pieces."""
    tokens: list[str] = []
    for word in re.findall(r"\s*\S+", text):
        tokens += [word[i : i + TOKEN_LETTERS] for i in range(0, len(word), TOKEN_LETTERS)]
    return tokens


@frozen
class Reply:
    """One answer, in the forms the API gives it."""

    id: str
    asked: Asked
    tokens: tuple[str, ...]
    uses: tuple[ToolUse, ...]
    finish_reason: str

    @classmethod
    def to(cls, number: int, asked: Asked, answer: Answer) -> "Reply":
        """What is cut at a limit asks for no tools any more."""
        tokens = split_tokens(answer.text)
        kept = tuple(tokens[: asked.max_tokens])
        uses = tuple(use for use in answer.uses if use.name in asked.talk.may_use)
        reason = "tool_calls" if uses else "stop"
        if len(kept) < len(tokens):
            uses, reason = (), "length"
        return cls(f"chatcmpl-{number}", asked, kept, uses, reason)

    def whole(self) -> dict[str, Any]:
        """The answer to a request that does not stream."""
        calls = [
            {"id": self._call_id(n), "type": "function", "function": _function(use)}
            for n, use in enumerate(self.uses)
        ]
        asks = {"tool_calls": calls} if calls else {}
        text = "".join(self.tokens)
        message = {"role": "assistant", "content": text, "refusal": None, **asks}
        choice = {"index": 0, "message": message, "logprobs": None,
                  "finish_reason": self.finish_reason}  # fmt: skip
        return self._object("chat.completion", choices=[choice], usage=self.usage())

    def head(self) -> bytes:
        return self._event({"role": "assistant", "content": "", "refusal": None})

    def token(self, number: int) -> bytes:
        return self._event({"content": self.tokens[number]})

    def tail(self) -> bytes:
        """The tools, the finish reason, the usage if it was asked for, and the end."""
        calls = b"".join(self._event({"tool_calls": [each]}) for each in self._fragments())
        usage = sse(self._object("chat.completion.chunk", choices=[], usage=self.usage()))
        told = usage if self.asked.with_usage else b""
        return calls + self._event({}, self.finish_reason) + told + b"data: [DONE]\n\n"

    def _fragments(self) -> Iterator[dict[str, Any]]:
        """The calls as they come in a stream: id and name first, then the arguments in pieces."""
        for n, use in enumerate(self.uses):
            whole = _function(use)
            first = {"id": self._call_id(n), "type": "function"}
            yield {"index": n, **first, "function": {"name": use.name, "arguments": ""}}
            for start in range(0, len(whole["arguments"]), ARGUMENT_LETTERS):
                piece = whole["arguments"][start : start + ARGUMENT_LETTERS]
                yield {"index": n, "function": {"arguments": piece}}

    def _call_id(self, number: int) -> str:
        return f"call_{self.id}_{number}"

    def usage(self) -> dict[str, Any]:
        prompt = sum(len(split_tokens(text_of(m))) + 4 for m in self.asked.messages)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": len(self.tokens),
            "total_tokens": prompt + len(self.tokens),
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0,
                "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
        }  # fmt: skip

    def _event(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        nothing_yet = {"usage": None} if self.asked.with_usage else {}
        return sse(self._object("chat.completion.chunk", choices=[choice], **nothing_yet))

    def _object(self, kind: str, **rest: Any) -> dict[str, Any]:
        head = {"id": self.id, "object": kind, "created": CREATED, "model": self.asked.model}
        return {**head, "service_tier": "default", "system_fingerprint": "fp_lab", **rest}


def _function(use: ToolUse) -> dict[str, str]:
    return {"name": use.name, "arguments": json.dumps(dict(use.input), ensure_ascii=False)}


def sse(data: Mapping[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + as_json(data) + b"\n\n"
