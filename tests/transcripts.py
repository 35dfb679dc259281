"""Twenty calls as they stand in the records, and what is to be learnt from each.

No model has any part in this: the answers are scripted, good ones and bad ones.
"""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from voiced.dialog.extraction import Finding
from voiced.dialog.history import Message, Role

DATA = Path(__file__).parent / "data"
ROLES = {"caller": Role.CALLER, "agent": Role.AGENT}


@frozen
class Transcript:
    """One of them. `fields` have "" for words where none prove the value."""

    name: str
    schema: Mapping[str, Any]
    language: str
    began: str
    ended: str
    said: tuple[Message, ...]
    missing: tuple[str, ...]
    fields: Mapping[str, tuple[Any, str]]

    def __str__(self) -> str:
        return self.name

    @property
    def findings(self) -> dict[str, Finding]:
        return {name: Finding(value, words or None) for name, (value, words) in self.fields.items()}

    def answer(self, **changed: Any) -> str:
        """What a good model says; `changed` are fields as it says them instead."""
        nothing = {"value": None, "words": None}
        told = {name: dict(nothing) for name in self.schema["properties"]}
        for name, (value, words) in self.fields.items():
            told[name] = {"value": value, "words": words or "as it was said"}
        return json.dumps(told | changed, ensure_ascii=False)


def _read(path: Path, schemas: Mapping[str, Any]) -> Transcript:
    told = tomllib.loads(path.read_text())
    return Transcript(
        path.stem,
        schemas[told["schema"]],
        told["language"],
        told["began"],
        told["ended"],
        tuple(Message(ROLES[role], text) for role, text in told["said"]),
        tuple(told["missing"]),
        {name: (each["value"], each["words"]) for name, each in told["fields"].items()},
    )


def transcripts() -> list[Transcript]:
    """All of them, by name."""
    schemas = tomllib.loads((DATA / "extract.toml").read_text())
    return [_read(path, schemas) for path in sorted((DATA / "transcripts").glob("*.toml"))]
