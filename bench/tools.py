"""What tools and intents do to an answer's time: the daemon's own share of it with none, with some
that are declared, and with some that are used; and answers for which no model is asked.
"""

from collections.abc import Mapping, Sequence
from statistics import median
from time import monotonic
from typing import Final

from attrs import field, frozen

from bench import tool_costs
from bench.findings import Answer, Findings
from bench.phone import Manner
from bench.rig import Rig, rig
from bench.table import Cell, Extent, Table, percentiles
from bench.toolkit import declared

RING_EVERY_S: Final = 0.4007
"""Not a multiple of a frame; some eight calls are live at any time."""

PATIENCE_S: Final = 20.0
SETTLE_S: Final = 1.0

AGENT: Final = """\
[agent.{name}]
language = "en"
prompt = "You answer the telephone."
greeting = "Hello."
stt = ["lab"]
llm = ["lab"]
tts = ["lab"]
"""
ROUTE: Final = '[[route]]\ncalled = "{called}"\nagent = "{name}"\n'
SAYS: Final = ("what", "are", "your", "hours")
INTENT: Final = """\
[[agent.{name}.intent]]
name = "hours"
phrases = ["what are your hours", "when are you open", "until when are you open today"]
say = "We are open from noon to eleven, every day but Monday."
[[agent.{name}.intent]]
name = "address"
phrases = ["where are you", "what is your address", "how do I get there"]
say = "We are at twelve Garden Street, right behind the old market."
"""


@frozen
class Case:
    """A kind of call: how many tools its agent has, and how many are used before the answer that
    is heard, by answer of the model."""

    label: str
    tools: int = 0
    has_used: tuple[int, ...] = ()
    more: str = ""
    says: tuple[str, ...] = ()


CASES: Final = (
    Case("none"),
    Case("1 declared", 1),
    Case("1, used", 1, (1,)),
    Case("3 declared", 3),
    Case("3, one used", 3, (1,)),
    Case("3, all used at once", 3, (3,)),
    Case("3, used one after the other", 3, (1, 1, 1)),
)
BY_HEART: Final = Case("by heart", more=INTENT, says=SAYS)


@frozen
class Plan:
    """How many calls of each kind, and how soon after one another all of them ring."""

    calls: int = 50
    ring_every_s: float = RING_EVERY_S
    costs: tool_costs.Plan = field(factory=tool_costs.Plan)


PLANS: Final = {
    Extent.FULL: Plan(),
    Extent.QUICK: Plan(10, costs=tool_costs.Plan(100)),
    Extent.TRIAL: Plan(1, 0.1, tool_costs.Plan(3)),
}


def measure(extent: Extent) -> list[Table]:
    """The answers with tools, those by heart, and what a tool costs by itself."""
    plan = PLANS[extent]
    findings = _hold(plan)
    return [
        _answers(plan.calls, findings),
        _by_heart(plan.calls, findings[BY_HEART.label]),
        tool_costs.table(plan.costs, extent),
    ]


# --- calls ----------------------------------------------------------------------------------------


def _hold(plan: Plan) -> Mapping[str, Findings]:
    """So many calls of each kind, all kinds in turn, so that the machine's other work is shared
    fairly; what was found, by kind."""
    cases = (*CASES, BY_HEART)
    findings = {case.label: Findings() for case in cases}
    with rig(agents=_agents(cases)) as running:
        now = monotonic()
        for number in range(plan.calls * len(cases)):
            at = number % len(cases)
            case, called = cases[at], _called(at)
            manner = Manner(interrupts_after_s=None, leaves_after_s=0.2, called=called,
                            says=case.says, has_used=case.has_used)  # fmt: skip
            running.ring(manner, now + number * plan.ring_every_s, findings[case.label])
        _finish(running, now + plan.calls * len(cases) * plan.ring_every_s + PATIENCE_S)
    return findings


def _finish(running: Rig, until: float) -> None:
    running.reactor.run_until(until, lambda: not running.live)
    running.run(SETTLE_S)


def _called(at: int) -> str:
    return f"+331000{at:05d}"


def _agents(cases: Sequence[Case]) -> str:
    """An agent for each, and the number it answers."""
    parts = []
    for at, case in enumerate(cases):
        name = f"bench{at}"
        parts += [AGENT.format(name=name), declared(name, case.tools), case.more.format(name=name)]
        parts.append(ROUTE.format(name=name, called=_called(at)))
    return "".join(parts)


# --- tables ---------------------------------------------------------------------------------------


def _answers(calls: int, findings: Mapping[str, Findings]) -> Table:
    columns = ("tools", "answers", "request, bytes p50", "own share p50, ms", "p95",
               "more than without, p50", "a tool asked for to model asked again p50, ms", "p95",
               "whole answer p50, ms", "p95")  # fmt: skip
    without = _own_ms(findings[CASES[0].label].answers)
    rows = tuple(_row(case, calls, findings[case.label].answers, without) for case in CASES)
    notes = (
        "As voiced's own share above, a caller's first answer in each call; some eight calls are"
        " live at any time, and the kinds take turns. The model takes 200 ms for its first token,"
        " also for one that asks for tools; a tool's server answers at once. What they take is no"
        " share of voiced's, but the requests to the server and the connections for them are. A"
        " stand-in does not mind a longer prompt; a model does.",
    )
    return Table("What tools add to an answer", columns, rows, notes)


def _own_ms(answers: Sequence[Answer]) -> list[float]:
    return [sum(own.values()) for answer in answers if (own := answer.own_ms())]


def _row(
    case: Case, calls: int, answers: Sequence[Answer], without: Sequence[float]
) -> tuple[Cell, ...]:
    right = [each for each in answers if each.own_ms() and len(each.rounds) == len(case.has_used)]
    own = _own_ms(right)
    more: Cell = median(own) - median(without) if own and without else "-"
    return (
        case.label,
        f"{len(right)} of {calls}",
        round(median(each.request_bytes for each in right)) if right else "-",
        *percentiles(own, 50, 95),
        more,
        *percentiles([ms for each in right for ms in each.tools_ms()], 50, 95),
        *percentiles([each.answer_ms() for each in right], 50, 95),
    )


def _by_heart(calls: int, found: Findings) -> Table:
    routed = [(ms, each) for each in found.answers if (ms := each.by_heart_ms()) is not None]
    columns = ("answers by heart", "end of turn to first frame p50, ms", "p95", "max",
               "whole answer p50, ms", "p95")  # fmt: skip
    row = (
        f"{len(routed)} of {calls}",
        *percentiles([ms for ms, _ in routed], 50, 95, 100),
        *percentiles([each.answer_ms() for _, each in routed], 50, 95),
    )
    notes = (
        f"Of the same calls those who ask “{' '.join(SAYS)}”, which is a phrase of an intent with"
        " `say`. From the moment that the STT tells the end of the turn: the flush of its last"
        " words, the routing, and the phrase by heart. The whole answer begins at the caller's last"
        " sound, and is mostly the STT's silence of four steps.",
    )
    return Table("An answer without a model", columns, (row,), notes)
