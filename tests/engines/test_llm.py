"""What every LLM does alike, whichever dialect its server speaks."""

import json
import logging
from collections.abc import AsyncIterator

import pytest
import trio
from engine_peers import Line, refused, unknown_host
from llm_forms import ASKED, NOTES, TRANSFER, answered
from llm_house import (
    ANTHROPIC,
    HEAD,
    KEY,
    LAST,
    MESSAGES,
    OPENAI,
    Exchange,
    Street,
    Tongue,
    answering,
    chunk,
    failing,
)

from voiced.engines.http import http_client
from voiced.engines.roles import Completion, InWords
from voiced.errors import (
    EngineAtCapacity,
    EngineBroken,
    EngineRefused,
    EngineTimeout,
    RequestRefused,
)


@pytest.fixture(params=[OPENAI, ANTHROPIC], ids=["openai", "anthropic"])
def tongue(request) -> Tongue:
    return request.param


@pytest.fixture
async def house(tongue: Tongue, nursery: trio.Nursery) -> AsyncIterator[Street]:
    street = Street(tongue, nursery)
    yield street
    await street.close()


async def test_an_answer_comes_as_text_and_a_completion(tongue, house, autojump_clock):
    ours = house(answering(*tongue.whole))
    assert await ours.complete() == ("Yes, we are.", Completion("stop", (), 12, 2))
    assert ours.requests[0].startswith(tongue.asks)
    assert KEY.encode() in ours.requests[0]
    assert b"\r\ncontent-type: application/json\r\n" in ours.requests[0].lower()
    assert ours.body()["stream"] is True
    assert ours.llm.name == "mind"


async def test_a_server_without_keys_is_sent_none(tongue, house, autojump_clock):
    ours = house(answering(*tongue.whole), api_key=None)
    await ours.complete()
    head = ours.requests[0].lower()
    assert b"authorization" not in head
    assert b"x-api-key" not in head


async def test_text_is_passed_on_as_it_comes(tongue, house, autojump_clock):
    ours = house(answering(*[part for piece in tongue.whole for part in (piece, 1.0)]))
    write, read = trio.open_memory_channel[str](0)
    began = trio.current_time()
    with write, read:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ours.llm.complete, MESSAGES, write)
            assert await read.receive() == "Yes, "
            assert trio.current_time() - began == pytest.approx(1)
            assert await read.receive() == "we are."
            assert trio.current_time() - began == pytest.approx(2)


async def test_a_character_split_between_packets_comes_whole(tongue, house, autojump_clock):
    raw = b"".join([HEAD, tongue.begin, tongue.text("Très bien, à bientôt 🙂."), tongue.end()])
    ours = house(answering(*(raw[i : i + 1] for i in range(len(raw)))))
    assert (await ours.complete())[0] == "Très bien, à bientôt 🙂."


async def test_the_connection_of_a_whole_answer_is_used_again(tongue, house, autojump_clock):
    ours = house(answering(*tongue.whole))  # twice, with the same id: Ollama's are not unique
    await ours.complete()
    await ours.complete()
    assert len(ours.peer.lines) == 1
    assert len(ours.requests) == 2


async def test_an_empty_answer_is_an_answer(tongue, house, autojump_clock):
    ours = house(answering(HEAD, tongue.begin, tongue.end()))
    assert await ours.complete() == ("", Completion("stop", (), 12, 2))


@pytest.mark.parametrize("words", ["I ca", ""])
async def test_what_a_filter_breaks_off_is_no_answer(tongue, house, autojump_clock, words):
    said = tongue.text(words) if words else b""
    ours = house(answering(HEAD, tongue.begin, said, tongue.end(tongue.filtered)))
    failed = await ours.failure()
    assert type(failed) is RequestRefused
    assert "declines" in str(failed)
    assert not failed.retryable
    assert len(ours.requests) == 1


LIMIT = {OPENAI: "length", ANTHROPIC: "max_tokens"}


async def test_tokens_spent_on_thoughts_alone_are_told(tongue, house, autojump_clock):
    failed = await house(answering(HEAD, tongue.begin, tongue.end(LIMIT[tongue]))).failure()
    assert type(failed) is EngineRefused
    assert "max_tokens of 90" in str(failed)
    assert failed.retryable  # another question may need less thought


async def test_an_answer_at_its_limit_is_one(tongue, house, autojump_clock):
    ours = house(answering(HEAD, tongue.begin, tongue.text("Yes"), tongue.end(LIMIT[tongue])))
    assert await ours.complete() == ("Yes", Completion("length", (), 12, 2))


@pytest.mark.parametrize(
    ("status", "kind", "words", "requests"),
    [
        (400, EngineRefused, "does not take the request (HTTP 400)", 1),
        (401, EngineRefused, "api_key", 1),
        (402, EngineRefused, "no credit", 1),
        (403, EngineRefused, "does not accept the api_key for", 1),
        (404, EngineRefused, "no model", 1),
        (408, EngineRefused, "failed (HTTP 408)", 2),
        (413, RequestRefused, "too long", 1),
        (422, EngineRefused, "does not take the request (HTTP 422)", 1),
        (429, EngineAtCapacity, "limits our rate", 2),
        (498, EngineAtCapacity, "overloaded", 2),
        (500, EngineBroken, "failed (HTTP 500)", 2),
        (502, EngineBroken, "failed (HTTP 502)", 2),
        (503, EngineAtCapacity, "still loading its model", 2),
        (504, EngineBroken, "failed (HTTP 504)", 2),
        (529, EngineAtCapacity, "overloaded (HTTP 529)", 2),
    ],
)
async def test_a_refused_request_says_what_to_mend(
    house, autojump_clock, status, kind, words, requests
):
    ours = house(failing(status, "<html>"))
    failed = await ours.failure()
    assert type(failed) is kind
    assert words in str(failed)
    assert failed.retryable == (requests == 2)
    assert getattr(failed, "key", "") == ("api_key" if status in {401, 403} else "")
    assert len(ours.requests) == requests


async def test_a_model_that_was_loading_answers_at_the_second_attempt(
    tongue, house, autojump_clock
):
    loading = {"error": {"code": 503, "message": "Loading", "type": "unavailable_error"}}
    ours = house(failing(503, loading), answering(*tongue.whole))
    began = trio.current_time()
    assert (await ours.complete())[0] == "Yes, we are."
    assert trio.current_time() - began == pytest.approx(0.1)
    assert ours.requests[0] == ours.requests[1]


@pytest.mark.parametrize(
    ("header", "pause_s"),
    [
        ("Retry-After: 0.4", 0.4),
        ("Retry-After: 9\r\nRetry-After-Ms: 250", 0.25),
        ("Retry-After: Fri, 20 Nov 2026 10:00:00 GMT", 0.1),
        ("Retry-After: 20", None),
    ],
)
async def test_a_pause_is_granted_only_if_it_is_short(
    tongue, house, autojump_clock, header, pause_s
):
    ours = house(failing(429, tongue.error(tongue.busy), f"{header}\r\n"))
    began = trio.current_time()
    assert isinstance(await ours.failure(), EngineAtCapacity)
    assert len(ours.requests) == (2 if pause_s else 1)
    assert trio.current_time() - began == pytest.approx(pause_s or 0)


async def test_the_server_may_forbid_another_attempt(tongue, house, autojump_clock):
    ours = house(failing(529, tongue.error(tongue.busy), "x-should-retry: false\r\n"))
    assert not (await ours.failure()).retryable
    assert len(ours.requests) == 1


async def test_connection_refused_names_the_address(tongue, house, autojump_clock):
    ours = house(answering())
    ours.backend.failures = [refused(), refused()]
    failed = await ours.failure()
    assert isinstance(failed, EngineBroken)
    assert f"nothing listens at {tongue.address}" in str(failed)


async def test_an_unknown_host_is_named(house, autojump_clock):
    ours = house(answering())
    ours.backend.failures = [unknown_host(), unknown_host()]
    assert "host name" in str(await ours.failure())


async def test_a_connection_is_given_three_seconds():
    async with http_client() as http:
        assert http.timeout.connect == 3


async def test_a_kept_connection_that_went_away_costs_only_another_attempt(
    tongue, house, autojump_clock
):
    ours = house(answering(*tongue.whole), answering(then=Line.drop), answering(*tongue.whole))
    await ours.complete()
    assert (await ours.complete())[0] == "Yes, we are."
    assert len(ours.peer.lines) == 2


@pytest.mark.parametrize("which", range(6))
async def test_a_late_first_text_is_a_timeout(tongue, house, autojump_clock, which):
    parts = [
        [60.0],
        [HEAD, 60.0],
        [b"HTTP/1.1 500 No\r\nContent-Length: 99\r\n\r\n{", 60.0],
        *([HEAD, tongue.begin, *[idle, 1.0] * 60] for idle in tongue.idle),
    ][which]
    ours = house(answering(*parts))
    began = trio.current_time()
    assert isinstance(await ours.failure(), EngineTimeout)
    assert trio.current_time() - began == pytest.approx(8)
    assert ours.peer.all_closed
    assert len(ours.requests) == 1


@pytest.mark.parametrize("which", range(3))
async def test_a_stall_in_mid_answer_is_a_timeout_whatever_comes_meanwhile(
    tongue, house, autojump_clock, which
):
    idle = [tongue.idle[which], 1.0] * 60
    ours = house(answering(HEAD, tongue.begin + tongue.text("Yes, "), *idle))
    began = trio.current_time()
    assert isinstance(await ours.failure(), EngineTimeout)
    assert trio.current_time() - began == pytest.approx(5)
    assert ours.peer.all_closed


async def test_a_voice_that_lags_is_not_the_models_fault(tongue, house, autojump_clock):
    ours = house(answering(*tongue.whole))
    write, read = trio.open_memory_channel[str](0)
    with write, read:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ours.llm.complete, MESSAGES, write)
            for _ in range(2):
                await trio.sleep(30)
                await read.receive()


@pytest.mark.parametrize("cut", [Line.drop, Line.reset])
async def test_a_cut_in_mid_answer_is_broken_and_not_tried_again(
    tongue, house, autojump_clock, cut
):
    ours = house(answering(HEAD, tongue.begin + tongue.text("Yes, "), then=cut))
    assert isinstance(await ours.failure(), EngineBroken)
    assert len(ours.requests) == 1


@pytest.mark.parametrize(
    "body", [b"zz\r\n", LAST, chunk(b"data: {not json\n\n") + LAST, chunk(b"data: [1]\n\n") + LAST]
)
async def test_a_malformed_stream_is_broken(house, autojump_clock, body):
    assert isinstance(await house(answering(HEAD, body)).failure(), EngineBroken)


async def test_a_truncated_stream_is_broken(tongue, house, autojump_clock):
    ours = house(answering(HEAD, tongue.begin + tongue.text("Yes, ") + LAST))
    assert "cut short" in str(await ours.failure())


@pytest.mark.parametrize("kind", ["text/html", "application/x-ndjson"])
async def test_an_answer_that_is_no_stream_is_told_by_its_type(house, autojump_clock, kind):
    ours = house(failing(200, {"message": {"content": "Yes"}}, f"Content-Type: {kind}; a=b\r\n"))
    assert f"({kind}): answer cut short" in str(await ours.failure())


@pytest.mark.parametrize("words", ["Yes, ", ""])
async def test_an_error_in_mid_answer_is_told_by_its_code(tongue, house, autojump_clock, words):
    said = tongue.text(words) if words else b""
    for code, kind in [
        (tongue.busy, EngineAtCapacity),
        (tongue.broken, EngineBroken),
        ("Are you open?", EngineBroken),
    ]:
        ours = house(answering(HEAD, tongue.begin, said, tongue.mid_error(code)))
        failed = await ours.failure()
        assert type(failed) is kind
        assert f"({code if '?' not in code else 'error'})" in str(failed)
        assert len(ours.requests) == 1


@pytest.mark.parametrize("stage_s", [0.5, 1.5, 2.5])
async def test_cancelling_closes_the_connection_at_once(tongue, house, autojump_clock, stage_s):
    parts = [1.0, HEAD, 1.0, tongue.begin + tongue.text("Yes, "), 60.0]
    ours = house(answering(*parts), answering(*tongue.whole))
    began = trio.current_time()
    with trio.move_on_after(stage_s):
        await ours.complete()
    assert trio.current_time() == pytest.approx(began + stage_s)
    assert ours.peer.all_closed
    assert (await ours.complete())[0] == "Yes, we are."  # on a connection of its own
    assert len(ours.peer.lines) == 2


async def test_cancelling_while_the_voice_lags_closes_the_connection(tongue, house, autojump_clock):
    ours = house(answering(*tongue.whole[:3], 60.0))
    write, read = trio.open_memory_channel[str](0)
    with write, read, trio.move_on_after(1):
        await ours.llm.complete(MESSAGES, write)
    assert ours.peer.all_closed


def models(status: int = 200) -> Exchange:
    return failing(status, {"data": []})


async def test_warming_opens_the_connection_that_the_answer_uses(tongue, house, autojump_clock):
    ours = house(models(), answering(*tongue.whole))
    assert ours.llm.last_used == -float("inf")
    await ours.llm.warm()
    assert ours.llm.last_used == trio.current_time()
    await ours.complete()
    assert ours.requests[0].startswith(tongue.lists)
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


# --- rounds and forms --------------------------------------------------------------------------


def in_form(body: dict) -> bool:
    return "response_format" in body or "format" in body.get("output_config", {})


def fallen(house, tongue, message: str, status: int = 400):
    """Refuses the first request, and takes what comes then."""
    refusal = tongue.error("invalid_request_error", message)
    return house(failing(status, refusal), answering(*tongue.whole))


async def test_a_round_that_was_made_is_told(tongue, house, autojump_clock):
    ours = house(answering(*tongue.whole))
    await answered(ours, messages=[*MESSAGES, ASKED], tools=[TRANSFER])
    told = ours.body()["messages"][-2:]
    assert [each["role"] for each in told] == [
        "assistant",
        "tool" if tongue is OPENAI else "user",
    ]
    sent = json.dumps(told)
    assert sent.count('"call_1"') == 2
    assert "nobody there" in sent
    assert "Wait." in sent


async def test_an_answer_in_words_may_ask_for_no_tool(tongue, house, autojump_clock):
    ours = house(answering(*tongue.whole))
    assert (await answered(ours, InWords(), tools=[TRANSFER]))[0] == "Yes, we are."
    body = ours.body()
    assert body["tool_choice"] == ("none" if tongue is OPENAI else {"type": "none"})
    assert len(body["tools"]) == 1
    assert not in_form(body)
    await answered(ours, tools=[TRANSFER])
    assert "tool_choice" not in ours.body(1)


async def test_an_answer_as_json_is_asked_for_in_its_form(tongue, house, autojump_clock):
    ours = house(answering(*tongue.whole))
    assert (await answered(ours, NOTES, tools=[TRANSFER]))[0] == "Yes, we are."
    assert len(ours.requests) == 1
    assert in_form(ours.body())
    assert "tool_choice" in ours.body()


REFUSALS = [
    "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
    "Invalid schema for response_format 'notes': In context=(), 'oneOf' is not permitted.",
    "This model does not support response format `json_schema`.",
    "`response_format` does not support streaming",
    "json mode cannot be combined with tool/function calling",
    'response_format type must be one of "text" or "json_object", but got: json_schema',
    "The provided JSON schema contains features not supported by xgrammar.",
    "Failed to parse grammar",
    "output_config.format: Extra inputs are not permitted",
    "output_config: Extra inputs are not permitted",
    "Schema is too complex for compilation.",
    "This response_format type is unavailable now",
]


@pytest.mark.parametrize("message", REFUSALS)
async def test_a_server_that_refuses_the_form_is_asked_without(
    tongue, house, autojump_clock, caplog, message
):
    ours = fallen(house, tongue, message)
    with caplog.at_level(logging.DEBUG, "voiced"):
        assert (await answered(ours, NOTES, tools=[TRANSFER]))[0] == "Yes, we are."
    assert [in_form(ours.body(n)) for n in range(2)] == [True, False]
    assert "tool_choice" in ours.body(1)
    assert not caplog.records


@pytest.mark.parametrize("status", [422, 500, 501])
async def test_a_server_may_refuse_it_as_if_the_fault_were_its_own(
    tongue, house, autojump_clock, status
):
    ours = fallen(house, tongue, "invalid JSON schema in format", status)
    assert (await answered(ours, NOTES))[0] == "Yes, we are."
    assert len(ours.requests) == 2


async def test_an_answer_that_was_no_json_is_asked_for_without_the_form(
    tongue, house, autojump_clock
):
    ours = house(failing(400, tongue.error("json_validate_failed")), answering(*tongue.whole))
    assert (await answered(ours, NOTES))[0] == "Yes, we are."


async def test_a_server_that_refused_the_form_is_not_asked_for_one_again(
    tongue, house, autojump_clock
):
    ours = fallen(house, tongue, REFUSALS[0])
    for _ in range(2):
        assert (await answered(ours, NOTES))[0] == "Yes, we are."
    assert [in_form(ours.body(n)) for n in range(3)] == [True, False, False]


async def test_a_form_counts_as_refused_only_if_the_rest_is_taken(tongue, house, autojump_clock):
    refusal = failing(400, tongue.error("invalid_request_error", REFUSALS[0]))
    ours = house(refusal, failing(401), answering(*tongue.whole))
    with pytest.raises(EngineRefused, match="api_key"):
        await answered(ours, NOTES)
    await answered(ours, NOTES)
    assert [in_form(ours.body(n)) for n in range(3)] == [True, False, True]


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "temperature: Extra inputs are not permitted", EngineRefused),
        (400, "output_config.effort: not supported", EngineRefused),
        (401, "response_format", EngineRefused),
        (413, "json_schema", RequestRefused),
    ],
)
async def test_what_has_nothing_to_do_with_the_form_is_raised(
    tongue, house, autojump_clock, status, message, kind
):
    ours = fallen(house, tongue, message, status)
    with pytest.raises(EngineRefused) as caught:
        await answered(ours, NOTES)
    assert type(caught.value) is kind
    assert len(ours.requests) == 1


async def test_without_a_form_no_refusal_is_of_it(tongue, house, autojump_clock):
    failed = await fallen(house, tongue, REFUSALS[0]).failure()
    assert type(failed) is EngineRefused
    assert type(await house(failing(500, tongue.error("", REFUSALS[7]))).failure()) is EngineBroken


async def test_an_error_in_mid_answer_asks_for_nothing_again(tongue, house, autojump_clock):
    parts = [HEAD, tongue.begin, tongue.text('{"da'), tongue.mid_error("json_schema")]
    ours = house(answering(*parts))
    with pytest.raises(EngineBroken):
        await answered(ours, NOTES)
    assert len(ours.requests) == 1


async def test_a_new_schema_is_given_time(tongue, house, autojump_clock):
    begin, *rest = tongue.whole
    ours = house(answering(begin, 20.0, *rest), answering(60.0))
    assert (await answered(ours, NOTES))[0] == "Yes, we are."
    began = trio.current_time()
    with pytest.raises(EngineTimeout):
        await answered(ours, NOTES)
    assert trio.current_time() - began == pytest.approx(30)
