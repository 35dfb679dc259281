"""The turn table by itself: total, escapable, and drawn in the documentation as it is."""

import re
from itertools import product
from pathlib import Path

import pytest

from voiced.dialog.turns import TABLE, Act, Phase, Signal, diagram, step

ARCHITECTURE = Path(__file__).parents[2] / "docs" / "architecture.md"
BLOCK = re.compile(r"^```mermaid\n(stateDiagram-v2\n.*?)^```$", re.MULTILINE | re.DOTALL)

A, P, S = Act, Phase, Signal
LIVE = [phase for phase in P if phase is not P.OVER]


@pytest.mark.parametrize(("phase", "signal"), list(product(P, S)))
def test_every_signal_has_an_answer_in_every_phase(phase: Phase, signal: Signal) -> None:
    following, act = step(phase, signal)
    assert (following, act) == TABLE[phase].get(signal, (phase, A.NOTHING))
    assert isinstance(following, Phase)
    assert isinstance(act, Act)


@pytest.mark.parametrize("signal", S)
def test_nothing_happens_after_the_end(signal: Signal) -> None:
    assert step(P.OVER, signal) == (P.OVER, A.NOTHING)


@pytest.mark.parametrize("phase", LIVE)
def test_a_hang_up_ends_the_call_whoever_has_the_floor(phase: Phase) -> None:
    assert step(phase, S.GONE) == (P.OVER, A.END)


@pytest.mark.parametrize("phase", [phase for phase in LIVE if phase is not P.CLOSING])
def test_a_close_says_goodbye_and_a_deaf_call_apologises(phase: Phase) -> None:
    assert step(phase, S.CLOSE) == (P.CLOSING, A.SAY_GOODBYE)
    assert step(phase, S.DEAF) == (P.CLOSING, A.APOLOGISE)


@pytest.mark.parametrize("signal", [S.CLOSE, S.DEAF, S.WORD, S.BARGE_IN, S.IDLE, S.AUDIBLE])
def test_a_goodbye_is_not_cut_off(signal: Signal) -> None:
    assert step(P.CLOSING, signal) == (P.CLOSING, A.NOTHING)


@pytest.mark.parametrize("signal", [S.HEARD, S.EMPTY, S.FAILED])
def test_a_goodbye_that_is_over_hangs_up(signal: Signal) -> None:
    assert step(P.CLOSING, signal) == (P.OVER, A.HANG_UP)


def test_a_whole_round() -> None:
    phase, acts = P.LISTENING, []
    for signal in (S.WORD, S.PAUSE, S.FLUSHED, S.AUDIBLE, S.HEARD):
        phase, act = step(phase, signal)
        acts.append(act)
    assert phase is P.LISTENING
    assert acts == [A.NOTHING, A.FLUSH, A.REPLY, A.NOTHING, A.SETTLE]


def test_every_phase_can_be_reached_and_every_act_and_signal_has_a_use() -> None:
    rows = [(signal, *then) for row in TABLE.values() for signal, then in row.items()]
    assert {following for _, following, _ in rows} == set(P)
    assert {act for _, _, act in rows} == set(A)
    assert {signal for signal, _, _ in rows} == set(S)


def test_the_diagram_draws_what_is_peculiar_and_says_the_rest_once() -> None:
    lines = diagram().splitlines()
    assert lines[:2] == ["stateDiagram-v2", "    [*] --> listening"]
    assert "    listening --> hearing: word" in lines
    assert "    thinking --> hearing: word / withdraw" in lines
    assert "    closing --> over: failed / hang up" in lines
    assert not [line for line in lines if "-->" in line and ": close" in line]
    assert lines[-3:] == [
        "    note right of closing: from every phase by close, failed or deaf",
        "    note right of over: from every phase by gone",
        "    over --> [*]",
    ]


def test_the_architecture_page_shows_this_very_table() -> None:
    found = BLOCK.search(ARCHITECTURE.read_text())
    assert found, "docs/architecture.md has no ```mermaid block with a stateDiagram-v2"
    assert found[1] == diagram(), "stale: paste voiced.dialog.turns.diagram() into it"
