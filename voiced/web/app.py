"""The HTTP side of the daemon as a quart-trio application: webhooks, the API, health."""

import math
from http import HTTPStatus
from typing import Final

import trio
from quart import Response
from quart.routing import QuartMap
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException

from voiced.config import DEFAULT_AGENT
from voiced.engines.capacity import Capacity
from voiced.engines.rooms import Room
from voiced.errors import CallRefused
from voiced.ops.metrics import Exposition
from voiced.ops.sparing import Sparing
from voiced.records.store import StoreError
from voiced.web import metrics
from voiced.web.api import Api
from voiced.web.door import Door
from voiced.web.gate import Gate
from voiced.web.hooks import Hooks
from voiced.web.problem import Fault, problem

MAX_BODY: Final = 64 * 1024


def create_app(
    door: Door, api: Api, gate: Gate, capacity: Capacity, exposition: Exposition | None = None
) -> QuartTrio:
    """The application; everything it needs is in its arguments. None: there is no `/metrics`."""
    app = QuartTrio("voiced", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.url_map = QuartMap(merge_slashes=False)  # no redirections: `/v1//calls` is nothing
    app.register_error_handler(HTTPException, _explain)
    app.register_error_handler(Fault, _refuse)
    app.register_error_handler(StoreError, _without_records)
    app.before_request(gate.check)
    app.after_request(_uncached)
    Hooks(door, Sparing()).register(app)
    api.register(app)
    if exposition:
        metrics.register(app, exposition)

    @app.get("/healthz")
    async def healthz() -> dict[str, object]:
        await _here()
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz() -> tuple[dict[str, object], int]:
        await _here()
        return _readiness(door, capacity)

    return app


async def _here() -> None:
    """Makes a view async that need not be: Quart would run a plain one in a thread."""
    await trio.lowlevel.checkpoint()


async def _uncached(response: Response) -> Response:
    """Nothing here is a cache's to keep, unless the view said otherwise."""
    await _here()
    response.headers.setdefault("Cache-Control", "no-store")
    return response


async def _explain(error: HTTPException) -> tuple[dict[str, dict[str, str]], int, dict[str, str]]:
    await _here()
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    headers = {name: value for name, value in error.get_headers() if name == "Allow"}
    return problem(status), status, headers


async def _refuse(fault: Fault) -> tuple[dict[str, dict[str, str]], int, dict[str, str]]:
    await _here()
    headers = (
        {"Retry-After": str(math.ceil(fault.retry_after_s))}
        if 0 < fault.retry_after_s < math.inf
        else {}
    )
    if fault.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return fault.body(), fault.status, headers


async def _without_records(error: StoreError) -> tuple[dict[str, dict[str, str]], int]:
    await _here()
    told = Fault(HTTPStatus.SERVICE_UNAVAILABLE, "no-records", str(error))
    return told.body(), told.status


def _readiness(door: Door, capacity: Capacity) -> tuple[dict[str, object], int]:
    """Whether a call of the default agent could be served now, and what there is room for."""
    switchboard = door.switchboard
    answer: dict[str, object] = {
        "status": "ready",
        "calls": len(switchboard.live),
        "free": switchboard.register.free,
        "engines": [_room(room) for room in capacity.rooms()],
    }
    try:
        switchboard.check(DEFAULT_AGENT)
    except CallRefused as refused:
        return answer | {"status": refused.reason}, HTTPStatus.SERVICE_UNAVAILABLE
    return answer, HTTPStatus.OK


def _room(room: Room) -> dict[str, object]:
    """`free` is null where nothing limits it."""
    return {
        "role": room.role,
        "name": room.name,
        "state": room.state.value,
        "slots": room.total,
        "used": room.used,
        "free": None if math.isinf(room.free) else math.floor(room.free),
    }
