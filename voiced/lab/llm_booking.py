"""How a stand-in model books tables where it has the tools for that. Pure.

It reads the whole conversation each time: who corrects the number of guests before the table is
booked is understood, and what the book says is read back, not what was asked for.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from attrs import field, frozen

from voiced.lab import restaurant as says
from voiced.lab.llm_facts import (
    Fact,
    Topic,
    agrees,
    facts_in,
    spoken_day,
    spoken_guests,
    spoken_time,
    today_in,
    value_of,
)
from voiced.lab.llm_talk import Answer, Line, Party, Result, Talk, ToolUse, plain

BOOK: Final = "book_table"
FIND: Final = "find_table"
TRANSFER: Final = "transfer"

_OF_A_TABLE: Final = (Topic.GUESTS, Topic.DAY, Topic.TIME)


@frozen
class Booking:
    """What is known of the booking in hand."""

    talk: Talk
    today: date | None
    known: Mapping[Topic, Fact] = field(factory=dict)

    @classmethod
    def in_hand(cls, talk: Talk) -> "Booking":
        return cls(talk, today_in(talk.system), facts_in(talk.lines))

    # --- to the caller ---------------------------------------------------------------------------

    def answer(self) -> Answer | None:
        """What to say and do about the caller's words; None: they are not about a table."""
        question, asked = self.talk.question, self.talk.last_said
        accepts = asked.endswith("Shall I book it?") and agrees(question)
        gives = self._gives()
        if not (accepts or gives or re.search(says.BOOKS, question)):
            return None
        if self._is_done() and not re.search(r"\bbook\b", question):
            return Answer(f"{says.BOOKED_ALREADY} {self._otherwise()}") if gives else None
        looks = re.search(says.LOOKS_FOR, question) and FIND in self.talk.may_use
        return self._use(FIND if looks else BOOK, says.LOOKS if looks else says.ANNOUNCES)

    def _gives(self) -> bool:
        """Whether the caller's last words say something of a table."""
        return bool(facts_in([Line(Party.CALLER, self.talk.question)]).keys() & set(_OF_A_TABLE))

    def _is_done(self) -> bool:
        """Whether a table is booked, and the caller has not asked for another."""
        items = self.talk.items
        booked = [n for n, item in enumerate(items) if isinstance(item, Result) and _stands(item)]
        if not booked:
            return False
        later = [item.text for item in items[booked[-1] :] if isinstance(item, Line)
                 and item.who is Party.CALLER]  # fmt: skip
        return not any(re.search(r"\bbook\b", plain(text)) for text in later)

    def _use(self, tool: str, words: str) -> Answer:
        """Asks for the tool, or for what is missing."""
        wanted = [(topic, name) for name in self._required(tool) if (topic := Topic.of(name))]
        missing = next((topic for topic, _ in wanted if topic not in self.known), None)
        if missing:
            return Answer(says.ASKS.get(missing.name.lower(), says.OTHERWISE))
        if tool not in self.talk.may_use:
            return Answer(f"{says.NOT_BOOKED} {says.CALL_AGAIN}")
        given = self._arguments(tool)
        spoken = {topic.name.lower(): given.get(name) for topic, name in wanted}
        return Answer(self._filled(words, spoken), (ToolUse(tool, given),))

    def _required(self, tool: str) -> Sequence[str]:
        """In the order in which one asks."""
        required = list(self.talk.tools[tool].get("required", ()))
        return sorted(required, key=lambda name: list(Topic).index(Topic.of(name) or Topic.NAME))

    def _arguments(self, tool: str) -> dict[str, Any]:
        """By the tool's schema: what is known of each of its parameters."""
        given: dict[str, Any] = {}
        for name, schema in self.talk.tools[tool].get("properties", {}).items():
            topic = Topic.of(name)
            if topic is not None and topic in self.known:
                given[name] = value_of(topic, self.known[topic], schema, self.today)
        return given

    # --- to what has come of a tool ------------------------------------------------------------

    def after(self, result: Result) -> Answer:
        """What to say of it: of what was done, as the book has it."""
        told: Any = result.told if isinstance(result.told, dict) else {}
        if _is_made(result):
            return Answer(self._filled(says.BOOKED, told))
        if told.get("free") is True:
            return Answer(self._filled(says.FREE, {**result.arguments, **told}))
        refusal = told if "times" in told else told.get("answer")
        if isinstance(refusal, dict) and "times" in refusal:
            times = [spoken_time(each) for each in refusal["times"]]
            asked = spoken_time(result.arguments.get("time"))
            full = says.FULL.format(asked=asked, time=times[0]) if times else says.FULL_ALL_DAY
            return Answer(full)
        return Answer(f"{says.NOT_BOOKED} {self._otherwise()}")

    def _otherwise(self) -> str:
        return says.PUT_THROUGH if TRANSFER in self.talk.may_use else says.CALL_AGAIN

    def _filled(self, words: str, values: Mapping[str, Any]) -> str:
        return words.format(
            guests=spoken_guests(values.get("guests")),
            day=spoken_day(values.get("day"), self.today),
            time=spoken_time(values.get("time")),
            reference=values.get("reference", ""),
        )


def _is_made(result: Result) -> bool:
    return result.tool == BOOK and isinstance(result.told, dict) and "reference" in result.told


def _stands(result: Result) -> bool:
    """It is booked, or may be any moment."""
    status = result.told.get("status") if isinstance(result.told, dict) else None
    return _is_made(result) or (result.tool == BOOK and str(status).startswith("under way"))
