"""Words -> messages for a voice that looks two words ahead."""

from hypothesis import given
from hypothesis import strategies as st

from voiced.dialog.wordgroups import HEAD_START_WORDS, LOOKAHEAD_WORDS, PRIMING_WORDS, WordGroups


def send(groups: WordGroups, text: str) -> list[str | None]:
    """Each word by itself, as a model's stream brings them."""
    messages = []
    for word in text.split():
        groups.put(word)
        messages.append(groups.take())
    return messages


def put(groups: WordGroups, text: str) -> None:
    for word in text.split():
        groups.put(word)


PRIMED = "one two three four five six seven eight nine ten eleven twelve"


def primed() -> WordGroups:
    """Groups whose voice already speaks."""
    groups = WordGroups()
    put(groups, PRIMED)
    assert groups.take() == PRIMED
    return groups


def test_the_first_words_go_out_as_they_come_whatever_sentence_they_begin() -> None:
    groups = WordGroups()
    assert send(groups, "Yes. We are open on") == [None, None, "Yes. We are", "open", "on"]
    assert len(PRIMED.split()) == PRIMING_WORDS


def test_the_first_message_waits_for_three_words() -> None:
    assert send(WordGroups(), "One two three four") == [None, None, "One two three", "four"]


def test_a_short_text_is_sent_at_its_end() -> None:
    groups = WordGroups()
    assert send(groups, "Good morning.") == [None, None]
    assert groups.end() == "Good morning."
    assert groups.end() is None
    assert groups.take() is None


def test_later_messages_carry_whatever_has_come() -> None:
    groups = WordGroups()
    send(groups, "One two three")
    put(groups, "four five six seven")
    assert groups.take() == "four five six seven"


def test_of_a_new_sentence_only_what_lets_the_last_one_end_goes_out_before_its_head_start() -> None:
    groups = primed()
    assert send(groups, 'He says "yes." We') == ["He", "says", '"yes."', "We"]
    assert send(groups, "are open on") == ["are", None, None]
    assert send(groups, "Monday") == [None]
    assert send(groups, "and") == ["open on Monday and"]
    assert send(groups, "Friday") == ["Friday"]
    assert HEAD_START_WORDS == 6


def test_a_short_sentence_goes_out_when_it_is_complete() -> None:
    groups = primed()
    assert send(groups, "Well, yes, sure. We are open now!")[-3:] == ["are", None, "open now!"]


def test_several_sentences_at_once_go_out_up_to_the_one_that_has_just_begun() -> None:
    groups = primed()
    put(groups, "Yes. Of course. We are open on")
    assert groups.take() == "Yes. Of course. We are"
    assert groups.end() == "open on"


def test_a_first_sentence_of_one_word_still_opens_the_gate() -> None:
    assert send(WordGroups(), "Yes. We are")[-1] == "Yes. We are"


WORDS = st.lists(st.sampled_from(["one", "two", "end.", "why?"]), max_size=40)


@given(words=WORDS, takes=st.sets(st.integers(0, 40)))
def test_no_word_is_lost_or_moved_and_no_begun_sentence_starves(
    words: list[str], takes: set[int]
) -> None:
    groups = WordGroups()
    messages = []
    for index, word in enumerate(words):
        groups.put(word)
        if index not in takes:
            continue
        messages.append(groups.take())
        sent = " ".join(filter(None, messages)).split()
        held = words[len(sent) : index + 1]
        assert len(held) < HEAD_START_WORDS
        assert not any(word.endswith((".", "?")) for word in held) or not sent
        assert not sent or len(sent) > LOOKAHEAD_WORDS
    messages.append(groups.end())
    assert " ".join(filter(None, messages)).split() == words
