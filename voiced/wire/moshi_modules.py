"""What a moshi-server tells of itself at `/api/modules_info`: its modules, and how full they are.

Source: moshi-server 0.6.4, rust/moshi-server/src/main.rs: an array of objects in which every
value is a string, the slot counts too. Only modules that batch their clients are in it.
"""

from typing import Final

from attrs import frozen

from voiced.errors import WireError
from voiced.wire.fields import JsonObject, as_list, as_object, json_value, text, whole

MAX_BYTES: Final = 64 * 1024
"""A server of two modules sends some 400 bytes."""

MAX_SLOTS: Final = 100_000
"""More than any GPU holds; a number beyond it is a fault."""


@frozen
class Module:
    """One batched module: its `type`, its route, and its slots, taken ones and all."""

    kind: str
    path: str
    used: int
    total: int


def parse_modules(data: bytes) -> tuple[Module, ...]:
    """The batched modules; an entry without slots is none and is left out.

    Raises:
        WireError: longer than `MAX_BYTES`, not JSON, not an array of modules, or an impossible
            number of slots.
    """
    if len(data) > MAX_BYTES:
        raise WireError("modules_info: too long")
    entries = [as_object(entry) for entry in as_list(json_value(data))]
    return tuple(_module(entry) for entry in entries if "total_slots" in entry)


def _module(entry: JsonObject) -> Module:
    used, total = _slots(entry, "used_slots"), _slots(entry, "total_slots")
    return Module(text(entry, "type"), text(entry, "path"), used, total)


def _slots(entry: JsonObject, key: str) -> int:
    count = whole(entry, key)
    if not 0 <= count <= MAX_SLOTS:
        raise WireError(f"{key}: out of range")
    return count
