"""Keeping callers out of the log: what a telephone number looks like there."""

import re

NUMBER = re.compile(r"\+[1-9][0-9]{6,14}\b")
"""A telephone number of ITU-T E.164, as Twilio writes it."""


def mask_number(number: str) -> str:
    """`+336******78` for `+33612345678`; nothing of an address that is no such number."""
    if not NUMBER.fullmatch(number):
        return "****"
    return f"{number[:4]}{'*' * (len(number) - 6)}{number[-2:]}"


def mask_numbers(text: str) -> str:
    """The text with each telephone number in it masked."""
    return NUMBER.sub(lambda match: mask_number(match.group()), text)
