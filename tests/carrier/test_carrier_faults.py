"""The carrier against a Twilio that fails: what is asked again, and what never is."""

import logging
from collections.abc import AsyncIterator

import httpx
import pytest
import trio
from attrs import define
from carrier_peers import CALL, NEW, Answer, answer, failed, failure, house, never, refusal
from trio.testing import MockClock

from voiced.wire.twilio_rest import MAX_BODY

UNSENT = [
    failure(httpx.ConnectError),
    failure(httpx.ConnectTimeout),
    failure(httpx.PoolTimeout),
    refusal(429, 20429),
]
UNKNOWN = [
    failure(httpx.ReadTimeout),
    failure(httpx.ReadError),
    failure(httpx.WriteError),
    failure(httpx.RemoteProtocolError),
    answer(500, b""),
    refusal(503, 20500),
    never,
]


@pytest.mark.parametrize("unsent", UNSENT)
async def test_a_call_that_was_surely_not_placed_is_placed_again(
    unsent: Answer, autojump_clock: MockClock
) -> None:
    carrier, api = house(unsent, unsent, answer(201))
    assert (await carrier.create(NEW)).sid == CALL
    assert len(api.requests) == 3
    assert min(api.gaps) > 1 - 1e-9  # each attempt takes its turn


@pytest.mark.parametrize("unsent", UNSENT)
async def test_after_the_last_attempt_it_may_be_tried_later(
    unsent: Answer, autojump_clock: MockClock
) -> None:
    carrier, api = house(unsent)
    error = await failed(carrier.create(NEW))
    assert error.retryable
    assert "unknown whether" not in str(error)
    assert len(api.requests) == 3


@pytest.mark.parametrize("unknown", UNKNOWN)
async def test_a_call_that_may_have_been_placed_is_never_placed_again(
    unknown: Answer, autojump_clock: MockClock
) -> None:
    carrier, api = house(unknown)
    error = await failed(carrier.create(NEW))
    assert "it is unknown whether the call was placed" in str(error)
    assert not error.retryable
    assert len(api.requests) == 1


@pytest.mark.parametrize("fault", UNSENT + UNKNOWN)
async def test_what_may_be_done_twice_is_repeated(fault: Answer, autojump_clock: MockClock) -> None:
    carrier, api = house(fault, fault, answer(200))
    await carrier.end(CALL)
    assert len(api.requests) == 3
    carrier, api = house(fault)
    error = await failed(carrier.end(CALL))
    assert error.retryable
    assert "unknown whether" not in str(error)
    assert len(api.requests) == 3


@pytest.mark.parametrize("error", [httpx.UnsupportedProtocol, httpx.InvalidURL])
async def test_an_address_that_is_none_is_not_asked_twice(
    error: type[Exception], autojump_clock: MockClock
) -> None:
    async def fail(_request: httpx.Request) -> httpx.Response:
        await trio.lowlevel.checkpoint()
        raise error("no")

    carrier, api = house(fail)
    told = await failed(carrier.end(CALL))
    assert "twilio.api_url, https://api.twilio.com, is no address" in str(told)
    assert not told.retryable
    assert len(api.requests) == 1


async def test_silence_ends_at_the_deadline(autojump_clock: MockClock) -> None:
    carrier, _ = house(never, answer_s=5.0, attempts=1)
    began = trio.current_time()
    assert "did not answer within 5 s" in str(await failed(carrier.fetch(CALL)))
    assert trio.current_time() - began == pytest.approx(5.0)


async def test_pauses_are_random_and_their_bound_doubles(autojump_clock: MockClock) -> None:
    first: list[float] = []
    second: list[float] = []
    for _ in range(60):
        carrier, api = house(answer(503, b""), pause_s=1.0, max_pause_s=1.5)
        await failed(carrier.end(CALL))
        first.append(api.gaps[0])
        second.append(api.gaps[1])
    assert 0 <= min(first) < 0.4
    assert 0.6 < max(first) <= 1.0
    assert 1.0 < max(second) <= 1.5


async def test_twilios_own_pause_is_kept(autojump_clock: MockClock) -> None:
    for status in (429, 503):
        carrier, api = house(answer(status, b"", Retry_After="7"), answer(200))
        await carrier.end(CALL)
        assert 7.0 <= api.gaps[0] <= 7.5


async def test_a_pause_that_is_too_long_is_an_error_at_once(autojump_clock: MockClock) -> None:
    carrier, api = house(refusal(429, 20429, Retry_After="11"))
    began = trio.current_time()
    error = await failed(carrier.create(NEW))
    assert (error.code, error.retryable) == (20429, True)
    assert (trio.current_time(), len(api.requests)) == (began, 1)


@pytest.mark.parametrize("asked", ["-1", "soon", "nan", "Fri, 20 Nov 2026 10:00:00 GMT", "1e3"])
async def test_a_pause_that_is_no_number_is_ours(asked: str, autojump_clock: MockClock) -> None:
    carrier, api = house(answer(429, b"", Retry_After=asked), answer(200))
    await carrier.end(CALL)
    assert api.gaps[0] <= 0.5


async def test_a_repeated_request_is_logged_without_numbers(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    carrier, _ = house(failure(httpx.ConnectError), answer(200))
    with caplog.at_level(logging.WARNING):
        await carrier.end(CALL)
    [record] = [each for each in caplog.records if each.name.startswith("voiced")]
    fields = record.__dict__["fields"]
    assert fields["deed"] == "end the call"
    assert fields["attempt"] == 1
    assert "612345678" not in str(fields)


# --- bodies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"sid": "CA1"}', b"[1]"])
async def test_a_malformed_answer_leaves_a_new_call_in_doubt(
    body: bytes, autojump_clock: MockClock
) -> None:
    carrier, api = house(answer(201, body))
    error = await failed(carrier.create(NEW))
    assert "malformed" in str(error)
    assert "it is unknown whether the call was placed" in str(error)
    assert not error.retryable
    assert len(api.requests) == 1
    assert "unknown whether" not in str(await failed(carrier.fetch(CALL)))


async def test_what_is_not_needed_of_an_answer_is_not_judged(autojump_clock: MockClock) -> None:
    carrier, _ = house(answer(200, b"<html>"))
    await carrier.end(CALL)
    await carrier.limit(CALL, 90)
    await carrier.redirect(CALL, "https://x.test/t")


@define(eq=False)
class Body(httpx.AsyncByteStream):
    """A body that comes in pieces, each after a while."""

    piece: bytes
    left: int
    pause_s: float = 0
    sent: int = 0
    end: str = "open"

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        await trio.sleep(self.pause_s)
        if not self.left:
            raise StopAsyncIteration
        self.left -= 1
        self.sent += len(self.piece)
        return self.piece

    async def aclose(self) -> None:
        self.end = "closed"

    def answer(self, status: int = 200) -> Answer:
        async def give(_request: httpx.Request) -> httpx.Response:
            await trio.lowlevel.checkpoint()
            return httpx.Response(status, stream=self)

        return give


@pytest.mark.parametrize("status", [200, 400])
async def test_no_more_is_read_of_an_answer_than_its_bound(
    status: int, autojump_clock: MockClock
) -> None:
    body = Body(b"x" * 4096, left=256)
    carrier, api = house(body.answer(status))
    assert not (await failed(carrier.fetch(CALL))).retryable
    assert len(api.requests) == 1
    assert body.sent <= MAX_BODY + 4096
    assert body.end == "closed"


async def test_a_body_that_never_ends_is_left_at_the_deadline(autojump_clock: MockClock) -> None:
    body = Body(b" ", left=999, pause_s=3)
    carrier, _ = house(body.answer(), attempts=1)
    began = trio.current_time()
    assert (await failed(carrier.fetch(CALL))).retryable
    assert trio.current_time() - began == pytest.approx(8.0)
    assert body.end == "closed"


async def test_a_cancelled_request_lets_go_of_its_connection(autojump_clock: MockClock) -> None:
    body = Body(b" ", left=999, pause_s=1)
    carrier, _ = house(body.answer())
    with trio.move_on_after(2.5):
        await carrier.end(CALL)
    assert (body.sent, body.end) == (2, "closed")
