"""OpenAI's embeddings, as all compatible servers speak them.

Source: OpenAI's "Embeddings" API reference; the servers of Ollama, vLLM, llama.cpp and Hugging
Face's text-embeddings-inference.
"""

import json
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voiced.errors import WireError
from voiced.wire.fields import JsonObject, array, as_object, json_value, whole

MAX_DIMENSIONS: Final = 8_192
_NUMBERS: Final = {float, int}


def embeddings_request(model: str, texts: Sequence[str]) -> bytes:
    """The JSON body of a `POST /embeddings`."""
    request = {"model": model, "input": list(texts), "encoding_format": "float"}
    return json.dumps(request, ensure_ascii=False).encode("utf-8", "ignore")


def embeddings_answer(body: bytes, count: int) -> NDArray[np.float32]:
    """The vectors of an answer to `count` texts, in the texts' order, each of length 1: an array
    of `count` rows.

    Raises:
        WireError: not one vector for each text; vectors of several lengths, of none, or of more
            than 8,192 numbers; one with what is no finite number, or of zeros.
    """
    entries = [as_object(entry) for entry in array(as_object(json_value(body)), "data")]
    if len(entries) != count:
        raise WireError(f"data: {len(entries)} vectors for {count} texts")
    places = [whole({"index": place, **entry}, "index") for place, entry in enumerate(entries)]
    if sorted(places) != list(range(count)):
        raise WireError("index: not each text has its own")
    vectors = [_vector(entry) for _, entry in sorted(zip(places, entries, strict=True), key=_place)]
    if len({len(vector) for vector in vectors}) > 1:
        raise WireError("embedding: vectors of several lengths")
    return np.array(vectors, np.float32)


def _place(placed: tuple[int, JsonObject]) -> int:
    return placed[0]


def _vector(entry: JsonObject) -> NDArray[np.float64]:
    numbers = array(entry, "embedding")
    if not 0 < len(numbers) <= MAX_DIMENSIONS:
        raise WireError(f"embedding: {len(numbers)} numbers")
    if not set(map(type, numbers)) <= _NUMBERS:
        raise WireError("embedding: not all are numbers")
    try:
        vector = np.array(numbers, np.float64)
    except OverflowError:
        raise WireError("embedding: an integer too large") from None
    largest = float(np.abs(vector).max())
    if not 0 < largest < np.inf:
        raise WireError("embedding: no direction")  # zeros, infinite, or not a number
    vector /= largest  # so that no square is too large, or nothing
    return np.asarray(vector / np.linalg.norm(vector), np.float64)
