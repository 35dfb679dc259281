"""What the stand-in for Anthropic's Messages says, as its events. Pure.

The words are the restaurant's, as those of the other stand-in model are. An answer is a row of
blocks: a thought where it is told to think, the text, and the tools that it asks for.

Source: Anthropic's "Streaming Messages".
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import evolve, frozen

from voiced.lab.anthropic_ask import AnthropicAsked
from voiced.lab.llm_model import as_json
from voiced.lab.llm_reply import split_tokens
from voiced.lab.llm_talk import Answer, text_of
from voiced.lab.llm_talk import ToolUse as ToolUse

THOUGHT = "The caller wants to know something about the restaurant."
PING_EVERY = 8
"""Tokens."""


@frozen
class AnthropicReply:
    """One answer."""

    id: str
    asked: AnthropicAsked
    tokens: tuple[str, ...]
    uses: tuple[ToolUse, ...]
    stop_reason: str
    thought: str = ""

    @classmethod
    def to(cls, number: int, asked: AnthropicAsked, answer: Answer) -> "AnthropicReply":
        """What is cut at a limit asks for no tools any more."""
        tokens = split_tokens(answer.text)
        kept = tuple(tokens[: asked.max_tokens])
        uses = tuple(use for use in answer.uses if use.name in asked.may_call)
        reason = "tool_use" if uses else "end_turn"
        if len(kept) < len(tokens):
            uses, reason = (), "max_tokens"
        return cls(f"msg_lab_{number}", asked, kept, uses, reason)

    def refusing(self) -> "AnthropicReply":
        """The same, broken off by the classifier after its first tokens."""
        return evolve(self, tokens=self.tokens[:2], uses=(), stop_reason="refusal")

    def whole(self) -> dict[str, Any]:
        """The answer to a request that does not stream."""
        texts = [{"type": "text", "text": "".join(self.tokens)}] if self.tokens else []
        thoughts = (
            [{"type": "thinking", "thinking": self.thought, "signature": "c2ln"}]
            if self.thought
            else []
        )
        tools = [
            {"type": "tool_use", "id": self._tool_id(number), "name": use.name,
             "input": dict(use.input)}
            for number, use in enumerate(self.uses)
        ]  # fmt: skip
        message = self._message([*thoughts, *texts, *tools], self.stop_reason)
        return {**message, "usage": self._usage(len(self.tokens)), **self._details()}

    def head(self) -> bytes:
        """All that comes before the text's tokens."""
        message = {**self._message([], None), "usage": self._usage(1)}
        events = event("message_start", message=message)
        if self.thought:
            events += _block(0, {"type": "thinking", "thinking": "", "signature": ""})
            events += _delta(0, "thinking_delta", thinking=self.thought)
            events += _delta(0, "signature_delta", signature="c2ln")
            events += event("content_block_stop", index=0)
        if self.tokens:
            events += _block(self._text_index, {"type": "text", "text": ""})
        return events + event("ping")

    def token(self, number: int) -> bytes:
        """One token; now and then a ping."""
        ping = event("ping") if number % PING_EVERY == PING_EVERY - 1 else b""
        return _delta(self._text_index, "text_delta", text=self.tokens[number]) + ping

    def tail(self) -> bytes:
        """All that comes behind the text's tokens."""
        events = event("content_block_stop", index=self._text_index) if self.tokens else b""
        for number, use in enumerate(self.uses):
            events += b"".join(self._use(number, use))
        delta = {"stop_reason": self.stop_reason, "stop_sequence": None, **self._details()}
        usage = {"output_tokens": len(self.tokens) + 20 * len(self.uses)}
        return events + event("message_delta", delta=delta, usage=usage) + event("message_stop")

    @property
    def _text_index(self) -> int:
        return 1 if self.thought else 0

    def _tool_id(self, number: int) -> str:
        return f"toolu_{self.id}_{number}"

    def _use(self, number: int, use: ToolUse) -> Iterator[bytes]:
        """The input in fragments, the first one empty; of an empty input there is no other."""
        index = self._text_index + (1 if self.tokens else 0) + number
        block = {"type": "tool_use", "id": self._tool_id(number), "name": use.name, "input": {}}
        yield _block(index, block)
        yield _delta(index, "input_json_delta", partial_json="")
        whole = json.dumps(use.input, ensure_ascii=False) if use.input else ""
        for start in range(0, len(whole), 7):
            yield _delta(index, "input_json_delta", partial_json=whole[start : start + 7])
        yield event("content_block_stop", index=index)

    def _details(self) -> dict[str, Any]:
        if self.stop_reason != "refusal":
            return {}
        return {"stop_details": {"type": "refusal", "category": None, "explanation": None}}

    def _message(self, content: list[dict[str, Any]], stop_reason: str | None) -> dict[str, Any]:
        return {"id": self.id, "type": "message", "role": "assistant", "model": self.asked.model,
                "content": content, "stop_reason": stop_reason,
                "stop_sequence": None}  # fmt: skip

    def _usage(self, output_tokens: int) -> dict[str, int]:
        told = [self.asked.system, *(text_of(message) for message in self.asked.messages)]
        prompt = sum(len(split_tokens(text)) + 4 for text in told)
        return {"input_tokens": prompt, "output_tokens": output_tokens,
                "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}  # fmt: skip


def event(kind: str, **fields: Any) -> bytes:
    """One server-sent event, with its name in both places."""
    return f"event: {kind}\ndata: ".encode() + as_json({"type": kind, **fields}) + b"\n\n"


def _block(index: int, block: Mapping[str, Any]) -> bytes:
    return event("content_block_start", index=index, content_block=block)


def _delta(index: int, kind: str, **fields: Any) -> bytes:
    return event("content_block_delta", index=index, delta={"type": kind, **fields})
