"""What both kinds of moshi-server module have in common: the door and the slot.

Source: moshi-server 0.6.4, rust/moshi-server/src/main.rs (authentication, routes), py_module.rs
and batched_asr.rs (slots).
"""

from collections.abc import Callable
from typing import Final, TypeVar

import trio

from voiced.engines.endpoint import Endpoint
from voiced.engines.socket import Socket
from voiced.errors import EngineAtCapacity, EngineBroken, EngineTimeout, WireError
from voiced.wire import moshi

Message = TypeVar("Message")

KEY_HEADER: Final = "kyutai-api-key"

_REFUSALS: Final = {
    401: "it does not accept the api_key; moshi-server knows those in its authorized_ids",
    403: "this is hardly moshi-server; the Python package `moshi` brings a script of that name",
    404: "moshi-server serves no module at this path; see `path` in its configuration",
}


def moshi_endpoint(engine: str, role: str, url: str, api_key: str) -> Endpoint:
    """An address of a moshi-server; without a key the header stays away."""
    headers = {KEY_HEADER: api_key} if api_key else {}
    return Endpoint(engine, role, url, "moshi-server", headers, _REFUSALS)


async def wait_ready(socket: Socket[bytes], ready_s: float) -> None:
    """Waits for `Ready`, the only proof of a slot: the upgrade succeeds also without one.

    Raises:
        EngineAtCapacity: all slots are taken.
        EngineTimeout: no `Ready` in time: the model loop is dead, or still warming up.
        EngineBroken: it closed, dropped or spoke nonsense instead.
    """
    endpoint = socket.endpoint
    with trio.move_on_after(ready_s):
        while (data := await socket.receive()) is not None:
            match decoded(endpoint, moshi.parse_stt, data):
                case moshi.Ready():
                    return
                case moshi.ServerError(at_capacity=True):
                    raise endpoint.error(EngineAtCapacity, "all slots are taken (batch_size)")
                case moshi.ServerError():
                    raise endpoint.error(EngineBroken, "it reported an error instead of Ready")
        raise endpoint.error(EngineBroken, "it closed the connection instead of giving a slot")
    told = f"no Ready within {ready_s:g} s: moshi-server's model loop is warming up, or has died"
    raise endpoint.error(EngineTimeout, told)


def decoded(endpoint: Endpoint, parse: Callable[[bytes], Message], data: bytes) -> Message:
    """The message, where it is one.

    Raises:
        EngineBroken: it is malformed.
    """
    try:
        return parse(data)
    except WireError as error:
        raise endpoint.error(EngineBroken, f"malformed message: {error}") from error
