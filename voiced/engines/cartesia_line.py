"""One connection to Cartesia and the contexts on it: many replies, each with its own messages.

No reply waits for another, and none can harm another:

- What comes is handed out by its context's id, into a bounded queue of that context. A reply that
  does not read loses its own context and nobody else's. What belongs to no context, as the rest of
  a reply that was cut off, is dropped.
- All that is sent goes through the connection's own task: a reply that is cancelled while it sends
  must not leave half a message on a wire that others use.
"""

import math
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import trio
from attrs import define, field

from voiced.engines.cartesia_failures import failed
from voiced.engines.socket import Ended, Socket
from voiced.errors import EngineBroken, WireError
from voiced.wire import cartesia
from voiced.wire.cartesia import Envelope, Message, More, Speaker

UNREAD_MESSAGES: Final = 1024
"""Of one context: minutes of its audio."""

UNSENT_MESSAGES: Final = 64
"""Of all contexts: a far end that does not read holds the replies up, and their deadlines tell."""

_GONE: Final = (trio.BrokenResourceError, trio.ClosedResourceError)


class Line:
    """An open connection; works while `serve` runs.

    Its times are Trio's: `used_at` is when a context was last opened, closed or heard of, and
    `heard_at` when any message came.
    """

    def __init__(self, socket: Socket[str]) -> None:
        self._socket = socket
        self._scope = trio.CancelScope()
        self._outbox, self._unsent = trio.open_memory_channel[str](UNSENT_MESSAGES)
        self._contexts: dict[str, Context] = {}
        self._ended = ""
        self.used_at = self.heard_at = trio.current_time()

    @property
    def is_open(self) -> bool:
        """Whether a context opened now has a chance."""
        return not self._ended

    async def serve(self) -> None:
        """Sends and hears until the connection ends; then every context knows why."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._send)
                    self._end(await self._hear())
                    nursery.cancel_scope.cancel()
        finally:
            self._end("the connection was given up")
            self._unsent.close()

    def abandon(self) -> None:
        """Ends `serve`: nobody is at the far end any more."""
        self._scope.cancel(reason="abandoned")

    async def answers(self, within_s: float) -> bool:
        """Whether the far end answers a ping in time."""
        with trio.move_on_after(within_s):
            await self._socket.ping()
            return True
        return False

    @contextmanager
    def context(self) -> "Iterator[Context]":
        """A new context. One that is left before it is done is cancelled."""
        context = Context(uuid.uuid4().hex, self._socket, self._outbox, self._ended)
        self._contexts[context.id] = context
        self.used_at = trio.current_time()
        try:
            yield context
        finally:
            self._forget(context)

    def _forget(self, context: "Context") -> None:
        if self._contexts.pop(context.id, None) and context.is_begun:
            self._cancel(context)
        self.used_at = trio.current_time()

    def _cancel(self, context: "Context") -> None:
        with suppress(trio.WouldBlock, *_GONE):  # unheard, it expires by itself
            self._outbox.send_nowait(cartesia.cancel(context.id))

    async def _send(self) -> None:
        async for message in self._unsent:
            await self._socket.send(message)

    async def _hear(self) -> str:
        """Hands out what comes; returns how it ended."""
        while True:
            heard = await self._socket.hear()
            if isinstance(heard, Ended):
                return heard.told
            self.heard_at = self.used_at = trio.current_time()
            try:
                self._hand_out(cartesia.parse(heard))
            except WireError as error:
                return f"malformed message: {error}"

    def _hand_out(self, envelope: Envelope) -> None:
        for context in self._meant(envelope):
            if not context.put(envelope):
                del self._contexts[context.id]
                self._cancel(context)
            elif envelope.type in {"done", "error"}:
                del self._contexts[context.id]

    def _meant(self, envelope: Envelope) -> "list[Context]":
        """Whose message it is.

        An error may come without a context: then it is that of a request which has had no answer
        yet, and concerns those that are spoken already only where there is no other.
        """
        if envelope.context is not None or envelope.type != "error":
            context = self._contexts.get(envelope.context or "")
            return [context] if context else []
        begun = [context for context in self._contexts.values() if context.is_begun]
        return [context for context in begun if not context.is_answered] or begun

    def _end(self, told: str) -> None:
        self._ended = self._ended or told
        contexts, self._contexts = self._contexts, {}
        for context in contexts.values():
            context.end(self._ended)


@define(eq=False)
class Context:
    """One context, to be opened by `Line.context`. `asked_at` and `answered_at` are when the last
    was sent of it and heard of it, on Trio's clock, `-inf` where nothing was.
    """

    id: str
    _socket: Socket[str]
    _outbox: trio.MemorySendChannel[str]
    _ended: str = ""
    asked_at: float = field(default=-math.inf, init=False)
    answered_at: float = field(default=-math.inf, init=False)
    _in: trio.MemorySendChannel[Envelope] = field(init=False)
    _unread: trio.MemoryReceiveChannel[Envelope] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._in, self._unread = trio.open_memory_channel[Envelope](UNREAD_MESSAGES)
        if self._ended:
            self._in.close()

    @property
    def is_begun(self) -> bool:
        """Whether the server was sent anything of it."""
        return self.asked_at > -math.inf

    @property
    def is_answered(self) -> bool:
        """Whether anything came of it."""
        return self.answered_at > -math.inf

    async def say(self, speaker: Speaker, transcript: str, more: More) -> None:
        """Sends the next piece; one to a connection that has ended is dropped."""
        self.asked_at = trio.current_time()
        with suppress(*_GONE):
            await self._outbox.send(speaker.text(self.id, transcript, more))

    async def receive(self) -> Message:
        """The next message; a failure is raised.

        Raises:
            EngineRefused, EngineAtCapacity, EngineBroken: the server reported an error.
            EngineBroken: the connection ended, or the message is malformed.
        """
        endpoint = self._socket.endpoint
        try:
            message = (await self._unread.receive()).message()
        except trio.EndOfChannel:
            raise endpoint.error(EngineBroken, self._ended) from None
        except WireError as error:
            raise endpoint.error(EngineBroken, f"malformed message: {error}") from error
        if isinstance(message, cartesia.Failure):
            raise failed(endpoint, message)
        return message

    def put(self, envelope: Envelope) -> bool:
        """Takes a message for `receive`; false where too many wait there: it has ended."""
        self.answered_at = trio.current_time()
        try:
            self._in.send_nowait(envelope)
        except trio.WouldBlock:
            self.end("its audio is not taken as fast as it comes")
            return False
        return True

    def end(self, told: str) -> None:
        """No more messages will come; `receive` tells why after the last."""
        self._ended = told
        self._in.close()
