"""From configuration to persona."""

from datetime import date
from pathlib import Path

from stories import FakeLlm, FakeStt, FakeTts

from voiced.call.persona import Cast, Persona, constant_texts, persona, texts, variables
from voiced.call.phrases import PhraseBook
from voiced.config import Agent, EndOfTurn
from voiced.dialog.endpointing import EndpointingRule
from voiced.dialog.parting import Phrase
from voiced.engines.roles import Engines


def built(agent: Agent) -> Persona:
    said = variables(agent, caller="+331", called="+332", today=date(2026, 11, 20))
    engines = Engines(FakeStt(), FakeLlm(), FakeTts())
    book = PhraseBook(Path("/nonexistent"))
    return persona("front-desk", Cast(agent, engines, (engines.tts,), book, 2.5), said)


def test_names_in_braces_are_filled_in() -> None:
    agent = Agent(
        language="en",
        name="Ada",
        company="Acme",
        prompt="You are {name} of {company}; {caller} calls {called} on {date}.",
        greeting="{company}, {name} speaking.",
    )
    got = built(agent)
    assert got.name == "front-desk"
    assert got.manners.prompt == "You are Ada of Acme; +331 calls +332 on 2026-11-20."
    assert got.texts[Phrase.GREETING] == "Acme, Ada speaking."


def test_an_agent_without_a_greeting_does_not_speak_first() -> None:
    got = built(Agent(greeting="  "))
    assert got.manners.opening is None
    assert Phrase.GREETING not in got.texts


def test_the_engine_says_when_the_caller_has_finished_unless_silence_shall() -> None:
    assert built(Agent()).manners.endpointing == EndpointingRule(language="fr", eager=True)
    by_silence = Agent(
        end_of_turn=EndOfTurn.SILENCE, silence_ms=4000, dictation_ms=0, eager_reply=False
    )
    assert built(by_silence).manners.endpointing == EndpointingRule(
        4.0, uses_score=False, dictation_s=0, language="fr"
    )


def test_the_limits_are_the_agents() -> None:
    agent = Agent(interruptible=False, min_interruption_words=4, idle_prompt_s=7, max_call_s=90)
    got = built(agent)
    assert not got.manners.interruptible
    assert got.manners.min_interruption_words == 4
    assert got.manners.idle_prompt_s == 7
    assert (got.max_call_s, got.filler_s) == (90, 2.5)


def test_only_phrases_that_sound_the_same_in_every_call_are_rendered_beforehand() -> None:
    agent = Agent(
        language="en",
        name="Ada",
        greeting="{name} speaking, hello {caller}.",
        goodbye="Goodbye from {name}.",
        apology="It is {date} and all is broken.",
    )
    constant = constant_texts(agent)
    assert "Goodbye from Ada." in constant
    assert len(constant) == len(texts(agent)) - 2
