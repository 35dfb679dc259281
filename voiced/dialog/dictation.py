"""Is the caller dictating?

Who dictates a number, spells a name or says an e-mail address pauses in the middle, to read the
next digits or to let the other write. Such a pause does not end the turn, however sure the STT is.

Three things are dictated, and each has its own end: a telephone number or a card's number is
complete when it has its digits, an e-mail address when its top-level domain was said. Nobody
knows when a name is complete, nor other numbers: there a longer quiet ends the turn.

To hold a caller who has finished costs a second; to cut one off costs the number. But a plain
answer ("deux", "twenty five", "at eight thirty") must not be held, so one group of digits is never
dictation unless it begins as no quantity does: with zero or a plus.

Only the last words are looked at, for this is asked at each word.
"""

import re
from collections.abc import Sequence
from enum import Enum, auto
from typing import Final

from voiced.dialog.dictation_words import Kind, Lexicon, Token, lexicon, listed, read

TAIL_WORDS: Final = 40
"""So many of the last words are looked at: a card's number, digit by digit, and its preface."""

_ADDRESS_TOKENS: Final = 12  # an address whose end was missed is forgotten after so many

_PROVIDERS = listed(
    "gmail googlemail hotmail yahoo icloud outlook wanadoo laposte protonmail aol msn gmx ymail"
)
_TLDS = listed(
    "com fr net org eu be ch ca lu uk co us io info de es it nl pt ie at au nz in biz pro paris bzh"
    " gouv gov edu ai app dev me tv re asso email online shop site tech cloud"
)
_NO_TLDS: frozenset[str] = frozenset()
_BARE_TLDS = frozenset({"com", "fr", "net", "org"})  # "gmail com": the dot went unheard
_CLOSERS = listed("voilà merci c'est tout thanks thank that's please ok okay and et")
_DOTTED = re.compile(r"[\w-]+(?:\.[\w-]+)*\.([^\W\d_]{2,})")
_UNDERSCORES = frozenset({"_", "underscore", "under score", "tiret bas", "tiret du bas"})

_CODES = {"33": 11, "1": 11, "44": 12, "32": 11, "41": 11, "34": 11, "61": 11}
"""Calling code: how many digits a number has with it."""

_TEN_DIGITS = frozenset({"au", "ie", "nz", "za"})  # of English: a zero and nine; the UK has ten
_CARD_DIGITS = 16
_YEAR = re.compile("(19|20)[0-9]{2}")
_CLOCK = listed("at by around until till before after from")
_HOURS = frozenset({"heure", "heures", "h"})
_LIKES = frozenset({"for", "like"})
_ABBREVIATIONS = frozenset({"ok", "tv"})

_NUMERIC = frozenset({Kind.NUMBER, Kind.OH})
_LETTERS = frozenset({Kind.LETTER, Kind.SMALL})
_SPELLED = _NUMERIC | _LETTERS | {Kind.MARK, Kind.DASH, Kind.DOUBLE}
_NOTHING: Final = Token(Kind.WORD, "")


class _Domain(Enum):
    NONE = auto()
    OPEN = auto()
    COMPLETE = auto()


def is_dictating(words: Sequence[str], language: str) -> bool:
    """Whether the utterance ends in the middle of something dictated, so that more is likely.

    `words`: the utterance's so far, as the STT reports them; `language`: a BCP 47 tag. French and
    English have rules of their own; of other languages only digits, letters and symbols are known.
    """
    known = lexicon(language)
    tokens = read(words[-TAIL_WORDS:], known)
    domain = _domain(tokens, known)
    if not tokens or domain is not _Domain.NONE:
        return domain is _Domain.OPEN
    return (
        _is_cut(tokens, known)
        or _is_number_open(tokens, language.casefold())
        or _is_spelling(tokens, known)
        or _is_local_part(tokens, known)
    )


def _at(tokens: list[Token], index: int) -> Token:
    """Before the first token there is nothing."""
    return tokens[index] if -len(tokens) <= index else _NOTHING


def _is_cut(tokens: list[Token], known: Lexicon) -> bool:
    """The last word needs another: "tiret", "comme", "D as in", "six double"."""
    last, before = tokens[-1], _at(tokens, -2)
    match last.kind:
        case Kind.DOT | Kind.DASH:  # but "un bon point", "on the dot"
            return before.text not in known.determiners
        case Kind.LIKE:
            return known.french or before.kind in _LETTERS
        case Kind.DOUBLE:  # but "une chambre double"
            return before.kind in _NUMERIC or before.kind is Kind.LETTER
        case Kind.PLUS:
            return last.text == "+"
    if last.text == "point":  # in English a dot only in numbers
        return before.kind in _NUMERIC
    return not known.french and last.text in _LIKES and before.kind is Kind.LETTER


def _is_number_open(tokens: list[Token], language: str) -> bool:
    run, before = _run(tokens)
    digits = "".join(map(_digits, run))
    # "Plus trente-trois" begins a number, "plus one" brings a guest.
    plus = before.kind is Kind.PLUS and (before.text == "+" or len(digits) > 1)
    grows = bool(run) and len(run[-1].room) > 50  # "quatre cent", and "cinquante-six" to come
    if not grows and _is_complete(f"00{digits}" if plus else digits, language):
        return False
    if _is_time(run, digits, before) or _is_date(run) or _is_postcode(run):
        return False
    if (run and plus) or digits.startswith("0") or len(run) > 2:
        return True
    # Two groups may be a time or a year ("eight thirty", "nineteen eighty four"); not two digits
    # one by one, nor two groups of three.
    return len(run) == 2 and (len(digits) == 2 or len(digits) >= 6)


def _digits(token: Token) -> str:
    return "0" if token.kind is Kind.OH else token.text


def _run(tokens: list[Token]) -> tuple[list[Token], Token]:
    """The numbers at the end, "tiret" and "space" between them left out; and what is before."""
    start = len(tokens)
    while start and (
        tokens[start - 1].kind in _NUMERIC
        or (start < len(tokens) and start > 1 and _is_spacer(tokens, start - 1))
    ):
        start -= 1
    run = [token for token in tokens[start:] if token.kind in _NUMERIC]
    # "Oh" is a zero where digits follow, and mere surprise before one of them: "oh, two".
    while run and run[0].kind is Kind.OH and len(run) < 3:
        del run[0]
    return run, tokens[start - 1] if start else _NOTHING


def _is_spacer(tokens: list[Token], index: int) -> bool:
    joint = tokens[index].kind is Kind.DASH or tokens[index].text in ("espace", "space")
    return joint and tokens[index - 1].kind in _NUMERIC


def _is_complete(digits: str, language: str) -> bool:
    """A card's number, or a telephone number; one with a plus begins with 00 here."""
    if len(digits) == _CARD_DIGITS:
        return True
    if digits.startswith("00"):
        for code, length in _CODES.items():
            if digits.startswith(code, 2):
                trunk = digits.startswith("0", 2 + len(code))  # "+33 (0)6": not dialled
                return len(digits) == 2 + length + trunk
        return False
    primary, *subtags = re.split("[-_]", language)
    american = (primary == "en" or (primary == "fr" and "ca" in subtags)) and digits[:1] != "0"
    if american:
        return len(digits) == (11 if digits.startswith("1") else 10)
    if primary == "en":
        return len(digits) == (10 if _TEN_DIGITS & set(subtags) else 11)
    return primary == "fr" and digits.startswith("0") and len(digits) == 10


def _is_time(run: list[Token], digits: str, before: Token) -> bool:
    """ "Vingt heures zéro cinq", "at eight oh five"."""
    if before.text in _HOURS:
        return len(digits) == 2
    if len(run) != 3 or before.text not in _CLOCK:
        return False
    return run[0].value <= 24 and _digits(run[1]) == "0" and len(run[2].text) == 1


def _is_date(run: list[Token]) -> bool:
    """Day, month and a year of four digits, as in a date of birth."""
    if len(run) < 3 or not _YEAR.fullmatch(run[-1].text):
        return False
    digits = sum(len(token.text) for token in run[:-1])
    return all(t.value <= 31 for t in run[:-1]) and (len(run) == 3 or digits == 4)


def _is_postcode(run: list[Token]) -> bool:
    """ "06000"; a telephone number is reported in pairs or whole."""
    return len(run) == 1 and len(run[0].text) == 5


def _is_spelling(tokens: list[Token], known: Lexicon) -> bool:
    """Letters at the end, with their accents, and with numbers among them as in a plate's."""
    start = len(tokens)
    while start and tokens[start - 1].kind in _SPELLED:
        start -= 1
    if _is_named(tokens[:start], known):
        return True
    spelled = tokens[start:]
    letters = [token for token in spelled if token.kind in _LETTERS or token.text == "o"]
    if _is_abbreviation([_at(tokens, start - 1 - len(tokens)), *spelled]):
        return False
    if any(token.text.startswith("accent") for token in spelled):
        return bool(letters)
    marked = any(token.kind is Kind.MARK for token in spelled)
    # "Il y a" has two letters, and both are words.
    return any(t.kind is Kind.LETTER for t in letters) and (len(letters) > 1 or marked)


def _is_named(tokens: list[Token], known: Lexicon) -> bool:
    """ "D comme Denis", "D as in David" at the end. "Plan B for Monday" is not."""
    if len(tokens) < 3:
        return False
    letter, like, name = tokens[-3:]
    initial = name.text[0] == letter.text[0]
    if like.kind is Kind.LIKE:
        return letter.kind is Kind.LETTER or (letter.kind is Kind.SMALL and initial)
    return not known.french and like.text in _LIKES and letter.kind is Kind.LETTER and initial


def _is_abbreviation(spelled: list[Token]) -> bool:
    """ "OK", "TV", "8:30 p m": the first token is what is before the letters."""
    texts = [token.text for token in spelled]
    clock = texts[-2:] in (["a", "m"], ["p", "m"]) and len(texts) > 2 and texts[-3][:1].isdigit()
    return clock or "".join(texts[1:]) in _ABBREVIATIONS


def _is_local_part(tokens: list[Token], known: Lexicon) -> bool:
    """ "john dot smith", to which an "at" belongs; but "acme dot com" is whole."""
    last, joint, first = tokens[-1], _at(tokens, -2), _at(tokens, -3)
    if dotted := _DOTTED.fullmatch(last.text):
        return dotted[1] not in _TLDS
    joined = joint.kind is Kind.DOT or joint.text in _UNDERSCORES
    word = last.kind in _LETTERS or (last.kind is Kind.WORD and last.text not in _TLDS)
    return joined and word and first.text not in {"", *known.determiners}


def _domain(tokens: list[Token], known: Lexicon) -> _Domain:
    """What became of the last address."""
    for index in reversed(range(len(tokens))):
        if _is_at(tokens, index, known):
            return _domain_after(tokens[index + 1 :])
    return _Domain.NONE


def _is_at(tokens: list[Token], index: int, known: Lexicon) -> bool:
    """ "At" and "à" are words that say little, unless an address is before or behind them."""
    if tokens[index].kind is Kind.AT:
        return True
    if tokens[index].text not in ("at", "à") or known.french != (tokens[index].text == "à"):
        return False
    if index + 1 < len(tokens) and tokens[index + 1].text.split(".")[0] in _PROVIDERS:
        return True
    local = tokens[:index]
    if known.french or not local:
        return False
    return _is_spelling(local, known) or _is_local_part(local, known)


def _domain_after(domain: list[Token]) -> _Domain:
    complete, dotted, spelled = False, False, ""
    for index, token in enumerate(domain):
        if token.kind is Kind.DOT:
            complete, dotted, spelled = False, True, ""
        elif dotted and token.kind in _LETTERS:  # "point f r"
            spelled += token.text
            complete = spelled in _TLDS
        elif complete or token.text in _CLOSERS or index >= _ADDRESS_TOKENS:
            return _Domain.NONE  # the caller speaks of something else
        else:
            complete = _has_tld(token.text, _TLDS if dotted else _BARE_TLDS if index else _NO_TLDS)
            dotted = False
    return _Domain.COMPLETE if complete else _Domain.OPEN


def _has_tld(text: str, alone: frozenset[str]) -> bool:
    """Whether a name ends here: "gmail.com", or one of those that may stand `alone`."""
    dotted = _DOTTED.fullmatch(text)
    return text in alone or bool(dotted and dotted[1] in _TLDS)
