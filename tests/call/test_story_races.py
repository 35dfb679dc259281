"""Whole calls in virtual time: tools, and what crosses their way."""

import math

import pytest
import trio
from attrs import evolve
from stories import (
    CHECKING,
    FILLER,
    GOODBYE,
    GREETING,
    PUTTING_THROUGH,
    FakeLlm,
    FakeTool,
    FakeTts,
    Late,
    Line,
    Uses,
    on_the_line,
)
from trio.testing import MockClock

from voiced.audio.frame import FRAME_S
from voiced.call.builtin import Gifts
from voiced.call.ear import Ear
from voiced.call.equipment import Reflexes, ToolFirst
from voiced.call.toolbox import MAX_CALLS, Request, Toolbox
from voiced.call.voice import AHEAD_MAX_S
from voiced.call.workshop import MOST_TOLD, UNDER_WAY, UNKNOWN, Work, Workshop
from voiced.dialog.conversation import MAX_DEEDS
from voiced.dialog.endpointing import EndpointingRule
from voiced.dialog.events import (
    CloseRequested,
    Event,
    InterruptRequested,
    MachineDetected,
    SayRequested,
    SttEvent,
    ToolAnswered,
    ToolsAsked,
)
from voiced.dialog.manners import Manners
from voiced.dialog.parting import Parting, Phrase, Transfer
from voiced.dialog.recognition import MARK_GRACE_S
from voiced.dialog.router import Clear, Examples
from voiced.dialog.router_ngrams import NgramSpace
from voiced.dialog.tools import Round, Tool, ToolCall, Used
from voiced.dialog.turn import Ending
from voiced.dialog.wish import DONE, NOT_DONE, TOO_OFTEN, UNHEARD
from voiced.engines.roles import SttStatistics
from voiced.engines.router import Router
from voiced.errors import EngineBroken
from voiced.records.model import Happened
from voiced.tools.model import Status

BOOKING = "I am booking it"
PAYING = "I take the money"
LONG = " ".join(f"word{n}" for n in range(30))
SALES = Transfer("+33123456789")
EAGER = EndpointingRule(4.0, uses_score=False, eager=True)


def desk(**tools: FakeTool) -> Toolbox:
    """`look` has no words of its own; `check` has, and goes on; `book` and `pay` are for good."""
    said = {"check": CHECKING, "book": BOOKING, "pay": PAYING}
    requests = {
        name: Request(
            Tool(name, "Does it."),
            tools.get(name, FakeTool()),
            said.get(name, ""),
            commits=name in ("book", "pay"),
            detached=name == "check",
        )
        for name in ("look", "check", "book", "pay")
    }
    names = ("hang_up", "transfer", "switch_agent", "collect_digits", "say_verbatim")
    gifts = Gifts({"sales": SALES.number}, verbatim={"terms": LONG}, agents=("test", "other"))
    return Toolbox(names, gifts, requests)


def used(line: Line) -> list[Used]:
    """All that the model has asked for in the call, and what it is told of it."""
    items = line.call._conversation.history.items
    return [used for item in items if isinstance(item, Round) for used in item.used]


def results(line: Line) -> list[str]:
    return [each.result for each in used(line)]


def statuses(line: Line) -> list[object]:
    """How each use of a tool ended, by the call's record."""
    return [each.detail["status"] for each in line.journal.of(Happened) if each.kind == "tool"]


# --- nobody waits in silence --------------------------------------------------------------------


@pytest.mark.parametrize("says", ["", "I look it up"])
async def test_who_waits_for_a_tool_without_words_hears_the_filler_again_and_again(
    autojump_clock: MockClock, says: str
) -> None:
    look = FakeTool(takes_s=20.0)
    llm = FakeLlm([Uses("look", says=says), "There is one"])
    async with on_the_line(Line(llm=llm, toolbox=desk(look=look), filler_s=1.5)) as line:
        await line.answer()
        await line.says("is there a table")
        await line.until(lambda: line.ear[-1:] == ["one"])
        assert line.phrases.count(FILLER) >= 2
    assert line.record.playout.gaps == 0


async def test_a_house_without_a_filler_waits_for_a_tool_in_peace(
    autojump_clock: MockClock,
) -> None:
    """Nothing is said, and that must not be tried again and again in one instant."""
    look = FakeTool(takes_s=20.0)
    llm = FakeLlm([Uses("look", says="I look"), "There is one"])
    line = Line(llm=llm, toolbox=desk(look=look), filler_s=1.5)
    async with on_the_line(line) as line:
        persona = line.call._replies.persona
        texts = {key: text for key, text in persona.texts.items() if key is not Phrase.FILLER}
        line.call._replies.follow(evolve(persona, texts=texts))
        await line.answer()
        await line.says("is there a table")
        await line.until(lambda: line.ear[-1:] == ["one"])
        assert line.phrases == [GREETING]


async def test_a_voice_that_breaks_while_a_tool_is_waited_for_is_not_worn_out(
    autojump_clock: MockClock,
) -> None:
    check = FakeTool(takes_s=30.0)
    llm = FakeLlm([Uses("check", says="One moment")])
    tts = FakeTts(fails_after=2)
    line = Line(llm=llm, toolbox=desk(check=check), tts=tts, filler_s=1.5, by_heart=False)
    async with on_the_line(line):
        await line.answer()
        tts.replies = 0
        await line.says("is there a table")
        await line.agent_speaks()
        tts.fails = EngineBroken("voice", "tts", "it broke")
        tts.fails_after = 0
        await line.until(line.over.is_set)
        assert tts.replies == 4  # the answer, the words for the wait, sorry and goodbye
    assert line.record.reason == "tts-broken"


# --- what cannot be undone is announced ---------------------------------------------------------


async def test_a_filler_announces_nothing(autojump_clock: MockClock) -> None:
    """The model takes its time, and then books without a word."""
    book = FakeTool()
    llm = FakeLlm([Late(4.0, Uses("book")), "It is booked"])
    async with on_the_line(Line(llm=llm, toolbox=desk(book=book), filler_s=1.5)) as line:
        await line.answer()
        await line.says("a table for four")
        await line.until(lambda: bool(book.used))
        announced = line.call.record().turns[1]
        assert line.phrases == [GREETING, FILLER]
        assert (announced.ending, announced.heard.said) == (Ending.HEARD, f"{FILLER} {BOOKING}")


@pytest.mark.parametrize("first", ["look", "say_verbatim"])
async def test_what_was_said_of_something_else_announces_nothing(
    autojump_clock: MockClock, first: str
) -> None:
    book = FakeTool()
    arguments = '{"text": "terms"}' if first == "say_verbatim" else "{}"
    llm = FakeLlm([Uses(first, arguments, "One moment"), Uses("book"), "It is booked"])
    async with on_the_line(Line(llm=llm, toolbox=desk(book=book))) as line:
        await line.answer()
        await line.says("a table for four")
        await line.until(lambda: bool(book.used))
        assert line.call.record().turns[1].heard.said.endswith(BOOKING)


async def test_of_two_things_that_cannot_be_undone_both_are_announced(
    autojump_clock: MockClock,
) -> None:
    book, pay = FakeTool(), FakeTool()
    llm = FakeLlm([Uses("book", more=(("pay", "{}"), ("book", "{}"))), "All done"])
    async with on_the_line(Line(llm=llm, toolbox=desk(book=book, pay=pay))) as line:
        await line.answer()
        await line.says("a table for four")
        await line.until(lambda: bool(pay.used))
        assert " ".join(line.ear) == f"{BOOKING} {PAYING}"
    assert (len(book.used), len(pay.used)) == (2, 1)


async def test_what_comes_to_nothing_is_not_announced(autojump_clock: MockClock) -> None:
    """The model asks for a booking beside a look-up, and then breaks."""
    broken = EngineBroken("mind", "llm", "it broke")
    llm = FakeLlm([Uses("look", says="I book it", more=(("book", "{}"),)), broken])
    async with on_the_line(Line(llm=llm, toolbox=desk())) as line:
        await line.answer()
        await line.says("a table for four")
        await line.until(line.over.is_set)
        assert line.ear == ["I", "book", "it"]
        assert results(line) == [FakeTool().result, NOT_DONE]
    assert line.record.reason == "llm-broken"


async def test_an_intents_tool_that_cannot_be_undone_is_announced_too(
    autojump_clock: MockClock,
) -> None:
    book = FakeTool()
    space = NgramSpace((Examples("book", ("book it please",)), Examples("no", ("forget it",))))
    reflexes = Reflexes(Router(space, Clear()), {"book": ToolFirst("book")})
    llm = FakeLlm(["It is booked"])
    async with on_the_line(Line(llm=llm, toolbox=desk(book=book), reflexes=reflexes)) as line:
        await line.answer()
        await line.says("book it please")
        await line.answer()
        await line.until(lambda: line.ear[-1:] == ["booked"])
        assert " ".join(line.ear) == f"{BOOKING} It is booked"
    assert len(book.used) == 1


# --- it was heard, and not objected to ----------------------------------------------------------


@pytest.mark.parametrize(("said", "bookings"), [("no", 0), ("yes", 1), ("okay", 1), ("stop", 0)])
async def test_one_word_over_the_announcement_is_enough_to_stop_a_booking(
    autojump_clock: MockClock, said: str, bookings: int
) -> None:
    book = FakeTool()
    llm = FakeLlm([Uses("book", says="I book a table for four people on monday at eight")])
    async with on_the_line(Line(llm=llm, toolbox=desk(book=book))) as line:
        await line.answer()
        await line.says("a table for four")
        await line.agent_speaks()
        await line.waits(0.5)
        await line.says(said)
        await line.until(lambda: len(llm.asked) == 2)
        assert len(book.used) == bookings
        if not bookings:
            assert line.told[-1] == ("user", said)
            assert results(line) == [NOT_DONE]
    assert line.record.turns[1].ending is Ending.HEARD


async def test_one_word_stops_a_booking_of_an_agent_that_cannot_be_interrupted(
    autojump_clock: MockClock,
) -> None:
    book = FakeTool()
    llm = FakeLlm([Uses("book", says=f"I book it {LONG}")])
    manners = Manners("You are a test.", idle_prompt_s=0, interruptible=False)
    async with on_the_line(Line(llm=llm, toolbox=desk(book=book), manners=manners)) as line:
        await line.answer()
        await line.says("a table for four")
        await line.agent_speaks()
        await line.says("no no no no")
        await line.until(lambda: len(llm.asked) == 2)
    assert book.used == []
    assert NOT_DONE in results(line)


async def test_who_says_no_is_put_through_to_nobody(autojump_clock: MockClock) -> None:
    llm = FakeLlm([Uses("transfer", '{"to": "sales"}', "I put you through to the sales people")])
    async with on_the_line(Line(llm=llm, toolbox=desk())) as line:
        await line.answer()
        await line.says("a question about a table")
        await line.agent_speaks()
        await line.says("no")
        await line.until(lambda: len(llm.asked) == 2)
        assert not line.over.is_set()
        assert line.call.parting is None


async def test_a_goodbye_may_be_answered_with_one(autojump_clock: MockClock) -> None:
    llm = FakeLlm([Uses("hang_up", says="Goodbye then and have a good day")])
    async with on_the_line(Line(llm=llm, toolbox=desk())) as line:
        await line.answer()
        await line.says("that is all")
        await line.agent_speaks()
        await line.says("bye")
        await line.until(line.over.is_set)
    assert line.record.reason == "agent"


async def test_a_barge_in_while_the_voice_is_still_at_work_is_told_of(
    autojump_clock: MockClock,
) -> None:
    """The model has asked for a booking, and its announcement is not even made to its end."""
    book = FakeTool()
    llm = FakeLlm([Uses("book", says=f"I book it {LONG}"), "Of course"])
    async with on_the_line(Line(llm=llm, toolbox=desk(book=book), tts=FakeTts(speed=0.9))) as line:
        await line.answer()
        await line.says("a table for four")
        await line.agent_speaks()
        await line.until(lambda: llm.open == 0)
        await line.says("no for five please")
        await line.agent_is_quiet()
        await line.answer()
        assert results(line) == [NOT_DONE]
    assert book.used == []


async def test_a_reply_that_was_not_even_audible_is_told_of_too(autojump_clock: MockClock) -> None:
    llm = FakeLlm([Uses("book", says="I book it"), "Of course"])
    line = Line(llm=llm, toolbox=desk(), tts=FakeTts(first_audio_s=2.0))
    async with on_the_line(line):
        await line.answer()
        await line.says("a table for four")
        await line.until(lambda: len(llm.asked) == 1 and not llm.open)
        await line.says("or no five")
        await line.answer()
        assert line.told[1:] == [
            ("user", "a table for four"),
            ("tool", "", NOT_DONE),
            ("user", "or no five"),
        ]


async def test_a_booking_needs_the_mark_behind_its_announcement(autojump_clock: MockClock) -> None:
    """All of it went out, and it was not interrupted; but nothing proves that it was heard."""
    book = FakeTool()
    llm = FakeLlm([Uses("book", says="I book it"), Uses("book", says="Again I book it"), "Done"])
    async with on_the_line(Line(llm=llm, toolbox=desk(book=book))) as line:
        await line.answer()
        line.socket.network_s = math.inf
        await line.says("a table for four")
        await line.answer()
        await line.waits(MARK_GRACE_S - 0.5)
        line.socket.network_s = 0.0
        line.socket._under_way.clear()
        await line.answer()
        await line.until(lambda: len(llm.asked) == 3)
        assert book.began[0] >= line.heard_until
        assert len(book.used) == 1
        assert results(line) == [UNHEARD, book.result]


async def test_a_call_ends_also_where_the_mark_behind_its_goodbye_is_lost(
    autojump_clock: MockClock,
) -> None:
    llm = FakeLlm([Uses("hang_up", says="Goodbye")])
    async with on_the_line(Line(llm=llm, toolbox=desk())) as line:
        await line.answer()
        line.socket.network_s = math.inf
        await line.says("that is all")
        await line.until(line.over.is_set)
    assert line.record.reason == "agent"


# --- how many ------------------------------------------------------------------------------------


async def test_an_answer_that_asks_for_dozens_of_tools_gets_dozens_of_results(
    autojump_clock: MockClock,
) -> None:
    look = FakeTool()
    more = (("collect_digits", "{}"),) * (MAX_CALLS - 1) + (("look", "{}"),) * 80
    llm = FakeLlm([Uses("look", more=more), "There is one"])
    async with on_the_line(Line(llm=llm, toolbox=desk(look=look))) as line:
        await line.answer()
        await line.says("is there a table")
        await line.answer()
        assert line.ear == ["There", "is", "one"]
        assert (len(look.used), len(results(line))) == (1, 88)
    assert statuses(line).count("refused") == 80
    assert line.record.reason == "hangup"


async def test_a_tool_whose_result_finds_no_room_waits_for_it(autojump_clock: MockClock) -> None:
    """The conductor is not that slow; but a result that is lost would never be told of."""
    send, receive = trio.open_memory_channel[Event](1)
    job = desk().read([ToolCall("call_0_0", "look", "{}")]).jobs[0]
    async with trio.open_nursery() as nursery:
        Workshop("CA1", {}, send).begin(Work((job,)), nursery, nursery)
        await trio.sleep(5.0)  # the first event fills the queue
        assert isinstance(await receive.receive(), ToolsAsked)
        answered = await receive.receive()
        assert isinstance(answered, ToolAnswered)
        assert (answered.result, answered.status) == (FakeTool().result, "ok")


async def test_tools_that_tell_much_leave_room_for_what_was_said(
    autojump_clock: MockClock,
) -> None:
    look = FakeTool(result="x" * 4_000)
    llm = FakeLlm([Uses("look"), Uses("look", more=(("look", "{}"),) * 7), "There is one", "Yes"])
    async with on_the_line(Line(llm=llm, toolbox=desk(look=look), history_tokens=6_000)) as line:
        await line.answer()
        await line.says("is there a table")
        await line.answer()
        assert line.ear == ["There", "is", "one"]
        told = [len(each) for each in results(line)]
        assert (told[0], len(told)) == (4_000, 9)
        assert sum(told[1:]) < 1.05 * MOST_TOLD
        await line.says("and on sunday")
        await line.answer()
        assert line.told[1] == ("user", "is there a table")


async def test_a_long_text_word_for_word_is_bounded_and_has_no_gap(
    autojump_clock: MockClock,
) -> None:
    """The tool beside it is done long before; the answer comes behind all of it."""
    box = evolve(desk(), gifts=Gifts(verbatim={"terms": f"{LONG} {LONG} {LONG}"}))
    asks = Uses("say_verbatim", '{"text": "terms"}', "Listen", more=(("look", "{}"),))
    async with on_the_line(Line(llm=FakeLlm([asks, "Is that fine"]), toolbox=box)) as line:
        await line.answer()
        await line.says("what does it cost")
        await line.agent_speaks()
        await line.makes_noise(2.0)
        await line.until(lambda: line.ear[-1:] == ["fine"])
    assert line.record.playout.pauses == 1
    assert line.record.playout.gaps == 0
    assert line.record.playout.peak_frames * FRAME_S < AHEAD_MAX_S + 4.0


async def test_any_number_of_tools_that_go_on_end_with_the_call(autojump_clock: MockClock) -> None:
    check = FakeTool(takes_s=60.0)
    asks = Uses("check", says="One moment", more=(("check", "{}"),) * (MAX_CALLS - 1))
    async with on_the_line(Line(llm=FakeLlm([asks] * 9), toolbox=desk(check=check))) as line:
        await line.answer()
        for count in range(1, 10):
            await line.says("is there a table")
            await line.until(lambda count=count: check.open == MAX_CALLS * count)  # type: ignore[misc]
            await line.agent_speaks()
        assert check.open == 72
    assert check.open == 0
    assert line.record.reason == "hangup"


async def test_agents_who_hand_over_to_each_other_come_to_an_end(
    autojump_clock: MockClock,
) -> None:
    """Without a word; and what the last of them asked for has one result."""
    line, other = Line(toolbox=desk()), Line(toolbox=desk())
    line.llm.answers += [Uses("switch_agent", '{"agent": "other"}')] * 9
    other.llm.answers += [Uses("switch_agent", '{"agent": "test"}')] * 9
    other.tts = line.tts
    line.agents = {"test": line, "other": other}
    async with on_the_line(line):
        await line.answer()
        await line.says("about my bill please")
        await line.waits(20.0)
        assert results(line) == [DONE] * MAX_DEEDS + [TOO_OFTEN]
        assert len({each.call.id for each in used(line)}) == MAX_DEEDS + 1


# --- the end of a call ---------------------------------------------------------------------------


async def test_who_hangs_up_during_a_booking_leaves_it_on_record(autojump_clock: MockClock) -> None:
    book = FakeTool(takes_s=5.0)
    llm = FakeLlm([Uses("book", says="I book it")])
    async with on_the_line(Line(llm=llm, toolbox=desk(book=book))) as line:
        await line.answer()
        await line.says("a table for four")
        await line.until(lambda: book.open == 1)
    assert statuses(line) == ["cancelled"]
    assert results(line) == [UNKNOWN]
    assert book.open == 0


async def test_a_call_that_comes_back_knows_what_its_tools_have_come_to(
    autojump_clock: MockClock,
) -> None:
    """No result follows any more, and the model does not wait for one."""
    check = FakeTool(takes_s=5.0)
    llm = FakeLlm([Uses("check", says="One moment"), "Of course"])
    async with on_the_line(Line(llm=llm, toolbox=desk(check=check))) as line:
        await line.answer()
        await line.says("is there a table")
        await line.answer()
        await line.says("no wait never mind")
        await line.answer()
        assert UNDER_WAY in results(line)
        line.drops()
        await line.until(line.over.is_set)
    again = Line(llm=FakeLlm(["Yes"]), toolbox=desk(), past=line.call.past())
    async with on_the_line(again):
        await again.answer()
        await again.says("and now")
        await again.answer()
        assert ("tool", "", UNKNOWN) in again.told
        assert again.told[-1] == ("user", "and now")


async def test_a_tool_that_ends_while_the_end_is_prepared_is_told_of(
    autojump_clock: MockClock,
) -> None:
    """A warm transfer waits for its summary, which the model takes its time for."""
    check = FakeTool(takes_s=6.0)
    warm = evolve(desk(check=check), gifts=Gifts({"sales": SALES.number}, warm=True))
    llm = FakeLlm([Uses("check", says="One moment"), Uses("transfer", '{"to": "sales"}', "Bye")])
    llm.answers.append(Late(3.0, "A caller"))
    async with on_the_line(Line(llm=llm, toolbox=warm)) as line:
        await line.answer()
        await line.says("is there a table")
        await line.answer()
        await line.says("sales department please")
        await line.until(line.over.is_set)
        assert line.call.parting
        assert line.call.parting.transfer == evolve(SALES, warm=True, summary="A caller")
    assert statuses(line) == ["ok"]
    assert results(line) == [check.result, DONE]
    summed_up = line.llm.asked[-1]
    assert [type(each).__name__ for each in summed_up][-2:] == ["Round", "Message"]


# --- the operator, the keypad and the carrier ----------------------------------------------------


@pytest.mark.parametrize("asked", ["look", "check"])
async def test_an_operator_who_speaks_ends_a_tool_or_lets_it_go_on_as_declared(
    autojump_clock: MockClock, asked: str
) -> None:
    tool = FakeTool(takes_s=5.0)
    llm = FakeLlm([Uses(asked, says="One moment")])
    async with on_the_line(Line(llm=llm, toolbox=desk(**{asked: tool}))) as line:
        await line.answer()
        await line.says("is there a table")
        await line.answer()
        line.call.request(SayRequested("We close soon"))
        await line.answer()
        assert tool.open == (asked == "check")
        assert line.ear[-3:] == ["We", "close", "soon"]
        await line.until(lambda: not tool.open)
        await line.waits(0.1)
        assert results(line) == [tool.result if asked == "check" else UNKNOWN]


@pytest.mark.parametrize(
    "order",
    [SayRequested("We close soon"), InterruptRequested(), CloseRequested(Parting("operator"))],
    ids=["say", "interrupt", "close"],
)
async def test_an_operator_who_cuts_an_announcement_off_keeps_it_from_being_done(
    autojump_clock: MockClock, order: SayRequested | InterruptRequested | CloseRequested
) -> None:
    book = FakeTool()
    llm = FakeLlm([Uses("book", says=f"I book it {LONG}")])
    async with on_the_line(Line(llm=llm, toolbox=desk(book=book))) as line:
        await line.answer()
        await line.says("a table for four")
        await line.agent_speaks()
        await line.waits(2.0)
        line.call.request(order)
        await line.waits(10.0)
        assert (book.used, results(line)) == ([], [NOT_DONE])


async def test_a_transfer_by_an_operator_ends_the_tools(autojump_clock: MockClock) -> None:
    look = FakeTool(takes_s=30.0)
    async with on_the_line(Line(llm=FakeLlm([Uses("look")]), toolbox=desk(look=look))) as line:
        await line.answer()
        await line.says("is there a table")
        await line.until(lambda: look.open == 1)
        line.call.request(CloseRequested(Parting("transfer", (Phrase.TRANSFER,), SALES)))
        await line.until(line.over.is_set)
        assert line.phrases == [GREETING, PUTTING_THROUGH]
    assert results(line) == [UNKNOWN]


async def test_a_machine_that_answers_ends_the_tools(autojump_clock: MockClock) -> None:
    book = FakeTool()
    manners = Manners("A test.", idle_prompt_s=0, on_machine=Parting("machine", ()))
    llm = FakeLlm([Uses("book", says=f"I book it {LONG}")])
    async with on_the_line(Line(llm=llm, toolbox=desk(book=book), manners=manners)) as line:
        await line.answer()
        await line.says("leave a message please")
        await line.agent_speaks()
        line.call.request(MachineDetected("machine_end_beep"))
        await line.until(line.over.is_set)
    assert (line.record.reason, book.used) == ("machine", [])


async def test_a_key_ends_a_tool_and_is_answered(autojump_clock: MockClock) -> None:
    look = FakeTool(takes_s=5.0)
    llm = FakeLlm([Uses("look", says="One moment"), "Thank you"])
    async with on_the_line(Line(llm=llm, toolbox=desk(look=look))) as line:
        await line.answer()
        await line.says("is there a table")
        await line.answer()
        line.presses("42#")
        await line.answer()
        assert (look.open, line.told[-1]) == (0, ("user", "(keypad: 42)"))


async def test_keys_that_come_before_they_are_asked_for_are_a_number_all_the_same(
    autojump_clock: MockClock,
) -> None:
    """The agent cannot be interrupted, and the caller knows what it will ask for."""
    ask = Uses("collect_digits", '{"most": 4, "pause_s": 8}', "Please enter your code now")
    manners = Manners("A test.", idle_prompt_s=0, interruptible=False)
    llm = FakeLlm([ask, "", "Thank you"])
    line = Line(llm=llm, toolbox=desk(), manners=manners)
    async with on_the_line(line):
        await line.answer()
        await line.says("I would like to log in")
        await line.agent_speaks()
        await line.waits(1.0)
        line.presses("12")
        await line.agent_is_quiet()
        line.presses("34")
        await line.until(lambda: len(llm.asked) == 3)
        assert line.told[-1] == ("user", "(keypad: 1234)")


async def test_noise_over_a_wait_makes_no_gap_and_loses_no_word(autojump_clock: MockClock) -> None:
    check = FakeTool(takes_s=4.0)
    llm = FakeLlm([Uses("check", says="One moment please"), "There is one"])
    async with on_the_line(Line(llm=llm, toolbox=desk(check=check), filler_s=1.5)) as line:
        await line.answer()
        await line.says("is there a table")
        await line.answer()
        await line.makes_noise(2.5)
        await line.answer()
        await line.until(lambda: line.ear[-1:] == ["one"])
        assert line.ear == ["One", "moment", "please", "There", "is", "one"]
    assert line.record.playout.pauses == 1
    assert line.record.playout.gaps == 0


# --- drafts, agents and ears ---------------------------------------------------------------------


class SlowRouter(Router):
    """Asks embeddings, which take their time."""

    async def route(self, text: str):  # type: ignore[no-untyped-def]
        await trio.sleep(4.5)
        return await super().route(text)


async def test_a_draft_may_become_the_reply_while_it_is_being_routed(
    autojump_clock: MockClock,
) -> None:
    look = FakeTool()
    space = NgramSpace((Examples("look", ("is there a table",)), Examples("no", ("forget it",))))
    reflexes = Reflexes(SlowRouter(space, Clear()), {"look": ToolFirst("look")})
    manners = Manners("A test.", idle_prompt_s=0, endpointing=EAGER)
    llm = FakeLlm(["There is one"])
    line = Line(llm=llm, toolbox=desk(look=look), manners=manners, reflexes=reflexes)
    async with on_the_line(line):
        await line.answer()
        await line.says("is there a table")
        await line.answer()
        assert (line.ear, len(look.used)) == (["There", "is", "one"], 1)
    assert (line.record.eager_hits, line.record.turns[1].intent) == (1, "look")


async def test_a_draft_that_another_agent_answers_was_of_no_use(autojump_clock: MockClock) -> None:
    other = Line(llm=FakeLlm(["Bonjour Madame"]))
    manners = Manners("A test.", idle_prompt_s=0, endpointing=EAGER, languages={"fr": "french"})
    line = Line(llm=FakeLlm(["In English"]), manners=manners, agents={"french": other})
    async with on_the_line(line):
        other.tts = line.tts
        await line.answer()
        line.stt.language = "fr"
        await line.says("bonjour une table pour deux")
        await line.answer()
    assert (line.record.eager_hits, line.record.eager_misses) == (0, 1)
    assert line.record.turns[1].times.drafted is None


async def test_a_tool_of_the_agent_before_still_tells_its_result(
    autojump_clock: MockClock,
) -> None:
    check = FakeTool(takes_s=9.0)
    other = Line(llm=FakeLlm(["Billing here", "It is there"]))
    asks = Uses("check", says="One moment")
    llm = FakeLlm([asks, Uses("switch_agent", '{"agent": "other"}')])
    async with on_the_line(
        Line(llm=llm, toolbox=desk(check=check), agents={"other": other})
    ) as line:
        other.tts = line.tts
        await line.answer()
        await line.says("is there a table")
        await line.answer()
        await line.says("and my bill please")
        await line.answer()
        await line.until(lambda: not check.open)
        await line.says("is it there")
        await line.answer()
        rounds = [each for each in other.llm.asked[-1] if isinstance(each, Round)]
        assert [each.result for made in rounds for each in made.used] == [check.result, DONE]
    assert [turn.number for turn in line.record.turns] == list(range(5))


class Deaf:
    """An engine, and its transcription, that fails while another is put in its place."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.runs = 0

    def transcription(self) -> "Deaf":
        return self

    def put(self, mulaw: bytes) -> None: ...

    def flush(self) -> None: ...

    def statistics(self) -> SttStatistics:
        return SttStatistics()

    async def run(self, hear: object) -> None:
        self.runs += 1
        try:
            await trio.sleep_forever()
        finally:
            if self.name == "old":
                raise EngineBroken("old", "stt", "it broke")


async def test_an_ear_that_fails_as_it_is_replaced_is_not_missed(
    autojump_clock: MockClock,
) -> None:
    old, new = Deaf("old"), Deaf("new")
    ear, heard = Ear(old), list[SttEvent]()  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ear.run, heard.append)
        await trio.sleep(1)
        ear.follow(new)  # type: ignore[arg-type]
        await trio.sleep(1)
        assert (old.runs, new.runs) == (1, 1)
        nursery.cancel_scope.cancel()


async def test_a_tool_that_fails_is_no_reason_to_end_a_call(autojump_clock: MockClock) -> None:
    book = FakeTool(result='{"error": "no answer in time"}', status=Status.TIMEOUT)
    llm = FakeLlm([Uses("book", says="I book it"), Uses("hang_up", says="Sorry that is not so")])
    async with on_the_line(Line(llm=llm, toolbox=desk(book=book))) as line:
        await line.answer()
        await line.says("a table for four")
        await line.until(line.over.is_set)
        assert results(line) == [book.result, DONE]
        assert GOODBYE not in line.phrases
    assert (line.record.reason, statuses(line)) == ("agent", ["timeout"])
