"""A model behind an HTTP API that streams: one client, whichever dialect the server speaks.

What differs is the dialect's: the addresses, the headers, the form of a request, how an answer is
read, and the words for what goes wrong. The connection, the deadlines and the second attempt are
the same for all, and stand here.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from typing import Final

import httpx
import trio
from attrs import evolve, field, frozen

from voiced.config import LlmSettings
from voiced.dialog.history import Told
from voiced.dialog.tools import Round, Tool, ToolCall
from voiced.engines.endpoint import Endpoint
from voiced.engines.http import Answer, Http, NoAnswer
from voiced.engines.http_failures import FORM, Complaint, FormRefused, HttpFailures
from voiced.engines.roles import AsJson, Completion, Form, InWords
from voiced.errors import EngineBroken, EngineRefused, EngineTimeout, RequestRefused, WireError
from voiced.ops.held import holding
from voiced.wire.answer import CUT, DECLINED, Answered, AnswerStream
from voiced.wire.json_schema import NamedSchema
from voiced.wire.rounds import Called, Use
from voiced.wire.rounds import Told as WireTold

Text = trio.MemorySendChannel[str]

LATE: Final = "the model's text did not come in time"


@frozen
class LlmTiming:
    """Deadlines and pauses in seconds.

    `first_s`: from the request to the first text, another attempt included. `json_s`: the same for
    an answer as JSON, which nobody waits for on the line, and for which servers first work a new
    schema out. `next_s`: between two pieces of text. `pause_s`: before the other attempt, unless
    the server asks for another pause; for one longer than `longest_pause_s` a spare engine is the
    better answer. `tail_s`: for the end of the body behind the last event. `warm_s`: for `warm`.
    """

    first_s: float = 8.0
    json_s: float = 30.0
    next_s: float = 5.0
    pause_s: float = 0.1
    longest_pause_s: float = 0.5
    tail_s: float = 0.05
    warm_s: float = 3.0


@frozen
class Dialect:
    """How one model of one server is spoken to.

    `answers` and `models` are paths behind the server's address: where an answer is asked for, and
    the cheapest request that there is. `body` writes a request, `stream` reads one answer.
    `not_found` and `complaints` are as in `HttpFailures`.
    """

    answers: str
    models: str
    headers: Mapping[str, str] = field(repr=False)
    body: Callable[[Sequence[Told], Sequence[Tool], Form | None], bytes]
    stream: Callable[[], AnswerStream]
    not_found: str
    complaints: Sequence[Complaint]


class _Forms(Enum):
    """Whether the server is asked for an answer's form, or the prompt alone has to see to it."""

    ASKED_FOR = auto()
    REFUSED = auto()


class HttpLlm:
    """One model of one server."""

    def __init__(
        self,
        name: str,
        settings: LlmSettings,
        dialect: Dialect,
        http: httpx.AsyncClient,
        timing: LlmTiming | None = None,
    ) -> None:
        self.name = name
        self.last_used = -float("inf")
        """When it was last asked for anything, on Trio's clock."""
        url = settings.address.rstrip("/")
        endpoint = Endpoint(name, "llm", url, "the model's server", dialect.headers)
        self._settings = settings
        self._dialect = dialect
        self._failures = HttpFailures(
            endpoint, settings.model, LATE, dialect.not_found, dialect.complaints
        )
        self._http = Http(http, self._failures)
        formed = evolve(self._failures, complaints=(FORM, *dialect.complaints))
        self._http_formed = Http(http, formed)
        self._forms = _Forms.ASKED_FOR
        self._timing = timing or LlmTiming()

    async def complete(
        self,
        messages: Sequence[Told],
        text: Text,
        tools: Sequence[Tool] = (),
        form: Form | None = None,
    ) -> Completion:
        """Sends the answer's text as it comes; an answer may be empty.

        Tries twice where the first attempt fails before it brings anything. A server that refuses
        `AsJson` is asked without it, now and from then on.

        Raises:
            EngineRefused: wrong key, unknown model, no credit, a request that it does not take,
                no word within `max_tokens`.
            RequestRefused: a conversation that is too long, an answer that it declines to give.
            EngineAtCapacity: too many requests, overloaded, or still loading its model.
            EngineTimeout: no connection, or no first or no next text in time.
            EngineBroken: not reachable, cut in mid-stream, malformed.
        """
        now = trio.current_time()
        if not isinstance(form, AsJson):
            body, due = self._dialect.body(messages, tools, form), now + self._timing.first_s
            return await self._answer(self._http, body, text, due)
        due = now + self._timing.json_s
        in_words = self._dialect.body(messages, tools, InWords())
        if self._forms is _Forms.REFUSED:
            return await self._answer(self._http, in_words, text, due)
        try:
            body = self._dialect.body(messages, tools, form)
            return await self._answer(self._http_formed, body, text, due)
        except FormRefused:
            pass  # before any text
        completion = await self._answer(self._http, in_words, text, due)
        self._forms = _Forms.REFUSED
        return completion

    async def warm(self) -> None:
        """Sees to it that a connection is open, by the cheapest request there is.

        Raises:
            EngineError: the server is not reachable, or does not accept the key.
        """
        self.last_used = trio.current_time()
        due = self.last_used + self._timing.warm_s
        try:
            async with self._http.exchange(self._dialect.models, due) as answer:
                if answer.status in {401, 403}:
                    raise await answer.refusal(due)
                await answer.finish(self._timing.warm_s)
        except NoAnswer as failed:
            raise failed.error from failed

    def _pause_s(self, failed: NoAnswer) -> float:
        """The pause before another attempt, where one makes sense."""
        pause_s = self._timing.pause_s if failed.pause_s is None else failed.pause_s
        hopeless = not failed.error.retryable or isinstance(failed.error, EngineTimeout)
        if hopeless or pause_s > self._timing.longest_pause_s:
            raise failed.error from failed
        return pause_s

    async def _answer(self, http: Http, body: bytes, text: Text, due: float) -> Completion:
        try:
            return await self._attempt(http, body, text, due)
        except NoAnswer as failed:
            pause_s = self._pause_s(failed)
        await trio.sleep(pause_s)
        try:
            return await self._attempt(http, body, text, due)
        except NoAnswer as failed:
            raise failed.error from failed

    async def _attempt(self, http: Http, body: bytes, text: Text, due: float) -> Completion:
        self.last_used = trio.current_time()
        with holding("llm stream"):
            async with http.exchange(self._dialect.answers, due, body) as answer:
                if answer.status != httpx.codes.OK:
                    raise await answer.refusal(due)
                return await self._listen(answer, text, due)

    async def _listen(self, answer: Answer, text: Text, due: float) -> Completion:
        """Passes the text on. Time spent on that is not the server's and does not count."""
        stream, sent = self._dialect.stream(), 0
        try:
            while not stream.is_over and (data := await answer.next(due)) is not None:
                for event in stream.feed(data):
                    if not isinstance(event, str):
                        raise self._failures.failed(event)
                    await text.send(event)
                    sent += 1
                    due = trio.current_time() + self._timing.next_s
            result = stream.close()
        except WireError as error:
            kind = answer.response.headers.get("Content-Type", "").partition(";")[0]
            where = self._failures.endpoint.where
            told = f"what {where} answered is no stream of an answer ({kind})"
            raise self._failures.error(EngineBroken, f"{told}: {error}") from error
        await answer.finish(self._timing.tail_s)
        return self._completion(result, sent)

    def _completion(self, result: Answered, sent: int) -> Completion:
        if result.finish_reason == DECLINED:
            told = f"{self._settings.model} declines to answer: see what the prompt asks"
            raise self._failures.error(RequestRefused, told, retryable=False)
        if result.finish_reason == CUT and not sent and not result.tool_calls:
            model, most = self._settings.model, self._settings.max_tokens
            told = (
                f"{model} used its max_tokens of {most} up before its first word; "
                "thinking counts too: have it think less, or raise max_tokens"
            )
            raise self._failures.error(EngineRefused, told)  # another answer may be in time
        calls = tuple(ToolCall(call.id, call.name, call.arguments) for call in result.tool_calls)
        return Completion(
            result.finish_reason, calls, result.prompt_tokens, result.completion_tokens
        )


def on_wire(messages: Sequence[Told]) -> list[WireTold]:
    """What a model is told, as `voiced.wire` takes it."""
    return [
        _called(each) if isinstance(each, Round) else (each.role.value, each.text)
        for each in messages
    ]


def _called(made: Round) -> Called:
    uses = (Use(u.call.id, u.call.name, u.call.arguments, u.result) for u in made.used)
    return Called(tuple(uses), made.text)


def room_for(form: Form | None, most: int) -> int:
    """The tokens that an answer may have; `most` is what the engine's speech may."""
    return max(most, form.tokens) if isinstance(form, AsJson) else most


def wanted(form: Form | None) -> NamedSchema | None:
    """What an answer's JSON has to fit, as `voiced.wire` takes it; None if it is to be no JSON."""
    return NamedSchema(form.name, form.schema) if isinstance(form, AsJson) else None
