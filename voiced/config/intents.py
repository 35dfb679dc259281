"""What an agent does without asking the model: sentences that callers say, and one action each."""

from attrs import field, frozen

from voiced.config.declare import TEXT, WORD, key
from voiced.config.template import TEMPLATE

ACTIONS = ("say", "tool", "transfer", "agent", "hang_up")
"""The keys of an intent that do something; each intent has one."""


@frozen(kw_only=True)
class Intent:
    """What callers often want, and what is then done at once, without asking the model: exactly one
    of `say`, `tool`, `transfer`, `agent` and `hang_up`.
    """

    name: str = field(metadata=key("Its name, in the log and in records.", WORD))
    phrases: tuple[str, ...] = field(
        metadata=key("How callers say it; the more, the better it is known.", TEXT)
    )
    say: str = field(default="", metadata=key("What is answered.", TEMPLATE))
    tool: str = field(
        default="",
        metadata=key("The tool that is used: a `[[agent.*.tool]]` that needs no parameters."),
    )
    transfer: str = field(
        default="", metadata=key("Whom the call is put through to: a name in `transfers`.")
    )
    agent: str = field(default="", metadata=key("The agent that goes on with the call."))
    hang_up: bool = field(
        default=False, metadata=key("Whether the agent says goodbye and hangs up.")
    )
