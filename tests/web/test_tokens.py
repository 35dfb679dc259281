"""Tokens: once, for one call, for a minute, and none but the latest of a call."""

from hypothesis import given
from hypothesis import strategies as st

from voiced.web.tokens import LIFETIME_S, MAX_TOKENS, Tokens


def test_a_token_is_good_once() -> None:
    tokens = Tokens()
    tokens.mint("a", "CA1", now=5.0)
    assert tokens.redeem("a", now=6.0) == "CA1"
    assert tokens.redeem("a", now=6.0) is None


def test_an_unknown_token_is_good_for_nothing() -> None:
    tokens = Tokens()
    tokens.mint("a", "CA1", now=0.0)
    assert [tokens.redeem(other, now=0.0) for other in ("", "A", "a/", "aa")] == [None] * 4


def test_a_token_is_bound_to_its_call() -> None:
    tokens = Tokens()
    tokens.mint("a", "CA1", now=0.0)
    tokens.mint("b", "CA2", now=0.0)
    assert tokens.redeem("b", now=0.0) == "CA2"
    assert tokens.redeem("a", now=0.0) == "CA1"


def test_a_token_expires() -> None:
    tokens = Tokens()
    tokens.mint("a", "CA1", now=0.0)
    tokens.mint("b", "CA2", now=0.0)
    assert tokens.redeem("a", now=LIFETIME_S - 0.001) is not None
    assert tokens.redeem("b", now=LIFETIME_S) is None


def test_a_call_has_one_token_the_latest() -> None:
    tokens = Tokens()
    tokens.mint("a", "CA1", now=0.0)
    tokens.mint("b", "CA1", now=1.0)
    assert tokens.redeem("a", now=2.0) is None
    assert tokens.redeem("b", now=2.0) == "CA1"


def test_the_latest_token_has_its_own_lifetime() -> None:
    tokens = Tokens()
    tokens.mint("a", "CA1", now=0.0)
    tokens.mint("b", "CA1", now=30.0)
    tokens.mint("c", "CA2", now=LIFETIME_S)  # what has expired is forgotten now
    assert tokens.redeem("b", now=LIFETIME_S + 29.9) == "CA1"


def test_a_call_that_used_its_token_may_have_another() -> None:
    tokens = Tokens()
    tokens.mint("a", "CA1", now=0.0)
    tokens.redeem("a", now=0.0)
    tokens.mint("b", "CA1", now=1.0)
    assert tokens.redeem("b", now=1.0) == "CA1"


def test_a_token_that_goes_to_another_call_is_that_calls() -> None:
    tokens = Tokens()
    tokens.mint("a", "CA1", now=0.0)
    tokens.mint("a", "CA2", now=0.0)
    tokens.mint("b", "CA1", now=0.0)
    assert [tokens.redeem(each, now=0.0) for each in "ab"] == ["CA2", "CA1"]


def test_beyond_the_bound_the_oldest_token_is_forgotten() -> None:
    tokens = Tokens()
    for n in range(MAX_TOKENS + 1):
        tokens.mint(str(n), f"CA{n}", now=0.0)
    assert tokens.redeem("0", now=0.0) is None
    assert tokens.redeem("1", now=0.0) is not None


_steps = st.lists(
    st.tuples(st.sampled_from("mr"), st.integers(0, 4), st.integers(0, 2), st.floats(0, 40)),
    max_size=40,
)


@given(_steps)
def test_whatever_happens_a_token_opens_its_call_once_while_it_is_the_latest(
    steps: list[tuple[str, int, int, float]],
) -> None:
    tokens, now = Tokens(), 0.0
    latest: dict[str, tuple[str, float]] = {}
    for deed, token, call, pause in steps:
        now += pause
        name, sid = f"t{token}", f"CA{call}"
        if deed == "m":
            latest = {each: kept for each, kept in latest.items() if kept[0] != name}
            latest[sid] = (name, now + LIFETIME_S)
            tokens.mint(name, sid, now)
            continue
        holders = [each for each, (held, until) in latest.items() if held == name and now < until]
        assert tokens.redeem(name, now) == (holders[0] if holders else None)
        latest = {each: kept for each, kept in latest.items() if kept[0] != name}
