"""Full collections happen while nobody is on the line."""

import gc
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from attrs import define, field
from daemon_stage import engine_set, running, settings, stop
from trio.testing import MockClock, wait_all_tasks_blocked

from voiced.call import editions
from voiced.ops.garbage import GROWN, LULL_S, NEVER, Garbage, settle

FULL = 2
BRISK = (70, 2, 2)
"""Thresholds with which some hundreds of new objects begin a full collection."""


@define
class Stage:
    """A line whose calls come and go as the test wants, and what is seen of the collector."""

    change: trio.Event = field(factory=trio.Event)
    quiet: trio.Event = field(factory=trio.Event)
    grown: int = 0
    excused: list[float] = field(factory=list)
    full: list[int] = field(factory=list)
    kept: list[list[object]] = field(factory=list, repr=False)

    async def wait_quiet(self) -> None:
        await self.quiet.wait()

    async def wait_change(self) -> None:
        await self.change.wait()

    async def ring(self) -> None:
        """A call comes."""
        self.quiet = trio.Event()
        await self.go_on()

    async def hang_up(self) -> None:
        """The last call is over."""
        self.quiet.set()
        await self.go_on()

    async def go_on(self) -> None:
        """A call has come, gone or gone on, and whoever waited for that has been told."""
        self.change.set()
        self.change = trio.Event()
        await wait_all_tasks_blocked()

    def allocate(self, count: int = 20_000) -> None:
        """So many objects come to stay."""
        self.kept += [[] for _ in range(count)]

    def seen(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start" and info["generation"] == FULL:
            self.full.append(info["generation"])  # no clock: it may be another thread


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Thresholds are brisk, and all that was there before is frozen, so that the older objects of
    other tests do not matter; behind the test everything is as it was."""
    stage, before = Stage(), gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.collect()  # how many objects are old is counted anew
    gc.set_threshold(*BRISK)
    try:
        yield stage
    finally:
        if stage.seen in gc.callbacks:
            gc.callbacks.remove(stage.seen)
        gc.set_threshold(*before)
        gc.unfreeze()


@asynccontextmanager
async def collecting(stage: Stage) -> AsyncIterator[None]:
    """The collector at work; a call is on the line. From then on full collections are noted."""
    async with trio.open_nursery() as nursery:
        collector = Garbage(
            stage, lambda: stage.excused.append(trio.current_time()), lambda: stage.grown
        )
        begin = nursery.start_soon
        begin(collector.run)
        await wait_all_tasks_blocked()
        gc.callbacks.append(stage.seen)
        yield
        nursery.cancel_scope.cancel()


def test_by_itself_python_would_search_all_in_the_middle(stage: Stage) -> None:
    gc.callbacks.append(stage.seen)
    stage.allocate()
    assert stage.full


async def test_while_a_call_is_live_nothing_begins_a_full_collection(
    stage: Stage, autojump_clock: MockClock
) -> None:
    async with collecting(stage):
        for _ in range(5):
            stage.allocate()
            await stage.go_on()
        assert stage.full == []
        assert gc.get_count()[FULL] > BRISK[FULL]  # the younger ones were collected


async def test_when_the_last_call_has_been_over_for_a_second_there_is_one(
    stage: Stage, autojump_clock: MockClock
) -> None:
    async with collecting(stage):
        stage.allocate()
        await trio.sleep(10)
        await stage.hang_up()
        assert stage.full == []
        await trio.sleep(LULL_S + 0.1)
        assert len(stage.full) == 1
        assert stage.excused == [pytest.approx(10 + LULL_S)]


async def test_garbage_that_refers_to_itself_is_gone_then(
    stage: Stage, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "voiced")
    async with collecting(stage):
        stage.allocate()
        for each in stage.kept:
            each.append(each)
        stage.kept.clear()
        await stage.hang_up()
        await trio.sleep(LULL_S + 0.1)
    (record,) = caplog.records
    fields = record.__dict__["fields"]
    assert fields["reason"] == "the line is quiet"
    assert fields["objects"] >= 10_000
    assert fields["blocks"] == 0
    assert fields["took_ms"] >= 0


async def test_who_calls_within_that_second_is_not_held_up(
    stage: Stage, autojump_clock: MockClock
) -> None:
    async with collecting(stage):
        stage.allocate()
        await stage.hang_up()
        await trio.sleep(LULL_S / 2)
        await stage.ring()
        await trio.sleep(60)
        assert stage.full == []
        await stage.hang_up()
        await trio.sleep(LULL_S + 0.1)
        assert len(stage.full) == 1


async def test_where_nothing_is_new_nothing_is_searched(
    stage: Stage, autojump_clock: MockClock
) -> None:
    gc.set_threshold(50_000, 10, 10)
    async with collecting(stage):
        gc.collect()
        stage.full.clear()
        for _ in range(3):
            await stage.hang_up()
            await trio.sleep(LULL_S + 0.1)
            await stage.ring()
    assert stage.full == []
    assert stage.excused == []


async def test_on_a_quiet_line_python_goes_by_its_own_thresholds_until_a_call_comes(
    stage: Stage, autojump_clock: MockClock
) -> None:
    async with collecting(stage):
        await stage.hang_up()
        await trio.sleep(LULL_S + 0.1)
        assert gc.get_threshold() == BRISK
        stage.full.clear()
        stage.allocate()
        assert stage.full
        await stage.ring()
        assert gc.get_threshold() == (*BRISK[:FULL], NEVER)
        stage.full.clear()
        stage.allocate()
        assert stage.full == []


async def test_a_line_that_is_never_quiet_has_one_for_each_growth_of_the_process(
    stage: Stage, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "voiced")
    async with collecting(stage):
        stage.grown = GROWN
        await stage.go_on()
        assert stage.full == []
        stage.grown += 1
        await stage.go_on()
        assert len(stage.full) == 1
        await stage.go_on()
        stage.grown += GROWN
        await stage.go_on()
        assert len(stage.full) == 1
        stage.grown += 1
        await stage.go_on()
        assert len(stage.full) == 2
    assert stage.excused == []  # if it is slow, that is worth a warning
    reasons = {record.__dict__["fields"]["reason"] for record in caplog.records}
    assert reasons == {"the process has grown"}


async def test_afterwards_the_thresholds_are_as_they_were(
    stage: Stage, autojump_clock: MockClock
) -> None:
    async with collecting(stage):
        assert gc.get_threshold() == (*BRISK[:FULL], NEVER)
    assert gc.get_threshold() == BRISK


def test_what_is_there_at_the_start_is_not_searched_again(stage: Stage) -> None:
    stage.allocate()
    frozen = gc.get_freeze_count()
    settle()
    assert gc.get_freeze_count() >= frozen + len(stage.kept)
    assert not any(stage.kept[0] is each for each in gc.get_objects())


async def test_the_daemon_has_none_while_a_call_is_live(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretended = engine_set()
    monkeypatch.setattr(editions, "build_engines", lambda settings, http, tell: pretended)
    async with running(settings(tmp_path)) as there:
        held = await there.connect()
        gc.callbacks.append(stage.seen)
        stage.allocate()
        assert stage.full == []
        stop()
        await wait_all_tasks_blocked(0.01)
        stop()
        await held.over.wait()
        await there.stopped.wait()
    assert gc.get_threshold() == BRISK
