"""The timeline of a call, drawn in plain text."""

from datetime import UTC
from typing import Any

import pytest
from fake_daemon import call
from hypothesis import given
from hypothesis import strategies as st

from voiced.client.drawing import LONGEST_BAR, STAGES, Scale, drawing
from voiced.client.model import Timeline, Turn


def at(seconds: float) -> str:
    return f"2026-11-21T09:13:{13 + seconds:06.3f}Z"


def turn(number: int, **values: Any) -> dict[str, Any]:
    empty = {"at_s": None, "ending": "heard", "stages_ms": {}, "caller": "", "agent": ""}
    return {"number": number} | empty | values


CUT_STAGES = {
    "turn_ended": 310, "asked": 120, "first_token": 200, "first_audio": 250, "first_frame": 12,
    "answer": 892,
}  # fmt: skip
TURNS = [
    turn(0, at_s=0.4, agent="Hello, this is Chez Sesame."),
    turn(1, at_s=6.3, ending="cut", stages_ms=CUT_STAGES, caller="what time do you open",
         agent="On Saturday we are open from noon"),
    turn(2, ending="failed", stages_ms={"turn_ended": 300, "asked": 100}, caller="wait"),
    turn(3, at_s=15, stages_ms={"turn_ended": 300, "first_token": 100, "answer": 400},
         caller="and on sunday", agent="Sunday we are closed. " * 5),
]  # fmt: skip
EVENTS = [
    {"at": at(0), "kind": "started", "detail": {}},
    {"at": at(9), "kind": "digits", "detail": {"digits": "12#", "note": "a\x1bb c"}},
]
FAILURES = [
    {"at": at(8.2), "role": "tts", "engine": "kyutai", "reason": "timeout",
     "message": "tts kyutai: it has words to speak, but no audio comes"},
]  # fmt: skip
TOLD = call(
    status="ended", duration_s=27.2, reason="caller-hung-up", turns=3, recording=True,
    summary={"barge_ins": 1, "worst": "\x1b[2J"}, variables={"name": "Ann Lee"},
    timeline={"turns": TURNS, "events": EVENTS, "engine_failures": FAILURES},
)  # fmt: skip

DRAWN = r"""
CA0123456789abcdef0123456789abcdef
inbound, ended: caller-hung-up, agent default
+33612345678 -> +33123456789
2026-11-21 09:13:13 +0000, length 0:27, 3 turns, recorded
variables: name="Ann Lee"

00:00.0  * started
00:00.4  #0                                                      heard
         agent   Hello, this is Chez Sesame.
00:06.3  #1   eeeeeeeeeeeewwwwwttttttttaaaaaaaaaaf       892 ms  cut  << barge-in
         caller  what time do you open
         agent   On Saturday we are open from noon —
   -     #2   eeeeeeeeeeeewwww                           400 ms  failed
         caller  wait
00:08.2  ! tts kyutai failed (timeout): it has words to speak, but no audio comes
00:09.0  * digits digits=12# note="a\x1bb c"
00:15.0  #3   eeeeeeeeeeeetttt                           400 ms  heard
         caller  and on sunday
         agent   Sunday we are closed. Sunday we are closed. Sunday we are closed. Sunday we are
                 closed. Sunday we are closed.

a letter is 25 ms:  e end of turn  w last words  t first token  a first audio  f first frame

summary
  barge_ins  1
  worst      \x1b[2J
"""


def test_a_call_is_drawn_line_by_line() -> None:
    assert drawing(Timeline.parse(TOLD), UTC) == DRAWN.strip("\n").splitlines()
    assert max(map(len, DRAWN.splitlines())) <= 100


def test_a_call_that_rings_has_little_to_tell() -> None:
    told = call(status="ringing", started_at=None, **{"from": ""})
    assert drawing(Timeline.parse(told), UTC) == [
        told["sid"],
        "inbound, ringing, agent default",
        "withheld -> +33123456789",
        "0 turns",
        "",
        "nothing has happened yet",
    ]


def test_what_has_no_time_stands_at_the_beginning() -> None:
    events = [{"at": None, "kind": "queued"}]
    told = call(timeline={"turns": TURNS[:1], "events": events})
    lines = drawing(Timeline.parse(told), UTC)
    assert lines[5] == "00:00.0  * queued"
    assert not any("a letter" in line for line in lines)


lengths = st.floats(0, 100_000)


@given(st.lists(st.dictionaries(st.sampled_from([*STAGES, "answer", "other"]), lengths)))
def test_every_bar_fits_and_is_as_long_as_its_stages(stages: list[dict[str, float]]) -> None:
    turns = tuple(Turn(n, 0.0, "heard", each, "", "") for n, each in enumerate(stages))
    scale = Scale.of(turns)
    for each in turns:
        bar = scale.bar(each)
        total = sum(ms for stage, ms in each.stages_ms.items() if stage in STAGES)
        assert len(bar) == min(round(total / scale.step_ms), LONGEST_BAR)
        assert sorted(bar, key="ewtaf".index) == list(bar)


@pytest.mark.parametrize(("longest", "step_ms"), [(0, 5), (200, 5), (201, 10), (10**6, 5000)])
def test_the_scale_is_the_finest_that_fits(longest: int, step_ms: int) -> None:
    assert Scale.of((Turn(1, 0.0, "", {"answer": longest}, "", ""),)).step_ms == step_ms
