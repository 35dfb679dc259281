"""When the watchdog is fed: pure judgement."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiced.ops.vitals import PACER_S, SCHEDULER_S, Pulse

WELL = Pulse(0.001, {"CA1": 0.01, "CA2": 0.02})


def test_a_daemon_that_is_well_has_no_ailment() -> None:
    assert WELL.ailment == ""
    assert Pulse(0.0).ailment == ""


@pytest.mark.parametrize(
    ("pulse", "told"),
    [
        (Pulse(SCHEDULER_S + 0.5), "tasks wake 1.5 s late"),
        (Pulse(0.0, {"CA1": 0.01, "CA2": PACER_S + 1}), "a call's audio went out 2.0 s late"),
        (Pulse(0.0, {}, "too many files are open"), "nobody is let in: too many files are open"),
    ],
)
def test_each_limit_has_its_words(pulse: Pulse, told: str) -> None:
    assert pulse.ailment == told


@pytest.mark.parametrize("pulse", [Pulse(SCHEDULER_S), Pulse(0.0, {"CA1": PACER_S})])
def test_a_limit_itself_is_allowed(pulse: Pulse) -> None:
    assert pulse.ailment == ""


def test_several_ailments_are_all_told() -> None:
    told = Pulse(2.0, {"CA1": 3.0}, "too many files are open").ailment
    assert told.count("; ") == 2


@given(st.floats(-1e9, SCHEDULER_S), st.dictionaries(st.text(max_size=3), st.floats(0, PACER_S)))
def test_what_is_within_all_limits_is_fed(scheduler_s: float, pacers: dict[str, float]) -> None:
    """Also after a clock went back."""
    assert not Pulse(scheduler_s, pacers).ailment
