import logging
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from voiced.call import recording
from voiced.call.recording import Recording, RecordingState, append

PACKET = b"\x10" * 160


def feed(tape: Recording, seconds: float, start_s: float = 0.0) -> None:
    """Both talk, packet by packet, as fast as can be."""
    for number in range(round(50 * start_s), round(50 * (start_s + seconds))):
        tape.caller(20 * number, PACKET)
        tape.agent(PACKET)


def samples(path: Path) -> int:
    with wave.open(str(path)) as file:
        assert file.getparams()[:3] == (2, 2, 8_000)
        count: int = file.getnframes()
        assert len(file.readframes(count)) == 4 * count
        return count


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def announced(path: Path) -> int:
    """The samples that the header of a growing file speaks of."""
    return int.from_bytes(path.read_bytes()[40:44], "little") // 4 if path.exists() else 0


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


class Disk:
    """The real one, but it can be held up, and says when it was asked and when it has written."""

    def __init__(self) -> None:
        self._asked = threading.Semaphore(0)
        self._written = threading.Semaphore(0)
        self._inside = threading.Lock()
        self._free = threading.Event()
        self._free.set()

    def append(self, path: Path, start: int, pcm: bytes) -> None:
        assert self._inside.acquire(blocking=False), "two threads at one file"
        try:
            self._asked.release()
            assert self._free.wait(10)
            append(path, start, pcm)
        finally:
            self._inside.release()
            self._written.release()

    def hold(self) -> None:
        self._free.clear()

    def let(self) -> None:
        self._free.set()

    async def asked(self) -> None:
        assert await trio.to_thread.run_sync(partial(self._asked.acquire, timeout=10))

    async def written(self) -> None:
        assert await trio.to_thread.run_sync(partial(self._written.acquire, timeout=10))


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    disk = Disk()
    monkeypatch.setattr(recording, "append", disk.append)
    yield disk
    disk.let()


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno == logging.ERROR]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "recordings" / "CA1.wav"


# --- a call that goes well ----------------------------------------------------------------------


async def test_the_file_grows_with_the_call_and_holds_all_of_it(path: Path, disk: Disk) -> None:
    tape = Recording(path)
    assert (tape.state, tape.name) == (RecordingState.WAITING, "")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tape.run)
        feed(tape, 1.18)
        await trio.testing.wait_all_tasks_blocked()
        assert (tape.state, tape.name) == (RecordingState.RUNNING, "")
        assert size(path) == 0
        feed(tape, 0.02, start_s=1.18)
        await disk.written()
        assert samples(path) == 8_000
        feed(tape, 1.0, start_s=1.2)
        await disk.written()
        assert samples(path) == 16_000
        assert tape.name == "CA1.wav"
        feed(tape, 0.3, start_s=2.2)
        nursery.cancel_scope.cancel()
    assert samples(path) == 20_000
    assert tape.state is RecordingState.DONE


async def test_both_lines_are_in_it_and_a_clear_cuts(path: Path) -> None:
    tape = Recording(path)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tape.run)
        tape.agent(PACKET * 5)
        tape.caller(0, b"\xff" * 160)
        tape.clear()
        tape.caller(20, PACKET)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    with wave.open(str(path)) as file:
        pcm = memoryview(file.readframes(320)).cast("h")
    left, right = pcm[::2].tolist(), pcm[1::2].tolist()
    assert [bool(sample) for sample in left] == [False] * 160 + [True] * 160
    assert [bool(sample) for sample in right] == [True] * 160 + [False] * 160


async def test_nobody_else_may_read_it(path: Path) -> None:
    tape = Recording(path)
    feed(tape, 0.1)
    with trio.move_on_after(0):
        await tape.run()
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700


async def test_what_came_before_the_run_is_written_and_what_comes_after_it_is_not(
    path: Path,
) -> None:
    tape = Recording(path)
    feed(tape, 2.0)
    with trio.move_on_after(0):
        await tape.run()
    feed(tape, 2.0, start_s=2.0)
    tape.clear()
    assert samples(path) == 16_000
    assert tape.state is RecordingState.DONE


async def test_a_call_without_audio_leaves_no_file(path: Path) -> None:
    tape = Recording(path)
    with trio.move_on_after(0):
        await tape.run()
    assert (tape.state, tape.name) == (RecordingState.DONE, "")
    assert not path.parent.exists()


def test_after_a_kill_the_file_plays(path: Path) -> None:
    program = """
import sys, trio
from pathlib import Path
from voiced.call.recording import Recording
async def main():
    tape = Recording(Path(sys.argv[1]))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tape.run)
        for number in range(50_000):
            tape.caller(20 * number, bytes(160))
            await trio.sleep(0.0005)
trio.run(main)
"""
    with subprocess.Popen([sys.executable, "-c", program, str(path)]) as process:
        deadline = time.monotonic() + 30
        while (promised := announced(path)) < 24_000:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert promised <= samples(path) <= (size(path) - 44) // 4


# --- a disk that fails --------------------------------------------------------------------------


async def test_a_path_below_a_file_stops_the_recording_and_not_the_call(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    tape = Recording(tmp_path / "file" / "CA1.wav")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tape.run)
        feed(tape, 1.5)
    feed(tape, 1.5, start_s=1.5)
    tape.clear()
    assert (tape.state, tape.name) == (RecordingState.STOPPED, "")
    assert complaints(caplog) == ["the recording stopped: Not a directory"]


async def test_a_recording_overwrites_no_other(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    append(path, 0, bytes(400))
    tape = Recording(path)
    feed(tape, 1.5)
    await tape.run()
    assert samples(path) == 100
    assert complaints(caplog) == ["the recording stopped: File exists"]


@pytest.fixture
def small_disk() -> Iterator[None]:
    """Files of this process can have 50,000 bytes: a write is cut short there, and then fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("small_disk")
async def test_what_was_written_before_the_disk_was_full_plays(
    path: Path, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    tape = Recording(path)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tape.run)
        feed(tape, 1.2)
        await disk.written()
        feed(tape, 1.0, start_s=1.2)
    feed(tape, 1.0, start_s=2.2)
    assert tape.state is RecordingState.STOPPED
    assert size(path) == 50_000
    assert samples(path) == 8_000
    assert tape.name == "CA1.wav"
    assert complaints(caplog) == ["the recording stopped: File too large"]


async def test_a_disk_that_is_full_at_the_end_of_the_call(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, _start: int, _pcm: bytes) -> None:
        with open("/dev/full", "wb") as file:
            file.write(b"sound")

    monkeypatch.setattr(recording, "append", full)
    tape = Recording(path)
    feed(tape, 0.5)
    with trio.move_on_after(0):
        await tape.run()
    assert tape.state is RecordingState.STOPPED
    assert complaints(caplog) == ["the recording stopped: No space left on device"]


async def test_an_error_without_words_is_called_by_its_name(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_path: Path, _start: int, _pcm: bytes) -> None:
        raise TimeoutError

    monkeypatch.setattr(recording, "append", broken)
    tape = Recording(path)
    feed(tape, 1.5)
    await tape.run()
    assert complaints(caplog) == ["the recording stopped: TimeoutError"]


def test_a_file_that_something_else_changed_is_left_alone(path: Path) -> None:
    append(path, 0, bytes(400))
    os.truncate(path, 100)
    with pytest.raises(OSError, match="something else changed the file"):
        append(path, 100, bytes(400))
    assert path.stat().st_size == 100


def test_a_file_that_was_removed_is_not_made_again(path: Path) -> None:
    append(path, 0, bytes(400))
    path.unlink()
    with pytest.raises(FileNotFoundError):
        append(path, 100, bytes(400))
    assert not path.exists()


# --- a disk that is slow ------------------------------------------------------------------------


async def test_a_slow_disk_loses_nothing(path: Path, disk: Disk) -> None:
    disk.hold()
    tape = Recording(path)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tape.run)
        feed(tape, 1.5)
        await disk.asked()
        feed(tape, 50.0, start_s=1.5)
        disk.let()
        await disk.written()
        await disk.written()
        assert size(path) == 44 + 4 * (51 * 8_000 + 2_400)
        nursery.cancel_scope.cancel()
    assert samples(path) == 51.5 * 8_000


async def test_a_call_that_ends_while_the_disk_is_at_work_is_written_in_order(
    path: Path, disk: Disk
) -> None:
    disk.hold()
    tape = Recording(path)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tape.run)
        feed(tape, 1.5)
        await disk.asked()
        nursery.cancel_scope.cancel()
        threading.Timer(0.1, disk.let).start()
    assert samples(path) == 12_000
    assert (tape.state, tape.name) == (RecordingState.DONE, "CA1.wav")


async def test_a_disk_a_minute_behind_is_given_up(
    path: Path, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    disk.hold()
    tape = Recording(path)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tape.run)
        feed(tape, 1.5)
        await disk.asked()
        feed(tape, 59.9, start_s=1.5)
        assert not complaints(caplog)
        feed(tape, 2.0, start_s=61.4)
        assert tape.state is RecordingState.STOPPED
        disk.let()
    assert samples(path) == 10_400
    assert complaints(caplog) == ["the recording stopped: the disk is 60 s behind"]


async def test_a_recording_stops_once(
    path: Path, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    append(path, 0, bytes(400))
    disk.hold()
    tape = Recording(path)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tape.run)
        feed(tape, 1.5)
        await disk.asked()
        feed(tape, 61.0, start_s=1.5)
        disk.let()  # and now it says that the file is there already
    assert complaints(caplog) == ["the recording stopped: the disk is 60 s behind"]


async def test_a_recording_that_nobody_runs_keeps_a_minute_and_then_nothing(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tape = Recording(path)
    feed(tape, 70.0)
    assert complaints(caplog) == ["the recording stopped: the disk is 60 s behind"]
    await tape.run()
    assert tape.state is RecordingState.STOPPED
    assert size(path) == 0


async def test_a_disk_that_hangs_does_not_hold_the_end_of_a_call(
    path: Path,
    disk: Disk,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recording, "CLOSING_S", 0.05)
    disk.hold()
    tape = Recording(path)
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tape.run)
            feed(tape, 1.5)
            await disk.asked()
            nursery.cancel_scope.cancel()
    assert tape.state is RecordingState.STOPPED
    assert complaints(caplog) == ["the recording stopped: the disk took nothing for 0.05 s"]
    disk.let()
    await disk.written()
    assert samples(path) == 10_400
