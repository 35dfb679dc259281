"""moshi-server at its oddest: other lengths, other formats, times that run backwards, every end."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import msgpack
import pytest
import trio
from engine_peers import FULL, READY, Handler, Line, Peer, packed, pcm_frame, pcm_of

from voiced.config.engines import MoshiStt as SttSettings
from voiced.config.engines import MoshiTts as TtsSettings
from voiced.dialog.events import PauseScored, SpeechEvent, SpokenAudio, SpokenWord, WordHeard
from voiced.engines.moshi_stt import MoshiStt
from voiced.engines.moshi_tts import MoshiTts
from voiced.errors import EngineBroken, EngineTimeout

STEP = bytes([0xFF]) * 640

Serve = Callable[[Handler], Peer]
End = Callable[[Line], Any]


@pytest.fixture
async def peer(nursery: trio.Nursery) -> AsyncIterator[Serve]:
    yield lambda handler: Peer(nursery, handler)
    nursery.cancel_scope.cancel()


def close(code: int) -> End:
    async def closing(line: Line) -> None:
        await line.websocket.aclose(code)

    return closing


def text(word: str, start_s: float, stop_s: float) -> bytes:
    return packed("Text", text=word, start_s=start_s, stop_s=stop_s)


def speaking(*messages: bytes, end: End = Line.close_without_code) -> Handler:
    """Says these once it has been told all, and ends."""

    async def handle(line: Line) -> None:
        websocket = await line.accept()
        await websocket.send_message(READY)
        while msgpack.unpackb(await websocket.get_message())["type"] != "Eos":
            pass
        for message in messages:
            await websocket.send_message(message)
        await end(line)
        await trio.sleep_forever()

    return handle


def blurting(*messages: bytes) -> Handler:
    """Says these at once."""

    async def handle(line: Line) -> None:
        websocket = await line.accept()
        for message in messages:
            await websocket.send_message(message)
        await trio.sleep_forever()

    return handle


async def say(served: Peer, *words: str) -> list[SpeechEvent]:
    engine = MoshiTts("kyutai", TtsSettings(), connect=served.connect)
    write, words_in = trio.open_memory_channel[str](8)
    speech_out, speech_in = trio.open_memory_channel[SpeechEvent](999)
    with write:
        for word in words:
            write.send_nowait(word)
    with speech_out:
        await engine.speak(words_in, speech_out)
    return [event async for event in speech_in]


def samples(speech: list[SpeechEvent]) -> int:
    return sum(len(event.mulaw) for event in speech if isinstance(event, SpokenAudio))


def words(speech: list[SpeechEvent]) -> list[SpokenWord]:
    return [event for event in speech if isinstance(event, SpokenWord)]


# --- the voice ----------------------------------------------------------------------------------


async def test_audio_in_any_lengths_makes_the_whole(peer, autojump_clock):
    odd = [packed("Audio", pcm=[0.5] * length) for length in (1, 0, 7, 1919, 1, 3840, 2)]
    assert samples(await say(peer(speaking(*odd)), "Yes.")) == 5770 // 3 + 1


async def test_a_word_without_letters_is_not_a_word_that_was_said(peer, autojump_clock):
    served = peer(speaking(text("", 0, 0), text(" ", 0, 0), text("Yes.", 0.24, 0.5), pcm_frame()))
    assert words(await say(served, "Yes.")) == [SpokenWord("Yes.", 0.24, 0.5)]


async def test_an_empty_word_does_not_count_as_one_of_ours(peer, autojump_clock):
    """Else four words would seem reported, and a server that is stuck would owe nothing."""
    served = peer(blurting(READY, *[text("", 0, 0)] * 9))
    engine = MoshiTts("kyutai", TtsSettings(), connect=served.connect)
    write, words_in = trio.open_memory_channel[str](8)
    for word in ("one", "two", "three", "four", "five"):
        write.send_nowait(word)
    speech_out, speech_in = trio.open_memory_channel[SpeechEvent](9)
    with write, words_in, speech_out, speech_in, trio.fail_after(10), pytest.raises(EngineTimeout):
        await engine.speak(words_in, speech_out)


async def test_times_that_run_backwards_end_nothing(peer, autojump_clock):
    odd = [text("we", 3, 2), pcm_frame(), text("open", 1, -1), text("now", -5, 1e9), pcm_frame()]
    spoken = words(await say(peer(speaking(*odd)), "we", "open", "now"))
    assert [word.start_s for word in spoken] == [3, 1, -5]  # the ledger's to mend


async def test_another_ready_or_a_new_kind_of_message_is_survived(peer, autojump_clock):
    odd = [READY, packed("News", of="tomorrow"), pcm_frame(), packed("Step", prs=[])]
    assert samples(await say(peer(speaking(*odd)), "Yes.")) == 640


async def test_audio_in_another_format_is_no_audio(peer, autojump_clock):
    served = peer(speaking(*[packed("OggOpus", data=[1, 200])] * 3))
    with pytest.raises(EngineBroken, match="before it had spoken"):
        await say(served, "Yes.")


@pytest.mark.parametrize("first", [b"OggS\0\x02" + bytes(22), bytes(7680)])
async def test_bare_audio_where_ready_is_due_is_malformed(peer, autojump_clock, first):
    """As where a proxy loses the query, and with it the format."""
    with pytest.raises(EngineBroken, match="malformed"):
        await say(peer(blurting(first)), "Yes.")


async def test_a_new_kind_of_message_before_ready_is_no_ready(peer, autojump_clock):
    began = trio.current_time()
    with pytest.raises(EngineTimeout, match="no Ready"):
        await say(peer(blurting(packed("Welcome", to="you"))), "Yes.")
    assert trio.current_time() - began == pytest.approx(2)


async def test_an_error_instead_of_ready_that_is_not_of_capacity_is_broken(peer, autojump_clock):
    served = peer(blurting(packed("Error", message="no such tokenizer")))
    with pytest.raises(EngineBroken, match="instead of Ready"):
        await say(served, "Yes.")
    assert len(served.lines) == 1


@pytest.mark.parametrize("code", [1000, 1001])
async def test_a_close_with_a_code_is_as_good_an_end(peer, autojump_clock, code):
    assert samples(await say(peer(speaking(pcm_frame(), end=close(code))), "Yes.")) == 640


@pytest.mark.parametrize("end", [close(1011), close(1012), close(1013), Line.drop, Line.reset])
async def test_any_other_end_is_broken_even_behind_the_last_word(peer, autojump_clock, end):
    with pytest.raises(EngineBroken, match="dropped"):
        await say(peer(speaking(text("Yes.", 0.24, 2), pcm_frame(), end=end)), "Yes.")


# --- the ear ------------------------------------------------------------------------------------


async def listen(served: Peer, for_s: float = 1.0) -> list[Any]:
    call = MoshiStt("kyutai", SttSettings(), connect=served.connect).transcription()
    heard: list[Any] = []
    with trio.move_on_after(for_s):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(call.run, heard.append)
            for _ in range(4):
                call.put(STEP)
                await trio.sleep(0.02)
    return heard


def stepping(*between: bytes) -> Handler:
    """A step for each frame; its counter goes wherever the whole server's goes."""

    async def handle(line: Line) -> None:
        websocket = await line.accept()
        await websocket.send_message(READY)
        for count in (900, 7, 7, 3):
            pcm_of(await websocket.get_message())
            for message in between:
                await websocket.send_message(message)
            step = packed("Step", step_idx=count, prs=[0.1, 0.2, 0.3, 0.4], buffered_pcm=22_080)
            await websocket.send_message(step)
        await trio.sleep_forever()

    return handle


async def test_the_servers_counter_is_not_our_clock(peer, autojump_clock):
    heard = await listen(peer(stepping()))
    assert heard == [PauseScored(pytest.approx(0.3), pytest.approx(n * 0.08)) for n in (1, 2, 3, 4)]


async def test_ends_of_words_and_markers_are_passed_over(peer, autojump_clock):
    odd = [packed("EndWord", stop_time=0.1), packed("Marker", id=7), READY]
    heard = await listen(peer(stepping(*odd)))
    assert [type(event) for event in heard] == [PauseScored] * 4


async def test_words_whose_times_run_backwards_are_heard_in_the_order_they_came(
    peer, autojump_clock
):
    odd = [packed("Word", text=word, start_time=at) for word, at in (("we", 3.0), ("open", -1.0))]
    heard = await listen(peer(stepping(*odd)))
    assert heard[:2] == [WordHeard("we", 3.0), WordHeard("open", -1.0)]


@pytest.mark.parametrize("message", [FULL, packed("Error", message="x" * 9999)])
async def test_an_error_in_mid_call_is_broken_whatever_it_says(peer, autojump_clock, message):
    with pytest.RaisesGroup(EngineBroken, flatten_subgroups=True) as caught:
        await listen(peer(stepping(message)))
    assert len(str(caught.value.exceptions[0])) < 400


@pytest.mark.parametrize("code", [1000, 1001, 1011])
async def test_no_close_is_regular_in_mid_call(peer, autojump_clock, code):
    async def handle(line: Line) -> None:
        websocket = await line.accept()
        await websocket.send_message(READY)
        await trio.sleep(0.05)
        await websocket.aclose(code)

    with pytest.RaisesGroup(EngineBroken, flatten_subgroups=True):
        await listen(peer(handle))
