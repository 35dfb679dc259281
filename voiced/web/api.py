"""`/v1`: what operators may do. Every answer is JSON; every refusal says which field and why."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Final, TypeVar

import trio
from attrs import field, frozen
from quart import Response, jsonify, request
from quart_trio import QuartTrio

from voiced.call.extractions import Extractions
from voiced.call.parties import Entry
from voiced.call.placing import Placing
from voiced.config import DEFAULT_AGENT, Settings
from voiced.config.template import VARIABLES
from voiced.dialog import events as ev
from voiced.dialog.parting import Parting, Phrase, Transfer
from voiced.errors import CallRefused, CarrierError
from voiced.records.feed import Feed
from voiced.records.recorder import Recorder
from voiced.records.store import Store, StoreError
from voiced.web.api_extract import OnDemand
from voiced.web.api_neighbours import PASSED_ON, Neighbours, Order
from voiced.web.body import Body, invalid
from voiced.web.limits import RateLimit
from voiced.web.problem import Fault
from voiced.web.shown import shown
from voiced.web.sound import answer_with

MAX_PAGE: Final = 500
MAX_WAIT_S: Final = 25.0
"""A watcher's request is answered after so long with nothing, and asks again."""

MAX_SAY: Final = 1_000

Answer = tuple[Response, int]
Known = TypeVar("Known")


@frozen
class Api:
    """The routes, and what they work on."""

    settings: Settings
    placing: Placing
    recorder: Recorder
    feed: Feed
    outbound: RateLimit
    neighbours: Neighbours = field(factory=Neighbours)
    extractions: Extractions = field(factory=Extractions)

    def register(self, app: QuartTrio) -> None:
        """Puts the routes on the application."""
        register = self.placing.switchboard.register
        on_demand = OnDemand(self.extractions, register, self.recorder)
        for rule, method, view in (
            ("/v1/calls", "POST", self.dial),
            ("/v1/calls", "GET", self.calls),
            ("/v1/calls/<sid>", "GET", self.call),
            ("/v1/calls/<sid>/transcript", "GET", self.transcript),
            ("/v1/calls/<sid>/recording", "GET", self.recording),
            ("/v1/calls/<sid>/extract", "POST", on_demand.extract),
            ("/v1/calls/<sid>/<deed>", "POST", self.act),
            ("/v1/events", "GET", self.events),
        ):
            app.add_url_rule(rule, f"{method} {rule}", view, methods=[method])

    # --- place ----------------------------------------------------------------------------------

    async def dial(self) -> Answer:
        """Places a call; 201 with it, once the carrier has taken the order."""
        body = Body(await _data(), ("to", "agent", "variables"))
        to, agent = body.text("to", most=32), body.text("agent", DEFAULT_AGENT, most=200)
        if agent not in self.settings.agents:
            raise invalid("agent", f"there is no agent {agent}")
        known = {*VARIABLES, *self.settings.agents[agent].variables}
        variables = body.texts("variables", known)
        if fault := self.placing.destinations.fault(to):
            raise invalid("to", fault)
        if wait_s := self.outbound.take("", trio.current_time()):
            raise Fault(429, "too-many-calls", "limits.outbound_per_minute is reached", "", wait_s)
        try:
            entry = await self.placing.place(to, agent, variables)
        except CallRefused as refused:
            status = HTTPStatus.SERVICE_UNAVAILABLE
            raise Fault(status, refused.reason, f"no call can be placed: {refused}") from refused
        except CarrierError as error:
            status = HTTPStatus.SERVICE_UNAVAILABLE if error.retryable else HTTPStatus.BAD_GATEWAY
            raise Fault(status, "carrier", str(error)) from error
        return jsonify(shown(entry)), HTTPStatus.CREATED

    # --- look -----------------------------------------------------------------------------------

    async def calls(self) -> Answer:
        """Live and past calls, the latest first."""
        state = request.args.get("state")
        if state not in (None, "live", "ended"):
            raise invalid("state", "must be live or ended")
        limit = _whole("limit", 50, 1, MAX_PAGE)
        before = request.args.get("before")
        if state == "live":
            return jsonify({"calls": await self._live(), "next": None}), HTTPStatus.OK
        page = await self.recorder.read(
            lambda store: store.calls(state=state, limit=limit, before=before)
        )
        return jsonify(page), HTTPStatus.OK

    async def _live(self) -> list[dict[str, object]]:
        """Ours, and where another daemon shares our port its own, as the records have them."""
        calls = [shown(entry) for entry in self._entries.values() if entry.is_named][::-1]
        if not await self.neighbours.names():
            return calls
        with suppress(StoreError):
            page = await self.recorder.read(
                lambda store: store.calls(state="live", limit=MAX_PAGE, before=None)
            )
            calls += [each for each in page["calls"] if each["sid"] not in self._entries]
        return sorted(calls, key=lambda call: str(call["started_at"]), reverse=True)

    async def call(self, sid: str) -> Answer:
        """One call, with its timeline; without it where the records do not have the call yet."""
        entry = self._entries.get(sid)
        found = await self._recorded(lambda store: store.call(sid), entry)
        if found is None and (entry is None or not entry.is_named):
            raise _unknown()
        return jsonify(found or (entry and shown(entry))), HTTPStatus.OK

    async def transcript(self, sid: str) -> Answer:
        """What was said and heard."""
        entries = await self.recorder.read(lambda store: store.transcript(sid))
        if entries is None and sid not in self._entries:
            raise _unknown()
        return jsonify({"sid": sid, "entries": entries or []}), HTTPStatus.OK

    async def recording(self, sid: str) -> Response:
        """Its sound, WAV; of a call that came back on another stream, the first part."""
        entry = self._entries.get(sid)
        name = await self._recorded(lambda store: store.recording(sid), entry)
        name = name or (entry.recording if entry else "")
        if not name:
            raise Fault(HTTPStatus.NOT_FOUND, "not-found", "there is no recording of this call")
        try:
            return await answer_with(recordings(self.settings) / Path(name).name)
        except (OSError, ValueError):  # gone, or its name can be no file's
            message = "its recording is not there any more"
            raise Fault(HTTPStatus.NOT_FOUND, "not-found", message) from None

    async def events(self) -> Answer:
        """What happens, as it happens: waits until there is something after `after`."""
        newest = self.feed.last
        after = _whole("after", newest, 0, 2**53)
        after = after if after <= newest else 0  # of an earlier run of the daemon
        sid, events = request.args.get("call", ""), []
        with trio.move_on_after(_whole("wait_s", 0, 0, int(MAX_WAIT_S))):
            events = await self.feed.wait_after(after, sid)
        last = events[-1].id if events else after
        return jsonify({"events": [each.public() for each in events], "last": last}), 200

    # --- act ------------------------------------------------------------------------------------

    async def act(self, sid: str, deed: str) -> Answer:
        """Interrupts a live call, puts words into its agent's mouth, ends it or passes it on."""
        deeds = {
            "interrupt": _interrupt,
            "say": _say,
            "hangup": _hang_up,
            "transfer": self._transfer,
        }
        if deed not in deeds:
            raise Fault(HTTPStatus.NOT_FOUND, "not-found", "there is nothing at this address")
        data = await _data()
        entry = self._entries.get(sid)
        if entry is None:
            return await self._elsewhere(sid, data)
        event = deeds[deed](data, entry)
        if entry.call:
            entry.call.request(event)
        elif deed != "hangup" or not self.placing.switchboard.abandon(entry):
            raise _not_live()
        return jsonify(shown(entry)), HTTPStatus.ACCEPTED

    async def _elsewhere(self, sid: str, data: bytes) -> Answer:
        """What another daemon on our port says to this request, if it has the call."""
        passed_on = PASSED_ON in request.headers
        if not passed_on and (reply := await self.neighbours.pass_on(_order(data))):
            return Response(reply.body, content_type="application/json"), reply.status
        known = await self.recorder.read(lambda store: store.call(sid))
        raise _not_live() if known else _unknown()

    def _transfer(self, data: bytes, entry: Entry) -> ev.Event:
        body = Body(data, ("to", "warm", "summary"))
        agent = self.settings.agents[entry.parties.agent]
        to = body.text("to", most=64)
        number = agent.transfers.get(to)
        if number is None and (fault := self.placing.destinations.fault(to)):
            raise invalid(
                "to", f"no transfer of this agent has that name, and as a number: {fault}"
            )
        warm = body.flag("warm", default=agent.warm_transfer)
        transfer = Transfer(number or to, warm, body.text("summary", "", most=400))
        return ev.CloseRequested(Parting("transfer", (Phrase.TRANSFER,), transfer))

    async def _recorded(
        self, query: Callable[[Store], Known | None], entry: Entry | None
    ) -> Known | None:
        """What the records say; of a call that is not over they need not say anything."""
        try:
            return await self.recorder.read(query)
        except StoreError:
            if entry is None:
                raise
            return None

    @property
    def _entries(self) -> Mapping[str, Entry]:
        return self.placing.switchboard.register.calls


async def _data() -> bytes:
    data = await request.get_data(as_text=False)
    return data.encode() if isinstance(data, str) else data


def _order(data: bytes) -> Order:
    """The request as another daemon gets it."""
    headers = ("Host", "Authorization", "Origin")
    given = [(name, request.headers[name]) for name in headers if name in request.headers]
    target = request.scope["raw_path"].decode("ascii")
    return Order(request.method, target, given, data)


def _interrupt(data: bytes, _entry: Entry) -> ev.Event:
    Body(data, ())
    return ev.InterruptRequested()


def _say(data: bytes, _entry: Entry) -> ev.Event:
    return ev.SayRequested(Body(data, ("text",)).text("text", most=MAX_SAY))


def _hang_up(data: bytes, _entry: Entry) -> ev.Event:
    Body(data, ())
    return ev.CloseRequested(Parting("operator"))


def _whole(name: str, default: int, least: int, most: int) -> int:
    """A whole number of the query."""
    text = request.args.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 17 and least <= int(text) <= most):
        raise invalid(name, f"must be a whole number from {least} to {most}")
    return int(text)


def _unknown() -> Fault:
    return Fault(HTTPStatus.NOT_FOUND, "unknown-call", "there is no call of this SID")


def _not_live() -> Fault:
    return Fault(HTTPStatus.CONFLICT, "not-live", "the call is not live")


def recordings(settings: Settings) -> Path:
    """Where the recordings are."""
    return settings.records.directory / "recordings"
