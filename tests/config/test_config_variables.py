"""An agent's own variables: declared with it, and held against its texts."""

import pytest
from attrs import fields
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from test_config_parse import problem, problems, settings

from voiced.config import Agent
from voiced.config.declare import key_of
from voiced.config.phrases import Phrases
from voiced.config.template import TEMPLATE, TEMPLATES, VARIABLES, strangers

OWN = "[agent.default.variables]\n"
USE = (
    "use only the variables {name}, {company}, {caller}, {called}, {date} and the agent's own; "
    "a brace that is meant to be spoken is written twice"
)
TEXTS = [attribute.name for attribute in fields(Phrases)]


def test_there_are_none_unless_they_are_declared() -> None:
    assert settings().agents["default"].variables == {}


def test_they_keep_their_order_and_may_be_empty_or_long() -> None:
    longest = "é\n" * 250
    found = settings(f"{OWN}order_2 = ''\ncustomer = 'dear customer'\na = '''{longest}'''")
    assert list(found.agents["default"].variables.items()) == [
        ("order_2", ""),
        ("customer", "dear customer"),
        ("a", longest),
    ]


def test_every_text_that_has_a_language_is_a_template() -> None:
    templates = {a.name for a in fields(Agent) if key_of(a).check in TEMPLATES}
    assert templates == {*TEXTS, "verbatim"}


@pytest.mark.parametrize("text", TEXTS)
def test_every_text_may_hold_them(text: str) -> None:
    agent = settings(f"{text} = '{{customer}}, {{date}} {{{{x}}}}'\n{OWN}customer = 'you'").agents
    said = getattr(agent["default"], text)
    assert said.format_map({"date": "today"} | agent["default"].variables) == "you, today {x}"


@pytest.mark.parametrize("text", TEXTS)
def test_in_every_text_an_unknown_one_is_told_with_its_line_and_the_nearest(text: str) -> None:
    assert problem(f"\n{text} = 'Hi {{custmer}}'\n{OWN}customer = 'you'") == (
        f"v.toml:10: agent.default.{text}: {{custmer}} is not a variable; did you mean customer?; "
        f"{USE}"
    )


def test_they_may_stand_on_one_line_and_before_the_texts() -> None:
    found = settings("variables = { customer = 'you' }\ngreeting = 'Hi {customer}'")
    assert found.agents["default"].variables == {"customer": "you"}


def test_another_agent_does_not_know_them() -> None:
    found = problem(f"{OWN}customer = 'you'\n[agent.sales]\ngreeting = 'Hi {{customer}}'")
    assert found.startswith("v.toml:12: agent.sales.greeting: {customer} is not a variable")


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("variables = 3", "v.toml:9: agent.default.variables: is not a table; write"
         " [agent.default.variables]"),
        (f"{OWN}a = 3", "v.toml:10: agent.default.variables.a: has a value of the wrong kind; use"
         " text in quotes"),
        (f"{OWN}a = '{'x' * 501}'", "variables.a: it is too long; use 500 characters at most"),
        (f"{OWN}date = 'today'", "v.toml:10: agent.default.variables.date: every agent has one of"
         " this name; use a name of its own, of up to 32 small letters"),
        (f"{OWN}Customer = ''", "v.toml:10: agent.default.variables.Customer: it is not the name of"
         " a variable; use a name of its own, of up to 32 small letters, digits and _ with a"),
        (f"{OWN}2nd = ''", "variables.2nd: it is not the name of a variable"),
        (f"{OWN}'' = ''", "variables.: it is not the name of a variable"),
        (f"{OWN}'a\"b' = ''", "it is not the name of a variable"),
        (f"{OWN}'é' = ''", "variables.é: it is not the name of a variable"),
        (f"{OWN}{'a' * 33} = ''", "it is not the name of a variable"),
        (f"greeting = '{{a.b}}'\n{OWN}a = ''", "{a.b} is not a variable; did you mean"),
        (f"greeting = '{{a!r}}'\n{OWN}a = ''", "{a!r} is not a variable"),
        (f"greeting = '{{a:9}}'\n{OWN}a = ''", "{a:9} is not a variable"),
        (f"greeting = '{{a}} }}'\n{OWN}a = ''", f"greeting: it has a stray brace; {USE}"),
        (f"greeting = '{{b}} {{'\n{OWN}a = ''", "greeting: it has a stray brace"),
        ("greeting = '{}'", "{} is not a variable; known: called, caller, company, date, name; "),
    ],
)  # fmt: skip
def test_a_wrong_one_is_told_with_its_line_and_its_cure(extra: str, words: str) -> None:
    assert words in problem(extra)


@pytest.mark.parametrize("name", [*VARIABLES])
def test_none_takes_the_place_of_what_a_call_gives(name: str) -> None:
    assert f"agent.default.variables.{name}: every agent has one" in problem(f"{OWN}{name} = ''")


def test_the_longest_name_is_a_name() -> None:
    name = "a" + "_9" * 15 + "z"
    assert settings(f"greeting = '{{{name}}}'\n{OWN}{name} = ''").agents["default"].variables == {
        name: ""
    }


def test_a_variable_with_a_problem_of_its_own_is_not_unknown_as_well() -> None:
    found = problem(f"greeting = 'Hi {{customer}}'\n{OWN}customer = 3")
    assert found.startswith("v.toml:11: agent.default.variables.customer: has a value of the wrong")


def test_every_problem_is_told_at_once_in_the_order_of_the_file() -> None:
    found = problems("""
        goodbye = "{nmae}, {custmer}, {nmae}"
        greeting = "}"
        prompt = " "
        idle_prompt = 3
        silence_ms = 1
        [agent.default.variables]
        customer = "you"
        date = 5
        Bad = ""
        [agent.sales]
        busy = "{customer}"
    """)
    assert [text.split(": ", 2)[:2] for text in found] == [
        ["v.toml:10", "agent.default.goodbye"],
        ["v.toml:10", "agent.default.goodbye"],
        ["v.toml:11", "agent.default.greeting"],
        ["v.toml:12", "agent.default.prompt"],
        ["v.toml:13", "agent.default.idle_prompt"],
        ["v.toml:14", "agent.default.silence_ms"],
        ["v.toml:17", "agent.default.variables.date"],
        ["v.toml:17", "agent.default.variables.date"],
        ["v.toml:18", "agent.default.variables.Bad"],
        ["v.toml:20", "agent.sales.busy"],
    ]
    assert "{nmae} is not a variable; did you mean name?" in found[0]
    assert "{custmer} is not a variable; did you mean customer?" in found[1]


@hypothesis(deadline=None)  # the machine may be busy
@given(st.text("{}ab!:.[]", max_size=12))
def test_a_text_without_a_fault_can_be_filled_in(text: str) -> None:
    own = {"a": "1", "b": "2"}
    if not TEMPLATE.fault(text) and not strangers(text, own):
        assert isinstance(text.format_map(own), str)
