"""What an answer comes to: what the model is told, and what the log is told."""

import json
import socket
import ssl

import httpx
import pytest
import trio
from tool_stage import (
    BOOK,
    KEY,
    NAME,
    SECRET,
    Body,
    Endpoint,
    Names,
    answer,
    error_of,
    run,
    told,
    tool,
)

from voiced.ops.held import account
from voiced.ops.publicnet import direct_client
from voiced.tools.answer import MAX_ANSWER, MAX_RESULT
from voiced.tools.http_tool import use

PRIVATE = "Madame Dupont, +33612345678"

# --- answers that are taken ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "kind", "result"),
    [
        (b'{ "free": [1, 2],\n "at": "19:30" }', "application/json", '{"free":[1,2],"at":"19:30"}'),
        ('{"à": "é"}'.encode(), "application/json; charset=utf-8", '{"à":"é"}'),
        (b"\xef\xbb\xbf[1]", "Application/HAL+JSON", "[1]"),
        (b"null", "application/json", "null"),
        (b'"a\\ud800b"', "application/json", '"ab"'),
        (" une table près\n".encode(), "text/plain; charset=utf-8", "une table près"),
        ("été".encode("latin-1"), "text/plain; charset=ISO-8859-1", "été"),
        (b"10 \x80", "text/plain; charset=windows-1252", "10 €"),
        (b"\xff ok", "text/plain", "\ufffd ok"),
        (b"a\\x41", "text/plain; charset=unicode_escape", "a\\x41"),
        (b"<b>no HTML by its type</b>", "text/plain", "<b>no HTML by its type</b>"),
    ],
)  # fmt: skip
async def test_json_and_text_are_told(
    autojump_clock: object, body: bytes, kind: str, result: str
) -> None:
    outcome = await told(answer(body, kind))
    assert (outcome.status, outcome.result) == ("ok", result)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
@pytest.mark.parametrize("kind", [None, "application/json", "text/html", "text/plain"])
async def test_an_empty_success_is_done(
    autojump_clock: object, status: int, kind: str | None
) -> None:
    outcome = await told(answer(b"", kind, status))
    assert (outcome.status, outcome.result) == ("ok", "done")


async def test_so_is_one_of_blanks(autojump_clock: object) -> None:
    assert (await told(answer(b" \r\n"))).result == "done"


@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
async def test_a_long_result_is_cut_with_a_note(autojump_clock: object, kind: str) -> None:
    whole = b'"' + b"x" * (MAX_RESULT - 2) + b'"'
    assert len((await told(answer(whole, kind))).result) == MAX_RESULT
    outcome = await told(answer(whole[:-1] + b'x"', kind))
    assert outcome.status == "ok"
    assert len(outcome.result) == MAX_RESULT
    assert outcome.result.endswith("xxx ... (cut: this is the beginning only)")


async def test_the_log_is_told_where_and_what_but_not_what_stood_in_it(
    autojump_clock: object,
) -> None:
    body = json.dumps({"name": PRIVATE}).encode()
    outcome = await told(answer(body, headers={"Content-Length": str(len(body))}))
    assert PRIVATE in outcome.result
    assert outcome.detail == f"{NAME} answered HTTP 200, application/json, {len(body)} bytes"
    assert PRIVATE not in repr(outcome)


async def test_what_the_log_is_told_is_clean(autojump_clock: object) -> None:
    odd = answer(b"x", "text/" + "x" * 200, headers={"Content-Length": "-1"})
    assert (await told(odd)).detail == f"{NAME} answered HTTP 200, no type, no length"


# --- answers that are not ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{", "application/json"), (b"{'a': 1}", "application/json"),
        (b"\xff", "application/json"), (b"<html>", "application/json"),
        (b"[" * 60_000, "application/json"),
        ("{}".encode("utf-16"), "application/json"),
        (b"<html>nice to meet you</html>", "text/html"), (b"{}", None), (b"{}", "text/json"),
        (b"{}", "json"), (b"\x89PNG", "image/png"), (b"{}", "application/jsonp"),
    ],
)  # fmt: skip
async def test_what_cannot_be_read(autojump_clock: object, body: bytes, kind: str | None) -> None:
    outcome = await told(answer(body, kind))
    assert outcome.status == "unreadable"
    assert error_of(outcome) == "answered with something that cannot be read"


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity, gzip"])
async def test_a_packed_answer_is_not_unpacked(autojump_clock: object, encoding: str) -> None:
    outcome = await told(answer(b"\x1f\x8b", headers={"Content-Encoding": encoding}))
    assert outcome.status == "unreadable"
    plain = await told(answer(b"{}", headers={"Content-Encoding": "Identity"}))
    assert plain.status == "ok"


@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
async def test_no_more_is_read_than_what_is_told_of_it(autojump_clock: object, kind: str) -> None:
    fits = Body([b"1" * 1024] * 64)
    assert (await told(answer(fits, "text/plain"))).status == "ok"
    body = Body([b"1" * 1024] * 10 * 1024)
    outcome = await told(answer(body, kind))
    assert (outcome.status, error_of(outcome)) == ("too-long", "the answer is too long")
    assert body.sent * 1024 == MAX_ANSWER + 1024
    assert body.closed == 1


async def test_nothing_is_read_of_what_cannot_be_used(autojump_clock: object) -> None:
    page = Body([b"<html>"] * 1000)
    assert (await told(answer(page, "text/html"))).status == "unreadable"
    assert (page.sent, page.closed) == (1, 1)
    for status in (302, 500, 404):
        page = Body([b"<html>"] * 1000, pause_s=1)
        assert (await told(answer(page, "text/html", status))).duration_s < 0.1
        assert (page.sent, page.closed) == (0, 1)


@pytest.mark.parametrize("status", [400, 403, 404, 429, 500, 503, 599])
@pytest.mark.parametrize("kind", ["text/html", "text/plain", None])
async def test_an_error_has_its_number_and_nothing_more(
    autojump_clock: object, status: int, kind: str | None
) -> None:
    outcome = await told(answer(PRIVATE.encode(), kind, status))
    assert outcome.status == "http-error"
    assert error_of(outcome) == f"answered with an error (HTTP {status})"
    assert f"{NAME} answered HTTP {status}" in outcome.detail
    assert PRIVATE not in outcome.detail


async def test_the_body_of_a_servers_own_error_is_not_told(autojump_clock: object) -> None:
    outcome = await told(answer(b'{"trace": "/srv/app.py"}', status=500))
    assert error_of(outcome) == "answered with an error (HTTP 500)"


@pytest.mark.parametrize("status", [400, 409, 422, 499])
async def test_a_refusal_says_why(autojump_clock: object, status: int) -> None:
    body = b'{"message": "no table left", "free": ["21:00"]}'
    outcome = await told(answer(body, "application/problem+json", status))
    assert outcome.status == "denied"
    assert json.loads(outcome.result) == {
        "error": f"HTTP {status}",
        "answer": {"message": "no table left", "free": ["21:00"]},
    }
    assert "no table" not in outcome.detail


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 60_000, b"1" * (MAX_ANSWER + 1)])
async def test_a_refusal_that_cannot_be_read_is_an_error_like_any(
    autojump_clock: object, body: bytes
) -> None:
    outcome = await told(answer(body, status=409))
    assert (outcome.status, error_of(outcome)) == (
        "http-error",
        "answered with an error (HTTP 409)",
    )


async def test_a_long_refusal_is_cut(autojump_clock: object) -> None:
    outcome = await told(answer(json.dumps(["x" * 9000]).encode(), status=409))
    assert len(outcome.result) == MAX_RESULT
    assert outcome.result.startswith('{"error":"HTTP 409","answer":["xxx')


async def test_a_switch_of_protocols_is_no_answer(autojump_clock: object) -> None:
    assert (await told(answer(b"", None, 101))).status == "unreadable"


@pytest.mark.parametrize(
    ("location", "place"),
    [
        ("http://169.254.169.254/latest/meta-data?x=1", "169.254.169.254"),
        ("https://user:pass@other.example.test/p", "other.example.test"),
        ("/elsewhere?who=me", NAME),
        ("", NAME),
        ("http://" + "a" * 300 + "/", "a" * 100),
    ],
)
@pytest.mark.parametrize("status", [301, 303, 304, 307])
async def test_a_redirect_is_not_followed(
    autojump_clock: object, status: int, location: str, place: str
) -> None:
    endpoint = Endpoint(answer(b"", None, status, {"Location": location}))
    outcome = await run(tool(allow_private=True), endpoint)
    assert [request.url.host for request in endpoint.requests] == [NAME]
    assert outcome.status == "redirect"
    assert error_of(outcome) == f"answered with an error (HTTP {status})"
    assert outcome.detail.endswith(f", to {place}")


async def test_a_redirect_to_nowhere_is_none(autojump_clock: object) -> None:
    nowhere = {"Location": "http://a:b/"}
    assert (await told(answer(b"", None, 302, nowhere))).status == "broken"  # httpx sees to that
    outcome = await told(answer(b"", None, 300, nowhere))
    assert outcome.status == "redirect"
    assert outcome.detail.endswith(", to an address that cannot be read")


# --- secrets -------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 409])
@pytest.mark.parametrize("secret", [SECRET, 'qu"ote\\s', "é"])
async def test_a_secret_that_comes_back_is_masked(
    autojump_clock: object, status: int, secret: str
) -> None:
    body = json.dumps({"headers": {"Authorization": f"Bearer {secret}"}}).encode()
    outcome = await told(answer(body, status=status), secret=secret)
    assert "Bearer ********" in outcome.result
    assert secret not in outcome.result

    text = await told(answer(f"Bearer {secret}".encode(), "text/plain"), secret=secret)
    assert text.result == "Bearer ********"


async def test_a_cut_does_not_leave_half_of_it(autojump_clock: object) -> None:
    text = b"x" * (MAX_RESULT - 45) + SECRET.encode() * 5
    assert SECRET[:6] not in (await told(answer(text, "text/plain"))).result


async def test_a_tool_without_a_secret_masks_nothing(autojump_clock: object) -> None:
    outcome = await told(answer(b"as it is", "text/plain"), secret=None, headers={})
    assert outcome.result == "as it is"


# --- no answer -----------------------------------------------------------------------------------


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("fault", "status", "sentence", "kind"),
    [
        (httpx.ConnectError("10.0.0.1"), "unreachable", "not reachable", "unreachable"),
        (OSError("no route"), "unreachable", "not reachable", "unreachable"),
        (caused(httpx.ConnectError("x"), ssl.SSLError("no")), "unreachable", "not reachable",
         "tls"),
        (caused(httpx.ConnectError("x"), socket.gaierror(-2, "no")), "unreachable", "not reachable",
         "unknown-host"),
        (httpx.ReadError("reset"), "broken", "the connection broke off", "broken"),
        (httpx.RemoteProtocolError("?"), "broken", "the connection broke off", "broken"),
        (httpx.LocalProtocolError("?"), "broken", "the connection broke off", "broken"),
        (httpx.ReadTimeout("x"), "timeout", "no answer in time", "did not answer within"),
    ],
)  # fmt: skip
async def test_every_failure_is_told_in_few_words(
    autojump_clock: object, fault: Exception, status: str, sentence: str, kind: str
) -> None:
    outcome = await told(fault)
    assert (outcome.status, error_of(outcome)) == (status, sentence)
    assert outcome.detail.startswith(NAME)
    assert kind in outcome.detail
    assert "10.0.0.1" not in outcome.detail


@pytest.mark.parametrize(
    ("changes", "host"),
    [
        ({"url": f"http://{NAME}/\x07"}, "an address that cannot be read"),
        ({"url": "http://a.test:x/"}, "an address that cannot be read"),
        ({"url": f"ftp://{NAME}/"}, NAME),
        ({"url": f"http://{NAME}/}}"}, NAME),
        ({"headers": {"X-Note": "}"}}, NAME),
        ({"headers": {"X-Ł": "1"}}, NAME),
        ({"body": {"a": "}"}}, NAME),
        ({"body": {"a": float("nan")}}, NAME),
        ({"url": "http://" + "a" * 70 + ".test/", "allow_private": False}, "a" * 70 + ".test"),
    ],
)
async def test_a_tool_that_cannot_work_does_no_harm(
    autojump_clock: object, changes: dict[str, object], host: str
) -> None:
    endpoint = Endpoint(answer())
    outcome = await run(tool(**changes), endpoint)
    assert endpoint.requests == []
    assert (outcome.status, error_of(outcome)) == ("unreachable", "not reachable")
    assert outcome.detail == f"{host}: bad-address"


async def test_an_answer_that_breaks_off_is_none(autojump_clock: object) -> None:
    body = Body([b'{"a"'], fault=httpx.ReadError("reset"))
    assert (await told(answer(body))).status == "broken"
    assert body.closed == 1


# --- time ----------------------------------------------------------------------------------------


async def test_an_endpoint_that_does_not_answer_gets_its_time(autojump_clock: object) -> None:
    outcome = await told(None, timeout_s=2.5)
    assert (outcome.status, error_of(outcome)) == ("timeout", "no answer in time")
    assert outcome.detail == f"{NAME} did not answer within 2.5 s"
    assert outcome.duration_s == pytest.approx(2.5, abs=0.01)


@pytest.mark.parametrize(("status", "kind"), [(200, "application/json"), (409, "application/json")])
async def test_an_answer_that_drips_gets_no_more(
    autojump_clock: object, status: int, kind: str
) -> None:
    body = Body([b"1"] * 60, pause_s=1)
    outcome = await told(answer(body, kind, status))
    assert outcome.status == "timeout"
    assert outcome.duration_s == pytest.approx(5, abs=0.01)
    assert body.closed == 1


async def test_one_that_takes_long_and_comes_in_time_is_taken(autojump_clock: object) -> None:
    body = Body([b"1"] * 3, pause_s=1)
    outcome = await told(answer(body))
    assert (outcome.status, outcome.result) == ("ok", "111")
    assert outcome.duration_s == pytest.approx(4, abs=0.01)


async def test_the_look_up_of_the_name_is_within_that_time(autojump_clock: object) -> None:
    class Hanging(Names):
        async def getaddrinfo(self, *args: object, **more: object) -> None:  # type: ignore[override]
            await trio.sleep_forever()

    trio.socket.set_custom_hostname_resolver(Hanging([]))
    outcome = await told(answer(), allow_private=False)
    assert outcome.status == "timeout"
    assert outcome.duration_s == pytest.approx(5, abs=0.01)


async def test_an_answer_that_does_not_close_is_left_behind(autojump_clock: object) -> None:
    class Stuck(Body):
        async def aclose(self) -> None:
            await trio.sleep_forever()

    outcome = await told(answer(Stuck([]), status=503))
    assert outcome.status == "http-error"
    assert outcome.duration_s == pytest.approx(0.5, abs=0.01)


async def test_a_tool_that_is_stopped_lets_go(autojump_clock: object) -> None:
    body = Body([b"1"] * 60, pause_s=1)
    with account() as held:
        async with direct_client(httpx.MockTransport(Endpoint(answer(body)))) as client:
            with trio.move_on_after(1.5) as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(use, BOOK, {}, {}, KEY, client)
                    await trio.sleep(1)
                    assert held["tool request"] == 1
    assert scope.cancelled_caught
    assert body.closed == 1
    assert held["tool request"] == 0
