"""What was learnt from a call, asked for by hand: live ones, past ones, and refusals."""

from pathlib import Path

import pytest
import trio
from attrs import define, field
from call_desk import FakeCall
from guests import CALL, House, house
from operators import ask, live, office, recorded, ringing
from stories import FakeLlm, Late
from test_api_look import settled

from voiced.call.extraction import Questions
from voiced.call.extractions import AT_ONCE
from voiced.call.parties import Entry
from voiced.dialog.history import Ending, Message, Role
from voiced.dialog.history import Entry as Utterance
from voiced.dialog.manners import Past
from voiced.errors import EngineRefused
from voiced.records.model import CallClosed, CallOpened, Direction, Said, TurnEnded

ONE = f"/v1/calls/{CALL}"
EXTRACT = f"{ONE}/extract"
SCHEMA = {"type": "object", "required": ["wish"], "properties": {"wish": {"type": "string"}}}
ANSWER = '{"wish": {"value": "a table", "words": "a table"}}'
LEARNT = {
    "status": "complete", "fields": {"wish": {"value": "a table", "words": "a table"}},
    "missing": [], "faults": [],
}  # fmt: skip
SAID = (Said("agent", "Bonjour", 0.0, "complete"), Said("caller", "a table", 1.0, "complete"))


@define
class Curious:
    """The agents that are named want to know something."""

    llm: FakeLlm
    agents: tuple[str, ...] = ("default",)
    asked: list[str] = field(factory=list)

    def of_call(self, entry: Entry) -> Questions | None:
        return self.of_agent(entry.parties.agent)

    def of_agent(self, name: str) -> Questions | None:
        self.asked.append(name)
        return Questions(self.llm, SCHEMA, "en") if name in self.agents else None


def curious(there: House, *answers: object) -> FakeLlm:
    llm = FakeLlm(list(answers))  # type: ignore[arg-type]
    there.api.extractions.curiosity = Curious(llm)
    there.api.extractions._journal = there.feed
    return llm


class Talk(FakeCall):
    """One in which something was said."""

    def past(self) -> Past:
        return Past((Utterance(Role.CALLER, "a table", Ending.COMPLETE, 1.0),), 1, 1.0)


def keep_past(there: House, agent: str = "default") -> None:
    at = 1_795_284_120.0
    there.feed.put(CallOpened(CALL, Direction.INBOUND, agent, "+1", "+2", at))
    there.feed.put(TurnEnded(CALL, 1, at + 2, 1.0, "heard", {}, SAID))
    there.feed.put(CallClosed(CALL, at + 9, "hangup", 9.0, {}))


async def test_a_past_call_is_learnt_from_and_shows_it(tmp_path: Path) -> None:
    async with recorded(tmp_path) as there:
        llm = curious(there, ANSWER)
        keep_past(there)
        await settled(there)
        answer = await ask(there, "POST", EXTRACT)
        assert answer.status == 200
        assert {key: each for key, each in answer.json.items() if key != "at"} == LEARNT
        told = llm.asked[0]
        assert isinstance(told[0], Message)
        assert "2026-11-2" in told[0].text
        assert told[1] == Message(Role.CALLER, "Agent: Bonjour\nCaller: a table")
        await settled(there)
        assert (await ask(there, "GET", ONE)).json["extraction"] == answer.json


async def test_a_live_call_is_learnt_from_as_far_as_it_has_come() -> None:
    async with house(office()) as there:
        curious(there, ANSWER)
        live(there).call = Talk()  # type: ignore[assignment]
        answer = await ask(there, "POST", EXTRACT, {})
        assert (answer.status, answer.json["status"]) == (200, "complete")
        assert there.feed.after(0, CALL)[-1].kind == "extraction"


async def test_of_a_call_that_another_daemon_has_the_records_tell(tmp_path: Path) -> None:
    async with recorded(tmp_path) as there:
        curious(there, ANSWER)
        there.feed.put(CallOpened(CALL, Direction.INBOUND, "default", "+1", "+2", 1.0))
        there.feed.put(TurnEnded(CALL, 1, 2.0, 1.0, "heard", {}, SAID))
        await settled(there)
        assert (await ask(there, "POST", EXTRACT)).json["status"] == "complete"


async def test_where_nothing_was_said_there_is_nothing_to_learn(tmp_path: Path) -> None:
    async with recorded(tmp_path) as there:
        llm = curious(there)
        ringing(there)
        answer = await ask(there, "POST", EXTRACT)
        assert (answer.json["status"], answer.json["missing"]) == ("empty", ["wish"])
        assert llm.asked == []


async def test_a_model_that_fails_is_no_failure_of_the_api(tmp_path: Path) -> None:
    async with recorded(tmp_path) as there:
        curious(there, EngineRefused("mind", "llm", "no credit", retryable=False))
        keep_past(there)
        await settled(there)
        answer = await ask(there, "POST", EXTRACT)
        assert (answer.status, answer.json["status"]) == (200, "failed")
        assert answer.json["faults"] == ["the model failed: refused"]


@pytest.mark.parametrize("agent", ["english", "gone"])
async def test_an_agent_without_a_schema_is_told_apart(tmp_path: Path, agent: str) -> None:
    async with recorded(tmp_path) as there:
        curious(there)
        keep_past(there, agent)
        await settled(there)
        assert (await ask(there, "POST", EXTRACT)).error == (409, "no-schema", "")


async def test_so_is_a_live_call_of_such_an_agent() -> None:
    async with house(office()) as there:
        live(there, agent="english")
        assert (await ask(there, "POST", EXTRACT)).error == (409, "no-schema", "")


async def test_a_call_that_nobody_knows(tmp_path: Path) -> None:
    async with recorded(tmp_path) as there:
        curious(there)
        assert (await ask(there, "POST", EXTRACT)).error == (404, "unknown-call", "")


async def test_without_records_a_past_call_cannot_be_asked_about() -> None:
    async with house(office()) as there:
        curious(there)
        assert (await ask(there, "POST", EXTRACT)).error == (503, "no-records", "")


async def test_a_busy_model_is_told(autojump_clock: object) -> None:
    async with house(office()) as there:
        curious(there, *[Late(9.0, ANSWER)] * AT_ONCE)
        live(there).call = Talk()  # type: ignore[assignment]
        answers = []

        async def post() -> None:
            answers.append(await ask(there, "POST", EXTRACT))

        async with trio.open_nursery() as nursery:
            for _ in range(AT_ONCE + 1):
                nursery.start_soon(post)
        assert answers[0].error == (503, "busy", "")
        assert answers[0].headers["retry-after"] == "5"
        assert [each.status for each in answers[1:]] == [200] * AT_ONCE


async def test_a_body_has_nothing_to_say() -> None:
    async with house(office()) as there:
        curious(there)
        live(there)
        answer = await ask(there, "POST", EXTRACT, {"schema": {}})
        assert answer.error == (422, "invalid", "schema")
        assert (await ask(there, "GET", EXTRACT)).error == (405, "method-not-allowed", "")
