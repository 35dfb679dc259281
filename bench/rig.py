"""A daemon on one core, and the telephones and engines of its calls on the other."""

import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any

from attrs import define, field

from bench.engines import Engines
from bench.findings import Findings
from bench.llm import LlmLink
from bench.moshi import SttLink, TtsLink, Upgrade
from bench.phone import Manner, Phone
from bench.reactor import Reactor
from bench.toolkit import ToolLink
from bench.webhooks import TOKEN

START_S = 20.0
STOP_S = 15.0
DRAIN_S = 2.0
"""What calls that are still awaited get; a second signal then ends the daemon at once."""

PROBE = os.environ.get("BENCH_PROBE", "-m bench.probe").split()
"""What is run for the daemon; another one may profile it."""

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
CONFIGURATION = """\
[server]
port = {port}
max_calls = 10000
[twilio]
auth_token = "{token}"
[stt.lab]
type = "moshi"
url = "ws://127.0.0.1:{stt}/api/asr-streaming"
[tts.lab]
type = "moshi"
url = "ws://127.0.0.1:{tts}/api/tts_streaming"
voice = "tone"
[llm.lab]
type = "openai"
base_url = "http://127.0.0.1:{llm}/v1"
model = "tone"
[agent.default]
language = "en"
prompt = "You answer the telephone."
greeting = "Hello and welcome to the benchmark."
goodbye = "Goodbye to you then."
stt = ["lab"]
llm = ["lab"]
tts = ["lab"]
[records]
directory = "{folder}"
[limits]
requests_per_minute = 1000000
"""


@define
class Rig:
    """Everything between `rig()` and its end."""

    reactor: Reactor
    daemon: subprocess.Popen[bytes]
    port: int
    folder: Path
    phones: list[Phone] = field(factory=list)
    findings: Findings = field(factory=Findings)

    def ring(self, manner: Manner, at: float, findings: Findings | None = None) -> None:
        """Has another telephone call then; it notes what it finds with all others, or there."""
        phone = Phone(self.reactor, len(self.phones), manner, findings or self.findings)
        self.phones.append(phone)
        self.reactor.at(at, lambda: phone.start(self.port))

    def run(self, seconds: float) -> None:
        """Lets it all happen."""
        self.reactor.run_until(monotonic() + seconds)

    def leave(self) -> None:
        """All who are still there hang up, and the engines see it."""
        for phone in self.phones:
            if not phone.is_over:
                phone.leave()
        self.run(1.5)

    @property
    def live(self) -> int:
        """The telephones that are on the line, as far as they know."""
        return sum(not phone.is_over for phone in self.phones)

    def cpu_s(self) -> float:
        """What the daemon has used of its core."""
        fields = Path(f"/proc/{self.daemon.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def rss_kb(self) -> int:
        """The daemon's resident memory."""
        for line in Path(f"/proc/{self.daemon.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        return 0


def cores() -> tuple[int, int]:
    """The daemon's core and the far side's; one and the same where there is but one."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


@contextmanager
def rig(clocks: dict[str, Any] | None = None, agents: str = "") -> Iterator[Rig]:
    """Starts the daemon; at the end stops it and leaves in `clocks` what its probe measured.

    `agents` are more of them; the ports in braces may stand in it, as in `CONFIGURATION`.
    """
    mine, reactor = os.sched_getaffinity(0), Reactor()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        phones: list[Phone] = []
        engines = Engines(reactor, lambda n: phones[n] if n < len(phones) else None)
        port = _free_port()
        ports = {"port": port, **_open(engines)}
        config = (CONFIGURATION + agents).format(token=TOKEN, folder=folder, **ports)
        (folder / "voiced.toml").write_text(config)
        (folder / "voiced.toml").chmod(0o600)
        daemon_core, far_core = cores()
        command = [sys.executable, *PROBE, folder / "voiced.toml", str(daemon_core),
                   "" if clocks is None else folder / "clocks.json"]  # fmt: skip
        with (folder / "log").open("w+b") as log:
            daemon = subprocess.Popen(command, stdout=log, stderr=log)
            try:
                os.sched_setaffinity(0, {far_core})
                gc.collect()
                gc.disable()  # what a run leaves behind is little, and its end is near
                _await(reactor, daemon, log.name, b"phrases are at hand")
                yield Rig(reactor, daemon, port, folder, phones)
            finally:
                gc.enable()
                os.sched_setaffinity(0, mine)
                _stop(daemon)
                reactor.close()
        if clocks is not None:
            clocks.update(json.loads((folder / "clocks.json").read_text()))


def _open(engines: Engines) -> dict[str, int]:
    """Each engine on a port of its own; returns the ports by role."""
    listen = engines.reactor.listen
    return {
        "stt": listen(lambda link: Upgrade(link, lambda: SttLink(engines, link))),
        "tts": listen(lambda link: Upgrade(link, lambda: TtsLink(engines, link))),
        "llm": listen(lambda link: LlmLink(engines, link)),
        "tool": listen(ToolLink),
    }


def _await(reactor: Reactor, daemon: subprocess.Popen[bytes], log: str, text: bytes) -> None:
    due = monotonic() + START_S
    while text not in Path(log).read_bytes():
        if monotonic() > due or daemon.poll() is not None:
            raise SystemExit(f"the daemon did not start:\n{Path(log).read_text()}")
        reactor.run_until(monotonic() + 0.1)


def _stop(daemon: subprocess.Popen[bytes]) -> None:
    for patience_s in (DRAIN_S, STOP_S):
        daemon.terminate()
        with suppress(subprocess.TimeoutExpired):
            daemon.wait(patience_s)
            break
    daemon.kill()
    daemon.wait()


def _free_port() -> int:
    probe = Reactor()
    port = probe.listen(lambda link: link.close())
    probe.close()
    return port
