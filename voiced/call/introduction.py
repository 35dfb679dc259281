"""What the person to whom a call is transferred hears of it first: a summary, by the model."""

import logging
from collections.abc import Sequence
from typing import Final

import trio
from attrs import evolve

from voiced.call.builtin import MAX_SUMMARY
from voiced.call.summary import Summary, asking
from voiced.dialog.history import History, Told
from voiced.dialog.parting import Parting, Transfer
from voiced.engines.roles import Llm

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
        self._summary = Summary(MAX_SUMMARY)
        self._done: trio.Event | None = None

    def begin(self, nursery: trio.Nursery, parting: Parting | None, history: History) -> None:
        """Starts on it where it is due; best while the transfer is being announced."""
        if self._done is None and parting and _is_due(parting.transfer):
            self._done = trio.Event()
            messages = asking(history.messages(), ASK, self._language)
            nursery.start_soon(self._prepare, messages, self._done)

    async def complete(self, parting: Parting) -> Parting:
        """The parting with its summary, as soon as it is there."""
        if self._done is None or parting.transfer is None:
            return parting
        await self._done.wait()
        return evolve(
            parting, transfer=evolve(parting.transfer, summary=self._summary.text.strip())
        )

    async def _prepare(self, messages: Sequence[Told], done: trio.Event) -> None:
        """Asks the model."""
        try:
            failure = await self._summary.write(self._llm, messages, SUMMARY_S)
            if failure:
                log.warning("no summary for the transfer: %s", failure)
        finally:
            done.set()


def _is_due(transfer: Transfer | None) -> bool:
    return transfer is not None and transfer.warm and not transfer.summary
