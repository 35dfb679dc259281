"""What the model writes -> what the voice is given."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiced.dialog.speakable import WORD_CHARACTERS, Speakable


def speak(text: str, language: str = "en") -> str:
    speakable = Speakable(language)
    return " ".join([*speakable.feed(text), *speakable.flush()])


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Hello **big** _wide_ ~~old~~ `code` world!", "Hello big wide old code world!"),
        ("# Our menu\nSoup", "Our menu, Soup"),
        ("We have:\n- soup\n* fish\n+ cake", "We have: soup, fish, cake"),
        ("+ soup\n+ fish", "soup, fish"),
        ("> quoted", "quoted"),
        ("| dish | price |\n|---|---|\n| soup | 5 |", "dish price, soup 5"),
        ("See [our menu](https://example.com/a_b?c=1), please", "See our menu, please"),
        ("![a photo](https://example.com/x.png) of it", "a photo of it"),
        ("[laughs] Indeed [1]", "laughs Indeed 1"),
        ("Do this:\n```python\nprint('*')\n```\nDone.", "Do this: Done."),
        ("Run ```rm -rf``` now", "Run now"),
        ("snake_case and __init__ and C\\*", "snake case and init and C"),
        ("1. Soup\n2. **Fish**\n\n---\n3. Cake", "1. Soup, 2. Fish, 3. Cake"),
        ("- [ ] soup\n- [x] fish", "soup, x fish"),
        ("```\nprint('a')\n```\nThen ```json\n{}\n``` done.", "Then done."),
        ("```python\nprint('only code')", ""),
    ],
)
def test_markdown_is_not_read(written: str, spoken: str) -> None:
    assert speak(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ('One <break time="0.5s" /> two<br/>three', "One two three"),
        ("<speak>So</speak> <prosody rate='slow' pitch=low>slow</prosody>", "So slow"),
        ("if x <y then 3 < 4 > 2 and <b", "if x y then 3 4 2 and"),
        ("Yes.<|im_end|>", "Yes."),
        ("<|start_header_id|>Yes<|eot_id|> then a <| b", "Yes then a b"),
        ("<tool_call>yes</tool_call>", "yes"),
        ("cut off <|im_e", "cut off"),
        ("cut off <break time=", "cut off"),
        ("cut off [text](https://exam", "cut off text"),
        ("cut off ``` code", "cut off"),
        ("not a link ](" + "x" * 20, "not a link"),
    ],
)
def test_tags_are_never_passed_on(written: str, spoken: str) -> None:
    assert speak(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Go to https://www.Example.com/a/b?c=d#e.", "Go to example dot com."),
        ("(see http://example.com:8080)", "(see example dot com)"),
        (
            "www.example.org, or <https://a.example.org>!",
            "example dot org, or a dot example dot org!",
        ),
        ("nothing at https:// here", "nothing at here"),
        ("mail jo.doe@example.com", "mail jo dot doe at example dot com"),
    ],
)
def test_addresses_are_spoken_as_their_host(written: str, spoken: str) -> None:
    assert speak(written) == spoken


def test_addresses_are_spoken_in_the_language() -> None:
    assert speak("Voir www.exemple.fr !", "fr") == "Voir exemple point fr!"


@pytest.mark.parametrize(
    ("language", "written", "spoken"),
    [
        ("en", "50% of $5.50, £3 & €4", "50 percent of 5.50 dollars, 3 pounds and 4 euros"),
        ("en", "2+2=4, 3*4", "2 plus 2 equals 4, 3 times 4"),
        ("en-GB", "20°C, 70°F", "20 degrees Celsius, 70 degrees Fahrenheit"),
        ("en-GB", "90° @ home", "90 degrees at home"),
        ("en", "It costs $5.", "It costs 5 dollars."),
        ("en", "from -5 to 10–12", "from minus 5 to 10-12"),
        ("fr", "50 % de 12€ & n°5", "50 pour cent de 12 euros et numéro 5"),
        ("fr_FR", "20 °C = −3", "20 degrés Celsius égale moins 3"),
        ("fr", "10\u202f000\u00a0€", "10000 euros"),
        ("de", "50 %", "50 percent"),
    ],
)  # fmt: skip
def test_symbols_are_spoken_in_the_language(language: str, written: str, spoken: str) -> None:
    assert speak(written, language) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Bonjour ! Ça va ?\u00a0Oui\u202f; et vous :", "Bonjour! Ça va? Oui; et vous:"),
        ("« Bonjour », dit-il …", "Bonjour, dit-il..."),
        ("«\u00a0Oui\u00a0»", "Oui"),
        ("“Yes”, it’s ‘fine’", "\"Yes\", it's 'fine'"),
        ("wait—what – well -- so", "wait, what, well, so"),
        ("— Bonjour.\n— Salut.", "Bonjour. Salut."),
        ("hmm...okay… sure . . .", "hmm... okay... sure..."),
        ("! ? Hello", "Hello"),
        ("The end\n", "The end"),
    ],
)
def test_punctuation_belongs_to_the_word_before_it(written: str, spoken: str) -> None:
    assert speak(written) == spoken


@pytest.mark.parametrize(
    "nothing",
    ["\u200b", "\ufeff", "\x07", "\u00ad", "\u3164", "\ufe0f", "\ue000", "\ud800", "\u2800",
     "\u202e", "😀", "👨\u200d👩\u200d👧", "🇫🇷", "👍🏽", "→", "***"],
)  # fmt: skip
def test_what_has_no_sound_is_not_a_word(nothing: str) -> None:
    assert speak(f"one {nothing} two") == "one two"
    assert speak(f"o{nothing}ne") == "one"
    assert speak(nothing) == ""


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Welcome 😊! How are you 🙂?", "Welcome! How are you?"),
        ("👋 Hello🎉, *friend*😀.", "Hello, friend."),
        ("Open ✅ closed ❌ ★★★☆☆", "Open closed"),
        ("Bravo 🎉 !", "Bravo!"),
        ("🎉🎉 👏", ""),
    ],
)
def test_pictures_between_words_leave_no_trace(written: str, spoken: str) -> None:
    assert speak(written) == spoken
    speakable = Speakable("en")
    words = [word for letter in written for word in speakable.feed(letter)]
    assert " ".join(words + speakable.flush()) == spoken


def test_a_keycap_is_its_digit() -> None:
    assert speak("1\ufe0f\u20e3") == "1"


def test_a_word_is_spoken_as_soon_as_the_next_one_begins() -> None:
    speakable = Speakable("fr")
    assert speakable.feed("Bon") == []
    assert speakable.feed("jour") == []
    assert speakable.feed(" Mar") == ["Bonjour"]
    assert speakable.feed("ie ") == []
    assert speakable.feed("!") == []
    assert speakable.feed(" Oui") == ["Marie!"]
    assert speakable.flush() == ["Oui"]
    assert speakable.flush() == []


def test_after_a_flush_comes_another_text() -> None:
    speakable = Speakable("en")
    assert speakable.feed("one ```two") == []
    assert speakable.flush() == ["one"]
    assert [*speakable.feed("+ three four"), *speakable.flush()] == ["three", "four"]


def test_a_long_word_comes_in_pieces_without_end_of_input() -> None:
    speakable = Speakable("en")
    words = speakable.feed("x" * 3_500)
    assert len(words) >= 29
    assert {len(word) for word in words} == {WORD_CHARACTERS}
    assert sum(map(len, words + speakable.flush())) == 3_500


def test_a_piece_of_a_long_word_without_a_letter_is_dropped() -> None:
    assert speak("a" * 100 + "'" * 100 + "b") == "a" * 100 + " b"


def test_punctuation_without_end_does_not_grow_a_word() -> None:
    assert len(speak("word" + " !" * 500)) <= WORD_CHARACTERS


PIECES = st.sampled_from(
    [*"ab1 \n-*_`~#|<>[]()!?.,:;+=%$€°@&/\"'—–…«»\u00a0\u202f\u200b\ufeff\u3164\x07😀é²¨",
     "```", "](", "<|", "|>", "https://", "www.", "<b", "<break time=", "/>", "n°", "--", "...",
     " word ", "\n- "]
)  # fmt: skip
TEXTS = st.lists(PIECES | st.characters(), max_size=40).map("".join)


@given(text=TEXTS, cuts=st.lists(st.integers(0, 120)), language=st.sampled_from(["en", "fr"]))
def test_the_words_do_not_depend_on_how_the_text_is_cut(
    text: str, cuts: list[int], language: str
) -> None:
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    speakable = Speakable(language)
    words = [word for start, stop in pairwise(edges) for word in speakable.feed(text[start:stop])]
    assert " ".join(words + speakable.flush()) == speak(text, language)


@given(text=TEXTS)
def test_every_word_can_be_said(text: str) -> None:
    speakable = Speakable("fr")
    for word in [*speakable.feed(text), *speakable.flush()]:
        assert any(letter.isalnum() for letter in word)
        assert not any(letter.isspace() or letter in "\u200b\ufeff\x07*`<>|" for letter in word)
        assert len(word) <= WORD_CHARACTERS
