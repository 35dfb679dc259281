"""One turn: what the caller said, what we said back, and when each stage of it came."""

from enum import Enum
from math import inf

from attrs import define, field

from voiced.dialog.heard import Heard
from voiced.dialog.parting import Phrase
from voiced.dialog.wish import Wish


@define
class TurnTimes:
    """When each stage of an answer came, on the call's clock in seconds; None: it did not.

    The stages follow each other: the caller's speech ended (by the line's energy), endpointing
    decided that it had, the STT's last words were in, the model's first text came, the voice's
    first audio came, and the first frame of it left for the carrier.

    `drafted`: the reply was begun then, before it was certain that the caller had finished.
    `filler`: a phrase was said by heart then, for want of an answer; it ended at `filler_ended`.
    """

    speech_ended: float | None = None
    turn_ended: float | None = None
    asked: float | None = None
    first_token: float | None = None
    first_audio: float | None = None
    first_frame: float | None = None
    drafted: float | None = None
    filler: float | None = None
    filler_ended: float | None = None
    reply_ended: float | None = None

    def stages_ms(self) -> dict[str, int]:
        """The length of each stage that took place, in milliseconds, and `answer`, the whole.

        What a draft had done before the turn was over took no time of the caller's;
        `eager_gain` is how much longer the answer would have taken without. `filler` is how long
        the caller waited for it.
        """
        names = ("speech_ended", "turn_ended", "asked", "first_token", "first_audio", "first_frame")
        stages: dict[str, int] = {}
        previous: float | None = None
        for name in names:
            moment: float | None = getattr(self, name)
            if moment is None:
                continue
            if previous is not None:
                stages[name] = _ms(moment - previous)
            previous = moment if previous is None else max(previous, moment)
        if self.speech_ended is not None and self.first_frame is not None:
            stages["answer"] = _ms(self.first_frame - self.speech_ended)
        if self.drafted is not None and self.asked is not None:
            stages["eager_gain"] = _ms(min(self.asked, self.first_audio or inf) - self.drafted)
        if self.filler is not None and self.asked is not None:
            stages["filler"] = _ms(self.filler - self.asked)
        return stages


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))


class Ending(Enum):
    """How our half of a turn ended."""

    PENDING = "pending"
    HEARD = "heard"  # the caller has heard all of it
    CUT = "cut"  # barge-in
    ABANDONED = "abandoned"  # we ended the call in the middle
    WITHDRAWN = "withdrawn"  # the caller went on before any of it was audible
    EMPTY = "empty"  # the model had nothing to say
    FAILED = "failed"  # an engine failed
    HUNG_UP = "hung-up"  # the caller ended the call in the middle


@define
class Turn:
    """`phrases` are what is said by heart in this turn, and `text` word for word behind them;
    both are empty where the model is asked. `wish` is what follows when all of the reply has
    been heard. `intent`: what the caller's words were routed to without asking the model.
    `heard_by`: when a final mark that has not come is taken for lost.
    """

    number: int
    utterance: str = ""
    phrases: tuple[Phrase, ...] = ()
    text: str = ""
    wish: Wish | None = None
    heard_by: float | None = None
    intent: str = ""
    heard: Heard = field(init=False)
    times: TurnTimes = field(factory=TurnTimes)
    ending: Ending = Ending.PENDING

    def __attrs_post_init__(self) -> None:
        self.heard = Heard(self.number)

    def summary(self, call_began: float) -> dict[str, object]:
        """The turn in one line, without what was said; `at_s` is when the reply was audible."""
        stages = self.times.stages_ms()
        lengths = {f"{stage}_ms": length_ms for stage, length_ms in stages.items()}
        audible = self.times.first_frame
        at_s = {} if audible is None else {"at_s": round(audible - call_began, 3)}
        intent = {"intent": self.intent} if self.intent else {}
        return {"turn": self.number, "ending": self.ending.value, **at_s, **intent, **lengths}
