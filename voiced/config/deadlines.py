"""How long each stage of an answer may take before the next thing is tried."""

from attrs import field, frozen

from voiced.config.declare import between, key


@frozen(kw_only=True)
class Deadlines:
    """A caller waits in silence for none of them. All are in seconds."""

    filler_s: float = field(
        default=1.5,
        metadata=key(
            "No answer to a caller yet: the agent's `filler` is said; 0: never.",
            between(0, 30, "s"),
        ),
    )
    stt_silent_s: float = field(
        default=2.0,
        metadata=key(
            "An ear that is sent audio says nothing: it has failed. "
            "Deepgram's Nova, which is silent by nature, is given four times as long.",
            between(0.5, 30, "s"),
        ),
    )
    stt_replay_s: float = field(
        default=2.0,
        metadata=key("So much of what an ear was told is told again to its spare.", between(0, 10)),
    )
    llm_spare_s: float = field(
        default=4.0,
        metadata=key("No first word from a model that has a spare.", between(0.5, 60, "s")),
    )
    llm_first_s: float = field(
        default=8.0,
        metadata=key("No first word from a model that has none.", between(0.5, 120, "s")),
    )
    llm_spare_next_s: float = field(
        default=2.5,
        metadata=key("A model that has a spare stops in mid-answer.", between(0.5, 60, "s")),
    )
    llm_next_s: float = field(
        default=5.0,
        metadata=key("A model that has none stops in mid-answer.", between(0.5, 60, "s")),
    )
    tts_slot_s: float = field(
        default=0.3,
        metadata=key("So long a voice without a free slot is asked again.", between(0, 5, "s")),
    )
    tts_first_s: float = field(
        default=3.0,
        metadata=key("No first sound from a voice that has a spare.", between(0.5, 30, "s")),
    )
    tts_next_s: float = field(
        default=2.5,
        metadata=key("A voice that has a spare stops in mid-answer.", between(0.5, 30, "s")),
    )
