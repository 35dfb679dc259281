"""What a guest is told who asks for something that we do not do."""

from collections.abc import Mapping
from typing import Final

from voiced.errors import VoicedError

PROBLEMS: Final[Mapping[int, tuple[str, str]]] = {
    400: ("bad-request", "this is not a request that we understand"),
    403: ("forbidden", "this request is not signed, or its token is not good"),
    404: ("not-found", "there is nothing at this address"),
    405: ("method-not-allowed", "this address does not take that method"),
    408: ("too-slow", "the request did not come in time"),
    413: ("too-large", "the request is larger than we read"),
    416: ("no-such-range", "there is no such part of it"),
    431: ("head-too-large", "the request's head is larger than we read"),
    501: ("not-implemented", "we do not read this transfer encoding"),
    503: ("busy", "too many connections; try again in a moment"),
    505: ("version-not-supported", "we speak HTTP/1.0 and HTTP/1.1"),
}


class Fault(VoicedError):
    """A request to the API that is refused; `field` is the one at fault, "" for none."""

    def __init__(
        self, status: int, code: str, message: str, field: str = "", retry_after_s: float = 0.0
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.field = field
        self.retry_after_s = retry_after_s

    def body(self) -> dict[str, dict[str, str]]:
        """As JSON."""
        named = {"field": self.field} if self.field else {}
        return {"error": {"code": self.code, "message": str(self), **named}}


def problem(status: int) -> dict[str, dict[str, str]]:
    """The JSON body of an error: `code` is stable, `message` is for people."""
    code, message = PROBLEMS.get(status, ("internal", "we failed; the log says why"))
    return {"error": {"code": code, "message": message}}
