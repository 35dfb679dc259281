"""An OpenAI-compatible chat completions server that knows one restaurant, and answers by rules."""

from typing import Any

from attrs import define

from voiced.lab.faults import LlmFault
from voiced.lab.llm_ask import Asked, parse_request
from voiced.lab.llm_mind import answer
from voiced.lab.llm_model import LONG_ANSWER, Refused, StandIn, Upset, as_json
from voiced.lab.llm_model import MODEL as MODEL
from voiced.lab.llm_model import LlmRequest as LlmRequest
from voiced.lab.llm_model import LlmTiming as LlmTiming
from voiced.lab.llm_model import Outcome as Outcome
from voiced.lab.llm_reply import CREATED, Reply, sse
from voiced.lab.llm_talk import Answer
from voiced.lab.server import Exchange

REFUSALS: dict[LlmFault, tuple[str, str, str | None]] = {
    LlmFault.UNAUTHORISED: ("Incorrect API key provided.", "invalid_request_error",
                            "invalid_api_key"),
    LlmFault.NOT_FOUND: ("The model does not exist.", "invalid_request_error", "model_not_found"),
    LlmFault.RATE_LIMITED: ("Rate limit reached.", "requests", "rate_limit_exceeded"),
    LlmFault.SERVER_ERROR: ("The server had an error.", "server_error", None),
}  # fmt: skip
"""Message, type and code of the error object, as OpenAI words them."""

UPSETS = {
    LlmFault.HANG: Upset.HANG,
    LlmFault.CUT: Upset.CUT,
    LlmFault.TRUNCATED: Upset.TRUNCATED,
}


@define
class LlmServer(StandIn):
    """`POST /v1/chat/completions` and `GET /v1/models`: see `handle`."""

    fault: LlmFault = LlmFault.NONE

    async def handle(self, exchange: Exchange) -> None:
        """Answers one HTTP request."""
        request = exchange.request
        route = (request.method, request.path)
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self.keys and bearer not in self.keys:
            await refuse(exchange, LlmFault.UNAUTHORISED)
        elif route == ("GET", "/v1/models"):
            model = {"id": MODEL, "object": "model", "created": CREATED, "owned_by": "voiced"}
            await exchange.respond(200, as_json({"object": "list", "data": [model]}))
        elif route != ("POST", "/v1/chat/completions"):
            await refuse(exchange, LlmFault.NOT_FOUND)
        elif self.fault in REFUSALS:
            await refuse(exchange, self.fault)
        else:
            await self._answer(exchange)

    async def _answer(self, exchange: Exchange) -> None:
        try:
            asked = parse_request(exchange.request.body)
        except Refused as refused:
            told = error_object(str(refused), "invalid_request_error", refused.code, refused.param)
            await exchange.respond(400, as_json(told))
            return
        reply = Reply.to(next(self.numbers), asked, self._said(asked))
        upset = UPSETS.get(self.fault, Upset.NONE)
        await self.perform(exchange, asked, reply, upset, ASIDES.get(self.fault, b""))

    def _said(self, asked: Asked) -> Answer:
        texts = {LlmFault.EMPTY: "", LlmFault.LONG: LONG_ANSWER}
        text = texts.get(self.fault)
        return answer(asked.talk) if text is None else Answer(text)


async def refuse(exchange: Exchange, fault: LlmFault) -> None:
    """Answers with the error of that status."""
    headers = (("retry-after", "1"),) if fault is LlmFault.RATE_LIMITED else ()
    body = as_json(error_object(*REFUSALS[fault]))
    await exchange.respond(fault.value, body, headers=headers)


def error_object(
    message: str, kind: str, code: str | None, param: str | None = None
) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


ASIDES = {
    LlmFault.MALFORMED: b'data: {"id":"chatcmpl-1","choices":[{"delta"\n\n',
    LlmFault.STREAM_ERROR: sse(error_object(*REFUSALS[LlmFault.SERVER_ERROR])),
}
