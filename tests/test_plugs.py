"""The plug of any one engine is pulled in mid-call, and the caller has a fine call all the same.

Real sockets throughout: lab, daemon and telephone. Each engine is the preferred one of its role
once, another kind of engine is its spare, and its plug is pulled as a power cut does it: without
a word, its connections and its port are gone at once. What the caller had of the call is judged
by the telephone's own record.
"""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest
import trio
from attrs import define, evolve, field, frozen
from test_end_to_end import TOKEN, free_port

from voiced import daemon
from voiced.config import SecretSources, parse
from voiced.lab.engines import Lab, LabSettings, VoiceKind, run_lab
from voiced.lab.llm import LlmTiming
from voiced.lab.phone import call
from voiced.lab.phone_call import CallResult
from voiced.lab.phone_dial import CallSettings
from voiced.lab.phone_record import Ended, Kind, PhoneEvent
from voiced.lab.script import After, Cue, HangUp, Say, Turn

GREETING = "Hello."


@define(eq=False)
class Plug:
    """The wire to one stand-in, which can be pulled."""

    url: str
    port: int = 0
    connections: int = 0
    sockets: int = 0  # those of them that are WebSockets
    _scope: trio.CancelScope = field(factory=trio.CancelScope)
    _idle: trio.Event = field(factory=trio.Event)

    @property
    def local_url(self) -> str:
        """Where voiced finds the stand-in."""
        return urlunsplit(urlsplit(self.url)._replace(netloc=f"127.0.0.1:{self.port}"))

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Passes everything on, both ways, until the plug is pulled."""
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listeners[0].socket.getsockname()[1]
        with self._scope:
            task_status.started()
            await trio.serve_listeners(self._connect, listeners)

    def pull(self) -> None:
        """Its connections and its port are gone."""
        self._scope.cancel(reason="the plug is pulled")

    async def wait_idle(self) -> None:
        """Returns when no WebSocket is open; what is asked about its slots is no call's."""
        while self.sockets:
            self._idle = trio.Event()
            await self._idle.wait()

    async def _connect(self, ours: trio.SocketStream) -> None:
        head = await ours.receive_some()
        is_socket = b"upgrade: websocket" in head.lower()
        self.connections += 1
        self.sockets += is_socket
        try:
            target = urlsplit(self.url)
            assert target.hostname
            theirs = await trio.open_tcp_stream(target.hostname, target.port or 80)
            await theirs.send_all(head)
            async with theirs, trio.open_nursery() as nursery:
                nursery.start_soon(_pump, ours, theirs, nursery.cancel_scope)
                nursery.start_soon(_pump, theirs, ours, nursery.cancel_scope)
        finally:
            self.connections -= 1
            self.sockets -= is_socket
            self._idle.set()


async def _pump(
    source: trio.SocketStream, sink: trio.SocketStream, scope: trio.CancelScope
) -> None:
    try:
        async for data in source:
            await sink.send_all(data)
    except trio.BrokenResourceError:
        pass
    scope.cancel(reason="one side has closed")


@frozen
class Plugs:
    """Those of the whole lab."""

    stt: Plug
    tts: Plug
    llm: Plug
    deepgram: Plug
    cartesia: Plug
    anthropic: Plug

    @classmethod
    def of(cls, lab: Lab) -> "Plugs":
        moshi = Plug(lab.stt_url), Plug(lab.tts_url)
        cloud = Plug(lab.deepgram_url), Plug(lab.cartesia_url), Plug(lab.anthropic_url)
        return cls(*moshi, Plug(lab.llm_url), *cloud)

    @property
    def all(self) -> Sequence[Plug]:
        return (self.stt, self.tts, self.llm, self.deepgram, self.cartesia, self.anthropic)

    def seen_through(self, lab: Lab) -> Lab:
        """The lab as voiced sees it."""
        return evolve(
            lab,
            stt_url=self.stt.local_url,
            tts_url=self.tts.local_url,
            llm_url=self.llm.local_url,
            deepgram_url=self.deepgram.local_url,
            cartesia_url=self.cartesia.local_url,
            anthropic_url=self.anthropic.local_url,
        )


@frozen
class Case:
    """Which plug is pulled, and how long after which moment of the call."""

    role: str
    plug: str
    engine: str
    spare: str
    moment: Kind
    after_s: float
    question: str
    hangs_up: After
    answer: str
    """What the caller hears at least, to its end or until the hang-up."""

    @classmethod
    def ear(cls, plug: str, engine: str, spare: str) -> "Case":
        """In the middle of the caller's sentence."""
        hangs_up = After(Cue.INTO_REPLY, 0.6)
        moment = (Kind.CALLER_SPEAKS, 0.6)
        return cls("stt", plug, engine, spare, *moment, "what time do you close", hangs_up, "We")

    @classmethod
    def mind(cls, plug: str, engine: str, spare: str) -> "Case":
        """In the middle of the answer, while it is still thought of; the spare knows no way to go
        on from there, and the caller hears that it does not."""
        hangs_up = After(Cue.INTO_REPLY, 4.5)
        moment = (Kind.AGENT_SPEAKS, 0.2)
        heard = " I am "
        return cls("llm", plug, engine, spare, *moment, "what time do you close", hangs_up, heard)

    @classmethod
    def voice(cls, plug: str, engine: str, spare: str) -> "Case":
        """In the middle of a word."""
        heard = "It is noted. Is there anything else I can do?"
        moment = (Kind.AGENT_SPEAKS, 0.6)
        return cls("tts", plug, engine, spare, *moment, "yes please", After(), heard)

    @property
    def script(self) -> Sequence[Turn]:
        """What the caller does."""
        return (Turn(Say(self.question)), Turn(HangUp(), self.hangs_up))


CASES = [
    Case.ear("stt", "lab", "deepgram"),
    Case.ear("deepgram", "deepgram", "lab"),
    Case.mind("llm", "lab", "anthropic"),
    Case.mind("anthropic", "anthropic", "lab"),
    Case.voice("tts", "lab", "cartesia"),
    Case.voice("cartesia", "cartesia", "lab"),
]


def configuration(lab: Lab, case: Case, port: int, records: Path) -> str:
    roles = {"stt": ["lab", "deepgram"], "llm": ["lab", "anthropic"], "tts": ["lab", "cartesia"]}
    roles[case.role] = [case.engine, case.spare]
    return f"""
        [server]
        port = {port}
        [twilio]
        auth_token = "{TOKEN}"
        {lab.configuration()}
        [agent.default]
        language = "en"
        greeting = "{GREETING}"
        stt = {roles["stt"]}
        llm = {roles["llm"]}
        tts = {roles["tts"]}
        [records]
        directory = "{records}"
        """


@define(eq=False)
class Saboteur:
    """Waits for the moment, and pulls the plug."""

    case: Case
    plug: Plug
    _asked: trio.Event = field(factory=trio.Event)
    _moment: trio.Event = field(factory=trio.Event)

    def tell(self, event: PhoneEvent) -> None:
        """Not the agent's greeting is the moment, but its answer."""
        if event.kind is Kind.CALLER_SPEAKS:
            self._asked.set()
        if event.kind is self.case.moment and self._asked.is_set():
            self._moment.set()

    async def run(self) -> None:
        await self._moment.wait()
        await trio.sleep(self.case.after_s)
        assert self.plug.connections, "nobody was using that engine"
        self.plug.pull()


@define
class Told:
    """What the daemon has put down of a call that is over."""

    worst_silence_s: float
    said: Sequence[tuple[str, str]]
    failures: Sequence[tuple[str, str]]
    reason: str

    @classmethod
    async def of(cls, url: str, sid: str) -> "Told":
        async with httpx.AsyncClient() as operator:
            for _ in range(40):  # the end of the call is put down in a thread of its own
                known = (await operator.get(f"{url}/v1/calls/{sid}")).json()
                if known["status"] == "ended":
                    break
                await trio.sleep(0.05)
            found = await operator.get(f"{url}/v1/calls/{sid}/transcript")
            entries = found.json()["entries"]
        return cls(
            known["summary"]["worst_silence_ms"] / 1000,
            [(entry["role"], entry["text"]) for entry in entries],
            [(each["role"], each["engine"]) for each in known["timeline"]["engine_failures"]],
            known["reason"],
        )


async def call_with(case: Case, lab: Lab, records: Path) -> tuple[CallResult, Told]:
    """The call in which the plug is pulled; afterwards, that no engine holds a connection of it."""
    port = await free_port()
    url = f"http://127.0.0.1:{port}"
    async with trio.open_nursery() as nursery:
        plugs = Plugs.of(lab)
        for plug in plugs.all:
            await nursery.start(plug.run)
        text = configuration(plugs.seen_through(lab), case, port, records)
        await nursery.start(partial(daemon.run, parse(text, "test", SecretSources({}, {}))))
        saboteur = Saboteur(case, getattr(plugs, case.plug))
        nursery.start_soon(saboteur.run)
        line = CallSettings(url=url, auth_token=TOKEN)
        result = await call(line, case.script, tell=saboteur.tell)
        with trio.fail_after(3):
            for plug in (plugs.stt, plugs.deepgram, plugs.tts):
                await plug.wait_idle()
            told = await Told.of(url, result.call_sid)
        nursery.cancel_scope.cancel(reason="the call is over")
    return result, told


def silences_s(result: CallResult) -> tuple[float, float]:
    """How long the caller heard nothing before the answer, and at most in the middle of it."""
    (turn,) = result.turns
    answer = [run for run in result.agent_runs if run.stop_s > turn.spoken.stop_s]
    holes = [late.start_s - soon.stop_s for soon, late in pairwise(answer)]
    return answer[0].start_s - turn.spoken.stop_s, max(holes, default=0.0)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.role}-{case.engine}")
async def test_a_plug_is_pulled_and_the_call_is_fine(
    case: Case, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # A mind that is slow enough to be at work still while the caller hears the beginning.
    pace = LlmTiming(200.0, 8.0 if case.role == "llm" else 60.0)
    settings = LabSettings(
        stt_port=0, tts_port=0, llm_port=0, voice=VoiceKind.TONE, llm_timing=pace
    )
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            lab: Lab = await nursery.start(partial(run_lab, settings))
            result, told = await call_with(case, lab, tmp_path)
            nursery.cancel_scope.cancel(reason="the call is over")

    waited_s, hole_s = silences_s(result)
    assert result.ended is Ended.HUNG_UP
    assert result.warnings == ()
    assert result.missed == ()
    assert waited_s < 4.0
    assert hole_s < 1.0
    assert told.worst_silence_s == pytest.approx(max(waited_s, hole_s), abs=0.7)

    greeted, asked, answered = told.said
    assert greeted == ("agent", GREETING)
    assert asked == ("caller", case.question)
    assert answered[0] == "agent"
    assert case.answer in answered[1]
    assert len(set(answered[1].split())) >= 0.8 * len(answered[1].split()), "it repeats itself"
    assert told.reason == "hangup"
    assert told.failures == [(case.role, case.engine)]
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
