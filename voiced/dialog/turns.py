"""The turn table: who has the floor, and what each happening does about it.

Two rules hold this file together. Every transition of a call lives in `TABLE` and nowhere else;
and nothing here knows *how* a happening was recognised (that is `listening`) or how an act is
carried out (that is `voiced.call`).

The floor goes round: the call is LISTENING until the caller's first word makes it HEARING; when
the caller seems to have finished, the STT is asked for its last words (FLUSHING); then the model
is asked (THINKING); the reply's first frame makes it SPEAKING; and when the caller has heard the
last of it, judged by marks and never by the bytes sent, the call is LISTENING again. A noise on
the caller's line makes it DOUBTING: the reply is paused until it is known whether that was a
word. Two ways lead out of the round: CLOSING plays the last words of the call, and OVER is the end.

Where theory is not clean:

- A word in THINKING means that the caller had not finished after all. Nothing of the reply was
  audible, so it is withdrawn without a trace and the utterance goes on.
- A word in SPEAKING does nothing by itself. Whether it ends the reply is a matter of policy
  (`bargein`), which then signals BARGE_IN. Nor does noise: it pauses the reply (NOISE), which goes
  on where it stopped when it turns out that nobody had spoken (CALM).
- A reply may be begun (PREPARE) while the turn is only LIKELY over. It is nobody's turn yet, so it
  is no phase: the call is HEARING or FLUSHING all the same, and REPLY makes it the reply. None is
  begun at the flush: the last word is often on its way then, and it would be the wrong one.
- What cannot be undone waits until its announcement was heard (ANNOUNCED): then the floor is not
  the caller's, but goes from one reply of the agent's to the next. In THINKING that is an agent
  who hands over to another without a word.
- A key cuts a reply off as a word does, and holds the utterance open until the number is whole.
- Without its ear a call cannot go on (DEAF), but it can still say goodbye: CLOSING ignores it.
- A pair that the table does not name changes nothing. A telephone call must survive a signal
  that comes late: the last mark of a reply that a barge-in has just ended, a flush that is
  answered after the caller hung up.
"""

from enum import Enum
from typing import Final


class Phase(Enum):
    """Who has the floor."""

    LISTENING = "listening"
    HEARING = "hearing"
    FLUSHING = "flushing"
    THINKING = "thinking"
    SPEAKING = "speaking"
    DOUBTING = "doubting"
    CLOSING = "closing"
    OVER = "over"


class Signal(Enum):
    """What can happen, recognised."""

    ANSWERED = "answered"  # the call begins and the agent speaks first
    WORD = "word"  # the caller said a word
    LIKELY = "likely over"  # the caller may have finished
    RESUMED = "resumed"  # and had not
    PAUSE = "pause"  # the caller seems to have finished
    FLUSHED = "flushed"  # and these were all the words
    BARGE_IN = "barge-in"  # the caller wants the floor
    NOISE = "noise"  # the line has been loud for some time, without a word
    CALM = "calm"  # it was no more than that
    AUDIBLE = "audible"  # the reply's first frame went out
    HEARD = "heard"  # the caller has heard the whole reply
    EMPTY = "empty"  # there is nothing to say in reply
    FAILED = "failed"  # the reply's engines failed and no spare is left
    DEAF = "deaf"  # the ear failed and no spare is left
    IDLE = "idle"  # the caller has said nothing for long
    KEY = "key"  # the caller pressed a key
    ENTERED = "entered"  # and has finished the number
    SAY = "say"  # an operator puts words into the agent's mouth
    HUSH = "hush"  # or takes them away
    CLOSE = "close"  # say goodbye and hang up
    PARTED = "parted"  # the caller has heard a reply that was to be the last
    ANNOUNCED = "announced"  # the caller has heard what we are about to do
    GONE = "gone"  # the leg has ended


class Act(Enum):
    """What to do about it."""

    NOTHING = "nothing"
    GREET = "greet"
    PREPARE = "prepare"  # begin the reply, as long as nothing of it is heard
    DISCARD = "discard"  # it would be the wrong one
    FLUSH = "flush"
    REPLY = "reply"
    WITHDRAW = "withdraw"  # stop a reply of which nothing was audible
    PAUSE = "pause"  # hold a reply
    RESUME = "resume"  # and go on with it
    CUT = "cut"  # stop a reply in the middle
    SETTLE = "settle"  # the reply is history
    PROCEED = "proceed"  # do what was announced, and tell of it
    PROMPT = "prompt"  # "are you still there?"
    SAY = "say"  # stop what is being said and say a text
    APOLOGISE = "apologise"  # and say goodbye
    SAY_GOODBYE = "say goodbye"
    HANG_UP = "hang up"
    END = "end"


P, S, A = Phase, Signal, Act

TABLE: Final[dict[Phase, dict[Signal, tuple[Phase, Act]]]] = {
    P.LISTENING: {
        S.ANSWERED: (P.THINKING, A.GREET),
        S.WORD: (P.HEARING, A.NOTHING),
        S.KEY: (P.HEARING, A.NOTHING),
        S.ENTERED: (P.THINKING, A.REPLY),
        S.IDLE: (P.THINKING, A.PROMPT),
        S.SAY: (P.THINKING, A.SAY),
        S.DEAF: (P.CLOSING, A.APOLOGISE),
        S.CLOSE: (P.CLOSING, A.SAY_GOODBYE),
        S.GONE: (P.OVER, A.END),
    },
    P.HEARING: {
        S.WORD: (P.HEARING, A.DISCARD),
        S.KEY: (P.HEARING, A.DISCARD),
        S.LIKELY: (P.HEARING, A.PREPARE),
        S.RESUMED: (P.HEARING, A.DISCARD),
        S.PAUSE: (P.FLUSHING, A.FLUSH),
        S.ENTERED: (P.THINKING, A.REPLY),
        S.SAY: (P.THINKING, A.SAY),
        S.DEAF: (P.CLOSING, A.APOLOGISE),
        S.CLOSE: (P.CLOSING, A.SAY_GOODBYE),
        S.GONE: (P.OVER, A.END),
    },
    P.FLUSHING: {
        S.FLUSHED: (P.THINKING, A.REPLY),
        S.KEY: (P.HEARING, A.DISCARD),
        S.IDLE: (P.THINKING, A.PROMPT),
        S.SAY: (P.THINKING, A.SAY),
        S.DEAF: (P.CLOSING, A.APOLOGISE),
        S.CLOSE: (P.CLOSING, A.SAY_GOODBYE),
        S.GONE: (P.OVER, A.END),
    },
    P.THINKING: {
        S.WORD: (P.HEARING, A.WITHDRAW),
        S.KEY: (P.HEARING, A.WITHDRAW),
        S.SAY: (P.THINKING, A.SAY),
        S.HUSH: (P.LISTENING, A.WITHDRAW),
        S.AUDIBLE: (P.SPEAKING, A.NOTHING),
        S.EMPTY: (P.LISTENING, A.SETTLE),
        S.ANNOUNCED: (P.THINKING, A.PROCEED),
        S.FAILED: (P.CLOSING, A.APOLOGISE),
        S.DEAF: (P.CLOSING, A.APOLOGISE),
        S.CLOSE: (P.CLOSING, A.SAY_GOODBYE),
        S.GONE: (P.OVER, A.END),
    },
    P.SPEAKING: {
        S.NOISE: (P.DOUBTING, A.PAUSE),
        S.BARGE_IN: (P.HEARING, A.CUT),
        S.KEY: (P.HEARING, A.CUT),
        S.SAY: (P.THINKING, A.SAY),
        S.HUSH: (P.LISTENING, A.CUT),
        S.HEARD: (P.LISTENING, A.SETTLE),
        S.ANNOUNCED: (P.THINKING, A.PROCEED),
        S.PARTED: (P.OVER, A.HANG_UP),
        S.FAILED: (P.CLOSING, A.APOLOGISE),
        S.DEAF: (P.CLOSING, A.APOLOGISE),
        S.CLOSE: (P.CLOSING, A.SAY_GOODBYE),
        S.GONE: (P.OVER, A.END),
    },
    P.DOUBTING: {
        S.CALM: (P.SPEAKING, A.RESUME),
        S.BARGE_IN: (P.HEARING, A.CUT),
        S.KEY: (P.HEARING, A.CUT),
        S.SAY: (P.THINKING, A.SAY),
        S.HUSH: (P.LISTENING, A.CUT),
        S.HEARD: (P.LISTENING, A.SETTLE),
        S.ANNOUNCED: (P.THINKING, A.PROCEED),
        S.PARTED: (P.OVER, A.HANG_UP),
        S.FAILED: (P.CLOSING, A.APOLOGISE),
        S.DEAF: (P.CLOSING, A.APOLOGISE),
        S.CLOSE: (P.CLOSING, A.SAY_GOODBYE),
        S.GONE: (P.OVER, A.END),
    },
    P.CLOSING: {
        S.HEARD: (P.OVER, A.HANG_UP),
        S.EMPTY: (P.OVER, A.HANG_UP),
        S.FAILED: (P.OVER, A.HANG_UP),
        S.GONE: (P.OVER, A.END),
    },
    P.OVER: {},
}


def step(phase: Phase, signal: Signal) -> tuple[Phase, Act]:
    """Returns the next phase and what to do; a pair not in `TABLE` changes nothing."""
    return TABLE[phase].get(signal, (phase, Act.NOTHING))


def diagram() -> str:
    """The table as a Mermaid state diagram, for docs/architecture.md."""
    said_once = {Signal.CLOSE, Signal.GONE, Signal.FAILED, Signal.DEAF}
    lines = ["stateDiagram-v2", "    [*] --> listening"]
    for phase, row in TABLE.items():
        for signal, (following, act) in row.items():
            if signal in said_once and phase is not Phase.CLOSING:
                continue  # from everywhere: said once below, or the picture is unreadable
            effect = "" if act is Act.NOTHING else f" / {act.value}"
            lines.append(f"    {phase.value} --> {following.value}: {signal.value}{effect}")
    lines += [
        "    note right of closing: from every phase by close, failed or deaf",
        "    note right of over: from every phase by gone",
        "    over --> [*]",
    ]
    return "\n".join(lines) + "\n"
