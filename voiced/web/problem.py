"""What a guest is told who asks for something that we do not do."""

from collections.abc import Mapping
from typing import Final

PROBLEMS: Final[Mapping[int, tuple[str, str]]] = {
    400: ("bad-request", "this is not a request that we understand"),
    403: ("forbidden", "this request is not signed, or its token is not good"),
    404: ("not-found", "there is nothing at this address"),
    405: ("method-not-allowed", "this address does not take that method"),
    413: ("too-large", "the request is larger than we read"),
    431: ("head-too-large", "the request's head is larger than we read"),
    501: ("not-implemented", "we do not read this transfer encoding"),
    505: ("version-not-supported", "we speak HTTP/1.0 and HTTP/1.1"),
}


def problem(status: int) -> dict[str, dict[str, str]]:
    """The JSON body of an error: `code` is stable, `message` is for people."""
    code, message = PROBLEMS.get(status, ("internal", "we failed; the log says why"))
    return {"error": {"code": code, "message": message}}
