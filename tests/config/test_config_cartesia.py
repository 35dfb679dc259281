"""The keys of a Cartesia voice: how it speaks, and how much its account allows."""

import pytest
from attrs import evolve

from voiced.config import CartesiaTts, Secret, parse
from voiced.config.render import render
from voiced.errors import ConfigError

SECTION = '[tts.kyutai]\ntype = "cartesia"\nvoice = "a"\napi_key = "k"\n'
REST = '[stt.kyutai]\ntype = "moshi"\n[llm.local]\ntype = "openai"\n[agent.default]\n'
PLAIN = CartesiaTts(voice="a", api_key=Secret("k"))


def parsed(keys: str) -> CartesiaTts:
    found = parse(f"{REST}{SECTION}{keys}", "v.toml").tts["kyutai"]
    assert isinstance(found, CartesiaTts)
    return found


def test_by_default_the_voice_speaks_as_it_does_and_nothing_is_counted() -> None:
    assert parsed("") == PLAIN
    assert (PLAIN.speed, PLAIN.volume, PLAIN.emotion, PLAIN.concurrency) == (1.0, 1.0, "", None)


def test_each_key_is_read() -> None:
    keys = 'speed = 1.2\nvolume = 2\nemotion = "calm"\nconcurrency = 15'
    found = parsed(keys)
    assert (found.speed, found.volume, found.emotion, found.concurrency) == (1.2, 2, "calm", 15)


def test_they_are_rendered_where_they_are_set() -> None:
    keys = 'speed = 1.2\nvolume = 0.8\nemotion = "calm"\nconcurrency = 15'
    text = render(parse(f"{REST}{SECTION}{keys}", "v.toml"))
    for line in keys.splitlines():
        assert f"\n{line}\n" in text
    masked = evolve(parsed(keys), api_key=Secret("********"))
    assert parse(text, "rendered").tts["kyutai"] == masked


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("speed = 0.5", "speed: 0.5 is out of range; use a value from 0.6 to 1.5"),
        ("speed = 1.6", "speed: 1.6 is out of range"),
        ("speed = nan", "speed: nan is out of range"),
        ('speed = "fast"', "speed: has a value of the wrong kind"),
        ("volume = 0.4", "volume: 0.4 is out of range; use a value from 0.5 to 2"),
        ("volume = 2.1", "volume: 2.1 is out of range"),
        ('emotion = "Calm!"', "emotion: it is not one of Cartesia's emotions; use one of"),
        ("concurrency = 0", "concurrency: 0 is out of range; use a value from 1 to 10000"),
        ("concurrency = 1.5", "concurrency: has a value of the wrong kind"),
        ("sped = 1.0", "did you mean speed?"),
    ],
)
def test_what_cannot_be_is_told_with_its_cure(keys: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parsed(keys)
    assert told in str(caught.value)
