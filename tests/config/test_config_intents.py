"""Intents: phrases of their own, and one action that there is."""

import pytest
from test_config_parse import problem, problems, settings

from voiced.config import Intent, parse, render

HEAD = "[[agent.default.intent]]\nname = 'hours'\nphrases = ['when are you open']\n"
"""Lines 9 to 11 of the file."""
MORE = """
[agent.default.transfers]
reception = "+33123456789"
[agent.english]
[[agent.default.tool]]
name = "menu"
description = "Tells the menu."
url = "https://h/menu"
[[agent.default.tool]]
name = "book"
description = "Books."
url = "https://h/book"
parameters = { type = "object", properties = { day = {}, hour = {} }, required = ["day", "hour"] }
"""


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("say", "At noon, {name}."),
        ("tool", "menu"),
        ("transfer", "reception"),
        ("agent", "english"),
        ("hang_up", True),
    ],
)
def test_each_action_will_do(key: str, value: object) -> None:
    written = "true" if value is True else f"'{value}'"
    found = settings(f"{HEAD}{key} = {written}\n{MORE}")
    (intent,) = found.agents["default"].intent
    expected: dict[str, object] = {"name": "hours", "phrases": ("when are you open",), key: value}
    assert intent == Intent(**expected)  # type: ignore[arg-type]
    assert parse(render(found), "rendered").agents == found.agents


def test_there_are_none_unless_they_are_written() -> None:
    agent = settings().agents["default"]
    assert agent.intent == ()
    assert (agent.intent_threshold, agent.intent_margin, agent.embeddings) == (0.72, 0.1, "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD, "v.toml:9: agent.default.intent[0]: does nothing; give it one of say, tool, transf"),
        (f"{HEAD}hang_up = false", "intent[0]: does nothing; give it one of say, tool, transfer,"),
        (f"{HEAD}say = 'a'\nhang_up = true", "v.toml:9: agent.default.intent[0]: has say and hang_"
         "up; keep one of them"),
        (f"{HEAD}say = '{{x}}'", "v.toml:12: agent.default.intent[0].say: {x} is not a variable; "),
        (f"{HEAD}tool = 'menue'", "v.toml:12: agent.default.intent[0].tool: there is no menue amo"
         "ng the tables [[agent.default.tool]]; did you mean menu?"),
        (f"{HEAD}tool = 'book'", "v.toml:12: agent.default.intent[0].tool: book needs day, hour, "
         "which no phrase can give it; use another tool"),
        (f"{HEAD}transfer = 'recepton'", "v.toml:12: agent.default.intent[0].transfer: there is no "
         "recepton in transfers; did you mean reception?"),
        (f"{HEAD}agent = 'englsh'", "v.toml:12: agent.default.intent[0].agent: there is no [agent."
         "englsh]; did you mean english?"),
        (f"{HEAD}agent = 'default'", "intent[0].agent: is the agent itself; name another, or dele"),
        (f"{HEAD}hang_up = 'yes'", "intent[0].hang_up: has a value of the wrong kind; use true or"),
        (f"{HEAD}hang_up = true\n{HEAD.replace('when', 'how late')}hang_up = true", "v.toml:14: "
         "agent.default.intent[1].name: an earlier intent of this agent has it; give it another"),
        (f"{HEAD}say = 'a'\n{HEAD.replace('hours', 'b').replace('when', 'When')}say = 'b'", "v.tom"
         "l:15: agent.default.intent[1].phrases[0]: the intent hours has it, too; delete it in on"),
        (f"{HEAD.replace('hours', 'Hours')}say = 'a'", "v.toml:10: agent.default.intent[0].name: "),
        (f"{HEAD.replace('when are you open', ' ')}say = 'a'", "v.toml:11: agent.default.intent[0]."
         "phrases[0]: it is empty; use a text that is not empty"),
        ("[[agent.default.intent]]\nname = 'a'\nphrases = []\nsay = 'a'", "v.toml:11: agent.defau"
         "lt.intent[0].phrases: is empty; give it as many as you can think of"),
        ("[[agent.default.intent]]\nname = 'a'\nsay = 'a'", "v.toml:9: agent.default.intent[0].phr"
         "ases: is missing; How callers say it"),
        ("[agent.default.intent]\nname = 'a'", "is not a list of tables; write [[agent.default.in"),
        ("intent_threshold = 1.1", "v.toml:9: agent.default.intent_threshold: 1.1 is out of range"),
        ("intent_margin = -0.1", "agent.default.intent_margin: -0.1 is out of range; use a value "),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_line_and_its_cure(text: str, words: str) -> None:
    assert words in problem(text + MORE)


def test_all_that_is_wrong_is_told_at_once() -> None:
    found = problems("""
        [[agent.default.intent]]
        name = 1
        phrases = []
        tool = "x"
        transfer = "y"
        agent = "z"
    """)
    assert [text.split(": ", 2)[1:] for text in found] == [
        ["agent.default.intent[0]", "has tool and transfer and agent; keep one of them"],
        ["agent.default.intent[0].name", "has a value of the wrong kind; use text in quotes"],
        ["agent.default.intent[0].phrases", "is empty; give it as many as you can think of"],
        ["agent.default.intent[0].tool", "there is no x among the tables [[agent.default.tool]]"],
        ["agent.default.intent[0].transfer", "there is no y in transfers"],
        ["agent.default.intent[0].agent", "there is no [agent.z]; known: default"],
    ]
