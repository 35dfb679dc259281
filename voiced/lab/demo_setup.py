"""What the demo starts: the configuration of its daemon, and processes whose output is read."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from string import Template
from typing import Final

import trio
from attrs import define

AUTH_TOKEN: Final = "0123456789abcdef0123456789abcdef"  # of this demo only
OURS: Final = "+15550100002"
PERSON: Final = "+15550100009"
"""The restaurant's own number, and that of somebody who works there."""

CONFIGURATION: Final = Template("""\
[server]
port = $port
max_calls = 4

[twilio]
account_sid = "$account"
auth_token = "$token"
phone_number = "$ours"
api_url = "$exchange"

$lab
[agent.default]
language = "en"
name = "Sesame"
company = "Chez Sesame"
prompt = "You are {name}, who answers the telephone of the restaurant {company}. Today is {date}."
greeting = "Hello, this is {company}."
goodbye = "Goodbye."
filler = "One moment, please."
apology = "I am sorry, something is wrong here."
idle_prompt = "Are you still there?"
transfer_announcement = "I am putting you through."
transfer_failed = "Nobody could take your call."
resumed = ""
voicemail = ""
stt = ["$stt"]
llm = ["$llm"]
tts = ["$tts"]
tools = ["hang_up", "transfer"]
transfers = { person = "$person" }

[agent.default.extract]
type = "object"
required = ["guests", "day", "time", "booked"]

[agent.default.extract.properties]
guests = { type = "integer", minimum = 1 }
day = { type = "string", format = "date" }
time = { type = "string", format = "time" }
booked = { type = "boolean", description = "Whether a table was booked in the end." }

[records]
directory = "$records"

[log]
redact = false
""")
"""voiced.toml: its `$lab` brings the engines and the tools."""


@define
class Lines:
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


async def start(
    nursery: trio.Nursery, arguments: Sequence[str], other: Path, piped: str
) -> trio.Process:
    """A `voiced` process, one of whose outputs is piped to us and the other kept in a file."""
    command = [sys.executable, "-m", "voiced", *arguments]
    kept = await trio.to_thread.run_sync(partial(open, other, "wb"))
    pipes = {"stdout": kept, "stderr": kept, piped: -1}  # -1 is subprocess.PIPE
    run = partial(trio.run_process, command, check=False, **pipes)
    process: trio.Process = await nursery.start(run)
    kept.close()
    return process


async def free_port() -> int:
    """A port that nobody listens on."""
    with trio.socket.socket() as probe:
        await probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
