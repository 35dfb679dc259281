"""Tokens: once, for one call, for a minute."""

from voiced.call.switchboard import Parties
from voiced.web.tokens import LIFETIME_S, MAX_TOKENS, Tokens


def parties(call: str = "CA1") -> Parties:
    return Parties(call, "default", "+1", "+2")


def test_a_token_is_good_once() -> None:
    tokens = Tokens()
    tokens.mint("a", parties(), now=5.0)
    assert tokens.redeem("a", now=6.0) == parties()
    assert tokens.redeem("a", now=6.0) is None


def test_an_unknown_token_is_good_for_nothing() -> None:
    tokens = Tokens()
    tokens.mint("a", parties(), now=0.0)
    assert [tokens.redeem(other, now=0.0) for other in ("", "A", "a/", "aa")] == [None] * 4


def test_a_token_is_bound_to_its_call() -> None:
    tokens = Tokens()
    tokens.mint("a", parties("CA1"), now=0.0)
    tokens.mint("b", parties("CA2"), now=0.0)
    assert tokens.redeem("b", now=0.0) == parties("CA2")
    assert tokens.redeem("a", now=0.0) == parties("CA1")


def test_a_token_expires() -> None:
    tokens = Tokens()
    tokens.mint("a", parties(), now=0.0)
    tokens.mint("b", parties(), now=0.0)
    assert tokens.redeem("a", now=LIFETIME_S - 0.001) is not None
    assert tokens.redeem("b", now=LIFETIME_S) is None


def test_a_call_is_awaited_until_it_comes_or_its_token_expires() -> None:
    tokens = Tokens()
    tokens.mint("a", parties("CA1"), now=0.0)
    tokens.mint("b", parties("CA2"), now=1.0)
    tokens.mint("c", parties("CA2"), now=1.0)
    tokens.mint("d", parties("CA3"), now=2.0)
    assert tokens.awaited(now=3.0) == {"CA1", "CA2", "CA3"}
    tokens.redeem("d", now=3.0)
    assert tokens.awaited(now=LIFETIME_S) == {"CA2"}
    assert tokens.awaited(now=LIFETIME_S + 1.0) == set()


def test_beyond_the_bound_the_oldest_token_is_forgotten() -> None:
    tokens = Tokens()
    for n in range(MAX_TOKENS + 1):
        tokens.mint(str(n), parties(), now=0.0)
    assert tokens.redeem("0", now=0.0) is None
    assert tokens.redeem("1", now=0.0) is not None
