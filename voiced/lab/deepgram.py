"""The stand-in Deepgram: both of its live transcription APIs on one port.

It hears with one of the lab's ears, keeps time by the audio it was sent, and refuses what the real
one refuses.
"""

from collections import deque
from typing import Final

from attrs import define, evolve, field

from voiced.lab.deepgram_audio import Hearing
from voiced.lab.deepgram_connection import FluxConnection, NovaConnection
from voiced.lab.deepgram_faults import REFUSING, DeepgramFault, Kind, Mouth
from voiced.lab.deepgram_flux import FluxStream
from voiced.lab.deepgram_link import Door, door
from voiced.lab.deepgram_nova import NovaStream
from voiced.lab.deepgram_query import FLUX, LISTEN, FluxQuery, ListenQuery, read_query
from voiced.lab.ear import Ear, EarFactory
from voiced.lab.server import Exchange

KEPT_COMMANDS: Final = 1_000


@define(eq=False)
class DeepgramServer:
    """`handle` is for `voiced.lab.server.serve`; `fault` may change at any time."""

    keys: frozenset[str]
    new_ear: EarFactory
    patience_s: float = 10.0
    """Without audio and KeepAlive for so long, a Nova stream is closed."""
    fault: DeepgramFault = field(factory=DeepgramFault)
    commands: deque[str] = field(factory=lambda: deque(maxlen=KEPT_COMMANDS))
    """The types of the text messages received, of all connections."""
    questions: deque[ListenQuery | FluxQuery] = field(factory=lambda: deque(maxlen=KEPT_COMMANDS))
    """What was asked for, connection by connection."""
    streams: int = 0
    _ears: list[Ear] = field(factory=list)

    async def handle(self, exchange: Exchange) -> None:
        """Answers one HTTP request, or serves one WebSocket to its end."""
        visitor = door(exchange)
        path = exchange.request.path
        if path not in {LISTEN, FLUX}:
            return await visitor.refuse(404)
        if not exchange.wants_websocket():
            return await visitor.refuse(400)
        if not self._knows(exchange.request.headers.get("authorization", "")):
            return await visitor.refuse(401)
        if self.fault.kind in REFUSING:
            return await visitor.refuse(int(self.fault.kind.value))
        query = read_query(path, exchange.request.query, visitor.keyterms)
        if isinstance(query, str):
            return await visitor.refuse(400, query)
        self.questions.append(query)
        return await self._serve(visitor, query)

    def _knows(self, authorization: str) -> bool:
        scheme, _, key = authorization.partition(" ")
        return scheme.lower() in {"token", "bearer"} and key in self.keys

    async def _serve(self, visitor: Door, query: ListenQuery | FluxQuery) -> None:
        """An ear is dear to make, so they are kept for the next."""
        ear = self._ears.pop() if self._ears else await self.new_ear()
        self.streams += 1
        try:
            mouth = Mouth(await visitor.admit(), lambda: self.fault)
            await self._connection(mouth, Hearing(ear), query).run()
        finally:
            self.streams -= 1
            ear.restart()
            self._ears.append(ear)

    def _connection(
        self, mouth: Mouth, hearing: Hearing, query: ListenQuery | FluxQuery
    ) -> NovaConnection | FluxConnection:
        if isinstance(query, FluxQuery):
            return FluxConnection(mouth, hearing, FluxStream(query), self.commands)
        if self.fault.kind is Kind.NO_SPEECH_FINAL:
            query = evolve(query, endpointing_s=None)
        return NovaConnection(mouth, hearing, NovaStream(query), self.commands, self.patience_s)
