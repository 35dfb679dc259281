"""The signature of a webhook: HMAC-SHA256 over the time and the body, with the endpoint's secret.

    Voiced-Signature: t=1767225600,v1=58eb22ff07a7e08524aaa20ed13464bb... (64 digits)

`t` is in Unix seconds, `v1` the lower-case hexadecimal MAC of `<t>.<body>`. The time is signed too,
so that a message that somebody recorded is of no use later.
"""

import re
from hashlib import sha256
from hmac import compare_digest
from hmac import new as new_hmac
from typing import Final

HEADER: Final = "Voiced-Signature"

TOLERANCE_S: Final = 300.0
"""How far the two clocks may be apart, and how long a message may be on its way."""

_SIGNATURE: Final = re.compile(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})")


def sign(secret: str, body: bytes, at: float) -> str:
    """The header's value for this body, as sent; `at` in Unix seconds, the fraction is dropped."""
    stamp = str(int(at))
    return f"t={stamp},v1={_mac(secret, stamp, body)}"


def is_valid(
    secret: str, body: bytes, header: str, now: float, tolerance_s: float = TOLERANCE_S
) -> bool:
    """Whether the owner of the secret signed this body, and did so lately.

    Takes the same time whatever the MAC. `header` may be any string; an empty secret signs
    nothing, for anyone could.
    """
    found = _SIGNATURE.fullmatch(header)
    if found is None or not secret:
        return False
    stamp, mac = found.groups()
    return compare_digest(_mac(secret, stamp, body), mac) and abs(now - int(stamp)) <= tolerance_s


def _mac(secret: str, stamp: str, body: bytes) -> str:
    return new_hmac(secret.encode(), f"{stamp}.".encode() + body, sha256).hexdigest()
