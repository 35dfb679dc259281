"""The client of an embeddings server."""

import json
from collections.abc import AsyncIterator

import httpx
import numpy as np
import pytest
import trio
from embeddings_house import KEY, Server, lengthened, ok, refusing, rows, sense

from voiced.engines.embeddings import BATCH, MAX_ANSWER
from voiced.engines.warm import keep_warm
from voiced.errors import (
    EngineAtCapacity,
    EngineBroken,
    EngineError,
    EngineRefused,
    EngineTimeout,
)


@pytest.fixture
async def server(nursery: trio.Nursery) -> AsyncIterator[Server]:
    server = Server(nursery)
    yield server
    await server.close()


async def test_texts_become_vectors(server, autojump_clock):
    engine = server.engine()
    vectors = await engine.vectors(["when open", "pay the bill"], trio.current_time() + 1)
    assert vectors == pytest.approx(rows("when open", "pay the bill"))
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/embeddings HTTP/1.1\r\n")
    assert f"Authorization: Bearer {KEY}".encode() in head
    assert json.loads(body)["model"] == "bge-m3"
    assert (engine.name, engine.model, engine.timeout_s) == ("local", "bge-m3", 0.08)


async def test_without_a_key_none_is_sent(server, autojump_clock):
    await server.engine(key=False).vectors(["open"], trio.current_time() + 1)
    assert b"Authorization" not in server.requests[0]


async def test_one_connection_serves_all(server, autojump_clock):
    engine = server.engine()
    for _ in range(3):
        await engine.vectors(["open"], trio.current_time() + 1)
    assert len(server.peer.lines) == 1


async def test_many_texts_are_asked_for_in_parts(server, autojump_clock):
    texts = [f"open {n}" for n in range(2 * BATCH + 1)]
    vectors = await server.engine().many(texts)
    assert vectors == pytest.approx(rows(*texts))
    assert [len(each) for each in server.texts] == [BATCH, BATCH, 1]


async def test_a_late_answer_is_not_waited_for(server, autojump_clock):
    server.delay_s = 60
    began = trio.current_time()
    with pytest.raises(EngineTimeout, match=r"^embeddings local: it did not answer in time"):
        await server.engine().vectors(["open"], began + 0.08)
    assert trio.current_time() - began == pytest.approx(0.08, abs=0.001)
    assert server.peer.all_closed


async def test_an_answer_that_stops_in_its_middle_is_not_waited_for(server, autojump_clock):
    server.answer = lambda texts: ok([sense(texts[0])])[:-5]
    with pytest.raises(EngineTimeout, match="its vectors did not come in time"):
        await server.engine().vectors(["open"], trio.current_time() + 0.08)


@pytest.mark.parametrize(
    ("answer", "kind", "told"),
    [
        (refusing(401), EngineRefused, "does not accept the api_key"),
        (refusing(404), EngineRefused, "no model bge-m3 .*ollama pull bge-m3"),
        (refusing(400, "bad"), EngineRefused, "does not take the request"),
        (refusing(429), EngineAtCapacity, "limits our rate"),
        (refusing(500), EngineBroken, "failed"),
        (lambda texts: ok([]), EngineBroken, "is no embeddings: data: 0 vectors for 1 texts"),
        (lambda texts: ok([[0, 0]]), EngineBroken, "is no embeddings: embedding: no direction"),
        (lambda texts: ok([[1.0] * 9000]), EngineBroken, "embedding: 9000 numbers"),
        (lambda texts: ok([[1.0] * MAX_ANSWER]), EngineBroken, f"longer than {MAX_ANSWER} bytes"),
        (lambda texts: b"nonsense\r\n\r\n", EngineBroken, "dropped the connection"),
    ],
)
async def test_failures_say_what_to_mend(server, autojump_clock, answer, kind, told):
    server.answer = answer
    with pytest.raises(kind, match=told) as caught:
        await server.engine().vectors(["when are you open"], trio.current_time() + 1)
    assert type(caught.value) is kind
    assert KEY not in str(caught.value)
    assert "open" not in str(caught.value)
    assert caught.value.role == "embeddings"


async def test_vectors_that_change_their_length_between_parts(server, autojump_clock):
    server.answer = lambda texts: lengthened(len(server.requests) + 4)(texts)
    with pytest.raises(EngineBroken, match="changes the length of its vectors"):
        await server.engine().many(["open"] * (BATCH + 1))


async def test_no_server(server, autojump_clock):
    server.backend.failures.append(httpx.ConnectError("refused"))
    with pytest.raises(EngineError):
        await server.engine().vectors(["open"], trio.current_time() + 1)
    server.backend.failures.append(httpx.ConnectError("refused"))
    with pytest.raises(EngineError):
        await server.engine().warm()


async def test_its_connection_can_be_kept_warm(server, autojump_clock):
    engine = server.engine()
    with trio.move_on_after(100):
        await keep_warm(engine)
    assert [each.split(b" ", 2)[:2] for each in server.requests] == [[b"GET", b"/v1/models"]] * 3
    assert len(server.peer.lines) == 1
    assert engine.last_used == pytest.approx(90)


async def test_a_key_that_is_refused_shows_when_it_is_warmed(nursery, autojump_clock):
    async with httpx.AsyncClient(
        transport=httpx.MockTransport(lambda request: httpx.Response(401))
    ) as client:
        server = Server(nursery)
        server.client = client
        with pytest.raises(EngineRefused):
            await server.engine().warm()
        await server.close()


async def test_cancelled_it_leaves_nothing(server, autojump_clock):
    server.delay_s = 60
    with trio.move_on_after(0.01):
        await server.engine().vectors(["open"], trio.current_time() + 30)
    assert server.peer.all_closed


def test_the_stand_ins_vectors_are_told_apart():
    one, other = rows("open", "pay")
    assert float(np.dot(one, other)) < 0.6
