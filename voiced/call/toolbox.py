"""The tools that an agent's model has in a call, and what it means when it asks for some.

An answer may ask for several. What can be done at once is a job. What cannot be undone is a wish,
for the conversation to carry out when the caller has heard the reply that announces it. What
there is not, or not so, is refused: that too is an answer to the model, which may mend it.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from attrs import define, field, frozen

from voiced.call.builtin import BUILT_IN, Gifts, Keypad, Recital, Tones
from voiced.dialog.parting import Parting
from voiced.dialog.tools import Tool, ToolCall
from voiced.dialog.wish import Commit, Deed, Switch, Wish
from voiced.schema import Validator
from voiced.tools.arguments import parse_arguments
from voiced.tools.model import Outcome

MAX_CALLS: Final = 8
"""More than that in one answer are refused."""

Use = Callable[[Mapping[str, object], Mapping[str, str], str], Awaitable[Outcome]]
"""Uses a tool: with arguments that fit it, the call's variables, and a key that is the same for
what must be done once only."""


@frozen
class Request:
    """A tool of the operator's own. `use` does it, and raises nothing.

    `say` is said while it is waited for, and `progress` again and again. `commits`: only after
    the caller has heard it announced. `detached`: it goes on when the caller interrupts.
    """

    tool: Tool
    use: Use
    say: str = ""
    progress: str = ""
    commits: bool = False
    detached: bool = False


@frozen
class Refused:
    """Nothing is done; the model is told why."""

    why: str


@frozen
class Fetch:
    """Make this request."""

    request: Request
    arguments: Mapping[str, object]

    @property
    def goes_on(self) -> bool:
        """It does not end with the reply: it cannot be undone, or nobody wants it stopped."""
        return self.request.commits or self.request.detached


@frozen
class Job:
    """What a call of the model means, to be done at once."""

    call: ToolCall
    work: Recital | Tones | Keypad | Refused | Fetch

    @property
    def request(self) -> Request | None:
        """The operator's own tool, where it is one."""
        return self.work.request if isinstance(self.work, Fetch) else None


@frozen
class Asked:
    """What one answer asks for."""

    jobs: tuple[Job, ...] = ()
    wish: Wish | None = None


@frozen
class Toolbox:
    """The tools that an agent may use: the built-in ones by `names`, and its own."""

    names: tuple[str, ...] = ()
    gifts: Gifts = field(factory=Gifts)
    requests: Mapping[str, Request] = field(factory=dict)

    @property
    def tools(self) -> tuple[Tool, ...]:
        """What the model is told of them."""
        declared = (BUILT_IN[name].declare(self.gifts) for name in self.names)
        own = (request.tool for request in self.requests.values())
        return (*(tool for tool in declared if tool), *own)

    def read(self, calls: Sequence[ToolCall], wished: Wish | None = None) -> Asked:
        """What these calls of one answer mean. `wished`: what the reply is to be followed by
        already; there can be only one."""
        known = {tool.name: tool for tool in self.tools}
        reading = _Reading(wished)
        for index, call in enumerate(calls):
            work = self._work(call, known) if index < MAX_CALLS else Refused("too many at once")
            if isinstance(work, Parting | Switch):
                reading.want(work, call)
            elif isinstance(work, Fetch) and work.request.commits:
                reading.want(Commit(), call)
            else:
                reading.jobs.append(Job(call, work))
        return Asked(tuple(reading.jobs), reading.wish)

    def committed(self, calls: Sequence[ToolCall]) -> tuple[Job, ...]:
        """The jobs behind calls that were wanted, and have been announced."""
        known = {tool.name: tool for tool in self.tools}
        works = ((call, self._work(call, known)) for call in calls)
        return tuple(Job(call, work) for call, work in works if isinstance(work, Fetch | Refused))

    def announcements(self, calls: Sequence[ToolCall]) -> tuple[str, ...]:
        """What announces them where the model does not, each text once."""
        requests = (self.requests.get(call.name) for call in calls)
        return tuple(dict.fromkeys(each.say for each in requests if each and each.say))

    def _work(
        self, call: ToolCall, known: Mapping[str, Tool]
    ) -> Recital | Tones | Keypad | Refused | Fetch | Parting | Switch:
        tool = known.get(call.name)
        if tool is None:
            there = ", ".join(known) or "none"
            return Refused(f"there is no tool of this name; there are: {there}")
        arguments = parse_arguments(call.arguments)
        if arguments is None:
            return Refused("the arguments are not a JSON object")
        if faults := _validator(json.dumps(tool.parameters)).faults(arguments):
            return Refused("; ".join(faults))
        if request := self.requests.get(call.name):
            return Fetch(request, arguments)
        return BUILT_IN[call.name].read(arguments, self.gifts)


@lru_cache(maxsize=1024)
def _validator(schema: str) -> Validator:
    """Made once for each schema: that takes longer than many an answer may."""
    return Validator(json.loads(schema))


@define
class _Reading:
    """The first wish is the one that counts; tools of one answer are wanted together."""

    wish: Wish | None
    jobs: list[Job] = field(factory=list)

    def want(self, deed: Deed, call: ToolCall) -> None:
        wish = self.wish
        if wish is None:
            self.wish = Wish(deed, (call,))
        elif isinstance(deed, Commit) and isinstance(wish.deed, Commit):
            self.wish = Wish(deed, (*wish.calls, call), wish.others)
        elif isinstance(deed, Commit):  # the call goes on, so it comes before any end
            self.wish = Wish(deed, (call,), (*wish.calls, *wish.others))
        else:
            self.wish = Wish(wish.deed, wish.calls, (*wish.others, call))
