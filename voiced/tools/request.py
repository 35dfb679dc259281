"""From a tool and a model's arguments to the request that is sent."""

import json
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote, urlencode

import httpx

from voiced import __version__
from voiced.dialog.filling import (
    fill_body,
    fill_header,
    fill_url,
    placeholders,
    text_of,
)
from voiced.ops.publicnet import pin
from voiced.tools.model import HttpTool

SECRET: Final = "secret"

_IN_QUERY: Final = frozenset({"GET", "DELETE"})
_OURS: Final = ("Content-Length", "Transfer-Encoding")
"""Headers that describe the bytes that we send, so that no tool can set them."""


async def request_of(
    tool: HttpTool, arguments: Mapping[str, object], variables: Mapping[str, str], key: str
) -> httpx.Request:
    """What is to be sent; the name in its address is resolved and judged where it has to be.

    It is made without a client, whose headers and cookies are not for all. Waits for the resolver.

    Raises:
        NotFilled: a value cannot stand where the tool wants it.
        PrivateAddress, OSError, UnicodeError: as `publicnet.pin`.
        httpx.InvalidURL, ValueError: the tool's address or templates cannot be used.
    """
    values = values_of(tool, arguments, variables)
    url = httpx.URL(_address(tool, arguments, values))
    content = _content(tool, arguments, values)
    headers = _headers(tool, values, url, key, content)
    extensions: dict[str, object] = {}
    if not tool.allow_private:
        url, extensions["sni_hostname"] = await pin(url)
    return httpx.Request(tool.method, url, headers=headers, content=content, extensions=extensions)


def values_of(
    tool: HttpTool, arguments: Mapping[str, object], variables: Mapping[str, str]
) -> dict[str, object]:
    """What the placeholders stand for, but for `{secret}`.

    An argument goes before a variable of its name where the tool declares it. One that a model
    made up does not: it could say that another person is calling.
    """
    declared = tool.tool.parameters.get("properties")
    known = declared if isinstance(declared, Mapping) else {}
    chosen = {name: value for name, value in arguments.items() if name in known}
    values = {**arguments, **variables, **chosen}
    values.pop(SECRET, None)
    return values


def _address(tool: HttpTool, arguments: Mapping[str, object], values: Mapping[str, object]) -> str:
    url = fill_url(tool.url, values)
    if tool.body is not None or tool.method.upper() not in _IN_QUERY:
        return url
    used = {*placeholders(tool.url), SECRET}
    rest = {name: value for name, value in arguments.items() if name not in used}
    query = urlencode(list(_fields(rest)), quote_via=quote, safe="")
    if not query:
        return url
    return url + ("&" if "?" in url else "?") + query


def _fields(arguments: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """The fields of a query: a list's items under one name, nothing for a null."""
    for name, value in arguments.items():
        for each in value if isinstance(value, list) else [value]:
            if each is not None:
                yield name, text_of(each)


def _content(
    tool: HttpTool, arguments: Mapping[str, object], values: Mapping[str, object]
) -> bytes | None:
    """The body, as JSON; None: it has none.

    A table of the configuration can hold dates, which go as texts.
    """
    if tool.body is not None:
        body = fill_body(tool.body, values)
    elif tool.method.upper() in _IN_QUERY:
        return None
    else:
        body = {name: value for name, value in arguments.items() if name != SECRET}
    return json.dumps(body, allow_nan=False, default=str).encode()


def _headers(
    tool: HttpTool,
    values: Mapping[str, object],
    url: httpx.URL,
    key: str,
    content: bytes | None,
) -> httpx.Headers:
    headers = httpx.Headers(
        {
            "Accept": "application/json, text/plain;q=0.5",
            "User-Agent": f"voiced/{__version__}",
            **({} if content is None else {"Content-Type": "application/json"}),
        },
        encoding="latin-1",
    )
    known = {**values, SECRET: tool.secret}
    for name, template in tool.headers.items():
        headers[name] = fill_header(template, known)
    for name in _OURS:
        headers.pop(name, None)
    headers.update(
        {
            "Host": url.netloc.decode("ascii"),
            "Idempotency-Key": quote(key, safe=""),
            # A packed answer could be a thousand times as long as what is read of it.
            "Accept-Encoding": "identity",
            # A connection is verified for one name; the next name may have the same address.
            "Connection": "close",
        }
    )
    return headers
