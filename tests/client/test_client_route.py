"""`voiced route`: the scores of a text, and what they lead to."""

import json
import re

import pytest
import trio
from attrs import evolve

from voiced.client.choice import TrialError
from voiced.client.route import Routed, report, route, routed
from voiced.config import Agent, Intent, OpenAiEmbeddings, Settings
from voiced.dialog.router import Clear, Scored
from voiced.engines.router import By, Comparison

INTENTS = (
    Intent(name="hours", phrases=("when are you open", "what are your hours"), say="Always."),
    Intent(name="cancel", phrases=("I want to cancel", "please cancel my table"), hang_up=True),
)
AGENT = Agent(intent=INTENTS, intent_threshold=0.72, intent_margin=0.1)
HOUSE = Settings(agents={"default": AGENT, "mute": Agent()})


async def told(settings: Settings, text: str, agent: str = "") -> list[str]:
    lines: list[str] = []
    assert await route(settings, agent, text, lines.append) == 0
    return lines


async def test_what_is_clear() -> None:
    lines = await told(HOUSE, "um, when are you open?", "default")
    assert lines[0].split(maxsplit=2) == ["INTENT", "SCORE", "NEAREST PHRASE"]
    assert lines[1].split(maxsplit=2) == ["hours", "1.000", "when are you open"]
    assert lines[2].startswith("cancel")
    assert lines[4:6] == ["decision     hours", "clear        from 0.72, by 0.10 before the next"]
    assert lines[6].startswith("compared by  n-grams, in ")
    assert len(lines) == 7


async def test_what_is_not() -> None:
    assert (await told(HOUSE, "do you sell hats"))[4] == (
        "decision     the model's: no intent is like it"
    )
    near = evolve(AGENT, intent_threshold=0.99)
    lines = await told(Settings(agents={"default": near}), "so when are you open")
    assert lines[4] == "decision     the model's: a near miss"


@pytest.mark.parametrize(
    ("scores", "verdict"),
    [
        ([Scored("a", 0.9, "x"), Scored("b", 0.85, "y")], "the model's: a is too close to b"),
        ([Scored("a", 0.75, "x")], "the model's: a is too close to nothing"),
        ([], "the model's: no intent is like it"),
    ],
)
def test_verdicts(scores: list[Scored], verdict: str) -> None:
    found = Routed(Comparison(scores, By.NGRAMS, Clear(0.7, 0.8)), "n-grams", 0.0012)
    assert f"decision     {verdict}" in list(report(found))


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        ("mute", r"^agent\.mute has no intents: give it some as \[\[agent\.mute\.intent\]\]$"),
        ("zzz", r"there is no \[agent\.zzz\]; known: default, mute"),
    ],
)
async def test_what_cannot_be_routed(agent: str, said: str) -> None:
    with pytest.raises(TrialError, match=said):
        await route(HOUSE, agent, "hello", print)


def with_embeddings(port: int) -> Settings:
    engine = OpenAiEmbeddings(
        base_url=f"http://127.0.0.1:{port}/v1", model="bge-m3", timeout_ms=1000
    )
    agents = {"default": evolve(AGENT, embeddings="gpu")}
    return Settings(agents=agents, embeddings={"gpu": engine})


async def test_embeddings_that_do_not_work_are_told_of() -> None:
    lines = await told(with_embeddings(1), "so when are you open")
    assert lines[4] == "decision     hours"
    assert lines[6].startswith("compared by  n-grams, in ")
    assert "the embeddings do not work: embeddings gpu: nothing listens at" in lines[7]


async def serve(stream: trio.SocketStream) -> None:
    """Answers each request with the same vector for every text."""
    request = b""
    async for data in stream:
        request += data
        head, _, body = request.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        if not length or len(body) < int(length[1]):
            continue
        vectors = [{"embedding": [1, 0.5]} for _ in json.loads(body)["input"]]
        answer, request = json.dumps({"data": vectors}).encode(), b""
        told = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer)
        await stream.send_all(told + answer)


async def test_embeddings_decide_where_they_are_there() -> None:
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listener.socket.getsockname()[1]
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        found = await routed(with_embeddings(port), "", "so when are you open")
        nursery.cancel_scope.cancel()
    assert (found.by, found.failure) == ("embeddings.gpu", "")
