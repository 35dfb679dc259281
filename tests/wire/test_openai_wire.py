"""Chat streams of five servers, split anywhere; the `openai` package judges the fixtures."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam
from openai.types.shared_params import ResponseFormatJSONSchema
from pydantic import TypeAdapter

from voiced.errors import WireError
from voiced.wire.answer import Answered
from voiced.wire.api_error import ApiError
from voiced.wire.json_schema import NamedSchema
from voiced.wire.openai import ChatOptions, ChatStream, chat_messages, chat_request
from voiced.wire.rounds import Called, Use
from voiced.wire.sse import SseParser
from voiced.wire.tool_calls import ToolCall

FIXTURES = {path.stem: path.read_bytes() for path in (Path(__file__).parent / "fixtures").iterdir()}
TIME = ToolCall("call_a1", "get_time", '{"tz":"Europe/Paris"}')
EXPECTED = {
    "openai": ("Bonjour, ça va ?", Answered("stop", (), 12, 5)),
    "openai_tools": (
        "",
        Answered("tool_calls", (TIME, ToolCall("call_b2", "get_weather", "{}")), 12, 5),
    ),
    "groq": ("Bonjour, ça va ?", Answered("stop", (), 20, 7)),
    "ollama": ("Bonjour, ça va ?", Answered("stop", (), 26, 8)),
    "ollama_tools": (
        "",
        Answered("tool_calls", (ToolCall("call_x1", "get_time", '{"tz":"Europe/Paris"}'),)),
    ),
    "vllm": ("Bonjour, ça va ?", Answered("stop", (), 15, 9)),
    "llama_cpp": ("Bonjour, ça va ?", Answered("length", (), 11, 6)),
}


def read(*pieces: bytes) -> tuple[str, Answered]:
    stream = ChatStream()
    text = ""
    for piece in pieces:
        for event in stream.feed(piece):
            assert isinstance(event, str)
            assert event
            text += event
    return text, stream.close()


def body(*chunks: object, done: str = "data: [DONE]\n\n") -> bytes:
    return ("".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + done).encode()


def chunk(finish: str | None = None, **delta: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


@pytest.mark.parametrize("server", FIXTURES)
def test_the_fixtures_are_chunks_to_openais_own_types(server: str) -> None:
    events = SseParser().feed(FIXTURES[server])
    assert events[-1].data == "[DONE]"
    text = ""
    for event in events[:-1]:
        judged = ChatCompletionChunk.model_validate(json.loads(event.data))
        text += "".join(choice.delta.content or "" for choice in judged.choices)
    assert text == EXPECTED[server][0]


@pytest.mark.parametrize("server", FIXTURES)
def test_reads_what_each_server_streams(server: str) -> None:
    stream = FIXTURES[server]
    assert read(stream) == EXPECTED[server]
    assert read(*(bytes([byte]) for byte in stream)) == EXPECTED[server]


@given(st.sampled_from(sorted(FIXTURES)), st.lists(st.integers(0, 2500), max_size=5))
def test_how_the_body_is_split_does_not_matter(server: str, cuts: list[int]) -> None:
    stream = FIXTURES[server]
    borders = [0, *sorted(cuts), len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(borders)]
    assert read(*pieces) == EXPECTED[server]


def test_a_proxys_comments_and_line_ends_do_no_harm() -> None:
    stream = b": PROCESSING\n\n" + FIXTURES["openai"].replace(b"data: ", b"data:")
    assert read(stream.replace(b"\n", b"\r\n")) == EXPECTED["openai"]


def test_text_comes_out_as_soon_as_its_event_is_whole() -> None:
    stream = ChatStream()
    assert stream.feed(body(chunk(content="Bon"), done="")) == ["Bon"]
    assert not stream.is_over
    assert stream.feed(body(chunk(content="jour"), chunk("stop"))) == ["jour"]
    assert stream.is_over
    assert stream.feed(body(chunk(content="late"))) == []


def test_thoughts_inside_the_text_are_never_spoken() -> None:
    pieces = [chunk(content=piece) for piece in ["<th", "ink>Hm", ". </thi", "nk>Oui", " <"]]
    assert read(body(*pieces, chunk("stop"))) == ("Oui <", Answered("stop"))
    assert read(body(*pieces)) == ("Oui <", Answered("stop"))


def test_reasoning_beside_the_text_is_never_spoken() -> None:
    for name in ("reasoning", "reasoning_content", "thinking"):
        thought = chunk(**{name: "Hm, are they open?"})
        assert read(body(thought, chunk(content="Oui."), chunk("stop")))[0] == "Oui."


def test_a_refusal_is_spoken_for_it_is_worded_for_the_caller() -> None:
    sorry = chunk(content=None, refusal="Je ne peux pas.")
    assert read(body(sorry, chunk("stop")))[0] == "Je ne peux pas."


def test_the_calls_alone_say_whether_there_are_any() -> None:
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}
    said = [chunk(content="Je regarde."), chunk(tool_calls=[call]), chunk("stop")]
    assert read(body(*said)) == (
        "Je regarde.",
        Answered("tool_calls", (ToolCall("a", "f", "{}"),)),
    )


def test_a_stream_may_end_without_done_but_not_without_a_reason() -> None:
    assert read(body(chunk("stop", content="Oui."), done="")) == ("Oui.", Answered("stop"))
    for cut in (b"", b"data: [DO", body(chunk(content="Ou"), done="")):
        with pytest.raises(WireError, match="cut short"):
            read(cut)


def test_missing_parts_of_a_chunk_are_no_errors() -> None:
    odd = [{}, {"choices": None, "usage": None, "error": None}, {"choices": [{}]},
           {"choices": [{"delta": None, "finish_reason": None}]}]  # fmt: skip
    assert read(body(*odd, chunk("stop", content=None, tool_calls=None))) == (
        "",
        Answered("stop"),
    )


def test_a_lone_surrogate_does_not_come_out() -> None:
    assert read(body(chunk("stop", content="a\ud83d")))[0] == "a"


@pytest.mark.parametrize(
    "data",
    ["nonsense", "[1]", '{"choices":{}}', '{"choices":[1]}', '{"choices":[{"delta":[]}]}',
     '{"choices":[{"delta":{"content":5}}]}', '{"choices":[{"finish_reason":1}]}',
     '{"usage":7}', '{"choices":[{"delta":{"tool_calls":[7]}}]}', "[" * 100_000],
    ids=lambda data: data[:40],
)  # fmt: skip
def test_malformed_events_are_wire_errors(data: str) -> None:
    with pytest.raises(WireError):
        ChatStream().feed(f"data: {data}\n\n".encode())


def test_a_usage_that_is_no_number_is_a_wire_error() -> None:
    with pytest.raises(WireError, match="prompt_tokens"):
        read(body(chunk("stop"), {"usage": {"prompt_tokens": "many"}}))


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (
            'data: {"error":{"message":"oops","type":"server_error","param":null,"code":null}}',
            ApiError("server_error", "oops", retryable=True),
        ),
        (
            'event: error\ndata: {"error":{"message":"bad call","code":"tool_use_failed"}}',
            ApiError("tool_use_failed", "bad call", retryable=True),
        ),
        (
            'data: {"error":{"code":500,"message":"slot","type":"odd"}}',
            ApiError("odd", "slot", retryable=True),
        ),
        ('event: error\ndata: {"message":"no"}', ApiError("error", "no", retryable=False)),
        ('data: {"error":"gone"}', ApiError("error", "gone", retryable=False)),
    ],
)
def test_an_error_in_mid_stream_is_an_event_and_the_end(event: str, error: ApiError) -> None:
    stream = ChatStream()
    start = body(chunk(content="Bon"), done="")
    events = stream.feed(start + event.encode() + b"\n\n" + body(chunk("stop")))
    assert events == ["Bon", error]
    assert stream.is_over
    with pytest.raises(WireError, match="cut short"):
        stream.close()


def test_tool_calls_cut_by_the_length_are_not_taken_for_whole() -> None:
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x'}}
    _, result = read(body(chunk(tool_calls=[call]), chunk("length")))
    assert result.finish_reason == "length"


MESSAGES = [{"role": "user", "content": "Ça va ?"}]


def test_a_request_holds_only_what_was_set() -> None:
    assert json.loads(chat_request(ChatOptions("llama3.2:3b", include_usage=False), MESSAGES)) == {
        "model": "llama3.2:3b",
        "messages": MESSAGES,
        "stream": True,
        "max_tokens": 200,
    }


def test_a_request_holds_all_that_was_set() -> None:
    options = ChatOptions("gpt-5.4-mini", 90, 0.6, "none", max_tokens_field="max_completion_tokens")
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    assert json.loads(chat_request(options, MESSAGES, tools)) == {
        "model": "gpt-5.4-mini",
        "messages": MESSAGES,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_completion_tokens": 90,
        "temperature": 0.6,
        "reasoning_effort": "none",
        "tools": tools,
    }


def test_the_limit_goes_by_the_name_that_the_server_knows() -> None:
    assert json.loads(chat_request(ChatOptions("m", max_tokens_field="other"), []))["other"] == 200


def test_a_request_can_always_be_sent() -> None:
    sent = chat_request(ChatOptions("m"), [{"role": "user", "content": "é\ud83d"}])
    assert json.loads(sent)["messages"][0]["content"] == "é"


# --- rounds and forms --------------------------------------------------------------------------

TIMES = Called(
    (
        Use("call_a1", "get_time", '{"tz":"Europe/Paris"}', "10:00"),
        Use("call_b2", "get_weather", "{}", '{"sky": "rain"}'),
    ),
    "Let me see.",
)


def test_an_answer_with_calls_is_followed_by_a_message_for_each() -> None:
    told = chat_messages([("user", "Well?"), TIMES, ("assistant", "Rain."), ("user", "Thanks.")])
    assert told == [
        {"role": "user", "content": "Well?"},
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [
                {
                    "id": "call_a1",
                    "type": "function",
                    "function": {"name": "get_time", "arguments": '{"tz":"Europe/Paris"}'},
                },
                {
                    "id": "call_b2",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": "{}"},
                },
            ],
        },
        {"role": "tool", "tool_call_id": "call_a1", "content": "10:00"},
        {"role": "tool", "tool_call_id": "call_b2", "content": '{"sky": "rain"}'},
        {"role": "assistant", "content": "Rain."},
        {"role": "user", "content": "Thanks."},
    ]
    for message in told:
        TypeAdapter(ChatCompletionMessageParam).validate_python(message)


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_answer_of_calls_alone_has_no_text(text: str) -> None:
    asked = chat_messages([Called(TIMES.uses, text)])[0]
    assert asked["content"] is None
    TypeAdapter(ChatCompletionMessageParam).validate_python(asked)


def test_ids_are_the_same_on_both_sides_and_differ_in_several_rounds() -> None:
    odd = [Use(each, "f", "{}", "r") for each in ("", "call_0", "x" * 41, "functions.f:0")]
    told = chat_messages([Called(tuple(odd)), Called(tuple(odd))])
    asked = [c["id"] for m in told if m["role"] == "assistant" for c in m["tool_calls"]]
    answered = [m["tool_call_id"] for m in told if m["role"] == "tool"]
    assert asked == answered
    assert len(set(asked)) == 8
    assert asked[1] == "call_0"
    assert asked[3] == "functions.f:0"
    assert max(map(len, asked)) <= 40


FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {}}}
SCHEMA = {"type": "object", "properties": {"note": {"type": "string", "minLength": 1}}}


def test_tools_that_may_not_be_called_are_declared_all_the_same() -> None:
    sent = json.loads(chat_request(ChatOptions("m"), MESSAGES, [FUNCTION], may_call=False))
    assert (sent["tools"], sent["tool_choice"]) == ([FUNCTION], "none")
    assert "tool_choice" not in json.loads(chat_request(ChatOptions("m"), MESSAGES, may_call=False))


def test_a_schema_is_asked_for_in_its_strict_form() -> None:
    schema = NamedSchema("the call's notes", SCHEMA)
    form = json.loads(chat_request(ChatOptions("m"), MESSAGES, schema=schema))["response_format"]
    assert form == {
        "type": "json_schema",
        "json_schema": {
            "name": "the_call_s_notes",
            "schema": {
                "type": "object",
                "properties": {"note": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
                "required": ["note"],
                "additionalProperties": False,
            },
            "strict": True,
        },
    }
    TypeAdapter(ResponseFormatJSONSchema).validate_python(form)


def test_a_schema_that_cannot_be_strict_is_shown_as_it_is() -> None:
    sent = chat_request(ChatOptions("m"), MESSAGES, schema=NamedSchema("n", {"type": "object"}))
    assert json.loads(sent)["response_format"]["json_schema"] == {
        "name": "n",
        "schema": {"type": "object"},
        "strict": False,
    }
