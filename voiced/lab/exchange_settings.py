"""What an exchange is like: its account, the people behind its numbers, and its whims."""

import math
from collections.abc import Mapping
from enum import Enum

from attrs import field, frozen

from voiced.lab.phone_dial import CallSettings


class Answer(Enum):
    """What becomes of a number that is dialled; the values are Twilio's DialCallStatus."""

    ANSWERED = "answered"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    FAILED = "failed"


@frozen
class Human:
    """Who is behind a number that a call is transferred to."""

    answer: Answer = Answer.ANSWERED
    answers_after_s: float = 1.0
    talks_s: float = 3.0
    """How long they talk before they hang up."""


class Verdict(Enum):
    """Who or what is behind a number that is called through the API."""

    HUMAN = "human"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    FAILED = "failed"
    MACHINE = "machine"  # an answering machine: a greeting, a beep, and then it records


class Delivery(Enum):
    """The order in which status callbacks arrive."""

    IN_ORDER = "in order"
    SWAPPED = "two by two, the later one first"


class Gone(Enum):
    """What an update of a call that has ended is answered: Twilio does both."""

    NOT_IN_PROGRESS = "400/21220"
    NOT_FOUND = "404/20404"


class ApiFault(Enum):
    """What a REST request can meet instead of an answer."""

    RATE_LIMITED = 429
    SERVER_ERROR = 500
    STALL = "never answered"
    LOST = "carried out, then the connection breaks"


@frozen
class ExchangeSettings:
    """An account with one number, the person who calls it or is called by it, and the others."""

    call: CallSettings = field(factory=CallSettings)
    """`called` is the account's number, `caller` the person's; token and sid are the account's."""
    host: str = "127.0.0.1"
    port: int = 0
    rings_s: float = 1.0
    """How long the person's telephone rings in an outbound call."""
    verdict: Verdict = Verdict.HUMAN
    verdicts: Mapping[str, Verdict] = field(factory=dict)
    """By number, where it is not `verdict`."""
    human: Human = field(factory=Human)
    humans: Mapping[str, Human] = field(factory=dict)
    """By number, where it is not `human`."""
    caller_waits_s: float = math.inf
    """When the caller hangs up in a transfer, ringing or bridged."""
    detection_s: float = 1.5
    """How long answering machine detection takes."""
    greeting_s: float = 3.0
    machine_waits_s: float = 10.0
    """After so long a silence an answering machine hangs up."""
    calls_per_s: float = 1.0
    chars_per_s: float = 15.0
    """How fast `<Say>` speaks."""
    delivery: Delivery = Delivery.IN_ORDER
    gone: Gone = Gone.NOT_IN_PROGRESS
    status_callback: str = ""
    """Of the account's number: told `completed` at the end of an inbound call."""

    def verdict_of(self, number: str) -> Verdict:
        """Who answers a call to this number."""
        return self.verdicts.get(number, self.verdict)

    def human_of(self, number: str) -> Human:
        """Who answers a transfer to this number."""
        return self.humans.get(number, self.human)
