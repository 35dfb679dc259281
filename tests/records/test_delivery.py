"""Webhooks out of the outbox: what is sent, what the answer means, and when it is tried again."""

import socket
import ssl
from email.utils import formatdate

import httpx
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from test_delivery_stage import (
    SECRET,
    START,
    Body,
    Endpoint,
    FakeOutbox,
    deliver,
    delivering,
    delivery,
    silence,
    wall,
    webhook,
)

from voiced import __version__
from voiced.config import Webhook
from voiced.records.delivery import BACKOFF_S, CLAIM_S, MAX_ANSWER, Outcome, next_attempt
from voiced.records.signing import is_valid

HOUR = 3600.0


async def once(answer: object) -> tuple[FakeOutbox, Endpoint]:
    """One attempt."""
    outbox, endpoint = FakeOutbox(), Endpoint([answer])  # type: ignore[list-item]
    outbox.add(delivery())
    await deliver(outbox, endpoint, 3.9)
    return outbox, endpoint


async def test_a_delivery_is_sent_as_it_is_and_signed(autojump_clock: object) -> None:
    outbox, endpoint = await once(httpx.Response(204))
    (request,) = endpoint.requests
    assert request.method == "POST"
    assert str(request.url) == "http://hooks.example.test/in?key=k1"
    assert request.content == b'{"n":1}'
    headers = request.headers
    assert is_valid(SECRET, request.content, headers["Voiced-Signature"], wall())
    assert headers["Content-Type"] == "application/json"
    assert headers["Voiced-Event"] == "call.ended"
    assert headers["Voiced-Delivery"] == "event-1"
    assert headers["User-Agent"] == f"voiced/{__version__}"
    assert headers["Host"] == "hooks.example.test"
    assert headers["Content-Length"] == "7"
    assert outbox.told() == [("delivered", 1, "")]


async def test_without_a_secret_nothing_is_signed(autojump_clock: object) -> None:
    outbox, endpoint = FakeOutbox(), Endpoint([httpx.Response(200)])
    outbox.add(delivery())
    plain = Webhook(url="http://hooks.example.test/", allow_private=True)
    await deliver(outbox, endpoint, 1, {"crm": plain})
    assert "Voiced-Signature" not in endpoint.requests[0].headers


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_is_a_delivery(autojump_clock: object, status: int) -> None:
    outbox, endpoint = await once(httpx.Response(status))
    assert outbox.told() == [("delivered", 1, "")]
    assert len(endpoint.requests) == 1


OTHERS = [
    300, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 408, 409, 413, 422, 425, 429, 451,
    499, 500, 501, 502, 503, 504, 507, 520, 599,
]  # fmt: skip


@pytest.mark.parametrize("status", OTHERS)
async def test_any_other_is_tried_again(autojump_clock: object, status: int) -> None:
    outbox, _ = await once(httpx.Response(status))
    assert outbox.told() == [("postpone", 1, f"status {status}")]


async def test_an_endpoint_that_is_gone_is_left_alone(autojump_clock: object) -> None:
    outbox, _ = await once(httpx.Response(410))
    assert outbox.told() == [("give_up", 1, "status 410")]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 422, 499])
async def test_a_refusal_is_believed_the_third_time(autojump_clock: object, status: int) -> None:
    outbox, endpoint = FakeOutbox(), Endpoint([httpx.Response(status)])
    outbox.add(delivery())
    await deliver(outbox, endpoint, 48 * HOUR)
    assert len(endpoint.requests) == 3
    assert outbox.told()[-1] == ("give_up", 1, f"status {status}")


@pytest.mark.parametrize("status", [302, 408, 409, 425, 429, 500, 503])
async def test_retries_follow_the_schedule_for_a_day(autojump_clock: object, status: int) -> None:
    outbox, endpoint = FakeOutbox(), Endpoint([httpx.Response(status)])
    outbox.add(delivery())
    await deliver(outbox, endpoint, 72 * HOUR)
    pauses = [b - a for a, b in zip(endpoint.times, endpoint.times[1:], strict=False)]
    expected = [*BACKOFF_S, *[HOUR] * len(pauses)]
    for pause, planned in zip(pauses, expected, strict=False):
        assert 0.8 * planned <= pause <= 1.2 * planned + 0.001
    assert len(set(pauses)) == len(pauses), "no jitter"
    assert 22 * HOUR < endpoint.times[-1] <= 24 * HOUR
    assert [what for what, *_ in outbox.told()].count("give_up") == 1
    assert outbox.told()[-1] == ("give_up", 1, f"status {status}")
    assert {request.headers["Voiced-Delivery"] for request in endpoint.requests} == {"event-1"}
    signatures = {request.headers["Voiced-Signature"] for request in endpoint.requests}
    assert len(signatures) == len(endpoint.requests), "each attempt is signed anew"


async def test_what_is_too_old_after_a_long_stop_is_tried_once(autojump_clock: object) -> None:
    outbox, endpoint = FakeOutbox(), Endpoint([httpx.Response(500)])
    outbox.add(delivery(created_at=START - 48 * HOUR))
    await deliver(outbox, endpoint, HOUR)
    assert len(endpoint.requests) == 1
    assert outbox.told() == [("give_up", 1, "status 500")]


NOW = START + 100.0


@pytest.mark.parametrize(
    ("header", "pause_s"),
    [
        ("120", 120),
        ("3600", 3600),
        ("86400", 3600),
        ("9" * 5000, 3600),
        (formatdate(NOW + 60, usegmt=True), 60),
        ("Thu, 01 Jan 2026 00:03:20", 100),
        (formatdate(NOW + 9 * HOUR, usegmt=True), 3600),
    ],
)
def test_retry_after_is_respected_within_bounds(header: str, pause_s: float) -> None:
    at = next_attempt(delivery(), Outcome(503, retry_after=header), NOW)
    assert at == pytest.approx(NOW + pause_s)


MALFORMED = [
    "", "0", "1", "-5", "+5", "1.5", "1e3", "soon", "٣٦٠٠", "120 s", "2026-01-01", "Thu", ",", "é",
    "Thu, 99 Foo 2026 99:99:99 GMT", "Thu, 01 Jan 1970 00:00:00 GMT",
    "Thu, 01 Jan 99999 00:00:00 GMT",
]  # fmt: skip


@pytest.mark.parametrize("header", MALFORMED)
def test_a_malformed_or_short_retry_after_changes_nothing(header: str) -> None:
    at = next_attempt(delivery(), Outcome(429, retry_after=header), NOW)
    assert at is not None
    assert NOW + 4 <= at <= NOW + 6


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, [0-9]+ [A-Z][a-z]{2} -?[0-9]+ [0-9:]+( [A-Z]+)?"))
def test_any_retry_after_may_be_sent(header: str) -> None:
    at = next_attempt(delivery(), Outcome(503, retry_after=header), NOW)
    assert at is not None
    assert NOW + 4 <= at <= NOW + 3600


async def test_retry_after_of_a_response_puts_off_the_next_attempt(autojump_clock: object) -> None:
    busy = httpx.Response(503, headers={"Retry-After": " 900 "})
    outbox, endpoint = FakeOutbox(), Endpoint([busy, httpx.Response(200)])
    outbox.add(delivery())
    await deliver(outbox, endpoint, HOUR)
    assert endpoint.times == [pytest.approx(0, abs=0.01), pytest.approx(900, abs=0.01)]


async def test_an_endpoint_that_does_not_answer_gets_ten_seconds(autojump_clock: object) -> None:
    outbox, endpoint = FakeOutbox(), Endpoint([silence])
    outbox.add(delivery())
    await deliver(outbox, endpoint, 12)
    assert outbox.notes == [(pytest.approx(10, abs=0.01), "postpone", 1, "timeout")]


async def test_the_end_of_an_answer_is_not_waited_for(autojump_clock: object) -> None:
    body = Body(parts=100, pause_s=4)

    async def slowly(request: httpx.Request) -> httpx.Response:
        await trio.lowlevel.checkpoint()
        return httpx.Response(200, stream=body)

    outbox = FakeOutbox()
    outbox.add(delivery())
    await deliver(outbox, slowly, 30)
    assert outbox.notes == [(pytest.approx(10, abs=0.01), "delivered", 1, "")]
    assert (body.sent, body.closed) == (2, 1)


async def test_a_huge_answer_is_not_read(autojump_clock: object) -> None:
    body = Body(parts=10 * 1024)

    async def at_length(request: httpx.Request) -> httpx.Response:
        await trio.lowlevel.checkpoint()
        return httpx.Response(200, stream=body)

    outbox = FakeOutbox()
    outbox.add(delivery())
    await deliver(outbox, at_length, 1)
    assert outbox.told() == [("delivered", 1, "")]
    assert body.sent * 1024 <= MAX_ANSWER + 1024
    assert body.closed == 1


@pytest.mark.parametrize(("status", "what"), [(200, "delivered"), (500, "postpone")])
async def test_an_answer_that_breaks_off_counts_all_the_same(
    autojump_clock: object, status: int, what: str
) -> None:
    async def breaking(request: httpx.Request) -> httpx.Response:
        await trio.lowlevel.checkpoint()
        return httpx.Response(status, stream=Body(1, fault=httpx.ReadError("reset")))

    outbox = FakeOutbox()
    outbox.add(delivery())
    await deliver(outbox, breaking, 3.9)
    assert [noted for noted, *_ in outbox.told()] == [what]


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectError("refused"), "unreachable"),
        (caused(httpx.ConnectError("tls"), ssl.SSLCertVerificationError("no")), "tls"),
        (caused(httpx.ConnectError("dns"), socket.gaierror(-2, "unknown")), "unknown-host"),
        (OSError("no route"), "unreachable"),
        (httpx.ReadError("reset"), "broken"),
        (httpx.RemoteProtocolError("nonsense"), "broken"),
        (httpx.InvalidURL("bad"), "bad-address"),
        (ValueError("a host that TLS does not take"), "bad-address"),
    ],
)
async def test_every_failure_to_send_is_tried_again(
    autojump_clock: object, error: Exception, kind: str
) -> None:
    outbox, _ = await once(error)
    assert outbox.told() == [("postpone", 1, kind)]


@pytest.mark.parametrize("where", ["http://169.254.169.254/latest/", "http://127.0.0.1/", "//["])
async def test_a_redirect_is_not_followed(autojump_clock: object, where: str) -> None:
    outbox, endpoint = await once(httpx.Response(302, headers={"Location": where}))
    assert [request.url.host for request in endpoint.requests] == ["hooks.example.test"]
    assert [what for what, *_ in outbox.told()] == ["postpone"]


async def test_cookies_are_not_kept(autojump_clock: object) -> None:
    setting = httpx.Response(200, headers={"Set-Cookie": "a=b; Path=/"})
    outbox, endpoint = FakeOutbox(), Endpoint([setting])
    outbox.add(delivery(1), delivery(2))
    await deliver(outbox, endpoint, 1)
    assert len(endpoint.requests) == 2
    assert all("Cookie" not in request.headers for request in endpoint.requests)


async def test_a_cancelled_delivery_is_sent_again_with_the_same_event_id(
    autojump_clock: object,
) -> None:
    outbox, hanging, well = FakeOutbox(), Endpoint([silence]), Endpoint([httpx.Response(200)])
    outbox.add(delivery())
    await deliver(outbox, hanging, 5)
    assert len(hanging.requests) == 1
    assert outbox.notes == []

    await deliver(outbox, well, CLAIM_S)
    assert outbox.told() == [("delivered", 1, "")]
    ids = [each.requests[0].headers["Voiced-Delivery"] for each in (hanging, well)]
    assert ids == ["event-1", "event-1"]


async def test_a_webhook_that_is_no_longer_configured_is_given_up(autojump_clock: object) -> None:
    outbox, endpoint = FakeOutbox(), Endpoint([httpx.Response(200)])
    outbox.add(delivery(1, "old"), delivery(2, "crm"), delivery(3, "old"))
    await deliver(outbox, endpoint, 1)
    assert sorted(outbox.told(), key=lambda note: note[1]) == [
        ("give_up", 1, "not configured"),
        ("delivered", 2, ""),
        ("give_up", 3, "not configured"),
    ]
    assert len(endpoint.requests) == 1


async def test_the_log_says_when_it_begins_and_when_it_is_over(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "voiced")
    failing = [httpx.Response(503), httpx.Response(500), httpx.ConnectError("refused")]
    well = httpx.Response(200)
    endpoint = Endpoint([*failing, well, well, httpx.ReadError("reset"), well])
    outbox = FakeOutbox()
    outbox.add(delivery(1))
    async with delivering(outbox, endpoint):
        await trio.sleep(600)
        outbox.add(delivery(2))
        await trio.sleep(1)
        outbox.add(delivery(3))
        await trio.sleep(60)
    told = [(each.levelname, each.getMessage(), each.fields) for each in caplog.records]  # type: ignore[attr-defined]
    assert told == [
        ("WARNING", "a webhook fails", {"webhook": "crm", "status": 503}),
        ("INFO", "a webhook works again", {"webhook": "crm", "status": 200}),
        ("WARNING", "a webhook fails", {"webhook": "crm", "error": "broken"}),
        ("INFO", "a webhook works again", {"webhook": "crm", "status": 200}),
    ]
    for secret in (SECRET, "key=k1", "hooks.example.test", '{"n"'):
        assert secret not in repr([vars(each) for each in caplog.records])
        assert secret not in repr(outbox.notes)


async def test_a_url_without_a_path_gets_one(autojump_clock: object) -> None:
    outbox, endpoint = FakeOutbox(), Endpoint([httpx.Response(200)])
    outbox.add(delivery())
    await deliver(outbox, endpoint, 1, {"crm": webhook("http://hooks.example.test:8080")})
    assert endpoint.requests[0].url.raw_path == b"/"
    assert endpoint.requests[0].headers["Host"] == "hooks.example.test:8080"
