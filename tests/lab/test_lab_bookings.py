"""The restaurant's book, as httpx and an agent's own tools find it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import trio

from voiced.config import SecretSources, parse
from voiced.lab import bookings
from voiced.lab.bookings import Bookings, Wish, tools
from voiced.lab.server import serve

TABLE = {"guests": 4, "day": "2026-11-22", "time": "20:00"}


@asynccontextmanager
async def running(server: Bookings) -> AsyncIterator[httpx.AsyncClient]:
    async with trio.open_nursery() as nursery:
        port = await nursery.start(serve, server.handle, "127.0.0.1", 0)
        url, headers = f"http://127.0.0.1:{port}", {"Authorization": "Bearer k"}
        async with httpx.AsyncClient(base_url=url, headers=headers) as client:
            yield client
        nursery.cancel_scope.cancel()


@pytest.fixture
def book() -> Bookings:
    return Bookings(frozenset({"k"}))


async def test_a_table_is_booked_and_stands_in_the_book(book: Bookings) -> None:
    async with running(book) as client:
        first = await client.post("/bookings", json=TABLE)
        second = await client.post("/bookings", json=TABLE | {"time": "13:00"})
        kept = (await client.get("/bookings")).json()["bookings"]
    assert (first.status_code, first.json()) == (201, {"reference": "R7", **TABLE})
    assert second.json()["reference"] == "R8"
    assert [each["time"] for each in kept] == ["20:00", "13:00"]
    assert [each["requests"] for each in kept] == [1, 1]
    assert kept[0]["at"] <= kept[1]["at"]


async def test_a_key_that_comes_again_gives_the_same_booking(book: Bookings) -> None:
    async with running(book) as client:
        again = [
            await client.post("/bookings", json=TABLE, headers={"Idempotency-Key": key})
            for key in ("a", "a", "b")
        ]
        other = await client.post(
            "/bookings", json=TABLE | {"guests": 5}, headers={"Idempotency-Key": "a"}
        )
    assert [each.json()["reference"] for each in again] == ["R7", "R7", "R8"]
    assert [each.requests for each in book.book] == [2, 1]
    assert other.status_code == 422
    assert "another booking" in other.json()["error"]


async def test_at_noon_there_is_no_table_and_others_are_offered(book: Bookings) -> None:
    noon = TABLE | {"time": "12:00"}
    async with running(book) as client:
        refused = await client.post("/bookings", json=noon)
        looked = [(await client.get("/tables", params=each)).json() for each in (noon, TABLE)]
    assert refused.status_code == 409
    assert refused.json() == {"error": "no table left", "times": ["13:00", "20:00"]}
    assert [each["free"] for each in looked] == [False, True]
    assert book.book == []


async def test_a_book_has_an_end(book: Bookings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bookings, "MOST_BOOKINGS", 1)
    async with running(book) as client:
        answers = [await client.post("/bookings", json=TABLE) for _ in range(2)]
    assert [each.status_code for each in answers] == [201, 503]


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic k", "k"])
async def test_who_has_no_key_learns_nothing(book: Bookings, header: str) -> None:
    async with running(book) as client:
        answer = await client.get("/bookings", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert list(answer.json()) == ["error"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("POST", "/tables", 405), ("DELETE", "/bookings", 405)],
)
async def test_what_there_is_not(book: Bookings, method: str, path: str, status: int) -> None:
    async with running(book) as client:
        answer = await client.request(method, path)
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"", 400, "not JSON"),
        (b"{", 400, "not JSON"),
        (b"\xff", 400, "not JSON"),
        (b"[]", 400, "not a JSON object"),
        ({}, 422, "guests"),
        ({"guests": "four"}, 422, "guests"),
        ({"guests": True}, 422, "guests"),
        ({"guests": 0}, 422, "guests"),
        ({"guests": 13}, 422, "guests"),
        ({"day": "tomorrow"}, 422, "day"),
        ({"day": "2026-02-30"}, 422, "day"),
        ({"day": "20261122"}, 422, "day"),
        ({"day": 22}, 422, "day"),
        ({"time": "eight"}, 422, "time"),
        ({"time": "24:00"}, 422, "time"),
        ({"time": None}, 422, "time"),
    ],
    ids=str,
)
async def test_bad_input_is_told_and_books_nothing(
    book: Bookings, body: bytes | dict[str, Any], status: int, told: str
) -> None:
    wish = {} if body == {} else TABLE | (body if isinstance(body, dict) else {})
    content = body if isinstance(body, bytes) else json.dumps(wish).encode()
    async with running(book) as client:
        answer = await client.post("/bookings", content=content)
    assert answer.status_code == status
    assert told in answer.json()["error"]
    assert book.book == []


@pytest.mark.parametrize("guests", ["", "four", "-1", "4.0"])
async def test_a_query_is_judged_too(book: Bookings, guests: str) -> None:
    async with running(book) as client:
        answer = await client.get("/tables", params=TABLE | {"guests": guests})
    assert answer.status_code == 422


def test_the_tools_are_ones_that_a_configuration_takes() -> None:
    settings = parse(AGENT + tools("http://127.0.0.1:8199", "k"), "test", SecretSources({}, {}))
    find, book = settings.agents["default"].tool
    assert (find.name, find.method.value, find.commit) == ("find_table", "GET", False)
    assert (book.name, book.method.value, book.commit) == ("book_table", "POST", True)
    assert book.parameters["required"] == [field.name for field in Wish.__attrs_attrs__]


AGENT = """
[stt.s]
type = "moshi"
[llm.l]
type = "openai"
model = "m"
[tts.t]
type = "moshi"
[agent.default]
stt = ["s"]
llm = ["l"]
tts = ["t"]

"""
