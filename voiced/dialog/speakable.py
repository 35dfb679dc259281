"""What a model writes -> words that a voice can say.

The text passes through three sieves, each of which decides only on what can no longer change,
so the words are the same however the stream was cut:

1. `_unmark`, over characters: code blocks, tags and the targets of links, which may run over
   several words, are taken out. A construct that is not closed yet is kept until it is.
2. `_split`, over white space: a token is whole when white space follows it.
3. `_words`, over one token: symbols are spelled, everything a voice cannot say is dropped.

The last word is held until the next token begins, because French puts a space before `!` and
`?`: a token without a letter or digit is never a word of its own. moshi-server's model loop
dies of a word that its tokenizer turns into nothing (moshi-server tts.py, `step`), and takes
everybody's calls with it.

An address is spoken as its host alone ("example dot com"): callers are told addresses in order
to go there, and nobody can follow a path by ear.
"""

import re
from collections.abc import Callable, Iterator
from enum import Enum, auto
from unicodedata import category, normalize

WORD_CHARACTERS = 100
"""No word is longer; longer ones come in pieces of this length."""

_TOKEN_CHARACTERS = 1_000  # a token without white space is ended here: an address may be long
_NO_BREAK = "\u00a0\u2007\u2009\u202f"  # spaces inside a number, or before French punctuation
_SPACE = rf"[^\S{_NO_BREAK}]"
_TOKEN = re.compile(
    rf"({_SPACE}*)([\S{_NO_BREAK}]{{{_TOKEN_CHARACTERS}}}|[\S{_NO_BREAK}]++(?={_SPACE}))"
)
_TOKEN_BEGUN = re.compile(rf"({_SPACE}*)([\S{_NO_BREAK}]?)")

_FENCE = "```"
_NAME = r"[A-Za-z][\w:-]{0,40}"
_QUOTED = r"\"[^\"<>]{0,99}\"|'[^'<>]{0,99}'|[^\s\"'<>]{1,99}"
_QUOTED_BEGUN = r"\"[^\"<>]{0,99}|'[^'<>]{0,99}|[^\s\"'<>]{1,99}"
_TAG = rf"</?{_NAME}(?:\s{{1,9}}{_NAME}\s?=\s?(?:{_QUOTED})){{0,9}}"
_TAG_BEGUN = rf"<|</|{_TAG}(?:\s?/?|\s{{1,9}}(?:{_NAME}(?:\s?(?:=\s?(?:{_QUOTED_BEGUN})?)?)?)?)"
_CONTROL, _CONTROL_BEGUN = r"<\|\w{1,40}\|>", r"<\|\w{0,40}\|?"  # a template's own: <|im_end|>
_MARKUP = re.compile(rf"{_TAG}\s?/?>|{_CONTROL}|(?P<target>\]\([^)\n]{{0,500}}\))|{_FENCE}")
_MARKUP_BEGUN = re.compile(
    rf"(?:{_TAG_BEGUN}|{_CONTROL_BEGUN}|\](?:\([^)\n]{{0,500}})?|`{{1,2}})\Z"
)
"""Every proper beginning of `_MARKUP`, at the end of the text."""

_SYMBOLS = {
    "en": {
        "%": "percent", "€": "euros", "$": "dollars", "£": "pounds", "&": "and", "@": "at",
        "+": "plus", "\u2212": "minus", "×": "times", "÷": "divided by", "=": "equals",
        "°": "degrees", "°C": "degrees Celsius", "°F": "degrees Fahrenheit",
    },
    "fr": {
        "%": "pour cent", "€": "euros", "$": "dollars", "£": "livres", "&": "et", "@": "arobase",
        "+": "plus", "\u2212": "moins", "×": "fois", "÷": "divisé par", "=": "égale",
        "°": "degrés", "°C": "degrés Celsius", "°F": "degrés Fahrenheit",
        "n°": "numéro", "N°": "numéro",
    },
}  # fmt: skip
_DOT = {"en": "dot", "fr": "point"}

# Letters and marks without ink: Hangul fillers, Khmer inherent vowels, variation selectors.
_INKLESS = "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
_PLAIN = str.maketrans({
    **dict.fromkeys("“”„‟«»", '"'),
    **dict.fromkeys("‘’‚‛‹›", "'"),
    **dict.fromkeys("*`~[]{}<>^#\\", None),
    "\u2010": "-", "\u2011": "-", "|": " ",
})  # fmt: skip
_UNSPEAKABLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Me", "Sk", "Sm", "So"}  # So: emoji, pictographs
_UNSEEN = re.compile(f"[{_INKLESS}]")
_PAUSES = ",.!?;:"

_THOUSANDS = re.compile(rf"(?<=\d)[{_NO_BREAK}](?=\d{{3}}(?!\d))")
_ADDRESS = re.compile(r"(?:https?://|\bwww\.)([^\s<>\"'()\[\]]*)", re.IGNORECASE)
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+")
_REWRITES = (
    (re.compile(r"!\["), ""),  # an image's text
    (re.compile(r"([$€£])(\d(?:[\d.,]*\d)?[kKMB]?)"), r"\2\1"),  # said after the number
    (re.compile(r"(?<=\d)\*(?=\d)"), "×"),
    (re.compile(r"(?<=[^\W_])_+(?=[^\W_])"), " "),  # snake_case
    (re.compile(r"_"), ""),  # emphasis
    (re.compile(r"^[-\u2013](?=\d)"), "\u2212"),
    (re.compile(r"(?<=\d)\u2013(?=\d)"), "-"),  # a range
    (re.compile(r"[\u2013-\u2015]+|-{2,}|^-(?!\d)"), ", "),
    (re.compile(r"(\.{2,})(?=\w)"), r"\1 "),
)


class _Inside(Enum):
    TEXT = auto()
    CODE = auto()


class Speakable:
    """One reply's text on its way to the voice. `language` is a tag such as `fr` or `en-GB`."""

    def __init__(self, language: str) -> None:
        key = language.lower().replace("_", "-").split("-")[0]
        self._spell = _speller(_SYMBOLS.get(key, _SYMBOLS["en"]))
        self._dot = _DOT.get(key, _DOT["en"])
        self._inside = _Inside.TEXT
        self._raw = ""  # may still turn out to be mark-up
        self._text = "\n"  # a token that has not ended yet, and the white space before it
        self._held = ""  # a whole word; the next token may still add punctuation

    def feed(self, text: str) -> list[str]:
        """Takes a piece of any size; returns the words that have become certain.

        Each has at least one letter or digit, no white space and at most `WORD_CHARACTERS`.
        """
        self._text += self._unmark(text)
        return list(self._split())

    def flush(self) -> list[str]:
        """The words that were still uncertain: the text has ended. Ready for the next text."""
        self._text += "" if self._is_markup_begun() else self._raw
        self._text += " "
        words = [*self._split(), *self._release()]
        self._raw, self._text = "", "\n"
        self._inside = _Inside.TEXT
        return words

    def _is_markup_begun(self) -> bool:
        return self._inside is _Inside.CODE or self._raw.startswith(("<", "]"))

    def _unmark(self, text: str) -> str:
        raw, clean = self._raw + text, ""
        while True:
            if self._inside is _Inside.CODE:
                code, fence, raw = raw.partition(_FENCE)
                if not fence:
                    self._raw = code[-2:]  # a fence may have begun
                    return clean
                self._inside = _Inside.TEXT
            found, begun = _MARKUP.search(raw), _MARKUP_BEGUN.search(raw)
            end = begun.start() if begun else len(raw)
            if found is None or found.start() > end:
                self._raw = raw[end:]
                return clean + raw[:end]
            clean += raw[: found.start()] + ("" if found["target"] else " ")
            raw = raw[found.end() :]
            if found[0] == _FENCE:
                self._inside = _Inside.CODE

    def _split(self) -> Iterator[str]:
        while token := _TOKEN.match(self._text):
            self._text = self._text[token.end() :]
            yield from self._begin(*token.groups())
            if token[2] == "+" and "\n" in token[1]:
                continue  # a list's bullet, not a sum
            for word in self._words(token[2]):
                yield from self._add(word)
        begun = _TOKEN_BEGUN.match(self._text)
        assert begun  # it matches anything
        yield from self._begin(*begun.groups())
        if not begun[2]:
            self._text = "\n" if "\n" in begun[1] else begun[1][:1]

    def _begin(self, space: str, token: str) -> Iterator[str]:
        """A token begins: a line's end is a pause; a letter cannot be punctuation."""
        if token and "\n" in space:
            self._attach(",")
        if token[:1].isalnum():
            yield from self._release()

    def _add(self, word: str) -> Iterator[str]:
        if not any(map(str.isalnum, word)):
            self._attach("".join(mark for mark in word if mark in _PAUSES))
            return
        for start in range(0, len(word), WORD_CHARACTERS):
            piece = word[start : start + WORD_CHARACTERS]
            if any(map(str.isalnum, piece)):
                yield from self._release()
                self._held = piece

    def _attach(self, pause: str) -> None:
        if not self._held or len(self._held) + len(pause) > WORD_CHARACTERS:
            return
        if pause != "," or self._held[-1].isalnum():
            self._held += pause

    def _release(self) -> Iterator[str]:
        word, self._held = self._held, ""
        if word:
            yield word

    def _words(self, token: str) -> list[str]:
        text = _UNSEEN.sub("", normalize("NFKC", _THOUSANDS.sub("", token)))
        text = _ADDRESS.sub(self._say_address, text)
        text = _EMAIL.sub(lambda email: email[0].replace(".", f" {self._dot} "), text)
        for pattern, replacement in _REWRITES:
            text = pattern.sub(replacement, text)
        text = self._spell(text).translate(_PLAIN)
        return "".join(
            " " if letter.isspace() else letter
            for letter in text
            if letter.isspace() or category(letter) not in _UNSPEAKABLE
        ).split()

    def _say_address(self, address: re.Match[str]) -> str:
        end = re.search(r"[.,!?;:]*\Z", address[1])
        host = re.split(r"[/?#:,;!]", address[1].lower().removeprefix("www."), maxsplit=1)[0]
        return host.strip(".").replace(".", f" {self._dot} ") + (end[0] if end else "")


def _speller(symbols: dict[str, str]) -> Callable[[str], str]:
    longest_first = sorted(symbols, key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, longest_first)))
    return lambda text: pattern.sub(lambda found: f" {symbols[found[0]]} ", text)
