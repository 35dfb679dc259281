"""When an engine that fails is left alone, and how it comes back."""

from hypothesis import given
from hypothesis import strategies as st

from voiced.engines.breaker import Breaker, BreakerRule, Breakers, BreakerState

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN


def opened(at: float = 0.0) -> Breaker:
    breaker = Breaker()
    breaker.failed(at, retryable=False)
    return breaker


def test_three_failures_in_a_row_open_it() -> None:
    breaker = Breaker()
    for now in (1.0, 2.0):
        breaker.failed(now, retryable=True)
        assert breaker.allows(now)
        assert breaker.next_probe() is None
    breaker.failed(3.0, retryable=True)
    assert breaker.state(3.0) is OPEN
    assert not breaker.allows(7.99)
    assert breaker.next_probe() == 8.0


def test_a_success_between_failures_begins_the_count_anew() -> None:
    breaker = Breaker()
    for now in range(20):
        breaker.failed(now, retryable=True)
        breaker.failed(now, retryable=True)
        breaker.succeeded()
    assert breaker.state(20) is CLOSED


def test_one_refusal_for_good_opens_it() -> None:
    assert opened().state(0.0) is OPEN


def test_half_open_lets_exactly_one_probe_through() -> None:
    breaker = opened()
    assert breaker.state(5.0) is HALF_OPEN
    assert breaker.allows(5.0)
    assert breaker.allows(5.0), "asking takes nothing"
    assert breaker.begin(5.0)
    assert not breaker.allows(5.0)
    assert breaker.begin(6.0) is None
    assert not breaker.allows(1000.0)


def test_a_probe_that_succeeds_closes_it() -> None:
    breaker = opened()
    breaker.begin(5.0)
    breaker.succeeded()
    assert breaker.state(5.1) is CLOSED
    assert breaker.allows(5.1)
    breaker.failed(6.0, retryable=False)
    assert breaker.next_probe() == 11.0, "the pause is the first one again"


def test_probes_that_fail_double_the_pause_up_to_a_minute() -> None:
    breaker, pauses = opened(), []
    for _ in range(6):
        now = breaker.next_probe()
        assert now is not None
        breaker.begin(now)
        breaker.failed(now, retryable=True)
        pauses.append((breaker.next_probe() or 0) - now)
    assert pauses == [10, 20, 40, 60, 60, 60]


def test_a_probe_without_a_verdict_leaves_its_place_to_the_next() -> None:
    breaker = opened()
    probe = breaker.begin(5.0)
    breaker.abandoned(None)
    assert not breaker.allows(5.0), "only the probe can give its place up"
    breaker.abandoned(probe)
    assert breaker.allows(5.0)
    assert breaker.begin(5.0) is not probe
    breaker.abandoned(probe)
    assert not breaker.allows(5.0), "nor can one that has done so before"


def test_failures_of_attempts_that_began_earlier_do_not_put_off_the_probe() -> None:
    breaker = opened()
    breaker.failed(4.0, retryable=False)
    assert breaker.next_probe() == 5.0


def test_a_success_against_all_hope_closes_it() -> None:
    breaker = opened()
    breaker.succeeded()
    assert breaker.state(0.1) is CLOSED


def test_no_attempt_in_a_closed_state_is_a_probe() -> None:
    assert Breaker().begin(0.0) is None


def test_each_engine_has_one_breaker_for_all() -> None:
    breakers = Breakers(BreakerRule(failures=1))
    breakers.of("llm", "local").failed(0.0, retryable=True)
    assert breakers.of("llm", "local").state(0.0) is OPEN
    assert breakers.of("tts", "local").state(0.0) is CLOSED
    assert [(role, name) for role, name, _ in breakers] == [("llm", "local"), ("tts", "local")]


EVENTS = st.lists(
    st.tuples(st.floats(0, 20), st.sampled_from(["begin", "ok", "fail", "refuse", "leave"]))
)


@given(EVENTS)
def test_whatever_happens_it_comes_back(events: list[tuple[float, str]]) -> None:
    breaker, now, probe = Breaker(), 0.0, None
    for pause_s, what in events:
        now += pause_s
        match what:
            case "begin" if breaker.allows(now):
                probe = breaker.begin(now)
            case "ok":
                breaker.succeeded()
            case "fail" | "refuse":
                breaker.failed(now, retryable=what == "fail")
            case "leave":
                breaker.abandoned(probe)
        assert (breaker.next_probe() or 0) <= now + 60
    breaker.abandoned(probe)
    assert breaker.allows(now + 60)
