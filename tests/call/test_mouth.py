"""From speech to frames and marks."""

import trio

from voiced.audio.playout import PlayoutState
from voiced.call import channels
from voiced.call.leg import Leg
from voiced.call.mouth import Lips, Mouth
from voiced.call.phrases import Rendered
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
    mouth.break_off(0.0)
    assert line.playout.state is PlayoutState.ENDING
    assert len(line.playout.clear().frames) == 2
    assert line.playout.clear().marks == ()


# --- lips ---------------------------------------------------------------------------------------

BRIDGE = Rendered(("moment",), (SpokenWord("moment", 0.0, 0.02),), bytes([2]) * 320)


def kept(line: Leg, heard: Heard) -> Mouth:
    """Two words that the voice has said behind closed lips."""
    mouth = Mouth(heard, line, Lips.CLOSED)
    mouth.expect("we")
    mouth.expect("open")
    mouth.receive(SpokenWord("we", 0.0, 0.02))
    mouth.receive(SpokenAudio(bytes([1]) * 320))
    return mouth


def test_nothing_is_heard_through_closed_lips() -> None:
    line, heard = leg(), Heard(1)
    mouth = kept(line, heard)
    assert (mouth.frames, heard.said, line.playout.state) == (0, "", PlayoutState.IDLE)
    assert mouth.has_audio
    assert not mouth.is_open


def test_words_alone_are_no_audio() -> None:
    mouth = Mouth(Heard(1), leg(), Lips.CLOSED)
    mouth.expect("we")
    mouth.receive(SpokenWord("we", 0.0, 0.02))
    assert not mouth.has_audio


def test_what_was_kept_comes_first_when_they_open() -> None:
    line, heard = leg(), Heard(1)
    mouth = kept(line, heard)
    mouth.open()
    mouth.receive(SpokenWord("open", 0.04, 0.06))
    mouth.receive(SpokenAudio(bytes([3]) * 160))
    unplayed = line.playout.clear()
    assert [frame[0] for frame in unplayed.frames] == [1, 1, 3]
    assert unplayed.marks == ("1.1", "1.2")
    assert heard.said == "we open"
    assert mouth.is_open


def test_a_phrase_by_heart_passes_closed_lips_and_comes_before_what_they_keep() -> None:
    line, heard = leg(), Heard(1)
    mouth = kept(line, heard)
    mouth.recite(BRIDGE)
    assert heard.said == "moment"
    mouth.open()
    unplayed = line.playout.clear()
    assert [frame[0] for frame in unplayed.frames] == [2, 2, 1, 1]
    assert heard.said == "moment we open"
    heard.reached("1.1")
    assert heard.text == "moment"
    heard.reached("1.2")
    assert heard.text == "moment we"  # timed from behind the phrase
