"""A call summed up by the agent's own model: for whom it is transferred to, or to be remembered."""

from collections.abc import Mapping, Sequence

import trio
from attrs import define

from voiced.call import channels
from voiced.dialog.history import Message, Role, Told, append
from voiced.engines.roles import Llm
from voiced.errors import EngineError


def asking(messages: Sequence[Told], asks: Mapping[str, str], language: str) -> list[Told]:
    """What was said, and the question behind it in the agent's language, else in English.

    The two parties by turns, here too: what the caller said last and the question are one message.
    """
    told, ask = list(messages), asks.get(language.split("-")[0], asks["en"])
    append(told, Message(Role.CALLER, ask), "\n\n")
    return told


@define
class Summary:
    """A text of `most` characters at most. What has come of it is there, also where it failed."""

    most: int
    text: str = ""

    async def write(self, llm: Llm, messages: Sequence[Told], within_s: float) -> Exception | None:
        """Has the model write it; of an answer that does not end in time, what has come will do.

        Returns the engine's failure, if it failed.
        """
        failure: Exception | None = None
        text_out, text_in = channels.text()
        try:
            with text_in, trio.move_on_after(within_s):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._collect, text_in)
                    with text_out:
                        await llm.complete(messages, text_out)
        except* EngineError as group:
            failure = group.exceptions[0]
        return failure

    async def _collect(self, text: trio.MemoryReceiveChannel[str]) -> None:
        async for piece in text:
            self.text = (self.text + piece)[: self.most]
