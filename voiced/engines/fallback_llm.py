"""A model made of models: the next one is asked where one is late, fails or breaks off."""

import math
from collections.abc import Sequence
from typing import Final

import trio
from attrs import define, frozen

from voiced.dialog.history import Message, Role, Told
from voiced.dialog.tools import Tool
from voiced.engines.breaker import Breakers
from voiced.engines.fallback import Search, Spares, Tell
from voiced.engines.fallback_seam import Seam
from voiced.engines.roles import AsJson, Completion, Form, Llm
from voiced.errors import EngineError, EngineTimeout

Text = trio.MemorySendChannel[str]

GO_ON: Final = (
    "(Go on exactly where you stopped, with the next whole word, in the same language, "
    "without repeating anything and without a remark about this.)"
)
"""Says the caller to a model that takes over; in brackets, as what is done and not said. A system
message would be no good: some servers take one only at the start."""


@frozen
class FallbackLlmTiming:
    """In seconds, and only if there is a spare: a model that has sent no text by `spare_s`, or no
    more of it for `stall_s`, is given up.
    """

    spare_s: float = 4.0
    stall_s: float = 2.5


PATIENT: Final = FallbackLlmTiming(math.inf, math.inf)
"""For JSON, which nobody waits for on the line: the models' own deadlines are enough."""


class FallbackLlm:
    """Several models as one."""

    def __init__(
        self,
        engines: Sequence[Llm],
        breakers: Breakers,
        timing: FallbackLlmTiming,
        tell: Tell,
    ) -> None:
        """`engines`: at least one, the preferred one first."""
        self._spares = Spares("llm", engines, breakers, tell)
        self._timing = timing

    @property
    def name(self) -> str:
        """The preferred model's."""
        return self._spares.preferred.name

    @property
    def last_used(self) -> float:
        """When the preferred model's connection was, on Trio's clock; `-inf` if never."""
        return self._spares.preferred.last_used

    async def warm(self) -> None:
        """Opens the preferred model's connection.

        Raises:
            EngineError: it cannot.
        """
        await self._spares.preferred.warm()

    async def complete(
        self,
        messages: Sequence[Told],
        text: Text,
        tools: Sequence[Tool] = (),
        form: Form | None = None,
    ) -> Completion:
        """Sends one answer's text as it comes, whoever gives it.

        What one model has sent stays sent, and the next goes on from there; but half a JSON object
        cannot be gone on with, so `AsJson` is sent in one piece, of the first model that gives the
        whole. The tools that a model asked for before it broke off are forgotten.

        Raises:
            EngineError: the last model's, after all have failed.
        """
        search = self._spares.search()
        timing = PATIENT if isinstance(form, AsJson) else self._timing
        answer = _Answer(messages, text, tools, form)
        try:
            engine = search.begin(trio.current_time())
            while True:
                try:
                    completion = await answer.ask(engine, search, timing)
                    break
                except EngineError as error:
                    engine = search.fail_over(error, trio.current_time())
            search.succeeded()
            return completion
        finally:
            search.leave()


@define
class _Answer:
    """What has been sent of one answer so far."""

    messages: Sequence[Told]
    text: Text
    tools: Sequence[Tool]
    form: Form | None
    said: str = ""

    async def ask(self, engine: Llm, search: Search[Llm], timing: FallbackLlmTiming) -> Completion:
        """Has this model give the answer, or the rest of it.

        Raises:
            EngineError: it failed, or sent no text in time and there is a spare.
        """
        attempt = _Attempt(engine, self._seam())
        first_due = trio.current_time() + timing.spare_s
        patience = trio.CancelScope(deadline=_if_spare(search, first_due))
        pieces_out, pieces = trio.open_memory_channel[str](0)
        with pieces_out, pieces, patience:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(attempt.think, self._told(), pieces_out, self.tools, self.form)
                async for piece in pieces:
                    patience.deadline = math.inf  # nor do we wait for the model meanwhile
                    await self._send(attempt.join(piece))
                    stall_due = trio.current_time() + timing.stall_s
                    patience.deadline = _if_spare(
                        search, stall_due if attempt.has_begun else first_due
                    )
                patience.deadline = math.inf
                if attempt.completion:
                    await self._send(attempt.rest())
                nursery.cancel_scope.cancel()
        if patience.cancelled_caught:
            told = f"it sent no text within {timing.spare_s:g} s"
            if attempt.has_begun:
                told = f"it broke off: no more text within {timing.stall_s:g} s"
            raise EngineTimeout(engine.name, "llm", told, retryable=True)
        return attempt.result()

    async def _send(self, piece: str) -> None:
        if piece:
            await self.text.send(piece)
            self.said += piece

    def _seam(self) -> "Seam | _Whole | None":
        if isinstance(self.form, AsJson):
            return _Whole()
        return Seam(self.said) if self.said.strip() else None

    def _told(self) -> Sequence[Told]:
        if not self.said.strip():
            return self.messages
        return (*self.messages, Message(Role.AGENT, self.said), Message(Role.CALLER, GO_ON))


@define
class _Whole:
    """Holds a text back until its end, as a seam does with its beginning."""

    _held: str = ""

    def feed(self, text: str) -> str:
        self._held += text
        return ""

    def flush(self) -> str:
        return self._held


@define
class _Attempt:
    """One model at work on an answer."""

    engine: Llm
    seam: Seam | _Whole | None
    completion: Completion | None = None
    failure: EngineError | None = None
    _letters: int = 0

    @property
    def has_begun(self) -> bool:
        """It has sent text."""
        return self._letters > 0

    async def think(
        self, messages: Sequence[Told], text: Text, tools: Sequence[Tool], form: Form | None
    ) -> None:
        """Keeps a failure to itself, so that all text that came before it is sent first."""
        with text:
            try:
                self.completion = await self.engine.complete(messages, text, tools, form)
            except EngineError as error:
                self.failure = error

    def join(self, piece: str) -> str:
        """What is to be sent of the next piece."""
        self._letters += len(piece.strip())
        return self.seam.feed(piece) if self.seam else piece

    def rest(self) -> str:
        """What is to be sent at the end."""
        return self.seam.flush() if self.seam else ""

    def result(self) -> Completion:
        if self.failure:
            raise self.failure
        assert self.completion
        return self.completion


def _if_spare(search: Search[Llm], due: float) -> float:
    """The deadline of a model with a spare that could do better."""
    return due if search.has_spare(trio.current_time()) else math.inf
