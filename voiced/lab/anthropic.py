"""A stand-in for Anthropic's Messages that knows one restaurant, and answers by rules."""

from enum import Enum, auto
from typing import Any

from attrs import define, evolve

from voiced.lab.anthropic_ask import MODELS, AnthropicAsked, parse_ask
from voiced.lab.anthropic_reply import THOUGHT, AnthropicReply, event
from voiced.lab.llm_mind import answer
from voiced.lab.llm_model import LONG_ANSWER, Refused, StandIn, Upset, as_json
from voiced.lab.llm_talk import Answer, ToolUse
from voiced.lab.server import Exchange


class AnthropicFault(Enum):
    """What it can be told to do wrong, or in an unusual way. The first are statuses."""

    NONE = 200
    UNAUTHORISED = 401
    NO_CREDIT = 402
    FORBIDDEN = 403
    NOT_FOUND = 404
    TOO_LARGE = 413
    RATE_LIMITED = 429
    SERVER_ERROR = 500
    TIMED_OUT = 504
    OVERLOADED = 529  # not in `http.HTTPStatus`
    HANG = auto()  # headers, then no token ever
    CUT = auto()  # TCP closed after a few tokens
    TRUNCATED = auto()  # the body ends in order, but without message_stop
    MALFORMED = auto()  # an event that is not JSON in mid-stream
    STREAM_ERROR = auto()  # overloaded_error after HTTP 200
    EMPTY = auto()  # an answer without a word
    LONG = auto()  # 2,000 words
    THINKING = auto()  # a thinking block comes first
    UNKNOWN = auto()  # events, blocks and deltas of types to come
    REFUSAL = auto()  # broken off by a classifier
    WORDLESS = auto()  # max_tokens spent on a thought


ERRORS: dict[AnthropicFault, tuple[str, str]] = {
    AnthropicFault.UNAUTHORISED: ("authentication_error", "invalid x-api-key"),
    AnthropicFault.NO_CREDIT: ("billing_error", "There is a problem with your payment."),
    AnthropicFault.FORBIDDEN: ("permission_error", "Your API key may not use this resource."),
    AnthropicFault.NOT_FOUND: ("not_found_error", "model: unknown"),
    AnthropicFault.TOO_LARGE: ("request_too_large", "Request exceeds the maximum size"),
    AnthropicFault.RATE_LIMITED: ("rate_limit_error", "This request would exceed your rate limit."),
    AnthropicFault.SERVER_ERROR: ("api_error", "Internal server error"),
    AnthropicFault.TIMED_OUT: ("timeout_error", "Request timed out"),
    AnthropicFault.OVERLOADED: ("overloaded_error", "Overloaded"),
}
"""Type and message of the error object."""

UNKNOWN = (
    event("content_block_start", index=9, content_block={"type": "hologram", "size": 3})
    + event("content_block_delta", index=9, delta={"type": "hologram_delta", "text": "boo"})
    + event("content_block_stop", index=9)
    + event("weather", text="rain")
)
UPSETS = {
    AnthropicFault.HANG: Upset.HANG,
    AnthropicFault.CUT: Upset.CUT,
    AnthropicFault.TRUNCATED: Upset.TRUNCATED,
}
ASIDES = {
    AnthropicFault.MALFORMED: b"event: content_block_delta\ndata: {oops\n\n",
    AnthropicFault.STREAM_ERROR: event("error", error={"type": "overloaded_error",
                                                       "message": "Overloaded"}),
    AnthropicFault.UNKNOWN: UNKNOWN,
}  # fmt: skip


@define
class AnthropicServer(StandIn):
    """`POST /v1/messages` and `GET /v1/models`: see `handle`."""

    fault: AnthropicFault = AnthropicFault.NONE
    retry_after: str = "1"
    """In seconds, with a 429."""
    uses: tuple[ToolUse, ...] = ()
    """Tools that it asks for, whatever is said."""

    async def handle(self, exchange: Exchange) -> None:
        """Answers one HTTP request."""
        request = exchange.request
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        route = (request.method, request.path)
        if self.keys and request.headers.get("x-api-key", bearer) not in self.keys:
            await self._refuse(exchange, AnthropicFault.UNAUTHORISED)
        elif route == ("GET", "/v1/models"):
            await self._respond(exchange, 200, model_list())
        elif route != ("POST", "/v1/messages"):
            await self._refuse(exchange, AnthropicFault.NOT_FOUND)
        elif self.fault in ERRORS:
            await self._refuse(exchange, self.fault)
        else:
            await self._answer(exchange)

    async def _answer(self, exchange: Exchange) -> None:
        request = exchange.request
        try:
            if not (version := request.headers.get("anthropic-version")):
                raise Refused("anthropic-version: header is required")
            asked = parse_ask(request.body, version)
        except Refused as refused:
            await self._respond(exchange, 400, error("invalid_request_error", str(refused)))
            return
        if asked.model not in MODELS:
            await self._respond(exchange, 404, error("not_found_error", f"model: {asked.model}"))
            return
        upset = UPSETS.get(self.fault, Upset.NONE)
        aside = ASIDES.get(self.fault, b"")
        await self.perform(exchange, asked, self._reply(asked), upset, aside)

    def _reply(self, asked: AnthropicAsked) -> AnthropicReply:
        texts = {AnthropicFault.EMPTY: "", AnthropicFault.LONG: LONG_ANSWER}
        text = texts.get(self.fault)
        said = answer(asked.talk) if text is None else Answer(text)
        said = evolve(said, uses=self.uses or said.uses)
        reply = AnthropicReply.to(next(self.numbers), asked, said)
        match self.fault:
            case AnthropicFault.THINKING:
                return evolve(reply, thought=THOUGHT)
            case AnthropicFault.WORDLESS:
                return evolve(reply, thought=THOUGHT, tokens=(), uses=(), stop_reason="max_tokens")
            case AnthropicFault.REFUSAL:
                return reply.refusing()
        return reply

    async def _refuse(self, exchange: Exchange, fault: AnthropicFault) -> None:
        await self._respond(exchange, fault.value, error(*ERRORS[fault]))

    async def _respond(self, exchange: Exchange, status: int, body: dict[str, Any]) -> None:
        limited = status == AnthropicFault.RATE_LIMITED.value
        headers = (("retry-after", self.retry_after),) if limited else ()
        request_id = ("request-id", f"req_lab_{len(self.requests)}")
        await exchange.respond(status, as_json(body), headers=(request_id, *headers))


def error(kind: str, message: str) -> dict[str, Any]:
    """The body of an error."""
    told = {"type": kind, "message": message}
    return {"type": "error", "error": told, "request_id": "req_lab"}


def model_list() -> dict[str, Any]:
    """The body of `GET /v1/models`, all on one page."""
    names = sorted(MODELS)
    models = [
        {"type": "model", "id": name, "display_name": name, "created_at": "2026-10-07T00:00:00Z",
         "lifecycle": "active"}
        for name in names
    ]  # fmt: skip
    return {"data": models, "has_more": False, "first_id": names[0], "last_id": names[-1]}
