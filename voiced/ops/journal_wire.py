"""systemd's native journal protocol: fields -> the bytes of one record.

Source: systemd's "Native Journal Protocol" and systemd.journal-fields(7).
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

MAX_NAME: Final = 64

_FOREIGN: Final = re.compile(r"[^A-Z0-9_]")


@lru_cache(maxsize=1024)
def field_name(name: str) -> str:
    """The name as journald takes it: A-Z, 0-9 and `_`, a letter first, 64 at most.

    It would drop a field of any other name without a word.
    """
    known = _FOREIGN.sub("_", name.upper()).lstrip("_")
    return (known if known[:1].isalpha() else f"X{known}")[:MAX_NAME]


def encode(fields: Iterable[tuple[str, str | bytes]]) -> bytes:
    """One record, as it stands in a datagram or a file. Names are made such as journald takes."""
    return b"".join(_encode(field_name(name).encode(), value) for name, value in fields)


def _encode(name: bytes, value: str | bytes) -> bytes:
    if isinstance(value, str):
        text = value.encode("utf-8", "backslashreplace")
        if b"\n" not in text:
            return b"%b=%b\n" % (name, text)
        value = text
    return b"%b\n%b%b\n" % (name, len(value).to_bytes(8, "little"), value)
