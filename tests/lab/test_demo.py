"""What the demo shows while the call goes on."""

import io
import time
from pathlib import Path

import pytest

from voiced.config import SecretSources, parse
from voiced.lab import bookings
from voiced.lab.demo import Demo
from voiced.lab.demo_setup import CONFIGURATION
from voiced.lab.phone_record import Kind, PhoneEvent
from voiced.lab.transcript import LivePrinter

ENGINES = """
[stt.lab]
type = "moshi"
[llm.lab]
type = "openai"
model = "m"
[tts.lab]
type = "moshi"
"""


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def demo(out: io.StringIO) -> Demo:
    return Demo(Path("demo"), printer=LivePrinter(out))


def test_a_call_is_printed_as_it_happens(demo: Demo, out: io.StringIO) -> None:
    demo.note("calling")
    demo.heard(PhoneEvent(0.0, Kind.CONNECTED))
    demo.heard(PhoneEvent(1.0, Kind.AGENT_SPEAKS))
    demo.heard(PhoneEvent(3.0, Kind.CALLER_SPEAKS, "hello"))
    demo.logged({"message": "turn ended", "ending": "heard", "agent": "Yes?", "at_s": 4.0})
    demo.logged(
        {"message": "tool used", "tool": "f", "status": "ok", "tool_ms": 5,
         "time": demo.began + 5.0}
    )  # fmt: skip
    demo.heard(PhoneEvent(6.0, Kind.DIALLED, "+1"))
    demo.heard(PhoneEvent(7.0, Kind.ENDED))
    assert out.getvalue().splitlines() == [
        "calling",
        "00:03.0  caller  hello",
        "00:04.0  agent   Yes?",
        "00:05.0          (f: ok, 5 ms)",
        "00:06.0          (dials: +1)",
        "00:07.0          (ended)",
    ]
    assert [note.words for note in demo.notes] == ["(f: ok, 5 ms)", "(dials: +1)", "(ended)"]
    assert demo.began == pytest.approx(time.time(), abs=5)


def test_the_end_and_what_was_learnt_are_noticed(demo: Demo) -> None:
    demo.logged({"message": "call ended", "underruns": 3})
    demo.logged({"message": "anything else"})
    assert demo.summary["underruns"] == 3
    assert not demo.learnt.is_set()
    demo.logged({"message": "learnt from a call"})
    assert demo.learnt.is_set()


def test_its_daemon_has_tools_people_and_questions(tmp_path: Path) -> None:
    text = CONFIGURATION.substitute(
        lab=ENGINES + bookings.tools("http://127.0.0.1:8199", "k"),
        stt="lab", llm="lab", tts="lab", port=8765, account="AC" + "1".zfill(32), token="t",
        ours="+15550100002", person="+15550100009", exchange="http://127.0.0.1:1",
        records=tmp_path,
    )  # fmt: skip
    agent = parse(text, "demo", SecretSources({}, {})).agents["default"]
    assert [tool.name for tool in agent.tool] == ["find_table", "book_table"]
    assert agent.transfers == {"person": "+15550100009"}
    assert agent.extract["required"] == ["guests", "day", "time", "booked"]
    assert "Today is {date}." in agent.prompt
