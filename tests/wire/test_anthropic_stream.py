"""Anthropic's streams, split anywhere; the `anthropic` package judges the fixtures."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from anthropic.types import RawMessageStreamEvent
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from voiced.errors import WireError
from voiced.wire import anthropic_stream
from voiced.wire.answer import Answered
from voiced.wire.anthropic_stream import MessageStream
from voiced.wire.api_error import ApiError
from voiced.wire.sse import SseParser
from voiced.wire.tool_calls import MAX_ARGUMENTS, ToolCall

FIXTURES = {
    path.stem: path.read_bytes()
    for path in (Path(__file__).parent / "fixtures_anthropic").iterdir()
}
TOOLS = (ToolCall("toolu_01", "get_time", '{"tz": "Europe/Paris"}'),
         ToolCall("toolu_02", "hang_up", "{}"))  # fmt: skip
EXPECTED = {
    "text": ("Très bien, à bientôt.", Answered("stop", (), 125, 12)),
    "tools": ("Je regarde.", Answered("tool_calls", TOOLS, 472, 89)),
    "thinking": ("Bonjour !", Answered("stop", (), 9, 41)),
}


def read(*pieces: bytes) -> tuple[str, Answered]:
    stream = MessageStream()
    text = ""
    for piece in pieces:
        for event in stream.feed(piece):
            assert isinstance(event, str)
            assert event
            text += event
    return text, stream.close()


def event(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def start(index: int, kind: str, **fields: object) -> bytes:
    return event("content_block_start", index=index, content_block={"type": kind, **fields})


def delta(index: int, kind: str, **fields: object) -> bytes:
    return event("content_block_delta", index=index, delta={"type": kind, **fields})


def text_delta(text: str, index: int = 0) -> bytes:
    return delta(index, "text_delta", text=text)


def tool(index: int, partial_json: str) -> bytes:
    head = start(index, "tool_use", id=f"toolu_{index}", name="f", input={"ignored": 1})
    return head + delta(index, "input_json_delta", partial_json=partial_json)


def end(stop_reason: str = "end_turn", **usage: int) -> bytes:
    ended = event("message_delta", delta={"stop_reason": stop_reason}, usage=usage)
    return ended + event("message_stop")


TEXT = start(0, "text", text="")


@pytest.mark.parametrize("name", FIXTURES)
def test_the_fixtures_are_events_to_anthropics_own_types(name: str) -> None:
    judge: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)
    text = ""
    for each in SseParser().feed(FIXTURES[name]):
        if each.event != "ping":  # their reader drops it unread
            judged = judge.validate_json(each.data)
            assert judged.type == each.event
            if judged.type == "content_block_delta" and judged.delta.type == "text_delta":
                text += judged.delta.text
    assert text == EXPECTED[name][0]


@pytest.mark.parametrize("name", FIXTURES)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_reads_each_stream_byte_by_byte_too(name: str, line_end: bytes) -> None:
    stream = FIXTURES[name].replace(b"\n", line_end)
    assert read(stream) == EXPECTED[name]
    assert read(*(bytes([byte]) for byte in stream)) == EXPECTED[name]


@given(st.sampled_from(sorted(FIXTURES)), st.lists(st.integers(0, 2500), max_size=5))
def test_how_the_body_is_split_does_not_matter(name: str, cuts: list[int]) -> None:
    stream = FIXTURES[name]
    borders = [0, *sorted(cuts), len(stream)]
    assert read(*(stream[a:b] for a, b in pairwise(borders))) == EXPECTED[name]


def test_a_proxys_comments_do_no_harm() -> None:
    assert read(b": keep-alive\n\n" + FIXTURES["text"]) == EXPECTED["text"]


def test_text_comes_out_as_soon_as_its_event_is_whole() -> None:
    stream = MessageStream()
    assert stream.feed(TEXT + text_delta("Bon")) == ["Bon"]
    assert not stream.is_over
    assert stream.feed(text_delta("jour") + end() + text_delta("late")) == ["jour"]
    assert stream.is_over
    assert stream.feed(text_delta("late")) == []


def test_a_blocks_first_text_may_stand_in_its_start() -> None:
    assert read(start(0, "text", text="Oui") + text_delta(".") + end())[0] == "Oui."


def test_types_to_come_are_ignored() -> None:
    odd = (
        start(1, "hologram", size=3)
        + delta(1, "hologram_delta", text="boo")
        + delta(1, "text_delta", text="boo")
        + delta(0, "citations_delta", citation={})
        + event("weather", text="rain")
        + b'data: {"text": "rain"}\n\n'
    )
    assert read(TEXT + odd + text_delta("Oui.") + end("sleepy")) == (
        "Oui.",
        Answered("sleepy"),
    )


def test_thoughts_are_never_spoken() -> None:
    thought = start(0, "thinking", thinking="Hm") + delta(0, "thinking_delta", thinking="Hm")
    said = start(1, "text", text="") + text_delta("Oui.", 1)
    assert read(thought + text_delta("Hm") + said + end())[0] == "Oui."


def test_what_follows_a_tool_is_not_glued_to_what_was_said_before() -> None:
    first, second = TEXT + text_delta("Je regarde."), start(2, "text") + text_delta("Voilà.", 2)
    assert read(first + tool(1, "") + second + end("tool_use"))[0] == "Je regarde. Voilà."
    assert read(first + second + end())[0] == "Je regarde.Voilà."  # pieces of one sentence
    assert read(tool(1, "") + second + end())[0] == "Voilà."


def test_tools_are_put_together_by_their_index() -> None:
    more = delta(1, "input_json_delta", partial_json="1}")
    body = tool(1, '{"a": ') + tool(2, '{"b": 2}') + more + end("tool_use")
    calls = (ToolCall("toolu_1", "f", '{"a": 1}'), ToolCall("toolu_2", "f", '{"b": 2}'))
    assert read(body)[1].tool_calls == calls


def test_the_input_of_other_blocks_is_no_call() -> None:
    other = start(0, "server_tool_use", id="s", name="web_search", input={})
    body = other + delta(0, "input_json_delta", partial_json="{") + end("pause_turn")
    assert read(body) == ("", Answered("pause_turn"))


@pytest.mark.parametrize("reason", ["max_tokens", "model_context_window_exceeded"])
def test_calls_cut_by_a_limit_are_not_taken_for_whole(reason: str) -> None:
    body = tool(0, '{"a": 1}') + tool(1, '{"a": ') + end(reason)
    assert read(body)[1].tool_calls == (ToolCall("toolu_0", "f", '{"a": 1}'),)


@pytest.mark.parametrize("partial_json", ['{"a": ', "[1]", "7"])
def test_a_call_with_a_broken_input_is_a_wire_error(partial_json: str) -> None:
    with pytest.raises(WireError, match="not a JSON object"):
        read(tool(0, partial_json) + end("tool_use"))


def test_counts_replace_those_before() -> None:
    usage = {"input_tokens": 10, "output_tokens": 1, "cache_read_input_tokens": None}
    first = event("message_start", message={"usage": usage})
    _, result = read(first + end(output_tokens=7, cache_read_input_tokens=5))
    assert (result.prompt_tokens, result.completion_tokens) == (15, 7)
    assert read(first + end())[1].completion_tokens == 1
    assert read(end())[1] == Answered("stop")


@pytest.mark.parametrize(
    ("stop_reason", "finish_reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("pause_turn", "pause_turn"),
        ("something_new", "something_new"),
    ],
)
def test_stop_reasons_are_told_in_our_words(stop_reason: str, finish_reason: str) -> None:
    assert read(TEXT + text_delta("Oui") + end(stop_reason))[1].finish_reason == finish_reason


def test_a_stream_without_a_reason_has_ended_its_turn() -> None:
    assert read(TEXT + event("message_delta") + event("message_stop"))[1].finish_reason == "stop"


@pytest.mark.parametrize("at", range(1, 12))
def test_a_stream_without_its_stop_is_cut_short(at: int) -> None:
    events = FIXTURES["text"].split(b"\n\n")[:-1]
    for cut in (events[: at - 1], [*events[:-1], events[-1][: at + 5]]):
        with pytest.raises(WireError, match="cut short"):
            read(b"".join(each + b"\n\n" for each in cut[:-1]) + b"".join(cut[-1:]))


@pytest.mark.parametrize(
    ("kind", "retryable"),
    [
        ("overloaded_error", True),
        ("rate_limit_error", True),
        ("api_error", True),
        ("timeout_error", True),
        ("invalid_request_error", False),
    ],
)
def test_an_error_in_mid_stream_ends_it(*, kind: str, retryable: bool) -> None:
    stream = MessageStream()
    error = event("error", error={"type": kind, "message": "Overloaded"})
    told = stream.feed(TEXT + text_delta("Oui") + error + text_delta("late"))
    assert told == ["Oui", ApiError(kind, "Overloaded", retryable)]
    assert stream.is_over
    with pytest.raises(WireError, match="cut short"):
        stream.close()


def test_an_error_is_known_by_either_of_its_names() -> None:
    for raw in (b'event: error\ndata: {"error": {}}\n\n', b'data: {"type": "error"}\n\n'):
        assert MessageStream().feed(raw) == [ApiError("error", "", retryable=False)]


@pytest.mark.parametrize(
    "body",
    [
        b"data: nonsense\n\n",
        b"data: [DONE]\n\n",
        b"data: [1]\n\n",
        b'data: {"type": 7}\n\n',
        text_delta("before its block"),
        TEXT + event("content_block_delta", index=0, delta=7),
        TEXT + event("content_block_delta", index=None, delta={}),
        TEXT + delta(0, "text_delta", text=7),
        TEXT + delta(0, "text_delta"),
        event("content_block_start", index=0),
        start(0, "tool_use", name="f"),
        start(0, "tool_use", id="a"),
        tool(0, "")[:-2] + b"\n\n" + delta(0, "input_json_delta", partial_json={}),
        tool(0, "x" * (MAX_ARGUMENTS + 1)),
        event("message_start", message=7),
        event("message_delta", delta={"stop_reason": 7}),
        event("message_delta", usage={"output_tokens": "many"}),
    ],
    ids=lambda body: body[:60].decode(),
)
def test_malformed_events_are_wire_errors(body: bytes) -> None:
    with pytest.raises(WireError):
        MessageStream().feed(body)


def test_endless_blocks_are_refused() -> None:
    stream = MessageStream()
    for index in range(anthropic_stream.MAX_BLOCKS):
        stream.feed(start(index, "text"))
    with pytest.raises(WireError, match="too many blocks"):
        stream.feed(start(-1, "text"))


@given(st.lists(st.sampled_from(FIXTURES["tools"].split(b"\n\n")), max_size=12))
def test_events_in_any_order_are_read_or_refused(events: list[bytes]) -> None:
    stream = MessageStream()
    try:
        stream.feed(b"".join(each + b"\n\n" for each in events))
        stream.close()
    except WireError:
        pass
