"""Twilio's REST API of one account: calls are created, looked at and led.

Source: Twilio's "Call resource", "Account" and "IncomingPhoneNumber"; errors as in its
"Twilio's response" and "Error and warning dictionary".
"""

import base64
import json
import re
from collections import deque
from collections.abc import Callable
from hmac import compare_digest
from urllib.parse import parse_qs

from attrs import define, field

from voiced.lab import server
from voiced.lab.exchange_account import VERSION, Account, Entry, Resource, Status
from voiced.lab.exchange_request import (
    ApiError,
    Form,
    NewCall,
    Update,
    one,
    read_new_call,
    read_update,
)
from voiced.lab.exchange_settings import ApiFault, Gone
from voiced.lab.phone_record import Kind
from voiced.lab.phone_reins import Demand, Order

PATH = re.compile(rf"/{VERSION}/Accounts/(?P<account>[^/]+?)(?P<rest>/.+?)?\.json")
Answered = tuple[int, Resource]

REFUSALS = {
    ApiFault.RATE_LIMITED: ApiError(429, 20429, "Too Many Requests"),
    ApiFault.SERVER_ERROR: ApiError(500, 20500, "Internal Server Error"),
}
MORE_HEADERS = {
    401: (("www-authenticate", 'Basic realm="Twilio API"'),),
    429: (("retry-after", "1"),),
}


@define(eq=False)
class Rest:
    """Answers the API's requests. What waits in `faults` is met first, one by each request."""

    account: Account
    token: str = field(repr=False)
    place: Callable[[NewCall], Entry]
    tell: Callable[[str], None]
    """Told of each request that is about no call."""
    gone: Gone = Gone.NOT_IN_PROGRESS
    faults: deque[ApiFault] = field(factory=deque, init=False)

    async def handle(self, exchange: server.Exchange) -> None:
        """Answers one HTTP request."""
        fault = self.faults.popleft() if self.faults else None
        if fault is ApiFault.STALL:
            await exchange.wait_gone()
            return
        refusal = REFUSALS.get(fault) if fault is not None else None
        if refusal is not None:
            status, resource = refusal.status, refusal.body
        else:
            status, resource = self.answer(exchange.request)
        if fault is ApiFault.LOST:
            exchange.drop()
            return
        body = json.dumps(resource).encode()
        await exchange.respond(status, body, headers=MORE_HEADERS.get(status, ()))

    def answer(self, request: server.Request) -> Answered:
        """Carries a request out; returns the HTTP status and the resource."""
        form: Form = parse_qs(request.body.decode(errors="replace"), keep_blank_values=True)
        try:
            status, resource = self._carry_out(request, form)
        except ApiError as error:
            status, resource = error.status, error.body
        self._note(request, form, status)
        return status, resource

    def _carry_out(self, request: server.Request, form: Form) -> Answered:
        self._let_in(request)
        match = PATH.fullmatch(request.path)
        if match is None or match["account"] != self.account.sid:
            raise _not_found(request.path)
        match request.method, (match["rest"] or "").split("/")[1:]:
            case "GET", []:
                return 200, self.account.account()
            case "POST", ["Calls"]:
                entry = self.place(read_new_call(form, self.account.number))
                return 201, self.account.call(entry)
            case "GET", ["IncomingPhoneNumbers"]:
                return 200, self.account.numbers(request.query.get("PhoneNumber", ""))
            case "GET", ["Calls", sid] if sid in self.account.entries:
                return 200, self.account.call(self.account.entries[sid])
            case "POST", ["Calls", sid] if sid in self.account.entries:
                entry = self.account.entries[sid]
                self._update(entry, read_update(form), request.path)
                return 200, self.account.call(entry)
            case (("GET" | "POST"), _):
                raise _not_found(request.path)
        raise ApiError(405, 20004, "Method not allowed")

    def _let_in(self, request: server.Request) -> None:
        credentials = f"{self.account.sid}:{self.token}".encode()
        expected = "Basic " + base64.b64encode(credentials).decode()
        given = request.headers.get("authorization", "")
        if not compare_digest(given.encode(), expected.encode()):
            raise ApiError(401, 20003, "Authenticate")

    def _update(self, entry: Entry, update: Update, path: str) -> None:
        if entry.is_over and self.gone is Gone.NOT_FOUND:
            raise _not_found(path)
        ringing, document = entry.answered_at is None, bool(update.url or update.twiml)
        wrong = document if ringing else update.status == "canceled"
        if entry.is_over or wrong:
            raise ApiError(400, 21220, "Call is not in-progress. Cannot redirect.")
        if update.time_limit_s is not None:
            entry.limit(update.time_limit_s)
        if update.status:
            outbound = entry.direction != "inbound"
            entry.finish(Status.CANCELED if ringing and outbound else Status.COMPLETED)
            entry.reins.give(Order(Demand.END))
        elif document:
            entry.reins.give(Order(Demand.DOCUMENT, update.url, update.twiml))

    def _note(self, request: server.Request, form: Form, status: int) -> None:
        """Tells of the request: names of fields, and no value but a status."""
        fields = [f"{name}={one(form, name)}" if name == "Status" else name for name in form]
        name = request.path.rpartition("/")[2].removesuffix(".json")
        text = f"{request.method} {name} {' '.join(fields)}".strip() + f": {status}"
        entry = self.account.entries.get(name)
        if entry is None:
            self.tell(text)
        else:
            entry.note(Kind.API_REQUEST, text)


def _not_found(path: str) -> ApiError:
    return ApiError(404, 20404, f"The requested resource {path} was not found")
