"""What Deepgram's messages mean: each rule of its two protocols."""

import json
from collections.abc import Iterable

import pytest
from deepgram_peers import CONNECTED, SPEECH_STARTED, results, turn, utterance_end

from voiced.dialog.events import WordHeard
from voiced.engines.deepgram_ear import NOTHING, Ear, FluxEar, Heard, NovaEar
from voiced.errors import WireError


def listen(ear: Ear, messages: Iterable[str]) -> tuple[str, list[bool]]:
    """All words, and of each message whether it was a verdict."""
    heard = [ear.receive(message.encode()) for message in messages]
    return " ".join(word.text for each in heard for word in each.words), [
        each.is_verdict for each in heard
    ]


# --- Nova --------------------------------------------------------------------------------------


def test_an_utterance_is_all_its_finals_not_the_last_alone() -> None:
    ear = NovaEar()
    words, verdicts = listen(
        ear,
        [
            results("bonjour je voudrais", (0, 2.4), "is_final"),
            results("un rendez-vous.", (2.4, 3.5), "is_final", "speech_final"),
        ],
    )
    assert words == "bonjour je voudrais un rendez-vous."
    assert verdicts == [False, True]
    assert ear.is_over


def test_words_have_their_times_in_the_stream() -> None:
    heard = NovaEar().receive(results("un café", (2.4, 3.5), "is_final").encode())
    assert heard.words == [WordHeard("un", 2.4), WordHeard("café", 2.7)]


def test_words_without_times_have_those_of_their_window() -> None:
    message = json.loads(results("un", (2.4, 3.5), "is_final"))
    message["channel"]["alternatives"][0]["words"] = []
    assert NovaEar().receive(json.dumps(message).encode()).words == [WordHeard("un", 2.4)]


def test_interims_replace_each_other_and_finals_bring_what_is_left() -> None:
    ear = NovaEar()
    words, _ = listen(
        ear,
        [
            results("bonjour je vou", (0, 1.0)),
            results("bonjour je voudrais un", (0, 2.0)),
            results("Bonjour, je voudrais un thé.", (0, 2.5), "is_final", "speech_final"),
        ],
    )
    assert words == "bonjour je voudrais un thé."


def test_a_caller_who_breaks_in_is_heard_in_the_first_guess() -> None:
    words, _ = listen(NovaEar(), [results("attendez je voudrais", (0, 1.02), confidence=0.97)])
    assert words == "attendez je"


def test_a_final_that_covers_less_than_the_last_interim_loses_and_repeats_nothing() -> None:
    words, _ = listen(
        NovaEar(),
        [
            results("un deux trois quatre", (0, 1.3)),
            results("un deux trois quatre", (0, 1.3)),
            results("un deux", (0, 0.6), "is_final"),
            results("trois quatre cinq", (0.6, 1.6), "is_final", "speech_final"),
        ],
    )
    assert words == "un deux trois quatre cinq"


def test_an_empty_final_is_normal_and_closes_what_is_open() -> None:
    ear = NovaEar()
    words, verdicts = listen(
        ear,
        [
            results("oui", (0, 1), "is_final"),
            results("", (1, 2), "is_final"),
            results("", (2, 3), "is_final", "speech_final"),
        ],
    )
    assert words == "oui"
    assert verdicts == [False, False, True]


def test_speech_final_may_come_without_is_final() -> None:
    ear = NovaEar()
    words, verdicts = listen(
        ear,
        [
            results("oui merci", (0, 1), "speech_final"),
            results("Oui, merci.", (0, 1), "is_final"),
        ],
    )
    assert words == "oui merci"
    assert verdicts == [True, False]
    assert ear.is_over


def test_utterance_end_ends_what_noise_keeps_open() -> None:
    ear = NovaEar()
    words, verdicts = listen(
        ear,
        [
            results("oui", (0, 1), "is_final"),
            results("merci", (1, 2), begins=1.0),
            utterance_end(1.3),
        ],
    )
    assert words == "oui merci"
    assert verdicts == [False, False, True]


def test_utterance_end_after_speech_final_says_nothing_new() -> None:
    ear = NovaEar()
    final = results("oui", (0, 1), "is_final", "speech_final")
    _, verdicts = listen(ear, [final, utterance_end(0.3)])
    assert verdicts == [True, False]


def test_utterance_end_that_comes_when_the_next_utterance_has_begun_is_ignored() -> None:
    ear = NovaEar()
    first = results("oui", (0, 1), "is_final")
    guessed = results("non attends", (1, 2.5), begins=1.9)
    _, verdicts = listen(ear, [first, guessed, utterance_end(0.3)])
    assert verdicts == [False] * 3
    assert not ear.is_over


def test_utterance_end_that_knows_of_no_word_believes_the_words() -> None:
    ear = NovaEar()
    assert listen(ear, [results("oui", (0, 1)), utterance_end(-1)])[1] == [False, False]
    assert listen(ear, [results("oui", (0, 1), "is_final"), utterance_end(-1)])[1] == [False, True]


def test_the_next_word_opens_the_next_utterance() -> None:
    ear = NovaEar()
    listen(ear, [results("oui", (0, 1), "is_final", "speech_final"), results("", (1, 2))])
    assert ear.is_over
    listen(ear, [results("et", (1, 3), begins=2.0)])
    assert not ear.is_over


def test_loudness_alone_withdraws_the_verdict_and_is_no_word() -> None:
    ear = NovaEar()
    listen(ear, [results("oui", (0, 1), "is_final", "speech_final")])
    assert ear.receive(SPEECH_STARTED.encode()) == NOTHING
    assert not ear.is_over


def test_the_answer_to_finalize_is_known_with_words_or_without() -> None:
    ear = NovaEar()
    for text in ("oui", ""):
        heard = ear.receive(results(text, (0, 1), "is_final", "from_finalize").encode())
        assert heard.is_flushed
        assert not heard.is_verdict


def test_after_a_finalize_the_times_go_on_and_the_utterance_too() -> None:
    ear = NovaEar()
    ear.receive(results("un rendez-vous", (0, 1), "is_final", "from_finalize").encode())
    assert not ear.is_over
    heard = ear.receive(results("lundi", (1, 2), "is_final", "speech_final").encode())
    assert heard == Heard([WordHeard("lundi", 1.0)], is_verdict=True)


def test_loudness_may_be_told_again_and_again_or_not_at_all() -> None:
    ear = NovaEar()
    for _ in range(3):
        ear.receive(SPEECH_STARTED.encode())
    assert listen(ear, [results("oui", (0, 1), "is_final", "speech_final")]) == ("oui", [True])
    assert listen(ear, [results("non", (1, 2), "is_final", "speech_final")]) == ("non", [True])


def test_utterance_end_may_come_twice() -> None:
    ear = NovaEar()
    messages = [results("oui", (0, 1), "is_final"), utterance_end(0.3), utterance_end(0.3)]
    assert listen(ear, messages)[1] == [False, True, False]


def test_the_rest_of_a_guess_is_not_told_again() -> None:
    ear = NovaEar()
    listen(ear, [results("un rendez-vous", (0, 1))])
    assert [word.text for word in ear.rest()] == ["un", "rendez-vous"]
    words, _ = listen(ear, [results("un rendez-vous lundi", (0, 2), "is_final")])
    assert words == "lundi"


def test_results_without_flags_and_unknown_messages_are_survived() -> None:
    ear = NovaEar()
    assert ear.receive(b'{"type":"Metadata"}') == NOTHING
    assert ear.receive(results("", (0, 1)).encode()) == Heard([])


def test_a_complaint_is_a_warning() -> None:
    error = b'{"type":"Error","variant":"SchemaError","message":"secret"}'
    assert NovaEar().receive(error) == Heard(warning="SchemaError")


# --- Flux --------------------------------------------------------------------------------------


def test_a_turn_is_cumulative_and_each_word_is_told_once() -> None:
    ear = FluxEar()
    words, verdicts = listen(
        ear,
        [
            turn("Update"),
            turn("StartOfTurn", "Bonjour"),
            turn("Update", "Bonjour, je"),
            turn("Update", "Bonjour, je voudrais"),
            turn("EndOfTurn", "Bonjour, je voudrais un rendez-vous."),
        ],
    )
    assert words == "Bonjour, je voudrais un rendez-vous."
    assert verdicts == [False] * 4 + [True]
    assert ear.is_over


def test_a_word_of_a_turn_is_told_when_the_next_message_has_it_too() -> None:
    ear = FluxEar()
    told = [
        listen(ear, [message])[0]
        for message in (
            turn("StartOfTurn", "Attendez"),
            turn("Update", "Attendez je"),
            turn("Update", "Attendez je vou"),
            turn("Update", "Attendez je voudrais"),
        )
    ]
    assert told == ["", "Attendez", "je", ""]


def test_words_without_times_are_heard_when_they_are_told() -> None:
    heard = FluxEar().receive(turn("EndOfTurn", "Oui.", stop_s=3.6).encode())
    assert heard.words == [WordHeard("Oui.", 3.6)]
    assert heard.is_flushed


def test_an_eager_end_tells_all_words_and_the_end_no_more() -> None:
    ear = FluxEar()
    ear.receive(turn("StartOfTurn", "Un").encode())
    eager = ear.receive(turn("EagerEndOfTurn", "Un rendez-vous", stop_s=2.4).encode())
    assert eager == Heard([WordHeard("Un", 2.4), WordHeard("rendez-vous", 2.4)], is_likely=True)
    assert not ear.is_over
    end = ear.receive(turn("EndOfTurn", "Un rendez-vous.").encode())
    assert end == Heard([], is_verdict=True, is_flushed=True)


def test_a_turn_may_be_likely_over_and_go_on_time_and_again() -> None:
    ear = FluxEar()
    heard = [
        ear.receive(message.encode())
        for message in (
            turn("StartOfTurn", "Un"),
            turn("EagerEndOfTurn", "Un rendez-vous"),
            turn("Update", "Un rendez-vous"),
            turn("TurnResumed", "Un rendez-vous lundi"),
            turn("EagerEndOfTurn", "Un rendez-vous lundi"),
            turn("TurnResumed", "Un rendez-vous lundi ou"),
            turn("EndOfTurn", "Un rendez-vous lundi ou mardi."),
        )
    ]
    assert [each.is_likely for each in heard] == [False, True, False, False, True, False, False]
    assert [each.is_resumed for each in heard] == [False, False, False, True, False, True, False]
    assert " ".join(word.text for each in heard for word in each.words) == (
        "Un rendez-vous lundi ou mardi."
    )


def test_an_eager_end_of_nothing_is_none_and_cannot_be_withdrawn() -> None:
    ear = FluxEar()
    assert ear.receive(turn("EagerEndOfTurn").encode()) == Heard([])
    assert ear.receive(turn("TurnResumed").encode()) == Heard([])


def test_what_was_over_cannot_be_resumed() -> None:
    ear = FluxEar()
    listen(ear, [turn("EagerEndOfTurn", "Oui"), turn("EndOfTurn", "Oui")])
    assert ear.receive(turn("TurnResumed", "", 1).encode()) == Heard([])
    assert ear.is_over


def test_a_message_of_a_turn_before_says_nothing() -> None:
    ear = FluxEar()
    listen(ear, [turn("EndOfTurn", "Oui."), turn("StartOfTurn", "Non", 1)])
    for event in ("Update", "EagerEndOfTurn", "TurnResumed", "EndOfTurn"):
        assert ear.receive(turn(event, "Oui merci").encode()) == NOTHING
    assert listen(ear, [turn("EndOfTurn", "Non.", 1)])[0] == "Non."


def test_an_eager_end_that_is_withdrawn_ends_nothing() -> None:
    ear = FluxEar()
    words, verdicts = listen(
        ear,
        [
            turn("StartOfTurn", "Un rendez-vous"),
            turn("EagerEndOfTurn", "Un rendez-vous"),
            turn("TurnResumed", "Un rendez-vous lundi"),
            turn("EndOfTurn", "Un rendez-vous lundi."),
        ],
    )
    assert words == "Un rendez-vous lundi."
    assert verdicts == [False, False, False, True]


def test_the_next_turn_begins_afresh() -> None:
    ear = FluxEar()
    listen(ear, [turn("EndOfTurn", "Oui.")])
    assert listen(ear, [turn("Update", "", 1)]) == ("", [False])
    assert ear.is_over
    words, _ = listen(ear, [turn("StartOfTurn", "Oui", 1), turn("EndOfTurn", "Oui.", 1)])
    assert words == "Oui."


def test_a_turn_whose_end_was_never_told_does_not_swallow_the_next() -> None:
    ear = FluxEar()
    listen(ear, [turn("StartOfTurn", "Oui"), turn("Update", "Oui")])
    assert listen(ear, [turn("EndOfTurn", "Oui.", 1)])[0] == "Oui."


def test_an_empty_end_of_turn_has_no_words() -> None:
    assert listen(FluxEar(), [turn("EndOfTurn")]) == ("", [True])


def test_the_rest_of_a_turn_can_be_had() -> None:
    ear = FluxEar()
    listen(ear, [turn("StartOfTurn", "Oui merci")])
    assert ear.rest() == [WordHeard("Oui", 1.0), WordHeard("merci", 1.0)]


@pytest.mark.parametrize(
    ("message", "heard"),
    [
        (CONNECTED, Heard(is_hello=True)),
        ('{"type":"Warning","code":"SLOW"}', Heard(warning="SLOW")),
        ('{"type":"Error","code":"GONE"}', Heard(failure="GONE")),
        ('{"type":"News"}', NOTHING),
    ],
)
def test_flux_has_other_messages(message: str, heard: Heard) -> None:
    assert FluxEar().receive(message.encode()) == heard


@pytest.mark.parametrize("ear", [NovaEar(), FluxEar()])
def test_nonsense_is_an_error(ear: Ear) -> None:
    with pytest.raises(WireError):
        ear.receive(b"{")
