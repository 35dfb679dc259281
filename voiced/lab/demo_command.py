"""`voiced demo`: which stand-ins the call is to use."""

import argparse
from typing import Final

import trio

from voiced.lab.demo import Chosen, run_demo

_LAB: Final = {"moshi": "lab", "openai": "lab"}
"""The types of engine that the lab's configuration names otherwise."""


def run(arguments: argparse.Namespace) -> int:
    """A whole call on this machine; 0 if it went well."""
    chosen = Chosen(
        _LAB.get(arguments.stt, arguments.stt),
        _LAB.get(arguments.llm, arguments.llm),
        _LAB.get(arguments.tts, arguments.tts),
    )
    return trio.run(run_demo, arguments.folder, chosen)
