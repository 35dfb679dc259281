"""What the router sees of an utterance: words without their accents, cases and courtesies.

English and French have lists of their own; of another language's words each counts in full, so
that fewer of its utterances are routed, and none is routed that should not be.
"""

import re
from collections.abc import Sequence
from typing import Final
from unicodedata import combining, normalize

NUMBER: Final = "0"
"""What stands for every number."""

_LONGEST_TEXT: Final = 2_000
_LONGEST_WORD: Final = 40


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Said out of hesitation or courtesy: they are left out.
_IDLE = _listed(
    "euh heu hum hein ben bah uh um uhm erm er ah oh hmm mm hello hi hey please thanks sorry"
    " bonjour bonsoir allo merci pardon svp"
)
_IDLE_PHRASES = re.compile(
    r"\b(?:s il (?:vous|te) plait|excusez moi|thank you|excuse me|(?:est|qu est) ce (?=qu))\b"
)

# Words of the grammar and those that only wrap a request. Question words are not among them, nor
# what puts a deed into the past ("did you cancel", "vous avez annulé"): they change what is asked.
_LIGHT = _listed(
    "i me my we us our you your he him his she her it its they them a an the this that these those"
    " to of for in on at with and or is are am be been being do does have has can could will would"
    " shall should may might want like need wish wanna gonna d ll ve re m s t some any there so"
    " well yes yeah okay ok alright just tell know ask about let calling got get guys exactly"
    " je j me moi nous on vous tu te toi il elle ils elles ce c cet cette ca un une des du de le la"
    " les l mon ma mes notre nos votre vos y en et ou au aux avec pour sur dans est sont suis etes"
    " es sera soit etre avoir peux peut pouvez pouvons pourrais pourrait pourriez voudrais voudrait"
    " veux veut voulez souhaite souhaiterais aimerais faut faudrait dois doit devons besoin savoir"
    " dire que qu si se oui alors donc voila bon ouais appelle appelez aurais aurait"
)
_NEGATIONS = _listed(
    "not no non nope never nothing nobody none neither nor pas plus jamais rien aucun aucune guere"
    " nicht kein keine nie niet geen nunca nao"
)
_HALF_NEGATIONS = _listed("ne n")

_AUXILIARIES = "do|does|did|ca|could|wo|would|should|is|are|was|were|have|has|had"
_CONTRACTED = re.compile(rf"\b({_AUXILIARIES})n'?t\b|\b(can)not\b")
_WHOLE = {"ca": "can", "wo": "will"}
_WORD = re.compile(r"\d+|[^\W\d_]+")


def fold(text: str) -> tuple[str, ...]:
    """The words that count, of the first 2,000 characters: in lower case, without accents, numbers
    as one; all of them where none but courtesies were said."""
    plain = normalize("NFKD", text[:_LONGEST_TEXT].casefold().replace("’", "'"))
    plain = "".join(filter(lambda each: not combining(each), plain)).replace("œ", "oe")
    plain = _CONTRACTED.sub(_uncontracted, plain)
    said = [NUMBER if word.isdigit() else word[:_LONGEST_WORD] for word in _WORD.findall(plain)]
    left = _IDLE_PHRASES.sub("", " ".join(said)).split()
    return tuple(word for word in left if word not in _IDLE) or tuple(said)


def _uncontracted(found: re.Match[str]) -> str:
    verb = found[1] or found[2]
    return f"{_WHOLE.get(verb, verb)} not"


def is_light(word: str) -> bool:
    """Whether a folded word says little of what is asked."""
    return word in _LIGHT or word in _NEGATIONS


def negations(words: Sequence[str]) -> int:
    """How often folded words negate. French "ne" counts only where its other half is missing, for
    whoever speaks may leave it out."""
    whole = sum(word in _NEGATIONS for word in words)
    return whole or int(any(word in _HALF_NEGATIONS for word in words))
