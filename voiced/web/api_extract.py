"""What was learnt from a call, asked for by hand: `POST /v1/calls/<sid>/extract`."""

from datetime import datetime
from http import HTTPStatus
from typing import Any

from attrs import frozen
from quart import Response, jsonify, request

from voiced.call.extractions import Crowded, Extractions, Task, said_in
from voiced.call.parties import Entry
from voiced.call.register import Register
from voiced.dialog.history import Message, Role
from voiced.records.envelope import shown_extraction
from voiced.records.recorder import Recorder
from voiced.web.body import Body
from voiced.web.problem import Fault

_ROLES = {"caller": Role.CALLER, "agent": Role.AGENT}


@frozen
class OnDemand:
    """The route. A live call is asked about as far as it has come; a past one's transcript is in
    the records, and it is its agent's present questions that are answered."""

    extractions: Extractions
    register: Register
    recorder: Recorder

    async def extract(self, sid: str) -> tuple[Response, int]:
        """200 with what was learnt.

        Raises:
            Fault: a body that is not empty, no such call, an agent that wants to know nothing, a
                model that is busy.
            StoreError: the records cannot be read.
        """
        data = await request.get_data(as_text=False)
        Body(data.encode() if isinstance(data, str) else data, ())
        entry = self.register.calls.get(sid)
        task = _live(entry, self.extractions) if entry else await self._past(sid)
        if task is None:
            told = "the agent of this call has no [agent.NAME.extract]"
            raise Fault(HTTPStatus.CONFLICT, "no-schema", told)
        try:
            extracted = await self.extractions.now(task)
        except Crowded as crowded:
            raise Fault(HTTPStatus.SERVICE_UNAVAILABLE, "busy", str(crowded), "", 5.0) from crowded
        return jsonify(shown_extraction(extracted)), HTTPStatus.OK

    async def _past(self, sid: str) -> Task | None:
        call, entries = await self.recorder.read(
            lambda store: (store.call(sid), store.transcript(sid))
        )
        if call is None:
            raise Fault(HTTPStatus.NOT_FOUND, "unknown-call", "there is no call of this SID")
        questions = self.extractions.curiosity.of_agent(call["agent"])
        if questions is None:
            return None
        began = datetime.fromisoformat(call["started_at"]).timestamp()
        return Task(sid, questions, [_message(each) for each in entries or ()], began)


def _live(entry: Entry, extractions: Extractions) -> Task | None:
    questions = extractions.curiosity.of_call(entry)
    return Task(entry.sid, questions, said_in(entry), entry.opened_at) if questions else None


def _message(entry: dict[str, Any]) -> Message:
    return Message(_ROLES[entry["role"]], entry["text"])
