"""What a caller's words are in a dictation: numbers, letters, and the words of addresses.

STT engines report the same breath in many ways ("zéro six", "06", "06-12", "D-U-P", "d u p",
"jean@gmail.com"), so each word is first cut to pieces (`_pieces`) and each piece becomes a token.
The words of one number become one token, for a pause may stand between "douze" and
"trente-quatre", but hardly within "trente-quatre".
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import Final
from unicodedata import normalize

from attrs import field, frozen

_WORD_CHARACTERS: Final = 80  # an e-mail address in one word; of a longer one only the end counts
_TOKENS: Final = 60
_NONE: Final = range(0)


class Kind(Enum):
    """What a token may be."""

    WORD = auto()
    NUMBER = auto()
    OH = auto()  # a zero, if digits are next to it
    PLUS = auto()
    DOUBLE = auto()  # twice what follows
    LETTER = auto()
    SMALL = auto()  # a letter that is a word of the language as well
    MARK = auto()  # what is said of a letter: its accent, its case
    LIKE = auto()  # between a letter and a word that begins with it
    DOT = auto()
    DASH = auto()  # any other character that joins two parts, called by its name
    AT = auto()


@frozen
class Token:
    """`text`: in lower case, of a number its digits. `value`: of a number; `room`: what may be
    added to it by the next word ("soixante" has room for "douze", "soixante-douze" for nothing)."""

    kind: Kind
    text: str
    value: int = 0
    room: range = _NONE


@frozen
class Lexicon:
    """One language's words. `kinds`: of words and of phrases; `numbers`: those that are one word;
    `small`: words of one letter; `determiners`: behind them "point" is a noun."""

    kinds: Mapping[str, Kind]
    numbers: Mapping[str, int] = field(factory=dict)
    small: frozenset[str] = frozenset()
    determiners: frozenset[str] = frozenset()
    french: bool = False


def listed(words: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(words.split())


def _kinds(**words: str) -> dict[str, Kind]:
    return {word: Kind[kind] for kind, text in words.items() for word in text.split(", ")}


_SYMBOLS = {"@": Kind.AT, "+": Kind.PLUS, "_": Kind.DASH, "/": Kind.DASH}

_UNITS_FR = (
    "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize"
)
_TENS_FR = {"vingt": 20, "vingts": 20, "trente": 30, "quarante": 40, "cinquante": 50}
_TENS_FR |= {"soixante": 60, "septante": 70, "huitante": 80, "octante": 80, "nonante": 90}
_MORE_FR = {"zero": 0, "une": 1, "cent": 100, "cents": 100, "mille": 1000}
_MORE_FR |= {"million": 10**6, "millions": 10**6}

FRENCH: Final = Lexicon(
    _SYMBOLS
    | _kinds(
        AT="arobase, arobas, arrobase, arrobas, a commercial, at",  # "at" is no other French word
        DOT="point",
        # The hyphen is "tiret du six" by its key, the underscore "tiret du bas".
        DASH="tiret, tiret bas, tiret du, tiret du bas, tiret du 6, tiret du six, underscore,"
        " slash, antislash, apostrophe, trait d'union",
        PLUS="plus",
        DOUBLE="double",
        LIKE="comme",
        WORD="à, ô",  # a spelled A is reported as "a"
        MARK="accent, aigu, grave, circonflexe, tréma, cédille, majuscule, minuscule, espace",
        # The other names of letters are words: "elle", "ce", "té" is "tes" to many an STT.
        LETTER="bé, cé, dé, effe, gé, emme, enne, pé, ku, esse, vé, ixe, zède, i grec, igrec,"
        " i-grec, double v, double vé, double u, double-v, double-vé, double-u",
    ),
    {word: number for number, word in enumerate(_UNITS_FR.split())} | _TENS_FR | _MORE_FR,
    frozenset("ay"),
    listed(  # "un" and "une" have been read as 1
        "1 le la les l' ce cet cette ces au du mon ton son notre votre bon rond quel"
        " quelque certain premier dernier autre même tel aucun d'un qu'un qu'une ça"
    ),
    french=True,
)

# "Quatre vingt" is eighty; only -sept, -huit, -neuf follow "dix".
_ROOMS_FR = {4: range(20, 21), 10: range(7, 10), 60: range(1, 20), 80: range(1, 20)}

_UNITS_EN = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen"
)
_TENS_EN = "twenty thirty forty fifty sixty seventy eighty ninety"
_MORE_EN = {"nought": 0, "fourty": 40, "hundred": 100, "thousand": 1000, "million": 10**6}

ENGLISH: Final = Lexicon(
    _SYMBOLS
    | _kinds(
        AT="at sign",
        DOT="dot",
        DASH="dash, hyphen, slash, backslash, underscore, under score, apostrophe",
        OH="oh, o",
        PLUS="plus",
        DOUBLE="double",
        LIKE="as in",
        MARK="accent, acute, umlaut, capital, uppercase, lowercase, space",
        LETTER="zee, zed, double u, double-u, double you",
    ),
    {word: number for number, word in enumerate(_UNITS_EN.split())}
    | {word: number * 10 for number, word in enumerate(_TENS_EN.split(), start=2)}
    | _MORE_EN,
    frozenset("ai"),
    listed("a an the this that my your his her our their polka good"),
)

# Words of one letter somewhere: Romance, Slavic in both scripts.
OTHER: Final = Lexicon(_SYMBOLS, small=frozenset("aeiouywzkvsàèéìòóôùяивскоуа"))

_FILLERS = listed("euh heu hum hm hmm uh um uhm erm")
_AND = frozenset({"et", "and"})
_OUTER = " \t.,;:!?…\"'`«»“”()[]*"
_QUOTES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "‐": "-", "‑": "-", "–": "-"})

_SYMBOL = re.compile(r"(@|^\+|[_/]$)")
_DATE = re.compile(r"\d{4}-\d\d?-\d\d?|\d\d?([-./])\d\d?\1(19|20)\d\d|\d+(/\d+)+")
_DECIMAL = re.compile(r"([1-9]\d*|0)[.,]\d+")
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(,\d{3})+")
_DIGITS = re.compile(r"\d+([-.,()]+\d+)*")


def lexicon(language: str) -> Lexicon:
    """The words of a BCP 47 tag's language; of one without rules, the symbols alone."""
    primary = re.split("[-_]", language.casefold(), maxsplit=1)[0]
    return {"fr": FRENCH, "en": ENGLISH}.get(primary, OTHER)


def read(words: Sequence[str], lexicon: Lexicon) -> list[Token]:
    """The tokens of these words, in order, at most the last 60. Hesitations are left out."""
    tokens: list[Token] = []
    for word in words:
        plain = normalize("NFKC", word[-_WORD_CHARACTERS:]).translate(_QUOTES).casefold()
        for part in plain.split():
            for piece in _pieces(part):
                _take(tokens, piece, lexicon)
    return tokens[-_TOKENS:]


def _pieces(part: str) -> Iterator[str]:
    elided = len(part) > 1 and part.endswith("'")  # "d'", "l'": no letters
    for piece in _SYMBOL.split(part.strip(_OUTER) if not elided else part):
        stripped = piece.rstrip("-") or piece
        if stripped not in _FILLERS and stripped.strip("-"):
            yield stripped


def _take(tokens: list[Token], piece: str, lexicon: Lexicon) -> None:
    """Adds one piece to the tokens; it may join the last."""
    phrase = f"{tokens[-1].text} {piece}" if tokens else ""
    if phrase in lexicon.kinds:
        tokens[-1] = Token(lexicon.kinds[phrase], phrase)
    elif piece in lexicon.kinds:
        _add(tokens, [Token(lexicon.kinds[piece], piece)])
    elif numbers := _numbers(piece, lexicon):
        _count(tokens, numbers, lexicon)
    else:
        _add(tokens, _letters(piece, lexicon) or [Token(Kind.WORD, piece)])


def _add(tokens: list[Token], added: list[Token]) -> None:
    first = added[0]
    symbol = first.kind in (Kind.NUMBER, Kind.OH, Kind.LETTER, Kind.SMALL) and first.value < 10
    if symbol and len(added) == 1 and tokens and tokens[-1].kind is Kind.DOUBLE:
        tokens[-1] = first
    tokens += added


def _letters(piece: str, lexicon: Lexicon) -> list[Token]:
    """One letter, or several with hyphens and perhaps digits among them."""
    parts = piece.split("-")
    if any(len(part) != 1 or not (part.isdecimal() or _is_letter(part)) for part in parts):
        return []
    if len(parts) == 1 and piece in lexicon.small:
        return [Token(Kind.SMALL, piece)]
    return [Token(Kind.LETTER, part) for part in parts]


def _is_letter(character: str) -> bool:
    """Scripts without case have words of one character."""
    return character.lower() != character.upper()


def _numbers(piece: str, lexicon: Lexicon) -> list[Token]:
    """The numbers of one piece: "06-12" has two, "quatre-vingt-dix" one, "8:30" none."""
    if piece[0].isdecimal():
        return _numerals(piece)
    tokens: list[Token] = []
    for part in piece.split("-"):
        if part in lexicon.numbers:
            number = lexicon.numbers[part]
            _count(tokens, [_number(number, _room(number, lexicon))], lexicon)
        elif part not in _AND or not tokens:
            return []
    return tokens


def _numerals(piece: str) -> list[Token]:
    if _THOUSANDS.fullmatch(piece):
        return [_number(int(piece.replace(",", "")))]
    if _DATE.fullmatch(piece) or _DECIMAL.fullmatch(piece) or not _DIGITS.fullmatch(piece):
        return []
    runs = ["".join(str(int(digit)) for digit in run) for run in re.findall(r"\d+", piece)]
    return [Token(Kind.NUMBER, run, int(run)) for run in runs]


def _number(value: int, room: range = _NONE) -> Token:
    return Token(Kind.NUMBER, str(value), value, room)


def _room(number: int, lexicon: Lexicon) -> range:
    """What may follow this word within one number."""
    if number == 100:  # in English not "eight hundred five", which begins a telephone number
        return range(1 if lexicon.french else 10, 100)
    if number >= 1000:
        return range(1, number)
    if lexicon.french and number in _ROOMS_FR:
        return _ROOMS_FR[number]
    return range(1, 10) if number >= 20 and number % 10 == 0 else _NONE


def _count(tokens: list[Token], numbers: list[Token], lexicon: Lexicon) -> None:
    """Adds the numbers of one piece; the first may be a part of the last token's."""
    first = numbers[0]
    if len(numbers) == 1 and tokens:
        last = tokens[-1]
        if last.text in _AND and len(tokens) > 1:
            sum_ = _with_and(tokens[-2], first, lexicon)
            tokens[-2:] = [sum_] if sum_ else tokens[-2:] + numbers
            return
        if sum_ := _sum(last, first, 10 if lexicon.french else 100):
            tokens[-1] = sum_
            return
        if last.text == "0" and first.text == "4":  # "zéro quatre vingt" is 04 20
            numbers = [_number(4)]
    _add(tokens, numbers)


def _with_and(before: Token, number: Token, lexicon: Lexicon) -> Token | None:
    """The sum in "vingt et un", "soixante et onze", "a hundred and five"."""
    if lexicon.french:
        joined = number.value in (1, 11) and number.value in before.room
    else:
        joined = bool(before.room) and before.value % 100 == 0 and 0 < number.value < 100
    return _number(before.value + number.value, number.room) if joined else None


def _sum(last: Token, number: Token, hundreds: int) -> Token | None:
    """The two as one number, if they are one; so many `hundreds` are counted at most."""
    value, added = last.value, number.value
    if last.kind is not Kind.NUMBER:
        return None
    if number.text == "000" and value:  # "10 000"
        return _number(value * 1000)
    if number.text != str(added):
        return None
    if added in last.room and last.room is not _ROOMS_FR[4]:
        return _number(value + added, number.room)
    if added in last.room and value % 100 == 4:
        return _number(value + 76, _ROOMS_FR[80])
    if added in (100, 1000, 10**6) and number.room:
        part = value % (1000 if added == 100 else 10**6)
        if 0 < part < (hundreds if added == 100 else 1000):
            return _number(value + part * (added - 1), number.room)
    return None
