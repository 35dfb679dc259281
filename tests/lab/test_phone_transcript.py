"""A call as text."""

import io

import pytest

from voiced.lab.transcript import LivePrinter, Said, Speaker, clock, render


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "00:00.0"), (4.06, "00:04.1"), (59.96, "01:00.0"), (3_725, "62:05.0")]
)
def test_times_are_minutes_and_tenths(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_a_transcript_is_in_order_and_marks_what_was_interrupted() -> None:
    agent = Said(6.3, Speaker.AGENT, "On Saturday we are open", interrupted=True, answer_s=0.62,
        stages_ms={"end of turn": 310.4, "first token": 480})  # fmt: skip
    caller = Said(4.1, Speaker.CALLER, "what time do you open")
    note = Said(9.0, Speaker.NOTE, "(ended)")
    assert render("Call 1", [agent, note, caller]) == (
        "Call 1\n======\n\n"
        "00:04.1  caller  what time do you open\n"
        "00:06.3  agent   On Saturday we are open —\n"
        "                 answered after 0.62 s: end of turn 310 ms, first token 480 ms\n"
        "00:09.0          (ended)\n"
    )


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


LINE = Said(1.0, Speaker.CALLER, "hello")


def printed(out: io.StringIO) -> str:
    LivePrinter(out).print(LINE)
    return out.getvalue()


def test_colour_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert printed(Terminal()) == "\x1b[36m00:01.0  caller  hello\x1b[0m\n"
    assert printed(io.StringIO()) == "00:01.0  caller  hello\n"
    monkeypatch.setenv("NO_COLOR", "1")
    assert printed(Terminal()) == "00:01.0  caller  hello\n"
