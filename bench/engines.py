"""The stand-ins of the engines: what they have in common.

They cost almost nothing: their messages are the real servers', made beforehand. They know which
telephone they serve (see `tones`; the answers of the LLM name it) and note there when they had
what they needed and when they delivered. They never answer a close: they note the end, and keep
their side open for long.
"""

from collections.abc import Callable
from time import monotonic

from attrs import field, frozen

from bench.phone import Phone
from bench.reactor import Link, Reactor

LINGER_S = 3.0
"""How long a connection stays open on our side when voiced has gone."""

PhoneOf = Callable[[int], Phone | None]


@frozen
class Latencies:
    """What the engines take; seconds. `speed_s`: the TTS's work for a second of sound."""

    first_token_s: float = 0.2
    token_s: float = 1 / 60
    first_audio_s: float = 0.25
    speed_s: float = 0.4


@frozen
class Engines:
    """What the stand-ins share."""

    reactor: Reactor
    phone_of: PhoneOf
    latencies: Latencies = field(factory=Latencies)

    def left(self, link: Link, phone: Phone | None) -> None:
        """voiced has gone."""
        self.reactor.at(monotonic() + LINGER_S, link.close)
        if phone:
            phone.engine_closed(link)
