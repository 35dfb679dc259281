"""What an endpoint's answer comes to: the text for the model, and the line for the log.

The two are kept apart. The model is told what it can pass on to a caller, never an address or a
header; the log is told whom to ask and what they sent, never what stood in it.
"""

import json
import re
from typing import Final

import httpx
import trio
from attrs import field, frozen

from voiced.errors import WireError
from voiced.tools.model import Status
from voiced.wire.fields import encodable, json_value

MAX_ANSWER: Final = 64 * 1024
"""No more is read of an answer, in bytes."""

MAX_RESULT: Final = 4_000
"""What a model is told at most, in characters, the note of a cut included."""

DONE: Final = "done"
"""What it is told of an answer that is empty."""

_CUT: Final = " ... (cut: this is the beginning only)"
_MAX_HOST: Final = 100

_TOLD: Final = {
    Status.TIMEOUT: "no answer in time",
    Status.UNREACHABLE: "not reachable",
    Status.PRIVATE_ADDRESS: "not reachable",
    Status.BROKEN: "the connection broke off",
    Status.UNREADABLE: "answered with something that cannot be read",
    Status.TOO_LONG: "the answer is too long",
    Status.UNFIT: "these arguments cannot be used",
}

_PLAIN_CHARSETS: Final = frozenset({"iso-8859-1", "latin1", "latin-1", "windows-1252", "cp1252"})


@frozen
class Told:
    """The parts of an `Outcome` that an answer decides."""

    status: Status
    result: str = field(repr=False)
    detail: str


def failed(status: Status, detail: str) -> Told:
    """No answer that counts; the model is told which kind of failure."""
    return Told(status, error(_TOLD[status]), detail)


def error(sentence: str) -> str:
    """A failure as the model is told it."""
    return compact({"error": sentence})


def compact(value: object) -> str:
    """JSON without space, and without half characters, which no wire could carry."""
    return encodable(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def bounded(text: str) -> str:
    """The text, or as much of its beginning as a model is told, with a note of the cut."""
    return text if len(text) <= MAX_RESULT else text[: MAX_RESULT - len(_CUT)] + _CUT


async def read_answer(url: httpx.URL, response: httpx.Response) -> Told:
    """Judges an answer by its head, and reads its body where that matters; `url` is the tool's
    own, as it was before it was pinned. The caller closes the response.

    Raises:
        httpx.HTTPError: the connection broke off.
    """
    code = response.status_code
    if 300 <= code < 400:
        place = _redirected(url, response.headers.get("Location", ""))
        return Told(Status.REDIRECT, _http_error(code), f"{_seen(url, response)}, to {place}")
    if code >= 400:
        return await _refusal(url, response)
    if code < 200:
        return failed(Status.UNREADABLE, _seen(url, response))
    return await _success(url, response)


async def _refusal(url: httpx.URL, response: httpx.Response) -> Told:
    """An error; where it is the request's, the body may say what a caller wants to know."""
    code, detail = response.status_code, _seen(url, response)
    if code < 500 and _is_json(_media_type(response)):
        body = await _read(response, MAX_ANSWER)
        try:
            answer = _json(body or b"")
            told = compact({"error": f"HTTP {code}", "answer": answer})
            return Told(Status.DENIED, told, detail)
        except (WireError, RecursionError):
            pass
    return Told(Status.HTTP_ERROR, _http_error(code), detail)


async def _success(url: httpx.URL, response: httpx.Response) -> Told:
    """The answer itself, JSON or text; of another type only that it is empty is of interest."""
    kind, detail = _media_type(response), _seen(url, response)
    readable = _is_json(kind) or kind == "text/plain"
    body = await _read(response, MAX_ANSWER if readable else 0)
    if body is None:
        return failed(Status.TOO_LONG if readable else Status.UNREADABLE, detail)
    if not body.strip():
        return Told(Status.OK, DONE, detail)
    if not _is_json(kind):
        return Told(Status.OK, _text(body, response), detail)
    try:
        return Told(Status.OK, compact(_json(body)), detail)
    except (WireError, RecursionError):
        return failed(Status.UNREADABLE, detail)


async def _read(response: httpx.Response, most: int) -> bytes | None:
    """The body as it is on the wire; None where it has more than `most` bytes.

    A read that is cancelled unwinds httpx's generators; one that is left is for the collector.
    """
    body = b""
    with trio.CancelScope() as scope:
        async for part in response.aiter_raw():
            body += part
            if len(body) > most:
                scope.cancel()
    return body if len(body) <= most else None


def _json(body: bytes) -> object:
    """The value; some servers put a byte order mark before it.

    Raises:
        WireError: it is not JSON in UTF-8.
    """
    return json_value(body.removeprefix(b"\xef\xbb\xbf"))


def _text(body: bytes, response: httpx.Response) -> str:
    """Text in UTF-8, or in the one older encoding that servers still name."""
    charset = (response.charset_encoding or "").lower()
    text = body.decode("cp1252" if charset in _PLAIN_CHARSETS else "utf-8-sig", "replace")
    return text.strip()


def _media_type(response: httpx.Response) -> str:
    """`type/subtype` in small letters; empty where there is none, or the body is packed."""
    packed = response.headers.get("Content-Encoding", "identity").strip().lower() != "identity"
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return "" if packed else kind


def _is_json(kind: str) -> bool:
    return kind == "application/json" or kind.endswith("+json")


def _http_error(code: int) -> str:
    return error(f"answered with an error (HTTP {code})")


def _seen(url: httpx.URL, response: httpx.Response) -> str:
    """What a log is told of an answer."""
    kind, length = _media_type(response), response.headers.get("Content-Length", "")
    told_kind = kind if re.fullmatch(r"[a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,60}", kind) else "no type"
    told_length = f"{length} bytes" if re.fullmatch("[0-9]{1,12}", length) else "no length"
    return f"{host_of(url)} answered HTTP {response.status_code}, {told_kind}, {told_length}"


def _redirected(url: httpx.URL, location: str) -> str:
    """The host that a redirect points to, and no more of it."""
    try:
        return host_of(url.join(location))
    except (httpx.InvalidURL, ValueError):
        return "an address that cannot be read"


def host_of(url: httpx.URL) -> str:
    """The name as the network spells it."""
    return url.raw_host.decode("ascii", "replace")[:_MAX_HOST]
