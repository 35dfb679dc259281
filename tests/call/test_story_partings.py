"""Whole calls in virtual time: the operator and the model put an end to them."""

import pytest
import trio
from stories import (
    APOLOGY,
    GOODBYE,
    GREETING,
    MESSAGE,
    PUTTING_THROUGH,
    FakeLlm,
    FakeTts,
    Line,
    Uses,
    on_the_line,
)
from trio.testing import MockClock

from voiced.call.builtin import Gifts
from voiced.call.toolbox import Toolbox
from voiced.dialog import events as ev
from voiced.dialog.history import INTERRUPTED
from voiced.dialog.manners import Manners
from voiced.dialog.parting import Parting, Phrase, Transfer
from voiced.dialog.tools import Round
from voiced.dialog.turn import Ending
from voiced.errors import EngineBroken

NUMBER = "+33123456789"
TO_SALES = Parting("transfer", (Phrase.TRANSFER,), Transfer(NUMBER))
TOOLBOX = Toolbox(("hang_up", "transfer"), Gifts({"sales": NUMBER}))
LONG = " ".join(f"word{n}" for n in range(30))


# --- the operator -------------------------------------------------------------------------------


async def test_an_operators_words_cut_the_reply_and_are_heard(autojump_clock: MockClock) -> None:
    async with on_the_line(Line(llm=FakeLlm([LONG, "Fine"]))) as line:
        await line.answer()
        await line.says("tell me everything")
        await line.agent_speaks()
        await line.waits(1.0)
        line.call.request(ev.SayRequested("Your taxi is here"))
        await line.answer()
        assert line.ear[-4:] == ["Your", "taxi", "is", "here"]
        assert len(line.socket.times("clear")) == 1
        await line.says("thank you very much")
        await line.answer()
        said = " ".join(line.ear[:-5]) + INTERRUPTED + " Your taxi is here"
        assert line.told[-2:] == [("assistant", said), ("user", "thank you very much")]
    endings = [turn.ending for turn in line.record.turns]
    assert endings == [Ending.HEARD, Ending.CUT, Ending.HEARD, Ending.HEARD]


async def test_an_operators_words_are_heard_though_the_caller_is_speaking(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line(Line(tts=FakeTts(first_audio_s=0.5))) as line:
        await line.answer()
        await line.says("I would like to")
        line.call.request(ev.SayRequested("Your taxi is here"))  # two words are still on their way
        await line.answer()
        assert line.ear[:4] == ["Your", "taxi", "is", "here"]
        await line.until(lambda: len(line.ear) == 7)
        assert line.ear[4:] == ["Yes", "indeed", "sir"]
        uttered = " ".join(text for role, text in line.told if role == "user")
        assert uttered == "I would like to"


async def test_an_operators_interrupt_makes_the_agent_listen(autojump_clock: MockClock) -> None:
    async with on_the_line(Line(llm=FakeLlm([LONG, "Of course"]))) as line:
        await line.answer()
        await line.says("tell me everything")
        await line.agent_speaks()
        await line.waits(1.0)
        line.call.request(ev.InterruptRequested())
        asked = trio.current_time()
        await line.agent_is_quiet()
        assert line.socket.times("clear") == [pytest.approx(asked)]
        assert (line.llm.open, line.tts.open) == (0, 0)
        heard = line.ear
        await line.waits(5.0)
        assert len(line.llm.asked) == 1
        await line.says("what was that")
        await line.answer()
        assert line.told[-2:] == [
            ("assistant", " ".join(heard) + INTERRUPTED),
            ("user", "what was that"),
        ]


async def test_an_operators_transfer_is_announced_and_heard_before_the_line_is_let_go(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line(Line(network_s=0.3)) as line:
        await line.answer()
        line.call.request(ev.CloseRequested(TO_SALES))
        await line.over.wait()
        assert line.phrases == [GREETING, PUTTING_THROUGH]
        assert line.over_at - line.heard_until >= 0.3  # the mark has come back
    assert line.record.reason == "transfer"
    assert line.call.parting == TO_SALES


async def test_the_first_wish_to_end_a_call_is_the_one_that_counts(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line() as line:
        await line.answer()
        line.call.request(ev.CloseRequested(TO_SALES))
        line.call.close("max-call")
        await line.over.wait()
        assert line.phrases == [GREETING, PUTTING_THROUGH]
    assert line.call.parting == TO_SALES


async def test_a_call_that_is_over_takes_no_wishes(autojump_clock: MockClock) -> None:
    async with on_the_line() as line:
        await line.agent_speaks()
    line.call.request(ev.SayRequested("Anybody there"))
    assert line.record.reason == "hangup"


# --- the model hangs up -------------------------------------------------------------------------


async def test_a_model_that_hangs_up_is_heard_to_its_end_first(autojump_clock: MockClock) -> None:
    llm = FakeLlm([Uses("hang_up", says="Goodbye dear friend")])
    async with on_the_line(Line(llm=llm, toolbox=TOOLBOX, network_s=0.4)) as line:
        await line.answer()
        await line.says("that is all thank you")
        await line.over.wait()
        assert line.ear == ["Goodbye", "dear", "friend"]
        assert line.phrases == [GREETING]  # it has said goodbye itself
        assert line.over_at - line.heard_until >= 0.4
    assert line.llm.offered == [("hang_up", "transfer")]
    assert line.record.reason == "agent"
    assert line.call.parting == Parting("agent")
    assert line.record.turns[-1].ending is Ending.HEARD


async def test_a_barge_in_into_the_models_goodbye_keeps_the_call(autojump_clock: MockClock) -> None:
    llm = FakeLlm([Uses("hang_up", says=f"Goodbye {LONG}"), "Of course"])
    async with on_the_line(Line(llm=llm, toolbox=TOOLBOX, tts=FakeTts(speed=0.01))) as line:
        await line.answer()
        await line.says("that is all thank you")
        await line.until(lambda: line.call._conversation.turns[-1].wish is not None)
        await line.agent_speaks()
        await line.says("no wait one more thing")
        await line.agent_is_quiet()
        await line.answer()
        assert line.ear[-2:] == ["Of", "course"]
        await line.waits(20)
        assert not line.over.is_set()
        assert line.call.parting is None
    assert line.record.reason == "hangup"


async def test_a_model_that_hangs_up_without_a_word_says_goodbye_by_heart(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line(Line(llm=FakeLlm([Uses("hang_up")]), toolbox=TOOLBOX)) as line:
        await line.answer()
        await line.says("that is all thank you")
        await line.over.wait()
        assert line.phrases == [GREETING, GOODBYE]
    assert line.record.reason == "agent"
    endings = [turn.ending for turn in line.record.turns[1:]]
    assert endings == [Ending.EMPTY, Ending.HEARD]


async def test_a_model_that_was_given_no_tools_cannot_hang_up(autojump_clock: MockClock) -> None:
    llm = FakeLlm([Uses("hang_up", says="Goodbye then"), "Of course"])
    async with on_the_line(Line(llm=llm)) as line:
        await line.answer()
        await line.says("that is all thank you")
        await line.answer()
        assert line.ear == ["Goodbye", "then", "Of", "course"]
        *_, told = llm.asked[-1]
        assert isinstance(told, Round)
        assert (told.text, "there is no tool" in told.used[0].result) == ("Goodbye then", True)
    assert line.llm.offered == [(), ()]
    assert line.record.reason == "hangup"


async def test_a_goodbye_that_breaks_does_not_hang_up_but_apologises(
    autojump_clock: MockClock,
) -> None:
    tts = FakeTts(fails=EngineBroken("voice", "tts", "it broke"), fails_after=1)
    llm = FakeLlm([Uses("hang_up", says="Goodbye dear friend")])
    async with on_the_line(Line(llm=llm, tts=tts, toolbox=TOOLBOX)) as line:
        await line.answer()
        await line.says("that is all thank you")
        await line.over.wait()
        assert line.phrases == [GREETING, APOLOGY, GOODBYE]
    assert line.record.reason == "tts-broken"


# --- the model transfers ------------------------------------------------------------------------


async def test_a_model_that_transfers_announces_it_itself(autojump_clock: MockClock) -> None:
    llm = FakeLlm([Uses("transfer", '{"to": "sales"}', "I put you through")])
    async with on_the_line(Line(llm=llm, toolbox=TOOLBOX)) as line:
        await line.answer()
        await line.says("sales department please")
        await line.over.wait()
        assert line.ear == ["I", "put", "you", "through"]
        assert line.phrases == [GREETING]
    assert line.call.parting == TO_SALES


async def test_a_transfer_without_a_word_is_announced_by_heart(autojump_clock: MockClock) -> None:
    llm = FakeLlm([Uses("transfer", '{"to": "sales"}')])
    async with on_the_line(Line(llm=llm, toolbox=TOOLBOX)) as line:
        await line.answer()
        await line.says("sales department please")
        await line.over.wait()
        assert line.phrases == [GREETING, PUTTING_THROUGH]
    assert line.call.parting == TO_SALES


@pytest.mark.parametrize("arguments", ["", "[]", "{}", '{"to": "nobody"}', '{"to": ["sales"]}'])
async def test_a_transfer_to_nowhere_is_not_made(autojump_clock: MockClock, arguments: str) -> None:
    llm = FakeLlm([Uses("transfer", arguments, "I put you through"), "Sorry to whom"])
    async with on_the_line(Line(llm=llm, toolbox=TOOLBOX)) as line:
        await line.answer()
        await line.says("sales department please")
        await line.answer()
        assert line.ear == ["I", "put", "you", "through", "Sorry", "to", "whom"]
        await line.waits(5)
        assert not line.over.is_set()


async def test_where_no_engine_is_left_the_caller_is_put_through(autojump_clock: MockClock) -> None:
    manners = Manners("You are a test.", idle_prompt_s=0, rescue=Transfer(NUMBER))
    llm = FakeLlm([EngineBroken("mind", "llm", "it broke")])
    async with on_the_line(Line(llm=llm, manners=manners)) as line:
        await line.answer()
        await line.says("when do you open")
        await line.over.wait()
        assert line.phrases == [GREETING, APOLOGY, PUTTING_THROUGH]
    assert line.call.parting is not None
    assert line.call.parting.transfer == Transfer(NUMBER)
    assert line.record.reason == "llm-broken"


# --- machines -----------------------------------------------------------------------------------


def answering(on_machine: Parting | None) -> Line:
    """A call to somebody's machine, which speaks: the agent listens."""
    manners = Manners("You are a test.", idle_prompt_s=0, on_machine=on_machine)
    return Line(manners=manners)


async def test_a_message_is_left_whole_behind_the_beep(autojump_clock: MockClock) -> None:
    parting = Parting("voicemail", (Phrase.VOICEMAIL,))
    async with on_the_line(answering(parting)) as line:
        await line.agent_speaks()
        line.call.request(ev.MachineDetected("machine_start"))
        await line.answer()
        assert line.phrases == [GREETING]  # it talks on until the beep
        line.call.request(ev.MachineDetected("machine_end_beep"))
        beep = trio.current_time()
        await line.over.wait()
        assert line.phrases == [GREETING, MESSAGE]
        sent = [at for at in line.socket.times("media") if at >= beep]
        assert len(sent) == len(MESSAGE.split()) * 15  # all of it, and nothing else
        assert sent[0] - beep < 0.05
    assert line.record.reason == "voicemail"


async def test_the_greeting_makes_way_for_the_message(autojump_clock: MockClock) -> None:
    parting = Parting("voicemail", (Phrase.VOICEMAIL,))
    async with on_the_line(answering(parting)) as line:
        await line.agent_speaks()
        line.call.request(ev.MachineDetected("machine_end_beep"))
        await line.says("please speak after the tone")
        await line.over.wait()
        assert line.phrases == [MESSAGE]
    assert len(line.socket.times("clear")) == 1


async def test_a_machine_that_is_not_to_be_talked_to_is_hung_up_on_at_once(
    autojump_clock: MockClock,
) -> None:
    async with on_the_line(answering(Parting("machine", ()))) as line:
        await line.agent_speaks()
        line.call.request(ev.MachineDetected("machine_start"))
        verdict = trio.current_time()
        await line.over.wait()
        assert line.over_at - verdict < 0.05
        assert line.phrases == []
    assert line.record.reason == "machine"


async def test_a_person_is_talked_to(autojump_clock: MockClock) -> None:
    async with on_the_line(answering(Parting("machine", ()))) as line:
        line.call.request(ev.MachineDetected("human"))
        await line.answer()
        await line.says("when do you open")
        await line.answer()
        assert line.ear == ["Yes", "indeed", "sir"]
