"""`voiced lab`, `voiced phone` and `voiced demo`, each loaded only when it is asked for.

A telephone call needs no more than the daemon does; the other two need the libraries of the extra
`lab`, which the Debian package does not bring.
"""

import argparse
import importlib
from collections.abc import Callable, Mapping
from functools import partial
from types import ModuleType
from typing import Final

from voiced.errors import StartupError

READY: Final = "# the lab is ready"
"""The last line that `voiced lab` prints before it serves."""

_HOMES: Final = {
    "lab": "voiced.lab.lab_command",
    "phone": "voiced.lab.phone_command",
    "demo": "voiced.lab.demo_command",
}
"""Where each command is: a module with a `run` of the parsed options, which gives the exit code."""


def _run(command: str, arguments: argparse.Namespace) -> int:
    """Loads the command and runs it.

    Raises:
        StartupError: it needs a library that is not installed, or cannot start.
    """
    home = _home(command)
    failures: list[BaseException] = []
    try:
        code = int(home.run(arguments))
    except* StartupError as group:  # a nursery's
        failures.append(leaf(group))
    for failure in failures:
        raise failure  # not above: Python 3.11.2, Debian 12's, would wrap it in a group again
    return code


def leaf(group: BaseException) -> BaseException:
    """The first error in groups of groups."""
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group


def _home(command: str) -> ModuleType:
    try:
        return importlib.import_module(_HOMES[command])
    except ModuleNotFoundError as error:
        raise StartupError(
            f"voiced {command} needs {error.name}, which is not installed: "
            f"pip install 'voiced[lab]'; the Debian package does not have it, "
            f"but a checkout does after make setup"
        ) from error


COMMANDS: Final[Mapping[str, Callable[[argparse.Namespace], int]]] = {
    command: partial(_run, command) for command in _HOMES
}
"""By name. None of them is loaded yet."""
