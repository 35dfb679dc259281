"""The pre-call webhook: who is this that calls? One request, one answer, nothing is tried twice.

The answer is judged here, and whatever the far end does is told by a short stable word.
"""

import time
from collections.abc import Collection, Mapping
from typing import Final

import httpx
import trio
from attrs import field, frozen

from voiced.errors import WireError
from voiced.ops.publicnet import SENDING_FAULTS, kind_of
from voiced.records.envelope import envelope
from voiced.records.posting import Endpoint, signed_request
from voiced.wire.fields import as_object, encodable, json_value, optional_child

EVENT: Final = "call.incoming"

MAX_ANSWER: Final = 16 * 1024
"""Bytes; a longer answer does not count."""

MAX_TEXT: Final = 500
"""Characters of a variable, as in the configuration and the API."""

CLOSE_S: Final = 0.5

_BOM: Final = b"\xef\xbb\xbf"
_CONTROLS: Final = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029), " ")


@frozen
class Answer:
    """What came of asking. `status`: `ok`, or why there is nothing; `code`: HTTP's, 0 for none.

    `strangers` are the names of what was told and does not count.
    """

    status: str
    code: int = 0
    facts: Mapping[str, str] = field(factory=dict, repr=False)
    strangers: tuple[str, ...] = ()


async def ask(
    endpoint: Endpoint,
    call: Mapping[str, object],
    declared: Collection[str],
    http: httpx.AsyncClient,
) -> Answer:
    """Sends the call and judges the answer; the deadline is the caller's.

    `declared` are the variables that count. `http` is a `publicnet.direct_client`. Where this is
    cancelled, the connection is closed.
    """
    event_id, text = envelope(EVENT, time.time(), {"call": call})
    body = text.encode("utf-8", "replace")
    try:
        request = await signed_request(endpoint, EVENT, event_id, body, time.time())
        response = await http.send(request, stream=True, follow_redirects=False)
        try:
            return await _judge(response, declared)
        finally:
            with trio.move_on_after(CLOSE_S, shield=True):
                await response.aclose()
    except SENDING_FAULTS as fault:
        return Answer(kind_of(fault))


async def _judge(response: httpx.Response, declared: Collection[str]) -> Answer:
    code = response.status_code
    if not 200 <= code < 300:
        return Answer("redirect" if 300 <= code < 400 else "http-error", code)
    body = await _read(response)
    if len(body) > MAX_ANSWER:
        return Answer("too-long", code)
    try:
        facts, strangers = variables_of(body, declared)
    except WireError:
        return Answer("unreadable", code)
    return Answer("ok", code, facts, strangers)


async def _read(response: httpx.Response) -> bytes:
    """The body; of one that is too long the beginning.

    A read that is cancelled unwinds httpx's generators; one that is left is for the collector.
    """
    body = b""
    with trio.CancelScope() as scope:
        async for part in response.aiter_raw():
            body += part
            if len(body) > MAX_ANSWER:
                scope.cancel()
    return body


def variables_of(body: bytes, declared: Collection[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """What an answer tells: the variables that count, and the names of those that do not.

    Control characters become spaces, for a line of its own in a prompt could pass for ours.

    Raises:
        WireError: it is no JSON object, or its `variables` are none.
    """
    body = body.removeprefix(_BOM).strip()
    if not body:
        return {}, ()
    told = optional_child(as_object(json_value(body)), "variables")
    cleaned = {name: _cleaned(value) for name, value in told.items()}
    facts = {name: text for name, text in cleaned.items() if text is not None and name in declared}
    return facts, tuple(encodable(name) for name in told if name not in facts)


def _cleaned(value: object) -> str | None:
    """The text; None where it is none, or too long."""
    if not isinstance(value, str):
        return None
    text = encodable(value).translate(_CONTROLS).strip()
    return text if len(text) <= MAX_TEXT else None
