"""Turns sentences into vectors by any server of OpenAI's embeddings."""

from collections.abc import Sequence
from typing import Final

import httpx
import numpy as np
import trio

from voiced.config import OpenAiEmbeddings
from voiced.dialog.router import Row
from voiced.engines.endpoint import Endpoint
from voiced.engines.http import Http, NoAnswer
from voiced.engines.http_failures import HttpFailures
from voiced.errors import EngineBroken, WireError
from voiced.ops.held import holding
from voiced.wire.embeddings import embeddings_answer, embeddings_request

BATCH: Final = 4
"""Texts in a request for many: reading 1,536 numbers takes a millisecond, and calls may be live."""

BATCH_S: Final = 10.0
"""For one such request: nobody waits on the line for it."""

MAX_ANSWER: Final = 1024 * 1024
"""No more is read of an answer, in bytes: four of the longest vectors fit."""

_WARM_S: Final = 3.0


class Embeddings:
    """One model of one server. `last_used` is when it was asked last, on Trio's clock."""

    def __init__(self, name: str, settings: OpenAiEmbeddings, http: httpx.AsyncClient) -> None:
        self.name = name
        self.model = settings.model
        self.timeout_s = settings.timeout_ms / 1000
        """How long a caller's words may take."""
        self.last_used = -float("inf")
        key = settings.api_key
        headers = {"Authorization": f"Bearer {key.reveal()}"} if key else {}
        url = settings.base_url.rstrip("/")
        endpoint = Endpoint(name, "embeddings", url, "the model's server", headers)
        missing = f"with Ollama, `ollama pull {settings.model}`; else check model and base_url"
        late = "its vectors did not come in time"
        self._failures = HttpFailures(endpoint, settings.model, late, missing)
        self._http = Http(http, self._failures)

    async def vectors(self, texts: Sequence[str], due: float) -> Row:
        """A row for each text, of length 1; `due` is on Trio's clock.

        Raises:
            EngineTimeout: not whole by then.
            EngineRefused: wrong key, unknown model, texts that it does not take.
            EngineAtCapacity: too many requests, or overloaded.
            EngineBroken: not reachable, or what it answers is not a vector for each text.
        """
        self.last_used = trio.current_time()
        body = embeddings_request(self.model, texts)
        try:
            with holding("embeddings"):
                return embeddings_answer(await self._answer(body, due), len(texts))
        except NoAnswer as failed:
            raise failed.error from failed
        except WireError as error:
            told = f"what {self._failures.endpoint.where} answers is no embeddings: {error}"
            raise self._failures.error(EngineBroken, told) from error

    async def many(self, texts: Sequence[str]) -> Row:
        """As `vectors`, in several requests, for which nobody waits.

        Raises:
            EngineError: as `vectors`; EngineBroken also where their lengths differ.
        """
        parts = []
        for first in range(0, len(texts), BATCH):
            due = trio.current_time() + BATCH_S
            parts.append(await self.vectors(texts[first : first + BATCH], due))
        if len({part.shape[1] for part in parts}) > 1:
            told = f"{self._failures.endpoint.where} changes the length of its vectors"
            raise self._failures.error(EngineBroken, told)
        return np.concatenate(parts)

    async def warm(self) -> None:
        """Sees to it that a connection is open, by the cheapest request there is.

        Raises:
            EngineError: the server is not reachable, or does not accept the key.
        """
        self.last_used = trio.current_time()
        due = self.last_used + _WARM_S
        try:
            async with self._http.exchange("/models", due) as answer:
                if answer.status in {401, 403}:
                    raise await answer.refusal(due)
                await answer.finish(_WARM_S)
        except NoAnswer as failed:
            raise failed.error from failed

    async def _answer(self, body: bytes, due: float) -> bytes:
        async with self._http.exchange("/embeddings", due, body) as answer:
            if answer.status != httpx.codes.OK:
                raise await answer.refusal(due)
            whole = b""
            while (data := await answer.next(due)) is not None:
                whole += data
                if len(whole) > MAX_ANSWER:
                    raise WireError(f"longer than {MAX_ANSWER} bytes")
            return whole
