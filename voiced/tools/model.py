"""A tool that is an HTTP request, and what came of using it."""

from collections.abc import Mapping
from enum import StrEnum

from attrs import field, frozen

from voiced.dialog.tools import Tool


@frozen
class HttpTool:
    """One request that a model may have sent.

    `url`, the values of `headers` and the texts in `body` are templates, as `dialog.filling` has
    them; `{secret}` stands for `secret`, in headers only. Without a `body` the arguments
    themselves are sent, in the query where `method` is GET or DELETE. `timeout_s` is for all of
    it, from the look-up of the name to the last byte. `allow_private`: the address may be in a
    network that is not the open internet.
    """

    tool: Tool
    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    secret: str | None = field(repr=False)
    body: Mapping[str, object] | None
    timeout_s: float
    allow_private: bool


class Status(StrEnum):
    """How a use of a tool ended: stable words, for logs and metrics."""

    OK = "ok"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    BROKEN = "broken"
    """The connection ended, or was no HTTP, before there was an answer. As with a timeout the
    request may have been carried out."""
    PRIVATE_ADDRESS = "private-address"
    REDIRECT = "redirect"
    DENIED = "denied"
    """It works, and says no: HTTP 4xx with JSON that says why, such as a table that is taken."""
    HTTP_ERROR = "http-error"
    UNREADABLE = "unreadable"
    TOO_LONG = "too-long"
    UNFIT = "unfit"
    """Nothing was sent: a value cannot stand where the request wants it."""


@frozen
class Outcome:
    """What came of a use.

    `result` is what the model is told: JSON or a text, at most `answer.MAX_RESULT` characters; it
    may hold what a caller said or who they are, and no log should.
    `detail` is for the log: host, HTTP status, type and length of the answer, none of its content.
    """

    result: str = field(repr=False)
    status: Status
    detail: str
    duration_s: float
