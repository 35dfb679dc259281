"""Who hangs up while a transfer is announced is put through to nobody."""

import pytest
from conversation_stage import closing, speaking

from voiced.dialog import events as ev
from voiced.dialog.parting import Parting, Phrase, Transfer
from voiced.dialog.turns import Phase

ELSEWHERE = Parting("transfer", (Phrase.TRANSFER,), Transfer("+33199999999"))


def test_a_hang_up_in_the_announcement_calls_the_transfer_off() -> None:
    call = speaking()
    call.receive(ev.CloseRequested(ELSEWHERE), 3.0)
    call.receive(ev.LegEnded("hangup"), 3.2)
    assert (call.phase, call.parting) == (Phase.OVER, Parting("hangup"))


@pytest.mark.parametrize("reason", ["socket-lost", "stalled"])
def test_a_stream_that_breaks_then_does_not(reason: str) -> None:
    call = speaking()
    call.receive(ev.CloseRequested(ELSEWHERE), 3.0)
    call.receive(ev.LegEnded(reason), 3.2)
    assert call.parting == ELSEWHERE


def test_a_hang_up_in_the_goodbye_changes_no_reason() -> None:
    call = closing()
    call.receive(ev.LegEnded("hangup"), 3.2)
    assert call.ended_by == "operator"
