"""What a caller waits for: the answer time by stage, with each pair of engines."""

from collections.abc import Mapping, Sequence
from itertools import product

from attrs import evolve, frozen

from bench import clients
from bench.casts import Cast, Eager
from bench.farside import Outcome, hold_calls
from bench.table import Cell, Extent, Table, percentiles

EARS = {"moshi": "moshi", "nova": "Deepgram Nova", "flux": "Deepgram Flux",
        "flux-eager": "Deepgram Flux, eager"}  # fmt: skip
UNSURE = {"unsure": "moshi, sure after 1.3 s"}
VOICES = {"moshi": "moshi", "cartesia": "Cartesia"}
MINDS = {"openai": "OpenAI's protocol", "anthropic": "Anthropic"}

ALL = tuple(Cast(*names) for names in product(EARS, VOICES, MINDS))
USUAL = Cast("moshi", "moshi", "openai")
FLUSHES = {
    "flushed: 10 ms a step": evolve(USUAL, eager=Eager.OFF),
    "as if spoken: 80 ms a step": Cast("patient", "moshi", "openai", Eager.OFF),
}
PAUSES_S = {"moshi": 0.0, "nova": 0.0, "unsure": 1.2, "flux-eager": 0.4}
"""Pauses for thought that may fool an eager start, and do not end the turn; with the first two
there is no room between."""

EAGER = tuple(
    evolve(USUAL, stt=stt, eager=eager, pauses_s=pauses_s)
    for stt, pauses_s in PAUSES_S.items()
    for eager in (Eager.OFF, Eager.ON)
)

STAGES = {
    "turn_ended": "turn ended",
    "asked": "last words, asked",
    "first_token": "first text",
    "first_audio": "first audio",
    "first_frame": "first frame",
}


@frozen
class Plan:
    """What is run: how many answers of each cast, and how many calls at once."""

    casts: tuple[Cast, ...] = ALL
    answers: int = 8
    at_once: int = 8


PLANS = {
    Extent.FULL: Plan(),
    Extent.QUICK: Plan((USUAL,), 2),
    Extent.TRIAL: Plan((USUAL,), 1, 16),
}


def measure(extent: Extent) -> list[Table]:
    """The answers by pair of engines, what flush and eager start gain, and what clients cost."""
    plan = PLANS[extent]
    casts = [*dict.fromkeys((*plan.casts, *FLUSHES.values(), *EAGER))]
    outcomes = hold_calls(casts, plan.answers, plan.at_once)
    return [
        _by_pair(plan, outcomes),
        _flush(plan, outcomes),
        _eager(plan, outcomes),
        clients.table(extent),
    ]


def _by_pair(plan: Plan, outcomes: Mapping[Cast, Outcome]) -> Table:
    columns = ("hears, speaks, thinks", "answers", *STAGES.values(), "answer p50, ms", "max",
               "sound heard p50, ms")  # fmt: skip
    rows = tuple(_row(_named(cast), plan, outcomes[cast]) for cast in plan.casts)
    notes = (
        f"Medians in milliseconds, from the daemon's own records; {plan.at_once} calls at once."
        " Turn ended: from the caller's last sound to the decision that the turn is over. Last"
        " words, asked: from there until the STT has told them, and the model is asked. First text"
        " of the model, first audio of the voice, first frame to leave: each from the one before."
        " A stage that an eager start had gone through by then takes no time. Sound heard: from the"
        " caller's last sound to the first that is heard at the telephone; moshi-server's speech"
        " begins with three steps of silence.",
        "The stand-ins' pace: moshi's STT tells a word after 480 ms and takes 10 ms for a step, its"
        " TTS 350 ms from the third word to the first audio. Deepgram Nova ends a turn with the"
        " first step of 80 ms that leaves 300 ms of silence behind, Flux after half a second. The"
        " models' first text comes after 250 ms, then 60 tokens a second. Cartesia takes 90 ms from"
        " the first sentence to the first audio. There is no network between.",
    )
    return Table("Answers by pair of engines", columns, rows, notes)


def _named(cast: Cast) -> str:
    return f"{EARS[cast.stt]}; {VOICES[cast.tts]}; {MINDS[cast.llm]}"


def _row(name: str, plan: Plan, outcome: Outcome) -> tuple[Cell, ...]:
    return (
        name,
        _answers(plan, outcome),
        *(_median(outcome.stages, stage) for stage in STAGES),
        *percentiles([stages["answer"] for stages in outcome.stages], 50, 100),
        *percentiles(outcome.heard_ms, 50),
    )


def _answers(plan: Plan, outcome: Outcome) -> str:
    return f"{len(outcome.stages)} of {plan.answers}"


def _median(answers: Sequence[Mapping[str, int]], stage: str) -> Cell:
    return percentiles([stages[stage] for stages in answers if stage in stages], 50)[0]


def _flush(plan: Plan, outcomes: Mapping[Cast, Outcome]) -> Table:
    columns = ("the STT's last words", "answers", *STAGES.values(), "answer p50, ms", "max",
               "sound heard p50, ms")  # fmt: skip
    rows = tuple(_row(name, plan, outcomes[cast]) for name, cast in FLUSHES.items())
    notes = (
        "moshi hears and speaks, an LLM of OpenAI's protocol thinks, without an eager start. The"
        " STT's model tells a word 480 ms behind. At the end of a turn voiced sends as much"
        " silence, and moshi-server works through it as fast as it can; the stand-in of the second"
        " row no faster than the caller could have been silent.",
    )
    return Table("What the flush gains", columns, rows, notes)


def _eager(plan: Plan, outcomes: Mapping[Cast, Outcome]) -> Table:
    columns = ("hears", "eager_reply", "answers", "answer p50, ms", "max", "gain p50, ms",
               "drafts used", "thrown away")  # fmt: skip
    rows = tuple(_eager_row(cast, plan, outcomes[cast]) for cast in EAGER)
    notes = (
        "moshi speaks, an LLM of OpenAI's protocol thinks. The gain is the daemon's own figure: how"
        " much longer each answer would have taken without its draft. With the last two ears every"
        f" fourth sentence has a pause for thought in its middle, of {PAUSES_S['unsure']:g} s and"
        f" {PAUSES_S['flux-eager']:g} s: so far apart are a turn that is likely over and one that"
        " is. A real caller pauses at other places, and a real model knows the sense; the rate at"
        " which drafts are used is the stand-ins' alone.",
    )
    return Table("What an eager start gains", columns, rows, notes)


def _eager_row(cast: Cast, plan: Plan, outcome: Outcome) -> tuple[Cell, ...]:
    return (
        (EARS | UNSURE)[cast.stt],
        cast.eager.value,
        _answers(plan, outcome),
        *percentiles([stages["answer"] for stages in outcome.stages], 50, 100),
        _median(outcome.stages, "eager_gain"),
        outcome.summary.get("eager_hits", "-"),
        outcome.summary.get("eager_misses", "-"),
    )
