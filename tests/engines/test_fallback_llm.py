"""Several models as one, in virtual time."""

from collections.abc import Sequence

import pytest
import trio
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st
from stories import FakeLlm, Late, Uses
from trio.testing import MockClock

from voiced.dialog.history import Message, Role, Told
from voiced.dialog.tools import Round, Tool, ToolCall, Used
from voiced.engines.breaker import Breakers, BreakerState
from voiced.engines.fallback import Failover
from voiced.engines.fallback_llm import GO_ON, FallbackLlm, FallbackLlmTiming
from voiced.engines.roles import AsJson, Completion, Form, InWords, Llm
from voiced.errors import EngineAtCapacity, EngineBroken, EngineError, EngineRefused, EngineTimeout

ASKED = (Message(Role.SYSTEM, "You are a test."), Message(Role.CALLER, "When do you open?"))
TOOLS = (Tool("hang_up", "Ends the call."),)
NOTES = AsJson("notes", {"type": "object", "properties": {"day": {"type": "string"}}})


def broken(kind: type[EngineError] = EngineBroken) -> EngineError:
    return kind("local", "llm", "it failed", retryable=True)


@define
class House:
    """Models, and what is told of them; `models[0]` is the preferred one."""

    models: Sequence[Llm]
    breakers: Breakers = field(factory=Breakers)
    told: list[Failover] = field(factory=list)
    timing: FallbackLlmTiming = field(factory=FallbackLlmTiming)

    @property
    def llm(self) -> FallbackLlm:
        return FallbackLlm(self.models, self.breakers, self.timing, self.told.append)

    async def ask(
        self,
        pieces: list[str] | None = None,
        form: Form | None = None,
        asked: Sequence[Told] = ASKED,
    ) -> tuple[str, Completion]:
        """What is sent, and how it ended; `pieces` has it also when it ends badly."""
        pieces = [] if pieces is None else pieces
        out, text = trio.open_memory_channel[str](8)
        completion: Completion | None = None
        failure: EngineError | None = None

        async def think() -> None:
            nonlocal completion, failure
            with out:
                try:
                    completion = await self.llm.complete(asked, out, TOOLS, form)
                except EngineError as error:
                    failure = error

        with text:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(think)
                async for piece in text:
                    pieces.append(piece)
        if failure:
            raise failure
        assert completion
        return "".join(pieces), completion

    def state(self, name: str) -> BreakerState:
        return self.breakers.of("llm", name).state(trio.current_time())

    def verify(self) -> None:
        assert [each.open for each in self.models] == [0] * len(self.models)


def house(*answers: list, **options) -> House:
    names = ["local", "cloud", "last"]
    models = [FakeLlm(list(each), name) for name, each in zip(names, answers, strict=False)]
    return House(models, **options)


async def test_the_preferred_model_answers_alone(autojump_clock: MockClock) -> None:
    home = house([Uses("hang_up", says="Good bye")], [])
    text, completion = await home.ask()
    assert text == "Good bye "
    assert [call.name for call in completion.tool_calls] == ["hang_up"]
    assert home.models[0].asked == [ASKED]
    assert home.models[0].offered == [("hang_up",)]
    assert home.models[1].asked == []
    assert home.told == []


async def test_a_model_late_for_its_first_text_is_given_up_for_the_spare(
    autojump_clock: MockClock,
) -> None:
    home = house([Late(4.1, "too late")], [])
    text, _ = await home.ask()
    assert text == "Yes indeed sir "
    assert trio.current_time() == pytest.approx(4.0 + 0.2 + 3 / 60)
    assert home.told == [
        Failover("llm", "local", "timeout", "cloud", "llm local: it sent no text within 4 s")
    ]
    assert home.models[1].asked == [ASKED], "nothing was said: it is asked the same"
    home.verify()


async def test_a_model_just_in_time_is_not_given_up(autojump_clock: MockClock) -> None:
    home = house([Late(3.9, "just in time")], [])
    assert (await home.ask())[0] == "just in time "
    assert home.told == []


async def test_blank_text_is_no_text(autojump_clock: MockClock) -> None:
    @define
    class Blank(FakeLlm):
        async def complete(self, messages, text, tools=(), form=None):
            await text.send("\n")
            await trio.sleep_forever()

    home = House([Blank(name="local"), FakeLlm(name="cloud")])
    assert (await home.ask())[0].split() == ["Yes", "indeed", "sir"]
    assert home.models[1].asked == [ASKED]


async def test_the_only_model_may_take_its_time(autojump_clock: MockClock) -> None:
    home = house([Late(7.0, "at last")])
    assert (await home.ask())[0] == "at last "


async def test_a_late_model_is_not_given_up_for_one_behind_an_open_breaker(
    autojump_clock: MockClock,
) -> None:
    home = house([Late(7.0, "at last")], [])
    home.breakers.of("llm", "cloud").failed(6.0, retryable=False)
    assert (await home.ask())[0] == "at last "


@pytest.mark.parametrize("kind", [EngineBroken, EngineRefused, EngineTimeout, EngineAtCapacity])
async def test_a_model_that_fails_before_any_text_is_replaced_at_once(
    autojump_clock: MockClock, kind: type[EngineError]
) -> None:
    home = house([broken(kind)], [])
    assert (await home.ask())[0] == "Yes indeed sir "
    assert trio.current_time() == pytest.approx(0.2 + 0.2 + 3 / 60)
    assert [(each.reason, each.spare) for each in home.told] == [(kind.reason, "cloud")]


async def test_a_spare_that_is_down_too_leaves_the_last_error(autojump_clock: MockClock) -> None:
    last = EngineRefused("cloud", "llm", "no")
    home = house([broken()], [last])
    with pytest.raises(EngineRefused) as caught:
        await home.ask()
    assert caught.value is last
    assert [each.spare for each in home.told] == ["cloud", None]
    home.verify()


async def test_what_was_said_before_a_break_stays_and_the_spare_goes_on(
    autojump_clock: MockClock,
) -> None:
    home = house([("We open at", broken())], ["at nine in the morning"])
    text, completion = await home.ask()
    assert text == "We open at nine in the morning "
    assert home.models[1].asked == [
        (*ASKED, Message(Role.AGENT, "We open at "), Message(Role.CALLER, GO_ON))
    ]
    assert completion.finish_reason == "stop"


async def test_the_last_words_of_a_spare_are_not_held_back(autojump_clock: MockClock) -> None:
    home = house([("We open at", broken())], ["nine"])
    assert (await home.ask())[0].split() == ["We", "open", "at", "nine"]


async def test_the_tools_of_a_broken_answer_are_dropped(autojump_clock: MockClock) -> None:
    home = house([("Good", broken())], [Uses("transfer", says="bye")])
    _, completion = await home.ask()
    assert [call.name for call in completion.tool_calls] == ["transfer"]
    assert home.models[1].offered == [("hang_up",)]


async def test_a_spare_that_breaks_too_is_continued_by_the_next(autojump_clock: MockClock) -> None:
    home = house([("We open", broken())], [("open at", broken())], ["We open at nine"])
    assert (await home.ask())[0].split() == ["We", "open", "at", "nine"]
    assert home.models[2].asked[0][-2].text.split() == ["We", "open", "at"]


async def test_a_repetition_that_breaks_off_is_not_sent(autojump_clock: MockClock) -> None:
    home = house([("We open", broken())], [("We", broken())], ["We open at nine"])
    assert (await home.ask())[0].split() == ["We", "open", "at", "nine"]
    assert home.models[2].asked[0][-2].text == "We open "


@pytest.mark.parametrize("first_s", [3.999, 4.0, 4.001])
async def test_text_in_the_last_moment_is_sent_once_or_not_at_all(
    autojump_clock: MockClock, first_s: float
) -> None:
    home = house([Late(first_s, "At nine")], ["At nine"])
    assert (await home.ask())[0].split() == ["At", "nine"]
    home.verify()


async def test_a_break_with_no_spare_left_keeps_what_was_said(autojump_clock: MockClock) -> None:
    home = house([("We open at", broken())])
    pieces: list[str] = []
    with pytest.raises(EngineBroken):
        await home.ask(pieces)
    assert "".join(pieces) == "We open at "


@pytest.mark.parametrize("after_s", [0.1, 0.21, 4.1, 4.3])
async def test_a_barge_in_leaves_nothing_open(autojump_clock: MockClock, after_s: float) -> None:
    """Before the first text, amid it, while the spare thinks, and while it speaks."""
    first = ["one two three"] if after_s < 4 else [Late(9.0, "never")]
    home = house(first, ["one " * 100])
    home.breakers.of("llm", "local").failed(-5.0, retryable=False)
    with trio.move_on_after(after_s):
        await home.ask()
    home.verify()
    if after_s < 4:
        assert home.breakers.of("llm", "local").allows(trio.current_time())


async def test_nothing_is_sent_after_a_barge_in(autojump_clock: MockClock) -> None:
    home, pieces = house([("word " * 100, broken())], ["word " * 100]), []
    with trio.move_on_after(1.0):
        await home.ask(pieces)
    count = len(pieces)
    await trio.sleep(10)
    assert len(pieces) == count


async def test_a_model_that_says_no_more_is_given_up_for_the_spare(
    autojump_clock: MockClock,
) -> None:
    @define
    class Stuck(FakeLlm):
        async def complete(self, messages, text, tools=(), form=None):
            await text.send("We open at ")
            await trio.sleep_forever()

    home = House([Stuck(name="local"), FakeLlm(["nine"], "cloud")])
    assert (await home.ask())[0].split() == ["We", "open", "at", "nine"]
    assert "no more text within 2.5 s" in home.told[0].message


async def test_a_reader_that_is_slow_does_not_make_a_model_late(
    autojump_clock: MockClock,
) -> None:
    home = house(["one two three"], [])
    out, text = trio.open_memory_channel[str](0)
    words = []
    with out, text:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(home.llm.complete, ASKED, out)
            for _ in range(3):
                await trio.sleep(20)
                words.append(await text.receive())
    assert "".join(words).split() == ["one", "two", "three"]
    assert home.told == []


async def test_three_answers_late_in_a_row_and_the_model_is_spared_for_a_while(
    autojump_clock: MockClock,
) -> None:
    home = house([Late(9.0, "never")] * 9, [])
    for _ in range(3):
        await home.ask()
    assert home.state("local") is BreakerState.OPEN
    began = trio.current_time()
    await home.ask()
    assert trio.current_time() - began < 1
    assert len(home.models[0].asked) == 3


async def test_a_flapping_model_is_asked_by_one_call_at_a_time(autojump_clock: MockClock) -> None:
    home = house([broken()] * 3 + [Late(1.0, "back again")], [])
    for _ in range(3):
        await home.ask()
    await trio.sleep(5)
    answers = []

    async def call() -> None:
        answers.append((await home.ask())[0])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(call)
        nursery.start_soon(call)
    assert sorted(answers) == ["Yes indeed sir ", "back again "]
    assert home.state("local") is BreakerState.CLOSED


async def test_with_all_breakers_open_the_preferred_model_is_asked(
    autojump_clock: MockClock,
) -> None:
    home = house(["here I am"], [])
    for name in ("local", "cloud"):
        home.breakers.of("llm", name).failed(0, retryable=False)
    assert (await home.ask())[0] == "here I am "
    assert home.state("local") is BreakerState.CLOSED


async def test_warming_is_for_the_preferred_model(autojump_clock: MockClock) -> None:
    home = house([], [])
    home.models[0].last_used = 7.0
    assert (home.llm.name, home.llm.last_used) == ("local", 7.0)
    await home.llm.warm()


SENTENCE = "we open at nine in the morning and close late each day but sunday"
WORDS = SENTENCE.split()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, len(WORDS)), max_size=2), st.sampled_from(["on", "anew"]))
def test_wherever_models_break_no_word_is_lost_or_said_twice(cuts: list[int], begins: str) -> None:
    @define
    class Reader(FakeLlm):
        """Knows the text; goes on from what was said, or begins anew, and breaks at `cut`."""

        cut: int = len(WORDS)

        async def complete(self, messages, text, tools=(), form=None):
            said = messages[-2].text.split() if messages[-1].text == GO_ON else []
            for word in WORDS[len(said) if begins == "on" else 0 : self.cut]:
                await text.send(word + " ")
            if self.cut < len(WORDS):
                raise broken()
            return Completion("stop")

    models = [Reader(name=f"m{n}", cut=cut) for n, cut in enumerate(sorted(cuts))]
    home = House([*models, Reader(name="last")])
    text, _ = trio.run(home.ask, clock=MockClock(autojump_threshold=0))
    assert text.split() == WORDS


async def test_a_bug_in_a_model_is_not_taken_for_its_failure(autojump_clock: MockClock) -> None:
    home = house([ValueError("a bug")], [])
    with pytest.RaisesGroup(ValueError, flatten_subgroups=True):
        await home.ask()
    assert home.told == []


async def test_the_form_is_passed_on_to_whoever_answers(autojump_clock: MockClock) -> None:
    home = house([("We open at", broken())], ["at nine"])
    assert (await home.ask(form=InWords()))[0].split() == ["We", "open", "at", "nine"]
    assert [each.forms for each in home.models] == [[InWords()], [InWords()]]
    await home.ask()
    assert home.models[0].forms[-1] is None


async def test_a_spare_goes_on_behind_a_round(autojump_clock: MockClock) -> None:
    made = Round((Used(ToolCall("", "hang_up", "{}"), "not yet"),))
    home = house([("We open at", broken())], ["nine"])
    await home.ask(asked=(*ASKED, made))
    assert home.models[1].asked == [
        (*ASKED, made, Message(Role.AGENT, "We open at "), Message(Role.CALLER, GO_ON))
    ]


async def test_json_comes_whole_and_at_once(autojump_clock: MockClock) -> None:
    home, pieces = house(['{"day": "monday"}'], []), []
    assert (await home.ask(pieces, NOTES))[0] == '{"day": "monday"} '
    assert len(pieces) == 1


async def test_json_that_breaks_off_is_begun_anew(autojump_clock: MockClock) -> None:
    home, pieces = house([('{"day": "mon', broken())], ['{"day": "monday"}']), []
    text, completion = await home.ask(pieces, NOTES)
    assert text == '{"day": "monday"} '
    assert len(pieces) == 1
    assert completion.finish_reason == "stop"
    assert home.models[1].asked == [ASKED]
    assert home.models[1].forms == [NOTES]
    assert [each.spare for each in home.told] == ["cloud"]


async def test_json_with_no_spare_left_is_not_sent_in_part(autojump_clock: MockClock) -> None:
    home, pieces = house([('{"day": "mon', broken())]), []
    with pytest.raises(EngineBroken):
        await home.ask(pieces, NOTES)
    assert pieces == []


async def test_tools_asked_for_instead_of_json_come_with_the_completion(
    autojump_clock: MockClock,
) -> None:
    pieces = []
    _, completion = await house([Uses("hang_up")], []).ask(pieces, NOTES)
    assert [call.name for call in completion.tool_calls] == ["hang_up"]
    assert pieces == []


async def test_nobody_waits_for_json_so_no_model_is_given_up(autojump_clock: MockClock) -> None:
    @define
    class Slow(FakeLlm):
        async def complete(self, messages, text, tools=(), form=None):
            for piece in ('{"day": ', "1}"):
                await trio.sleep(9)
                await text.send(piece)
            return Completion("stop")

    home = House([Slow(name="local"), FakeLlm(name="cloud")])
    assert (await home.ask(form=NOTES))[0] == '{"day": 1}'
    assert home.told == []
