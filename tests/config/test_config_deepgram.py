"""The keys of Deepgram that its models do not share, and that must go together."""

import pytest

from voiced.config import DeepgramStt, parse
from voiced.errors import ConfigError

FILE = """
[agent.default]
stt = ["cloud"]
llm = ["local"]
tts = ["kyutai"]
[llm.local]
type = "openai"
[tts.kyutai]
type = "moshi"
[stt.cloud]
type = "deepgram"
"""
FLUX = 'model = "flux-general-multi"\n'


def settings(keys: str) -> DeepgramStt:
    found = parse(FILE + keys, "v.toml").stt["cloud"]
    assert isinstance(found, DeepgramStt)
    return found


def problems(keys: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(FILE + keys, "v.toml")
    return "\n".join(caught.value.problems)


def test_nothing_is_asked_for_that_was_not_set() -> None:
    found = settings("")
    assert (found.keyterms, found.mip_opt_out) == ((), False)
    assert found.eot_threshold is found.eager_eot_threshold is found.eot_timeout_ms is None


def test_flux_is_told_when_a_turn_is_over() -> None:
    found = settings(f"{FLUX}eot_threshold = 0.8\neager_eot_threshold = 0.4\neot_timeout_ms = 3000")
    assert (found.eot_threshold, found.eager_eot_threshold) == (0.8, 0.4)
    assert found.eot_timeout_ms == 3000


@pytest.mark.parametrize("model", ["nova-3", "nova-3-medical", "flux-general-en"])
def test_keyterms_are_for_the_newer_models(model: str) -> None:
    found = settings(f'model = "{model}"\nkeyterms = ["Kyutai", "crème brûlée"]')
    assert found.keyterms == ("Kyutai", "crème brûlée")


def test_keyterms_are_not_for_the_older_ones() -> None:
    told = problems('model = "nova-2-phonecall"\nkeyterms = ["Kyutai"]')
    assert "keyterms are not for nova-2-phonecall; use nova-3" in told


def test_a_hundred_keyterms_are_enough() -> None:
    terms = [f"term {number}" for number in range(101)]
    assert len(settings(f"keyterms = {terms[:100]}").keyterms) == 100
    assert "keyterms has 101; Deepgram takes 100 at most" in problems(f"keyterms = {terms}")


@pytest.mark.parametrize("term", ['""', '" "', '"a\\nb"', f'"{"x" * 101}"'])
def test_a_keyterm_is_a_word_or_a_few(term: str) -> None:
    told = problems(f'keyterms = ["table", {term}]')
    assert "stt.cloud.keyterms[1]: it is empty, too long, or of several lines; use a word" in told


def test_a_keyterm_stands_there_once() -> None:
    assert "twice" in problems('keyterms = ["table", "table"]')


@pytest.mark.parametrize(
    "key", ["eot_threshold = 0.7", "eager_eot_threshold = 0.4", "eot_timeout_ms = 5000"]
)
@pytest.mark.parametrize("model", ["nova-3", "nova-2"])
def test_a_key_of_flux_is_told_where_the_model_is_none(key: str, model: str) -> None:
    told = problems(f'model = "{model}"\n{key}')
    name = key.partition(" ")[0]
    assert f"{name} is for a flux-* model, not for {model}; delete it, or change model" in told


def test_each_key_of_flux_is_told() -> None:
    told = problems("eot_threshold = 0.7\neot_timeout_ms = 5000")
    assert "eot_threshold is" in told
    assert "eot_timeout_ms is" in told


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("eager_eot_threshold = 0.8\neot_threshold = 0.6", "0.8 is above eot_threshold 0.6; lower"),
        ("eager_eot_threshold = 0.75", "above eot_threshold 0.7, which is Deepgram's own"),
    ],
)
def test_a_turn_cannot_be_over_before_it_is_likely(keys: str, told: str) -> None:
    assert told in problems(FLUX + keys)


@pytest.mark.parametrize(
    "keys", ["eager_eot_threshold = 0.7", "eager_eot_threshold = 0.8\neot_threshold = 0.8"]
)
def test_both_may_be_at_the_same_moment(keys: str) -> None:
    assert settings(FLUX + keys).eager_eot_threshold


@pytest.mark.parametrize(
    "key",
    [
        "eot_threshold = 0.4",
        "eot_threshold = 0.95",
        "eager_eot_threshold = 0.2",
        "eager_eot_threshold = 0.95",
        "eot_timeout_ms = 499",
        "eot_timeout_ms = 10001",
    ],
)
def test_deepgram_takes_no_others(key: str) -> None:
    assert "is out of range; use a value from" in problems(FLUX + key)


def test_settings_that_contradict_themselves_cannot_be_made() -> None:
    with pytest.raises(ConfigError, match="flux"):
        DeepgramStt(model="nova-3", eot_threshold=0.7)


@pytest.mark.parametrize("language", ["multi", "fr", "fr-CA"])
def test_one_language_is_spoken_or_several_are(language: str) -> None:
    assert settings(f'language = "{language}"').language == language


def test_what_is_no_language_is_told() -> None:
    assert "use a language tag, as in fr or pt-BR, or multi" in problems('language = "french!"')
