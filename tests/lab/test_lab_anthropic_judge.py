"""Anthropic's own client judges the stand-in, over real sockets and in a thread of its own."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anthropic
import pytest
import trio

from voiced.lab.anthropic import ERRORS, AnthropicFault, AnthropicServer
from voiced.lab.anthropic_reply import THOUGHT, ToolUse
from voiced.lab.llm import LlmTiming
from voiced.lab.server import serve

QUICK = LlmTiming(first_token_ms=1, tokens_per_s=5000)
TOOL = {"name": "transfer", "description": "Connects the caller.",
        "input_schema": {"type": "object", "properties": {"to": {"type": "string"}}}}  # fmt: skip
ASK: dict[str, Any] = {
    "model": "claude-haiku-5-5",
    "max_tokens": 99,
    "system": "Be brief.",
    "messages": [{"role": "user", "content": "what time do you open"}],
}

Judge = Callable[[anthropic.Anthropic], Any]


@asynccontextmanager
async def judging(server: AnthropicServer) -> AsyncIterator[Callable[[Judge], Any]]:
    """Runs what it is given with a client of the running server."""
    async with trio.open_nursery() as nursery:
        port = await nursery.start(serve, server.handle, "127.0.0.1", 0)

        def run(judge: Judge) -> Any:
            url = f"http://127.0.0.1:{port}"
            with anthropic.Anthropic(api_key="k", base_url=url, max_retries=0) as client:
                return judge(client)

        yield lambda judge: trio.to_thread.run_sync(run, judge)
        nursery.cancel_scope.cancel()


def streamed(client: anthropic.Anthropic, **options: Any) -> tuple[str, anthropic.types.Message]:
    with client.messages.stream(**{**ASK, **options}) as stream:
        text = "".join(stream.text_stream)
        return text, stream.get_final_message()


async def test_a_streamed_answer_is_what_its_own_client_expects() -> None:
    async with judging(AnthropicServer(keys=frozenset({"k"}), timing=QUICK)) as judge:
        text, message = await judge(streamed)
    assert text.startswith("We are open from noon")
    assert message.content[0].text == text
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens > 10
    assert message.usage.input_tokens > 0


async def test_so_is_a_whole_one() -> None:
    async with judging(AnthropicServer(timing=QUICK)) as judge:
        message = await judge(lambda client: client.messages.create(**{**ASK, "max_tokens": 3}))
    assert message.content[0].text == "We are open"
    assert message.stop_reason == "max_tokens"


async def test_thoughts_and_tools_are_blocks_of_their_own() -> None:
    use = ToolUse("transfer", {"to": "la cuisine"})
    server = AnthropicServer(timing=QUICK, uses=(use,), fault=AnthropicFault.THINKING)
    async with judging(server) as judge:
        _, message = await judge(lambda client: streamed(client, tools=[TOOL]))
    thought, text, tool = message.content
    assert (thought.type, thought.thinking) == ("thinking", THOUGHT)
    assert text.type == "text"
    assert (tool.type, tool.name, tool.input) == ("tool_use", "transfer", use.input)
    assert message.stop_reason == "tool_use"


async def test_a_tools_result_can_be_sent_back() -> None:
    server = AnthropicServer(timing=QUICK, uses=(ToolUse("transfer"),))

    def converse(client: anthropic.Anthropic) -> anthropic.types.Message:
        _, first = streamed(client, tools=[TOOL])
        result = {"type": "tool_result", "tool_use_id": first.content[1].id, "content": "done"}
        thanks = {"type": "text", "text": "thank you"}
        back = [{"role": "assistant", "content": first.content},
                {"role": "user", "content": [result, thanks]}]  # fmt: skip
        return client.messages.create(**{**ASK, "messages": ASK["messages"] + back}, tools=[TOOL])

    async with judging(server) as judge:
        message = await judge(converse)
    assert message.content[0].text.startswith("You are welcome.")


async def test_a_refusal_is_a_stop_reason_with_details() -> None:
    async with judging(AnthropicServer(timing=QUICK, fault=AnthropicFault.REFUSAL)) as judge:
        _, message = await judge(streamed)
    assert message.stop_reason == "refusal"
    assert message.stop_details.type == "refusal"


@pytest.mark.parametrize("fault", ERRORS)
async def test_each_error_is_one_to_its_own_client(fault: AnthropicFault) -> None:
    async with judging(AnthropicServer(timing=QUICK, fault=fault)) as judge:
        with pytest.raises(anthropic.APIStatusError) as caught:
            await judge(streamed)
    assert caught.value.status_code == fault.value
    assert caught.value.body["error"]["type"] == ERRORS[fault][0]
    assert caught.value.request_id.startswith("req_lab")
    limited = fault is AnthropicFault.RATE_LIMITED
    assert caught.value.response.headers.get("retry-after") == ("1" if limited else None)


async def test_an_error_in_mid_stream_is_one_too() -> None:
    async with judging(AnthropicServer(timing=QUICK, fault=AnthropicFault.STREAM_ERROR)) as judge:
        with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
            await judge(streamed)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"messages": [{"role": "system", "content": "x"}]}, "role 'system'"),
        ({"extra_body": {"temperature": 1}}, "temperature: Extra inputs"),
        ({"thinking": {"type": "between_tools"}}, "between_tools"),
    ],
)
async def test_what_anthropic_refuses_is_a_bad_request(options: dict, words: str) -> None:
    async with judging(AnthropicServer(timing=QUICK)) as judge:
        with pytest.raises(anthropic.BadRequestError, match=words):
            await judge(lambda client: streamed(client, **options))


async def test_the_models_are_listed_and_others_not_found() -> None:
    async with judging(AnthropicServer(timing=QUICK)) as judge:
        names = await judge(lambda client: [model.id for model in client.models.list()])
        assert "claude-haiku-5-5" in names
        with pytest.raises(anthropic.NotFoundError, match="model: claude-2"):
            await judge(lambda client: streamed(client, model="claude-2"))
