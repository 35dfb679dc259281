"""Deletes what is older than `records.retention_days`, once a day."""

import logging
import os
import re
import time
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Final

import trio

from voiced.records.opening import FILE
from voiced.records.recorder import Recorder
from voiced.records.store import Store, StoreError

log = logging.getLogger(__name__)

DAY_S: Final = 86_400.0
AGAIN_S: Final = 3_600.0
"""Records that could not be reached are tried again after so long."""

RECORDINGS: Final = "recordings"

_ASIDE: Final = re.compile(re.escape(FILE) + r"\.corrupt-([0-9]{1,12})(-wal|-shm)?")


async def keep_tidy(recorder: Recorder, directory: Path, days: int) -> None:
    """At once and then every day, until cancelled."""
    due = trio.current_time()
    while True:
        before = time.time() - days * DAY_S
        due += DAY_S if await _tidy(recorder, directory, before) else AGAIN_S
        await trio.sleep_until(due)


async def _tidy(recorder: Recorder, directory: Path, before: float) -> bool:
    """Whether the records could be reached."""
    try:
        gone, kept = await recorder.use(lambda store: _purge(store, before))
    except StoreError as error:
        log.warning("old records are kept for now: %s", error)
        return False
    sweep_files = partial(sweep, directory, before, gone, kept)
    files, faults = await trio.to_thread.run_sync(sweep_files, abandon_on_cancel=True)
    if faults:
        fields = {"files": len(faults), "error": faults[0]}
        log.warning("old files cannot be deleted", extra={"fields": fields})
    if files:
        log.info("old files deleted", extra={"fields": {"files": files}})
    return True


def _purge(store: Store, before: float) -> tuple[list[str], set[str]]:
    """The recordings of the calls that it deleted, and of those that remain."""
    return store.purge(before), store.recordings()


def sweep(
    directory: Path, before: float, gone: Collection[str], kept: Collection[str]
) -> tuple[int, list[str]]:
    """Deletes the recordings `gone`, and what is older than `before` and belongs to no call: other
    recordings, and corrupt databases that were moved aside.

    Returns how many files it deleted, and for each that it could not the reason.
    """
    deleted, faults = 0, []
    try:
        old = [*_old_recordings(directory / RECORDINGS, before, gone, kept)]
        old += _old_databases(directory, before)
    except OSError as error:
        return 0, [_why(error)]
    for path in old:
        try:
            path.unlink()
            deleted += 1
        except OSError as error:
            faults.append(_why(error))
    return deleted, faults


def _old_recordings(
    directory: Path, before: float, gone: Collection[str], kept: Collection[str]
) -> list[Path]:
    if not directory.is_dir():
        return []
    return [
        Path(entry)
        for entry in os.scandir(directory)
        if entry.is_file(follow_symlinks=False)
        and (entry.name in gone or (entry.name not in kept and _changed_at(entry) < before))
    ]


def _changed_at(entry: os.DirEntry[str]) -> float:
    return entry.stat(follow_symlinks=False).st_mtime


def _old_databases(directory: Path, before: float) -> list[Path]:
    """By the time in their names: the file's own is that of its last record."""
    found = ((_ASIDE.fullmatch(path.name), path) for path in directory.iterdir())
    return [path for aside, path in found if aside and int(aside[1]) < before]


def _why(error: OSError) -> str:
    return error.strerror or type(error).__name__
