"""`voiced demo`: a whole call on this machine, over the production wires.

Three processes: the lab (stand-in engines and the restaurant's book), the daemon, and this one,
which is the telephone and its exchange. The daemon does not know that it talks to a lab. What the
agent said is taken from the daemon's own log, where `log.redact = false` shows it: the words that
were heard, by its ledger.
"""

import json
import sys
import time
import tomllib
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import trio
from attrs import asdict, define, field, frozen

from voiced.errors import StartupError
from voiced.lab.demo_evidence import Evidence
from voiced.lab.demo_reply import Reply
from voiced.lab.demo_report import Report, write_report
from voiced.lab.demo_setup import (
    AUTH_TOKEN,
    CONFIGURATION,
    OURS,
    PERSON,
    Lines,
    free_port,
    start,
)
from voiced.lab.exchange import Exchange, run_exchange
from voiced.lab.exchange_settings import ExchangeSettings, Human
from voiced.lab.phone import rehearse
from voiced.lab.phone_call import CallResult
from voiced.lab.phone_dial import CallSettings
from voiced.lab.phone_record import Kind, PhoneEvent
from voiced.lab.phone_script import Person
from voiced.lab.script import DEMO_CALL
from voiced.lab.transcript import LivePrinter, Said, Speaker

READY_S: Final = 60.0
LEARNT_S: Final = 10.0
"""How long it may take until what was learnt from the call is on record."""
COLLEAGUE: Final = Human(answers_after_s=0.6, talks_s=1.0)
_SHOWN: Final = frozenset(
    {Kind.BARGE_IN, Kind.WARNING, Kind.DIALLED, Kind.BRIDGED, Kind.TRANSFER_ENDED, Kind.ENDED}
)


@frozen
class Chosen:
    """The engines that the demo's agent uses, by their names in the lab's configuration."""

    stt: str = "lab"
    llm: str = "lab"
    tts: str = "lab"


@define
class Demo:
    """One run; `folder` is where everything is left."""

    folder: Path
    chosen: Chosen = field(factory=Chosen)
    printer: LivePrinter = field(factory=lambda: LivePrinter(sys.stdout))
    replies: list[Reply] = field(factory=list)
    notes: list[Said] = field(factory=list)
    summary: dict[str, Any] = field(factory=dict)
    began: float = 0.0
    """When the media stream did, in Unix seconds."""
    learnt: trio.Event = field(factory=trio.Event)

    def note(self, text: str) -> None:
        """Says what is going on."""
        self.printer.note(text)

    def heard(self, event: PhoneEvent) -> None:
        """Shows what the telephone tells as it happens."""
        if event.kind is Kind.CONNECTED:
            self.began = time.time() - event.at_s
        elif event.kind is Kind.CALLER_SPEAKS:
            self.printer.print(Said(event.at_s, Speaker.CALLER, event.text))
        elif event.kind in _SHOWN:
            detail = f": {event.text}" if event.text else ""
            self._happened(event.at_s, f"({event.kind.value}{detail})")

    def logged(self, record: dict[str, Any]) -> None:
        """Shows what the daemon's log tells of a turn."""
        match record.get("message"):
            case "turn ended":
                reply = Reply.from_log(record)
                self.replies.append(reply)
                self.printer.print(reply.said())
            case "tool used":
                told = f"({record['tool']}: {record['status']}, {record['tool_ms']} ms)"
                self._happened(float(record["time"]) - self.began, told)
            case "call ended":
                self.summary = record
            case "learnt from a call":
                self.learnt.set()

    def _happened(self, at_s: float, text: str) -> None:
        note = Said(at_s, Speaker.NOTE, text)
        self.notes.append(note)
        self.printer.print(note)


async def run_demo(folder: Path, chosen: Chosen | None = None) -> int:
    """Makes the call and leaves its record in `folder`; returns an exit code.

    Raises:
        StartupError: the lab or the daemon does not come up.
    """
    demo = Demo(folder, chosen or Chosen())
    await trio.Path(folder).mkdir(parents=True, exist_ok=True)
    async with trio.open_nursery() as nursery:
        person = await rehearse(DEMO_CALL)
        demo.note("starting the stand-ins: STT, TTS, LLM, and the restaurant's book")
        lab = await _start_lab(nursery, folder)
        port = await free_port()
        exchange = await _start_exchange(nursery, demo, person, port)
        demo.note("starting voiced, as `voiced run` would")
        await _start_daemon(nursery, demo, port, {"lab": lab, "exchange": exchange.url})
        url = f"http://127.0.0.1:{port}"
        demo.note(f"calling {url}, as Twilio would")
        result = await exchange.call()
        evidence = await _evidence(demo, result, url, lab)
        nursery.cancel_scope.cancel(reason="the call is over")
    return await _report(demo, evidence)


async def _report(demo: Demo, evidence: Evidence) -> int:
    told = await _told(trio.Path(demo.folder / "llm.jsonl"))
    report = Report(evidence, demo.summary, told, tuple(demo.notes))
    await trio.to_thread.run_sync(write_report, report, demo.folder)
    for line in report.conclusion(demo.folder):
        demo.note(line)
    return 0 if report.is_good else 1


async def _told(path: trio.Path) -> tuple[Any, ...]:
    """What the model was told, request by request."""
    with suppress(OSError):
        return tuple(json.loads(line) for line in (await path.read_text()).splitlines())
    return ()


async def _evidence(demo: Demo, result: CallResult, url: str, lab: str) -> Evidence:
    """What is on record of the call when all of it is, and in the restaurant's book."""
    book = tomllib.loads(lab)["agent"]["default"]["tool"][-1]
    headers = {"authorization": f"Bearer {book['secret']}"}
    record: dict[str, Any] = {}
    booked: list[dict[str, Any]] = []
    async with httpx.AsyncClient(trust_env=False) as http:
        with suppress(httpx.HTTPError), trio.move_on_after(LEARNT_S):  # or the daemon is gone
            await demo.learnt.wait()
            while not record.get("extraction"):  # it is told of before it is on disk
                record = (await http.get(f"{url}/v1/calls/{result.call_sid}")).json()
                await trio.sleep(0.05)
        with suppress(httpx.HTTPError):
            booked = (await http.get(book["url"], headers=headers)).json()["bookings"]
    return Evidence(result, tuple(demo.replies), demo.began, booked, record)


async def _start_lab(nursery: trio.Nursery, folder: Path) -> str:
    """Returns its part of the configuration."""
    log = folder / "llm.jsonl"
    await trio.Path(log).unlink(missing_ok=True)
    command = ["lab", "--stt-port=0", "--tts-port=0", "--llm-port=0", f"--llm-log={log}"]
    lab = await start(nursery, command, folder / "lab.log", "stdout")
    configuration: list[str] = []
    with trio.move_on_after(READY_S):
        assert lab.stdout is not None
        lines = Lines(lab.stdout)
        while (line := await lines.receive()) is not None:
            if line.startswith("#"):
                return "\n".join(configuration)
            configuration.append(line)
    raise StartupError(f"the lab did not come up; see {folder / 'lab.log'}")


async def _start_exchange(nursery: trio.Nursery, demo: Demo, person: Person, port: int) -> Exchange:
    """The telephone's end of it all; the daemon is to listen on `port`."""
    line = CallSettings(
        url=f"http://127.0.0.1:{port}", auth_token=AUTH_TOKEN, called=OURS, max_call_s=110
    )
    settings = ExchangeSettings(line, human=COLLEAGUE)
    exchange: Exchange = await nursery.start(partial(run_exchange, settings, person, demo.heard))
    return exchange


async def _start_daemon(
    nursery: trio.Nursery, demo: Demo, port: int, around: dict[str, str]
) -> None:
    """Returns once its phrases are at hand; `around` are the lab and the exchange."""
    file = trio.Path(demo.folder / "voiced.toml")
    await file.write_text(
        CONFIGURATION.substitute(
            asdict(demo.chosen) | around,
            port=port,
            account=CallSettings().account_sid,
            token=AUTH_TOKEN,
            ours=OURS,
            person=PERSON,
            records=(demo.folder / "records").absolute(),
        )
    )
    command = ["run", f"--config={file}", "--log-format=json"]
    process = await start(nursery, command, demo.folder / "voiced.out", "stderr")
    ready = trio.Event()
    nursery.start_soon(_follow, process, demo, ready)
    with trio.move_on_after(READY_S):
        await ready.wait()
        return
    raise StartupError(f"voiced did not come up; see {demo.folder / 'voiced.log'}")


async def _follow(process: trio.Process, demo: Demo, ready: trio.Event) -> None:
    assert process.stderr is not None
    lines = Lines(process.stderr)
    async with await trio.open_file(demo.folder / "voiced.log", "w") as log:
        while (line := await lines.receive()) is not None:
            await log.write(line + "\n")
            await log.flush()
            record = json.loads(line) if line.startswith("{") else {}
            demo.logged(record)
            if record.get("message") == "the agents' phrases are at hand":
                ready.set()
