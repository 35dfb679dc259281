"""When the watchdog is fed: pure judgement."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiced.ops.vitals import PACER_S, SCHEDULER_S, Pulse, Vitals

WELL = Pulse(0.001, {"CA1": 0.01, "CA2": 0.02})


def test_a_daemon_that_is_well_has_no_ailment() -> None:
    assert Vitals().ailment(WELL) == ""
    assert Vitals().ailment(Pulse(0.0)) == ""


@pytest.mark.parametrize(
    ("pulse", "told"),
    [
        (Pulse(SCHEDULER_S + 0.5), "tasks wake 1.5 s late"),
        (Pulse(0.0, {"CA1": 0.01, "CA2": PACER_S + 1}), "a call's audio went out 2.0 s late"),
        (Pulse(0.0, {}, "too many files are open"), "nobody is let in: too many files are open"),
    ],
)
def test_each_limit_has_its_words(pulse: Pulse, told: str) -> None:
    assert Vitals().ailment(pulse) == told


@pytest.mark.parametrize("pulse", [Pulse(SCHEDULER_S), Pulse(0.0, {"CA1": PACER_S})])
def test_a_limit_itself_is_allowed(pulse: Pulse) -> None:
    assert Vitals().ailment(pulse) == ""


def test_several_ailments_are_all_told() -> None:
    told = Vitals().ailment(Pulse(2.0, {"CA1": 3.0}, "too many files are open"))
    assert told.count("; ") == 2


def test_a_call_that_was_late_once_is_forgiven() -> None:
    vitals = Vitals()
    late = Pulse(0.0, {"CA1": 4.0})
    assert vitals.ailment(late)
    assert not vitals.ailment(late), "its worst lateness is no news"
    assert vitals.ailment(Pulse(0.0, {"CA1": 5.0})), "it gets worse"


def test_a_new_stream_of_a_call_begins_at_nothing() -> None:
    vitals = Vitals()
    vitals.ailment(Pulse(0.0, {"CA1": 4.0}))
    assert not vitals.ailment(Pulse(0.0, {"CA1": 0.0}))
    assert vitals.ailment(Pulse(0.0, {"CA1": 3.0}))


def test_a_call_that_is_over_is_forgotten() -> None:
    vitals = Vitals()
    vitals.ailment(Pulse(0.0, {"CA1": 4.0}))
    vitals.ailment(WELL)
    assert vitals.ailment(Pulse(0.0, {"CA1": 4.0}))


@given(st.floats(-1e9, SCHEDULER_S), st.dictionaries(st.text(max_size=3), st.floats(0, PACER_S)))
def test_what_is_within_all_limits_is_fed(scheduler_s: float, pacers: dict[str, float]) -> None:
    """Also after a clock went back."""
    assert not Vitals().ailment(Pulse(scheduler_s, pacers))
