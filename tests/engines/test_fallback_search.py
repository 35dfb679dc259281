"""Which engine is asked, and which next."""

import pytest
from attrs import define, field

from voiced.engines.breaker import Breakers, BreakerState
from voiced.engines.fallback import Failover, Search, Spares
from voiced.errors import (
    EngineAtCapacity,
    EngineBroken,
    EngineError,
    EngineRefused,
    RequestRefused,
)


@define
class Engine:
    name: str


@define
class Desk:
    """Three engines, and what is told of them."""

    breakers: Breakers = field(factory=Breakers)
    told: list[Failover] = field(factory=list)

    def search(self, *names: str) -> Search[Engine]:
        engines = [Engine(name) for name in names or "abc"]
        return Spares("llm", engines, self.breakers, self.told.append).search()

    def shut(self, *names: str) -> None:
        for name in names:
            self.breakers.of("llm", name).failed(0.0, retryable=False)


def broken(name: str, kind: type[EngineError] = EngineBroken) -> EngineError:
    return kind(name, "llm", "it failed", retryable=True)


def test_they_are_asked_in_their_order_and_the_last_error_is_raised() -> None:
    desk = Desk()
    search = desk.search()
    assert search.begin(0).name == "a"
    assert search.fail_over(broken("a"), 0).name == "b"
    assert search.fail_over(broken("b"), 0).name == "c"
    with pytest.raises(EngineBroken, match="llm c: it failed"):
        search.fail_over(broken("c"), 0)
    assert desk.told == [
        Failover("llm", "a", "broken", "b", "llm a: it failed"),
        Failover("llm", "b", "broken", "c", "llm b: it failed"),
        Failover("llm", "c", "broken", None, "llm c: it failed"),
    ]


def test_an_open_breaker_is_passed_over() -> None:
    desk = Desk()
    desk.shut("a")
    search = desk.search()
    assert search.begin(1).name == "b"
    assert search.fail_over(broken("b"), 1).name == "c"


def test_behind_all_others_one_with_an_open_breaker_is_tried() -> None:
    desk = Desk()
    desk.shut("b", "c")
    search = desk.search()
    assert search.begin(1).name == "a"
    assert not search.has_spare(1)
    assert search.fail_over(broken("a"), 1).name == "b"
    with pytest.raises(EngineBroken):
        search.fail_over(broken("b"), 1)


def test_with_all_breakers_open_the_preferred_one_is_tried_and_no_other() -> None:
    desk = Desk()
    desk.shut("a", "b", "c")
    search = desk.search()
    assert search.begin(1).name == "a"
    with pytest.raises(EngineBroken):
        search.fail_over(broken("a"), 1)


@pytest.mark.parametrize("kind", [EngineAtCapacity, RequestRefused])
def test_no_slot_and_a_no_to_one_request_leave_its_good_name(kind: type[EngineError]) -> None:
    desk = Desk()
    for _ in range(5):
        search = desk.search()
        assert search.begin(0).name == "a"
        assert search.fail_over(kind("a", "llm", "not this"), 0).name == "b"
        search.leave()
    assert desk.breakers.of("llm", "a").state(0) is BreakerState.CLOSED
    assert {each.reason for each in desk.told} == {kind.reason}


@pytest.mark.parametrize("kind", [EngineAtCapacity, RequestRefused])
def test_a_probe_without_a_verdict_leaves_its_place_to_the_next(kind: type[EngineError]) -> None:
    desk = Desk()
    desk.shut("a")
    search = desk.search()
    assert search.begin(6).name == "a"
    search.fail_over(kind("a", "llm", "not this"), 6)
    assert desk.search().begin(6).name == "a"


def test_a_refusal_for_good_shuts_it_for_everybody() -> None:
    desk = Desk()
    search = desk.search()
    search.begin(0)
    search.fail_over(EngineRefused("a", "llm", "no"), 0)
    assert desk.search().begin(1).name == "b"


def test_a_refusal_that_may_pass_counts_as_any_failure() -> None:
    desk = Desk()
    search = desk.search()
    search.begin(0)
    search.fail_over(EngineRefused("a", "llm", "not now", retryable=True), 0)
    assert desk.search().begin(1).name == "a"


def test_of_two_calls_only_one_makes_the_probe() -> None:
    desk = Desk()
    desk.shut("a")
    first, second = desk.search(), desk.search()
    assert first.begin(6).name == "a"
    assert second.begin(6).name == "b"
    first.leave()
    assert desk.search().begin(6).name == "a"
    second.leave()


def test_leaving_before_the_beginning_is_nothing() -> None:
    Desk().search().leave()


def test_one_that_works_gives_the_others_another_chance() -> None:
    desk = Desk()
    search = desk.search("a", "b")
    search.begin(0)
    assert search.fail_over(broken("a"), 0).name == "b"
    search.succeeded()
    assert search.fail_over(broken("b"), 9).name == "a"
    with pytest.raises(EngineBroken):
        search.fail_over(broken("a"), 9)


def test_a_failure_that_needs_no_spare_counts_and_is_told() -> None:
    desk = Desk()
    for _ in range(3):
        search = desk.search()
        search.begin(0)
        search.failed(broken("a"), 0)
    assert desk.breakers.of("llm", "a").state(0) is BreakerState.OPEN
    assert [each.spare for each in desk.told] == [None] * 3
