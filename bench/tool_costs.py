"""What a tool costs by itself: a request, the reading of what a model asks for, the schema."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, perf_counter, thread_time
from typing import Final

import trio
from attrs import frozen

from bench.reactor import Reactor
from bench.rig import cores
from bench.table import Cell, Extent, Table, cost_us, percentiles
from bench.toolkit import ARGUMENTS, TOOLS, ToolLink
from voiced.call.toolbox import Request, Toolbox
from voiced.dialog.tools import Tool, ToolCall
from voiced.ops.publicnet import direct_client
from voiced.schema import Validator
from voiced.tools.http_tool import use
from voiced.tools.model import HttpTool, Outcome, Status

WARM: Final = 5
TURN_S: Final = 0.2


@frozen
class Plan:
    """How often the tool is used."""

    uses: int = 500


def table(plan: Plan, extent: Extent) -> Table:
    """A row each; microseconds."""
    wall_us, cpu_us = _uses(plan.uses)
    columns = ("", "p50, us", "p95", "p99", "max")
    rows = (
        ("HttpTool used, asked to told", *percentiles(wall_us, 50, 95, 99, 100)),
        ("of it CPU", *percentiles(cpu_us, 50, 95, 99, 100)),
        *((name, us, "-", "-", "-") for name, us in _steps(extent.seconds)),
    )
    notes = (
        f"{plan.uses} uses, one after the other, on a connection each; the server is another thread"
        " on the other core, and answers at once. The rest is CPU time, the median of seven rounds,"
        " of tools with one or two parameters; a validator is made once for each schema.",
    )
    return Table("What a tool costs", columns, rows, notes)


# --- a request ------------------------------------------------------------------------------------


def _uses(times: int) -> tuple[list[float], list[float]]:
    """What each took, on the clock and of CPU; in microseconds."""
    mine = os.sched_getaffinity(0)
    try:
        with _server() as port:
            os.sched_setaffinity(0, {cores()[0]})
            return trio.run(_used, port, times)
    finally:
        os.sched_setaffinity(0, mine)


@contextmanager
def _server() -> Iterator[int]:
    """Answers in a thread on the far core; yields its port."""
    reactor, over = Reactor(), threading.Event()
    port = reactor.listen(ToolLink)

    def serve() -> None:
        os.sched_setaffinity(0, {cores()[1]})
        while not over.is_set():
            reactor.run_until(monotonic() + TURN_S)

    thread = threading.Thread(target=serve, name="tool server")
    thread.start()
    try:
        yield port
    finally:
        over.set()
        thread.join()
        reactor.close()


async def _used(port: int, times: int) -> tuple[list[float], list[float]]:
    wall_us: list[float] = []
    cpu_us: list[float] = []
    given = TOOLS[0]
    tool = HttpTool(_tool(0), "POST", f"http://127.0.0.1:{port}/{given.name}", {}, None, None, 10.0,
                    allow_private=True)  # fmt: skip
    async with direct_client() as client:
        for number in range(WARM + times):
            began, used_s = perf_counter(), thread_time()
            outcome = await use(tool, given.arguments, {}, f"bench-{number}", client)
            wall_us.append(1e6 * (perf_counter() - began))
            cpu_us.append(1e6 * (thread_time() - used_s))
            if outcome.status is not Status.OK:
                raise SystemExit(f"bench.tool_costs: {outcome.status}, {outcome.detail}")
    return wall_us[WARM:], cpu_us[WARM:]


# --- what is computed -----------------------------------------------------------------------------


def _steps(seconds: float) -> Iterator[tuple[str, Cell]]:
    tools = [_tool(at) for at in range(len(TOOLS))]
    box = Toolbox(requests={tool.name: Request(tool, _unused) for tool in tools})
    calls = [ToolCall(f"call_1_{at}", tool.name, ARGUMENTS[tool.name])
             for at, tool in enumerate(tools)]  # fmt: skip
    if not all(job.request for job in box.read(calls).jobs):
        raise SystemExit("bench.tool_costs: arguments are refused")
    schema, arguments = dict(TOOLS[0].parameters), dict(TOOLS[0].arguments)
    validator = Validator(schema)
    wrong = arguments | {"guests": "four"}
    yield "Toolbox.read, 1 call of 3 tools", cost_us(lambda: box.read(calls[:1]), seconds)
    yield "Toolbox.read, 3 calls", cost_us(lambda: box.read(calls), seconds)
    yield "Validator made", cost_us(lambda: Validator(schema), seconds)
    yield "Validator.faults, none", cost_us(lambda: validator.faults(arguments), seconds)
    yield "Validator.faults, one", cost_us(lambda: validator.faults(wrong), seconds)


def _tool(at: int) -> Tool:
    return Tool(TOOLS[at].name, TOOLS[at].description, TOOLS[at].parameters)


async def _unused(*_: object) -> Outcome:
    await trio.lowlevel.checkpoint()
    return Outcome("", Status.OK, "", 0.0)
