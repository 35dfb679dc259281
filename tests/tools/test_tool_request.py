"""What a tool sends: the address, the headers, the body, and whose values stand in them."""

import json

import httpx
import pytest
from attrs import evolve
from tool_stage import (
    BOOK,
    CALLER,
    KEY,
    NAME,
    PARAMETERS,
    SECRET,
    Endpoint,
    answer,
    error_of,
    point,
    run,
    sent,
    tool,
)

from voiced import __version__
from voiced.dialog.tools import Tool
from voiced.tools.http_tool import use


def body_of(request: httpx.Request) -> object:
    return json.loads(request.content)


async def test_a_tool_posts_its_arguments_as_json(autojump_clock: object) -> None:
    request = await sent(BOOK, {"guests": 4, "note": "près de la fenêtre", "table": None})
    assert request.method == "POST"
    assert str(request.url) == f"http://{NAME}/tables"
    assert body_of(request) == {"guests": 4, "note": "près de la fenêtre", "table": None}
    assert dict(request.headers) == {
        "authorization": f"Bearer {SECRET}",
        "accept": "application/json, text/plain;q=0.5",
        "user-agent": f"voiced/{__version__}",
        "content-type": "application/json",
        "host": NAME,
        "idempotency-key": KEY,
        "accept-encoding": "identity",
        "connection": "close",
        "content-length": str(len(request.content)),
    }


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_without_arguments_an_empty_object_is_sent(
    autojump_clock: object, method: str
) -> None:
    request = await sent(tool(method=method))
    assert (request.method, request.content) == (method, b"{}")


@pytest.mark.parametrize("method", ["GET", "DELETE", "get"])
async def test_arguments_that_the_address_does_not_use_go_into_its_query(
    autojump_clock: object, method: str
) -> None:
    asked = tool(method=method, url=f"http://{NAME}/t/{{table}}?by={{caller}}")
    arguments = {
        "table": "a 1", "guests": 4, "note": "a&b=c", "dishes": ["x", 2], "none": None, "ok": True,
        "of": {"a": [1]}, "empty": [],
    }  # fmt: skip
    request = await sent(asked, arguments)
    assert request.url.raw_path.decode() == (
        "/t/a%201?by=%2B33123456789&guests=4&note=a%26b%3Dc&dishes=x&dishes=2&ok=true"
        "&of=%7B%22a%22%3A%5B1%5D%7D"
    )
    assert request.content == b""
    assert "Content-Type" not in request.headers


async def test_a_query_is_begun_where_there_is_none(autojump_clock: object) -> None:
    asked = tool(method="GET", url=f"http://{NAME}/t#top")
    assert (await sent(asked, {"guests": 2})).url.raw_path == b"/t?guests=2"
    assert (await sent(asked)).url.raw_path == b"/t"


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_body_of_the_tool_takes_arguments_and_variables(
    autojump_clock: object, method: str
) -> None:
    template = {"n": "{guests}", "who": {"tel": "{caller}", "at": "{company}"}, "opt": "{note}"}
    request = await sent(tool(body=template, method=method), {"guests": 4, "table": "7"})
    assert body_of(request) == {"n": 4, "who": {"tel": CALLER, "at": "Chez Zoé"}}
    assert request.url.query == b""


async def test_a_date_of_the_configuration_is_sent_as_text(autojump_clock: object) -> None:
    class Date:
        def __str__(self) -> str:
            return "2026-05-01"

    assert body_of(await sent(tool(body={"day": Date()}))) == {"day": "2026-05-01"}


# --- whose values --------------------------------------------------------------------------------


async def test_a_declared_argument_goes_before_a_variable(autojump_clock: object) -> None:
    body = {"note": "{note}", "tel": "{caller}"}
    request = await sent(tool(body=body), {"note": "new"}, {"note": "old", "caller": CALLER})
    assert body_of(request) == {"note": "new", "tel": CALLER}


@pytest.mark.parametrize("parameters", [PARAMETERS, {"type": "object"}, {"properties": 1}])
async def test_an_argument_that_a_model_made_up_cannot_say_who_is_calling(
    autojump_clock: object, parameters: dict[str, object]
) -> None:
    asked = tool(tool=Tool("book", "", parameters), body={"tel": "{caller}", "extra": "{extra}"})
    request = await sent(asked, {"caller": "+15550100", "extra": 1})
    assert body_of(request) == {"tel": CALLER, "extra": 1}


async def test_the_secret_stands_in_headers_only(autojump_clock: object) -> None:
    asked = tool(
        url=f"http://{NAME}/t/x{{secret}}?k={{secret}}", body={"s": "{secret}", "t": "<{secret}>"}
    )
    request = await sent(asked, {"secret": "guess"}, {"secret": "mine"})
    assert request.url.raw_path == b"/t/x?k="
    assert body_of(request) == {"t": "<>"}
    assert request.headers["Authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_no_argument_is_named_secret(autojump_clock: object, method: str) -> None:
    request = await sent(tool(method=method), {"secret": "guess", "guests": 1})
    assert b"guess" not in request.content
    assert b"guess" not in request.url.query


def test_a_tool_does_not_show_its_secrets() -> None:
    shown = repr(evolve(BOOK, headers={"X-Key": "literal-key"}))
    assert SECRET not in shown
    assert "literal-key" not in shown


# --- headers -------------------------------------------------------------------------------------


async def test_a_tool_has_headers_of_its_own_but_for_those_of_the_connection(
    autojump_clock: object,
) -> None:
    own = {
        "accept": "application/hal+json", "USER-AGENT": "Zoé/1",
        "content-type": "application/x+json",
        "X-Who": "{company} {guests}",
        "Host": "internal", "Content-Length": "3", "Transfer-Encoding": "chunked",
        "Connection": "keep-alive", "Idempotency-Key": "1", "Accept-Encoding": "gzip",
    }  # fmt: skip
    request = await sent(tool(headers=own), {"guests": 4})
    headers = request.headers
    assert headers["Accept"] == "application/hal+json"
    assert headers["Content-Type"] == "application/x+json"
    raw = dict(request.headers.raw)
    assert raw[b"USER-AGENT"] == b"Zo\xe9/1"
    assert raw[b"X-Who"] == b"Chez Zo\xe9 4"
    assert headers["Host"] == NAME
    assert headers["Content-Length"] == str(len(request.content))
    assert "Transfer-Encoding" not in headers
    assert (headers["Connection"], headers["Idempotency-Key"]) == ("close", KEY)
    assert headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\n", "日本"])
async def test_an_argument_cannot_become_a_header(autojump_clock: object, value: str) -> None:
    endpoint = Endpoint(answer())
    outcome = await run(tool(headers={"X-Note": "{note}"}), endpoint, {"note": value})
    assert endpoint.requests == []
    assert outcome.status == "unfit"
    assert error_of(outcome) == "this argument cannot be used: note"
    assert "the value of note cannot stand in a header" in outcome.detail
    assert value not in outcome.detail


async def test_neither_can_a_variable_and_the_model_is_not_told_of_it(
    autojump_clock: object,
) -> None:
    endpoint = Endpoint(answer())
    outcome = await run(
        tool(headers={"X-Name": "{name}"}), endpoint, {"note": "x"}, {"name": "Łukasz"}
    )
    assert endpoint.requests == []
    assert (outcome.status, error_of(outcome)) == ("unfit", "these arguments cannot be used")


async def test_neither_can_the_key_which_a_model_may_have_a_part_in(
    autojump_clock: object,
) -> None:
    endpoint = Endpoint(answer())
    from_model = "CA1-\r\nX-Evil: é"
    async with httpx.AsyncClient(transport=httpx.MockTransport(endpoint)) as client:
        await use(BOOK, {}, {}, from_model, client)
    assert endpoint.request.headers["Idempotency-Key"] == "CA1-%0D%0AX-Evil%3A%20%C3%A9"


async def test_an_argument_cannot_become_another_path(autojump_clock: object) -> None:
    endpoint = Endpoint(answer())
    asked = tool(method="DELETE", url=f"http://{NAME}/tables/{{table}}")
    for value in ("../admin", "..", "", None):
        outcome = await run(asked, endpoint, {"table": value})
        assert (outcome.status, error_of(outcome)) == (
            "unfit",
            "this argument cannot be used: table",
        )
    assert (await run(asked, endpoint)).status == "unfit"  # or it would delete all of them
    assert endpoint.requests == []


# --- where to ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "address", "host"),
    [
        (f"https://{NAME}/in?a=b", "https://8.8.8.8/in?a=b", NAME),
        (f"HTTPS://{NAME}:8443/{{table}}", "https://8.8.8.8:8443/7", f"{NAME}:8443"),
        (f"http://{NAME}", "http://8.8.8.8", NAME),
    ],
)
async def test_a_request_goes_to_the_address_that_was_judged(
    autojump_clock: object, url: str, address: str, host: str
) -> None:
    names = point(["8.8.8.8", "1.1.1.1"], ["127.0.0.1"])
    request = await sent(tool(url=url, allow_private=False), {"table": "7"})
    assert str(request.url).rstrip("/") == address
    assert request.headers["Host"] == host
    assert request.extensions["sni_hostname"] == NAME
    assert names.asked == [NAME], "it was resolved again"


async def test_where_private_is_allowed_the_name_stays(autojump_clock: object) -> None:
    names = point(["10.0.0.1"])
    request = await sent(tool(url=f"https://{NAME}:444/"))
    assert request.url.host == NAME
    assert request.headers["Host"] == f"{NAME}:444"
    assert "sni_hostname" not in request.extensions
    assert names.asked == []


@pytest.mark.parametrize("addresses", [["10.1.2.3"], ["8.8.8.8", "::1"], ["169.254.169.254"]])
async def test_a_private_address_is_not_connected_to(
    autojump_clock: object, addresses: list[str]
) -> None:
    point(addresses)
    endpoint = Endpoint(answer())
    outcome = await run(tool(allow_private=False), endpoint)
    assert endpoint.requests == []
    assert (outcome.status, error_of(outcome)) == ("private-address", "not reachable")
    assert outcome.detail == f"{NAME}: private-address"


@pytest.mark.parametrize("host", ["127.0.0.1:9", "0x7f.1", "2130706433", "[::1]"])
async def test_neither_is_a_number_however_it_is_written(autojump_clock: object, host: str) -> None:
    endpoint = Endpoint(answer())
    outcome = await run(tool(url=f"http://{host}/", allow_private=False), endpoint)
    assert (outcome.status, endpoint.requests) == ("private-address", [])
