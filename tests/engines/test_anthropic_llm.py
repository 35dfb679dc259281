"""Anthropic's Messages from the outside, over httpx's own connections in memory."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest
import trio
from anthropic_house import (
    BEGIN,
    HEAD,
    KEY,
    MESSAGES,
    MODEL,
    PING,
    SETTINGS,
    TEXT,
    THOUGHT,
    WHOLE,
    Exchange,
    House,
    answering,
    chunk,
    delta,
    end,
    error,
    event,
    failing,
    house_of,
    start,
    text,
)
from attrs import evolve
from engine_peers import Line, refused, unknown_host

from voiced.dialog.history import Message, Role
from voiced.dialog.tools import Tool
from voiced.engines.roles import Completion, ToolCall
from voiced.errors import EngineAtCapacity, EngineBroken, EngineRefused, EngineTimeout

Build = Callable[..., House]


@pytest.fixture
async def house(nursery: trio.Nursery) -> AsyncIterator[Build]:
    clients: list[httpx.AsyncClient] = []

    def build(*exchanges: Exchange, **changes: object) -> House:
        ours, client = house_of(nursery, exchanges, evolve(SETTINGS, **changes))
        clients.append(client)
        return ours

    yield build
    for client in clients:
        await client.aclose()
    nursery.cancel_scope.cancel()


async def test_an_answer_comes_as_text_and_a_completion(house, autojump_clock):
    ours = house(answering(*WHOLE))
    assert await ours.complete() == ("Yes, we are.", Completion("stop", (), 12, 2))
    head = ours.requests[0].decode().lower()
    assert head.startswith("post /v1/messages http/1.1\r\n")
    assert f"x-api-key: {KEY}\r\n" in head
    assert "anthropic-version: 2023-06-01\r\n" in head
    assert "content-type: application/json\r\n" in head
    assert "authorization" not in head
    assert ours.body() == {
        "model": MODEL,
        "max_tokens": 90,
        "system": "Be brief.",
        "messages": [{"role": "user", "content": "Are you open?"}],
        "stream": True,
        "thinking": {"type": "disabled"},
    }


async def test_a_call_that_began_with_a_greeting_begins_with_a_silent_caller(house, autojump_clock):
    ours = house(answering(*WHOLE))
    told = [Message(Role.AGENT, "Chez Sesame, hello."), Message(Role.CALLER, "Hi.")]
    write, read = trio.open_memory_channel[str](9)
    with write, read:
        await ours.llm.complete(told, write)
    said = [(each["role"], each["content"]) for each in ours.body()["messages"]]
    assert said == [("user", "…"), ("assistant", "Chez Sesame, hello."), ("user", "Hi.")]


async def test_a_server_without_keys_is_sent_none(house, autojump_clock):
    ours = house(answering(*WHOLE), api_key=None, temperature=0.4)
    await ours.complete()
    assert b"x-api-key" not in ours.requests[0].lower()
    assert ours.body()["temperature"] == 0.4


async def test_tools_are_told_in_the_apis_form_and_come_with_the_completion(house, autojump_clock):
    schema = {"type": "object", "properties": {"to": {"type": "string"}}}
    tool = Tool("transfer", "Connects the caller.", schema)
    use = start(1, "tool_use", id="toolu_01", name="transfer", input={})
    parts = [delta(1, "input_json_delta", partial_json=p) for p in ("", '{"to": ', '"kitchen"}')]
    ours = house(answering(HEAD, BEGIN, TEXT, text("Wait."), use, *parts, end("tool_use")))
    call = ToolCall("toolu_01", "transfer", '{"to": "kitchen"}')
    assert await ours.complete([tool]) == ("Wait.", Completion("tool_calls", (call,), 12, 2))
    assert ours.body()["tools"] == [
        {"name": "transfer", "description": "Connects the caller.", "input_schema": schema}
    ]


@pytest.mark.parametrize(
    ("stop_reason", "finish_reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("pause_turn", "pause_turn"),
        ("something_new", "something_new"),
    ],
)
async def test_stop_reasons_are_told_in_our_words(
    house, autojump_clock, stop_reason, finish_reason
):
    ours = house(answering(HEAD, BEGIN, TEXT, text("Yes"), end(stop_reason)))
    assert await ours.complete() == ("Yes", Completion(finish_reason, (), 12, 2))


async def test_an_empty_answer_is_an_answer(house, autojump_clock):
    ours = house(answering(HEAD, BEGIN, end()))
    assert await ours.complete() == ("", Completion("stop", (), 12, 2))


async def test_thoughts_are_not_spoken(house, autojump_clock):
    ours = house(answering(HEAD, BEGIN, THOUGHT, start(1, "text"), text("Yes.", 1), end()))
    assert (await ours.complete())[0] == "Yes."


@pytest.mark.parametrize("before", [TEXT + text("I ca"), b""])
async def test_a_refusal_is_no_answer(house, autojump_clock, before):
    ours = house(answering(HEAD, BEGIN, before, end("refusal")))
    failed = await ours.failure()
    assert type(failed) is EngineRefused
    assert "declines" in str(failed)
    assert not failed.retryable
    assert len(ours.requests) == 1


async def test_tokens_spent_on_thoughts_alone_are_told(house, autojump_clock):
    failed = await house(answering(HEAD, BEGIN, THOUGHT, end("max_tokens"))).failure()
    assert type(failed) is EngineRefused
    assert "max_tokens of 90" in str(failed)


async def test_a_call_alone_within_the_limit_is_an_answer(house, autojump_clock):
    use = start(0, "tool_use", id="toolu_01", name="hang_up", input={})
    _, completion = await house(answering(HEAD, BEGIN, use, end("max_tokens"))).complete()
    assert completion.tool_calls == (ToolCall("toolu_01", "hang_up", "{}"),)


async def test_text_is_passed_on_as_it_comes(house, autojump_clock):
    ours = house(answering(*[part for piece in WHOLE for part in (piece, 1.0)]))
    write, read = trio.open_memory_channel[str](0)
    began = trio.current_time()
    with write, read:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ours.llm.complete, MESSAGES, write)
            assert await read.receive() == "Yes, "
            assert trio.current_time() - began == pytest.approx(1)
            assert await read.receive() == "we are."
            assert trio.current_time() - began == pytest.approx(2)


async def test_a_character_split_between_packets_comes_whole(house, autojump_clock):
    raw = b"".join([HEAD, TEXT, text("Très bien, à bientôt."), end()])
    ours = house(answering(*(raw[i : i + 1] for i in range(len(raw)))))
    assert (await ours.complete())[0] == "Très bien, à bientôt."


async def test_the_connection_of_a_whole_answer_is_used_again(house, autojump_clock):
    ours = house(answering(*WHOLE))
    await ours.complete()
    await ours.complete()
    assert len(ours.peer.lines) == 1
    assert len(ours.requests) == 2


@pytest.mark.parametrize(
    ("status", "kind", "raised", "words", "requests"),
    [
        (400, "invalid_request_error", EngineRefused, "invalid_request_error", 1),
        (401, "authentication_error", EngineRefused, "api_key", 1),
        (402, "billing_error", EngineRefused, "no credit", 1),
        (403, "permission_error", EngineRefused, "does not open claude-haiku-5-5", 1),
        (404, "not_found_error", EngineRefused, "no model claude-haiku-5-5", 1),
        (413, "request_too_large", EngineRefused, "too long", 1),
        (429, "rate_limit_error", EngineAtCapacity, "limits our rate", 2),
        (500, "api_error", EngineBroken, "(HTTP 500, api_error)", 2),
        (503, "", EngineAtCapacity, "overloaded", 2),
        (504, "timeout_error", EngineBroken, "timeout_error", 2),
        (529, "overloaded_error", EngineAtCapacity, "overloaded (HTTP 529)", 2),
    ],
)
async def test_a_refused_request_says_what_to_mend(
    house, autojump_clock, status, kind, raised, words, requests
):
    ours = house(failing(status, error(kind)))
    failed = await ours.failure()
    assert type(failed) is raised
    assert words in str(failed)
    assert failed.retryable == (requests == 2)
    assert len(ours.requests) == requests


async def test_a_page_of_html_is_a_refusal_like_any_other(house, autojump_clock):
    assert "(HTTP 502)" in str(await house(failing(502, "<html>")).failure())


async def test_another_attempt_may_succeed(house, autojump_clock):
    ours = house(failing(529, error("overloaded_error")), answering(*WHOLE))
    began = trio.current_time()
    assert (await ours.complete())[0] == "Yes, we are."
    assert trio.current_time() - began == pytest.approx(0.1)
    assert ours.requests[0] == ours.requests[1]


@pytest.mark.parametrize(("header", "requests"), [("0.4", 2), ("20", 1)])
async def test_a_pause_is_granted_only_if_it_is_short(house, autojump_clock, header, requests):
    ours = house(failing(429, error("rate_limit_error"), f"Retry-After: {header}\r\n"))
    began = trio.current_time()
    assert isinstance(await ours.failure(), EngineAtCapacity)
    assert len(ours.requests) == requests
    assert trio.current_time() - began == pytest.approx(0.4 * (requests - 1))


async def test_the_server_may_forbid_another_attempt(house, autojump_clock):
    ours = house(failing(529, error("overloaded_error"), "x-should-retry: false\r\n"))
    assert not (await ours.failure()).retryable
    assert len(ours.requests) == 1


async def test_connection_refused_names_the_address(house, autojump_clock):
    ours = house(answering())
    ours.backend.failures = [refused(), refused()]
    failed = await ours.failure()
    assert isinstance(failed, EngineBroken)
    assert "nothing listens at http://claude:80" in str(failed)


async def test_an_unknown_host_is_named(house, autojump_clock):
    ours = house(answering())
    ours.backend.failures = [unknown_host(), unknown_host()]
    assert "host name" in str(await ours.failure())


async def test_a_kept_connection_that_went_away_costs_only_another_attempt(house, autojump_clock):
    ours = house(answering(*WHOLE), answering(then=Line.drop), answering(*WHOLE))
    await ours.complete()
    assert (await ours.complete())[0] == "Yes, we are."
    assert len(ours.peer.lines) == 2


@pytest.mark.parametrize(
    "parts",
    [
        [60.0],
        [HEAD, 60.0],
        [HEAD, BEGIN + TEXT, *[PING, 1.0] * 60],
        [HEAD, BEGIN + THOUGHT, *[delta(0, "thinking_delta", thinking="Hm"), 1.0] * 60],
        [b"HTTP/1.1 500 No\r\nContent-Length: 99\r\n\r\n{", 60.0],
    ],
    ids=["no head", "no event", "pings", "thoughts", "half a refusal"],
)
async def test_a_late_first_text_is_a_timeout(house, autojump_clock, parts):
    ours = house(answering(*parts))
    began = trio.current_time()
    assert isinstance(await ours.failure(), EngineTimeout)
    assert trio.current_time() - began == pytest.approx(8)
    assert ours.peer.all_closed
    assert len(ours.requests) == 1


async def test_a_stall_in_mid_answer_is_a_timeout_whatever_the_pings(house, autojump_clock):
    ours = house(answering(HEAD, BEGIN + TEXT + text("Yes, "), *[PING, 1.0] * 60))
    began = trio.current_time()
    assert isinstance(await ours.failure(), EngineTimeout)
    assert trio.current_time() - began == pytest.approx(5)
    assert ours.peer.all_closed


async def test_a_voice_that_lags_is_not_the_models_fault(house, autojump_clock):
    ours = house(answering(*WHOLE))
    write, read = trio.open_memory_channel[str](0)
    with write, read:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ours.llm.complete, MESSAGES, write)
            for _ in range(2):
                await trio.sleep(30)
                await read.receive()


@pytest.mark.parametrize("cut", [Line.drop, Line.reset])
async def test_a_cut_in_mid_answer_is_broken_and_not_tried_again(house, autojump_clock, cut):
    ours = house(answering(HEAD, BEGIN + TEXT + text("Yes, "), then=cut))
    assert isinstance(await ours.failure(), EngineBroken)
    assert len(ours.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        [TEXT, text("Yes, "), b"0\r\n\r\n"],
        [TEXT, text("Yes, "), event("message_delta", delta={"stop_reason": "end_turn"}),
         b"0\r\n\r\n"],
        [chunk(b"event: ping\ndata: {not json\n\n")],
        [text("Yes, ")],
        [b"zz\r\n"],
        [b"0\r\n\r\n"],
    ],
    ids=["no end", "no stop", "not JSON", "no block", "no chunk", "nothing"],
)  # fmt: skip
async def test_a_malformed_or_truncated_stream_is_broken(house, autojump_clock, body):
    assert isinstance(await house(answering(HEAD, *body)).failure(), EngineBroken)


async def test_an_answer_that_is_no_stream_is_told_by_its_type(house, autojump_clock):
    ours = house(failing(200, {}, "Content-Type: text/html; charset=utf-8\r\n"))
    assert "(text/html): answer cut short" in str(await ours.failure())


@pytest.mark.parametrize(
    ("kind", "raised", "words"),
    [
        ("overloaded_error", EngineAtCapacity, "(overloaded_error)"),
        ("rate_limit_error", EngineAtCapacity, "(rate_limit_error)"),
        ("api_error", EngineBroken, "(api_error)"),
        ("Are you open?", EngineBroken, "(error)"),
    ],
)
@pytest.mark.parametrize("before", [TEXT + text("Yes, "), b""])
async def test_an_error_in_mid_answer_is_told_by_its_type(
    house, autojump_clock, before, kind, raised, words
):
    ours = house(answering(HEAD, BEGIN, before, event("error", **error(kind))))
    failed = await ours.failure()
    assert type(failed) is raised
    assert words in str(failed)
    assert len(ours.requests) == 1


@pytest.mark.parametrize("stage_s", [0.5, 1.5, 2.5])
async def test_cancelling_closes_the_connection_at_once(house, autojump_clock, stage_s):
    parts = [1.0, HEAD, 1.0, BEGIN + TEXT + text("Yes, "), 60.0]
    ours = house(answering(*parts), answering(*WHOLE))
    began = trio.current_time()
    with trio.move_on_after(stage_s):
        await ours.complete()
    assert trio.current_time() == pytest.approx(began + stage_s)
    assert ours.peer.all_closed
    assert (await ours.complete())[0] == "Yes, we are."  # on a connection of its own
    assert len(ours.peer.lines) == 2


async def test_cancelling_while_the_voice_lags_closes_the_connection(house, autojump_clock):
    ours = house(answering(*WHOLE[:3], 60.0))
    write, read = trio.open_memory_channel[str](0)
    with write, read, trio.move_on_after(1):
        await ours.llm.complete(MESSAGES, write)
    assert ours.peer.all_closed


def models(status: int = 200) -> Exchange:
    return failing(status, {"data": []})


async def test_warming_opens_the_connection_that_the_answer_uses(house, autojump_clock):
    ours = house(models(), answering(*WHOLE))
    assert ours.llm.last_used == -float("inf")
    await ours.llm.warm()
    assert ours.llm.last_used == trio.current_time()
    await ours.complete()
    assert ours.requests[0].startswith(b"GET /v1/models?limit=1 HTTP/1.1\r\n")
    assert b"anthropic-version: 2023-06-01\r\n" in ours.requests[0]
    assert len(ours.peer.lines) == 1


async def test_warming_tells_of_a_wrong_key_but_not_of_a_missing_list(house, autojump_clock):
    ours = house(models(404), models(401))
    await ours.llm.warm()
    with pytest.raises(EngineRefused, match="api_key"):
        await ours.llm.warm()


async def test_warming_is_bounded(house, autojump_clock):
    began = trio.current_time()
    with pytest.raises(EngineTimeout):
        await house(answering(60.0)).llm.warm()
    assert trio.current_time() - began == pytest.approx(3)


async def test_warming_a_server_that_is_not_there_says_so(house, autojump_clock):
    ours = house(models())
    ours.backend.failures = [refused()]
    with pytest.raises(EngineBroken, match="nothing listens"):
        await ours.llm.warm()
