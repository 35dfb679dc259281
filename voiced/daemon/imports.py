"""Everything is imported at the start.

An upgrade replaces the files under a running daemon: what it imported later would be of another
version. And a first call must not wait for the disk.
"""

import importlib
from contextlib import suppress
from typing import Final

LATE: Final = (
    "email.policy",
    "encodings.ascii",
    "encodings.idna",
    "encodings.latin_1",
    "flask.debughelpers",
    "httpcore._backends.trio",
    "idna.uts46data",
)
"""What our libraries and Python import only when they come to need it."""


def import_all() -> None:
    """Imports what was not yet. What is not there in some version of a library, that version does
    not need."""
    for name in LATE:
        with suppress(ModuleNotFoundError):
            importlib.import_module(name)
