"""Scripts in which the stream is cut."""

from pathlib import Path

import pytest

from voiced.errors import ConfigError
from voiced.lab.phone_script import DropStream, read_script
from voiced.lab.script import After, Cue, HangUp, Press, Say, Turn


def read(tmp_path: Path, text: str) -> tuple[Turn, ...]:
    path = tmp_path / "call.toml"
    path.write_text(text)
    return read_script(path)


def test_a_turn_can_cut_the_stream(tmp_path: Path) -> None:
    text = "[[turn]]\nsay = 'a'\n[[turn]]\ndrop_stream = true\nafter = { silence_s = 1 }\n"
    assert read(tmp_path, text) == (
        Turn(Say("a")),
        Turn(DropStream(), After(Cue.SILENCE, 1.0)),
        Turn(HangUp()),
    )
    assert DropStream() != Press("")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[[turn]]\ndrop_stream = false", "turn 1: `drop_stream` can only be true"),
        ("[[turn]]\ndrop_stream = true\nsay = 'a'", "turn 1: needs exactly one of"),
        ("[[turn]]\ndrop_stream = true\npress = '1'", "turn 1: needs exactly one of"),
        ("[[turn]]\nsay = ''\n[[turn]]\ndrop_stream = 1", "turn 1: `say` must be a text"),
        ("[[turn]]\nsay = ''\n[[turn]]\ndrop_stream = 1", "turn 2: `drop_stream` can only"),
        ("turn = 3", "no turns"),
        ("turn = [3]", "turn 1: is no table"),
        ("[[turn", "not TOML"),
    ],
)
def test_a_mistake_is_told_with_its_turn(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert f"{tmp_path / 'call.toml'}: {problem}" in str(caught.value)


def test_a_script_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_script(tmp_path / "none.toml")
