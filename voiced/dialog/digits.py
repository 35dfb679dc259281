"""Keypad input: single keys become whole inputs.

An input is over when its terminator is pressed, when it is as long as it may be, or when nothing
more came for a while. What is over by its deadline is over whether or not anybody has asked: a
key that comes later begins the next input.
"""

from typing import Final

from attrs import frozen

KEYS: Final = frozenset("0123456789*#ABCD")
"""What a telephone can send. Source: ITU-T Q.23, as Twilio's `dtmf` message names them."""


@frozen
class DigitRule:
    """`end`: the key that ends an input, "" for none; `timeout_s`: the pause that ends one;
    `most`: the longest input, in keys.
    """

    end: str = "#"
    timeout_s: float = 2.0
    most: int = 32


class Digits:
    """One caller's keypad. Times are seconds on one monotonic clock."""

    def __init__(self, rule: DigitRule) -> None:
        self._rule = self._usual = rule
        self._pressed = ""
        self._due: float | None = None

    @property
    def pending(self) -> str:
        """What was pressed and is not over yet."""
        return self._pressed

    def press(self, digit: str, now: float) -> str | None:
        """A key was pressed; returns the input that is over by that, if one is.

        The terminator does not belong to the input, unless it is all there is. Whatever is no key
        is ignored. A key that comes when the deadline has passed gives the input before it; where
        it is an input of its own, that one is due at once.
        """
        if digit not in KEYS:
            return None
        overdue = self.expire(now)
        whole = self._added(digit)
        self._due = now + self._rule.timeout_s
        if overdue is not None:
            self._due = now if whole else self._due
            return overdue
        return self.take() if whole else None

    def deadline(self) -> float | None:
        """When the input is over if no key comes; None where there is none."""
        return self._due

    def expire(self, now: float) -> str | None:
        """The input, if its deadline has come."""
        return self.take() if self._due is not None and now >= self._due else None

    def follow(self, rule: DigitRule) -> None:
        """Inputs go by this rule from now on."""
        self._rule = self._usual = rule

    def expect(self, rule: DigitRule) -> None:
        """The next input, or the one that is being entered, goes by this rule."""
        self._rule = rule

    def take(self) -> str:
        """What was pressed so far, over or not; it is forgotten."""
        pressed, self._pressed, self._due = self._pressed, "", None
        self._rule = self._usual if pressed else self._rule
        return pressed

    def _added(self, digit: str) -> bool:
        """Adds a key; returns whether the input is whole."""
        ends = digit == self._rule.end
        if not ends or not self._pressed:
            self._pressed += digit
        return ends or len(self._pressed) >= self._rule.most
