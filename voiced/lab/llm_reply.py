"""What the stand-in model says, and how its chunks look. Pure.

The chunks are OpenAI's: a role chunk, one per token, the finish reason, and the usage if asked
for (API reference, "chat completion chunk object").
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from voiced.lab.llm_ask import Asked
from voiced.lab.llm_model import as_json
from voiced.lab.restaurant import MEMORY, OTHERWISE, RULES

CREATED = 1_795_000_000
TOKEN_LETTERS = 6
"""A longer word is two tokens or more."""

Messages = Sequence[Mapping[str, Any]]


def answer(messages: Messages) -> str:
    """The first rule that matches the caller's last words and whose names are known."""
    said = [text_of(message) for message in messages if message["role"] == "user"]
    said = [text for text in said if text]  # what came of a tool is said by nobody
    last = said[-1] if said else ""
    known = remember(said)
    for rule in RULES:
        if re.search(rule.pattern, last):
            try:
                return rule.answer.format_map(known)
            except KeyError:
                continue
    return OTHERWISE


def remember(said: Sequence[str]) -> dict[str, str]:
    """What the caller has said of a booking; the last word counts."""
    known: dict[str, str] = {}
    for text in said:
        for name, pattern in MEMORY.items():
            for match in re.finditer(pattern, text):
                value = next(group for group in match.groups() if group)
                weekday = value.endswith("day")
                known[name] = value.capitalize() if weekday else value
    return known


def text_of(message: Mapping[str, Any]) -> str:
    """A message's text in lower case; content is a string or a list of parts."""
    content = message.get("content") or ""
    if not isinstance(content, str):
        content = " ".join(part.get("text", "") for part in content)
    return " ".join(re.findall(r"[\w'-]+", content.lower()))


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
    finish_reason: str

    @classmethod
    def to(cls, number: int, asked: Asked, text: str) -> "Reply":
        tokens = split_tokens(text)
        kept = tuple(tokens[: asked.max_tokens])
        reason = "stop" if len(kept) == len(tokens) else "length"
        return cls(f"chatcmpl-{number}", asked, kept, reason)

    def whole(self) -> dict[str, Any]:
        """The answer to a request that does not stream."""
        message = {"role": "assistant", "content": "".join(self.tokens), "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None,
                  "finish_reason": self.finish_reason}  # fmt: skip
        return self._object("chat.completion", choices=[choice], usage=self.usage())

    def head(self) -> bytes:
        return self._event({"role": "assistant", "content": "", "refusal": None})

    def token(self, number: int) -> bytes:
        return self._event({"content": self.tokens[number]})

    def tail(self) -> bytes:
        """The finish reason, the usage if it was asked for, and the end."""
        usage = sse(self._object("chat.completion.chunk", choices=[], usage=self.usage()))
        told = usage if self.asked.with_usage else b""
        return self._event({}, self.finish_reason) + told + b"data: [DONE]\n\n"

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


def sse(data: Mapping[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + as_json(data) + b"\n\n"
