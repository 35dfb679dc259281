"""Finds a call by its SID, or by as much of its beginning as no other call has."""

import re
from typing import Final

from voiced.client.api import Api, ApiFailed
from voiced.client.model import Call, Page

MOST: Final = 1000
"""So many calls are looked through."""

_PAGE: Final = 50
_WHOLE_SID: Final = re.compile(r"CA[0-9a-fA-F]{32}")
_SID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TOLD: Final = 5


async def every_call(api: Api, state: str = "") -> list[Call]:
    """The calls, newest first, `MOST` of them; `state` is `live`, `ended`, or empty for both.

    Raises:
        ApiFailed: the daemon was not reached, or said no.
    """
    calls: list[Call] = []
    query: dict[str, str | int] = {"limit": _PAGE} | ({"state": state} if state else {})
    for _ in range(MOST // _PAGE):
        page = await api.get(Page.parse, "/v1/calls", query)
        calls += page.calls
        if page.next is None:
            break
        query["before"] = page.next
    return calls


async def find(api: Api, given: str, state: str = "") -> str:
    """The SID of the call that is meant; one that is whole is taken at its word.

    Raises:
        ApiFailed: none begins so, or several do.
    """
    if not _SID.fullmatch(given):
        raise ApiFailed("that is not the SID of a call; `voiced calls` shows them")
    if _WHOLE_SID.fullmatch(given):
        return given
    sids = {call.sid: None for call in await every_call(api, state)}
    found = [sid for sid in sids if sid.startswith(given)]
    if given in found:
        return given
    if not found:
        which = "live call" if state == "live" else "call"
        raise ApiFailed(f"no {which} has a SID that begins {given}; see `voiced calls --all`")
    if len(found) > 1:
        raise ApiFailed(f"{len(found)} calls have a SID that begins {given}: "
                        + ", ".join(found[:_TOLD]))  # fmt: skip
    return found[0]
