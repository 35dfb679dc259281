"""Whole calls in virtual time: the model uses tools, and the caller hears what comes of it."""

import json

import pytest
import trio
from stories import (
    APOLOGY,
    CHECKING,
    FILLER,
    GOODBYE,
    GREETING,
    PUTTING_THROUGH,
    STILL_CHECKING,
    FakeLlm,
    FakeTool,
    FakeTts,
    Late,
    Line,
    Uses,
    on_the_line,
)
from trio.testing import MockClock

from voiced.call.builtin import Gifts
from voiced.call.thinking import LATER, MAX_ANSWERS, PROGRESS_S
from voiced.call.toolbox import Request, Toolbox
from voiced.call.workshop import UNDER_WAY, UNKNOWN
from voiced.dialog.conversation import MAX_DEEDS
from voiced.dialog.endpointing import EndpointingRule
from voiced.dialog.history import Role
from voiced.dialog.manners import Manners
from voiced.dialog.tools import Round, Tool
from voiced.dialog.turn import Ending
from voiced.dialog.wish import DONE, NOT_DONE, ONE_AT_A_TIME, TOO_OFTEN
from voiced.engines.roles import InWords
from voiced.errors import EngineBroken
from voiced.records.model import Happened
from voiced.tools.model import Status

FREE = '{"free": true}'
BOOKED = '{"booked": 7}'
GUESTS = {
    "type": "object",
    "properties": {"guests": {"type": "integer"}},
    "required": ["guests"],
    "additionalProperties": False,
}
FOUR = '{"guests": 4}'
LONG = " ".join(f"word{n}" for n in range(30))


def desk(
    look: FakeTool | None = None,
    book: FakeTool | None = None,
    *,
    names: tuple[str, ...] = ("hang_up", "transfer"),
    detached: bool = False,
) -> Toolbox:
    """A restaurant's: it looks for a table, and books it once that is announced."""
    look, book = look or FakeTool(), book or FakeTool(result=BOOKED)
    requests = {
        "look": Request(
            Tool("look", "Looks for a table."), look, CHECKING, STILL_CHECKING, detached=detached
        ),
        "book": Request(Tool("book", "Books it.", GUESTS), book, "I am booking it", commits=True),
    }
    gifts = Gifts({"sales": "+33123456789"}, verbatim={"terms": "All calls are free"})
    return Toolbox(names, gifts, requests)


def rounds(line: Line) -> list[Round]:
    """The tools that the model was last told of."""
    return [each for each in line.llm.asked[-1] if isinstance(each, Round)]


def used(line: Line) -> list[dict[str, object]]:
    """What stands in the call's record about tools."""
    return [dict(each.detail) for each in line.journal.of(Happened) if each.kind == "tool"]


# --- looking something up -----------------------------------------------------------------------


async def test_a_tool_is_used_and_the_caller_told_what_came_of_it(
    autojump_clock: MockClock,
) -> None:
    look = FakeTool()
    llm = FakeLlm([Uses("look", says="One moment"), "There is one", "Fine"])
    async with on_the_line(Line(llm=llm, toolbox=desk(look))) as line:
        await line.answer()
        await line.says("is there a table")
        await line.answer()
        assert line.ear == ["One", "moment", "There", "is", "one"]
        assert look.used == [{}]
        await line.says("good to know")
        await line.answer()
        assert line.told == [
            ("assistant", GREETING),
            ("user", "is there a table"),
            ("tool", "", FREE),
            ("assistant", "One moment There is one"),
            ("user", "good to know"),
        ]
    assert [turn.ending for turn in line.record.turns] == [Ending.HEARD] * 3
    assert used(line) == [{"tool": "look", "status": "ok", "tool_ms": 200}]
    assert line.record.playout.gaps == 0


async def test_the_tool_works_while_the_agent_speaks(autojump_clock: MockClock) -> None:
    """Nobody waits for a tool that is quicker than the words before it."""
    look = FakeTool(takes_s=0.6)
    llm = FakeLlm([Uses("look", says="One moment let me look that up"), "There is one"])
    async with on_the_line(Line(llm=llm, toolbox=desk(look))) as line:
        await line.answer()
        await line.says("is there a table")
        await line.answer()
        assert line.ear == "One moment let me look that up There is one".split()  # noqa: SIM905
        assert look.began[0] < line.tts.made[2][0]  # the third of its words was still to come
    assert line.record.playout.gaps == 0
    assert line.record.worst_silence_ms < 1500


async def test_several_tools_of_one_answer_work_at_once(autojump_clock: MockClock) -> None:
    look = FakeTool(takes_s=1.0)
    llm = FakeLlm([Uses("look", more=(("look", "{}"), ("look", "{}"))), "There are three"])
    async with on_the_line(Line(llm=llm, toolbox=desk(look))) as line:
        await line.answer()
        await line.says("is there a table")
        await line.answer()
        (told,) = rounds(line)
    assert look.ended[-1] - look.began[0] == pytest.approx(1.0)
    assert len(set(look.keys)) == len({each.call.id for each in told.used}) == 3


async def test_every_use_has_a_key_of_its_own_that_names_the_call(
    autojump_clock: MockClock,
) -> None:
    look = FakeTool()
    llm = FakeLlm([Uses("look"), Uses("look"), "There is one", Uses("look"), "And one more"])
    async with on_the_line(Line(llm=llm, toolbox=desk(look))) as line:
        await line.answer()
        await line.says("is there a table")
        await line.answer()
        await line.says("and another one")
        await line.answer()
        assert len(look.keys) == len(set(look.keys)) == 3
        assert all(key.startswith(line.call.call_sid) for key in look.keys)


# --- a tool that is slow ------------------------------------------------------------------------


async def test_who_waits_for_a_tool_hears_so_and_hears_it_again(
    autojump_clock: MockClock,
) -> None:
    look = FakeTool(takes_s=10.0)
    llm = FakeLlm([Uses("look"), "There is one"])
    async with on_the_line(Line(llm=llm, toolbox=desk(look), filler_s=1.5)) as line:
        await line.answer()
        await line.says("is there a table")
        await line.answer()
        await line.answer()
        await line.answer()
        assert line.phrases == [GREETING, CHECKING, STILL_CHECKING]
        assert line.ear == ["There", "is", "one"]
    assert line.record.playout.gaps == 0
    assert line.record.worst_silence_ms <= 1000 * PROGRESS_S + 500


async def test_words_for_a_wait_that_were_not_rendered_are_said_live(
    autojump_clock: MockClock,
) -> None:
    look = FakeTool(takes_s=4.0)
    llm = FakeLlm([Uses("look"), "There is one"])
    async with on_the_line(Line(llm=llm, toolbox=desk(look), filler_s=1.5, by_heart=False)) as line:
        await line.answer()
        await line.says("is there a table")
        await line.answer()
        await line.answer()
        assert line.ear[-6:] == ["Let", "me", "look", "There", "is", "one"]


async def test_a_tool_that_is_quick_needs_no_words(autojump_clock: MockClock) -> None:
    llm = FakeLlm([Uses("look"), "There is one"])
    async with on_the_line(Line(llm=llm, toolbox=desk(), filler_s=1.5)) as line:
        await line.answer()
        await line.says("is there a table")
        await line.answer()
        assert line.phrases == [GREETING]
    # 0.2 s each for two answers and the tool, and the voice's beginning.
    assert line.record.worst_silence_ms < 1500


async def test_the_model_may_be_late_too_and_one_phrase_is_enough(
    autojump_clock: MockClock,
) -> None:
    llm = FakeLlm([Late(2.0, Uses("look")), "There is one"])
    async with on_the_line(
        Line(llm=llm, toolbox=desk(FakeTool(takes_s=0.5)), filler_s=1.5)
    ) as line:
        await line.answer()
        await line.says("is there a table")
        await line.answer()
        await line.answer()
        assert line.phrases == [GREETING, FILLER]


# --- the caller interrupts ----------------------------------------------------------------------


async def test_a_barge_in_ends_the_tool_and_the_model_knows_that_it_does_not_know(
    autojump_clock: MockClock,
) -> None:
    look = FakeTool(takes_s=5.0)
    llm = FakeLlm([Uses("look", says="One moment"), "Of course"])
    async with on_the_line(Line(llm=llm, toolbox=desk(look))) as line:
        await line.answer()
        await line.says("is there a table")
        await line.answer()
        await line.says("no wait never mind")
        assert look.open == 0
        await line.answer()
        assert line.told[1:] == [
            ("user", "is there a table"),
            ("tool", "", UNKNOWN),
            ("assistant", "One moment—"),
            ("user", "no wait never mind"),
        ]
    assert [each["status"] for each in used(line)] == ["cancelled"]


async def test_a_tool_that_is_to_go_on_does_and_its_result_comes_late(
    autojump_clock: MockClock,
) -> None:
    look = FakeTool(takes_s=5.0)
    llm = FakeLlm([Uses("look", says="One moment"), "Of course", "There is one"])
    async with on_the_line(Line(llm=llm, toolbox=desk(look, detached=True))) as line:
        await line.answer()
        await line.says("is there a table")
        await line.answer()
        await line.says("no wait never mind")
        await line.answer()
        assert ("tool", "", UNDER_WAY) in line.told
        await line.until(lambda: not look.open)
        await line.says("or is there one")
        await line.answer()
        assert ("tool", "", FREE) in line.told


async def test_a_tool_ends_with_the_call_at_the_latest(autojump_clock: MockClock) -> None:
    look = FakeTool(takes_s=60.0)
    async with on_the_line(
        Line(llm=FakeLlm([Uses("look")]), toolbox=desk(look, detached=True))
    ) as line:
        await line.answer()
        await line.says("is there a table")
        await line.until(lambda: look.open == 1)
    assert look.open == 0


async def test_a_draft_uses_no_tool(autojump_clock: MockClock) -> None:
    """The caller had not finished: what the model wanted then is not done, and not on record."""
    look = FakeTool()
    llm = FakeLlm([Uses("look"), "There is one"])
    rule = EndpointingRule(4.0, uses_score=False, eager=True)
    manners = Manners("You are a test.", idle_prompt_s=0, endpointing=rule)
    async with on_the_line(Line(llm=llm, toolbox=desk(look), manners=manners)) as line:
        await line.answer()
        await line.says("is there")
        await line.waits(2.0)
        assert (len(llm.asked), llm.open) == (1, 0)
        await line.says("a table on monday")
        await line.answer()
        assert (look.used, rounds(line)) == ([], [])
    assert line.record.eager_misses == 1


async def test_a_draft_that_was_right_uses_its_tool_when_that_is_certain(
    autojump_clock: MockClock,
) -> None:
    look = FakeTool()
    rule = EndpointingRule(4.0, uses_score=False, eager=True)
    manners = Manners("You are a test.", idle_prompt_s=0, endpointing=rule)
    llm = FakeLlm([Uses("look", says="One moment"), "There is one"])
    async with on_the_line(Line(llm=llm, toolbox=desk(look), manners=manners)) as line:
        await line.answer()
        await line.says("is there a table")
        ended = trio.current_time()
        await line.answer()
        assert line.ear == ["One", "moment", "There", "is", "one"]
        assert ended + 4.0 <= look.began[0] < ended + 4.2
    assert line.record.eager_hits == 1
    assert line.record.playout.gaps == 0


# --- what cannot be undone ----------------------------------------------------------------------


async def test_a_booking_is_made_when_its_announcement_was_heard(
    autojump_clock: MockClock,
) -> None:
    book = FakeTool(result=BOOKED)
    llm = FakeLlm([Uses("book", FOUR, says="I book it now"), "It is booked", "Bye"])
    async with on_the_line(Line(llm=llm, toolbox=desk(book=book))) as line:
        await line.answer()
        await line.says("a table for four")
        await line.agent_speaks()
        await line.agent_is_quiet()
        heard = line.heard_until
        await line.answer()
        assert book.used == [{"guests": 4}]
        assert book.began[0] >= heard
        assert line.ear == ["I", "book", "it", "now", "It", "is", "booked"]
        await line.says("thank you")
        await line.answer()
        assert line.told[1:] == [
            ("user", "a table for four"),
            ("tool", "I book it now", BOOKED),
            ("assistant", "It is booked"),
            ("user", "thank you"),
        ]


async def test_a_booking_that_the_model_does_not_announce_is_announced_for_it(
    autojump_clock: MockClock,
) -> None:
    book = FakeTool(result=BOOKED)
    llm = FakeLlm([Uses("book", FOUR), "It is booked"])
    async with on_the_line(Line(llm=llm, toolbox=desk(book=book))) as line:
        await line.answer()
        await line.says("a table for four")
        await line.answer()
        await line.answer()
        assert line.ear == ["I", "am", "booking", "it", "It", "is", "booked"]
        assert len(book.used) == 1


async def test_a_barge_in_into_the_announcement_makes_no_booking(
    autojump_clock: MockClock,
) -> None:
    book = FakeTool(result=BOOKED)
    llm = FakeLlm([Uses("book", FOUR, says=f"I book it now {LONG}"), "Of course"])
    async with on_the_line(Line(llm=llm, toolbox=desk(book=book), tts=FakeTts(speed=0.01))) as line:
        await line.answer()
        await line.says("a table for four")
        await line.until(lambda: line.call._conversation.turns[-1].wish is not None)
        await line.agent_speaks()
        await line.says("no for five please")
        await line.agent_is_quiet()
        await line.answer()
        assert [result for each in rounds(line) for result in each.used[0].result.split("\n")] == [
            NOT_DONE
        ]
        await line.waits(10)
    assert book.used == []


async def test_a_booking_under_way_is_not_stopped_by_a_word(autojump_clock: MockClock) -> None:
    book = FakeTool(result=BOOKED, takes_s=4.0)
    llm = FakeLlm([Uses("book", FOUR, says="I book it"), "Not yet", "It is booked now"])
    async with on_the_line(Line(llm=llm, toolbox=desk(book=book))) as line:
        await line.answer()
        await line.says("a table for four")
        await line.answer()
        await line.until(lambda: book.open == 1)
        await line.says("are you there")
        await line.until(lambda: len(llm.asked) == 2)
        assert ("tool", "I book it", UNDER_WAY) in line.told
        await line.until(lambda: not book.open)
        await line.waits(1)
        await line.says("is it booked")
        await line.answer()
        assert ("tool", "I book it", BOOKED) in line.told
    assert len(book.used) == 1


async def test_a_goodbye_beside_a_booking_waits_for_it(autojump_clock: MockClock) -> None:
    book = FakeTool(result=BOOKED)
    both = Uses("hang_up", says="I book it", more=(("book", FOUR),))
    llm = FakeLlm([both, Uses("hang_up", says="It is booked goodbye")])
    async with on_the_line(Line(llm=llm, toolbox=desk(book=book))) as line:
        await line.answer()
        await line.says("a table for four")
        await line.over.wait()
        assert line.ear == ["I", "book", "it", "It", "is", "booked", "goodbye"]
    results = [each.result for told in rounds(line) for each in told.used]
    assert sorted(results) == sorted([BOOKED, ONE_AT_A_TIME])
    assert line.record.reason == "agent"


async def test_a_lookup_beside_a_goodbye_is_told_of_before_the_end(
    autojump_clock: MockClock,
) -> None:
    both = Uses("look", says="I look", more=(("hang_up", "{}"),))
    async with on_the_line(Line(llm=FakeLlm([both, "It is free"]), toolbox=desk())) as line:
        await line.answer()
        await line.says("is there a table goodbye")
        await line.over.wait()
        assert line.ear == ["I", "look", "It", "is", "free"]
        (told,) = rounds(line)
        assert [each.result for each in told.used] == [FREE, LATER]


async def test_deeds_in_a_row_come_to_an_end(autojump_clock: MockClock) -> None:
    """A model that books and books again is stopped until the caller has had a word."""
    book = FakeTool(result=BOOKED)
    llm = FakeLlm([Uses("book", FOUR, says="I book it")] * 20)
    async with on_the_line(Line(llm=llm, toolbox=desk(book=book))) as line:
        await line.answer()
        await line.says("a table for four")
        await line.waits(30)
        assert len(book.used) == MAX_DEEDS
        await line.says("stop it please")
        await line.until(lambda: len(llm.asked) == MAX_DEEDS + 2)
        assert TOO_OFTEN in [each.result for told in rounds(line) for each in told.used]


# --- the line and the voice ---------------------------------------------------------------------


async def test_a_text_is_said_word_for_word(autojump_clock: MockClock) -> None:
    llm = FakeLlm([Uses("say_verbatim", '{"text": "terms"}', "Listen"), "Is that fine"])
    async with on_the_line(Line(llm=llm, toolbox=desk(names=("say_verbatim",)))) as line:
        await line.answer()
        await line.says("what does it cost")
        await line.answer()
        assert " ".join(line.ear) == "Listen All calls are free Is that fine"
        assert line.told[-1] == ("tool", "Listen", DONE)


async def test_keys_go_out_as_tones_behind_the_words(autojump_clock: MockClock) -> None:
    llm = FakeLlm([Uses("send_digits", '{"keys": "12#"}', "One moment"), "There we are"])
    async with on_the_line(Line(llm=llm, toolbox=desk(names=("send_digits",)))) as line:
        await line.answer()
        await line.says("please press one two hash")
        await line.answer()
        await line.waits(2)
        assert line.pressed == "12#"
        assert line.ear == ["One", "moment", "There", "we", "are"]


async def test_a_number_that_was_asked_for_comes_whole(autojump_clock: MockClock) -> None:
    """By the tool's rule, and only once: the next input goes by the agent's again."""
    ask = Uses("collect_digits", '{"most": 4, "pause_s": 8}', "Your code please")
    llm = FakeLlm([ask, "And then press hash", "Thank you", "Good"])
    async with on_the_line(Line(llm=llm, toolbox=desk(names=("collect_digits",)))) as line:
        await line.answer()
        await line.says("I would like to log in")
        await line.answer()
        line.presses("12")
        await line.waits(5)
        line.presses("34")
        await line.answer()
        assert line.told[-1] == ("user", "(keypad: 1234)")
        line.presses("5678")
        await line.waits(1.0)
        assert len(llm.asked) == 3
        await line.answer()
        assert line.told[-1] == ("user", "(keypad: 5678)")


# --- models and tools that misbehave ------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (Uses("order_pizza", says="One moment"), "no tool of this name"),
        (Uses("book", "{guests: 4", says="One moment"), "not a JSON object"),
        (Uses("book", '{"guests": "four"}', says="One moment"), "guests"),
    ],
    ids=["invents a tool", "broken JSON", "wrong types"],
)
async def test_a_model_that_asks_wrongly_is_told_so_and_goes_on(
    autojump_clock: MockClock, asked: Uses, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    book = FakeTool()
    async with on_the_line(
        Line(llm=FakeLlm([asked, "For how many"]), toolbox=desk(book=book))
    ) as line:
        await line.answer()
        await line.says("a table for four")
        await line.answer()
        assert line.ear == ["One", "moment", "For", "how", "many"]
        assert why in json.loads(rounds(line)[0].used[0].result)["error"]
    assert book.used == []
    assert "the model asked for a tool, or in a way, that there is not" in caplog.messages


async def test_a_model_that_loops_on_a_tool_has_to_use_words_in_the_end(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    look = FakeTool()
    llm = FakeLlm([Uses("look", says=f"Look{n}") for n in range(20)])
    async with on_the_line(Line(llm=llm, toolbox=desk(look))) as line:
        await line.answer()
        await line.says("is there a table")
        await line.answer()
        await line.waits(10)
        assert line.ear == [f"Look{n}" for n in range(MAX_ANSWERS)]
    assert len(look.used) == MAX_ANSWERS - 1
    assert llm.forms == [None] * (MAX_ANSWERS - 1) + [InWords()]
    assert "the model goes on asking for tools; it is not followed" in caplog.messages


@pytest.mark.parametrize("status", [Status.TIMEOUT, Status.HTTP_ERROR, Status.PRIVATE_ADDRESS])
async def test_a_tool_that_fails_is_the_models_to_explain(
    autojump_clock: MockClock, status: Status, caplog: pytest.LogCaptureFixture
) -> None:
    look = FakeTool(result='{"error": "no answer in time"}', status=status)
    llm = FakeLlm([Uses("look", says="One moment"), "I cannot see that"])
    async with on_the_line(Line(llm=llm, toolbox=desk(look))) as line:
        await line.answer()
        await line.says("is there a table")
        await line.answer()
        assert line.told[-1] == ("tool", "One moment", '{"error": "no answer in time"}')
        assert line.ear[-4:] == ["I", "cannot", "see", "that"]
    assert [each["status"] for each in used(line)] == [status.value]
    assert "a tool failed: the tool's server" in caplog.messages


async def test_a_server_that_says_no_has_not_failed(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    look = FakeTool(result='{"error": "HTTP 409"}', status=Status.DENIED)
    llm = FakeLlm([Uses("look", says="One moment"), "At nine then"])
    async with on_the_line(Line(llm=llm, toolbox=desk(look))) as line:
        await line.answer()
        await line.says("is there a table")
        await line.answer()
        assert line.ear[-3:] == ["At", "nine", "then"]
    assert [each["status"] for each in used(line)] == ["denied"]
    assert "failed" not in caplog.text


async def test_a_model_that_breaks_behind_a_tool_is_apologised_for(
    autojump_clock: MockClock,
) -> None:
    llm = FakeLlm([Uses("look", says="One moment"), EngineBroken("mind", "llm", "it broke")])
    async with on_the_line(Line(llm=llm, toolbox=desk())) as line:
        await line.answer()
        await line.says("is there a table")
        await line.over.wait()
        assert line.phrases == [GREETING, APOLOGY, GOODBYE]
    assert line.record.reason == "llm-broken"


async def test_a_thrown_away_reply_hangs_nothing_up(autojump_clock: MockClock) -> None:
    """The caller went on before a word of it was heard: its wish is gone with it."""
    llm = FakeLlm([Uses("hang_up", says="Goodbye"), Late(0.5, "Of course")])
    line = Line(llm=llm, toolbox=desk(), tts=FakeTts(first_audio_s=1.0))
    async with on_the_line(line):
        await line.answer()
        await line.says("that is all")
        await line.until(lambda: len(llm.asked) == 1 and not llm.open)
        await line.says("or no wait")
        await line.answer()
        await line.waits(10)
        assert not line.over.is_set()
        assert line.phrases == [GREETING]


# --- another agent takes over -------------------------------------------------------------------


def billing(**other: object) -> Line:
    manners = Manners("You are billing.", idle_prompt_s=0)
    return Line(llm=FakeLlm(["Billing here", "Your bill is paid"]), manners=manners, **other)  # type: ignore[arg-type]


async def test_another_agent_takes_over_when_that_was_heard_and_knows_what_was_said(
    autojump_clock: MockClock,
) -> None:
    other = billing()
    toolbox = Toolbox(("switch_agent",), Gifts(agents=("billing",)))
    llm = FakeLlm([Uses("switch_agent", '{"agent": "billing"}', "I hand you over")])
    async with on_the_line(Line(llm=llm, toolbox=toolbox, agents={"billing": other})) as line:
        other.tts = line.tts
        await line.answer()
        await line.says("about my bill please")
        await line.answer()
        await line.answer()
        assert line.ear == ["I", "hand", "you", "over", "Billing", "here"]
        system, *told = other.llm.asked[0]
        assert (system.role, system.text) == (Role.SYSTEM, "You are billing.")  # type: ignore[union-attr]
        assert [each.text for each in told] == [
            GREETING,
            "about my bill please",
            "I hand you over",
        ]
        await line.says("is it paid")
        await line.answer()
        assert line.ear[-4:] == ["Your", "bill", "is", "paid"]
    assert line.record.agent == "test"
    assert [dict(each.detail) for each in line.journal.of(Happened)] == [{"agent": "test"}]


async def test_an_agent_may_hand_over_without_a_word(autojump_clock: MockClock) -> None:
    other = billing()
    toolbox = Toolbox(("switch_agent",), Gifts(agents=("billing",)))
    llm = FakeLlm([Uses("switch_agent", '{"agent": "billing"}')])
    async with on_the_line(Line(llm=llm, toolbox=toolbox, agents={"billing": other})) as line:
        other.tts = line.tts
        await line.answer()
        await line.says("about my bill please")
        await line.answer()
        assert line.ear == ["Billing", "here"]


async def test_who_hears_otherwise_has_an_ear_of_its_own(autojump_clock: MockClock) -> None:
    other = billing()
    other.stt.name = "other ear"
    toolbox = Toolbox(("switch_agent",), Gifts(agents=("billing",)))
    llm = FakeLlm([Uses("switch_agent", '{"agent": "billing"}', "I hand you over")])
    async with on_the_line(Line(llm=llm, toolbox=toolbox, agents={"billing": other})) as line:
        other.tts = line.tts
        await line.answer()
        await line.says("about my bill please")
        await line.answer()
        await line.answer()
        assert (line.stt.open, other.stt.open) == (0, 1)
        begin = trio.current_time()
        other.stt.spoken += [(begin + 0.3, "paid")]
        await line.makes_noise(0.3)
        await line.answer()
        assert line.ear[-4:] == ["Your", "bill", "is", "paid"]
    assert other.stt.open == 0


async def test_a_transfer_that_was_announced_is_told_of_as_done(autojump_clock: MockClock) -> None:
    llm = FakeLlm([Uses("transfer", '{"to": "sales"}')])
    async with on_the_line(Line(llm=llm, toolbox=desk())) as line:
        await line.answer()
        await line.says("sales department please")
        await line.over.wait()
        assert line.phrases == [GREETING, PUTTING_THROUGH]
        items = line.call._conversation.history.items
    (told,) = [item for item in items if isinstance(item, Round)]
    assert [each.result for each in told.used] == [DONE]


# --- a caller who speaks another language -------------------------------------------------------


def french() -> Line:
    manners = Manners("Tu es Sésame.", idle_prompt_s=0, languages={"en": "default"})
    return Line(llm=FakeLlm(["Bonjour Madame", "Au revoir"]), manners=manners)


async def test_who_speaks_another_language_is_answered_by_the_agent_that_does(
    autojump_clock: MockClock,
) -> None:
    other = french()
    manners = Manners("You are a test.", idle_prompt_s=0, languages={"fr": "french"})
    line = Line(llm=FakeLlm(["In English"]), manners=manners, agents={"french": other})
    async with on_the_line(line):
        other.tts = line.tts
        await line.answer()
        line.stt.language = "fr"
        await line.says("bonjour une table pour deux")
        await line.answer()
        assert line.ear == ["Bonjour", "Madame"]
        assert (len(line.llm.asked), len(other.llm.asked)) == (0, 1)
        system, *told = other.llm.asked[0]
        assert [each.text for each in (system, *told)] == [  # type: ignore[union-attr]
            "Tu es Sésame.",
            GREETING,
            "bonjour une table pour deux",
        ]
    answered = line.record.turns[1]
    assert answered.utterance == "bonjour une table pour deux"
    assert "answer" in answered.times.stages_ms()


async def test_a_word_of_another_language_changes_nothing(autojump_clock: MockClock) -> None:
    manners = Manners("You are a test.", idle_prompt_s=0, languages={"fr": "french"})
    line = Line(llm=FakeLlm(["Of course"]), manners=manners, agents={"french": french()})
    async with on_the_line(line):
        await line.answer()
        line.stt.language = "fr"
        await line.says("merci beaucoup")
        await line.answer()
        assert line.ear == ["Of", "course"]


async def test_a_draft_in_the_wrong_language_is_thrown_away(autojump_clock: MockClock) -> None:
    other = french()
    rule = EndpointingRule(4.0, uses_score=False, eager=True)
    manners = Manners("A test.", idle_prompt_s=0, endpointing=rule, languages={"fr": "french"})
    line = Line(llm=FakeLlm(["In English"]), manners=manners, agents={"french": other})
    async with on_the_line(line):
        other.tts = line.tts
        await line.answer()
        line.stt.language = "fr"
        await line.says("bonjour une table pour deux")
        await line.answer()
        assert line.ear == ["Bonjour", "Madame"]
        assert len(line.llm.asked) == 1
