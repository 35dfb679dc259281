"""What the person to whom a call is transferred hears of it first: a summary, by the model."""

import logging
from collections.abc import Sequence
from typing import Final

import trio
from attrs import evolve

from voiced.call import channels
from voiced.call.builtin import MAX_SUMMARY
from voiced.dialog.history import History, Message, Role, Told, append
from voiced.dialog.parting import Parting, Transfer
from voiced.engines.roles import Llm
from voiced.errors import EngineError

log = logging.getLogger(__name__)

SUMMARY_S: Final = 6.0
"""The caller waits meanwhile; most of it passes while the transfer is announced."""

ASK: Final = {
    "fr": "Résume cet appel en une ou deux phrases courtes pour la personne à qui il est"
    " transféré : qui appelle et pourquoi. Ne dis rien d'autre.",
    "en": "Sum up this call in one or two short sentences for the person it is being transferred"
    " to: who is calling, and why. Say nothing else.",
}


class Introduction:
    """One call's summary, made at most once, and only for a warm transfer that has none."""

    def __init__(self, llm: Llm, language: str) -> None:
        self._llm = llm
        self._language = language
        self._text = ""
        self._done: trio.Event | None = None

    def begin(self, nursery: trio.Nursery, parting: Parting | None, history: History) -> None:
        """Starts on it where it is due; best while the transfer is being announced."""
        if self._done is None and parting and _is_due(parting.transfer):
            self._done = trio.Event()
            nursery.start_soon(self._prepare, self._asking(history), self._done)

    async def complete(self, parting: Parting) -> Parting:
        """The parting with its summary, as soon as it is there."""
        if self._done is None or parting.transfer is None:
            return parting
        await self._done.wait()
        return evolve(parting, transfer=evolve(parting.transfer, summary=self._text.strip()))

    def _asking(self, history: History) -> list[Told]:
        """The two parties by turns, here too: what the caller said last and the question behind
        it are one message."""
        messages, ask = list(history.messages()), ASK.get(self._language.split("-")[0], ASK["en"])
        append(messages, Message(Role.CALLER, ask), "\n\n")
        return messages

    async def _prepare(self, messages: Sequence[Told], done: trio.Event) -> None:
        """Asks the model; of an answer that does not end in time, what has come will do."""
        text_out, text_in = channels.text()
        try:
            with text_in, trio.move_on_after(SUMMARY_S):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._collect, text_in)
                    with text_out:
                        await self._llm.complete(messages, text_out)
        except* EngineError as group:
            log.warning("no summary for the transfer: %s", group.exceptions[0])
        finally:
            done.set()

    async def _collect(self, text: trio.MemoryReceiveChannel[str]) -> None:
        async for piece in text:
            self._text = (self._text + piece)[:MAX_SUMMARY]


def _is_due(transfer: Transfer | None) -> bool:
    return transfer is not None and transfer.warm and not transfer.summary
