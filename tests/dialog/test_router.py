"""The intent router's core: what is a clear match, and what only looks like one."""

import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from voiced.dialog.router import WORDS, Clear, Decision, Examples, Scored, decide
from voiced.dialog.router_ngrams import NgramSpace
from voiced.dialog.router_vectors import BACKGROUND, VectorSpace, texts_of
from voiced.dialog.router_words import fold, is_light, negations

UTTERANCES = Path(__file__).parent.parent / "data" / "utterances.toml"
NONE = "none"

HOURS = Examples(
    "hours",
    ("when are you open", "what are your opening hours", "what time do you close", "hours"),
)
CANCEL = Examples(
    "cancel",
    ("I want to cancel my booking", "please cancel my reservation", "I can't come please cancel"),
)
BILL = Examples(
    "bill",
    ("I have a question about my bill", "I want to pay my bill", "my bill is wrong"),
)
SPACE = NgramSpace([HOURS, CANCEL, BILL])


def best(text: str, space: NgramSpace = SPACE) -> Scored:
    return space.scores(text)[0]


def routed(text: str, space: NgramSpace = SPACE) -> str | None:
    return decide(space.scores(text), Clear()).intent


# --- words --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Euh… Où êtes-vous situés ?", "ou etes vous situes"),
        ("uh hello, WHEN are you open, please?", "when are you open"),
        ("S'il vous plaît, le menu", "le menu"),
        ("est-ce que c'est loin", "que c est loin"),
        ("at 20h30, for 12", "at 0 h 0 for 0"),
        ("I don't, we can’t, she won't, it isnt, I cannot", "i do not we can not she will not "
         "it is not i can not"),
        ("want", "want"),
        ("une bonne œuvre, Straße", "une bonne oeuvre strasse"),
        ("thank you", "thank you"),
        ("bonjour, merci", "bonjour merci"),
        ("... !?", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_folded(text: str, words: str) -> None:
    assert " ".join(fold(text)) == words


def test_only_so_much_of_a_text_is_folded() -> None:
    assert fold("a" * 5000) == ("a" * 40,)
    assert len(fold("ab " * 100_000)) == 667


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("I do not want to cancel", 1),
        ("I don't want it, never", 2),
        ("je ne veux pas annuler", 1),
        ("je veux pas annuler", 1),
        ("ne me passez personne", 1),
        ("je n'annule", 1),
        ("cancel it", 0),
    ],
)
def test_negations_are_counted(text: str, count: int) -> None:
    assert negations(fold(text)) == count


def test_what_says_little() -> None:
    assert [word for word in fold("when would you like to come") if not is_light(word)] == [
        "when", "come",
    ]  # fmt: skip


# --- what is clear ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("hi, uh, when are you open?", "hours"),
        ("WHAT ARE YOUR OPENING HOURS", "hours"),
        ("I would like to cancel my booking please", "cancel"),
        ("pay my bill", "bill"),
    ],
)
def test_a_clear_match_is_routed(text: str, intent: str) -> None:
    assert routed(text) == intent


@pytest.mark.parametrize(
    "text",
    [
        "I'd like to book a table, by the way when are you open",
        "when are you open and can I cancel my booking",
        "I do not want to cancel my booking",
        "I have a question",
        "tell me a story about a dragon",
        "open",
        "yes",
        "",
        "?",
    ],
)
def test_what_is_not_clear_is_the_models(text: str) -> None:
    assert routed(text) is None


def test_one_word_is_an_intent_only_where_an_example_is_that_word() -> None:
    assert best("Hours?") == Scored("hours", 1.0, "hours")
    assert routed("hour") is None


def test_an_example_is_always_clear() -> None:
    for each in (HOURS, CANCEL, BILL):
        for phrase in each.phrases:
            found = best(phrase)
            assert (found.intent, found.score, found.phrase) == (each.intent, 1.0, phrase)


def test_who_negates_as_the_example_does_means_the_same() -> None:
    assert best("I can't come, cancel please").score > best("I can come, cancel please").score
    assert routed("I cannot come, please cancel") == "cancel"


def test_an_example_of_two_intents_is_none_of_theirs() -> None:
    twins = NgramSpace([Examples("a", ("say it again",)), Examples("b", ("say it again",))])
    assert [each.score for each in twins.scores("say it again")] == [1.0, 1.0]
    assert decide(twins.scores("say it again"), Clear()).intent is None


def test_an_ending_or_a_typing_error_is_forgiven() -> None:
    as_said, other = best("I want to cancell my bookings"), best("I want to sell my bookings")
    assert as_said.intent == "cancel"
    assert as_said.score > 0.6 > 0.4 > other.score


def test_each_strange_word_weighs_against_a_match() -> None:
    assert best("when are you open").score > best("when are you open at Christmas").score


def test_a_long_utterance_is_never_clear() -> None:
    assert best("when are you open " * 16).score > 0.72
    assert len(fold("when are you open " * 17)) > WORDS
    assert routed("when are you open " * 17) is None


def test_phrases_of_nothing_are_left_out() -> None:
    assert NgramSpace([]).scores("when are you open") == []
    space = NgramSpace([Examples("nothing", ("...",)), Examples("hours", ("?!", "when open"))])
    assert space.scores("when open") == [Scored("hours", 1.0, "when open")]


@given(st.text(max_size=200))
def test_any_text_has_scores_in_order(text: str) -> None:
    scores = [each.score for each in SPACE.scores(text)]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


@given(st.lists(st.lists(st.text(max_size=30), max_size=3), max_size=3), st.text(max_size=30))
def test_any_phrases_do(phrases: list[list[str]], text: str) -> None:
    space = NgramSpace([Examples(str(n), tuple(each)) for n, each in enumerate(phrases)])
    assert all(0 <= each.score <= 1 for each in space.scores(text))


# --- the decision -------------------------------------------------------------------------------

A, B, C = Scored("a", 0.9, "x"), Scored("b", 0.85, "y"), Scored("c", 0.3, "z")


@pytest.mark.parametrize(
    ("scores", "decision"),
    [
        ([], Decision(None)),
        ([A], Decision("a", A)),
        ([A, C], Decision("a", A, C)),
        ([A, B, C], Decision(None, A, B, near_miss=True)),
        ([Scored("d", 0.6, "x"), C], Decision(None, Scored("d", 0.6, "x"), C, near_miss=True)),
        ([C], Decision(None, C)),
    ],
)
def test_decided(scores: list[Scored], decision: Decision) -> None:
    assert decide(scores, Clear(0.7, 0.1)) == decision


# --- by embeddings ------------------------------------------------------------------------------


def unit(*numbers: float) -> np.ndarray:
    row = np.array(numbers, np.float32)
    return row / np.linalg.norm(row)


# "Hours" are x, "cancel" is y, "bill" is z; all share w, as strangers do with many a model.
SENSES = {"hours": (1, 0, 0, 1), "cancel": (0, 1, 0, 1), "bill": (0, 0, 1, 1)}


def vector_space() -> VectorSpace:
    rows = [unit(*SENSES[phrase.intent]) for phrase in SPACE.book.phrases]
    return VectorSpace(SPACE, np.array([*rows, *[unit(0, 0, 0, 1)] * len(BACKGROUND)]))


def test_other_words_of_the_same_sense_are_routed() -> None:
    space = vector_space()
    assert space.dimensions == 4
    scores = space.scores("do people work there in the evening", unit(1, 0.1, 0, 1))
    assert decide(scores, Clear()).intent == "hours"


def test_what_strangers_have_in_common_is_no_likeness() -> None:
    scores = vector_space().scores("the weather is nice", unit(0, 0, 0, 1))
    assert float(unit(0, 0, 0, 1) @ unit(1, 0, 0, 1)) > 0.7
    assert scores[0].score < 0.3


@pytest.mark.parametrize(
    "text",
    [
        "I do not want to know when you are open",
        "book a table by the way when are you open",
        "closing",
        "when are you open " * 17,
        "",
    ],
)
def test_a_vector_alone_does_not_make_it_clear(text: str) -> None:
    assert decide(vector_space().scores(text, unit(1, 0, 0, 1)), Clear()).intent is None


def test_a_model_that_calls_all_texts_the_same_routes_none() -> None:
    same = np.array([unit(1, 1)] * len(texts_of(SPACE)))
    assert VectorSpace(SPACE, same).scores("when are you open now", unit(1, 1))[0].score < 0.01


def test_each_text_needs_its_vector() -> None:
    with pytest.raises(ValueError, match="3 vectors for 18 texts"):
        VectorSpace(SPACE, np.eye(3, dtype=np.float32))


# --- what callers say ---------------------------------------------------------------------------


@frozen
class Line:
    """One line of business in one language: intent -> phrases of each part of the file."""

    name: str
    parts: dict[str, dict[str, list[str]]]


def lines() -> Iterator[Line]:
    for line, languages in tomllib.loads(UTTERANCES.read_text()).items():
        for language, parts in languages.items():
            yield Line(f"{line}.{language}", parts)


def test_the_utterances_are_enough_and_none_is_an_example() -> None:
    labelled = {"en": 0, "fr": 0}
    for line in lines():
        examples = [text for texts in line.parts["examples"].values() for text in texts]
        others = [
            text for part in ("tune", "test") for texts in line.parts[part].values()
            for text in texts
        ]  # fmt: skip
        assert len({*examples, *others}) == len(examples) + len(others), line.name
        labelled[line.name.rpartition(".")[2]] += len(others)
    assert min(labelled.values()) >= 100


@cache
def verdicts(part: str) -> list[tuple[str, str | None]]:
    """(label, routed to) of each utterance."""
    found = []
    for line in lines():
        examples = line.parts["examples"].items()
        space = NgramSpace([Examples(intent, tuple(texts)) for intent, texts in examples])
        for label, texts in line.parts[part].items():
            found += [(label, routed(text, space)) for text in texts]
    return found


@pytest.mark.parametrize(("part", "recall"), [("tune", 0.65), ("test", 0.7)])
def test_what_callers_say_is_hardly_ever_routed_wrongly(part: str, recall: float) -> None:
    found = verdicts(part)
    right = [label for label, to in found if to == label]
    wrong = [(label, to) for label, to in found if to not in (None, label)]
    assert len(wrong) <= 1
    assert len(right) >= recall * sum(label != NONE for label, _ in found)


def test_of_a_hundred_that_are_routed_no_more_than_one_is_wrong() -> None:
    sent = [(label, to) for label, to in verdicts("tune") + verdicts("test") if to]
    assert sum(label == to for label, to in sent) / len(sent) >= 0.99
