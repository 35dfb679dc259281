"""A call's recording: a stereo WAV file that grows with the call, caller left, agent right.

The leg hands audio over and never waits. About once a second of the stream, by the stream's own
clock, what cannot change any more is appended in a worker thread. The file is opened anew for each
second, its header written last: whatever kills the process leaves a file that plays, and a call
holds no open file. A disk that refuses, or falls a minute behind, ends the recording, not the call.
"""

import errno
import logging
import os
from contextlib import suppress
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import Final

import trio

from voiced.audio.frame import SAMPLE_RATE
from voiced.audio.stereo import BLOCK_BYTES, HEADER_BYTES, wav_header
from voiced.audio.tape import Tape

log = logging.getLogger(__name__)

WRITE_SAMPLES: Final = SAMPLE_RATE
"""How much is written at a time: a second."""

BEHIND_S: Final = 60
"""A disk that is further behind is given up: a minute waits in a megabyte."""

CLOSING_S: Final = 5.0
"""How long the end of a call waits for the disk to take the rest."""


class RecordingState(Enum):
    """What becomes of the audio that comes in."""

    WAITING = auto()  # it is kept until `run`
    RUNNING = auto()  # it goes to the disk
    STOPPED = auto()  # it is dropped: the disk failed
    DONE = auto()  # it is dropped: the call is over


class Recording:
    """One call's recording. `caller`, `agent` and `clear` never block and never raise."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state = RecordingState.WAITING
        self._tape = Tape()
        self._due = trio.Event()
        self._name = ""
        # One thread at a time, so that what is written stays in order even where a cancelled
        # write is still under way.
        self._disk = trio.CapacityLimiter(1)

    def caller(self, timestamp_ms: int | None, mulaw: bytes) -> None:
        """Takes a packet of the caller's; see `Tape.caller`."""
        if not self._listening:
            return
        self._tape.caller(timestamp_ms, mulaw)
        pending = self._tape.pending
        if pending >= WRITE_SAMPLES:
            self._due.set()
            if pending > BEHIND_S * SAMPLE_RATE:
                self._stop(f"the disk is {BEHIND_S} s behind")

    def agent(self, mulaw: bytes) -> None:
        """Takes audio that is being sent to the carrier."""
        if self._listening:
            self._tape.agent(mulaw)

    def clear(self) -> None:
        """The carrier was told to drop what it has not played."""
        if self._listening:
            self._tape.clear()

    async def run(self) -> None:
        """Writes until cancelled, then the rest; returns early if the disk fails.

        A disk that hangs holds the end of a call for 5 s, not longer.
        """
        if self._state is RecordingState.WAITING:
            self._state = RecordingState.RUNNING
        try:
            while self._state is RecordingState.RUNNING:
                await self._due.wait()
                self._due = trio.Event()
                await self._write(self._tape.samples, self._tape.take())
        finally:
            with trio.move_on_after(CLOSING_S, shield=True) as closing:
                await self._finish()
            if closing.cancelled_caught:
                self._stop(f"the disk took nothing for {CLOSING_S:g} s")

    @property
    def state(self) -> RecordingState:
        """What becomes of the audio that comes in."""
        return self._state

    @property
    def name(self) -> str:
        """The file's name once something is in it, else empty."""
        return self._name

    @property
    def _listening(self) -> bool:
        return self._state in (RecordingState.WAITING, RecordingState.RUNNING)

    async def _finish(self) -> None:
        if self._state is RecordingState.RUNNING:
            await self._write(self._tape.samples, self._tape.finish())
        if self._state is RecordingState.RUNNING:
            self._state = RecordingState.DONE

    async def _write(self, start: int, pcm: bytes) -> None:
        """Appends samples that begin with number `start`. May be given up while it waits."""
        if not pcm or self._state is not RecordingState.RUNNING:
            return
        try:
            await trio.to_thread.run_sync(
                append, self._path, start, pcm, abandon_on_cancel=True, limiter=self._disk
            )
        except OSError as error:
            self._stop(error.strerror or type(error).__name__)
        else:
            self._name = self._path.name

    def _stop(self, why: str) -> None:
        if self._listening:
            log.error("the recording stopped: %s", why, extra={"fields": {"path": str(self._path)}})
            self._state = RecordingState.STOPPED
            self._tape = Tape()  # lets go of what waited
            self._due.set()


def append(path: Path, start: int, pcm: bytes) -> None:
    """Puts PCM into a WAV file, behind its `start` samples, then its new length into the header.

    With `start` 0 it makes the file (mode 0600) and its folder (0700), and overwrites nothing.

    Raises:
        OSError: the disk is full, the file is gone or changed or, at first, there already. What
            was written before still plays.
    """
    if start == 0:
        with suppress(FileExistsError):
            path.parent.mkdir(mode=0o700, parents=True)
        with open(path, "xb", opener=partial(os.open, mode=0o600)) as file:
            file.write(wav_header(0))
    with path.open("r+b") as file:
        end = HEADER_BYTES + start * BLOCK_BYTES
        if file.seek(0, os.SEEK_END) != end:
            raise OSError(errno.ESTALE, "something else changed the file")
        file.write(pcm)
        file.flush()  # the sound goes before the header that promises it
        file.seek(0)
        file.write(wav_header(end - HEADER_BYTES + len(pcm)))
