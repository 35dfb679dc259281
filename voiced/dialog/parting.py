"""How a call ends from our side: why, with which words, and where it goes then."""

from enum import Enum

from attrs import frozen


class Phrase(Enum):
    """Something said by heart: rendered once, kept, and there even when every engine is down."""

    GREETING = "greeting"
    IDLE_PROMPT = "idle_prompt"
    FILLER = "filler"
    APOLOGY = "apology"
    GOODBYE = "goodbye"
    TRANSFER = "transfer_announcement"
    TRANSFER_FAILED = "transfer_failed"
    RESUMED = "resumed"
    VOICEMAIL = "voicemail"


@frozen
class Transfer:
    """Where a call goes: to a number, E.164.

    A warm one is introduced: the person who is called hears `summary` before the caller is
    connected. An empty summary of a warm transfer is still to be made.
    """

    number: str
    warm: bool = False
    summary: str = ""


@frozen
class Parting:
    """The end of a call. `reason` is a short stable word; `phrases` are said and heard first."""

    reason: str
    phrases: tuple[Phrase, ...] = (Phrase.GOODBYE,)
    transfer: Transfer | None = None
