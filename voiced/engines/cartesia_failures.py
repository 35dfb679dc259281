"""Cartesia's failures as engine errors that say what to mend.

Of the server's own words only its short code is shown: the others may quote what was to be said.
They are searched for the name of what they complain of.
"""

import re
from typing import Final

from voiced.engines.endpoint import Endpoint
from voiced.errors import EngineAtCapacity, EngineBroken, EngineError
from voiced.wire.cartesia import Failure

REFUSALS: Final = {
    400: "it does not know the version of its API that we speak, or takes the path for another",
    401: "it does not accept the api_key",
    402: "the account has no credit left",
    403: "the account's plan does not include this, or the api_key is of another account",
    404: "there is no such path: url is the host alone, as in wss://api.cartesia.ai",
}
"""What a refused upgrade means."""

_CODE: Final = re.compile(r"[a-z0-9_-]{1,60}")
_FULL: Final = re.compile(r"concurren|rate_limit|too_many")
_CREDIT: Final = re.compile(r"credit|quota|payment")
_COMPLAINTS: Final = (
    (re.compile(r"(?i)\bvoice"), "check voice, the id (a UUID) of a voice of this account"),
    (re.compile(r"(?i)\bmodel"), "check model, older ones are switched off"),
    (re.compile(r"(?i)\blanguage"), "the model does not speak the agent's language"),
    (
        re.compile(r"(?i)\b(generation|speed|volume|emotion)"),
        "check speed, volume and emotion; the model may not know them",
    ),
)
"""What a refused request complains of, and what to do; the first that is named counts."""


def failed(endpoint: Endpoint, failure: Failure) -> EngineError:
    """For a context that ended in an error."""
    status, shown = failure.status, _shown(failure)
    if _CREDIT.search(failure.code) or status == 402:
        return endpoint.refused(f"{REFUSALS[402]}{shown}", 402)
    if _FULL.search(failure.code) or status == 429:
        told = f"the account's plan allows no more replies at once{shown}"
        return endpoint.error(EngineAtCapacity, told)
    if status in {401, 403}:
        return endpoint.refused(f"{REFUSALS[status]}{shown}", status)
    if 400 <= status < 500:
        told = f"it does not take the request{shown}{_advice(failure)}"
        return endpoint.refused(told, status)
    return endpoint.error(EngineBroken, f"it failed{shown}")


def _advice(failure: Failure) -> str:
    complaint = f"{failure.code.replace('_', ' ')} {failure.message}"
    for pattern, advice in _COMPLAINTS:
        if pattern.search(complaint):
            return f": {advice}"
    return ""


def _shown(failure: Failure) -> str:
    """The status, and the server's own code, where it is one."""
    known = [f"status {failure.status}"] if failure.status else []
    known += [failure.code] if _CODE.fullmatch(failure.code) else []
    return f" ({', '.join(known)})" if known else ""
