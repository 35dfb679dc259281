"""From speech to frames and marks."""

import trio

from voiced.audio.playout import PlayoutState
from voiced.call import channels
from voiced.call.leg import Leg
from voiced.call.mouth import Mouth
from voiced.dialog.events import SpokenAudio, SpokenWord
from voiced.dialog.heard import Heard, Reached


class NoSocket:
    async def receive(self) -> None:
        await trio.sleep_forever()

    async def send(self, messages: object) -> None:
        raise AssertionError


def leg() -> Leg:
    return Leg(NoSocket(), "MZ1", channels.events()[0], lambda audio: None)  # type: ignore[arg-type]


def test_a_mark_stands_behind_the_frame_in_which_a_word_ends() -> None:
    line, heard = leg(), Heard(1)
    mouth = Mouth(heard, line)
    mouth.expect("three")
    mouth.receive(SpokenWord("three", 0.0, 0.05))
    mouth.receive(SpokenAudio(bytes(800)))
    unplayed = line.playout.clear()
    assert (len(unplayed.frames), unplayed.marks) == (5, ("1.1",))
    assert heard.reached("1.1") is Reached.WORD
    assert heard.text == "three"


def test_the_last_frame_is_padded_and_the_final_mark_behind_it() -> None:
    line = leg()
    mouth = Mouth(Heard(1), line)
    mouth.receive(SpokenAudio(bytes([1]) * 200))
    assert mouth.frames == 1
    mouth.finish()
    assert mouth.frames == 2
    assert line.playout.state is PlayoutState.ENDING
    first, last, mark = line.playout.tick(0.0)
    assert (len(first), len(last)) == (160, 160)
    assert last[:40] == bytes([1]) * 40
    assert last[-1] == 0xFF
    assert mark.name == "1.1"


def test_a_second_phrase_is_timed_from_its_own_beginning() -> None:
    line, heard = leg(), Heard(1)
    mouth = Mouth(heard, line)
    for word in ("three", "seven"):
        mouth.expect(word)
        mouth.receive(SpokenWord(word, 0.0, 0.1))
        mouth.receive(SpokenAudio(bytes(810)))  # 101.25 ms
        mouth.join()
    assert mouth.frames == 12
    mouth.receive(SpokenWord("open", 0.0, None))
    mouth.finish()
    items = [item for n in range(20) for item in line.playout.tick(n * 0.02)]
    names = [(n, item.name) for n, item in enumerate(items) if not isinstance(item, bytes)]
    assert names == [(5, "1.1"), (12, "1.2"), (14, "1.3")]


def test_a_reply_broken_off_has_no_final_mark() -> None:
    line = leg()
    mouth = Mouth(Heard(1), line)
    mouth.receive(SpokenAudio(bytes([1]) * 200))
    mouth.break_off()
    assert line.playout.state is PlayoutState.ENDING
    assert len(line.playout.clear().frames) == 2
    assert line.playout.clear().marks == ()
