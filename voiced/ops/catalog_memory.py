"""The catalog's events of what agents know of their callers."""

from typing import Final

from voiced.ops.catalog_kinds import Event, Priority

MEMORY: Final = (
    Event(
        "pre-call-nothing",
        "df81f71036ec46de9b4fb2307fe45fa2",
        Priority.WARNING,
        "the pre-call webhook told nothing",
        "The pre-call webhook of agent @AGENT@ told nothing: @ERROR@",
        "The agent's `pre_call` was asked who calls, and did not answer in time or not as it must."
        " The call goes on with the agent's own variables. docs/webhooks.md explains each ERROR.",
    ),
    Event(
        "pre-call-strangers",
        "8d9e9099769345c9902e408e5e1c07f1",
        Priority.INFO,
        "the pre-call webhook told what does not count",
        "The pre-call webhook of agent @AGENT@ told variables that do not count",
        "Those in NAMES are not among the agent's `variables`, or are no texts of 500 characters at"
        " most. Declare them, or have the endpoint leave them out.",
    ),
    Event(
        "caller-forgotten",
        "9215577e5d224cbdb0eeb0a546e88996",
        Priority.WARNING,
        "a caller is not remembered: %s",
        "The records could not tell whether a caller is known",
        "The agent has `remember = true`, and goes on as with somebody new. The message says why;"
        " look at the disk.",
    ),
    Event(
        "call-forgotten",
        "d7f20a968dc645888c7f1c03e75856a7",
        Priority.WARNING,
        "a call is not remembered, or in part: %s",
        "A call was not summed up for the next time",
        "The agent has `remember = true`, but its model failed, too many calls wait for it, or the"
        " summary could not be written. The next call of this caller goes by an earlier summary.",
    ),
)
