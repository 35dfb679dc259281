"""Whole calls in virtual time: whatever a model asks for and whatever a caller does meanwhile.

Each example is a call of its own. The model's answers ask for tools of every kind, rightly and
wrongly; the caller waits, speaks over the agent, presses keys and hangs up when they like; the
operator meddles.
"""

import json
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import trio
from attrs import define, evolve, field
from hypothesis import given, settings
from hypothesis import strategies as st
from stories import CALL_SID, CHECKING, FakeLlm, FakeTool, Late, Line, Uses, on_the_line
from trio.testing import MockClock

from voiced.call.builtin import Gifts
from voiced.call.toolbox import Request, Toolbox
from voiced.dialog.digits import DigitRule
from voiced.dialog.endpointing import EndpointingRule
from voiced.dialog.events import InterruptRequested, SayRequested
from voiced.dialog.history import Message, Role, Told
from voiced.dialog.manners import Manners
from voiced.dialog.tools import Round, Tool, ToolCall
from voiced.dialog.turn import Ending
from voiced.dialog.turns import Phase
from voiced.engines.llm import on_wire
from voiced.engines.roles import Completion, Form
from voiced.errors import EngineBroken
from voiced.records.model import Happened
from voiced.tools.model import Status
from voiced.wire.anthropic import conversation
from voiced.wire.openai import chat_messages

EXAMPLES = 60
LONGEST_SILENCE_S = 14.0
"""A model that takes 3 s, behind the 6 s from one word about a tool to the next, and a doubt."""

WHICH = {"type": "object", "properties": {"n": {"type": "integer"}}, "additionalProperties": False}
ANNOUNCED = "I do that now"
OWN = ("quick", "slow", "silent", "failing", "detached")
COMMITS = ("book", "pay")
BUILT_IN = {
    "hang_up": "{}",
    "transfer": '{"to": "sales"}',
    "switch_agent": '{"agent": "other"}',
    "say_verbatim": '{"text": "terms"}',
    "send_digits": '{"keys": "12#"}',
    "collect_digits": '{"most": 3}',
}
WRONG = (("order_pizza", "{}"), ("quick", "{n:"), ("book", '{"n": "x"}'), ("transfer", "{}"))
BROKEN = EngineBroken("mind", "llm", "cut in mid-stream")
REPLYING = (Phase.THINKING, Phase.SPEAKING)


@define
class Mind(FakeLlm):
    """Numbers its calls, and keeps what it said beside each that could hope for an answer."""

    beside: list[str] = field(factory=list)

    async def complete(
        self,
        messages: Sequence[Told],
        text: trio.MemorySendChannel[str],
        tools: Sequence[Tool] = (),
        form: Form | None = None,
    ) -> Completion:
        answer = self.answers[0] if self.answers else ""
        answer = answer.then if isinstance(answer, Late) else answer
        completion = await super().complete(messages, text, tools, form)
        if form or not tools or not isinstance(answer, Uses):
            return completion
        calls = [self._numbered(call, answer.says) for call in completion.tool_calls]
        return evolve(completion, tool_calls=tuple(calls))

    def _numbered(self, call: ToolCall, says: str) -> ToolCall:
        self.beside.append(says)
        if call.name not in (*OWN, *COMMITS) or call.arguments != "{}":
            return call
        return evolve(call, arguments=json.dumps({"n": len(self.beside) - 1}))


def desk() -> dict[str, FakeTool]:
    """The tools of an agent, each of another kind."""
    return {
        "quick": FakeTool(0.1),
        "slow": FakeTool(9.0),
        "silent": FakeTool(20.0),
        "failing": FakeTool(1.0, '{"error": "no answer"}', Status.TIMEOUT),
        "detached": FakeTool(6.0, "x" * 4000),
        "book": FakeTool(0.5),
        "pay": FakeTool(5.0),
    }


def box(tools: Mapping[str, FakeTool]) -> Toolbox:
    """The same, declared; and the built-in ones."""
    said = dict.fromkeys(COMMITS, ANNOUNCED) | {"slow": CHECKING}
    requests = {
        name: Request(
            Tool(name, "Does it.", WHICH),
            tool,
            said.get(name, ""),
            commits=name in COMMITS,
            detached=name == "detached",
        )
        for name, tool in tools.items()
    }
    gifts = Gifts({"sales": "+33123456789"}, verbatim={"terms": "All is free"}, agents=("other",))
    return Toolbox(tuple(BUILT_IN), gifts, requests)


# --- what models answer and callers do ----------------------------------------------------------

CALL = st.one_of(
    st.sampled_from(OWN).map(lambda name: (name, "{}")),
    st.sampled_from(COMMITS).map(lambda name: (name, "{}")),
    st.sampled_from(sorted(BUILT_IN.items())),
    st.sampled_from(WRONG),
)
FEW = st.lists(CALL, min_size=1, max_size=3)
MANY = st.lists(CALL, min_size=9, max_size=64)
WORDS = st.sampled_from(["", "Yes", "One moment please", " ".join(["word"] * 15)])
ASKING = st.builds(
    lambda calls, says: Uses(*calls[0], says, tuple(calls[1:])), st.one_of(FEW, FEW, MANY), WORDS
)
ANSWER = st.one_of(
    ASKING,
    ASKING,
    ASKING,
    WORDS,
    st.builds(Late, st.sampled_from([1.0, 3.0]), ASKING),
    st.sampled_from([BROKEN, ("I was about to", BROKEN)]),
)
DEED = st.tuples(
    st.sampled_from([0.0, 0.1, 0.3, 0.7, 1.5, 4.0, 12.0]),
    st.sampled_from(
        [
            *("a table please", "no", "yes", "no wait stop", "thank you", "listen", "listen"),
            *("noise", "keys 1", "keys 12#", "say", "interrupt"),
        ]
    ),
)
RULES = (EndpointingRule(), EndpointingRule(2.0, uses_score=False, eager=True))
MANNERS = st.builds(
    Manners,
    prompt=st.just("You are a test."),
    interruptible=st.booleans(),
    min_interruption_words=st.integers(1, 2),
    endpointing=st.sampled_from(RULES),
    idle_prompt_s=st.sampled_from([0.0, 3.0]),
    digits=st.just(DigitRule(timeout_s=1.0)),
)


async def do(line: Line, deed: str) -> None:
    """The caller's, or the operator's."""
    match deed.split():
        case ["noise"]:
            await line.makes_noise(2.0)
        case ["keys", keys]:
            line.presses(keys)
        case ["say"]:
            line.call.request(SayRequested("We close soon"))
        case ["interrupt"]:
            line.call.request(InterruptRequested())
        case ["listen"]:
            with trio.move_on_after(20.0):
                await line.answer()
        case _:
            await line.says(deed)


async def tell(line: Line, story: Sequence[tuple[float, str]]) -> None:
    """The whole call; how it ends is the caller's, or the model's."""
    async with on_the_line(line):
        await line.says("good morning")
        for gap, deed in story:
            await line.waits(gap)
            if line.over.is_set():
                return
            await do(line, deed)
        line.hangs_up()
        hung_up = trio.current_time()
        await line.until(line.over.is_set)
        assert line.over_at - hung_up < 0.1


async def watch(line: Line, silences: list[float]) -> None:
    """Measures for how long the agent, who has the floor, says nothing."""
    since = trio.current_time()
    while True:
        await trio.sleep(0.1)
        replying = hasattr(line, "call") and line.call._conversation.phase in REPLYING
        if not replying or line._quiet_ticks == 0:
            since = trio.current_time()
        silences.append(trio.current_time() - since)


# --- what holds whatever happens ----------------------------------------------------------------


def verify_told(asked: Sequence[Sequence[Told]]) -> None:
    """Every request to a model could be sent to any server."""
    for told in asked:
        uses = [used.call.id for each in told if isinstance(each, Round) for used in each.used]
        assert len(uses) == len(set(uses)), "two calls of one name"
        roles = [each.role if isinstance(each, Message) else None for each in told]
        pairs = list(pairwise(roles))
        assert not [a for a, b in pairs if a is b and a is not None], "one party twice in a row"
        assert not [a for a, b in pairs if a is Role.AGENT and b is None], "words apart from a call"
        verify_openai(told, uses)
        roles_sent = [each["role"] for each in conversation(on_wire(told)).messages]
        assert roles_sent == ["user", "assistant"] * (len(roles_sent) // 2) + ["user"]


def verify_openai(told: Sequence[Told], uses: Sequence[str]) -> None:
    owed: list[str] = []
    answered: list[str] = []
    for message in chat_messages(on_wire(told)):
        if message["role"] == "tool":
            assert message["tool_call_id"] == owed.pop(0)
            answered.append(message["tool_call_id"])
        else:
            assert owed == [], "a call without its result"
            owed = [call["id"] for call in message.get("tool_calls", ())]
    assert (owed, answered) == ([], list(uses))


def verify_results(line: Line, minds: Sequence[Mind], tools: Mapping[str, FakeTool]) -> None:
    """Every call of the model has one result, and every use was asked for."""
    items = line.call._conversation.history.items
    uses = [used for item in items if isinstance(item, Round) for used in item.used]
    known = {f"{CALL_SID}-{used.call.id}" for used in uses}
    assert len(known) == len(uses), "a call with two results"
    asked = sum(len(mind.beside) for mind in minds)
    drafts = line.record.eager_misses
    assert len(uses) == asked or (drafts and len(uses) < asked), "a call without a result"
    keys = [key for tool in tools.values() for key in tool.keys]
    assert len(keys) == len(set(keys)), "a call that was carried out twice"
    assert known.issuperset(keys), "what was done is not in the history"
    told = [each for each in line.journal.of(Happened) if each.kind == "tool"]
    refused = [each for each in told if each.detail["tool"] not in tools]
    assert len(told) - len(refused) >= len(keys), "what was done is not on record"
    assert all(tool.open == 0 for tool in tools.values()), "a tool has outlived the call"


def verify_announced(line: Line, minds: Sequence[Mind], tools: Mapping[str, FakeTool]) -> None:
    """What cannot be undone was announced, and that was heard to its end."""
    turns = {turn.number: turn for turn in line.record.turns}
    beside = minds[0].beside
    for name in COMMITS:
        uses = zip(tools[name].keys, tools[name].began, tools[name].used, strict=True)
        for key, began, arguments in uses:
            turn = turns[int(key.split("_")[1])]
            assert turn.ending is Ending.HEARD
            assert turn.heard.is_whole
            assert turn.times.reply_ended is not None
            assert turn.times.reply_ended <= began
            assert (beside[int(str(arguments["n"]))] or ANNOUNCED) in turn.heard.said


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    MANNERS,
    st.lists(ANSWER, max_size=8),
    st.lists(DEED, max_size=8),
    st.sampled_from([0.0, 0.2]),
    st.sampled_from([math.inf, 500.0]),
)
def test_whatever_happens_the_promises_about_tools_hold(
    manners: Manners,
    answers: list[str | Uses | Late],
    story: list[tuple[float, str]],
    network_s: float,
    history_tokens: float,
) -> None:
    tools = desk()
    beside: list[str] = []
    mind, other_mind = Mind(list(answers), beside=beside), Mind(list(answers[::2]), beside=beside)
    other = Line(llm=other_mind, toolbox=box(tools), filler_s=1.5)
    line = Line(
        llm=mind,
        toolbox=box(tools),
        manners=manners,
        filler_s=1.5,
        network_s=network_s,
        history_tokens=history_tokens,
        agents={"other": other},
    )
    other.tts, other.stt = line.tts, line.stt
    silences: list[float] = []

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch, line, silences)
            await tell(line, story)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))
    assert line.record.reason != "internal"
    assert max(silences, default=0.0) < LONGEST_SILENCE_S
    verify_told([*mind.asked, *other_mind.asked])
    verify_results(line, (mind,), tools)
    verify_announced(line, (mind,), tools)
