"""The conversation as the model is told it, and as the record keeps it."""

import math
from collections.abc import Callable

from voiced.dialog.history import Digest, Ending, Entry, History, Message, Role
from voiced.dialog.tools import Round, ToolCall, Used

CALLER, AGENT = Role.CALLER, Role.AGENT


def test_the_prompt_comes_first_and_verbatim() -> None:
    assert History(" You are Ada.\n").messages() == (Message(Role.SYSTEM, " You are Ada.\n"),)


def test_without_a_prompt_there_is_no_system_message() -> None:
    assert History(" ").messages() == ()


def test_the_parties_speak_by_turns() -> None:
    history = History("")
    history.agent("Hello!", Ending.COMPLETE, 0.1)
    history.caller(" A table for four. ", 2.0)
    assert history.messages() == (Message(AGENT, "Hello!"), Message(CALLER, "A table for four."))


def test_an_interrupted_reply_ends_with_a_dash_at_its_last_word_heard() -> None:
    history = History("")
    history.agent("We have a soup", Ending.INTERRUPTED, 1.0)
    assert history.messages() == (Message(AGENT, "We have a soup—"),)


def test_a_caller_who_goes_on_after_an_unheard_reply_has_spoken_once() -> None:
    history = History("Be brief.")
    history.caller("I would like", 1.0)
    history.agent("", Ending.INTERRUPTED, 2.0)
    history.caller("a table", 3.0)
    assert history.messages()[1:] == (Message(CALLER, "I would like a table"),)


def test_two_replies_in_a_row_are_one_message() -> None:
    history = History("")
    history.agent("We open", Ending.INTERRUPTED, 1.0)
    history.caller("  ", 2.0)
    history.agent("Are you there?", Ending.COMPLETE, 3.0)
    assert history.messages() == (Message(AGENT, "We open— Are you there?"),)


def test_the_record_keeps_every_utterance_by_itself_with_its_time() -> None:
    history = History("Be brief.")
    history.caller("Hello", 1.0)
    history.caller("hello?", 2.5)
    history.agent("Good", Ending.INTERRUPTED, 3.25)
    assert history.entries == (
        Entry(CALLER, "Hello", Ending.COMPLETE, 1.0),
        Entry(CALLER, "hello?", Ending.COMPLETE, 2.5),
        Entry(AGENT, "Good", Ending.INTERRUPTED, 3.25),
    )


def test_messages_handed_out_do_not_change() -> None:
    history = History("")
    history.caller("One", 1.0)
    before = history.messages()
    history.caller("two", 2.0)
    assert before == (Message(CALLER, "One"),)


# --- tools --------------------------------------------------------------------------------------


def round_of(*results: str, text: str = "") -> Round:
    used = tuple(
        Used(ToolCall(f"call_{n}", "look", "{}"), result) for n, result in enumerate(results)
    )
    return Round(used, text)


def test_tools_stand_where_they_were_used_and_what_was_said_before_beside_them() -> None:
    history = History("")
    history.caller("Is there a table?", 1.0)
    history.agent("I look.", Ending.COMPLETE, 2.0)
    history.used(round_of("yes"))
    history.agent("There is.", Ending.INTERRUPTED, 4.0)
    assert history.messages() == (
        Message(CALLER, "Is there a table?"),
        round_of("yes", text="I look."),
        Message(AGENT, "There is.—"),
    )
    assert [entry.text for entry in history.entries] == [
        "Is there a table?",
        "I look.",
        "There is.",
    ]


def test_what_came_of_a_tool_may_come_later_and_replaces_what_was_told() -> None:
    history = History("", [round_of("under way", "under way")])
    history.revised("call_1", "booked")
    assert history.items == (round_of("under way", "booked"),)
    history.revised("call_7", "nothing of ours")
    assert history.items == (round_of("under way", "booked"),)


# --- what fits the model ------------------------------------------------------------------------


def long_history(budget: float, items: int = 20) -> History:
    """Each of its items is 14 tokens: 40 letters, and four around them."""
    history = History("", budget=budget)
    for index in range(items):
        say = history.caller if index % 2 == 0 else _agent(history)
        say(f"{index:040}", float(index))
    return history


def _agent(history: History) -> Callable[[str, float], None]:
    return lambda text, at_s: history.agent(text, Ending.COMPLETE, at_s)


def test_what_fits_is_told_whole() -> None:
    history = long_history(budget=20 * 14 + 8)
    assert history.excess() is None
    assert len(history.messages()) == 20


def test_what_is_too_much_is_to_be_put_into_fewer_words_and_leaves_half() -> None:
    history = long_history(budget=150)
    excess = history.excess()
    assert excess is not None
    assert excess.items == 15
    assert excess.messages == long_history(math.inf).messages()[:15]
    history.digest = Digest(15, "They greeted each other.")
    assert history.excess() is None
    system, *told = history.messages()
    assert system == Message(Role.SYSTEM, "Earlier in this call: They greeted each other.")
    assert len(told) == 5


def test_the_next_digest_builds_on_the_one_before() -> None:
    history = long_history(budget=150)
    history.digest = Digest(15, "They greeted each other.")
    for index in range(10):
        history.caller(f"{index:040}", 30.0)
    excess = history.excess()
    assert excess is not None
    assert excess.messages[0] == Message(
        Role.SYSTEM, "Earlier in this call: They greeted each other."
    )
    assert f"{15:040}" in str(excess.messages[1])


def test_without_a_digest_the_oldest_is_left_out_at_half_as_much_again() -> None:
    history = long_history(budget=150)
    told = history.messages()
    assert len(told) == 15
    assert told[-1] == Message(AGENT, f"{19:040}")
    assert len(history.items) == 20


def test_the_last_words_are_told_however_long_they_are() -> None:
    history = History("A prompt.", budget=10)
    history.agent("x" * 1000, Ending.COMPLETE, 0.0)
    history.caller("y" * 1000, 1.0)
    assert len(history.messages()) == 3
    assert history.excess() is None
    assert len(history.asked("z")) == 3
