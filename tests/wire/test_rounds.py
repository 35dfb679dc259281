"""Rounds told again: ids, names and arguments that every API can take."""

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from voiced.wire.rounds import Called, Use, plain_name, sound

IDS = re.compile(r"[a-z0-9_]{1,12}")


def use(use_id: str = "call_1", name: str = "get_time", arguments: str = "{}") -> Use:
    return Use(use_id, name, arguments, "noon")


def ids(*rounds: Called) -> list[list[str]]:
    return [[each.id for each in made.uses] for made in sound(rounds, IDS)]


def test_what_can_be_taken_stays_as_it_is() -> None:
    told = [("user", "What time is it?"), Called((use("a"), use("b")), "Wait."), ("user", "So?")]
    assert list(sound(told, IDS)) == told


def test_an_id_that_was_given_before_is_given_anew() -> None:
    twice = Called((use("a"), use("a"))), Called((use("a"), use("b")))
    assert ids(*twice) == [["a", "call00001"], ["call00002", "b"]]


def test_an_id_that_is_none_or_of_another_form_is_given_anew() -> None:
    odd = Called((use(""), use("functions.f:0"), use("a" * 13), use("a\n")))
    assert ids(odd) == [["call00001", "call00002", "call00003", "call00004"]]


def test_a_new_id_is_no_servers() -> None:
    assert ids(Called((use(""), use("")), ""), Called((use("call00001"),))) == [
        ["call00002", "call00003"],
        ["call00001"],
    ]


def test_earlier_ids_do_not_change_when_more_is_told() -> None:
    first, second = Called((use(""), use("x"))), Called((use("x"),))
    assert ids(first, second)[0] == ids(first)[0]


def test_a_name_that_a_model_made_up_holds_what_names_may() -> None:
    (made,) = sound([Called((use(name="functions.get time é" + "x" * 99),))], IDS)
    assert made.uses[0].name == ("functions_get_time__" + "x" * 99)[:64]
    assert plain_name("hang_up") == "hang_up"


def test_arguments_that_are_no_object_are_none() -> None:
    for odd in ("", "{", "[1]", "null", '"a"', '{"x": NaN}', '{"x": 1e999}', "[" * 100_000):
        (made,) = sound([Called((use(arguments=odd),))], IDS)
        assert made.uses[0].arguments == "{}", odd[:20]
    kept = '{ "to":"kitchen" }'
    (made,) = sound([Called((use(arguments=kept),))], IDS)
    assert made.uses[0].arguments == kept


USES = st.builds(Use, st.text(max_size=3), st.text(max_size=3), st.text(max_size=3), st.text())


@given(st.lists(st.builds(Called, st.lists(USES, min_size=1, max_size=3).map(tuple), st.text())))
def test_whatever_servers_gave_ids_differ_and_results_stay_with_their_tools(rounds) -> None:
    made = list(sound(rounds, IDS))
    all_ids = [each.id for called in made for each in called.uses]
    assert len(set(all_ids)) == len(all_ids)
    assert all(IDS.fullmatch(each) for each in all_ids)
    assert [[u.result for u in called.uses] for called in made] == [
        [u.result for u in called.uses] for called in rounds
    ]
    assert all(isinstance(json.loads(u.arguments), dict) for called in made for u in called.uses)
