"""Which numbers may be dialled: a stolen token or a talkative model must not call premium lines.

Without a list of prefixes it is the country of our own number. The zones +1 and +7 are shared by
several countries, and the smaller ones in +1 are where toll fraud goes: it looks like a call
within North America and costs as much as one to a satellite.

Source: ITU-T E.164 and its list of assigned country codes; the North American Numbering Plan.
"""

import re
from collections.abc import Sequence
from typing import Final

E164: Final = re.compile(r"\+[1-9][0-9]{5,14}")
MIN_NATIONAL: Final = 4
"""Digits behind the country code; emergency and service numbers have fewer."""

_TWO_DIGITS: Final = re.compile("2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]")
_NORTH_AMERICAN: Final = re.compile(r"\+1[2-9][0-9]{9}")
_ISLANDS: Final = frozenset(
    {242, 246, 264, 268, 284, 340, 345, 441, 473, 649, 658, 664, 670, 671, 684, 721, 758, 767,
     784, 787, 809, 829, 849, 868, 869, 876, 939}
)  # fmt: skip
"""Area codes in +1 of the Caribbean, Bermuda and the Pacific."""

_PREMIUM_AREA, _PREMIUM_EXCHANGE = 900, 976
_SET: Final = "set limits.allowed_prefixes to allow more"


def country_code(number: str) -> str:
    """The country code that an E.164 number begins with, without its plus.

    The codes are prefix-free: 1 and 7 alone, some of two digits, all others of three.
    """
    digits = number[1:]
    if digits[:1] in ("1", "7"):
        return digits[:1]
    return digits[: 2 if _TWO_DIGITS.match(digits) else 3]


class Destinations:
    """The rule of one installation.

    `own_number` is our caller id, "" if there is none. `allowed` and `denied` are the beginnings
    of numbers, with their plus; what is denied is denied although it is allowed.
    """

    def __init__(self, own_number: str, allowed: Sequence[str], denied: Sequence[str]) -> None:
        self._own = own_number if E164.fullmatch(own_number) else ""
        self._allowed = tuple(allowed)
        self._denied = tuple(denied)

    def fault(self, number: str) -> str:
        """Why the number may not be dialled, in a sentence without it; "" if it may be."""
        if not _is_number(number):
            return "it is not a telephone number with its country, as in +33123456789"
        if number.startswith(self._denied):
            return "limits.denied_prefixes forbids it"
        if self._allowed:
            fits = number.startswith(self._allowed)
            return "" if fits else f"it does not begin as limits.allowed_prefixes asks: {_SET}"
        if not self._own:
            return (
                "nothing may be dialled yet: set twilio.phone_number, which allows its country, "
                "or limits.allowed_prefixes"
            )
        return self._fault_at_home(number)

    def _fault_at_home(self, number: str) -> str:
        """The rule where no list is given: the country of our own number."""
        country = country_code(self._own)
        if country_code(number) != country:
            return f"only +{country}, the country of twilio.phone_number, may be dialled: {_SET}"
        if country == "1":
            return _fault_in_north_america(self._own, number)
        if country == "7" and _is_kazakh(number) != _is_kazakh(self._own):
            return f"+7 is shared, and it is not in the country of twilio.phone_number: {_SET}"
        return ""


def _is_number(number: str) -> bool:
    if not E164.fullmatch(number):
        return False
    country = country_code(number)
    if country == "1":
        return _NORTH_AMERICAN.fullmatch(number) is not None
    return len(number) - 1 - len(country) >= MIN_NATIONAL


def _fault_in_north_america(own: str, number: str) -> str:
    home, area, exchange = int(own[2:5]), int(number[2:5]), int(number[5:8])
    if area == _PREMIUM_AREA or exchange == _PREMIUM_EXCHANGE:
        return f"it is a premium-rate number: {_SET}"
    if home in _ISLANDS and area != home:
        return f"only area code {home}, that of twilio.phone_number, may be dialled: {_SET}"
    if home not in _ISLANDS and area in _ISLANDS:
        return f"its area code is outside the United States and Canada: {_SET}"
    return ""


def _is_kazakh(number: str) -> bool:
    return number[2:3] in ("6", "7")
