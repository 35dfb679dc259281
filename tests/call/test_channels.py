"""Every queue has a bound, and a policy."""

import pytest
import trio

from voiced.call import channels
from voiced.dialog.events import CloseRequested, DigitPressed
from voiced.dialog.parting import Parting


@pytest.mark.parametrize(
    ("opened", "bound"),
    [(channels.events, 64), (channels.text, 8), (channels.words, 8), (channels.speech, 8)],
)
def test_every_queue_is_bounded(opened: object, bound: int) -> None:
    send, _receive = opened()  # type: ignore[operator]
    for _ in range(bound):
        send.send_nowait(None)
    with pytest.raises(trio.WouldBlock):
        send.send_nowait(None)


def test_what_is_offered_from_outside_leaves_half_of_the_queue_to_the_house() -> None:
    send, receive = channels.events()
    taken = [channels.offer(send, DigitPressed("1")) for _ in range(40)]
    assert taken == [True] * 32 + [False] * 8
    send.send_nowait(CloseRequested(Parting("operator")))
    receive.receive_nowait()
    receive.receive_nowait()
    assert channels.offer(send, DigitPressed("1"))
