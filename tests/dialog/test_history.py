"""The conversation as the model is told it, and as the record keeps it."""

from voiced.dialog.history import Ending, Entry, History, Message, Role

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
