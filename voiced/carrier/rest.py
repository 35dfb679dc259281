"""One request to Twilio's REST API: within our deadline and bounds, again where that is safe.

What an unanswered request has done is not known, so the question each failure must answer is
whether Twilio surely did nothing (`Outcome.UNTOUCHED`) or may have done it (`UNKNOWN`).
"""

import logging
import random
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import Enum, auto
from typing import Final
from urllib.parse import urlencode

import httpx
import trio
from attrs import evolve, frozen

from voiced.config import Twilio
from voiced.errors import CarrierError
from voiced.wire.twilio_rest import MAX_BODY, RestError, error_of

log = logging.getLogger(__name__)

CLOSE_S: Final = 0.5
"""Closing does not wait for the far end; this bounds it should it ever."""

_HEADERS: Final = {"Accept-Encoding": "identity"}  # a small body must not unfold into a large one
_FORM_HEADERS: Final = {**_HEADERS, "Content-Type": "application/x-www-form-urlencoded"}
_SECONDS: Final = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")


@frozen(kw_only=True)
class CarrierTiming:
    """Deadlines and pauses, in seconds.

    The pauses between attempts are drawn from 0 to a bound that doubles from `pause_s` to
    `max_pause_s`. A carrier that asks for a longer one than `max_asked_s` is not asked again.
    """

    connect_s: float = 3.0
    answer_s: float = 8.0
    attempts: int = 3
    pause_s: float = 0.5
    max_pause_s: float = 4.0
    max_asked_s: float = 10.0
    max_turn_s: float = 20.0
    """The longest wait of a new call for its turn."""


TIMING: Final = CarrierTiming()


class Outcome(Enum):
    """What a failed request has done."""

    REFUSED = auto()
    """Nothing, and it would be refused again."""

    UNTOUCHED = auto()
    """Surely nothing; it may succeed later."""

    UNKNOWN = auto()
    """Perhaps what it asked for."""


@frozen
class Ask:
    """A request. `deed` names it in an error, as in "end the call".

    `doubt` makes it one that is not repeated where it may have been carried out, and says what is
    then unknown. `gone` is raised where Twilio says that there is no such thing any more.
    """

    deed: str
    path: str
    form: Sequence[tuple[str, str]] = ()
    doubt: str = ""
    gone: type[CarrierError] = CarrierError

    @property
    def method(self) -> str:
        return "POST" if self.form else "GET"


@frozen
class Failure:
    """Why there is no answer. `asked_s`: the pause that Twilio asks for."""

    error: CarrierError
    outcome: Outcome
    asked_s: float | None = None


class Rest:
    """The API as one account uses it. The settings must hold its SID and token."""

    def __init__(
        self,
        settings: Twilio,
        http: httpx.AsyncClient,
        timing: CarrierTiming = TIMING,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._http = http
        self._timing = timing
        self._chance = chance

    async def ask(
        self, ask: Ask, turn: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint
    ) -> bytes:
        """The body of Twilio's answer, `MAX_BODY` and one byte at most.

        `turn` is waited for before each attempt.

        Raises:
            CarrierError: refused, or failed at each attempt; `ask.gone` where it is gone.
        """
        safe = {Outcome.UNTOUCHED} if ask.doubt else {Outcome.UNTOUCHED, Outcome.UNKNOWN}
        tried = 0
        while True:
            await turn()
            answer = await self._attempt(ask)
            if isinstance(answer, bytes):
                return answer
            tried += 1
            pause_s = self._pause_s(tried, answer.asked_s)
            if answer.outcome not in safe or pause_s is None:
                raise answer.error
            fields = {"deed": ask.deed, "attempt": tried, "error": str(answer.error)}
            log.warning("Twilio's REST API failed; asking again", extra={"fields": fields})
            await trio.sleep(pause_s)

    def _pause_s(self, tried: int, asked_s: float | None) -> float | None:
        """How long to wait after so many attempts; None: do not try again."""
        timing = self._timing
        if tried >= timing.attempts or (asked_s or 0) > timing.max_asked_s:
            return None
        longest = min(timing.pause_s * 2.0 ** (tried - 1), timing.max_pause_s)
        return (asked_s or 0) + self._chance() * longest

    async def _attempt(self, ask: Ask) -> bytes | Failure:
        where = self._settings.api_url
        try:
            with trio.move_on_after(self._timing.answer_s):
                return await self._exchange(ask)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            said = f"twilio.api_url, {where}, is no address of an API"
            return self._failed(ask, Outcome.REFUSED, said)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            said = f"there is no way to {where}: check twilio.api_url, DNS and the network"
            return self._failed(ask, Outcome.UNTOUCHED, said)
        except httpx.PoolTimeout:
            return self._failed(ask, Outcome.UNTOUCHED, "all our connections are in use")
        except httpx.TimeoutException:
            pass  # as where our own deadline passed
        except httpx.HTTPError:
            return self._failed(ask, Outcome.UNKNOWN, f"{where} dropped the connection")
        said = f"{where} did not answer within {self._timing.answer_s:g} s"
        return self._failed(ask, Outcome.UNKNOWN, said)

    async def _exchange(self, ask: Ask) -> bytes | Failure:
        response = await self._http.send(
            self._request(ask), auth=self._auth(), stream=True, follow_redirects=False
        )
        try:
            body = await _body(response)
        finally:
            with trio.move_on_after(CLOSE_S, shield=True):
                await response.aclose()
        if response.is_success:
            return body
        return self._refused(ask, error_of(response.status_code, body), response.headers)

    def _request(self, ask: Ask) -> httpx.Request:
        base = f"{self._settings.api_url.rstrip('/')}/2010-04-01/Accounts"
        return self._http.build_request(
            ask.method,
            f"{base}/{self._settings.account_sid}{ask.path}",
            content=urlencode(ask.form),
            headers=_FORM_HEADERS if ask.form else _HEADERS,
            # Only what precedes the request has a deadline of httpx's, shorter than our own: so
            # a request that was not sent is told from one that was not answered.
            timeout=httpx.Timeout(None, connect=self._timing.connect_s, pool=1.0),
        )

    def _auth(self) -> httpx.BasicAuth:
        token = self._settings.auth_token
        return httpx.BasicAuth(self._settings.account_sid, token.reveal() if token else "")

    def _refused(self, ask: Ask, api: RestError, headers: Mapping[str, str]) -> Failure:
        number = f", error {api.code}" if api.code else ""
        said = f"{_why(api)} (HTTP {api.status}{number})"
        if api.is_gone:
            error = ask.gone(f"cannot {ask.deed}: {said}", code=api.code, status=api.status)
            return Failure(error, Outcome.REFUSED)
        outcome = Outcome.REFUSED
        if api.retryable:
            outcome = Outcome.UNTOUCHED if api.status == 429 else Outcome.UNKNOWN
        failure = self._failed(ask, outcome, said, api)
        return evolve(failure, asked_s=_seconds(headers.get("Retry-After", "")))

    def _failed(
        self, ask: Ask, outcome: Outcome, said: str, api: RestError | None = None
    ) -> Failure:
        """`api` is what Twilio has answered, where it has."""
        unknown = outcome is Outcome.UNKNOWN and ask.doubt
        told = f"cannot {ask.deed}: {said}{f'; {ask.doubt}' if unknown else ''}"
        retryable = outcome is not Outcome.REFUSED and not unknown
        code, status = (api.code, api.status) if api else (0, None)
        return Failure(CarrierError(told, code=code, retryable=retryable, status=status), outcome)


async def _body(response: httpx.Response) -> bytes:
    body = bytearray()
    with trio.CancelScope() as enough:
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) > MAX_BODY:
                enough.cancel()  # httpx reads by generators within generators: this ends them all
    return bytes(body[: MAX_BODY + 1])


def _why(api: RestError) -> str:
    if 300 <= api.status < 400:
        return "the API is elsewhere: check twilio.api_url"
    if api.status >= 500:
        return "Twilio failed"
    return api.hint or f"Twilio says: {api.message or 'no'}"


def _seconds(value: str) -> float | None:
    """The pause of a Retry-After; None where there is none, or a date."""
    return float(value) if _SECONDS.fullmatch(value) else None
