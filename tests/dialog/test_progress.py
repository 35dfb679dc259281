"""A call's steps, reported in any order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiced.dialog.progress import MAX_STEPS, Progress

TAKEN = ["initiated", "ringing", "in-progress", "completed"]
ENDS = ["completed", "busy", "no-answer", "failed", "canceled"]
CALLS = st.sampled_from(
    [TAKEN, ["initiated", "ringing", "busy"], ["initiated", "failed"], ["ringing", "no-answer"],
     ["queued", "initiated", "ringing", "canceled"]]
)  # fmt: skip


def told(*reports: tuple[str, int | None]) -> Progress:
    progress = Progress()
    for status, sequence in reports:
        progress.receive(status, sequence)
    return progress


def test_before_the_first_report_nothing_is_known() -> None:
    progress = Progress()
    assert (progress.status, progress.is_over, progress.reason, progress.history) == (
        "", False, "", ()
    )  # fmt: skip


def test_each_step_is_the_latest_when_it_comes_in_order() -> None:
    progress = Progress()
    for sequence, status in enumerate(TAKEN):
        assert progress.receive(status, sequence)
        assert progress.status == status
    assert progress.history == tuple(TAKEN)


def test_a_step_that_was_overtaken_is_history_only() -> None:
    progress = told(("in-progress", 2))
    assert not progress.receive("ringing", 1)
    assert progress.status == "in-progress"
    assert progress.history == ("ringing", "in-progress")


def test_a_repeated_callback_is_ignored() -> None:
    progress = told(("initiated", 0), ("ringing", 1))
    assert not progress.receive("ringing", 1)
    assert not progress.receive("initiated", 0)
    assert progress.history == ("initiated", "ringing")


@pytest.mark.parametrize("end", ENDS)
def test_an_end_stays_the_end_whatever_comes_late(end: str) -> None:
    progress = told(("initiated", 0), (end, 3))
    assert not progress.receive("ringing", 1)
    assert not progress.receive("in-progress", 4)
    assert not progress.receive("in-progress", None)
    assert not progress.receive("canceled", None)
    assert (progress.status, progress.is_over, progress.reason) == (end, True, end)


def test_a_call_that_lives_has_no_reason() -> None:
    progress = told(("in-progress", 2))
    assert (progress.is_over, progress.reason) == (False, "")


def test_a_report_without_a_number_is_the_next() -> None:
    progress = Progress()
    assert progress.receive("queued", None)
    assert progress.receive("ringing", None)
    assert not progress.receive("ringing", None)
    assert progress.history == ("queued", "ringing")


def test_a_report_without_a_number_takes_none_away() -> None:
    progress = told(("queued", None))
    assert progress.receive("initiated", 0)
    assert progress.receive("ringing", None)
    assert progress.receive("in-progress", 1)
    assert progress.history == ("queued", "initiated", "ringing", "in-progress")


def test_an_end_without_a_number_is_the_end() -> None:
    progress = told(("ringing", 1), ("canceled", None))
    assert progress.reason == "canceled"
    assert not progress.receive("in-progress", 2)
    assert progress.reason == "canceled"


def test_a_flood_is_bounded_and_the_end_still_counts() -> None:
    progress = told(*(("ringing", number) for number in range(1000)))
    assert progress.receive("completed", 1000)
    assert not progress.receive("failed", 1001)
    assert not progress.receive("completed", None)
    assert len(progress.history) == MAX_STEPS + 1
    assert progress.reason == "completed"


@given(CALLS, st.data())
def test_any_order_comes_to_the_same(call: list[str], data: st.DataObject) -> None:
    reports = list(enumerate(call))
    arrived = data.draw(st.permutations(reports + data.draw(st.lists(st.sampled_from(reports)))))
    progress, seen = Progress(), -1
    for sequence, status in arrived:
        assert progress.receive(status, sequence) == (sequence > seen)
        seen = max(seen, sequence)
    assert progress.history == tuple(call)
    assert progress.status == progress.reason == call[-1]


@given(st.lists(st.tuples(st.sampled_from([*TAKEN, *ENDS]), st.none() | st.integers(0, 50))))
def test_the_answer_is_whether_this_is_now_the_latest(
    reports: list[tuple[str, int | None]],
) -> None:
    progress = Progress()
    for status, sequence in reports:
        before = progress.status
        is_latest = progress.receive(status, sequence)
        assert progress.status == (status if is_latest else before)
