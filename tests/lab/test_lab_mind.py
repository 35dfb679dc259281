"""What the stand-in model says and does, by its rules; and that it says so in either dialect."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import httpx
import pytest
import trio
from attrs import evolve

from voiced import config
from voiced.config import Secret
from voiced.dialog.history import Message, Role, Told
from voiced.dialog.tools import Round, Tool, ToolCall, Used
from voiced.dialog.wish import NOT_DONE
from voiced.engines.anthropic import AnthropicLlm
from voiced.engines.http import http_client
from voiced.engines.llm import HttpLlm
from voiced.engines.openai import OpenAiLlm
from voiced.engines.roles import Completion, Form, InWords
from voiced.lab import restaurant as says
from voiced.lab.anthropic import AnthropicServer
from voiced.lab.llm import LlmServer
from voiced.lab.llm_facts import Fact, Topic, spoken_day, spoken_guests, spoken_time, value_of
from voiced.lab.llm_mind import answer
from voiced.lab.llm_model import LlmTiming
from voiced.lab.llm_talk import Answer, Item, Line, Party, Result, Talk, ToolUse, from_chat
from voiced.lab.server import serve
from voiced.schema import Validator

SYSTEM = "You are Sesame. Today is 2026-11-21."  # a Saturday
TABLE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "guests": {"type": "integer", "minimum": 1},
        "day": {"type": "string", "format": "date"},
        "time": {"type": "string", "format": "time"},
    },
    "required": ["time", "guests", "day"],
    "additionalProperties": False,
}
TRANSFER = {
    "type": "object",
    "properties": {"to": {"enum": ["person", "kitchen"]}, "summary": {"type": "string"}},
    "required": ["to"],
}
TOOLS = {"book_table": TABLE, "find_table": TABLE, "transfer": TRANSFER, "hang_up": {}}
GIVEN = {"guests": 4, "day": "2026-11-22", "time": "20:00"}
BOOKED = GIVEN | {"reference": "R7"}
BOOKS = "I am booking a table for four tomorrow at eight."
READS = "Your table for four tomorrow at eight is booked. Your reference is R7."
WISH = "i would like to book a table for four tomorrow at eight"
FULL = {"error": "HTTP 409", "answer": {"error": "no table left", "times": ["13:00", "20:00"]}}
ELSE = f"{says.NOT_BOOKED} {says.PUT_THROUGH}"


def talk(*said: str | Result, tools: Mapping[str, Any] = TOOLS) -> Talk:
    """A conversation; lines with a capital are the agent's."""
    items: list[Item] = [
        each if isinstance(each, Result)
        else Line(Party.AGENT if each[0].isupper() else Party.CALLER, each)
        for each in said
    ]  # fmt: skip
    return Talk(tuple(items), SYSTEM, tools, frozenset(tools))


def used(tool: str, told: object, **given: object) -> Result:
    return Result(tool, GIVEN | given, told)


@pytest.mark.parametrize(
    ("said", "text", "use"),
    [
        ([WISH], BOOKS, ToolUse("book_table", GIVEN)),
        (["i would like to book a table"], says.ASKS["guests"], None),
        (["i would like to book a table for four"], says.ASKS["day"], None),
        (["a table for four tomorrow"], says.ASKS["time"], None),
        (["i would like to book a table", says.ASKS["guests"], "for four people",
          says.ASKS["day"], "tomorrow", says.ASKS["time"], "at eight"], BOOKS,
         ToolUse("book_table", GIVEN)),
        (["i would like to book a table for five tomorrow at eight", "I am booking—",
          used("book_table", json.loads(NOT_DONE), guests=5), "no i meant four people"], BOOKS,
         ToolUse("book_table", GIVEN)),
        (["i would like to book a table for 4 at 1 o'clock on monday"],
         "I am booking a table for four on Monday at one.",
         ToolUse("book_table", GIVEN | {"day": "2026-11-23", "time": "13:00"})),
    ],
)  # fmt: skip
def test_a_table_is_booked_when_all_is_known_and_asked_for_else(
    said: Sequence[str | Result], text: str, use: ToolUse | None
) -> None:
    told = answer(talk(*said))
    assert told == Answer(text, (use,) if use else ())
    assert all(Validator(TABLE).faults(dict(each.input)) == [] for each in told.uses)


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (used("book_table", BOOKED), READS),
        (used("book_table", BOOKED | {"guests": 5, "day": "2026-11-27", "time": "12:00"}),
         "Your table for five on Friday at noon is booked. Your reference is R7."),
        (used("book_table", FULL, time="12:00"), says.FULL.format(asked="noon", time="one")),
        (used("book_table", {"error": "HTTP 409", "answer": {"times": []}}), says.FULL_ALL_DAY),
        (used("book_table", {"error": "no answer in time"}), ELSE),
        (used("book_table", "done"), ELSE),
        (used("find_table", {"free": True, "times": ["20:00"]}),
         "Yes, there is a table for four tomorrow at eight. Shall I book it?"),
        (used("find_table", {"free": False, "times": ["20:00"]}, time="12:00"),
         says.FULL.format(asked="noon", time="eight")),
    ],
)  # fmt: skip
def test_what_came_of_a_tool_is_read_back_as_the_book_has_it(result: Result, text: str) -> None:
    assert answer(talk(WISH, BOOKS, result)) == Answer(text)


def test_a_parameter_that_it_does_not_understand_is_left_out() -> None:
    more = TABLE | {"properties": {**TABLE["properties"], "remark": {"type": "string"}}}
    (use,) = answer(talk(WISH, tools={"book_table": more})).uses
    assert use.input == GIVEN


def test_without_anybody_to_transfer_to_the_caller_is_asked_to_call_again() -> None:
    tools = {"book_table": TABLE}
    failed = used("book_table", {"error": "not reachable"})
    assert answer(talk(WISH, BOOKS, failed, tools=tools)).text.endswith(says.CALL_AGAIN)


LOOK = "do you have a table for four tomorrow at eight"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ([LOOK], Answer(says.LOOKS, (ToolUse("find_table", GIVEN),))),
        ([LOOK, says.LOOKS, used("find_table", {"free": True}), "Shall I book it?", "yes please"],
         Answer(BOOKS, (ToolUse("book_table", GIVEN),))),
        (["a table for four tomorrow at noon", "I could offer you eight instead. Shall I book it?",
          "yes please"], Answer(BOOKS, (ToolUse("book_table", GIVEN),))),
    ],
)  # fmt: skip
def test_who_says_yes_to_a_table_gets_it(said: Sequence[str | Result], told: Answer) -> None:
    assert answer(talk(*said)) == told


@pytest.mark.parametrize("told", [BOOKED, {"status": "under way; do not ask for it again"}])
def test_what_is_booked_is_not_booked_again_by_a_correction(told: object) -> None:
    before = (WISH, BOOKS, used("book_table", told), READS)
    text = f"{says.BOOKED_ALREADY} {says.PUT_THROUGH}"
    assert answer(talk(*before, "no i meant five people")) == Answer(text)
    assert answer(talk(*before, "is my table on the terrace")).text == says.OTHERWISE
    (use,) = answer(talk(*before, "no i meant five", text, "yes please")).uses
    assert use.name == "transfer"


def test_another_table_may_be_booked() -> None:
    before = (WISH, BOOKS, used("book_table", BOOKED), READS)
    (use,) = answer(talk(*before, "can i book a table for two people on friday at noon")).uses
    assert use.input == {"guests": 2, "day": "2026-11-27", "time": "12:00"}


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("what time do you open on saturday", "We are open from noon until eleven"),
        ("wait do you have vegetarian dishes", "Yes, we do: a mushroom"),
        ("goodbye see you tomorrow", "Thank you for calling Chez Sesame. Goodbye."),
        ("yes please", "It is noted."),
        ("xyzzy", "I am sorry, I did not"),
    ],
)
def test_not_everything_is_about_a_table(said: str, text: str) -> None:
    assert answer(talk(said)).text.startswith(text)


def test_it_says_again_what_it_said() -> None:
    assert answer(talk(WISH, READS, "sorry could you repeat that")).text == f"Of course. {READS}"


def test_who_asks_for_a_person_is_put_through_and_the_person_knows_of_the_table() -> None:
    said = (WISH, BOOKS, used("book_table", BOOKED), READS, "can i speak to a person please")
    told = answer(talk(*said))
    assert told.text == says.PUTS_THROUGH
    (use,) = told.uses
    assert (use.name, use.input["to"]) == ("transfer", "person")
    assert "R7" in use.input["summary"]
    bare = {"transfer": {"properties": {"to": {"type": "string"}}}}
    assert answer(talk("put me through", tools=bare)).uses == (
        ToolUse("transfer", {"to": "person"}),
    )


def test_goodbye_hangs_up_where_that_is_offered() -> None:
    assert answer(talk("thank you goodbye")).uses == (ToolUse("hang_up"),)
    assert answer(talk("thank you goodbye", tools={})).uses == ()


def test_what_is_declared_and_not_allowed_is_not_claimed() -> None:
    told = answer(evolve(talk(WISH), may_use=frozenset()))
    assert told == Answer(f"{says.NOT_BOOKED} {says.CALL_AGAIN}")
    assert answer(evolve(talk("can i speak to a person"), may_use=frozenset())).uses == ()


def test_of_another_tool_it_knows_no_more_than_before() -> None:
    told = answer(talk("what time do you close", Result("weather", {}, "rain")))
    assert told.text.startswith("We close at eleven")


def test_arguments_that_are_no_object_are_none() -> None:
    messages = [
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": str(n), "function": {"name": "book_table", "arguments": text}}
            for n, text in enumerate(["{", "[]"])
        ]},
        *({"role": "tool", "tool_call_id": str(n), "content": "{}"} for n in range(2)),
    ]  # fmt: skip
    assert from_chat(messages) == (Result("book_table", {}, {}),) * 2


# --- words and values ---------------------------------------------------------------------------

SATURDAY = date(2026, 11, 21)


@pytest.mark.parametrize(
    ("topic", "said", "schema", "value"),
    [
        (Topic.GUESTS, "four", {"type": "integer"}, 4),
        (Topic.GUESTS, "4", {"anyOf": [{"type": "integer"}, {"type": "null"}]}, 4),
        (Topic.GUESTS, "four", {"type": "string"}, "four"),
        (Topic.DAY, "today", {"format": "date"}, "2026-11-21"),
        (Topic.DAY, "saturday", {"format": "date"}, "2026-11-28"),
        (Topic.DAY, "Sunday", {"format": "date"}, "2026-11-22"),
        (Topic.DAY, "tomorrow", {"type": "string"}, "tomorrow"),
        (Topic.TIME, "noon", {"format": "time"}, "12:00"),
        (Topic.TIME, "eleven", {"pattern": "x"}, "23:00"),
        (Topic.TIME, "eight", {}, "eight"),
        (Topic.BOOKED, "is booked", {"type": "boolean"}, True),
        (Topic.NAME, "Ada", {}, "Ada"),
    ],
)
def test_a_field_gets_what_its_schema_wants(
    topic: Topic, said: str, schema: Mapping[str, Any], value: object
) -> None:
    assert value_of(topic, Fact(said, said), schema, SATURDAY) == value


def test_without_a_date_in_the_prompt_a_day_stays_a_word() -> None:
    for system in ("Be brief.", "Today is 2026-13-40."):
        (use,) = answer(evolve(talk(WISH), system=system)).uses
        assert use.input["day"] == "tomorrow"


@pytest.mark.parametrize(
    ("value", "spoken"),
    [("2026-11-21", "today"), ("2026-11-22", "tomorrow"), ("2026-11-28", "on Saturday"),
     ("2026-12-24", "on 2026-12-24"), ("friday", "on Friday"), ("soon", "soon")],
)  # fmt: skip
def test_days_are_said_as_people_do(value: str, spoken: str) -> None:
    assert spoken_day(value, SATURDAY) == spoken


def test_what_it_has_no_word_for_is_said_as_it_stands() -> None:
    assert [spoken_guests(each) for each in (1, 12, 13, None)] == ["one", "twelve", "13", "None"]
    assert [spoken_time(each) for each in ("13:00", "12:00:00", "19:30")] == [
        "one", "noon", "19:30"]  # fmt: skip
    assert spoken_day("2026-11-22", None) == "on 2026-11-22"


# --- in either dialect --------------------------------------------------------------------------

DECLARED = [Tool(name, name, TOOLS[name]) for name in ("book_table", "transfer")]
ASKED = [Message(Role.SYSTEM, SYSTEM), Message(Role.CALLER, WISH)]
QUICK = LlmTiming(first_token_ms=1, tokens_per_s=5000)


async def ask(
    server: LlmServer | AnthropicServer, told: Sequence[Told], form: Form | None = None
) -> tuple[str, Completion]:
    """What our own engine gets of the server."""
    async with trio.open_nursery() as nursery, http_client() as http:
        url = f"http://127.0.0.1:{await nursery.start(serve, server.handle, '127.0.0.1', 0)}"
        write, read = trio.open_memory_channel[str](1000)
        with write, read:
            completion = await _engine(server, url, http).complete(told, write, DECLARED, form)
            write.close()
            text = "".join([piece async for piece in read])
        nursery.cancel_scope.cancel()
    return text, completion


def _engine(server: LlmServer | AnthropicServer, url: str, http: httpx.AsyncClient) -> HttpLlm:
    if isinstance(server, LlmServer):
        return OpenAiLlm("lab", config.OpenAiLlm(base_url=f"{url}/v1", model="m"), http)
    return AnthropicLlm("lab", config.AnthropicLlm(base_url=url, api_key=Secret("k")), http)


@pytest.fixture(params=[LlmServer, AnthropicServer])
def server(request: pytest.FixtureRequest) -> LlmServer | AnthropicServer:
    made: LlmServer | AnthropicServer = request.param(timing=QUICK)
    return made


async def test_a_tool_is_asked_for_and_its_result_read_back(
    server: LlmServer | AnthropicServer,
) -> None:
    text, completion = await ask(server, ASKED)
    assert text == BOOKS
    (call,) = completion.tool_calls
    assert (call.name, json.loads(call.arguments)) == ("book_table", GIVEN)
    assert completion.finish_reason == "tool_calls"
    told = Round((Used(call, json.dumps(BOOKED)),), text)
    text, completion = await ask(server, [*ASKED, told])
    assert (text, completion.tool_calls) == (READS, ())


async def test_no_tool_is_asked_for_where_words_are_wanted(
    server: LlmServer | AnthropicServer,
) -> None:
    text, completion = await ask(server, ASKED, InWords())
    assert (text, completion.tool_calls) == (f"{says.NOT_BOOKED} {says.CALL_AGAIN}", ())


async def test_an_interrupted_announcement_is_put_right(
    server: LlmServer | AnthropicServer,
) -> None:
    call = ToolCall("call_1_0", "book_table", json.dumps(GIVEN | {"guests": 5}))
    cut = Round((Used(call, NOT_DONE),), "I am booking a—")
    first = Message(Role.CALLER, WISH.replace("four", "five"))
    told = [ASKED[0], first, cut, Message(Role.CALLER, "no i meant four people")]
    text, completion = await ask(server, told)
    assert text == BOOKS
    assert json.loads(completion.tool_calls[0].arguments) == GIVEN


async def test_a_whole_answer_has_the_calls_too() -> None:
    function = {"name": "book_table", "parameters": TABLE}
    body = {
        "model": "m",
        "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": WISH}],
        "tools": [{"type": "function", "function": function}],
    }
    async with trio.open_nursery() as nursery:
        port = await nursery.start(serve, LlmServer(timing=QUICK).handle, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        async with httpx.AsyncClient() as http:
            whole = (await http.post(url, json=body)).json()["choices"][0]
            cut = (await http.post(url, json=body | {"max_tokens": 3})).json()["choices"][0]
        nursery.cancel_scope.cancel()
    (call,) = whole["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == GIVEN
    assert whole["finish_reason"] == "tool_calls"
    assert (cut["finish_reason"], cut["message"].get("tool_calls")) == ("length", None)
