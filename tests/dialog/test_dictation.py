"""Who is in the middle of something, and who has finished?"""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiced.dialog.dictation import TAIL_WORDS, is_dictating


class Told(Sequence[str]):
    """Words that count how often one was looked at."""

    def __init__(self, words: list[str]) -> None:
        self.words = words
        self.seen = 0

    def __len__(self) -> int:
        return len(self.words)

    def __getitem__(self, key):  # type: ignore[no-untyped-def]
        found = self.words[key]
        self.seen += len(found) if isinstance(key, slice) else 1
        return found


DICTATING = {
    "fr": [
        # numbers
        "zéro",
        "06",
        "zéro six",
        "mon numéro c'est le zéro six",
        "c'est le 06 12",
        "06-12",
        "06.12.34",
        "0612345",
        "zero six douze",
        "Zéro, six, euh douze",
        "zéro six euh",
        "zéro six tiret douze",
        "zéro six tiret",
        "plus trente-trois",
        "+33",
        "+33 6 12",
        "+33 (0)6 12 34 56 7",
        "+33 (0)6 12 34 56",
        "plus trente-trois six douze trente-quatre",
        "0033 6 12 34 56 7",
        "+",
        "deux quatre",
        "douze trente-quatre cinquante-six",
        "quatre vingt dix sept soixante et onze douze",
        "deux cent trente quatre cinq cent douze",
        "123 456",
        "zéro six double",
        "double zéro",
        "4970 1234 5678",
        "douze trente-quatre vingt-deux",
        "zéro point",
        # spelling
        "D U",
        "d u p o n",
        "D-U-P",
        "ça s'écrit D U P",
        "d u double vé",
        "double vé a",
        "D U deux P",
        "L double",
        "b i grec",
        "e accent aigu",
        "a accent",
        "m majuscule",
        "D apostrophe",
        "n tiret",
        "n tréma",
        "d trait d'union",
        "Jean trait d’union",
        "D comme",
        "D comme Denis",
        "A comme Anatole",
        "D comme Denis U comme Ursule P",
        "A B 123",
        "A-B-1-2",
        "il y a un A B",
        "bé cé",
        # e-mail
        "jean point",
        "jean point dupont",
        "jean.dupont",
        "jean underscore dupont",
        "jean tiret du",
        "jean tiret du bas",
        "jean tiret du six",
        "jean dupont arobase",
        "jean.dupont@",
        "jean @",
        "jean dupont arobase gmail",
        "jean dupont at gmail",
        "jean à gmail",
        "jean a commercial orange",
        "jean arobase gmail point",
        "jean arobase mairie point saintes",
        "jean@gmail",
        "jean arobase orange point f",
        "www.acme.fr slash",
        "c'est comme",
    ],
    "en": [
        "zero",
        "oh six one",
        "five five five",
        "555-123",
        "(555) 123",
        "my number is five five",
        "five oh five",
        "five oh",
        "double oh seven",
        "double six",
        "five double",
        "plus forty four",
        "+44 7700 900",
        "plus four four seven",
        "one eight hundred five five five",
        "zero seven seven double oh",
        "twenty five thirty six forty seven",
        "six three point",
        "at eight oh",
        "D U",
        "D-U-P",
        "my name is spelled S M I",
        "B O",
        "I T",
        "m double u",
        "D as in",
        "D as in David",
        "A as in Apple",
        "D for",
        "D for David",
        "capital B",
        "p apostrophe",
        "john dot",
        "john dot smith",
        "john dot smith at",
        "j s m at",
        "contact at gmail",
        "contact at sign",
        "john dot smith at acme dot",
        "john underscore",
        "john under score",
        "john dash",
        "john@acme",
        "john at gmail dot co dot",
    ],
    "de": ["0171 23", "D U", "h.schmidt@", "anna @ web", "+49", "1 2 3", "D-I-E"],
}

FINISHED = {
    "fr": [
        "",
        "euh",
        "oui",
        "deux",
        "deux personnes",
        "quatre personnes",
        "vingt-cinq",
        "vingt et un",
        "vingt-et-un",
        "soixante et onze",
        "quatre vingt dix sept",
        "quatre-vingt-dix-sept",
        "soixante dix huit",
        "deux cent cinquante",
        "deux mille vingt-six",
        "mille neuf cent quatre-vingt-quatre",
        "deux cent mille",
        "trois millions",
        "deux mille cinq cents",
        "cent quatre vingt",
        "2026",
        "10 000",
        "12,5",
        "zéro virgule cinq",
        "à vingt heures",
        "vingt heures trente",
        "vingt heures zéro cinq",
        "20 h 05",
        "20h30",
        "8:30",
        "le douze mars",
        "le douze mars deux mille vingt-six",
        "12/03/2026",
        "12.03.2026",
        "né le 06 12 1984",
        "c'est le zéro six douze voilà",
        "06000",
        "un adulte plus un",
        "0612345678",
        "06 12 34 56 78",
        "zéro quatre vingt douze trente quatre cinquante six",
        "06.12.34.56.78",
        "+33 6 12 34 56 78",
        "+33612345678",
        "+33 (0)6 12 34 56 78",
        "0033 6 12 34 56 78",
        "4970 1234 5678 9012",
        "il y a",
        "il n'y en a plus",
        "il y a comme un problème",
        "la vitamine C",
        "d'",
        "le wagon B à vingt",
        "O K",
        "une chambre double",
        "c'est un bon point",
        "à quel point",
        "au rond point",
        "un point important",
        "il reste un point",
        "tout en majuscule",
        "c'est grave",
        "jean arobase gmail point com",
        "jean arobase gmail com",
        "jean point dupont arobase orange point fr",
        "jean.dupont@gmail.com.",
        "jean arobase orange.fr",
        "jean arobase orange point f r",
        "jean arobase gmail voilà",
        "jean arobase gmail point com merci beaucoup",
        "mon site c'est acme point fr",
        "j'habite à Orange",
        "arobase un mot puis un autre puis encore un et tout cela ne finit jamais vraiment",
    ],
    "en": [
        "yes",
        "two",
        "twenty five",
        "a hundred and five",
        "two hundred and fifty thousand",
        "two hundred five",
        "nineteen hundred",
        "2026",
        "nineteen eighty four",
        "at eight thirty",
        "at eight oh five",
        "at oh eight hundred",
        "five p m",
        "8:30 a m",
        "1,500",
        "$5",
        "the second of March",
        "2026-03-12",
        "five and six",
        "four people",
        "oh two",
        "oh oh",
        "zero point five",
        "me plus one",
        "5551234567",
        "555-123-4567",
        "(555) 123-4567",
        "1 555 123 4567",
        "five five five one two three four five six seven",
        "+1 555 123 4567",
        "plus four four seven seven oh oh nine double oh one two three",
        "zero seven seven double oh nine double oh one two three",
        "4242 4242 4242 4242",
        "I",
        "a",
        "I have a",
        "plan B",
        "plan B for Monday",
        "what is it for",
        "I watch T V",
        "I'd like a double",
        "on the dot",
        "that is a good point",
        "I'm at",
        "I'm at home",
        "look at it",
        "john at acme dot com",
        "john dot smith at acme dot com",
        "john at gmail dot co",
        "john at gmail dot co dot uk",
        "john dot smith at gmail dot com thank you",
        "john@acme.co.uk",
        "acme dot com",
        "node dot five",
    ],
    "de": ["", "zwei", "2026", "8:30", "null sechs", "anna@web.de", "anna @ gmail.com"],
    "es": ["y a", "y a é", "arroba"],
    "ru": ["и в"],
    "zh": ["我 们 好"],
}


def rows(table: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(language, text) for language, texts in table.items() for text in texts]


@pytest.mark.parametrize(("language", "text"), rows(DICTATING))
def test_more_is_to_come(language: str, text: str) -> None:
    assert is_dictating(text.split(), language)


@pytest.mark.parametrize(("language", "text"), rows(FINISHED))
def test_nothing_is_under_way(language: str, text: str) -> None:
    assert not is_dictating(text.split(), language)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("fr", "zéro six douze trente-quatre cinquante-six soixante-dix-huit"),
        ("fr", "zéro un quarante-deux soixante-huit cinquante-trois zéro zéro"),
        ("fr", "zéro huit cents cent vingt-trois quatre cent cinquante-six"),
        ("fr", "06 12 34 56 78"),
        ("fr-CH", "zéro sept neuf deux cent douze trente-quatre cinquante-six"),
        ("en-IE", "zero eight seven one two three four five six seven"),
        ("en-AU", "zero four one two three four five six seven eight"),
        ("en-GB", "zero seven seven zero zero nine zero zero one two three"),
    ],
)
def test_a_telephone_number_is_dictated_up_to_its_last_word(language: str, text: str) -> None:
    words = text.split()
    verdicts = [is_dictating(words[:count], language) for count in range(1, len(words) + 1)]
    assert verdicts == [True] * (len(words) - 1) + [False]


@pytest.mark.parametrize(
    ("language", "text", "open_"),
    [
        ("fr", "mon adresse c'est jean point dupont arobase gmail point com", "0000111110"),
        ("en", "it's john dot smith at gmail dot com thanks", "001111100"),
        ("en", "nine one one", "011"),
        ("fr", "au nom de D U P O N T", "000011111"),
        ("en", "for four people please", "0000"),
    ],
)
def test_word_by_word(language: str, text: str, open_: str) -> None:
    words = text.split()
    verdicts = [int(is_dictating(words[:count], language)) for count in range(1, len(words) + 1)]
    assert "".join(map(str, verdicts)) == open_


def test_canadians_say_ten_digits_in_either_language() -> None:
    words = ["514", "555", "1234"]
    assert not is_dictating(words, "fr-CA")
    assert not is_dictating(words, "en-CA")
    assert is_dictating(words, "fr-FR")


@pytest.mark.parametrize("tag", ["fr", "FR", "fr-FR", "fr_CA"])
def test_a_tag_is_read_in_any_case_with_any_region(tag: str) -> None:
    assert is_dictating(["zéro", "six"], tag)


def test_a_report_of_several_words_is_read_as_such() -> None:
    assert is_dictating(["zéro six", " douze trente-quatre "], "fr")


def test_digits_of_any_script_are_digits() -> None:
    assert is_dictating(["٠٦", "١٢"], "ar")


def test_composed_and_decomposed_accents_are_the_same() -> None:
    assert is_dictating(["ze\u0301ro", "six"], "fr")


def test_only_the_tail_is_looked_at() -> None:
    words = Told(["mot"] * 10_000 + ["zéro", "six"])
    assert is_dictating(words, "fr")
    assert words.seen <= TAIL_WORDS


def test_of_a_word_without_end_only_the_end_is_read() -> None:
    assert is_dictating(["a" * 1_000_000 + "@gmail"], "fr")
    assert not is_dictating(["0@" * 100_000 + "gmail.com"], "fr")


SAYINGS = """
zéro six vingt quatre-vingt cent mille et and 06 000 + plus oh o double a b y D-U @ _ - . point
dot tiret du bas comme as in for at à gmail com fr co uk gmail.com arobase heures ok p m euh
hundred thousand million eight 8:30 d' +33 １２ ²
"""
SAID = st.sampled_from(SAYINGS.split())


@given(
    st.lists(SAID | st.text(max_size=12), max_size=60), st.sampled_from(["fr", "en", "de", "fr-CA"])
)
def test_whatever_is_said_gets_an_answer(words: list[str], language: str) -> None:
    verdict = is_dictating(words, language)
    assert verdict in (True, False)
    assert is_dictating(words[-TAIL_WORDS:], language) is verdict


@given(st.text(max_size=20))
def test_whatever_the_language_is_called(language: str) -> None:
    assert is_dictating(["06", "12"], language)


@given(st.lists(SAID, max_size=20))
def test_case_and_punctuation_change_nothing(words: list[str]) -> None:
    said = [word for word in words if word not in ("-", "+", "_", "@", ".", "d'")]
    shouted = [f"{word.upper()}," for word in said]
    assert is_dictating(shouted, "fr") is is_dictating(said, "fr")
