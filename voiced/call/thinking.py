"""Thinks a reply out: asks the model, uses the tools that it asks for, and asks again.

    messages --> model --> words, said at once ------------------------------+
        ^          |                                                         v
        |          +--> jobs, begun at once --> what came of them         the caller
        +----------------------------------------------+
                   +--> a wish, for when the caller has heard the reply: told of at once

Each round is spoken before the next one is asked for. Who waits for a tool hears so. The last
answer has to be words: a model that goes on asking for tools is not followed for ever.
"""

import logging
import math
from collections.abc import Sequence
from itertools import chain, repeat
from typing import Final

import trio
from attrs import define, field, frozen

from voiced.audio.dtmf import tones
from voiced.call.builtin import Keypad, Recital, Tones
from voiced.call.equipment import Answer, Reaction, Reflexes, ToolFirst
from voiced.call.toolbox import Fetch, Job, Refused, Toolbox
from voiced.call.voice import Voice
from voiced.call.workshop import Work, Workshop, error, named
from voiced.dialog.events import KeysWanted, ReplyCommits
from voiced.dialog.history import Told, append
from voiced.dialog.tools import Round, ToolCall, Used
from voiced.dialog.turn import Turn
from voiced.dialog.wish import DONE, Wish
from voiced.engines.roles import InWords, Llm
from voiced.errors import EngineError

log = logging.getLogger(__name__)

MAX_ANSWERS: Final = 4
"""Of one reply; the last of them gets no tools."""

PROGRESS_S: Final = 6.0
"""From one word about a tool that is slow to the next."""

LATER: Final = '{"status": "this will be done as soon as the caller has heard your reply"}'
"""What the model is told of its wish while it goes on speaking."""

KEYPAD_OPEN: Final = '{"status": "what the caller enters comes whole, in their next message"}'


@frozen
class Mind:
    """What an agent thinks with. `patience_s`: how long a caller waits for a tool in silence;
    0: for ever. `filler` is said again and again where the tool has no words for that."""

    llm: Llm
    toolbox: Toolbox
    shop: Workshop
    patience_s: float
    reflexes: Reflexes | None = None
    filler: str = ""


@define
class _Step:
    """One answer that asked for tools: what is at work, and what was said beside. `wished` are
    calls that wait for the caller."""

    work: Work = field(factory=lambda: Work(()))
    wished: tuple[ToolCall, ...] = ()
    text: str = ""

    def round(self) -> Round:
        """What the model is told of it."""
        later = (Used(call, LATER) for call in self.wished)
        return Round((*self.work.used(), *later), self.text)


@define
class Thinking:
    """One reply's. `begun`: calls that have been announced, and are used before anything else;
    `going_on` is where tools are at work that are not to end with the reply."""

    turn: Turn
    mind: Mind
    messages: Sequence[Told]
    begun: tuple[ToolCall, ...]
    going_on: trio.Nursery
    wish: Wish | None = None
    _calls: int = 0
    _waited_for: Work | None = None

    @property
    def has_words(self) -> bool:
        """The caller waits for a tool that has words of its own for that."""
        return self._waited_for is not None and bool(self._waited_for.say)

    async def run(self, voice: Voice, nursery: trio.Nursery) -> None:
        """Returns when all of it is said, or has failed; the tools of the reply are done then,
        but for those that go on."""
        told = list(self.messages)
        step = await self._react(voice, nursery)
        if step is None:
            return
        for left in reversed(range(MAX_ANSWERS)):
            if step.work.jobs:
                await self._use(step.work, voice)
                append(told, step.round())
            if voice.failure:
                return
            step = await self._answer(voice, nursery, told, left)
            if voice.failure or not step.work.jobs:
                return

    async def _react(self, voice: Voice, nursery: trio.Nursery) -> _Step | None:
        """What is done before the model is asked; None: it need not be."""
        if self.begun:
            step = _Step(Work(self.mind.toolbox.committed(self.begun)))
            self._begin(step, nursery)
            return step
        reaction = await self._reaction()
        if reaction is None:
            return _Step()
        await voice.wait_released()
        step = _Step()
        match reaction:
            case Answer(text=text):
                await voice.recite(text)
            case ToolFirst(name=name):
                self._read([ToolCall("", name, "{}")], step)
            case _:
                self.wish = Wish(reaction)
        self._begin(step, nursery)
        await self._announce(step, voice)
        return step if step.work.jobs else None

    async def _reaction(self) -> Reaction | None:
        """What to do about the caller's words where they are as clear as an intent's phrases."""
        reflexes = self.mind.reflexes
        if reflexes is None or not self.turn.utterance:
            return None
        decision = await reflexes.router.route(self.turn.utterance)
        if decision.intent is None:
            return None
        self.turn.intent = decision.intent
        return reflexes.reactions[decision.intent]

    async def _answer(
        self, voice: Voice, nursery: trio.Nursery, told: Sequence[Told], left: int
    ) -> _Step:
        """One answer of the model, spoken. What it asks for is begun as soon as it is known."""
        step, before = _Step(), len(voice.words)

        async def think(text: trio.MemorySendChannel[str]) -> None:
            mind, form = self.mind, None if left else InWords()
            try:
                completion = await mind.llm.complete(told, text, mind.toolbox.tools, form)
            except EngineError as failure:
                voice.fail(failure)  # once what was said so far has been spoken
                return
            if completion.tool_calls and left:
                self._read(completion.tool_calls, step)
                if voice.is_released:  # with no chance to be stopped in between
                    self._begin(step, nursery)
                else:
                    nursery.start_soon(self._begin_released, step, voice, nursery)
            elif completion.tool_calls:
                log.warning("the model goes on asking for tools; it is not followed")

        await voice.speak(think)
        step.text = " ".join(voice.words[before:])
        await self._announce(step, voice)
        return step

    def _read(self, calls: Sequence[ToolCall], step: _Step) -> None:
        calls = named(calls, self.turn.number, self._calls)
        self._calls += len(calls)
        asked = self.mind.toolbox.read(calls, self.wish)
        self.wish = asked.wish
        step.work = Work(asked.jobs)
        jobs = {job.call.id for job in asked.jobs}
        step.wished = tuple(call for call in calls if call.id not in jobs)

    async def _begin_released(self, step: _Step, voice: Voice, nursery: trio.Nursery) -> None:
        """Not before it is certain that this is the reply: a draft does nothing."""
        await voice.wait_released()
        self._begin(step, nursery)

    def _begin(self, step: _Step, nursery: trio.Nursery) -> None:
        """Has its jobs done, and tells what the reply is to be followed by; it may yet be more."""
        self.mind.shop.begin(step.work, nursery, self.going_on)
        if self.wish:
            self.mind.shop.events.send_nowait(ReplyCommits(self.turn.number, self.wish))

    async def _announce(self, step: _Step, voice: Voice) -> None:
        """What cannot be undone, where the model has asked for it without a word. Any other word,
        of an earlier answer or for a wait, would be no announcement of this."""
        if step.text or voice.failure:
            return
        for text in self.mind.toolbox.announcements(step.wished):
            await voice.wait_released()
            await voice.recite(text)

    # --- the tools ------------------------------------------------------------------------------

    async def _use(self, work: Work, voice: Voice) -> None:
        """Returns when every job has its result."""
        await voice.wait_released()
        self._waited_for = work
        voice.rest()
        for job in work.jobs:
            if not isinstance(job.work, Fetch):
                await self._do(job, work, voice)
        await self._wait(work, voice)
        self._waited_for = None

    async def _wait(self, work: Work, voice: Voice) -> None:
        """Returns when the work is done, or the voice has failed; the caller is not left alone."""
        phrases = chain([work.say], repeat(work.progress or work.say or self.mind.filler))
        patience_s = self.mind.patience_s
        until = voice.dry_at + patience_s if patience_s else math.inf
        while not work.is_done and not voice.failure:
            with trio.move_on_at(until):
                await work.wait()
                break
            await voice.recite(next(phrases))
            voice.rest()
            # Not `dry_at` alone: where nothing was said, that is over.
            until = max(voice.dry_at, trio.current_time()) + PROGRESS_S

    async def _do(self, job: Job, work: Work, voice: Voice) -> None:
        """What needs no request, but the line or the voice."""
        result = DONE
        match job.work:
            case Recital(text=text):
                await voice.recite(text)
            case Tones(keys=keys):
                voice.play(tones(keys))
            case Keypad(rule=rule):
                await self.mind.shop.events.send(KeysWanted(self.turn.number, rule))
                result = KEYPAD_OPEN
            case Refused(why=why):
                log.warning("the model asked for a tool, or in a way, that there is not")
                result = error(why)
        status = "refused" if isinstance(job.work, Refused) else "ok"
        await self.mind.shop.done(job, result, status, work)
