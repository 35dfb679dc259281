"""Scripts of turns: how they are read, and when their turns come."""

import re
from pathlib import Path

import pytest

from voiced.errors import ConfigError
from voiced.lab.phone_ear import Run
from voiced.lab.restaurant import GRAMMAR
from voiced.lab.script import (
    DEMO_CALL,
    After,
    Cue,
    HangUp,
    Play,
    Press,
    Say,
    Turn,
    read_script,
)
from voiced.lab.script_player import ScriptPlayer

GOOD = """
[[turn]]
say = "hello"
after = "greeting-ends"
[[turn]]
wav = "wait.wav"
after = { into_reply_s = 2 }
[[turn]]
press = "1#"
after = { silence_s = 1.5 }
"""


def read(tmp_path: Path, text: str) -> tuple[Turn, ...]:
    path = tmp_path / "call.toml"
    path.write_text(text)
    return read_script(path)


def test_a_script_is_read_and_hangs_up_in_the_end(tmp_path: Path) -> None:
    assert read(tmp_path, GOOD) == (
        Turn(Say("hello")),
        Turn(Play(tmp_path / "wait.wav"), After(Cue.INTO_REPLY, 2.0)),
        Turn(Press("1#"), After(Cue.SILENCE, 1.5)),
        Turn(HangUp()),
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[[turn", "not TOML"),
        ("", "no turns"),
        ("turn = 3", "no turns"),
        ("turn = [3]", "turn 1: is no table"),
        ("colour = 1\n[[turn]]\nsay = 'a'", "unknown key `colour`"),
        ("[[turn]]\nsay = ''", "turn 1: `say` must be a text"),
        ("[[turn]]\nsay = 'a'\npress = '1'", "turn 1: needs exactly one of"),
        ("[[turn]]\nafter = 'reply-ends'", "turn 1: needs exactly one of"),
        ("[[turn]]\npress = 'x'", "turn 1: `press` must be"),
        ("[[turn]]\nhang_up = false", "turn 1: `hang_up` can only be true"),
        ("[[turn]]\nshout = 'a'", "turn 1: unknown key `shout`"),
        ("[[turn]]\nsay = 'a'\nafter = 'lunch'", "turn 1: `after` must be"),
        ("[[turn]]\nsay = 'a'\nafter = { silence_s = -1 }", "turn 1: `after` must be"),
        ("[[turn]]\nsay = 'a'\nafter = { silence_s = true }", "turn 1: `after` must be"),
        ("[[turn]]\nsay = 'a'\n[[turn]]\nsay = 'b'\nafter = 'greeting-ends'",
            "turn 2: only the first turn"),
        ("[[turn]]\nhang_up = true\n[[turn]]\nsay = 'b'", "turn 1: hangs up"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_turn(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert f"{tmp_path / 'call.toml'}: {problem}" in str(caught.value)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, "[[turn]]\nsay = ''\n[[turn]]\npress = 'x'")
    assert len(caught.value.problems) == 2


def test_a_script_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_script(tmp_path / "none.toml")


def test_the_demo_has_four_turns_and_a_barge_in() -> None:
    assert sum(isinstance(turn.action, Say) for turn in DEMO_CALL) >= 4
    assert sum(turn.after.cue is Cue.INTO_REPLY for turn in DEMO_CALL) == 1


def test_the_ear_of_the_lab_knows_every_word_of_the_demo() -> None:
    known = set(re.findall(r"[a-z]+", GRAMMAR))
    said = " ".join(turn.action.text for turn in DEMO_CALL if isinstance(turn.action, Say))
    assert set(said.split()) <= known


def player(*afters: After) -> ScriptPlayer:
    return ScriptPlayer([Turn(Say("a"), after) for after in afters])


def test_the_first_turn_waits_for_the_greeting_to_end() -> None:
    script = player(After())
    assert script.cue([], 5.0) is None
    assert script.cue([Run(5.0, 7.0)], 7.0) is None
    assert script.cue([Run(5.0, 7.0)], 7.68) is None
    assert script.cue([Run(5.0, 7.0)], 7.72) == 0


def test_a_turn_waits_for_a_reply_to_what_was_said_last() -> None:
    script = player(After(), After())
    greeting = Run(0.0, 2.0)
    assert script.cue([greeting], 3.0) == 0
    assert script.cue([greeting], 3.5) is None  # still speaking
    script.acted(4.0)
    assert script.cue([greeting], 6.0) is None
    assert script.cue([greeting, Run(6.0, 7.0)], 7.5) is None
    assert script.cue([greeting, Run(6.0, 7.0), Run(7.6, 8.0)], 8.5) is None
    assert script.cue([greeting, Run(6.0, 7.0), Run(7.6, 8.0)], 8.8) == 1


def test_a_barge_in_counts_from_the_start_of_the_reply() -> None:
    script = player(After(Cue.INTO_REPLY, 2.0))
    assert script.cue([Run(1.0, 2.98)], 2.98) is None
    assert script.cue([Run(1.0, 3.0)], 3.0) == 0


def test_a_barge_in_into_a_reply_that_is_too_short_comes_at_its_end() -> None:
    script = player(After(Cue.INTO_REPLY, 9.0))
    assert script.cue([Run(1.0, 2.0)], 2.6) is None
    assert script.cue([Run(1.0, 2.0)], 2.8) == 0


def test_silence_is_counted_from_the_last_sound_of_either_side() -> None:
    script = player(After(Cue.SILENCE, 1.0), After(Cue.SILENCE, 1.0))
    assert script.cue([], 0.98) is None
    assert script.cue([], 1.0) == 0
    script.acted(3.0)
    assert script.cue([Run(3.2, 4.0)], 4.9) is None
    assert script.cue([Run(3.2, 4.0)], 5.0) == 1


def test_nobody_waits_for_ever() -> None:
    script = player(After(), After())
    assert script.cue([], 19.9) is None
    assert script.cue([], 20.0) == 0
    assert script.missed == [1]


def test_after_the_last_turn_nothing_comes() -> None:
    script = player()
    assert script.cue([Run(0.0, 1.0)], 99.0) is None
