"""`voiced demo`: a whole call on this machine, over the production wires.

Three processes: the lab (stand-in engines), the daemon, and this one, which is the telephone.
The daemon does not know that it talks to a lab. What the agent said is taken from the daemon's
own log, where `log.redact = false` shows it: the words that were heard, by its ledger.
"""

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import trio
from attrs import asdict, define, field, frozen

from voiced.errors import StartupError
from voiced.lab.demo_report import Reply, Report, write_report
from voiced.lab.phone import CALLER_VOICE, call
from voiced.lab.phone_call import CallResult
from voiced.lab.phone_dial import CallSettings
from voiced.lab.phone_record import Kind, PhoneEvent
from voiced.lab.script import DEMO_CALL
from voiced.lab.transcript import LivePrinter, Said, Speaker

READY_S: Final = 60.0
AUTH_TOKEN: Final = "0123456789abcdef0123456789abcdef"  # of this demo only
CONFIGURATION: Final = """\
[server]
port = {port}
max_calls = 4

[twilio]
auth_token = "{token}"

{engines}
[agent.default]
language = "en"
name = "Sesame"
company = "Chez Sesame"
prompt = "You are {{name}}, and you answer the telephone of the restaurant {{company}}."
greeting = "Hello, this is {{company}}. How can I help you?"
goodbye = "Thank you for calling. Goodbye."
stt = ["{stt}"]
llm = ["{llm}"]
tts = ["{tts}"]

[records]
directory = "{records}"

[log]
redact = false
"""


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
    summary: dict[str, Any] = field(factory=dict)
    ended: trio.Event = field(factory=trio.Event)

    def note(self, text: str) -> None:
        """Says what is going on."""
        self.printer.note(text)

    def heard(self, event: PhoneEvent) -> None:
        """Shows what the telephone tells as it happens."""
        if event.kind is Kind.CALLER_SPEAKS:
            self.printer.print(Said(event.at_s, Speaker.CALLER, event.text))
        elif event.kind in (Kind.BARGE_IN, Kind.WARNING, Kind.ENDED):
            detail = f": {event.text}" if event.text else ""
            self.printer.print(Said(event.at_s, Speaker.NOTE, f"({event.kind.value}{detail})"))

    def logged(self, record: dict[str, Any]) -> None:
        """Shows what the daemon's log tells of a turn."""
        if record.get("message") == "turn ended":
            reply = Reply.from_log(record)
            self.replies.append(reply)
            self.printer.print(reply.said())
        elif record.get("message") == "call ended":
            self.summary = record
            self.ended.set()


async def run_demo(folder: Path, chosen: Chosen | None = None) -> int:
    """Makes the call and leaves its record in `folder`; returns an exit code.

    Raises:
        StartupError: the lab or the daemon does not come up.
    """
    demo = Demo(folder, chosen or Chosen())
    await trio.Path(folder).mkdir(parents=True, exist_ok=True)
    async with trio.open_nursery() as nursery:
        demo.note("starting the stand-in engines: STT, TTS and LLM")
        engines = await _start_lab(nursery, folder)
        demo.note("starting voiced, as `voiced run` would")
        port = await _start_daemon(nursery, demo, engines)
        demo.note(f"calling http://127.0.0.1:{port}, as Twilio would")
        url = f"http://127.0.0.1:{port}"
        settings = CallSettings(url=url, auth_token=AUTH_TOKEN, max_call_s=110)
        result = await call(settings, DEMO_CALL, CALLER_VOICE, demo.heard)
        with trio.move_on_after(5):
            await demo.ended.wait()
        nursery.cancel_scope.cancel(reason="the call is over")
    return await _report(demo, result)


async def _report(demo: Demo, result: CallResult) -> int:
    told = await _told(trio.Path(demo.folder / "llm.jsonl"))
    report = Report(result, tuple(demo.replies), demo.summary, told)
    await trio.to_thread.run_sync(write_report, report, demo.folder)
    for line in report.conclusion(demo.folder):
        demo.note(line)
    return 0 if report.is_good else 1


async def _told(path: trio.Path) -> tuple[Any, ...]:
    """What the model was told, request by request."""
    with suppress(OSError):
        return tuple(json.loads(line) for line in (await path.read_text()).splitlines())
    return ()


async def _start_lab(nursery: trio.Nursery, folder: Path) -> str:
    """Returns the engines' part of the configuration."""
    log = folder / "llm.jsonl"
    await trio.Path(log).unlink(missing_ok=True)
    command = ["lab", "--stt-port=0", "--tts-port=0", "--llm-port=0", f"--llm-log={log}"]
    lab = await _start(nursery, command, folder / "lab.log", "stdout")
    configuration: list[str] = []
    with trio.move_on_after(READY_S):
        assert lab.stdout is not None
        lines = _Lines(lab.stdout)
        while (line := await lines.receive()) is not None:
            if line.startswith("#"):
                return "\n".join(configuration)
            configuration.append(line)
    raise StartupError(f"the lab did not come up; see {folder / 'lab.log'}")


async def _start_daemon(nursery: trio.Nursery, demo: Demo, engines: str) -> int:
    """Returns its port, once its phrases are at hand."""
    port = await _free_port()
    file = trio.Path(demo.folder / "voiced.toml")
    records = (demo.folder / "records").absolute()
    text = CONFIGURATION.format(
        port=port, token=AUTH_TOKEN, engines=engines, records=records, **asdict(demo.chosen)
    )
    await file.write_text(text)
    command = ["run", f"--config={file}", "--log-format=json"]
    process = await _start(nursery, command, demo.folder / "voiced.out", "stderr")
    ready = trio.Event()
    nursery.start_soon(_follow, process, demo, ready)
    with trio.move_on_after(READY_S):
        await ready.wait()
        return port
    raise StartupError(f"voiced did not come up; see {demo.folder / 'voiced.log'}")


async def _follow(process: trio.Process, demo: Demo, ready: trio.Event) -> None:
    assert process.stderr is not None
    lines = _Lines(process.stderr)
    async with await trio.open_file(demo.folder / "voiced.log", "w") as log:
        while (line := await lines.receive()) is not None:
            await log.write(line + "\n")
            await log.flush()
            record = json.loads(line) if line.startswith("{") else {}
            demo.logged(record)
            if record.get("message") == "the agents' phrases are at hand":
                ready.set()


async def _start(
    nursery: trio.Nursery, arguments: Sequence[str], other: Path, piped: str
) -> trio.Process:
    """A `voiced` process, one of whose outputs is piped to us and the other kept in a file."""
    command = [sys.executable, "-m", "voiced", *arguments]
    kept = await trio.to_thread.run_sync(partial(open, other, "wb"))
    pipes = {"stdout": kept, "stderr": kept, piped: -1}  # -1 is subprocess.PIPE
    start = partial(trio.run_process, command, check=False, **pipes)
    process: trio.Process = await nursery.start(start)
    kept.close()
    return process


@define
class _Lines:
    """The lines of a process's output."""

    stream: trio.abc.ReceiveStream
    _rest: bytes = b""

    async def receive(self) -> str | None:
        """The next one; None at the end."""
        while b"\n" not in self._rest:
            data = await self.stream.receive_some()
            if not data:
                return None
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode("utf-8", "replace")


async def _free_port() -> int:
    with trio.socket.socket() as probe:
        await probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
