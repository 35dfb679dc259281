"""OpenAI's embeddings on the wire."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiced.errors import WireError
from voiced.wire.embeddings import MAX_DIMENSIONS, embeddings_answer, embeddings_request


def answer(*vectors: object, places: list[object] | None = None) -> bytes:
    entries = [
        {"object": "embedding", "index": index, "embedding": vector}
        for index, vector in zip(places or range(len(vectors)), vectors, strict=True)
    ]
    return json.dumps({"object": "list", "data": entries, "model": "m"}).encode()


def test_a_request() -> None:
    body = embeddings_request("bge-m3", ["où ça\ud800", "when"])
    assert json.loads(body) == {
        "model": "bge-m3", "input": ["où ça", "when"], "encoding_format": "float",
    }  # fmt: skip


def test_vectors_come_in_the_order_of_the_texts_and_of_length_one() -> None:
    vectors = embeddings_answer(answer([0, 2], [3.0, 4], places=[1, 0]), 2)
    assert vectors.dtype == np.float32
    assert vectors == pytest.approx(np.array([[0.6, 0.8], [0, 1]]))


def test_without_an_index_the_order_is_the_answers() -> None:
    body = json.dumps({"data": [{"embedding": [1, 0]}, {"embedding": [0, 1]}]}).encode()
    assert embeddings_answer(body, 2).tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("numbers", [[1e300, 1e300], [1e-300, 1e-300], [10**300, 10**300]])
def test_the_largest_and_the_smallest_numbers_have_a_direction(numbers: list[float]) -> None:
    assert embeddings_answer(answer(numbers), 1)[0] == pytest.approx([0.5**0.5] * 2)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"<html>", "not JSON"),
        (b"[]", "not an object"),
        (b"{}", "data: missing"),
        (b'{"data": [1]}', "not an object"),
        (answer(), "data: 0 vectors for 1 texts"),
        (answer([1], [2]), "data: 2 vectors for 1 texts"),
        (answer([1.0], places=[1]), "index: not each text has its own"),
        (answer([1.0], places=["first"]), "index: wrong type"),
        (answer("AACAPw=="), "embedding: wrong type"),
        (answer([]), "embedding: 0 numbers"),
        (answer([1.0] * (MAX_DIMENSIONS + 1)), "embedding: 8193 numbers"),
        (answer([1.0, "2"]), "embedding: not all are numbers"),
        (answer([1.0, None]), "embedding: not all are numbers"),
        (answer([1.0, True]), "embedding: not all are numbers"),
        (answer([[1.0]]), "embedding: not all are numbers"),
        (answer([10**400]), "embedding: an integer too large"),
        (answer([0, 0.0]), "embedding: no direction"),
        (answer([1, float("nan")]), "embedding: no direction"),
        (answer([1, float("inf")]), "embedding: no direction"),
    ],
)
def test_what_is_no_vector_for_each_text(body: bytes, told: str) -> None:
    with pytest.raises(WireError, match=f"^{told}$"):
        embeddings_answer(body, 1)


def test_vectors_are_of_one_length() -> None:
    with pytest.raises(WireError, match="several lengths"):
        embeddings_answer(answer([1], [1, 2]), 2)


def test_each_index_is_there_once() -> None:
    with pytest.raises(WireError, match="index"):
        embeddings_answer(answer([1], [1], places=[0, 0]), 2)


@given(st.binary(max_size=200))
def test_any_body_is_vectors_or_an_error(body: bytes) -> None:
    with pytest.raises(WireError):
        embeddings_answer(body, 1)
