"""Whole calls in virtual time: a call that goes on on another media stream."""

import pytest
import trio
from attrs import evolve
from stories import (
    BACK_AGAIN,
    GOODBYE,
    GREETING,
    NOBODY,
    PUTTING_THROUGH,
    FakeLlm,
    Line,
    on_the_line,
)
from trio.testing import MockClock

from voiced.dialog import events as ev
from voiced.dialog.history import INTERRUPTED
from voiced.dialog.manners import Manners
from voiced.dialog.parting import Parting, Phrase, Transfer
from voiced.dialog.turn import Ending
from voiced.records.model import Said, TurnEnded

MANNERS = Manners("You are a test.", idle_prompt_s=0)
LONG = " ".join(f"word{n}" for n in range(30))


def again(line: Line, opening: Phrase | None, *answers: str) -> Line:
    """The call's next stream."""
    manners = evolve(MANNERS, opening=opening)
    return Line(llm=FakeLlm(list(answers)), manners=manners, past=line.call.past())


def texts(said: tuple[Said, ...]) -> list[str]:
    return [each.text for each in said]


def kept(*lines: Line) -> list[Said]:
    """All that was put down of a call, in order: its turns, and what was left at each end."""
    everything: list[Said] = []
    for line in lines:
        for record in line.journal.of(TurnEnded):
            everything += record.said
        everything += line.call.take_said()
    return everything


def in_the_history(line: Line) -> list[Said]:
    entries = line.call._conversation.history.entries
    roles = {"user": "caller", "assistant": "agent"}
    return [
        Said(roles[each.role.value], each.text, round(each.at_s, 3), each.ending.name.lower())
        for each in entries
    ]


async def test_a_caller_who_comes_back_finds_the_conversation_where_it_was(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line(Line(llm=FakeLlm(["At nine"]))) as first:
        began = trio.current_time()
        await first.answer()
        await first.says("when do you open")
        await first.answer()
        first.drops()
        await first.over.wait()
    assert first.record.reason == "socket-lost"
    await trio.sleep(5)
    async with on_the_line(again(first, Phrase.RESUMED, "Until six")) as second:
        await second.answer()
        assert second.phrases == [BACK_AGAIN]
        await second.says("and until when")
        await second.answer()
        assert second.ear == ["Until", "six"]
        assert second.told == [
            ("assistant", GREETING),
            ("user", "when do you open"),
            ("assistant", f"At nine {BACK_AGAIN}"),
            ("user", "and until when"),
        ]
    assert [turn.number for turn in first.record.turns] == [0, 1]
    assert [turn.number for turn in second.record.turns] == [2, 3]
    assert second.record.started_at == pytest.approx(began)
    assert second.record.duration_s > first.record.duration_s + 5
    marks = [name for _, event, name in second.socket.events if event == "mark"]
    assert {name.split(".")[0] for name in marks} == {"2", "3"}
    times = [each.at_s for each in in_the_history(second)]
    assert times == sorted(times)


async def test_whom_nobody_answered_is_told_so_and_the_agent_goes_on(
    autojump_clock: MockClock,
) -> None:
    to_sales = Parting("transfer", (Phrase.TRANSFER,), Transfer("+33123456789"))
    async with on_the_line() as first:
        await first.answer()
        first.call.request(ev.CloseRequested(to_sales))
        await first.over.wait()
    await trio.sleep(20)
    async with on_the_line(again(first, Phrase.TRANSFER_FAILED, "Gladly")) as second:
        await second.answer()
        assert second.phrases == [NOBODY]
        await second.says("then take a message")
        await second.answer()
        assert second.ear == ["Gladly"]
        assert second.told[0] == ("assistant", f"{GREETING} {PUTTING_THROUGH} {NOBODY}")
        assert second.call.parting is None
    assert second.record.reason == "hangup"


async def test_a_stream_that_opens_without_a_word_listens(autojump_clock: MockClock) -> None:
    async with on_the_line() as first:
        await first.answer()
    async with on_the_line(again(first, None, "Here I am")) as second:
        await second.says("are you there")
        await second.answer()
        assert second.ear == ["Here", "I", "am"]
        assert second.phrases == []
        assert second.told[0] == ("assistant", GREETING)


async def test_the_time_limit_is_the_calls_and_not_the_streams(autojump_clock: MockClock) -> None:
    async with on_the_line() as first:
        await first.answer()
        await first.waits(10)
    line = again(first, Phrase.RESUMED)
    line.max_call_s = 20
    async with on_the_line(line) as second:
        await second.over.wait()
        assert second.phrases == [BACK_AGAIN, GOODBYE]
    assert second.record.reason == "max-call"
    assert 20 < second.record.duration_s < 22


async def test_no_word_is_put_down_twice_or_lost_across_three_streams(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line(Line(llm=FakeLlm([LONG]))) as first:
        await first.answer()
        await first.says("tell me everything")
        await first.agent_speaks()
        await first.waits(1.5)
        first.drops()  # in mid-reply
        await first.over.wait()
    async with on_the_line(again(first, Phrase.RESUMED, "As you like")) as second:
        await second.answer()
        await second.says("go on please go on")
        await second.waits(0.3)
        second.drops()  # in mid-utterance: some of it has been heard
        await second.over.wait()
    async with on_the_line(again(second, Phrase.RESUMED, "As you like")) as third:
        await third.answer()
        await third.says("as I was saying")
        await third.answer()
        third.presses("42")
        await third.waits(0.1)
    assert first.record.turns[1].ending is Ending.HUNG_UP
    told = third.llm.asked[-1][1:]
    assert told[2].text.endswith(f"{INTERRUPTED} {BACK_AGAIN}")
    everything = kept(first, second, third)
    assert everything == in_the_history(third)
    spoken = " ".join(each.text for each in everything if each.role == "caller")
    assert spoken.startswith("tell me everything go on please")
    assert spoken.endswith("as I was saying (keypad: 42)")
    assert [line.call.take_said() for line in (first, second, third)] == [(), (), ()]


async def test_the_last_words_that_nobody_answered_are_told_once(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line() as line:
        await line.answer()
        await line.says("good bye then")
        await line.waits(0.2)
    (goodbye,) = line.call.take_said()
    assert (goodbye.role, goodbye.ending) == ("caller", "complete")
    assert "good bye then".startswith(goodbye.text)
    assert goodbye.text
    assert line.call.take_said() == ()


async def test_words_over_the_goodbye_are_in_the_record_of_its_turn(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line(Line(network_s=1.0)) as line:
        await line.answer()
        line.call.close("operator")
        await line.says("yes bye bye")
        await line.over.wait()
    last = line.journal.of(TurnEnded)[-1]
    assert texts(last.said)[0] == GOODBYE
    assert kept(line) == in_the_history(line)
