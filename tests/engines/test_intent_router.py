"""The router: embeddings where they are there in time, else n-grams."""

import logging
from collections.abc import AsyncIterator

import pytest
import trio
from embeddings_house import Server, lengthened, ok, refusing

from voiced.config import Agent, Intent, OpenAiEmbeddings, Settings
from voiced.dialog.router import Clear, Examples
from voiced.dialog.router_ngrams import NgramSpace
from voiced.dialog.router_vectors import BACKGROUND
from voiced.engines.embeddings import BATCH
from voiced.engines.http import http_client
from voiced.engines.router import AGAIN_S, By, Router, build_embeddings, router_of
from voiced.errors import EngineBroken

EXAMPLES = [
    Examples("hours", ("when are you open", "what are your hours")),
    Examples("cancel", ("I want to cancel", "please cancel my table")),
]
NGRAMS = NgramSpace(EXAMPLES)
PARTS = -(-(4 + len(BACKGROUND)) // BATCH)

CALLERS = "will somebody be around in the evening"  # no word of any example


@pytest.fixture
async def server(nursery: trio.Nursery) -> AsyncIterator[Server]:
    server = Server(nursery)
    yield server
    await server.close()


def router(server: Server, clear: Clear | None = None) -> Router:
    return Router(NGRAMS, clear or Clear(), server.engine())


async def by(ours: Router, text: str = CALLERS) -> By:
    return (await ours.compare(text)).by


async def test_without_embeddings_letters_decide(autojump_clock):
    ours = Router(NGRAMS, Clear())
    await ours.run()
    await ours.prepare()
    assert (await ours.route("so when are you open")).intent == "hours"
    assert (await ours.route(CALLERS)).intent is None
    assert (await ours.compare(CALLERS)).clear == Clear()


async def test_with_embeddings_the_sense_does(server, autojump_clock):
    ours = router(server)
    assert (await ours.route(CALLERS)).intent is None
    await ours.prepare()
    assert len(server.requests) == PARTS
    assert (await ours.route(CALLERS)).intent == "hours"
    assert (await ours.route("could you drop what we had")).intent == "cancel"
    assert server.texts[-1] == ["could you drop what we had"]


@pytest.mark.parametrize("text", ["yes", "", "When are you open?", "open " * 65])
async def test_what_letters_settle_is_not_asked(server, autojump_clock, text):
    ours = router(server)
    await ours.prepare()
    assert await by(ours, text) is By.NGRAMS
    assert len(server.requests) == PARTS


async def test_nothing_to_prepare(server, autojump_clock):
    ours = Router(NgramSpace([]), Clear(), server.engine())
    await ours.prepare()
    assert (await ours.route(CALLERS)).intent is None
    assert not server.requests


@pytest.mark.parametrize(
    "answer",
    [
        refusing(500),
        refusing(401),
        lambda texts: ok([[0.0] * 4]),
        lambda texts: ok([[float("nan")] * 4]),
        lambda texts: b"what?",
    ],
)
async def test_a_failure_leaves_the_decision_to_letters(server, autojump_clock, answer):
    ours = router(server)
    await ours.prepare()
    server.answer = answer
    assert (await ours.route("so when are you open")).intent == "hours"
    assert (await ours.route(CALLERS)).intent is None


async def test_a_late_engine_costs_its_time_and_no_more(server, autojump_clock):
    ours = router(server)
    await ours.prepare()
    server.delay_s = 10
    began = trio.current_time()
    assert (await ours.route("so when are you open")).intent == "hours"
    assert trio.current_time() - began == pytest.approx(0.08, abs=0.001)


async def test_an_engine_that_fails_time_and_again_is_left_alone_for_a_while(
    server, autojump_clock
):
    ours = router(server)
    await ours.prepare()
    server.delay_s = 10
    for _ in range(3):
        assert await by(ours) is By.NGRAMS
    asked, began = len(server.requests), trio.current_time()
    assert await by(ours) is By.NGRAMS
    assert (len(server.requests), trio.current_time()) == (asked, began)
    server.delay_s = 0
    await trio.sleep(5)
    assert await by(ours) is By.EMBEDDINGS


async def test_what_is_given_up_in_its_middle_says_nothing_of_the_engine(server, autojump_clock):
    ours = router(server)
    await ours.prepare()
    server.delay_s = 10
    for _ in range(5):
        with trio.move_on_after(0.01) as scope:
            await ours.route(CALLERS)
        assert scope.cancelled_caught
    server.delay_s = 0
    assert await by(ours) is By.EMBEDDINGS


async def test_a_stand_in_is_never_more_generous_than_it_may_be(server, autojump_clock):
    ours = router(server, Clear(0.4, 0.02))
    compared = await ours.compare(CALLERS)
    assert (compared.by, compared.clear) == (By.NGRAMS, Clear())
    await ours.prepare()
    compared = await ours.compare(CALLERS)
    assert (compared.by, compared.clear) == (By.EMBEDDINGS, Clear(0.4, 0.02))
    assert Router(NGRAMS, Clear(0.4, 0.02))._ngrams_clear == Clear(0.4, 0.02)


async def test_vectors_of_another_length_have_the_phrases_embedded_again(
    server, nursery, autojump_clock
):
    ours = router(server)
    nursery.start_soon(ours.run)
    await trio.sleep(1)
    assert await by(ours) is By.EMBEDDINGS
    server.answer = lengthened(6)
    asked = len(server.requests)
    assert (await ours.route("so when are you open")).intent == "hours"
    assert await by(ours) is By.NGRAMS
    assert len(server.requests) == asked + 1
    await trio.sleep(AGAIN_S + 1)
    assert len(server.requests) == asked + 1 + PARTS
    assert await by(ours) is By.EMBEDDINGS
    await trio.sleep(3600)
    assert len(server.requests) == asked + 2 + PARTS


async def test_two_calls_that_see_it_at_once_have_it_done_once(server, nursery, autojump_clock):
    ours = router(server)
    nursery.start_soon(ours.run)
    await trio.sleep(1)
    server.answer, server.delay_s = lengthened(6), 0.01
    asked = len(server.requests)
    async with trio.open_nursery() as calls:
        for _ in range(2):
            calls.start_soon(ours.route, CALLERS)
    await trio.sleep(300)
    assert len(server.requests) == asked + 2 + PARTS


async def test_an_engine_that_is_away_at_the_start_is_asked_again(server, nursery, autojump_clock):
    was, server.answer = server.answer, refusing(503)
    ours = router(server)
    nursery.start_soon(ours.run)
    await trio.sleep(1)
    assert await by(ours) is By.NGRAMS
    server.answer = was
    await trio.sleep(AGAIN_S)
    assert await by(ours) is By.EMBEDDINGS


async def test_who_prepares_alone_learns_why_not(server, autojump_clock):
    server.answer = refusing(500)
    with pytest.raises(EngineBroken):
        await router(server).prepare()


# --- the log ------------------------------------------------------------------------------------


def told(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    return [each.fields for each in caplog.records if each.name == "voiced.engines.router"]


async def test_a_near_miss_is_logged_without_what_was_said(autojump_clock, caplog):
    caplog.set_level(logging.DEBUG)
    ours = Router(NGRAMS, Clear(0.99))
    await ours.route("so when are you open")
    (fields,) = told(caplog)
    assert fields["intent"] == "hours"
    assert fields["by"] == "n-grams"
    assert 0.5 < float(str(fields["score"])) < 0.99
    assert fields["next_intent"] == "cancel"
    assert "open" not in caplog.text + str(fields)
    await ours.route("tell me a story about dragons")
    assert len(told(caplog)) == 1


async def test_a_near_miss_of_the_only_intent(autojump_clock, caplog):
    caplog.set_level(logging.DEBUG)
    ours = Router(NgramSpace(EXAMPLES[:1]), Clear(0.99))
    await ours.route("so when are you open")
    assert "next_intent" not in told(caplog)[0]


async def test_a_change_is_logged_once(server, autojump_clock, caplog):
    caplog.set_level(logging.DEBUG)
    ours = router(server)
    await ours.prepare()
    await ours.route(CALLERS)
    await ours.route(CALLERS)
    was, server.answer = server.answer, refusing(500)
    await ours.route(CALLERS)
    await ours.route(CALLERS)
    server.answer = was
    await ours.route(CALLERS)
    changes = [each for each in told(caplog) if "engine" in each]
    assert changes == [
        {"engine": "local", "by": "embeddings"},
        {"engine": "local", "by": "n-grams", "reason": "broken"},
        {"engine": "local", "by": "embeddings"},
    ]


# --- from the settings --------------------------------------------------------------------------


async def test_an_agents_router_is_built_from_the_settings(autojump_clock):
    intent = Intent(name="hours", phrases=("when are you open", "your hours"), say="Always.")
    agent = Agent(intent=(intent,), intent_threshold=0.8, intent_margin=0.2, embeddings="local")
    settings = Settings(
        agents={"default": agent}, embeddings={"local": OpenAiEmbeddings(model="bge-m3")}
    )
    async with http_client() as http:
        embeddings = build_embeddings(settings, http)
        ours = router_of(agent, embeddings)
    assert embeddings["local"].model == "bge-m3"
    assert ours._embeddings is embeddings["local"]
    compared = await ours.compare("when are you open")
    assert (compared.scores[0].score, compared.clear) == (1.0, Clear(0.8, 0.2))
    assert router_of(Agent(intent=(intent,)), embeddings)._embeddings is None
